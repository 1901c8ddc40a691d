//! Bytes to records to per-minute rollups; duplicates.
//!
//! A [`Tally`] reads messages, files and counts tables and holds what is counted, record by record, in a few
//! bytes each. Tallies are merged in any order; [`Runs`] holds more of them than memory does. [`Dedup::batch`]
//! leaves duplicates out and rolls the rest up into the batch that becomes a journal entry. The same multiset
//! of records gives the same batch, byte for byte.

mod settings;
mod fingerprint;
mod classify;
mod identity;
mod intern;
mod tally;
mod read;
mod inflating;
mod lines;
mod stream;
mod table;
mod rollup;
mod dedup;
mod runs;
mod run_file;

/// Files read at a time: one a core.
pub fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests;

pub use dedup::{Dedup, DedupStats};
pub use runs::Runs;
pub use settings::{
    ATTRIBUTE_BYTES, EARLIEST, LINE_TOO_LARGE, NAME_BYTES, NAMES, OBJECT_TOO_LARGE, OTHER, Origin, Reject, Settings,
    TIME_OUT_OF_RANGE,
};
pub use stream::LARGE_DOCUMENT;
pub use tally::{LOADED_RECORD, Tally};
