//! Bytes to records to per-minute rollups; duplicates.

use std::io::{self, Read};
use std::sync::Arc;

use trailsight_schemas::entry::{Batch, Outcomes, Progress};

/// What decides which records are counted, and the limits of counting.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Event sources whose data events are analysed.
    pub data_events: Vec<String>,
    /// Most values of one attribute kept for one API and minute; the rest is `other`.
    pub attribute_values: usize,
    /// Most error codes kept for one API and minute; the rest is the code `other`.
    pub error_codes: usize,
    /// Largest object or line, bytes as received.
    pub object_bytes: u64,
    /// Largest object once inflated, bytes.
    pub inflated_bytes: u64,
    /// Largest single record, bytes.
    pub record_bytes: usize,
    /// Newest acceptable event time, seconds since the epoch; later ones go to the dead letter.
    pub latest: i64,
}

/// Where bytes came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Name of the source in the configuration.
    pub source: &'a str,
    /// File path, object key, or `topic/partition@offset`.
    pub path: &'a str,
}

/// Something that could not be read: it goes to the dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Name of the source in the configuration.
    pub source: String,
    /// File path, object key, or `topic/partition@offset`.
    pub path: String,
    /// Byte offset in the inflated content.
    pub offset: u64,
    /// One word of a closed list; the label of the counter.
    pub reason: &'static str,
    /// The beginning of what could not be read, bounded, control characters escaped.
    pub excerpt: String,
}

/// A commutative multiset of the records seen: the same records in any order, cut in any way, make the
/// same tally.
pub struct Tally {
    settings: Arc<Settings>,
}

impl Tally {
    /// An empty tally.
    pub fn new(settings: Arc<Settings>) -> Tally {
        Tally { settings }
    }

    /// The settings it counts by.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Adds every record in one message or object, whatever its shape.
    pub fn read(&mut self, bytes: &[u8], origin: Origin<'_>, dead: &mut dyn FnMut(Reject)) {
        let _ = (bytes, origin, dead);
        todo!()
    }

    /// Adds what a stream holds (a file of any size). `between` is called at points where the tally may be
    /// taken out and replaced, with the bytes read so far.
    pub fn read_from(
        &mut self,
        input: &mut dyn Read,
        origin: Origin<'_>,
        dead: &mut dyn FnMut(Reject),
        between: &mut dyn FnMut(&mut Tally, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let _ = (input, origin, dead, between);
        todo!()
    }

    /// Adds a counts table (TSV or CSV; plain, gzip or zstd).
    pub fn read_counts(
        &mut self,
        input: &mut dyn Read,
        origin: Origin<'_>,
        dead: &mut dyn FnMut(Reject),
        between: &mut dyn FnMut(&mut Tally, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let _ = (input, origin, dead, between);
        todo!()
    }

    /// Adds all that another tally holds.
    pub fn merge(&mut self, other: Tally) {
        let _ = other;
        todo!()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        todo!()
    }

    /// Records held, duplicates included.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        todo!()
    }

    /// Newest event time held, seconds since the epoch.
    pub fn newest(&self) -> Option<i64> {
        todo!()
    }

    /// Records passed over and dead-lettered so far (`counted` and `duplicate` are known only in
    /// [`Dedup::batch`]).
    pub fn outcomes(&self) -> Outcomes {
        todo!()
    }
}

/// The fingerprints of what was counted lately, over all batches.
pub struct Dedup;

impl Dedup {
    /// Remembers `minutes` of event time before the newest, at most `entries` fingerprints.
    pub fn new(minutes: u32, entries: usize) -> Dedup {
        let _ = (minutes, entries);
        todo!()
    }

    /// Turns a tally into a journal batch: drops what was counted before, rolls up the rest, remembers it.
    /// The outcomes of `progress[0]` gain `counted`, `duplicate` and the tally's own outcomes.
    pub fn batch(&mut self, tally: Tally, progress: Vec<Progress>) -> Batch {
        let _ = (tally, progress);
        todo!()
    }

    /// Remembers what a batch of the journal counted (recovery).
    pub fn absorb(&mut self, batch: &Batch) {
        let _ = batch;
        todo!()
    }

    /// The whole window as bytes, for the snapshot.
    pub fn pack(&self) -> Vec<u8> {
        todo!()
    }

    /// Reads [`Dedup::pack`] back; `None` when the bytes are not a window.
    pub fn unpack(minutes: u32, entries: usize, bytes: &[u8]) -> Option<Dedup> {
        let _ = (minutes, entries, bytes);
        todo!()
    }
}

/// Tallies of more records than memory holds: sorted runs in a temporary directory.
pub struct Runs;

impl Runs {
    /// Spills to `directory` whenever more than `memory` bytes are held.
    pub fn new(settings: Arc<Settings>, directory: &std::path::Path, memory: usize) -> Runs {
        let _ = (settings, directory, memory);
        todo!()
    }

    /// Adds a tally.
    pub fn push(&mut self, tally: Tally) -> io::Result<()> {
        let _ = tally;
        todo!()
    }

    /// What was passed over and dead-lettered.
    pub fn outcomes(&self) -> Outcomes {
        todo!()
    }

    /// Everything in the order of event time, in tallies of whole minutes; each minute is in exactly one.
    pub fn into_minutes(self) -> io::Result<Box<dyn Iterator<Item = io::Result<Tally>>>> {
        todo!()
    }
}
