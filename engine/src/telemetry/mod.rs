//! What the process says of itself: metrics and the log. Both are closed vocabularies.

mod definitions;
mod histogram;
mod logging;
mod metrics;
mod series;

pub use definitions::{ALL, Definition, Kind, PREFIX};
pub use histogram::Latency;
pub use logging::{LoggingError, init as init_logging};
pub use metrics::{
    DeliveryOutcome, Metrics, Names, Outcome, REVISION, SeriesKind, SinkMetrics, SourceMetrics, StateKind,
};
pub use series::{SeriesGauges, SeriesName};
