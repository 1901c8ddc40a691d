//! One journal entry: what a batch of records became, and all that detection will ever know of them.
//!
//! Strings are held once per entry and named by index. Everything is sorted (strings by bytes, APIs by
//! their strings, minutes by time and then API), so that the same records give the same bytes.

use serde::{Deserialize, Serialize};

use crate::time::Minute;

/// Index into [`Batch::strings`].
pub type StringId = u32;
/// Index into [`Batch::apis`].
pub type ApiId = u32;

/// One element of the journal, identified by its sequence number there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Wall clock when the entry was taken, milliseconds since the epoch. The only wall time that anything
    /// behind the journal may use.
    pub taken_at: i64,
    /// What the entry says.
    pub body: Body,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// Rollups of records, or (when empty) only that time has passed.
    Batch(Batch),
    /// Settings that hold from here on.
    Epoch(Epoch),
    /// The series limit was reached: a partition forgets the series that were silent longest. It is an
    /// entry because the limit is over all partitions, and a partition that recovers alone cannot know the
    /// sizes that the others had.
    Evict {
        /// Which partition.
        partition: u32,
        /// How many series.
        series: u32,
    },
    /// A mute was made or ended by hand. It is for insights of the entries behind it; state does not follow from it.
    Mute(MuteChange),
}

/// What somebody changed about mutes while the service ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MuteChange {
    /// Names the mute.
    pub key: String,
    /// What it is, as JSON of the engine's own type; `None`: it ends.
    pub mute: Option<String>,
    /// Who asked for it, as far as is known: a role.
    pub by: String,
}

/// Settings that decide what follows from the entries after this one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Version of the program that wrote it.
    pub version: String,
    /// The detection settings, as canonical JSON of the engine's own type: they gain keys from version to
    /// version, which a positional encoding would not survive.
    pub settings: String,
}

/// The rollups of one batch and the positions they cover.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Every string of the entry, sorted, each once.
    pub strings: Vec<String>,
    /// Every API of the entry, sorted by its strings and class.
    pub apis: Vec<Api>,
    /// Sorted by (minute, api), each pair once.
    pub minutes: Vec<ApiMinute>,
    /// Fingerprints of the eventIDs counted here, sorted by (minute, fingerprint).
    pub fingerprints: Vec<Fingerprint>,
    /// What each source partition contributed, sorted by (source, partition).
    pub progress: Vec<Progress>,
}

/// Which calls of an API these are: it decides what is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Management events that change something.
    ManagementWrite,
    /// Management events that only read.
    ManagementRead,
    /// Data events, read or write.
    Data,
}

/// One API in one account and Region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Api {
    /// Account that the record was delivered to.
    pub account: StringId,
    /// `awsRegion`.
    pub region: StringId,
    /// `eventSource`.
    pub source: StringId,
    /// `eventName`.
    pub name: StringId,
    /// Which of its calls.
    pub class: Class,
}

/// The calls of one API in one minute of event time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiMinute {
    /// Which API.
    pub api: ApiId,
    /// Which minute.
    pub minute: Minute,
    /// All calls, failed ones included.
    pub calls: u64,
    /// Who called.
    pub identities: Attribution,
    /// With which user agent.
    pub agents: Attribution,
    /// The failed calls, sorted by code string; at most [`crate::entry::Batch`]'s builder allows, the rest
    /// under the code `other`.
    pub errors: Vec<ErrorMinute>,
}

/// The calls of one API that failed with one code in one minute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorMinute {
    /// `errorCode`.
    pub code: StringId,
    /// Failed calls.
    pub calls: u64,
    /// Who failed.
    pub identities: Attribution,
    /// With which user agent.
    pub agents: Attribution,
}

/// Calls by value of one attribute. `values` and `other` add up to the calls they describe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// (value, calls), most calls first, ties by the value's string.
    pub values: Vec<(StringId, u64)>,
    /// Calls of values beyond the cap.
    pub other: u64,
}

/// That a record was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Event minute of the record.
    pub minute: Minute,
    /// Hash of its eventID.
    pub hash: u64,
}

/// How far one partition of one source has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Name of the source in the configuration.
    pub source: String,
    /// Partition within the source, for instance `trail/3`; empty where there is but one.
    pub partition: String,
    /// Resume marks to write: (key, value), opaque to all but the source; an empty value deletes the key.
    pub marks: Vec<(String, Vec<u8>)>,
    /// Newest event time read in this batch, seconds; `None` when nothing was read.
    pub newest: Option<i64>,
    /// Nothing was waiting when the batch was taken: wall time may move this partition's clock.
    pub caught_up: bool,
    /// Event minutes up to and including this one are complete by the source's own word (counts tables,
    /// replayed sets): lateness does not apply.
    pub complete_through: Option<Minute>,
    /// What became of the records read.
    pub outcomes: Outcomes,
}

/// What became of records, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Counted in a rollup.
    pub counted: u64,
    /// Seen before.
    pub duplicate: u64,
    /// Understood and passed over: data events not asked for, Insights events, digests.
    pub not_analysed: u64,
    /// Not understood.
    pub dead_letter: u64,
}

impl std::ops::AddAssign for Outcomes {
    /// Saturating: a counts table may say more calls than 64 bits hold.
    fn add_assign(&mut self, other: Outcomes) {
        self.counted = self.counted.saturating_add(other.counted);
        self.duplicate = self.duplicate.saturating_add(other.duplicate);
        self.not_analysed = self.not_analysed.saturating_add(other.not_analysed);
        self.dead_letter = self.dead_letter.saturating_add(other.dead_letter);
    }
}
