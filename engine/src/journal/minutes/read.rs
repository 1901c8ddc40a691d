//! Reading the minute history, beside whoever writes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use trailsight_schemas::time::Minute;

use super::{FILE, FORMAT, find_series, newest, period_at};
use crate::journal::JournalError;
use crate::journal::store::{self, unsigned};

/// How many minutes are asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// One.
    Minute,
    /// Five.
    FiveMinutes,
    /// Sixty.
    Hour,
}

impl Period {
    /// From seconds: 60, 300 or 3600.
    pub fn of_seconds(seconds: u32) -> Option<Period> {
        [Period::Minute, Period::FiveMinutes, Period::Hour].into_iter().find(|of| of.minutes() * 60 == seconds)
    }

    /// Minutes together.
    pub fn minutes(self) -> u32 {
        match self {
            Period::Minute => 1,
            Period::FiveMinutes => 5,
            Period::Hour => 60,
        }
    }
}

/// Calls in some minutes. Minutes without calls have no point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The first of them.
    pub minute: Minute,
    /// How many minutes: what was asked for, or more where history is kept coarser.
    pub minutes: u32,
    /// Calls in all of them.
    pub calls: u64,
}

/// A reader of the minute history of one data directory.
pub struct MinuteReader(Mutex<Connection>);

impl MinuteReader {
    /// Opens beside whoever writes. Takes no lock.
    pub fn open_read_only(data_directory: &Path) -> Result<MinuteReader, JournalError> {
        Ok(MinuteReader(Mutex::new(store::open_read_only(&data_directory.join(FILE), &FORMAT)?)))
    }

    /// The points of a series that begin at `since` (brought down to a whole period) or later and before `until`, in
    /// order. Empty where there is no such series. At most 90 days have points, so the answer is bounded.
    pub fn minutes(&self, key: &str, since: Minute, until: Minute, period: Period) -> Result<Vec<Point>, JournalError> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _moment = connection.unchecked_transaction()?;
        let Some(series) = find_series(&connection, key)? else { return Ok(Vec::new()) };
        let newest = newest(&connection)?;
        let sql = "SELECT minute, period, calls FROM minutes INDEXED BY minutes_of
            WHERE series = ?1 AND period IN (1, 5, 60) AND minute >= ?2 AND minute < ?3";
        let mut statement = connection.prepare_cached(sql)?;
        let since = since.0 / period.minutes() * period.minutes();
        let mut rows = statement.query((series, since, until.0))?;
        let mut points: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (minute, kept): (u32, u32) = (row.get(0)?, row.get(1)?);
            // What is due to be folded and is not yet is shown as if it were.
            let together = period.minutes().max(kept).max(period_at(minute, newest).unwrap_or(60));
            let point = points.entry(minute / together * together).or_insert((together, 0));
            point.1 = point.1.saturating_add(unsigned(row.get(2)?));
        }
        Ok(points
            .into_iter()
            .map(|(minute, (minutes, calls))| Point { minute: Minute(minute), minutes, calls })
            .collect())
    }
}
