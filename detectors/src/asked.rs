//! What a series answers when it is asked, without a minute being closed.

use crate::burst::Burst;
use crate::calendar::Minute;
use crate::context::Context;
use crate::dense::{Dense, NEVER};
use crate::episode::Episode;
use crate::finding::Test;
use crate::judge::WINDOW;

impl Dense {
    /// The first minute of the current quiet run of an open incident.
    pub(crate) fn quiet_since(&self) -> Option<Minute> {
        self.episode.as_ref().and_then(|episode| episode.quiet_from())
    }

    /// Calls expected in `minute`.
    pub(crate) fn expected(&self, minute: Minute) -> f64 {
        let (hour, outlook) = self.outlook(minute);
        self.model.forecast(&outlook, hour, minute).mean
    }

    /// The least calls in `minute` that the one-minute test finds unusual, by [`Level::ALL`]; `u64::MAX` if none are.
    pub(crate) fn thresholds(&self, minute: Minute, context: &Context<'_>) -> [u64; 3] {
        let explained = self.recurrence.tolerance(minute).map_or(0, |most| most as u64 + 1);
        let case = self.case_of(minute, [0.0; WINDOW], self.maxima.week(), None, context);
        case.thresholds(Test::Minute, context).map(|calls| calls.max(explained))
    }

    /// The last closed minute with calls.
    pub(crate) fn last_call(&self) -> Option<Minute> {
        let [last, ..] = self.last_calls;
        (last != NEVER).then_some(last)
    }

    /// The largest minute of the last seven days and today, in calls, rounded up by at most 1/1024.
    pub(crate) fn largest_of_week(&self) -> f64 {
        self.maxima.week()
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        let burst = self.burst.as_ref().map_or(0, |_| size_of::<Burst>());
        let episode = self.episode.as_ref().map_or(0, |_| size_of::<Episode>());
        size_of::<Self>() + burst + episode
    }
}
