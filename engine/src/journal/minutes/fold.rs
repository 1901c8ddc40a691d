//! Minutes into five minutes into hours into nothing, and the size limit: a bounded number of rows a call.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{FIVE_MINUTE_DAYS, HOUR_DAYS, MINUTE_DAYS, add_calls, horizon};
use crate::journal::JournalError;
use crate::journal::store::{self, unsigned};

/// Rows that one call may fold or forget, for each row that was written.
const PER_ROW: usize = 2;
/// Rows that one call may fold or forget even where little was written.
const AT_LEAST: usize = 500;
/// Rows forgotten between two looks at the size.
const STEP: usize = 100;

fn budget(written: usize) -> usize {
    (written * PER_ROW).max(AT_LEAST)
}

/// Folds what is older than its period's days into the next period, and forgets the oldest.
pub(super) fn fold(connection: &Connection, newest: u32, written: usize) -> Result<(), JournalError> {
    for (period, days, into) in [(1, MINUTE_DAYS, Some(5)), (5, FIVE_MINUTE_DAYS, Some(60)), (60, HOUR_DAYS, None)] {
        let old = take_old(connection, period, horizon(newest, days), budget(written))?;
        let Some(into) = into else { return forget_series(connection, &old) };
        for (minute, series, calls) in old {
            add_calls(connection, into, minute, series, calls)?;
        }
    }
    Ok(())
}

type Row = (u32, i64, u64);

/// Removes the oldest rows of a period, up to `most`, that begin before `horizon`.
fn take_old(connection: &Connection, period: u32, horizon: u32, most: usize) -> Result<Vec<Row>, JournalError> {
    let mut select = connection.prepare_cached(
        "SELECT minute, series, calls FROM minutes WHERE period = ?1 AND minute < ?2 ORDER BY minute, series LIMIT ?3",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = select
        .query_map((period, horizon, most), |row| Ok((row.get(0)?, row.get(1)?, unsigned(row.get(2)?))))?
        .collect::<rusqlite::Result<Vec<Row>>>()?;
    let mut delete =
        connection.prepare_cached("DELETE FROM minutes WHERE period = ?1 AND minute = ?2 AND series = ?3")?;
    for (minute, series, _) in &rows {
        delete.execute((period, minute, series))?;
    }
    Ok(rows)
}

/// Forgets the oldest rows, of whatever period, while more than `bytes` are used. Returns how many.
pub(super) fn evict(connection: &Connection, bytes: u64, written: usize) -> Result<u64, JournalError> {
    let (mut evicted, mut left) = (0, budget(written));
    while left > 0 && store::used_bytes(connection)? > bytes {
        let Some((minute, period)) = oldest(connection)? else { break };
        // In steps, so that no more is forgotten than needed.
        let rows = take_old(connection, period, minute.saturating_add(1), left.min(STEP))?;
        forget_series(connection, &rows)?;
        left = left.saturating_sub(rows.len().max(1));
        evicted += u64::try_from(rows.len()).unwrap_or(0);
    }
    Ok(evicted)
}

fn oldest(connection: &Connection) -> Result<Option<(u32, u32)>, JournalError> {
    let mut statement = connection.prepare_cached("SELECT min(minute) FROM minutes WHERE period = ?1")?;
    let mut heads = Vec::new();
    for period in [1u32, 5, 60] {
        let head: Option<u32> = statement.query_row([period], |row| row.get(0))?;
        heads.extend(head.map(|minute| (minute, period)));
    }
    Ok(heads.into_iter().min())
}

/// Names are minted by whoever calls: a series goes with its last minutes.
fn forget_series(connection: &Connection, gone: &[Row]) -> Result<(), JournalError> {
    let mut delete = connection
        .prepare_cached("DELETE FROM series WHERE id = ?1 AND NOT EXISTS(SELECT 1 FROM minutes WHERE series = ?1)")?;
    for series in gone.iter().map(|(_, series, _)| series).collect::<BTreeSet<_>>() {
        delete.execute([series])?;
    }
    Ok(())
}
