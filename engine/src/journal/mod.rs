//! The ordered, durable log of rollups: the only truth.
//!
//! Nothing above the trait knows how it is stored. In reading order: the trait; [`local`], which keeps it in one
//! embedded database together with the [`outbox`] and the insight [`history`] that readers see; the [`snapshot`]s
//! that let entries be forgotten; the [`minutes`] beside them, which are derived; and the [`backup`] of all of it.

mod directory;
mod space;
mod store;
pub mod outbox;
pub mod waiting;
pub mod local;
pub mod history;
pub mod snapshot;
pub mod minutes;
pub mod backup;

pub use space::Space;

use std::collections::BTreeMap;

use trailsight_schemas::entry::{Entry, Outcomes};
use trailsight_schemas::insight::{InsightEvent, Sensitivity};

/// Position of an entry in the journal; the first entry has 1.
pub type Seq = u64;

/// An insight as detection says it, before routes are asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Detected {
    /// The record.
    pub event: InsightEvent,
    /// The strictest level that an earlier Start of this incident had; `None` at the first Start.
    pub told: Option<Sensitivity>,
}

/// What followed from the entries up to `through`.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// Newest entry that is covered.
    pub through: Seq,
    /// Insights in the order in which they were found, each with where it goes.
    pub insights: Vec<Addressed>,
}

/// An insight and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Addressed {
    /// The insight.
    pub detected: Detected,
    /// Sinks that are to be told, by name.
    pub sinks: Vec<String>,
    /// Sinks among them that are told no sooner than this, milliseconds since the epoch.
    pub not_before: BTreeMap<String, i64>,
    /// The mute that kept it from people, by its key.
    pub muted_by: Option<String>,
}

/// Why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// No space, or read-only: nothing was written; it works again once there is space.
    #[error("the data directory cannot be written: {0}")]
    Unwritable(String),
    /// Another process holds the data directory.
    #[error("the data directory {0} is in use by another process")]
    Locked(String),
    /// Written by a later version.
    #[error("the data directory was written by a later version ({found}); this one reads up to {known}")]
    Later {
        /// Version found.
        found: u32,
        /// Latest version known.
        known: u32,
    },
    /// Stored bytes are not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// Anything else the store said.
    #[error("{0}")]
    Store(String),
}

/// The ordered, durable log of entries, and the outputs that were committed against it.
pub trait Journal: Send {
    /// Appends entries as one unit, with the resume marks and the record totals they carry. They are
    /// durable when this returns; on an error none of them is. Returns the position of the last.
    fn append(&mut self, entries: &[Entry]) -> Result<Seq, JournalError>;

    /// Position of the newest entry; 0 in an empty journal.
    fn last(&self) -> Seq;

    /// Position of the oldest entry that is still kept; `last() + 1` where none is.
    fn first(&self) -> Seq;

    /// Up to `most` entries after `after`, in order.
    fn read_after(&self, after: Seq, most: usize) -> Result<Vec<(Seq, Entry)>, JournalError>;

    /// Commits outputs as one unit: history, outbox rows and the position they reach. Outputs at or below a
    /// position committed before are passed over.
    fn commit(&mut self, outputs: &Outputs) -> Result<(), JournalError>;

    /// Newest entry whose outputs were committed.
    fn committed(&self) -> Seq;

    /// Forgets entries up to `through`. The caller has two good snapshots that cover them.
    fn drop_through(&mut self, through: Seq) -> Result<(), JournalError>;

    /// The resume marks of a source.
    fn marks(&self, source: &str) -> Result<BTreeMap<String, Vec<u8>>, JournalError>;

    /// Record totals by source since the data directory was created.
    fn totals(&self) -> Result<BTreeMap<String, Outcomes>, JournalError>;
}
