//! A disk that outlives the process: what the journal, the snapshots and the outbox hold, in memory. It
//! keeps exactly what a real one would have kept at the instant of a crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trailsight::journal::{Addressed, Journal, JournalError, Outputs, Seq};
use trailsight_schemas::entry::{Body, Entry, Outcomes};
use trailsight_schemas::snapshot::Part;

#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Contents>>);

#[derive(Default)]
pub(super) struct Contents {
    pub(super) entries: Vec<Entry>,
    pub(super) dropped: u64,
    pub(super) committed: Seq,
    pub(super) insights: Vec<Addressed>,
    pub(super) marks: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub(super) totals: BTreeMap<String, Outcomes>,
    pub(super) parts: BTreeMap<usize, Part>,
    pub(super) dedup: Option<(Seq, Vec<u8>)>,
    /// The next writes that fail for want of space.
    pub(super) full_for: u32,
}

impl Disk {
    pub(super) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn write(&mut self) -> Result<(), JournalError> {
        if self.full_for > 0 {
            self.full_for -= 1;
            return Err(JournalError::Unwritable("no space left on the simulated disk".to_owned()));
        }
        Ok(())
    }
}

impl Journal for Disk {
    fn append(&mut self, entries: &[Entry]) -> Result<Seq, JournalError> {
        let mut contents = self.contents();
        contents.write()?;
        for entry in entries {
            if let Body::Batch(batch) = &entry.body {
                for progress in &batch.progress {
                    *contents.totals.entry(progress.source.clone()).or_default() += progress.outcomes;
                    let marks = contents.marks.entry(progress.source.clone()).or_default();
                    for (key, value) in &progress.marks {
                        marks.insert(key.clone(), value.clone());
                    }
                }
            }
            contents.entries.push(entry.clone());
        }
        Ok(contents.dropped + contents.entries.len() as Seq)
    }

    fn last(&self) -> Seq {
        let contents = self.contents();
        contents.dropped + contents.entries.len() as Seq
    }

    fn first(&self) -> Seq {
        self.contents().dropped + 1
    }

    fn read_after(&self, after: Seq, most: usize) -> Result<Vec<(Seq, Entry)>, JournalError> {
        let contents = self.contents();
        let skip = after.saturating_sub(contents.dropped) as usize;
        let numbered = (contents.dropped + 1..).zip(contents.entries.iter().cloned());
        Ok(numbered.skip(skip).take(most).collect())
    }

    fn commit(&mut self, outputs: &Outputs) -> Result<(), JournalError> {
        let mut contents = self.contents();
        contents.write()?;
        if outputs.through > contents.committed {
            contents.committed = outputs.through;
            contents.insights.extend(outputs.insights.iter().cloned());
        }
        Ok(())
    }

    fn committed(&self) -> Seq {
        self.contents().committed
    }

    fn drop_through(&mut self, through: Seq) -> Result<(), JournalError> {
        let mut contents = self.contents();
        let count = through.saturating_sub(contents.dropped).min(contents.entries.len() as u64);
        contents.entries.drain(..count as usize);
        contents.dropped += count;
        Ok(())
    }

    fn marks(&self, source: &str) -> Result<BTreeMap<String, Vec<u8>>, JournalError> {
        Ok(self.contents().marks.get(source).cloned().unwrap_or_default())
    }

    fn totals(&self) -> Result<BTreeMap<String, Outcomes>, JournalError> {
        Ok(self.contents().totals.clone())
    }
}
