//! One series: what came each minute, what is expected, what is unusual.
//!
//! Minutes are closed in order; minutes without calls may be left out and are closed as zeros by the next call, to
//! the same bits. A series silent for `FORGET` minutes is a new one again: so catching up is bounded, and a series that
//! was evicted after that long and comes back is no different from one that was kept.

use alloc::boxed::Box;

use crate::calendar::{HOUR, LAST_MINUTE, Minute, WEEK};
use crate::calibration::Calibration;
use crate::context::Context;
use crate::episode::{Ending, Episode};
use crate::finding::{EndReason, Finding, Level, Step, Test, Transition};
use crate::judge::{Case, WINDOW};
use crate::model::{Forecast, Model, Outlook, begins_day};
use crate::record::Maxima;
use crate::recurrence::Recurrence;

/// Minutes of silence after which nothing of a series is remembered: eight weeks.
pub const FORGET: u32 = 8 * WEEK;

/// Calls a minute above this count as this: four thousand million.
pub const MOST_CALLS: u64 = u32::MAX as u64;

/// A first burst is the first hour of a series with at most this many calls in the week before.
const RARE_CALLS: usize = 2;

/// The place of a minute that there was none of.
pub(crate) const NEVER: Minute = u32::MAX;

/// The state of one series; see the crate's documentation for what it is told and says.
#[derive(Clone, PartialEq)]
pub struct Series {
    pub(crate) since: Minute,
    /// The first minute that is not closed.
    pub(crate) next: Minute,
    pub(crate) model: Model,
    pub(crate) calibration: Calibration,
    pub(crate) recurrence: Recurrence,
    pub(crate) maxima: Maxima,
    /// Calls of the four minutes before `next`, oldest first; explained minutes are zero.
    pub(crate) ring: [u32; WINDOW - 1],
    /// Minutes of the last calls, newest first.
    pub(crate) last_calls: [Minute; RARE_CALLS + 1],
    pub(crate) burst: Option<Box<Burst>>,
    pub(crate) episode: Option<Box<Episode>>,
}

/// A first burst whose hour is running.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Burst {
    pub(crate) start: Minute,
    pub(crate) size: u64,
    /// The strictest level told of it.
    pub(crate) told: Option<Level>,
}

impl core::fmt::Debug for Series {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut out = f.debug_struct("Series");
        out.field("since", &self.since)
            .field("next", &self.next)
            .field("episode", &self.episode)
            .finish_non_exhaustive()
    }
}

impl Series {
    /// A series of an account that has been watched since `watched_since`, without a call until `first` (exclusive).
    pub fn new(watched_since: Minute, first: Minute) -> Self {
        Self {
            since: watched_since.min(first),
            next: first,
            model: Model::empty(),
            calibration: Calibration::default(),
            recurrence: Recurrence::default(),
            maxima: Maxima::default(),
            ring: [0; WINDOW - 1],
            last_calls: [NEVER; RARE_CALLS + 1],
            burst: None,
            episode: None,
        }
    }

    /// Closes `minute` with `calls`, and every minute since the last closed one with none. A minute that is closed
    /// already, or that lies beyond [`LAST_MINUTE`], changes nothing.
    pub fn close(&mut self, minute: Minute, calls: u64, context: &Context<'_>) -> Step {
        let mut step = Step::default();
        if minute >= self.next && minute <= LAST_MINUTE {
            if calls == 0 {
                self.close_empty(minute + 1, &mut step);
                step.transition = step.before.take();
            } else {
                self.close_empty(minute, &mut step);
                self.close_busy(minute, calls.min(MOST_CALLS) as u32, context, &mut step);
            }
        }
        step.awake = self.episode.is_some() || self.burst.is_some();
        step
    }

