//! What a person does about rows that wait or were given up, also while the service runs.
//!
//! A connection of its own writes beside the service's: a worker looks into the outbox at least once a second and finds
//! what changed. Rows of one incident and sink share their fate: an End is not sent again without its Start, nor is one
//! dropped alone.

use std::path::Path;

use rusqlite::{Connection, Row};

use super::JournalError;
use super::local;
use super::store::{self, Durability};

/// Rows that one answer holds, at most.
pub const LIST_MOST: usize = 10_000;
/// The service holds the database to its limits; a row that moves takes no more room than it had.
const BYTES: u64 = 1 << 50;

/// Which rows. Everything given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Row ids; empty: any.
    pub ids: Vec<i64>,
    /// Name of the sink.
    pub sink: Option<String>,
    /// `Some(true)`: given up; `Some(false)`: waiting.
    pub dead: Option<bool>,
}

/// A row of the outbox that is not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Its id.
    pub id: i64,
    /// Name of the sink.
    pub sink: String,
    /// `sharedEventID`.
    pub incident: String,
    /// `Start` or `End`.
    pub state: String,
    /// Whether it was given up.
    pub dead: bool,
    /// Deliveries tried.
    pub attempts: u32,
    /// When it was committed, milliseconds since the epoch.
    pub created_ms: i64,
    /// When it is due, or was given up.
    pub due_ms: i64,
    /// What the last attempt said.
    pub last_error: Option<String>,
}

/// The outbox of a data directory, to be looked through and mended.
pub struct Waiting(Connection);

impl Waiting {
    /// Opens beside whoever writes; the database has to be there, in the form of this version.
    pub fn open(data_directory: &Path) -> Result<Waiting, JournalError> {
        let path = data_directory.join(local::FILE);
        drop(store::open_read_only(&path, &local::FORMAT)?);
        Ok(Waiting(store::open(&path, &local::FORMAT, Durability::Power, BYTES)?))
    }

