//! What is still to be delivered.

use std::sync::Arc;

use tokio::sync::Notify;
use trailsight_schemas::insight::State;
use uuid::Uuid;

use super::JournalError;

/// One insight for one sink.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Position in the outbox: rows of one incident and sink are delivered in this order.
    pub id: i64,
    /// Name of the sink.
    pub sink: String,
    /// The incident.
    pub shared_event_id: Uuid,
    /// The record; the idempotency key of every delivery.
    pub event_id: Uuid,
    /// Start or End.
    pub state: State,
    /// The record in its full form, on one line.
    pub insight_json: Vec<u8>,
    /// Deliveries tried so far.
    pub attempts: u32,
    /// When it was committed, milliseconds since the epoch: the deadline counts from here.
    pub created_ms: i64,
    /// Whether an earlier row of the same incident and sink ended in the dead letter.
    pub start_died: bool,
}

/// Rows that were committed with the insights they hold. Calls block: they are answered by a disk.
pub trait Outbox: Send + Sync {
    /// Up to `most` pending rows of a sink that are due at `now_ms`, in the order of their ids. A row whose
    /// incident has an earlier pending row for the same sink is not among them, be that one due or not.
    fn due(&self, sink: &str, now_ms: i64, most: usize) -> Result<Vec<Row>, JournalError>;

    /// The first `most` pending rows of a sink in the order of their ids, due or not: for a sink that takes rows in
    /// that order and no other.
    fn in_order(&self, sink: &str, most: usize) -> Result<Vec<Row>, JournalError>;

    /// The receiver has it.
    fn delivered(&self, row: i64, now_ms: i64) -> Result<(), JournalError>;

    /// The receiver has every pending row of a sink up to and with this one; returns how many there were.
    fn delivered_through(&self, sink: &str, row: i64, now_ms: i64) -> Result<u64, JournalError>;

    /// An attempt at every pending row of a sink up to and with this one failed: one more is counted.
    fn failed_through(&self, sink: &str, row: i64, error: &str) -> Result<(), JournalError>;

    /// Whether this row can be the one that this sink was given for this record. `false` when no row has come so far,
    /// or when the row is another; `true` also for a row that was forgotten since.
    fn is_row(&self, sink: &str, row: i64, event_id: &Uuid) -> Result<bool, JournalError>;

    /// An attempt failed: one more is counted, and the row is due again at `until_ms`.
    fn postpone(&self, row: i64, until_ms: i64, error: &str) -> Result<(), JournalError>;

    /// Given up; it stands in the dead-letter file.
    fn dead(&self, row: i64, now_ms: i64, error: &str) -> Result<(), JournalError>;

    /// Pending rows of a sink, and when the oldest of them was committed (milliseconds since the epoch).
    fn depth(&self, sink: &str) -> Result<(u64, Option<i64>), JournalError>;

    /// Sinks that a Start of this incident was addressed to, whatever became of it.
    fn told(&self, shared_event_id: &Uuid) -> Result<Vec<String>, JournalError>;

    /// Notified (all waiters) whenever rows were committed.
    fn wake(&self) -> Arc<Notify>;
}
