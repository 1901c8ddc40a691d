//! The outbox in the journal's database.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Shared, state_of};
use crate::journal::JournalError;
use crate::journal::outbox::{Outbox, Row};
use crate::journal::store::unsigned;

/// Longest error text kept with a row, bytes; the rest is cut off.
const ERROR_BYTES: usize = 500;

/// The outbox of a [`super::LocalJournal`]; cheap to clone.
#[derive(Clone)]
pub struct LocalOutbox(pub(super) Arc<Shared>);

/// A row is held back by an earlier pending one of its incident and sink, due or not: that keeps the order. The
/// record's text is the history's; it is kept at least as long as the row.
const DUE: &str = "
SELECT o.id, o.sink, o.shared_event_id, o.event_id, o.state, i.json, o.attempts, o.created,
    EXISTS(SELECT 1 FROM outbox AS earlier WHERE earlier.shared_event_id = o.shared_event_id
        AND earlier.sink = o.sink AND earlier.id < o.id AND earlier.status = 'dead')
FROM outbox AS o JOIN insights AS i USING(event_id)
WHERE o.sink = ?1 AND o.status = 'pending' AND o.due <= ?2
    AND NOT EXISTS(SELECT 1 FROM outbox AS earlier WHERE earlier.shared_event_id = o.shared_event_id
        AND earlier.sink = o.sink AND earlier.id < o.id AND earlier.status = 'pending')
ORDER BY o.id LIMIT ?3";

impl Outbox for LocalOutbox {
    fn due(&self, sink: &str, now_ms: i64, most: usize) -> Result<Vec<Row>, JournalError> {
        let reader = self.0.reader();
        let mut statement = reader.prepare_cached(DUE)?;
        let mut rows = statement.query((sink, now_ms, i64::try_from(most).unwrap_or(i64::MAX)))?;
        let mut due = Vec::new();
        while let Some(row) = rows.next()? {
            due.push(read(row)?);
        }
        Ok(due)
    }

    fn delivered(&self, row: i64, now_ms: i64) -> Result<(), JournalError> {
        self.mark(
            "UPDATE outbox SET status = 'delivered', closed = ?2, attempts = attempts + 1, last_error = ?3",
            row,
            now_ms,
            None,
        )
    }

    fn postpone(&self, row: i64, until_ms: i64, error: &str) -> Result<(), JournalError> {
        self.mark("UPDATE outbox SET due = ?2, attempts = attempts + 1, last_error = ?3", row, until_ms, Some(error))
    }

    fn dead(&self, row: i64, now_ms: i64, error: &str) -> Result<(), JournalError> {
        self.mark("UPDATE outbox SET status = 'dead', closed = ?2, last_error = ?3", row, now_ms, Some(error))
    }

    fn depth(&self, sink: &str) -> Result<(u64, Option<i64>), JournalError> {
        let reader = self.0.reader();
        let mut statement = reader
            .prepare_cached("SELECT count(*), min(created) FROM outbox WHERE sink = ?1 AND status = 'pending'")?;
        Ok(statement.query_row([sink], |row| Ok((unsigned(row.get(0)?), row.get(1)?)))?)
    }

    fn told(&self, shared_event_id: &Uuid) -> Result<Vec<String>, JournalError> {
        told(&self.0.reader(), shared_event_id)
    }

    fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.0.wake)
    }
}

impl LocalOutbox {
    /// Changes a pending row. One that is closed stays as it is: a late second answer changes nothing.
    fn mark(&self, update: &str, row: i64, time: i64, error: Option<&str>) -> Result<(), JournalError> {
        let error = error.map(|error| &error[..error.floor_char_boundary(ERROR_BYTES)]);
        self.0.write(|transaction| {
            let sql = format!("{update} WHERE id = ?1 AND status = 'pending'");
            transaction.prepare_cached(&sql)?.execute((row, time, error))?;
            Ok(())
        })
    }
}

fn told(connection: &Connection, shared_event_id: &Uuid) -> Result<Vec<String>, JournalError> {
    let query = "SELECT DISTINCT sink FROM outbox WHERE shared_event_id = ?1 AND state = 'Start' ORDER BY sink";
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map([shared_event_id.to_string()], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn read(row: &rusqlite::Row<'_>) -> Result<Row, JournalError> {
    let id: i64 = row.get(0)?;
    let damaged = |what: &str| JournalError::Damaged(format!("outbox row {id}: {what}"));
    let uuid = |at: usize| -> Result<Uuid, JournalError> {
        Uuid::parse_str(&row.get::<_, String>(at)?).map_err(|_| damaged("not an id"))
    };
    Ok(Row {
        id,
        sink: row.get(1)?,
        shared_event_id: uuid(2)?,
        event_id: uuid(3)?,
        state: state_of(&row.get::<_, String>(4)?).ok_or_else(|| damaged("neither Start nor End"))?,
        insight_json: row.get::<_, String>(5)?.into_bytes(),
        attempts: row.get(6)?,
        created_ms: row.get(7)?,
        start_died: row.get(8)?,
    })
}
