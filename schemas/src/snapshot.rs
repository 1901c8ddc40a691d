//! One partition of detection state as it is stored: numbers and strings, no behaviour.
//!
//! Strings are named by their index in [`Part::strings`]; series by their index in [`Part::series`], where
//! an empty slot is one that was freed.

use serde::{Deserialize, Serialize};

use crate::entry::Class;

mod v1;

/// Layout version of [`Part`]. Versions 1 and 2 are still read.
pub const VERSION: u16 = 3;

/// One partition as of an entry of the journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Newest entry that is in it.
    pub applied: u64,
    /// Detection settings in force, as in an epoch entry.
    pub settings: String,
    /// The clock of event time.
    pub watermark: Vec<SourceClock>,
    /// Minutes below this are complete.
    pub open_from: Option<u32>,
    /// Newest event time seen, seconds since the epoch.
    pub newest: Option<i64>,
    /// Newest closed minute.
    pub closed: Option<u32>,
    /// Calls that came for a minute already closed.
    pub late: u64,
    /// Series evicted.
    pub evicted: u64,
    /// Calls too far ahead to be kept open.
    pub overflowed: u64,
    /// Insights counted by a lead and not recorded.
    pub omitted: u64,
    /// The string table; `None` is a freed id.
    pub strings: Vec<Option<String>>,
    /// Size at which the string table is swept next.
    pub sweep_at: u64,
    /// Accounts.
    pub accounts: Vec<AccountState>,
    /// Series.
    pub series: Vec<Option<SeriesState>>,
    /// Series that want every minute closed.
    pub awake: Vec<u32>,
    /// Cells of open and recent minutes: (minute, series, cell).
    pub cells: Vec<(u32, u32, CellState)>,
    /// Calls of APIs with errors: (minute, error series, calls).
    pub exposed: Vec<(u32, u32, u64)>,
    /// Calls of all accounts: source, (minute, calls).
    pub pulses: Vec<(String, Vec<(u32, u64)>)>,
    /// Tails of all accounts, packed by the detectors.
    pub fleet: Vec<u8>,
    /// Incidents that ended lately; stored behind all else since version 3.
    #[serde(skip)]
    pub ended: Vec<EndedState>,
}

/// Event time of one source partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceClock {
    /// Source name.
    pub source: String,
    /// Partition within it.
    pub partition: String,
    /// Newest event time, seconds since the epoch.
    pub newest: Option<i64>,
    /// Nothing was waiting when it last spoke.
    pub caught_up: bool,
    /// Complete by its own word up to this minute.
    pub complete_through: Option<u32>,
}

/// What an account's series share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccountState {
    /// String id of the account.
    pub account: u32,
    /// First minute watched.
    pub since: u32,
    /// Newest minute closed with calls.
    pub seen: u32,
    /// UTC day of `active_by_day`.
    pub active_day: u32,
    /// Series by the day of their newest call.
    pub active_by_day: [u32; 8],
    /// First bursts of call series and of error series, packed by the detectors.
    pub pools: [Vec<u8>; 2],
    /// Insights that people were told of lately.
    pub leads: Vec<LeadState>,
    /// Name of the source of its newest records.
    pub source: String,
    /// Tails of its series, packed by the detectors.
    pub tails: Vec<u8>,
    /// Silences while others went on, packed by the detectors.
    pub silences: Vec<u8>,
    /// Minutes with calls, and those by somebody new.
    pub novel: [u64; 2],
    /// The account's silence.
    pub hush: HushState,
    /// That of its Regions, by string id.
    pub regions: Vec<(u32, HushState)>,
    /// What is known in it, and what woke up.
    pub waking: WakingState,
}

/// The silence of an account or a Region of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HushState {
    /// First minute of the stretch without calls.
    pub since: Option<u32>,
    /// Minutes with calls expected in it, and in its newest minute; calls a minute of others before it.
    pub figures: [f64; 3],
    /// Minutes in which records are missing, from and to.
    pub gaps: Vec<(u32, u32)>,
    /// Silences so far, packed by the detectors; empty: none.
    pub past: Vec<u8>,
}

/// What an account has seen within a week, and what woke up in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WakingState {
    /// (fingerprint, UTC day), sorted.
    pub pairs: Vec<(u32, u16)>,
    /// UTC day on which old ones were last removed.
    pub swept: u16,
    /// Pairs that found no room.
    pub refused: u64,
    /// Of open minutes, then of the last hour.
    pub wakes: [Vec<WakeState>; 2],
    /// The account's burst: start, last, peak.
    pub burst: Option<[u32; 3]>,
    /// Bursts of principals, by string id.
    pub of_principals: Vec<(u32, [u32; 3])>,
    /// Bursts so far, of the account and of principals, packed by the detectors; empty: none.
    pub pools: [Vec<u8>; 2],
    /// Level told of the sweep that is open, and its principal.
    pub told: Option<(u8, Option<u32>)>,
}