    /// Closes every minute before `until` without calls.
    fn close_empty(&mut self, until: Minute, step: &mut Step) {
        while self.next < until {
            if self.is_blank() {
                self.next = until;
            } else if self.covers(self.next) {
                self.close_empty_minute(step);
            } else {
                self.close_empty_span(until, step);
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

    fn close_empty_minute(&mut self, step: &mut Step) {
        let minute = self.next;
        let forecast = self.forecast(minute);
        self.model.impute(minute, &forecast);
        self.calibration.silence(1, self.model.outlook.bucket, &mut step.peaks);
        let ended = self.observe_episode(minute, 0, &forecast, true);
        step.before = ended.or(step.before);
        self.push(0);
        self.advance(1);
    }

    /// As far as the hour, the incident's first minute and the moment of forgetting allow.
    fn close_empty_span(&mut self, until: Minute, step: &mut Step) {
        let from = self.next % HOUR;
        let start = self.episode.as_ref().map_or(NEVER, |episode| episode.start);
        let to = until.min(self.next - from + HOUR).min(start);
        let to = if self.episode.is_none() { to.min(self.forget_at()) } else { to };
        let minutes = to.saturating_sub(self.next).max(1);
        self.model.template.remember_silence(from, from + minutes);
        self.calibration.silence(minutes, self.model.outlook.bucket, &mut step.peaks);
        (0..minutes.min(WINDOW as u32)).for_each(|_| self.push(0));
        self.advance(minutes);
    }

    fn close_busy(&mut self, minute: Minute, calls: u32, context: &Context<'_>, step: &mut Step) {
        self.wake();
        self.grow_burst(minute, calls);
        let forecast = self.forecast(minute);
        let x = f64::from(calls);
        let burst = self.burst.as_ref().map(|burst| (burst.start, burst.size));
        let case = self.case(minute, calls, self.maxima.week(), burst);
        let (statistics, explained) = (case.statistics(), case.explained);
        let surprise = if explained { case.one_minute(x) } else { statistics[0] };
        let finding = case.find(statistics, context);
        let was_covered = self.covers(minute);
        step.transition = self.decide(finding);
        if was_covered && let Some(ended) = self.observe_episode(minute, calls, &forecast, context.learn) {
            step.before = step.transition.replace(ended);
        }
        let incident = was_covered || self.covers(minute);
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
        self.advance(1);
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
            self.model.refresh(self.since, self.next / HOUR);
        }
    }

    fn advance(&mut self, minutes: u32) {
        let hour = self.next / HOUR;
        self.next += minutes;
        if self.next / HOUR != hour {
            self.model.end_hour(self.since, hour);
            self.calibration.decay();
            if begins_day(self.next) {
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
    fn outlook(&self, minute: Minute) -> (u32, Outlook) {
        let hour = self.next / HOUR;
        if self.model.is_awake() && (hour.saturating_sub(1)..=hour + 1).contains(&(minute / HOUR)) {
            return (hour, self.model.outlook);
        }
        (minute / HOUR, self.model.look(self.since, minute / HOUR))
    }

    /// `minute` with `calls`, after the four minutes of the ring.
    fn case(&self, minute: Minute, calls: u32, week_maximum: f64, burst: Option<(Minute, u64)>) -> Case<'_> {
        let [a, b, c, d] = self.ring;
        self.case_of(minute, [a, b, c, d, calls].map(f64::from), week_maximum, burst)
    }

    pub(crate) fn case_of(
        &self,
        minute: Minute,
        calls: [f64; WINDOW],
        week_maximum: f64,
        burst: Option<(Minute, u64)>,
    ) -> Case<'_> {
        let (hour, outlook) = self.outlook(minute);
        let mut case = Case {
            calibration: &self.calibration,
            model: &self.model,
            outlook: (hour, outlook),
            forecast: self.model.forecast(&outlook, hour, minute),
            since: self.since,
            minute,
            calls,
            week_maximum,
            explained: false,
            burst,
        };
        // At a job's time every count up to the job's tolerance is explained, also one too small to need it: so that
        // more calls are never less severe.
        if self.recurrence.explains(minute, calls[WINDOW - 1]) {
            case.explained = true;
            case.calls[WINDOW - 1] = 0.0;
        }
        case
    }

    /// Opens, raises, or neither.
    fn decide(&mut self, finding: Option<Finding>) -> Option<Transition> {
        let finding = self.untold(finding?)?;
        if let Some(burst) = &mut self.burst {
            burst.told = Some(finding.level);
        }
        if let Some(episode) = &mut self.episode {
            episode.level = finding.level;
            return Some(Transition::Raised(Finding { start: episode.start, ..finding }));
        }
        self.episode = Some(Box::new(Episode::opened(&finding)));
        Some(Transition::Opened(finding))
    }

    /// The finding, if it is stricter than what was told of this incident and of this first burst.
    pub(crate) fn untold(&self, finding: Finding) -> Option<Finding> {
        let told = match (&self.episode, &self.burst) {
            (Some(episode), _) => Some(episode.level),
            (None, Some(burst)) if finding.test == Test::FirstUse => burst.told,
            _ => None,
        };
        told.is_none_or(|told| finding.level < told).then_some(finding)
    }

    fn observe_episode(&mut self, minute: Minute, calls: u32, forecast: &Forecast, learn: bool) -> Option<Transition> {
        let episode = self.episode.as_mut()?;
        let start = episode.start;
        let Ending { end, reason, ratio } = episode.observe(minute, calls, forecast)?;
        self.episode = None;
        if reason == EndReason::Accepted && learn {
            self.model.accept(self.since, self.next / HOUR, ratio);
        }
        Some(Transition::Ended { start, end, reason })
    }

    /// At most two calls in the week before, in an account watched for that long.
    pub(crate) fn is_rare(&self, minute: Minute) -> bool {
        let [.., third_last] = self.last_calls;
        let silent = third_last == NEVER || minute.saturating_sub(third_last) > WEEK;
        silent && minute.saturating_sub(self.since) >= WEEK
    }

    fn grow_burst(&mut self, minute: Minute, calls: u32) {
        if self.burst.is_none() && self.is_rare(minute) {
            self.burst = Some(Box::new(Burst { start: minute, size: 0, told: None }));
        }
        if let Some(burst) = &mut self.burst {
            burst.size = burst.size.saturating_add(u64::from(calls));
        }
    }

    fn end_burst(&mut self, step: &mut Step) {
        if let Some(burst) = self.burst.take_if(|burst| burst.start.saturating_add(HOUR) <= self.next) {
            step.first_burst = Some(burst.size);
        }
    }

    /// Whether an incident is open.
    pub fn is_active(&self) -> bool {
        self.episode.is_some()
    }

    /// The first minute of the current quiet run of an open incident.
    pub fn quiet_since(&self) -> Option<Minute> {
        self.episode.as_ref().filter(|episode| episode.quiet > 0.0).map(|episode| episode.quiet_since)
    }

    /// Calls expected in `minute`.
    pub fn expected(&self, minute: Minute) -> f64 {
        let (hour, outlook) = self.outlook(minute);
        self.model.forecast(&outlook, hour, minute).mean
    }

    /// The least calls in `minute` that the one-minute test finds unusual, by [`Level::ALL`]; `u64::MAX` if none are.
    pub fn thresholds(&self, minute: Minute, context: &Context<'_>) -> [u64; 3] {
        self.case_of(minute, [0.0; WINDOW], self.maxima.week(), None).thresholds(Test::Minute, context)
    }

    /// The last closed minute; the one before the first if none is.
    pub fn last_closed(&self) -> Minute {
        self.next.saturating_sub(1)
    }

    /// The last closed minute with calls.
    pub fn last_call(&self) -> Option<Minute> {
        let [last, ..] = self.last_calls;
        (last != NEVER).then_some(last)
    }

    /// The first minute since which the account has been watched, as this series counts it.
    pub fn watched_since(&self) -> Minute {
        self.since
    }

    /// The largest minute of the last seven days and today, in calls, rounded up by at most 1/1024.
    pub fn largest_of_week(&self) -> f64 {
        self.maxima.week()
    }
}
