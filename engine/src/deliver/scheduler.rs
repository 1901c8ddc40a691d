//! What a worker does next: a value without clock, thread or I/O, which the simulation drives as the service does.
//!
//! Order per incident: a row is in flight only while no other row of its incident is. The outbox hands out the
//! first pending row of an incident alone, so a postponed Start holds back its own End and nothing else.
//!
//! Breaker: after [`Limits::breaker_failures`] failures in a row the sink is taken to be down. From then on one row
//! at a time is tried, with a growing pause between, until one is accepted (or refused for good: a receiver that
//! refuses is up).

use std::collections::BTreeMap;
use std::time::Duration;

use trailsight_schemas::insight::State;
use uuid::Uuid;

use super::outbox::Row;
use super::retry::{Retry, SendError, backoff};

/// Rows that are given up at a time where too many wait.
const MOST_GIVEN_UP: usize = 256;

/// Bounds of one sink's deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most rows in flight at once.
    pub in_flight: usize,
    /// Age at which a row that has failed is given up. A row that was never tried is tried once, however old,
    /// unless the sink is known to be down.
    pub deadline: Duration,
    /// Ceiling of the first backoff; it doubles with each attempt.
    pub backoff_base: Duration,
    /// Ceiling of every backoff.
    pub backoff_cap: Duration,
    /// Failures in a row after which rows are tried one at a time.
    pub breaker_failures: u32,
    /// Rows that may wait. Beyond it the oldest are given up, however young.
    pub outbox_rows: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            in_flight: 8,
            deadline: Duration::from_secs(24 * 3600),
            backoff_base: Duration::from_secs(1),
            backoff_cap: Duration::from_secs(300),
            breaker_failures: 5,
            outbox_rows: 100_000,
        }
    }
}

/// What to do with a row that is due.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Try to deliver it.
    Send(Row),
    /// Give it up untried, for this reason.
    GiveUp(Row, String),
}

/// What to write to the outbox after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// Due again at this instant, milliseconds since the epoch.
    Postpone {
        /// When.
        until_ms: i64,
        /// What happened.
        error: String,
    },
    /// To the dead letter.
    Dead {
        /// Why.
        error: String,
    },
}

/// The state of one sink's deliveries.
#[derive(Clone, Debug)]
pub struct Scheduler {
    limits: Limits,
    in_flight: BTreeMap<i64, Uuid>,
    failures: u32,
    hold_until: i64,
}

impl Scheduler {
    /// Nothing in flight, nothing known of the sink.
    pub fn new(limits: Limits) -> Scheduler {
        Scheduler { limits, in_flight: BTreeMap::new(), failures: 0, hold_until: i64::MIN }
    }

    /// How many more rows may be put in flight at `now_ms`.
    pub fn room(&self, now_ms: i64) -> usize {
        let most = if self.is_down() { 1 } else { self.limits.in_flight.max(1) };
        if now_ms < self.hold_until { 0 } else { most.saturating_sub(self.in_flight.len()) }
    }

    /// How many rows to ask the outbox for: it also gives those that are in flight.
    pub fn ask_for(&self, now_ms: i64) -> usize {
        match self.room(now_ms) {
            0 => 0,
            room => room + self.in_flight.len(),
        }
    }

    /// Until when nothing may be sent, if that lies after `now_ms`.
    pub fn held_until(&self, now_ms: i64) -> Option<i64> {
        (self.hold_until > now_ms).then_some(self.hold_until)
    }

    /// Rows whose fate is not yet written.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Takes rows that are due (in the order of their ids) as far as there is room; those taken are in flight
    /// until [`Scheduler::written`].
    pub fn admit(&mut self, rows: Vec<Row>, now_ms: i64) -> Vec<Step> {
        let mut steps = Vec::new();
        for row in rows {
            if self.room(now_ms) == 0 {
                break;
            }
            let busy = self.in_flight.values().any(|incident| *incident == row.shared_event_id);
            if busy || self.in_flight.contains_key(&row.id) {
                continue;
            }
            self.in_flight.insert(row.id, row.shared_event_id);
            steps.push(match self.hopeless(&row, now_ms) {
                Some(reason) => Step::GiveUp(row, reason),
                None => Step::Send(row),
            });
        }
        steps
    }

    /// How many of `waiting` rows are too many, at most [`MOST_GIVEN_UP`].
    pub fn excess(&self, waiting: u64) -> usize {
        usize::try_from(waiting.saturating_sub(self.limits.outbox_rows))
            .map_or(MOST_GIVEN_UP, |many| many.min(MOST_GIVEN_UP))
    }

    /// Takes up to `most` rows to be given up, whether or not the sink may be asked now. They are in flight until
    /// [`Scheduler::written`]; what is under way already is left to its end.
    pub fn give_up(&mut self, rows: Vec<Row>, most: usize) -> Vec<(Row, String)> {
        let mut given_up = Vec::new();
        for row in rows {
            let busy = self.in_flight.values().any(|incident| *incident == row.shared_event_id);
            if given_up.len() < most && !busy {
                self.in_flight.insert(row.id, row.shared_event_id);
                given_up.push((row, format!("more than {} insights wait for this sink", self.limits.outbox_rows)));
            }
        }
        given_up
    }

    /// Judges an attempt. The row stays in flight until its fate is written.
    pub fn settle(&mut self, row: &Row, now_ms: i64, outcome: Result<(), SendError>) -> Verdict {
        let Err(SendError { retry, message }) = outcome else {
            self.failures = 0;
            return Verdict::Delivered;
        };
        let wait = match retry {
            Retry::Never => {
                self.failures = 0;
                return Verdict::Dead { error: message };
            }
            Retry::Now => None,
            Retry::After(wait) => Some(wait),
        };
        self.failed(row, now_ms, wait);
        let age = self.age(row, now_ms);
        if age >= self.limits.deadline {
            let error = format!("deadline of {} s passed: {message}", self.limits.deadline.as_secs());
            return Verdict::Dead { error };
        }
        let wait = wait.unwrap_or_else(|| self.backoff(row.id, row.attempts));
        let until_ms = now_ms.saturating_add(milliseconds(wait.min(self.limits.deadline - age)));
        Verdict::Postpone { until_ms, error: message }
    }

    /// The row's fate is in the outbox: its incident and its place are free again.
    pub fn written(&mut self, row: i64) {
        self.in_flight.remove(&row);
    }

    fn failed(&mut self, row: &Row, now_ms: i64, asked: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        let pause = self.is_down().then(|| self.backoff(row.id, self.failures - self.limits.breaker_failures));
        for wait in [asked, pause].into_iter().flatten() {
            self.hold_until = self.hold_until.max(now_ms.saturating_add(milliseconds(wait)));
        }
    }

    fn hopeless(&self, row: &Row, now_ms: i64) -> Option<String> {
        if row.start_died && row.state == State::End {
            return Some("its Start ended in the dead letter".into());
        }
        let old = self.age(row, now_ms) >= self.limits.deadline;
        (old && (row.attempts > 0 || self.is_down()))
            .then(|| format!("deadline of {} s passed", self.limits.deadline.as_secs()))
    }

    fn is_down(&self) -> bool {
        self.failures >= self.limits.breaker_failures.max(1)
    }

    fn backoff(&self, row: i64, attempt: u32) -> Duration {
        backoff(row, attempt, self.limits.backoff_base, self.limits.backoff_cap)
    }

    fn age(&self, row: &Row, now_ms: i64) -> Duration {
        Duration::from_millis(now_ms.saturating_sub(row.created_ms).max(0).unsigned_abs())
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