/// A pair that woke up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WakeState {
    /// Minute.
    pub minute: u32,
    /// Fingerprint.
    pub print: u64,
    /// String ids of Region, source, name, error code and principal.
    pub ids: [u32; 5],
    /// Of API and principal; otherwise of API and outcome.
    pub of_principal: bool,
}

/// An insight that later ones may be folded into.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeadState {
    /// `sharedEventID`.
    pub shared: u128,
    /// Index of its series.
    pub series: u32,
    /// First unusual minute.
    pub start: u32,
    /// Strictest level told, 0 low, 1 medium, 2 high.
    pub level: u8,
    /// Insights folded into it, recorded or not.
    pub folded: u32,
}

/// One series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesState {
    /// String ids of account, Region, source, name, error code.
    pub key: [u32; 5],
    /// 0 calls, 1 errors, 2 denied calls of an account, 3 what woke up in it, 4 all its calls.
    pub kind: u8,
    /// Which calls.
    pub class: Class,
    /// Packed by the detectors.
    pub packed: Vec<u8>,
    /// Counts by day, packed.
    pub ledger: Vec<u8>,
    /// UTC day and sums of what share of calls these errors are.
    pub share: (u32, [f64; 5]),
    /// First minute after the newest incident that ended.
    pub ended: u32,
    /// UTC day of the newest call.
    pub last_day: Option<u32>,
    /// The open incident.
    pub incident: Option<IncidentState>,
}

/// An open incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentState {
    /// `sharedEventID`.
    pub shared: u128,
    /// First unusual minute.
    pub start: u32,
    /// Strictest level told, 0 low, 1 medium, 2 high.
    pub level: u8,
    /// Starts told after the first.
    pub revision: u32,
    /// 0 minute, 1 fiveMinutes, 2 record, 3 firstUse.
    pub test: u8,
    /// Expected, observed, chance per week, as told.
    pub figures: [f64; 3],
    /// Calls in the baseline window.
    pub baseline: CellState,
    /// Calls that are certainly part of it.
    pub settled: CellState,
    /// Calls of minutes that may lie behind its end.
    pub pending: Vec<(u32, CellState)>,
    /// The lead that tells it.
    pub leader: Option<u128>,
    /// What belongs to it.
    pub members: Vec<String>,
    /// What else belongs to it.
    pub members_omitted: u32,
    /// Calls a minute from which each level fires.
    pub thresholds: [Option<f64>; 3],
}

/// An incident whose End was told, and can still be corrected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndedState {
    /// Index of its series.
    pub series: u32,
    /// First minute after it.
    pub end: u32,
    /// 0 returned, 1 accepted, 2 superseded.
    pub reason: u8,
    /// Minute with whose closing it can be corrected no more.
    pub until: u32,
    /// Minute with whose closing a correction is told.
    pub due: Option<u32>,
    /// What was told, with what came late since.
    pub incident: IncidentState,
}

/// Calls and their attributes: (string id, calls) by identity, user agent, error code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CellState {
    /// Calls.
    pub calls: u64,
    /// By attribute.
    pub values: [Vec<(u32, u64)>; 3],
}

/// Why stored bytes are no partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the state of a partition")]
pub struct NotAPart;

/// A partition as bytes, to be sealed.
pub fn encode(part: &Part) -> Result<Vec<u8>, NotAPart> {
    postcard::to_stdvec(&(part, &part.ended)).map_err(|_| NotAPart)
}

/// Reads a partition back that was written in the layout `version`. That it agrees with itself is for the engine to
/// see.
pub fn decode(version: u16, bytes: &[u8]) -> Result<Part, NotAPart> {
    match version {
        1 => whole::<v1::Part>(bytes).map(Part::from),
        2 => whole(bytes),
        VERSION => whole::<(Part, Vec<EndedState>)>(bytes).map(|(part, ended)| Part { ended, ..part }),
        _ => Err(NotAPart),
    }
}

fn whole<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, NotAPart> {
    match postcard::take_from_bytes::<T>(bytes) {
        Ok((read, [])) => Ok(read),
        _ => Err(NotAPart),
    }
}
