//! The main path: take, append, acknowledge, apply, commit.
//!
//! ```text
//!            crash here ──► what a restart does
//! take       loads become entries in memory    the source gives the loads again
//! append     entries are durable               they are replayed, their insights found again
//! acknowledge the source may forget             the same
//! apply      insights are found, in memory     the same
//! commit     insights and outbox are durable   outputs up to here are found again and passed over
//! ```
//!
//! Each step is one call of [`Spine::step`]: a step that fails has changed nothing and is called again, so a
//! full disk pauses the spine where it stands, and a test can crash it between any two steps.

use std::time::Instant;

use trailsight_schemas::entry::{Batch, Body, Entry, Epoch, Outcomes, Progress};
use trailsight_schemas::snapshot::Part;

use crate::detect::{Detect, PackError, Settings};
use crate::ingest::Dedup;
use crate::journal::{Addressed, Detected, Journal, JournalError, Outputs, Seq};
use crate::source::Load;

/// Entries read from the journal at a time while recovering.
const RECOVERY_CHUNK: usize = 256;

/// Decides where insights go, at a wall time in milliseconds since the epoch.
pub type Address = Box<dyn FnMut(Vec<Detected>, i64) -> Result<Vec<Addressed>, JournalError> + Send>;

/// Journal, de-duplication and detection, and the step between them that is due.
pub struct Spine<J> {
    journal: J,
    dedup: Dedup,
    detect: Detect,
    address: Address,
    due: Step,
    taken: Taken,
}

/// What has been done since the loads were taken.
#[derive(Debug, Default)]
pub struct Taken {
    /// Newest entry appended.
    pub seq: Seq,
    /// Entries appended.
    pub entries: u64,
    /// By source, in the order of the progress that told it.
    pub outcomes: Vec<(String, Outcomes)>,
    /// Insights committed.
    pub insights: Vec<Addressed>,
    /// The batches that were applied, for the minute history.
    pub batches: Vec<(Seq, Batch)>,
    /// When the oldest load was received.
    pub received: Option<Instant>,
}

type Acknowledge = Box<dyn FnOnce(Seq) + Send>;

enum Step {
    Idle,
    Append { entries: Vec<Entry>, acknowledge: Vec<Acknowledge> },
    Acknowledge { first: Seq, entries: Vec<Entry>, acknowledge: Vec<Acknowledge> },
    Apply { first: Seq, entries: Vec<Entry> },
    Commit { through: Seq, found: Vec<Detected>, now: i64 },
}

/// Why a spine could not be brought back.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The snapshots contradict themselves.
    #[error(transparent)]
    Snapshot(#[from] PackError),
}

/// What a recovery did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries replayed.
    pub replayed: u64,
    /// Insights found in them that had not been committed.
    pub insights: u64,
    /// Entries that the snapshots would have needed and that are gone; 0 unless snapshots were damaged.
    pub missing: u64,
}

impl<J: Journal> Spine<J> {
    /// Brings state back: snapshots, then the entries after them. Insights of entries whose outputs were not
    /// committed are committed now. `dedup` is the window as of the entry it names.
    pub fn recover(
        journal: J,
        parts: Vec<Option<Part>>,
        dedup: (Seq, Dedup),
        settings: Settings,
        address: Address,
    ) -> Result<(Spine<J>, Recovered), RecoveryError> {
        let detect = Detect::restore(parts, settings)?;
        let (dedup_seq, dedup) = dedup;
        let mut spine = Spine { journal, dedup, detect, address, due: Step::Idle, taken: Taken::default() };
        let mut recovered = Recovered::default();
        let mut at = spine.detect.applied().min(dedup_seq);
        recovered.missing = spine.journal.first().saturating_sub(at + 1);
        loop {
            let chunk = spine.journal.read_after(at, RECOVERY_CHUNK)?;
            let Some((last, _)) = chunk.last() else { break };
            at = *last;
            let committed = spine.journal.committed();
            let mut found = Vec::new();
            let mut now = 0;
            for (seq, entry) in &chunk {
                if let Body::Batch(batch) = &entry.body
                    && *seq > dedup_seq
                {
                    spine.dedup.absorb(batch);
                }
                let of_entry = spine.detect.apply(*seq, entry);
                if *seq > committed {
                    found.extend(of_entry);
                    now = entry.taken_at;
                }
            }
            recovered.replayed += chunk.len() as u64;
            recovered.insights += found.len() as u64;
            spine.commit(at, found, now)?;
        }
        Ok((spine, recovered))
    }

