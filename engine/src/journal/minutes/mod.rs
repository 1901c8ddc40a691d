//! The minute history beside the journal: calls per series and minute, for pictures, the API and back-dated figures.
//!
//! `history.db` in the data directory. It is derived: the position that it has reached is in the same transaction as
//! the minutes, so an entry that is replayed is not added twice, and a damaged file is set aside and begun again. Kept
//! as AWS keeps its metrics: minutes for 15 days, five minutes for 63, hours for 90, counted from the newest minute.
//!
//! Every [`Minutes::apply`] also folds and forgets about twice as many rows as it wrote, so that nothing has to be
//! tidied at another time and no call takes long.

mod read;
mod fold;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use trailsight_schemas::entry::{Api, Batch};
use trailsight_schemas::time::DAY;

pub use read::{MinuteReader, Period, Point};

use super::store::{self, Durability, Format, signed, unsigned};
use super::{JournalError, Seq};

/// Name of the database in the data directory.
pub(super) const FILE: &str = "history.db";

/// Days that single minutes are kept.
pub const MINUTE_DAYS: u32 = 15;
/// Days that five minutes are kept.
pub const FIVE_MINUTE_DAYS: u32 = 63;
/// Days that hours are kept.
pub const HOUR_DAYS: u32 = 90;

/// The file may grow to this many times its limit while eviction, which is bounded, catches up.
const SLACK: u64 = 2;

pub(super) const FORMAT: Format = Format { application: 0x5453_4d31, steps: &[VERSION_1] };

/// Rows stand in the order of time, where they are written and forgotten; the index is for reading one series.
const VERSION_1: &str = "
CREATE TABLE meta(
    key TEXT PRIMARY KEY NOT NULL,      -- through, newest
    value INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE series(
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE            -- account/region/source/name[/errorCode]
);
CREATE TABLE minutes(
    period INTEGER NOT NULL,            -- 1, 5 or 60 minutes
    minute INTEGER NOT NULL,            -- the first of them, since the epoch
    series INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY(period, minute, series)
) WITHOUT ROWID;
CREATE INDEX minutes_of ON minutes(series, period, minute);
";

/// Limits of the minute history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest size, bytes. Beyond it the oldest rows are forgotten and counted in [`Counters::evicted`].
    pub bytes: u64,
}

impl Default for Limits {
    /// 4 GiB: about 80 million rows.
    fn default() -> Limits {
        Limits { bytes: 4 << 30 }
    }
}

/// What was left out, since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rows forgotten because of [`Limits::bytes`].
    pub evicted: u64,
    /// Rows not written because their minute was older than [`HOUR_DAYS`].
    pub too_old: u64,
}

/// The writer of the minute history. One owner, who holds the directory's lock.
pub struct Minutes {
    path: PathBuf,
    connection: Connection,
    limits: Limits,
    through: Seq,
    newest: u32,
    counters: Counters,
}

impl Minutes {
    /// Opens the history or begins one. A damaged one is renamed to `history.db.damaged`, with an error in the log,
    /// and begun again: [`Minutes::through`] is then 0. A later version's is refused.
    pub fn open(data_directory: &Path, limits: Limits) -> Result<Minutes, JournalError> {
        let path = data_directory.join(FILE);
        match Minutes::open_file(&path, limits) {
            Err(JournalError::Damaged(reason)) => {
                tracing::error!(path = %path.display(), reason, "the minute history is damaged: it is begun again");
                set_aside(&path)?;
                Minutes::open_file(&path, limits)
            }
            opened => opened,
        }
    }

    fn open_file(path: &Path, limits: Limits) -> Result<Minutes, JournalError> {
        let connection = store::open(path, &FORMAT, Durability::Process, limits.bytes.saturating_mul(SLACK))?;
        let through = unsigned(meta(&connection, "through")?);
        let newest = newest(&connection)?;
        Ok(Minutes { path: path.to_owned(), connection, limits, through, newest, counters: Counters::default() })
    }

    /// Sets a history that cannot be right aside, as [`Minutes::open`] does, and begins another. What it was to hold
    /// is to be applied again, from [`Minutes::through`] on.
    pub fn begin_again(&mut self, reason: &str) -> Result<(), JournalError> {
        tracing::error!(path = %self.path.display(), reason, "the minute history is damaged: it is begun again");
        set_aside(&self.path)?;
        let again = Minutes::open_file(&self.path, self.limits)?;
        *self = Minutes { counters: self.counters, ..again };
        Ok(())
    }

    /// Newest entry whose minutes are in.
    pub fn through(&self) -> Seq {
        self.through
    }