    /// The first `most` (at most [`LIST_MOST`]) that are chosen, oldest first.
    pub fn list(&self, chosen: &Chosen, most: usize) -> Result<Vec<Undelivered>, JournalError> {
        let sql = format!(
            "SELECT id, sink, shared_event_id, state, status = 'dead', attempts, created, ifnull(closed, due), last_error
             FROM outbox WHERE {} ORDER BY id LIMIT ?4",
            condition(chosen)
        );
        let mut statement = self.0.prepare(&sql)?;
        let most = i64::try_from(most.min(LIST_MOST)).unwrap_or(i64::MAX);
        let rows = statement.query_map((&chosen.sink, chosen.dead, ids(chosen), most), read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Has what was given up and is chosen sent again, with all that was given up of the same incident at the same
    /// sink, as if it were committed now. Rows get new ids: a sink that knows how far it has come is not past them.
    pub fn retry(&mut self, chosen: &Chosen, now_ms: i64) -> Result<usize, JournalError> {
        let chosen = Chosen { dead: Some(true), ..chosen.clone() };
        let same = same_fate(&chosen);
        let transaction = self.0.transaction()?;
        let sql = format!(
            "INSERT INTO outbox(sink, shared_event_id, event_id, state, created, due)
             SELECT sink, shared_event_id, event_id, state, ?4, ?4 FROM outbox AS o
             WHERE status = 'dead' AND {same} ORDER BY id"
        );
        let before: i64 = transaction.query_row("SELECT ifnull(max(id), 0) FROM outbox", [], |row| row.get(0))?;
        let moved = transaction.prepare(&sql)?.execute((&chosen.sink, chosen.dead, ids(&chosen), now_ms))?;
        let sql = format!("DELETE FROM outbox AS o WHERE status = 'dead' AND id <= ?4 AND {same}");
        transaction.prepare(&sql)?.execute((&chosen.sink, chosen.dead, ids(&chosen), before))?;
        transaction.commit()?;
        Ok(moved)
    }

    /// Forgets what is chosen, with all that is not delivered of the same incident at the same sink.
    pub fn forget(&mut self, chosen: &Chosen) -> Result<usize, JournalError> {
        let sql = format!("DELETE FROM outbox AS o WHERE status <> 'delivered' AND {}", same_fate(chosen));
        Ok(self.0.prepare(&sql)?.execute((&chosen.sink, chosen.dead, ids(chosen)))?)
    }
}

/// The statement depends on what is set, never on its value.
fn condition(chosen: &Chosen) -> String {
    let any_id = if chosen.ids.is_empty() { "1" } else { "id IN (SELECT value FROM json_each(?3))" };
    format!(
        "status <> 'delivered' AND (?1 IS NULL OR sink = ?1) AND (?2 IS NULL OR (status = 'dead') = ?2) AND (?3 IS NULL OR {any_id})"
    )
}

fn same_fate(chosen: &Chosen) -> String {
    format!("(sink, shared_event_id) IN (SELECT sink, shared_event_id FROM outbox WHERE {})", condition(chosen))
}

fn ids(chosen: &Chosen) -> Option<String> {
    let list: Vec<String> = chosen.ids.iter().map(i64::to_string).collect();
    (!list.is_empty()).then(|| format!("[{}]", list.join(",")))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Undelivered> {
    Ok(Undelivered {
        id: row.get(0)?,
        sink: row.get(1)?,
        incident: row.get(2)?,
        state: row.get(3)?,
        dead: row.get(4)?,
        attempts: row.get(5)?,
        created_ms: row.get(6)?,
        due_ms: row.get(7)?,
        last_error: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::local::fixtures::{NOW, Told, open, tell};
    use crate::journal::outbox::Outbox;

    #[test]
    fn what_was_given_up_is_sent_again_in_order_beside_a_service_that_runs() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = open(directory.path());
        let outbox = journal.outbox();
        tell(&mut journal, vec![Told::start(1).to(&["chat", "pager"]), Told::start(2).to(&["chat"])]);
        tell(&mut journal, vec![Told::end(1).to(&["chat", "pager"])]);
        let due = |sink: &str| outbox.due(sink, NOW, 9).unwrap();
        for row in [due("chat")[0].id, due("pager")[0].id] {
            outbox.dead(row, NOW, "410 Gone").unwrap();
        }
        let end = due("chat")[1].id.max(due("chat")[0].id);
        outbox.dead(end, NOW, "its Start ended in the dead letter").unwrap();

        let mut waiting = Waiting::open(directory.path()).unwrap();
        let dead = Chosen { dead: Some(true), ..Chosen::default() };
        let listed = waiting.list(&dead, 99).unwrap();
        assert_eq!(listed.len(), 3);
        assert_eq!(listed[0].last_error.as_deref(), Some("410 Gone"));
        assert_eq!(waiting.list(&Chosen::default(), 99).unwrap().len(), 5);
        assert_eq!(waiting.list(&Chosen { sink: Some("none".into()), ..Chosen::default() }, 99).unwrap(), []);

        // One row of the incident is named; its End comes along.
        let chosen = Chosen { ids: vec![end], ..Chosen::default() };
        assert_eq!(waiting.retry(&chosen, NOW + 1).unwrap(), 2);
        assert_eq!(waiting.list(&dead, 99).unwrap().len(), 1, "the pager's is left");
        let again = outbox.due("chat", NOW + 1, 9).unwrap();
        let states: Vec<(u128, bool)> =
            again.iter().map(|row| (row.shared_event_id.as_u128(), row.start_died)).collect();
        assert_eq!(states, [(2, false), (1, false)], "the End waits for its Start");
        assert!(again[1].id > end && again[1].created_ms == NOW + 1 && again[1].attempts == 0);
        outbox.delivered(again[1].id, NOW + 2).unwrap();
        let ends = outbox.due("chat", NOW + 2, 9).unwrap();
        assert!(ends.iter().any(|row| row.shared_event_id.as_u128() == 1 && !row.start_died));
        assert_eq!(waiting.retry(&chosen, NOW + 3).unwrap(), 0, "nothing of it is dead any more");
    }

    #[test]
    fn what_is_forgotten_takes_its_end_along_and_nothing_delivered() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = open(directory.path());
        let outbox = journal.outbox();
        tell(
            &mut journal,
            vec![Told::start(1).to(&["chat"]), Told::end(1).to(&["chat"]), Told::start(2).to(&["chat"])],
        );
        let mut waiting = Waiting::open(directory.path()).unwrap();
        let first = outbox.due("chat", NOW, 9).unwrap()[0].id;
        outbox.dead(first, NOW, "no").unwrap();
        assert_eq!(waiting.forget(&Chosen { ids: vec![first], ..Chosen::default() }).unwrap(), 2);
        let left = outbox.due("chat", NOW, 9).unwrap();
        assert_eq!(left.len(), 1);
        outbox.delivered(left[0].id, NOW).unwrap();
        assert_eq!(waiting.forget(&Chosen::default()).unwrap(), 0);
        assert_eq!(outbox.told(&left[0].shared_event_id).unwrap(), ["chat"]);
    }

    #[test]
    fn a_directory_without_a_journal_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Waiting::open(directory.path()).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
