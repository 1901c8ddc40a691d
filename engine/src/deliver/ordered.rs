//! The thread that empties the outbox of a sink that keeps, beside its output, how far it has come.
//!
//! Rows go out in the order of their ids and in no other, many as one unit, and the unit holds the [`Position`] of
//! its last row. What the outbox does not know because the process died (or the answer was lost) between "appended"
//! and "noted" is read off the position: every row up to it is delivered, every row behind it is not. That holds
//! because
//!
//! - a unit is always the first pending rows of the sink, and the next begins only when their fate is in the outbox;
//! - a row that is given up stands in the dead letter and is closed in the outbox before a later one is appended;
//! - nothing is appended before [`Output::join`] has ended, undone or finished what was under way before.
//!
//! A position that this outbox cannot have led to was left by another copy of the data directory that went on. Then
//! nothing is sent: the two would tell some insights twice. Likewise when somebody else notes the position while this
//! process runs: it has been taken over, and says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use trailsight_schemas::insight::State;
use uuid::Uuid;

use super::deadletter::DeadLetters;
use super::observer::{Observer, Outcome};
use super::outbox::{Outbox, Row};
use super::retry::backoff;
use super::scheduler::{Limits, Scheduler};
use crate::clock::Clock;
use crate::journal::JournalError;

/// Longest time between two looks into the outbox, and shortest between two reports of its depth, milliseconds.
const LOOK_MS: i64 = 1000;
/// A position is noted anew after this long without an insight, milliseconds: brokers forget what nobody renews
/// (`offsets.retention.minutes`, seven days).
const RENEW_MS: i64 = 24 * 3600 * 1000;

/// How far an output has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its last row; 0 before the first.
    pub row: i64,
    /// The record in that row; nil before the first.
    pub event_id: Uuid,
    /// The process that noted it.
    pub owner: u64,
}

/// Why an output did not take something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not now. What was being appended may be there as a whole or not at all: the next join tells.
    Later(String),
    /// Not so many at once; one alone goes, if need be shortened, or is a [`Refusal::Row`] in the end. Nothing of the
    /// unit is there.
    Fewer,
    /// Never this row. Nothing of the unit is there.
    Row {
        /// Its id.
        id: i64,
        /// Why.
        reason: String,
    },
}

/// An output that takes rows in order, many as one unit, and keeps the position with them. Calls block for a
/// bounded time, at most a minute or two.
pub trait Output: Send {
    /// The position as it stands. Shuts nobody out.
    fn position(&mut self) -> Result<Option<Position>, Refusal>;

    /// Shuts out whoever wrote here before under the same name, ends what they left open, and notes `owner` beside
    /// the position. Returns the position that was found.
    fn join(&mut self, owner: u64) -> Result<Option<Position>, Refusal>;

    /// Whether it may append: from a join to a [`Refusal::Later`] or a leave.
    fn joined(&self) -> bool;

    /// Lets go: nothing is appended before the next join.
    fn leave(&mut self);

    /// Appends rows and the position of the last as one unit. Without rows the position is noted anew.
    fn append(&mut self, rows: &[Row]) -> Result<(), Refusal>;
}

/// What a thread needs.
pub struct Ordered {
    /// Name of the sink.
    pub name: String,
    /// Where to.
    pub output: Box<dyn Output>,
    /// This process, among all that may write there.
    pub owner: u64,
    /// From where.
    pub outbox: Arc<dyn Outbox>,
    /// What becomes of rows that are given up.
    pub dead_letters: Arc<DeadLetters>,
    /// Wall time.
    pub clock: Clock,
    /// Who counts.
    pub observer: Arc<dyn Observer>,
    /// Bounds; `in_flight` is the most rows of one unit.
    pub limits: Limits,
    /// `Some` once the process stops: up to when (milliseconds since the epoch) what is due is still delivered.
    pub shutdown: watch::Receiver<Option<i64>>,
}

