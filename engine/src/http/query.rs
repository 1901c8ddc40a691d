//! What may be asked, and what the answers hold. Plain values: nothing here knows where they come from.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::mutes::Mutes;
use super::stream::News;
use super::watched::Watch;
use crate::journal::history::Filter;

/// The insight history: of this process, or of a data directory that another process writes.
pub trait InsightReader {
    /// Up to `limit` incidents that match, newest Start first, from `cursor` on.
    fn insights(&self, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page, QueryError>;

    /// One incident by its `sharedEventID`; `None` when there is none.
    fn insight(&self, shared_event_id: &Uuid) -> Result<Option<IncidentView>, QueryError>;
}

/// Everything that HTTP may know.
pub trait Queries: InsightReader + Watch + Mutes + Send + Sync {
    /// The state of the whole, at one instant.
    fn status(&self) -> Result<Status, QueryError>;

    /// Why it is not ready; empty when it is.
    fn ready(&self) -> Vec<Reason>;

    /// Whether the main loop advances. Must not block.
    fn alive(&self) -> bool;

    /// Insights as they are recorded from now on. Must not block.
    fn news(&self) -> tokio::sync::broadcast::Receiver<News>;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The cursor is not one that a page ended with.
    #[error("the cursor is not one of ours")]
    Cursor,
    /// More points than one answer holds, or none.
    #[error("there is at least one period between `since` and `until`, and at most {}", super::watched::POINTS)]
    Span,
    /// The thread that owns the state did not answer in time.
    #[error("the engine is busy")]
    Busy,
    /// What was asked for cannot be; a sentence for the reader.
    #[error("{0}")]
    Refused(String),
    /// The store did not answer. The text is for the log, not for the reader.
    #[error("the history cannot be read: {0}")]
    Store(String),
}

/// A page of incidents.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Page {
    /// Newest Start first.
    pub insights: Vec<Insight>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// One incident, Start and End paired.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Insight {
    /// The incident.
    #[serde(rename = "sharedEventID")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub shared_event_id: Uuid,
    /// Its newest Start, in full form; `None` where retention has taken it.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub start: Option<Box<RawValue>>,
    /// Its End.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub end: Option<Box<RawValue>>,
    /// Highest revision recorded.
    pub revision: u32,
    /// The mute that kept it from people.
    pub muted_by: Option<String>,
    /// What the configuration calls its account.
    pub alias: Option<String>,
}

/// One incident with everything that is known of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct IncidentView {
    /// Start and End; attributions are in them.
    pub insight: Insight,
    /// What it says, in sentences: what came, what was expected, which test decided and from what it would have
    /// fired, how often chance does this.
    pub explanation: Vec<String>,
    /// Every record of it, in the order in which they were recorded.
    #[schemars(with = "Vec<Map<String, Value>>")]
    pub records: Vec<Box<RawValue>>,
    /// The picture: calls (or errors) by minute around the incident, in order.
    pub minutes: Vec<MinuteCount>,
    /// What became of it at each sink.
    pub deliveries: Vec<Delivery>,
}

/// One point of the picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MinuteCount {
    /// Begin of the minute, RFC 3339.
    pub minute: String,
    /// Calls (or errors) in it.
    pub calls: u64,
}

/// What became of one record at one sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Delivery {
    /// Name of the sink.
    pub sink: String,
    /// `eventID` of the record.
    #[serde(rename = "eventID")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub event_id: Uuid,
    /// `pending`, `delivered` or `dead_letter`.
    pub state: &'static str,
    /// Attempts so far.
    pub attempts: u32,
    /// What the last failed attempt said.
    pub last_error: Option<String>,
}

/// The state of the whole. Times are RFC 3339.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// The data directory.
    pub data_dir: String,
    /// When the process began.
    pub started_at: String,
    /// Event time up to which minutes are closed.
    pub watermark: Option<String>,
    /// How far each source is.
    pub sources: Vec<SourceStatus>,
    /// The journal.
    pub journal: JournalStatus,
    /// The series table.
    pub series: SeriesStatus,
    /// Memory held by state.
    pub memory: MemoryStatus,
    /// How far learning is, by account.
    pub learning: Vec<AccountLearning>,
    /// Since the data directory was created, over all restarts.
    pub records: RecordTotals,
    /// Where insights go.
    pub sinks: Vec<SinkStatus>,
    /// What somebody should look at.
    pub problems: Vec<String>,
}

/// How far one source is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Its type.
    pub r#type: String,
    /// Newest event time read.
    pub newest_event_time: Option<String>,
    /// Age of that, seconds.
    pub lag_seconds: Option<f64>,
    /// Nothing waits.
    pub caught_up: bool,
    /// It waits for the engine.
    pub paused: bool,
    /// Files not read yet, or messages not received yet, as far as is known.
    pub waiting: u64,
    /// Partitions of Kafka that this instance reads.
    pub partitions: Option<u64>,
    /// Partitions that were taken over from another instance since the process began. Reading went on where that had
    /// stopped; what is usual in them was learned there and has to be learned anew.
    pub taken_over: Option<u64>,
}

/// The journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JournalStatus {
    /// Entries kept.
    pub entries: u64,
    /// Position of the newest entry.
    pub last: u64,
    /// Newest entry whose insights were committed.
    pub committed: u64,
    /// On disk.
    pub bytes: u64,
}

/// The series table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SeriesStatus {
    /// In memory.
    pub active: u64,
    /// Most of them.
    pub limit: u64,
    /// Evicted since the process began.
    pub evicted: u64,
}

/// Memory held by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemoryStatus {
    /// Held.
    pub state_bytes: u64,
    /// Most of it.
    pub limit_bytes: u64,
}

/// How far learning is in one account.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AccountLearning {
    /// Which account.
    pub account: String,
    /// First event time seen.
    pub since: String,
    /// What may be raised.
    pub stage: LearningStage,
    /// When full sensitivity is, or was, reached.
    pub full_at: String,
    /// 0 to 1.
    pub progress: f64,
}

/// What may be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LearningStage {
    /// Nothing yet.
    Learning,
    /// What is unusual beyond doubt.
    Provisional,
    /// Everything.
    Full,
}

/// What became of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RecordTotals {
    /// Counted in a rollup.
    pub counted: u64,
    /// Seen before.
    pub duplicate: u64,
    /// Understood and passed over.
    pub not_analysed: u64,
    /// Not understood.
    pub dead_letter: u64,
}

/// Where insights go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SinkStatus {
    /// Its name.
    pub name: String,
    /// Insights that wait.
    pub outbox_rows: u64,
    /// Age of the one that has waited longest.
    pub oldest_seconds: Option<f64>,
    /// What the last failed attempt said; `None` after a success.
    pub last_error: Option<String>,
}

/// Why it is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reason {
    /// One word for machines.
    pub code: &'static str,
    /// One sentence for people.
    pub text: String,
}

/// Whether the main loop moves.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(super) struct Alive {
    /// It does.
    pub(super) alive: bool,
}

/// Whether records can be taken in.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Readiness {
    /// They can.
    pub(super) ready: bool,
    /// Why not; for those who may read, since reasons may name paths and hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasons: Option<Vec<Reason>>,
}
