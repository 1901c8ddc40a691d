//! The task that empties the outbox of one sink: the shell around [`Scheduler`].
//!
//! A fate is written before the row leaves the flight: first the dead-letter file where there is one, then the
//! outbox. If the store cannot be written the fate is kept and written again; the row is not sent again for it.
//! A crash between the receiver's answer and the write is the one case in which a receiver sees an id twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use super::deadletter::DeadLetters;
use super::observer::{Observer, Outcome};
use super::outbox::{Outbox, Row};
use super::retry::{Retry, SendError};
use super::scheduler::{Limits, Scheduler, Step, Verdict};
use super::sinks::Sink;
use crate::clock::Clock;
use crate::journal::JournalError;

/// Longest time between two looks into the outbox, milliseconds: rows that were postponed become due without a
/// sound. Also the shortest between two reports of its depth, which costs the store a count.
const LOOK_MS: i64 = 1000;

/// What a worker needs.
pub struct Worker {
    /// Where to.
    pub sink: Arc<Sink>,
    /// From where.
    pub outbox: Arc<dyn Outbox>,
    /// What becomes of rows that are given up.
    pub dead_letters: Arc<DeadLetters>,
    /// Wall time.
    pub clock: Clock,
    /// Who counts.
    pub observer: Arc<dyn Observer>,
    /// Bounds.
    pub limits: Limits,
    /// `Some` once the process stops: the instant (milliseconds since the epoch) up to which what is due is still
    /// delivered. The worker returns when nothing is due any more, or then.
    pub shutdown: watch::Receiver<Option<i64>>,
}

/// A row whose fate is known and not yet written.
struct Unwritten {
    row: Arc<Row>,
    verdict: Verdict,
    in_dead_letter: bool,
}

struct Running {
    worker: Worker,
    scheduler: Scheduler,
    tasks: JoinSet<Result<(), SendError>>,
    rows: HashMap<Id, Arc<Row>>,
    unwritten: Vec<Unwritten>,
    last_error: Option<String>,
    reported_ms: i64,
}

impl Worker {
    /// Delivers until [`Worker::shutdown`]. Attempts that are under way at the end of the grace period are
    /// broken off; their rows stay pending.
    pub async fn run(self) {
        let scheduler = Scheduler::new(self.limits);
        let (tasks, rows) = (JoinSet::new(), HashMap::new());
        Running {
            worker: self,
            scheduler,
            tasks,
            rows,
            unwritten: Vec::new(),
            last_error: None,
            reported_ms: i64::MIN,
        }
        .run()
        .await;
    }
}