/// What is known of rows and not yet written.
enum Fate {
    Delivered { through: i64 },
    Dead { row: Box<Row>, reason: String, in_dead_letter: bool },
}

enum Next {
    Again,
    Wait,
    Over,
}

struct Running {
    of: Ordered,
    fate: Option<Fate>,
    has_joined: bool,
    failures: u32,
    hold_until: i64,
    /// Rows up to this one go alone: a unit of them was too large.
    alone_through: i64,
    noted_ms: i64,
    reported_ms: i64,
    last_error: Option<String>,
}

impl Ordered {
    /// Delivers until [`Ordered::shutdown`], or until another process has taken over. Blocks; waits on `runtime`.
    pub fn run(self, runtime: &Handle) {
        let mut running = Running {
            of: self,
            fate: None,
            has_joined: false,
            failures: 0,
            hold_until: i64::MIN,
            alone_through: 0,
            noted_ms: i64::MIN,
            reported_ms: i64::MIN,
            last_error: None,
        };
        running.run(runtime);
    }
}

impl Running {
    fn run(&mut self, runtime: &Handle) {
        let wake = self.of.outbox.wake();
        loop {
            // Registered before the outbox is read, so that rows committed meanwhile are not slept through.
            let mut woken = std::pin::pin!(wake.notified());
            woken.as_mut().enable();
            let now = self.of.clock.now();
            let stop = *self.of.shutdown.borrow_and_update();
            if stop.is_some_and(|until| now >= until) {
                break;
            }
            match self.turn(now, stop.is_some()) {
                Next::Again => continue,
                Next::Over => break,
                Next::Wait => {}
            }
            self.report(now);
            // A turn may have taken longer than the grace that was left, and with it goes what waits are made of.
            if self.of.shutdown.borrow().is_some_and(|until| self.of.clock.now() >= until) {
                break;
            }
            let pause = self.pause(now, stop);
            runtime.block_on(async {
                tokio::select! {
                    () = woken => {}
                    // An owner that is gone does not stop the thread; it only cannot ask any more.
                    Ok(()) = self.of.shutdown.changed() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            });
        }
        self.reported_ms = i64::MIN;
        let now = self.of.clock.now();
        self.report(now);
    }

    fn turn(&mut self, now: i64, stopping: bool) -> Next {
        if !self.write_fate(now) {
            return Next::Wait;
        }
        if now < self.hold_until {
            return if stopping { Next::Over } else { Next::Wait };
        }
        let Some(rows) = self.next_rows() else { return Next::Wait };
        if let Some((row, reason)) = rows.iter().find_map(|row| Some((row, self.hopeless(row, now)?))) {
            self.give_up(row.clone(), reason, now);
            return Next::Again;
        }
        if !self.of.output.joined() {
            return self.join(&rows, now);
        }
        if rows.is_empty() && (stopping || now.saturating_sub(self.noted_ms) < RENEW_MS) {
            return if stopping { Next::Over } else { Next::Wait };
        }
        match self.of.output.append(&rows) {
            Ok(()) => self.appended(&rows, now),
            Err(refusal) => self.refused(&rows, refusal, now),
        }
    }

    /// The first pending rows, one where a unit was too large.
    fn next_rows(&self) -> Option<Vec<Row>> {
        let (sink, most) = (&self.of.name, self.of.limits.in_flight.max(1));
        let mut rows = self.ask(|outbox| outbox.in_order(sink, most))?;
        if rows.first().is_some_and(|row| row.id <= self.alone_through) {
            rows.truncate(1);
        }
        Some(rows)
    }

    /// The position is looked at twice: before anybody is shut out, and once nobody can move it any more.
    fn join(&mut self, rows: &[Row], now: i64) -> Next {
        let found = match self.of.output.position() {
            Ok(found) => found,
            Err(refusal) => return self.refused(rows, refusal, now),
        };
        if self.has_joined && found.is_some_and(|found| found.owner != self.of.owner) {
            let why =
                "another process that runs on a copy of this data directory has taken over; this one must not go on";
            self.last_error = Some(why.to_owned());
            self.of.observer.superseded(&self.of.name, why);
            return Next::Over;
        }
        match self.is_ours(found) {
            None => return Next::Wait,
            Some(false) => return self.refused(rows, strange(), now),
            Some(true) => {}
        }
        match self.of.output.join(self.of.owner) {
            Ok(found) => self.joined(found, rows, now),
            Err(refusal) => self.refused(rows, refusal, now),
        }
    }

    fn joined(&mut self, found: Option<Position>, rows: &[Row], now: i64) -> Next {
        match self.is_ours(found) {
            Some(true) => {}
            Some(false) => {
                self.of.output.leave();
                return self.refused(rows, strange(), now);
            }
            // What was found is not yet in the outbox: it has to be found again.
            None => {
                self.of.output.leave();
                return Next::Wait;
            }
        }
        (self.has_joined, self.failures, self.noted_ms) = (true, 0, now);
        if self.last_error.take().is_some() {
            tracing::info!(sink = %self.of.name, "the sink takes insights again");
        }
        self.of.observer.up(&self.of.name);
        self.fate = found.map(|found| Fate::Delivered { through: found.row });
        Next::Again
    }

    /// Whether this outbox can have led to the position; `None` when it does not answer.
    fn is_ours(&self, found: Option<Position>) -> Option<bool> {
        let Some(Position { row, event_id, .. }) = found.filter(|found| found.row > 0) else { return Some(true) };
        self.ask(|outbox| outbox.is_row(&self.of.name, row, &event_id))
    }

    fn appended(&mut self, rows: &[Row], now: i64) -> Next {
        self.noted_ms = now;
        for row in rows {
            self.settle(row, Outcome::Delivered, now);
        }
        self.fate = rows.last().map(|last| Fate::Delivered { through: last.id });
        Next::Again
    }

    fn refused(&mut self, rows: &[Row], refusal: Refusal, now: i64) -> Next {
        match refusal {
            Refusal::Later(error) => self.failed(rows, error, now),
            Refusal::Fewer => {
                self.alone_through = rows.last().map_or(0, |last| last.id);
                return Next::Again;
            }
            Refusal::Row { id, reason } => match rows.iter().find(|row| row.id == id) {
                Some(row) => {
                    self.give_up(row.clone(), reason, now);
                    return Next::Again;
                }
                None => self.failed(rows, reason, now),
            },
        }
        Next::Wait
    }

    fn failed(&mut self, rows: &[Row], error: String, now: i64) {
        let attempt = self.failures;
        self.failures = self.failures.saturating_add(1);
        let first = rows.first().map_or(0, |row| row.id);
        let wait = backoff(first, attempt, self.of.limits.backoff_base, self.of.limits.backoff_cap);
        self.hold_until = now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        if self.last_error.as_deref() != Some(&error) {
            tracing::warn!(sink = %self.of.name, rows = rows.len(), %error, "not delivered; trying on");
        }
        self.of.observer.down(&self.of.name, &error);
        if let Some(last) = rows.last() {
            self.ask(|outbox| outbox.failed_through(&self.of.name, last.id, &error));
        }
        for row in rows {
            self.settle(row, Outcome::Retried, now);
        }
        self.last_error = Some(error);
    }

    /// A row that was tried and is older than the deadline, or whose Start was given up.
    fn hopeless(&self, row: &Row, now: i64) -> Option<String> {
        if row.start_died && row.state == State::End {
            return Some("its Start ended in the dead letter".into());
        }
        let age = now.saturating_sub(row.created_ms).max(0).unsigned_abs();
        let old = Duration::from_millis(age) >= self.of.limits.deadline;
        (old && (row.attempts > 0 || self.failures > 0)).then(|| {
            let why = self.last_error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
            format!("deadline of {} s passed{why}", self.of.limits.deadline.as_secs())
        })
    }

    fn give_up(&mut self, row: Row, reason: String, now: i64) {
        tracing::warn!(sink = %self.of.name, event_id = %row.event_id, %reason, "given up");
        self.settle(&row, Outcome::Dead, now);
        self.fate = Some(Fate::Dead { row: Box::new(row), reason, in_dead_letter: false });
    }

    fn settle(&self, row: &Row, outcome: Outcome, now: i64) {
        let age = now.saturating_sub(row.created_ms).max(0).unsigned_abs();
        self.of.observer.settled(&self.of.name, outcome, Duration::from_millis(age));
    }

    /// Whether nothing is left to be written.
    fn write_fate(&mut self, now: i64) -> bool {
        let Some(mut fate) = self.fate.take() else { return true };
        let written = match &mut fate {
            Fate::Delivered { through } => {
                self.ask(|outbox| outbox.delivered_through(&self.of.name, *through, now)).is_some()
            }
            Fate::Dead { row, reason, in_dead_letter } => {
                *in_dead_letter = *in_dead_letter || self.bury(row, now, reason);
                *in_dead_letter && self.ask(|outbox| outbox.dead(row.id, now, reason)).is_some()
            }
        };
        self.fate = (!written).then_some(fate);
        written
    }

    fn bury(&self, row: &Row, now: i64, reason: &str) -> bool {
        let written = self.of.dead_letters.insight(row, now, reason);
        written.map_err(|error| self.store_failed(&error.to_string())).is_ok()
    }

    fn ask<T>(&self, question: impl FnOnce(&dyn Outbox) -> Result<T, JournalError>) -> Option<T> {
        question(&*self.of.outbox).map_err(|error| self.store_failed(&error.to_string())).ok()
    }

    fn store_failed(&self, error: &str) {
        tracing::error!(sink = %self.of.name, %error, "delivery waits for its store");
        self.of.observer.store_failed(&self.of.name, error);
    }

    fn report(&mut self, now: i64) {
        if now.saturating_sub(self.reported_ms) < LOOK_MS {
            return;
        }
        self.reported_ms = now;
        if let Some((rows, oldest)) = self.ask(|outbox| outbox.depth(&self.of.name)) {
            let age = |created: i64| Duration::from_millis(now.saturating_sub(created).max(0).unsigned_abs());
            self.of.observer.depth(&self.of.name, rows, oldest.map(age), self.last_error.as_deref());
            self.shed(Scheduler::new(self.of.limits).excess(rows), now);
        }
    }

    /// Gives up the `most` oldest rows: more wait than may.
    fn shed(&mut self, most: usize, now: i64) {
        if most == 0 || self.fate.is_some() {
            return;
        }
        let reason = format!("more than {} insights wait for this sink", self.of.limits.outbox_rows);
        for row in self.ask(|outbox| outbox.in_order(&self.of.name, most)).unwrap_or_default() {
            let closed =
                self.bury(&row, now, &reason) && self.ask(|outbox| outbox.dead(row.id, now, &reason)).is_some();
            if !closed {
                return;
            }
            self.settle(&row, Outcome::Dead, now);
        }
        // There may be more of them than one look gives up.
        self.reported_ms = i64::MIN;
    }

    fn pause(&self, now: i64, stop: Option<i64>) -> Duration {
        let until = Some(self.hold_until).filter(|until| *until > now).into_iter().chain(stop).min();
        let look = self.of.clock.machine_time(LOOK_MS);
        let wait = until.map_or(look, |until| self.of.clock.machine_time(until.saturating_sub(now)).min(look));
        wait.max(Duration::from_millis(1))
    }
}

/// The position was noted by a copy of this data directory that has gone further, or another way.
fn strange() -> Refusal {
    Refusal::Later(
        "insights were sent under this sink's name that this data directory does not know: another copy of it went \
         on from there. If that copy is gone for good, give the sink a new transactional_id; what the copy told is \
         then told again"
            .to_owned(),
    )
}

#[cfg(test)]
#[path = "ordered_tests.rs"]
mod tests;
