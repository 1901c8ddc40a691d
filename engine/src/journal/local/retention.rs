//! How long history and closed deliveries are kept.
//!
//! Never forgotten: an incident that is open or has a pending delivery, and the deliveries of an open incident, from
//! which its End learns whom to tell.

use rusqlite::Connection;

use crate::journal::JournalError;
use crate::journal::store::signed;

/// Incidents or deliveries that one call forgets, at most, of each kind.
pub(super) const FORGET_MOST: i64 = 1000;

const DAY_MS: i64 = 86_400_000;

/// What is kept of history and of closed deliveries. Beyond an age or a number the oldest are forgotten, a thousand at
/// each dropping of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days that an ended incident is kept after it was recorded: what happened long ago may be found today.
    pub history_days: u32,
    /// Incidents kept; open ones are kept beyond it.
    pub history_incidents: u64,
    /// Days that a delivered or dead outbox row is kept.
    pub deliveries_days: u32,
    /// Closed outbox rows kept.
    pub deliveries: u64,
}

impl Default for Retention {
    /// 400 days and 200,000 incidents; 30 days and 100,000 deliveries.
    fn default() -> Retention {
        Retention { history_days: 400, history_incidents: 200_000, deliveries_days: 30, deliveries: 100_000 }
    }
}

/// Forgets what is beyond the limits, at most [`FORGET_MOST`] incidents and as many deliveries.
pub(super) fn forget(connection: &Connection, retention: &Retention, now: i64) -> Result<(), JournalError> {
    forget_incidents(connection, retention, now)?;
    forget_deliveries(connection, retention, now)
}

fn forget_incidents(connection: &Connection, retention: &Retention, now: i64) -> Result<(), JournalError> {
    let horizon = now - i64::from(retention.history_days) * DAY_MS;
    let excess = excess(connection, "SELECT count(*) FROM incidents", retention.history_incidents)?;
    connection
        .prepare_cached(
            "DELETE FROM incidents WHERE shared_event_id IN (
                SELECT shared_event_id FROM (
                    SELECT shared_event_id, recorded, row_number() OVER (ORDER BY started, shared_event_id) AS age
                    FROM incidents AS i
                    WHERE ended IS NOT NULL AND NOT EXISTS(SELECT 1 FROM outbox AS o
                        WHERE o.shared_event_id = i.shared_event_id AND o.status = 'pending')
                    ORDER BY started, shared_event_id LIMIT ?3)
                WHERE recorded < ?1 OR age <= ?2)",
        )?
        .execute((horizon, excess, FORGET_MOST))?;
    Ok(())
}

fn forget_deliveries(connection: &Connection, retention: &Retention, now: i64) -> Result<(), JournalError> {
    let horizon = now - i64::from(retention.deliveries_days) * DAY_MS;
    let count = "SELECT count(*) FROM outbox WHERE status <> 'pending'";
    let excess = excess(connection, count, retention.deliveries)?;
    connection
        .prepare_cached(
            "DELETE FROM outbox WHERE id IN (
                SELECT id FROM (
                    SELECT o.id, o.closed, row_number() OVER (ORDER BY o.closed, o.id) AS age
                    FROM outbox AS o JOIN incidents AS i USING(shared_event_id)
                    WHERE o.status <> 'pending' AND i.ended IS NOT NULL AND NOT EXISTS(SELECT 1 FROM outbox AS p
                        WHERE p.shared_event_id = o.shared_event_id AND p.sink = o.sink AND p.status = 'pending')
                    ORDER BY o.closed, o.id LIMIT ?3)
                WHERE closed < ?1 OR age <= ?2)",
        )?
        .execute((horizon, excess, FORGET_MOST))?;
    Ok(())
}

fn excess(connection: &Connection, count: &str, limit: u64) -> Result<i64, JournalError> {
    let count: i64 = connection.prepare_cached(count)?.query_row([], |row| row.get(0))?;
    Ok((count - signed(limit)).max(0))
}