    /// What was left out so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Adds the minutes of entry `seq`; one that was added before is passed over. On an error nothing was added.
    pub fn apply(&mut self, seq: Seq, batch: &Batch) -> Result<(), JournalError> {
        if seq <= self.through {
            return Ok(());
        }
        let newest = batch.minutes.iter().map(|row| row.minute.0).fold(self.newest, u32::max);
        let mut counters = self.counters;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let written = add(&transaction, batch, newest, &mut counters)?;
        fold::fold(&transaction, newest, written)?;
        counters.evicted += fold::evict(&transaction, self.limits.bytes, written)?;
        set_meta(&transaction, "through", signed(seq))?;
        set_meta(&transaction, "newest", i64::from(newest))?;
        transaction.commit()?;
        (self.through, self.newest, self.counters) = (seq, newest, counters);
        Ok(())
    }

    /// Gives space that is not used back to the file system, a few megabytes a call.
    pub fn shrink(&mut self) -> Result<(), JournalError> {
        store::shrink(&self.connection)
    }
}

fn set_aside(path: &Path) -> Result<(), JournalError> {
    let with = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    for ending in ["-wal", "-shm"] {
        let _ = fs::remove_file(with(ending));
    }
    fs::rename(path, with(".damaged")).map_err(|error| super::directory::unwritable(path, &error))
}

/// Writes the rows of a batch. Returns how many.
fn add(connection: &Connection, batch: &Batch, newest: u32, counters: &mut Counters) -> Result<usize, JournalError> {
    let mut written = 0;
    for row in &batch.minutes {
        let Some(period) = period_at(row.minute.0, newest) else {
            counters.too_old += 1;
            continue;
        };
        let Some(mut key) = batch.apis.get(index(row.api)).and_then(|api| series_key(batch, api)) else {
            return Err(JournalError::Damaged(format!("an entry names API {} and has no such", row.api)));
        };
        add_calls(connection, period, row.minute.0, series_id(connection, &key)?, row.calls)?;
        written += 1 + row.errors.len();
        let api = key.len();
        for error in &row.errors {
            let code = batch.strings.get(index(error.code));
            let code = code.ok_or_else(|| JournalError::Damaged(format!("an entry has no string {}", error.code)))?;
            key.truncate(api);
            key.push('/');
            key.push_str(code);
            add_calls(connection, period, row.minute.0, series_id(connection, &key)?, error.calls)?;
        }
    }
    Ok(written)
}

/// `account/region/source/name`. Read and write calls of one name are one series here.
fn series_key(batch: &Batch, api: &Api) -> Option<String> {
    let parts = [api.account, api.region, api.source, api.name].map(|id| batch.strings.get(index(id)));
    let [Some(account), Some(region), Some(source), Some(name)] = parts else { return None };
    Some([account.as_str(), region, source, name].join("/"))
}

fn index(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

fn series_id(connection: &Connection, key: &str) -> Result<i64, JournalError> {
    let found = find_series(connection, key)?;
    match found {
        Some(id) => Ok(id),
        None => {
            connection.prepare_cached("INSERT INTO series(key) VALUES(?1)")?.execute([key])?;
            Ok(connection.last_insert_rowid())
        }
    }
}

fn find_series(connection: &Connection, key: &str) -> Result<Option<i64>, JournalError> {
    let mut statement = connection.prepare_cached("SELECT id FROM series WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

/// Sums stay at the largest integer; SQLite's own would turn into a floating-point number.
fn add_calls(connection: &Connection, period: u32, minute: u32, series: i64, calls: u64) -> Result<(), JournalError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO minutes VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET calls =
            CASE WHEN calls > 9223372036854775807 - ?4 THEN 9223372036854775807 ELSE calls + ?4 END",
    )?;
    statement.execute((period, minute / period * period, series, signed(calls)))?;
    Ok(())
}

/// How many minutes are kept together at this age; `None` where nothing is.
fn period_at(minute: u32, newest: u32) -> Option<u32> {
    [(MINUTE_DAYS, 1), (FIVE_MINUTE_DAYS, 5), (HOUR_DAYS, 60)]
        .into_iter()
        .find_map(|(days, period)| (minute >= horizon(newest, days)).then_some(period))
}

/// The first minute that is not older than so many days: on a whole hour, so that no period is cut by it.
fn horizon(newest: u32, days: u32) -> u32 {
    newest.saturating_sub(days * DAY) / 60 * 60
}

fn newest(connection: &Connection) -> Result<u32, JournalError> {
    u32::try_from(meta(connection, "newest")?).map_err(|_| JournalError::Damaged("newest is no minute".into()))
}

/// 0 where nothing was written yet.
fn meta(connection: &Connection, key: &str) -> Result<i64, JournalError> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn set_meta(connection: &Connection, key: &str, value: i64) -> Result<(), JournalError> {
    let sql = "INSERT INTO meta VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
    connection.prepare_cached(sql)?.execute((key, value))?;
    Ok(())
}
