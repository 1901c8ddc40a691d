//! Metrics, health, the API and the page: everything that is shown comes through [`Queries`].
//!
//! The server has a thread and a runtime of its own, so that a slow reader cannot hold up the spine. Limits:
//! [`HEADER_BYTES`], [`BODY_BYTES`], [`CONNECTION_AGE`], and from the configuration connections and time.

mod api;
mod filter;
mod mutes;
mod guard;
mod page;
mod openapi;
mod places;
mod problem;
mod query;
mod server;
mod stream;
mod tag;
mod watched;

pub use crate::journal::history::{Filter, IncidentState};
pub use filter::{FilterError, LIMIT, PARAMETERS, parse as parse_filter};
pub use mutes::{LONGEST, MUTES, MuteMatch, MuteView, Mutes, NewMute};
pub use query::{
    AccountLearning, Delivery, IncidentView, Insight, InsightReader, JournalStatus, LearningStage, MemoryStatus,
    MinuteCount, Page, Queries, QueryError, Reason, RecordTotals, SeriesStatus, SinkStatus, SourceStatus, Status,
};
pub use server::{BODY_BYTES, CONNECTION_AGE, HEADER_BYTES, Server, Settings, StartError};
pub use stream::News;
pub use watched::{
    POINTS, RECENT, SeriesFilter, SeriesMinutes, SeriesPage, SeriesPoint, SeriesView, Sort, Span, Thresholds, Watch,
};

#[cfg(test)]
mod tests;