    /// The entry that a start begins with where it is needed: settings that changed, and sources that are to
    /// prove anew that they are caught up (after hours of downtime the wall clock must not run ahead of their
    /// backlog). `configured` are the sources that will be read; others no longer hold the clock back.
    pub fn start(
        &mut self,
        settings: &Settings,
        configured: &[String],
        version: &str,
        now: i64,
    ) -> Result<(), JournalError> {
        let mut entries = Vec::new();
        let settings = Settings { partitions: self.detect.settings().partitions, ..settings.clone() };
        if self.journal.last() == 0 || *self.detect.settings() != settings {
            let settings = serde_json::to_string(&settings).map_err(|error| JournalError::Store(error.to_string()))?;
            entries.push(Entry { taken_at: now, body: Body::Epoch(Epoch { version: version.to_owned(), settings }) });
        }
        let progress: Vec<Progress> = self
            .detect
            .known_sources()
            .into_iter()
            .map(|(source, partition)| {
                let caught_up = !configured.contains(&source);
                Progress { source, partition, caught_up, ..Progress::default() }
            })
            .collect();
        if !progress.is_empty() {
            entries.push(Entry { taken_at: now, body: Body::Batch(Batch { progress, ..Batch::default() }) });
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.due = Step::Append { entries, acknowledge: Vec::new() };
        while self.step()? {}
        Ok(())
    }

    /// Whether a step is due: nothing can be taken before it is done.
    pub fn busy(&self) -> bool {
        !matches!(self.due, Step::Idle)
    }

    /// Whether the step that is due appends to the journal.
    pub fn appends_next(&self) -> bool {
        matches!(self.due, Step::Append { .. })
    }

    /// Turns loads into entries; [`Spine::step`] does the rest. No loads: the entry says that time has passed.
    pub fn take(&mut self, loads: Vec<Load>, now: i64) {
        debug_assert!(!self.busy(), "the last loads are still on their way");
        let mut acknowledge = Vec::new();
        let mut entries = Vec::new();
        for load in loads {
            self.taken.received = Some(self.taken.received.map_or(load.received, |oldest| oldest.min(load.received)));
            let batch = self.dedup.batch(load.tally, load.progress);
            self.taken.outcomes.extend(batch.progress.iter().map(|moved| (moved.source.clone(), moved.outcomes)));
            entries.push(Entry { taken_at: now, body: Body::Batch(batch) });
            acknowledge.extend(load.acknowledge);
        }
        if entries.is_empty() {
            entries.push(Entry { taken_at: now, body: Body::Batch(Batch::default()) });
        }
        self.due = Step::Append { entries, acknowledge };
    }

    /// Has an entry appended that says so; [`Spine::step`] does the rest.
    pub fn enter(&mut self, body: Body, now: i64) {
        debug_assert!(!self.busy(), "the last loads are still on their way");
        self.due = Step::Append { entries: vec![Entry { taken_at: now, body }], acknowledge: Vec::new() };
    }

    /// Does the step that is due. `Ok(true)`: another is due. On an error the same step stays due.
    pub fn step(&mut self) -> Result<bool, JournalError> {
        self.due = match std::mem::replace(&mut self.due, Step::Idle) {
            Step::Idle => Step::Idle,
            Step::Append { entries, acknowledge } => match self.journal.append(&entries) {
                Ok(last) => {
                    self.taken.seq = last;
                    self.taken.entries += entries.len() as u64;
                    Step::Acknowledge { first: last + 1 - entries.len() as u64, entries, acknowledge }
                }
                Err(error) => {
                    self.due = Step::Append { entries, acknowledge };
                    return Err(error);
                }
            },
            Step::Acknowledge { first, entries, acknowledge } => {
                let last = first + entries.len() as u64 - 1;
                acknowledge.into_iter().for_each(|acknowledge| acknowledge(last));
                Step::Apply { first, entries }
            }
            Step::Apply { first, entries } => self.apply(first, entries),
            Step::Commit { through, found, now } => {
                if let Err(error) = self.commit(through, found.clone(), now) {
                    self.due = Step::Commit { through, found, now };
                    return Err(error);
                }
                match self.detect.excess() {
                    Some(body) => {
                        Step::Append { entries: vec![Entry { taken_at: now, body }], acknowledge: Vec::new() }
                    }
                    None => Step::Idle,
                }
            }
        };
        Ok(self.busy())
    }

    fn apply(&mut self, first: Seq, entries: Vec<Entry>) -> Step {
        let mut found = Vec::new();
        let through = first + entries.len() as u64 - 1;
        let now = entries.last().map_or(0, |entry| entry.taken_at);
        for (seq, entry) in (first..).zip(entries) {
            found.extend(self.detect.apply(seq, &entry));
            if let Body::Batch(batch) = entry.body {
                self.taken.batches.push((seq, batch));
            }
        }
        Step::Commit { through, found, now }
    }

    fn commit(&mut self, through: Seq, found: Vec<Detected>, now: i64) -> Result<(), JournalError> {
        if found.is_empty() {
            return Ok(());
        }
        let insights = (self.address)(found, now)?;
        let outputs = Outputs { through, insights };
        self.journal.commit(&outputs)?;
        self.taken.insights.extend(outputs.insights);
        Ok(())
    }

    /// What was done since this was last asked.
    pub fn taken(&mut self) -> Taken {
        std::mem::take(&mut self.taken)
    }

    /// Detection state, to read.
    pub fn detect(&self) -> &Detect {
        &self.detect
    }

    /// The de-duplication window, to read.
    pub fn dedup(&self) -> &Dedup {
        &self.dedup
    }

    /// The journal.
    pub fn journal(&self) -> &J {
        &self.journal
    }

    /// The journal, to drop entries that snapshots cover.
    pub fn journal_mut(&mut self) -> &mut J {
        &mut self.journal
    }
}
