//! Opening a data directory: journal, snapshots, state brought back from them, and storing state again.

use std::sync::Arc;

use anyhow::Context as _;
use trailsight_schemas::entry::{Batch, Body};
use trailsight_schemas::snapshot::{self, Part};
use uuid::Uuid;

use super::muting;
use crate::clock::Clock;
use crate::config::Config;
use crate::deliver::{Outbox, Router};
use crate::detect::Settings;
use crate::ingest::Dedup;
use crate::journal::local::{LocalJournal, LocalOutbox, MuteRow, Options, Retention};
use crate::journal::minutes::{self, Minutes};
use crate::journal::snapshot::{self as stored, Snapshots};
use crate::journal::{Detected, Journal, JournalError, Seq};
use crate::spine::{Address, Recovered, Spine, Taken};

/// Everything that one process holds of a data directory.
pub struct State {
    /// The main path.
    pub spine: Spine<LocalJournal>,
    /// Rows to be delivered.
    pub outbox: LocalOutbox,
    /// Snapshot files.
    pub snapshots: Snapshots,
    /// Observed minutes.
    pub minutes: Minutes,
    /// What bringing it back took.
    pub recovered: Recovered,
    /// Snapshots that were damaged and passed over, and a minute history that was begun again.
    pub damaged: Vec<String>,
    /// Decides where insights go.
    router: Option<Arc<Router>>,
    /// The part to be snapshotted next.
    next_part: usize,
    /// When the last whole round of snapshots ended, milliseconds since the epoch.
    round_ended: Option<i64>,
    clock: Clock,
}

impl State {
    /// Opens or creates the data directory and brings its state back. `router` decides where insights go;
    /// `None`: nowhere, they are history only.
    pub fn open(config: &Config, router: Option<Arc<Router>>, clock: &Clock) -> anyhow::Result<State> {
        let directory = &config.data_dir;
        let settings = config.detect_settings();
        let journal = LocalJournal::open(directory, options(config, clock))?;
        let settings = Settings { partitions: journal.partitions(), ..settings };
        let outbox = journal.outbox();
        let mut snapshots = Snapshots::open(directory, settings.partitions)?;
        let mut damaged = Vec::new();
        let parts = (0..settings.partitions)
            .map(|partition| load_part(&mut snapshots, stored::Part::Partition(partition), &mut damaged))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let dedup = load_dedup(&mut snapshots, config, &mut damaged)?;
        if let Some(router) = &router {
            muting::enforce(router, &journal.mutes()?);
        }
        let address = address(router.clone(), outbox.clone());
        let (spine, recovered) = Spine::recover(journal, parts, dedup, settings, address)?;
        let minutes = Minutes::open(directory, minutes::Limits { bytes: config.limits.minute_history_bytes.0 })?;
        let mut state = State {
            spine,
            outbox,
            snapshots,
            minutes,
            recovered,
            damaged,
            router,
            next_part: 0,
            round_ended: None,
            clock: clock.clone(),
        };
        state.catch_up_minutes().context("the minute history cannot follow the journal")?;
        Ok(state)
    }

    /// Adds to the minute history what the journal has and it has not. It is derived: one that is damaged, wherever
    /// that shows, or that is of another journal is begun again from all that the journal still has.
    fn catch_up_minutes(&mut self) -> anyhow::Result<()> {
        let last = self.spine.journal().last();
        if self.minutes.through() > last {
            let reason = format!("it reaches entry {}, and the journal ends at {last}", self.minutes.through());
            self.begin_minutes_again(&reason)?;
        }
        let mut mended = false;
        loop {
            let chunk = self.spine.journal().read_after(self.minutes.through(), 256)?;
            if chunk.is_empty() {
                return Ok(());
            }
            let nothing = Batch::default();
            for (seq, entry) in &chunk {
                let batch = match &entry.body {
                    Body::Batch(batch) => batch,
                    Body::Epoch(_) | Body::Evict { .. } | Body::Mute(_) => &nothing,
                };
                match self.minutes.apply(*seq, batch) {
                    Err(JournalError::Damaged(reason)) if !mended => {
                        mended = true;
                        self.begin_minutes_again(&reason)?;
                        break;
                    }
                    applied => applied?,
                }
            }
        }
    }

    fn begin_minutes_again(&mut self, reason: &str) -> anyhow::Result<()> {
        self.minutes.begin_again(reason)?;
        let first = self.spine.journal().first();
        self.damaged.push(format!("the minute history was damaged ({reason}); it was begun again from entry {first}"));
        Ok(())
    }