impl Running {
    async fn run(mut self) {
        let wake = self.worker.outbox.wake();
        loop {
            // Registered before the outbox is read, so that rows committed meanwhile are not slept through.
            let mut woken = std::pin::pin!(wake.notified());
            woken.as_mut().enable();
            let now = self.worker.clock.now();
            let stop = *self.worker.shutdown.borrow_and_update();
            if stop.is_some_and(|until| now >= until) {
                break;
            }
            self.write_fates(now).await;
            let looked = self.start(now).await;
            if stop.is_some() && self.scheduler.in_flight() == 0 && looked == Some(0) {
                break;
            }
            if now.saturating_sub(self.reported_ms) >= LOOK_MS {
                self.report(now).await;
            }
            if looked.is_some_and(|started| started > 0) && self.unwritten.is_empty() && self.tasks.is_empty() {
                continue;
            }
            let pause = self.pause(now, stop);
            tokio::select! {
                Some(done) = self.tasks.join_next_with_id() => self.judge(done),
                () = woken => {}
                // An owner that is gone does not stop the worker; it only cannot ask any more.
                Ok(()) = self.worker.shutdown.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.tasks.shutdown().await;
        let now = self.worker.clock.now();
        self.report(now).await;
    }

    /// Puts due rows in flight. `None` when the outbox did not answer or nothing may be sent now.
    async fn start(&mut self, now: i64) -> Option<usize> {
        let most = self.scheduler.ask_for(now);
        if most == 0 {
            // On the way out, a sink that must not be asked now has nothing that is due.
            return (self.scheduler.in_flight() == 0).then_some(0);
        }
        let sink = self.worker.sink.name.clone();
        let rows = self.ask(move |outbox| outbox.due(&sink, now, most)).await?;
        let steps = self.scheduler.admit(rows, now);
        let count = steps.len();
        for step in steps {
            match step {
                Step::Send(row) => self.send(row),
                Step::GiveUp(row, error) => self.decide(Arc::new(row), Verdict::Dead { error }),
            }
        }
        self.write_fates(now).await;
        Some(count)
    }

    fn send(&mut self, row: Row) {
        let row = Arc::new(row);
        let (sink, sent, clock) = (self.worker.sink.clone(), row.clone(), self.worker.clock.clone());
        let task = self.tasks.spawn(async move { sink.send(&sent, clock.now()).await });
        self.rows.insert(task.id(), row);
    }

    fn judge(&mut self, done: Result<(Id, Result<(), SendError>), JoinError>) {
        let (id, outcome) = match done {
            Ok(done) => done,
            Err(error) => (error.id(), Err(SendError::new(Retry::Now, &error.to_string()))),
        };
        if let Some(row) = self.rows.remove(&id) {
            let verdict = self.scheduler.settle(&row, self.worker.clock.now(), outcome);
            self.decide(row, verdict);
        }
    }

    /// Tells whoever counts and leaves the fate to be written.
    fn decide(&mut self, row: Arc<Row>, verdict: Verdict) {
        let (outcome, error) = match &verdict {
            Verdict::Delivered => (Outcome::Delivered, None),
            Verdict::Postpone { error, .. } => (Outcome::Retried, Some(error)),
            Verdict::Dead { error } => (Outcome::Dead, Some(error)),
        };
        let sink = &self.worker.sink.name;
        if let Some(error) = error {
            let attempt = row.attempts.saturating_add(1);
            tracing::warn!(%sink, event_id = %row.event_id, attempt, outcome = outcome.as_str(), %error, "not delivered");
        }
        self.last_error = error.cloned();
        let age = self.worker.clock.now().saturating_sub(row.created_ms).max(0).unsigned_abs();
        self.worker.observer.settled(sink, outcome, Duration::from_millis(age));
        self.unwritten.push(Unwritten { row, verdict, in_dead_letter: false });
    }

    async fn write_fates(&mut self, now: i64) {
        for mut fate in std::mem::take(&mut self.unwritten) {
            if self.write_fate(&mut fate, now).await {
                self.scheduler.written(fate.row.id);
            } else {
                self.unwritten.push(fate);
            }
        }
    }

    async fn write_fate(&self, fate: &mut Unwritten, now: i64) -> bool {
        let id = fate.row.id;
        match fate.verdict.clone() {
            Verdict::Delivered => self.ask(move |outbox| outbox.delivered(id, now)).await.is_some(),
            Verdict::Postpone { until_ms, error } => {
                self.ask(move |outbox| outbox.postpone(id, until_ms, &error)).await.is_some()
            }
            Verdict::Dead { error } => {
                fate.in_dead_letter = fate.in_dead_letter || self.bury(&fate.row, now, &error).await;
                fate.in_dead_letter && self.ask(move |outbox| outbox.dead(id, now, &error)).await.is_some()
            }
        }
    }

    async fn bury(&self, row: &Arc<Row>, now: i64, reason: &str) -> bool {
        let (dead_letters, row, reason) = (self.worker.dead_letters.clone(), row.clone(), reason.to_owned());
        let written = tokio::task::spawn_blocking(move || dead_letters.insight(&row, now, &reason)).await;
        let error = match written {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.store_failed(&error);
        false
    }

    async fn report(&mut self, now: i64) {
        self.reported_ms = now;
        let sink = self.worker.sink.name.clone();
        if let Some((rows, oldest)) = self.ask(move |outbox| outbox.depth(&sink)).await {
            let age = |created: i64| Duration::from_millis(now.saturating_sub(created).max(0).unsigned_abs());
            self.worker.observer.depth(&self.worker.sink.name, rows, oldest.map(age), self.last_error.as_deref());
            self.give_up(self.scheduler.excess(rows), now).await;
        }
    }

    /// Gives up the `most` oldest rows.
    async fn give_up(&mut self, most: usize, now: i64) {
        if most == 0 {
            return;
        }
        let (sink, wanted) = (self.worker.sink.name.clone(), most + self.scheduler.in_flight());
        let Some(rows) = self.ask(move |outbox| outbox.due(&sink, i64::MAX, wanted)).await else { return };
        for (row, error) in self.scheduler.give_up(rows, most) {
            self.decide(Arc::new(row), Verdict::Dead { error });
        }
        self.write_fates(now).await;
        // There may be more of them than one look gives up.
        self.reported_ms = i64::MIN;
    }

    /// Asks the outbox on a thread that may block; an error is reported, and `None`.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Outbox) -> Result<T, JournalError> + Send + 'static,
    ) -> Option<T> {
        let outbox = self.worker.outbox.clone();
        let error = match tokio::task::spawn_blocking(move || question(&*outbox)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.store_failed(&error);
        None
    }

    fn store_failed(&self, error: &str) {
        tracing::error!(sink = %self.worker.sink.name, %error, "delivery waits for its store");
        self.worker.observer.store_failed(&self.worker.sink.name, error);
    }

    fn pause(&self, now: i64, stop: Option<i64>) -> Duration {
        let nearest = self.scheduler.held_until(now).into_iter().chain(stop).min();
        let wait = nearest.map(|until| self.worker.clock.machine_time(until.saturating_sub(now)));
        let look = self.worker.clock.machine_time(LOOK_MS);
        wait.map_or(look, |wait| wait.min(look)).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
