//! All that is kept of one series while it is worked on: what came each minute, what is expected, what runs.
//!
//! Minutes are closed in order; minutes without calls may be left out and are closed as zeros by the next call, to
//! the same bits. A series silent for `FORGET` minutes is a new one again: so catching up is bounded, and a series that
//! was evicted after that long and comes back is no different from one that was kept.

use alloc::boxed::Box;

use crate::burst::Burst;
use crate::calendar::{HOUR, LAST_MINUTE, Minute};
use crate::calibration::Calibration;
use crate::context::{Context, Kind};
use crate::cusum::Cusum;
use crate::episode::Episode;
use crate::finding::Step;
use crate::hourly::Hourly;
use crate::judge::WINDOW;
use crate::model::{Forecast, Model, Outlook, begins_day};
use crate::record::Maxima;
use crate::recurrence::Recurrence;
use crate::series::{FORGET, MOST_CALLS};

/// A first burst is the first hour of a series with at most this many calls in the week before.
pub(crate) const RARE_CALLS: usize = 2;

/// The place of a minute that there was none of.
pub(crate) const NEVER: Minute = u32::MAX;

/// An hour with this many times its expectation may fire when it is over.
const HOT_RATIO: f64 = 1.2;
const HOT_CALLS: f64 = 2.0;

/// The state of one series; see the crate's documentation for what it is told and says.
#[derive(Clone, PartialEq)]
pub(crate) struct Dense {
    pub(crate) since: Minute,
    /// The first minute that is not closed.
    pub(crate) next: Minute,
    pub(crate) model: Model,
    pub(crate) calibration: Calibration,
    /// By [`Change::ALL`].
    pub(crate) cusums: [Cusum; 4],
    pub(crate) hourly: Hourly,
    pub(crate) recurrence: Recurrence,
    pub(crate) maxima: Maxima,
    /// Calls of the four minutes before `next`, oldest first; explained minutes are zero.
    pub(crate) ring: [u32; WINDOW - 1],
    /// Minutes of the last calls, newest first.
    pub(crate) last_calls: [Minute; RARE_CALLS + 1],
    pub(crate) burst: Option<Box<Burst>>,
    pub(crate) episode: Option<Box<Episode>>,
}

impl core::fmt::Debug for Dense {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut out = f.debug_struct("Series");
        out.field("since", &self.since)
            .field("next", &self.next)
            .field("episode", &self.episode)
            .finish_non_exhaustive()
    }
}

impl Dense {
    /// A series of an account that has been watched since `watched_since`, without a call until `first` (exclusive).
    pub(crate) fn new(watched_since: Minute, first: Minute) -> Self {
        Self {
            since: watched_since.min(first),
            next: first,
            model: Model::empty(),
            calibration: Calibration::default(),
            cusums: [Cusum::default(); 4],
            hourly: Hourly::default(),
            recurrence: Recurrence::default(),
            maxima: Maxima::default(),
            ring: [0; WINDOW - 1],
            last_calls: [NEVER; RARE_CALLS + 1],
            burst: None,
            episode: None,
        }
    }

    /// Closes `minute` with `calls`, and every minute since the last closed one with none, but for those that are
    /// missing. A minute that is closed already, or that lies beyond [`LAST_MINUTE`], changes nothing.
    pub(crate) fn close(&mut self, minute: Minute, calls: u64, context: &Context<'_>) -> Step {
        let mut step = Step::default();
        if minute >= self.next && minute <= LAST_MINUTE {
            if calls == 0 {
                self.close_empty(minute + 1, context, &mut step);
            } else {
                self.close_empty(minute, context, &mut step);
                self.close_busy(minute, calls.min(MOST_CALLS) as u32, context, &mut step);
            }
        }
        step.awake = self.is_awake();
        step
    }

    /// Something is open, or may be decided by a minute without calls or by the end of the hour.
    pub(crate) fn is_awake(&self) -> bool {
        let hour = &self.model.hour;
        let hot = f64::from(hour.clipped) > HOT_RATIO * f64::from(self.model.outlook.sums[0]) + HOT_CALLS;
        self.episode.is_some() || self.burst.is_some() || self.model.outlook.armed || hot
    }

    /// Closes every minute before `until` without calls.
    fn close_empty(&mut self, until: Minute, context: &Context<'_>, step: &mut Step) {
        while self.next < until {
            let gap = context.gaps.iter().find(|gap| gap.end > self.next && gap.start < until);
            if self.is_blank() {
                self.next = until;
            } else if gap.is_some_and(|gap| gap.contains(&self.next)) {
                self.close_missing(context, step);
            } else if self.covers(self.next) || self.model.outlook.armed {
                self.close_empty_minute(context, step);
            } else {
                let until = gap.map_or(until, |gap| until.min(gap.start));
                self.close_empty_span(until, context, step);
            }
            self.end_burst(step);
        }
    }

    /// Blank: nothing is known but that there was nothing. Becomes so again after [`FORGET`].
    pub(crate) fn is_blank(&mut self) -> bool {
        if self.model.is_awake() && self.episode.is_none() && self.next >= self.forget_at() {
            *self = Self::new(self.since, self.next);
        }
        !self.model.is_awake()
    }

    fn forget_at(&self) -> Minute {
        let [last, ..] = self.last_calls;
        if last == NEVER { self.next } else { last.saturating_add(FORGET) }
    }

    /// Nothing is learned from a missing minute or judged in it: the expectation stands for it, CUSUMs keep still.
    fn close_missing(&mut self, context: &Context<'_>, step: &mut Step) {
        let forecast = self.forecast(self.next);
        self.model.impute(self.next, &forecast);
        self.hourly.missing = self.hourly.missing.saturating_add(1);
        self.calibration.silence(1, self.model.outlook.bucket, &mut step.peaks);
        self.push(0);
        self.advance(1, context, step);
    }

