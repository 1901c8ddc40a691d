//! The one thread that owns the state: it takes loads, drives the spine, stores snapshots, ticks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use trailsight_schemas::entry::Body;

use crate::clock::{Clock, instant};
use crate::deliver::DeadLetters;
use crate::detect::Sizes;
use crate::journal::JournalError;
use crate::source::{Load, Stop};

use super::shared::Shared;
use super::state::State;

/// Longest wait for a load before housekeeping is looked at.
const TURN: Duration = Duration::from_millis(200);
/// Wall time after which an entry says that time has passed, milliseconds.
const TICK: i64 = 60_000;
/// Pause before a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Driver {
    pub(super) state: State,
    pub(super) loads: Receiver<Load>,
    pub(super) stop: Stop,
    pub(super) clock: Clock,
    pub(super) shared: Arc<Shared>,
    pub(super) dead: Arc<DeadLetters>,
    /// Between two snapshots of the same part.
    pub(super) snapshot_interval: Duration,
    /// Loads are taken into one journal transaction until they hold so many records.
    pub(super) group_records: usize,
}

impl Driver {
    /// Runs until every source has returned. Errors are those that waiting does not mend.
    pub(super) fn run(&mut self) -> anyhow::Result<()> {
        let mut last_entry = self.clock.now();
        let mut last_part = instant();
        let mut last_status = instant();
        let mut last_prune = instant();
        self.shared.publish(&self.state, self.clock.now());
        loop {
            self.shared.beat();
            let loads = match self.loads.recv_timeout(TURN) {
                Ok(first) => self.group(first),
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.shared.questions.answer(self.state.spine.detect());
            if !self.mute()? {
                break;
            }
            let now = self.clock.now();
            if !loads.is_empty() || now - last_entry >= TICK {
                // What could not be read is on disk before its source may forget it.
                if let Err(error) = self.dead.sync() {
                    self.shared.problem("dead letter", &error.to_string());
                }
                self.state.spine.take(loads, now);
                if !self.drive()? {
                    break;
                }
                self.follow(now);
                last_entry = now;
            }
            if last_part.elapsed() >= self.snapshot_interval / self.state.parts() as u32 {
                last_part = instant();
                self.housekeep("a snapshot could not be stored", |driver| driver.state.snapshot_next());
            }
            if last_prune.elapsed() >= Duration::from_secs(60) {
                last_prune = instant();
                self.housekeep("the minute history could not be pruned", |driver| Ok(driver.state.minutes.shrink()?));
            }
            if last_status.elapsed() >= Duration::from_secs(1) {
                last_status = instant();
                self.count_lost_lines();
                let sizes = self.shared.publish(&self.state, self.clock.now());
                if !self.lighten(&sizes)? {
                    break;
                }
            }
        }
        self.shared.publish(&self.state, self.clock.now());
        Ok(())
    }

    /// What has come meanwhile goes into the same transaction, up to a bound.
    fn group(&mut self, first: Load) -> Vec<Load> {
        let mut records = first.tally.len();
        let mut loads = vec![first];
        while records < self.group_records
            && let Ok(load) = self.loads.try_recv()
        {
            records += load.tally.len();
            loads.push(load);
        }
        loads
    }

    /// Does every step that is due. A full disk pauses here, nothing acknowledged, until there is space;
    /// `Ok(false)`: the process is to stop and the disk is still full.
    fn drive(&mut self) -> Result<bool, JournalError> {
        loop {
            let (appends, began) = (self.state.spine.appends_next(), instant());
            let stepped = self.state.spine.step();
            if appends && stepped.is_ok() {
                self.shared.metrics.journal_commit.record(began.elapsed());
            }
            match stepped {
                Ok(true) => {}
                Ok(false) => {
                    self.shared.mended("journal");
                    self.shared.pause(false);
                    return Ok(true);
                }
                Err(error @ JournalError::Unwritable(_)) => {
                    let why = error.to_string();
                    self.shared.problem("journal", &why);
                    self.shared.pause(true);
                    self.shared.beat();
                    if self.stop.wait(RETRY) {
                        tracing::error!(%why, "stopping while the journal cannot be written; what was not acknowledged will be read again");
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn count_lost_lines(&self) {
        let all = [self.dead.record_counts(), self.dead.insight_counts()];
        let lost: u64 = all.iter().map(|counts| counts.rotated_out + counts.dropped).sum();
        let shown = &self.shared.metrics.dead_letter_lines_lost;
        shown.inc_by(lost.saturating_sub(shown.get()));
    }

    /// Evicts where series take more memory than their limit allows.
    fn lighten(&mut self, sizes: &Sizes) -> Result<bool, JournalError> {
        let Some(evict) = self.state.spine.detect().overweight(sizes) else { return Ok(true) };
        let now = self.clock.now();
        self.state.spine.enter(evict, now);
        let driven = self.drive()?;
        self.follow(now);
        Ok(driven)
    }

    /// Enters the change of a mute, where one waits, and says when it is in force.
    fn mute(&mut self) -> Result<bool, JournalError> {
        let Some((change, done)) = self.shared.by_hand.changes.next() else { return Ok(true) };
        let now = self.clock.now();
        self.state.spine.enter(Body::Mute(change), now);
        let driven = self.drive()?;
        self.follow(now);
        if driven {
            self.shared.by_hand.changed(self.state.mutes()?);
            // Who asked may be gone by then.
            let _ = done.try_send(());
        }
        Ok(driven)
    }

    /// What comes behind a commit: counters, the minute history, the log.
    fn follow(&mut self, now: i64) {
        let taken = self.state.spine.taken();
        match self.state.follow(&taken) {
            Ok(()) => self.shared.mended("minute history"),
            Err(error) => self.shared.problem("minute history", &format!("{error:#}")),
        }
        self.shared.took(&taken, now);
    }

    fn housekeep(&mut self, what: &str, job: impl FnOnce(&mut Driver) -> anyhow::Result<()>) {
        match job(self) {
            Ok(()) => self.shared.mended(what),
            Err(error) => self.shared.problem(what, &format!("{error:#}")),
        }
    }
}

/// How long a phase of starting took, for the log.
pub(super) fn took(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Resume marks of each source.
pub(super) type Marks = BTreeMap<String, Vec<u8>>;
