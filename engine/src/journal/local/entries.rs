//! Entries, and what they carry beside rollups: resume marks and record totals.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};
use trailsight_schemas::entry::{Body, Entry, Outcomes, Progress};
use trailsight_schemas::sealed::{SealError, decode_entry, encode_entry};

use super::{mutes, position, set_position};
use crate::journal::store::{signed, unsigned};
use crate::journal::{JournalError, Seq};

/// Entries that one call of `drop_through` forgets, at most.
pub(super) const DROP_MOST: u64 = 4096;

/// Position of the last entry that was dropped.
const DROPPED: &str = "dropped";

/// First and last position. They must leave no gap to what was dropped, or the journal is not whole.
pub(super) fn bounds(connection: &Connection) -> Result<(Seq, Seq), JournalError> {
    let dropped = position(connection, DROPPED)?;
    let query = "SELECT min(seq), max(seq), count(*) FROM entries";
    let (low, high, count): (Option<i64>, Option<i64>, i64) =
        connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let first = dropped.saturating_add(1);
    let (low, high) = (low.map_or(first, unsigned), high.map_or(dropped, unsigned));
    if low != first || high.saturating_sub(dropped) != unsigned(count) {
        return Err(JournalError::Damaged(format!("entries {low} to {high} after {dropped} are not whole")));
    }
    Ok((low, high))
}

/// All of them as bytes, before anything is written.
pub(super) fn sealed(entries: &[Entry]) -> Result<Vec<Vec<u8>>, JournalError> {
    entries.iter().map(|entry| encode_entry(entry).map_err(|error| JournalError::Store(error.to_string()))).collect()
}

/// Writes entries after position `after`. Returns the position of the last.
pub(super) fn append(
    connection: &Connection,
    after: Seq,
    sealed: &[Vec<u8>],
    entries: &[Entry],
) -> Result<Seq, JournalError> {
    let mut insert = connection.prepare_cached("INSERT INTO entries(seq, taken_at, bytes) VALUES(?1, ?2, ?3)")?;
    let mut seq = after;
    let mut totals: BTreeMap<&str, Outcomes> = BTreeMap::new();
    for (entry, bytes) in entries.iter().zip(sealed) {
        seq += 1;
        insert.execute((signed(seq), entry.taken_at, bytes))?;
        if let Body::Mute(change) = &entry.body {
            mutes::change(connection, change, entry.taken_at)?;
        }
        let Body::Batch(batch) = &entry.body else { continue };
        for progress in &batch.progress {
            write_marks(connection, progress)?;
            add(totals.entry(&progress.source).or_default(), progress.outcomes);
        }
    }
    write_totals(connection, totals)?;
    Ok(seq)
}

fn write_marks(connection: &Connection, progress: &Progress) -> Result<(), JournalError> {
    let mut put = connection.prepare_cached(
        "INSERT INTO marks(source, key, value) VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = ?3",
    )?;
    let mut delete = connection.prepare_cached("DELETE FROM marks WHERE source = ?1 AND key = ?2")?;
    for (key, value) in &progress.marks {
        if value.is_empty() {
            delete.execute((&progress.source, key))?;
        } else {
            put.execute((&progress.source, key, value))?;
        }
    }
    Ok(())
}

fn write_totals(connection: &Connection, added: BTreeMap<&str, Outcomes>) -> Result<(), JournalError> {
    let mut before = connection
        .prepare_cached("SELECT counted, duplicate, not_analysed, dead_letter FROM totals WHERE source = ?1")?;
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO totals VALUES(?1, ?2, ?3, ?4, ?5)")?;
    for (source, added) in added {
        let mut sum = before.query_row([source], |row| outcomes(row, 0)).optional()?.unwrap_or_default();
        add(&mut sum, added);
        let Outcomes { counted, duplicate, not_analysed, dead_letter } = sum;
        put.execute((source, signed(counted), signed(duplicate), signed(not_analysed), signed(dead_letter)))?;
    }
    Ok(())
}

/// Counts tables can say 2^63 calls: sums stay at the largest number instead of wrapping.
fn add(sum: &mut Outcomes, added: Outcomes) {
    sum.counted = sum.counted.saturating_add(added.counted);
    sum.duplicate = sum.duplicate.saturating_add(added.duplicate);
    sum.not_analysed = sum.not_analysed.saturating_add(added.not_analysed);
    sum.dead_letter = sum.dead_letter.saturating_add(added.dead_letter);
}

fn outcomes(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<Outcomes> {
    let count = |at: usize| row.get(from + at).map(unsigned);
    Ok(Outcomes { counted: count(0)?, duplicate: count(1)?, not_analysed: count(2)?, dead_letter: count(3)? })
}

/// Up to `most` entries behind `after`, none behind `last`.
pub(super) fn read(
    connection: &Connection,
    after: Seq,
    last: Seq,
    most: usize,
) -> Result<Vec<(Seq, Entry)>, JournalError> {
    let query = "SELECT seq, bytes FROM entries WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3";
    let mut statement = connection.prepare_cached(query)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query((signed(after), signed(last), most))?;
    let mut entries = Vec::new();
    let mut expected = after;
    while let Some(row) = rows.next()? {
        expected += 1;
        let seq = unsigned(row.get(0)?);
        if seq != expected {
            return Err(JournalError::Damaged(format!("entry {expected} is missing")));
        }
        let entry = decode_entry(row.get_ref(1)?.as_blob().unwrap_or_default()).map_err(|error| unread(seq, error))?;
        entries.push((seq, entry));
    }
    Ok(entries)
}

fn unread(seq: Seq, error: SealError) -> JournalError {
    match error {
        SealError::Later { found, known } => JournalError::Later { found: found.into(), known: known.into() },
        other => JournalError::Damaged(format!("entry {seq}: {other}")),
    }
}

/// Forgets the oldest entries up to `through`, [`DROP_MOST`] at most. Returns the position of the oldest left.
pub(super) fn drop_through(connection: &Connection, through: Seq) -> Result<Seq, JournalError> {
    let dropped = position(connection, DROPPED)?;
    let through = through.min(dropped.saturating_add(DROP_MOST));
    if through <= dropped {
        return Ok(dropped.saturating_add(1));
    }
    connection.prepare_cached("DELETE FROM entries WHERE seq <= ?1")?.execute([signed(through)])?;
    set_position(connection, DROPPED, through)?;
    Ok(through.saturating_add(1))
}

/// The resume marks of a source.
pub(super) fn marks(connection: &Connection, source: &str) -> Result<BTreeMap<String, Vec<u8>>, JournalError> {
    let mut statement = connection.prepare_cached("SELECT key, value FROM marks WHERE source = ?1")?;
    let rows = statement.query_map([source], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Record totals by source.
pub(in crate::journal) fn totals(connection: &Connection) -> Result<BTreeMap<String, Outcomes>, JournalError> {
    let query = "SELECT source, counted, duplicate, not_analysed, dead_letter FROM totals";
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, outcomes(row, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