    fn close_empty_minute(&mut self, context: &Context<'_>, step: &mut Step) {
        let minute = self.next;
        let forecast = self.forecast(minute);
        let covered = self.covers(minute);
        let raised = self.feed_cusums(minute, 0, &forecast, false, step);
        if raised.contains(&true) {
            let case = self.case(minute, 0, self.maxima.week(), None, raised, context);
            let found = case.find([0.0; 3], context, |level, test| self.is_untold(level, test));
            self.tell(found, step);
        }
        if covered {
            let ended = self.observe_episode(minute, 0, &forecast, context, step);
            step.put(ended);
        }
        if covered || self.covers(minute) {
            self.model.impute(minute, &forecast);
            self.hourly.missing = self.hourly.missing.saturating_add(1);
        } else {
            self.model.template.remember_silence(minute % HOUR, minute % HOUR + 1);
        }
        self.calibration.silence(1, self.model.outlook.bucket, &mut step.peaks);
        self.push(0);
        self.advance(1, context, step);
    }

    /// As far as the hour, the incident's first minute and the moment of forgetting allow.
    fn close_empty_span(&mut self, until: Minute, context: &Context<'_>, step: &mut Step) {
        let from = self.next % HOUR;
        let start = self.episode.as_ref().map_or(NEVER, |episode| episode.start);
        let to = until.min(self.next - from + HOUR).min(start);
        let to = if self.episode.is_none() { to.min(self.forget_at()) } else { to };
        let minutes = to.saturating_sub(self.next).max(1);
        self.model.template.remember_silence(from, from + minutes);
        self.calibration.silence(minutes, self.model.outlook.bucket, &mut step.peaks);
        self.pass_cusums(minutes, step);
        (0..minutes.min(WINDOW as u32)).for_each(|_| self.push(0));
        self.advance(minutes, context, step);
    }

    fn close_busy(&mut self, minute: Minute, calls: u32, context: &Context<'_>, step: &mut Step) {
        self.wake();
        if context.kind == Kind::Api {
            self.grow_burst(minute, calls);
        }
        let forecast = self.forecast(minute);
        let x = f64::from(calls);
        let burst = self.burst.as_ref().map(|burst| (burst.start, burst.size));
        let explained = self.recurrence.explains(minute, x);
        let raised = self.feed_cusums(minute, calls, &forecast, explained, step);
        let case = self.case(minute, calls, self.maxima.week(), burst, raised, context);
        let statistics = case.statistics();
        let surprise = if explained { case.one_minute(x) } else { statistics[0] };
        let finding = case.find(statistics, context, |level, test| self.is_untold(level, test));
        let was_covered = self.covers(minute);
        self.tell(finding, step);
        if was_covered {
            let ended = self.observe_episode(minute, calls, &forecast, context, step);
            step.put(ended);
        }
        let incident = was_covered || self.covers(minute);
        if incident {
            self.hourly.missing = self.hourly.missing.saturating_add(1);
        }
        if incident || !context.learn || (explained && surprise > 0.0) {
            self.model.impute(minute, &forecast);
        } else {
            self.model.learn(minute, calls, &forecast);
        }
        if context.learn {
            self.learn_tail(minute, calls, statistics, surprise, step);
        } else {
            self.calibration.silence(1, self.model.outlook.bucket, &mut step.peaks);
        }
        self.push(if explained { 0 } else { calls });
        self.remember_call(minute, calls);
        self.advance(1, context, step);
        self.end_burst(step);
    }

    fn learn_tail(&mut self, minute: Minute, calls: u32, statistics: [f64; 3], surprise: f64, step: &mut Step) {
        if surprise > 0.0 {
            self.recurrence.learn(minute, f64::from(calls));
        }
        self.calibration.learn(statistics, self.model.outlook.bucket, &mut step.peaks);
        self.maxima.learn(minute, calls);
    }

    fn covers(&self, minute: Minute) -> bool {
        self.episode.as_ref().is_some_and(|episode| episode.covers(minute))
    }

    /// The first call: from here on silence is learned too.
    pub(crate) fn wake(&mut self) {
        if self.is_blank() {
            self.model.wake(self.since, self.next / HOUR);
        }
    }

    fn advance(&mut self, minutes: u32, context: &Context<'_>, step: &mut Step) {
        let hour = self.next / HOUR;
        self.next += minutes;
        if self.next / HOUR != hour {
            self.end_hour(hour, context, step);
            if begins_day(self.next) {
                self.calibration.decay();
                self.maxima.begin_day(self.next);
            }
        }
    }

    fn push(&mut self, calls: u32) {
        self.ring.rotate_left(1);
        if let Some(last) = self.ring.last_mut() {
            *last = calls;
        }
    }

    fn remember_call(&mut self, minute: Minute, calls: u32) {
        for _ in 0..calls.min(self.last_calls.len() as u32) {
            self.last_calls.rotate_right(1);
            self.last_calls[0] = minute;
        }
    }

    fn forecast(&self, minute: Minute) -> Forecast {
        self.model.forecast(&self.model.outlook, self.next / HOUR, minute)
    }

    /// The outlook for a minute and the hour it was made for: the cached one as far as it reaches.
    pub(crate) fn outlook(&self, minute: Minute) -> (u32, Outlook) {
        let hour = self.next / HOUR;
        if self.model.is_awake() && (hour.saturating_sub(1)..=hour + 1).contains(&(minute / HOUR)) {
            return (hour, self.model.outlook);
        }
        (minute / HOUR, self.model.look(self.since, minute / HOUR))
    }
}