    /// Takes what was just committed into the minute history. Where that had failed before, or fails now because it
    /// is damaged, the journal has what is missing.
    pub fn follow(&mut self, taken: &Taken) -> anyhow::Result<()> {
        for (seq, batch) in &taken.batches {
            if self.minutes.through() + 1 != *seq {
                return self.catch_up_minutes();
            }
            match self.minutes.apply(*seq, batch) {
                Err(JournalError::Damaged(_)) => return self.catch_up_minutes(),
                applied => applied?,
            }
        }
        Ok(())
    }

    /// Puts the mutes made by hand in force, as the journal has them, and gives them back.
    pub fn mutes(&self) -> Result<Vec<MuteRow>, JournalError> {
        let rows = self.spine.journal().mutes()?;
        if let Some(router) = &self.router {
            muting::enforce(router, &rows);
        }
        Ok(rows)
    }

    /// Parts that are stored one by one.
    pub fn parts(&self) -> usize {
        self.spine.detect().partitions() + 1
    }

    /// Stores the next part. After a whole round, entries that two good snapshots of every part cover are
    /// dropped from the journal.
    pub fn snapshot_next(&mut self) -> anyhow::Result<()> {
        let partitions = self.spine.detect().partitions();
        let at = self.next_part % (partitions + 1);
        self.next_part = at + 1;
        match self.spine.detect().part(at) {
            Some(part) => {
                let bytes = snapshot::encode(&part)?;
                self.snapshots.save(stored::Part::Partition(at as u32), part.applied, snapshot::VERSION, &bytes)?;
            }
            None => {
                let seq = self.spine.journal().last();
                self.snapshots.save(stored::Part::Ingest, seq, snapshot::VERSION, &self.spine.dedup().pack())?;
                let covered = self.snapshots.covered().min(self.minutes.through());
                self.spine.journal_mut().drop_through(covered)?;
                self.round_ended = Some(self.clock.now());
            }
        }
        Ok(())
    }

    /// When the last whole round of snapshots ended, milliseconds since the epoch.
    pub fn round_ended(&self) -> Option<i64> {
        self.round_ended
    }

    /// Stores every part now.
    pub fn snapshot_all(&mut self) -> anyhow::Result<()> {
        self.next_part = 0;
        for _ in 0..self.parts() {
            self.snapshot_next()?;
        }
        Ok(())
    }
}

fn options(config: &Config, clock: &Clock) -> Options {
    let retention = Retention { history_days: config.limits.history_days, ..Retention::default() };
    Options { clock: clock.clone(), partitions: config.detection.partitions, retention, ..Options::default() }
}

/// The newest stored state that can be used; what is damaged is passed over, loudly.
fn load_part(snapshots: &mut Snapshots, part: stored::Part, damaged: &mut Vec<String>) -> anyhow::Result<Option<Part>> {
    loop {
        let (newest, skipped) = snapshots.load_newest(part, snapshot::VERSION)?;
        damaged.extend(skipped.iter().map(|skipped| format!("{}: {}", skipped.path.display(), skipped.reason)));
        let Some(newest) = newest else { return Ok(None) };
        match snapshot::decode(newest.version, &newest.state) {
            Ok(state) if state.applied == newest.seq => return Ok(Some(state)),
            _ => {
                snapshots.reject(part, newest.seq, "it is not the state of a partition as of its entry");
                damaged.push(format!("snapshot {part} of entry {}: not understood", newest.seq));
            }
        }
    }
}

fn load_dedup(snapshots: &mut Snapshots, config: &Config, damaged: &mut Vec<String>) -> anyhow::Result<(Seq, Dedup)> {
    let (minutes, entries) = (config.dedup_minutes(), config.limits.dedup_entries);
    loop {
        let (newest, skipped) = snapshots.load_newest(stored::Part::Ingest, snapshot::VERSION)?;
        damaged.extend(skipped.iter().map(|skipped| format!("{}: {}", skipped.path.display(), skipped.reason)));
        let Some(newest) = newest else { return Ok((0, Dedup::new(minutes, entries))) };
        if let Some(dedup) = Dedup::unpack(minutes, entries, &newest.state) {
            return Ok((newest.seq, dedup));
        }
        snapshots.reject(stored::Part::Ingest, newest.seq, "it is not a de-duplication window");
        damaged.push(format!("snapshot ingest of entry {}: not understood", newest.seq));
    }
}

fn address(router: Option<Arc<Router>>, outbox: LocalOutbox) -> Address {
    Box::new(move |found: Vec<Detected>, now| match &router {
        Some(router) => router.address(found, now, |shared: &Uuid| outbox.told(shared)),
        None => Ok(found
            .into_iter()
            .map(|detected| crate::journal::Addressed {
                detected,
                sinks: Vec::new(),
                not_before: Default::default(),
                muted_by: None,
            })
            .collect()),
    })
}
