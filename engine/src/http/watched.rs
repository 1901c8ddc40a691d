//! What is watched: the series of this process, and one of them by the minute.

use schemars::JsonSchema;
use serde::Serialize;

use super::query::QueryError;

/// Most points of one answer.
pub const POINTS: u32 = 1500;
/// Periods in [`SeriesView::recent`].
pub const RECENT: u32 = 48;

/// What is watched, as HTTP asks for it. Answers come from the thread that owns the state and may take a moment.
pub trait Watch {
    /// Up to `limit` series that match, from `cursor` on.
    fn series(&self, filter: &SeriesFilter, limit: usize, cursor: Option<&str>) -> Result<SeriesPage, QueryError>;

    /// One series by its `id` over a span; `None` when it is not watched.
    fn series_minutes(&self, id: &str, span: &Span) -> Result<Option<SeriesMinutes>, QueryError>;
}

/// Which series. Everything given must match; text is compared whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesFilter {
    /// `recipientAccountId`.
    pub account: Option<String>,
    /// `awsRegion`.
    pub region: Option<String>,
    /// `eventSource`.
    pub source: Option<String>,
    /// `eventName`.
    pub name: Option<String>,
    /// Stands somewhere in one of the five parts of the name, whatever the case of its letters A to Z.
    pub search: Option<String>,
    /// Whether each is shown with its newest calls, and by which period in seconds: 60, 300 or 3600.
    pub recent: Option<u32>,
    /// What comes first.
    pub sort: Sort,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By account, Region, source, name, error code.
    #[default]
    Name,
    /// What lies farthest above its expectation.
    Unusual,
    /// What most calls are expected of.
    Calls,
}

/// Which minutes, and how many of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From here on, seconds since the epoch; else as many periods before the end as a day has minutes.
    pub since: Option<i64>,
    /// Before this, seconds since the epoch; else the end of the newest closed minute.
    pub until: Option<i64>,
    /// 60, 300 or 3600 seconds.
    pub period: u32,
}

/// A page of series.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct SeriesPage {
    /// In the order that was asked for.
    pub series: Vec<SeriesView>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// One series at its newest closed minute. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SeriesView {
    /// For `/api/v1/series/{id}/minutes`.
    pub id: String,
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// `eventSource`.
    pub source: String,
    /// `eventName`.
    pub name: String,
    /// Error code; `None` for the call rate.
    pub error_code: Option<String>,
    /// The `insightType` that it may raise.
    pub r#type: &'static str,
    /// The newest closed minute.
    pub minute: String,
    /// Calls (or errors) in it.
    pub observed: u64,
    /// Calls expected in it.
    pub expected: f64,
    /// What would have been unusual in it.
    pub thresholds: Thresholds,
    /// The last minute with calls.
    pub last_call: Option<String>,
    /// The strictest level of its open incident.
    pub open: Option<&'static str>,
    /// Calls in each of the 48 newest periods, oldest first; the last is not over. `None` unless asked for.
    pub recent: Option<Vec<u64>>,
}

/// The least calls in a minute that are unusual, by level; `None` where no number is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Thresholds {
    /// At `low`.
    pub low: Option<u64>,
    /// At `medium`.
    pub medium: Option<u64>,
    /// At `high`.
    pub high: Option<u64>,
}

/// One series by the minute.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SeriesMinutes {
    /// Which one, now.
    pub series: SeriesView,
    /// In order, without gaps.
    pub minutes: Vec<SeriesPoint>,
}

/// Calls in some time against what the baseline of now expects there.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SeriesPoint {
    /// Where it begins, RFC 3339.
    pub minute: String,
    /// How long it is: the period, or longer where the history is kept coarser.
    pub seconds: u32,
    /// Calls (or errors) in it.
    pub observed: u64,
    /// Calls expected in it.
    pub expected: f64,
    /// For a single minute: what would be unusual in it.
    pub thresholds: Option<Thresholds>,
}
