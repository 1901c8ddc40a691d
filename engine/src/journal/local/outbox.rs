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

/// The pending rows themselves, without looking at when they are due.
const IN_ORDER: &str = "
SELECT o.id, o.sink, o.shared_event_id, o.event_id, o.state, i.json, o.attempts, o.created,
    EXISTS(SELECT 1 FROM outbox AS earlier WHERE earlier.shared_event_id = o.shared_event_id
        AND earlier.sink = o.sink AND earlier.id < o.id AND earlier.status = 'dead')
FROM outbox AS o JOIN insights AS i USING(event_id)
WHERE o.sink = ?1 AND o.status = 'pending' ORDER BY o.id LIMIT ?2";

/// `sqlite_sequence` holds the highest id that was ever given, also after its row was forgotten.
const IS_ROW: &str = "
SELECT ?2 <= ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)
    AND NOT EXISTS(SELECT 1 FROM outbox WHERE id = ?2 AND (sink <> ?1 OR event_id <> ?3))";

impl Outbox for LocalOutbox {
    fn due(&self, sink: &str, now_ms: i64, most: usize) -> Result<Vec<Row>, JournalError> {
        self.rows(DUE, (sink, now_ms, i64::try_from(most).unwrap_or(i64::MAX)))
    }

    fn in_order(&self, sink: &str, most: usize) -> Result<Vec<Row>, JournalError> {
        self.rows(IN_ORDER, (sink, i64::try_from(most).unwrap_or(i64::MAX)))
    }

    fn delivered_through(&self, sink: &str, row: i64, now_ms: i64) -> Result<u64, JournalError> {
        let update = "UPDATE outbox SET status = 'delivered', closed = ?3, attempts = attempts + 1, last_error = NULL
            WHERE sink = ?1 AND status = 'pending' AND id <= ?2";
        self.0.write(|transaction| Ok(transaction.prepare_cached(update)?.execute((sink, row, now_ms))? as u64))
    }

    fn failed_through(&self, sink: &str, row: i64, error: &str) -> Result<(), JournalError> {
        let update = "UPDATE outbox SET attempts = attempts + 1, last_error = ?3
            WHERE sink = ?1 AND status = 'pending' AND id <= ?2";
        self.0.write(|transaction| {
            transaction.prepare_cached(update)?.execute((sink, row, shortened(error)))?;
            Ok(())
        })
    }

    fn is_row(&self, sink: &str, row: i64, event_id: &Uuid) -> Result<bool, JournalError> {
        let reader = self.0.reader();
        let mut statement = reader.prepare_cached(IS_ROW)?;
        Ok(statement.query_row((sink, row, event_id.to_string()), |found| found.get(0))?)
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
    fn rows(&self, query: &str, parameters: impl rusqlite::Params) -> Result<Vec<Row>, JournalError> {
        let reader = self.0.reader();
        let mut statement = reader.prepare_cached(query)?;
        let mut found = statement.query(parameters)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(read(row)?);
        }
        Ok(rows)
    }

    /// Changes a pending row. One that is closed stays as it is: a late second answer changes nothing.
    fn mark(&self, update: &str, row: i64, time: i64, error: Option<&str>) -> Result<(), JournalError> {
        let error = error.map(shortened);
        self.0.write(|transaction| {
            let sql = format!("{update} WHERE id = ?1 AND status = 'pending'");
            transaction.prepare_cached(&sql)?.execute((row, time, error))?;
            Ok(())
        })
    }
}

fn shortened(error: &str) -> &str {
    &error[..error.floor_char_boundary(ERROR_BYTES)]
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
