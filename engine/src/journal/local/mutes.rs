//! Mutes made by hand: a change is an entry, and what holds is a table that is written with it, because entries are
//! forgotten and mutes are not.

use rusqlite::Connection;
use trailsight_schemas::entry::MuteChange;

use crate::journal::JournalError;

/// A mute made by hand, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MuteRow {
    /// Names it.
    pub key: String,
    /// What it is, as JSON of whoever made it.
    pub mute: String,
    /// Since when, milliseconds since the epoch: the time of its entry.
    pub made: i64,
    /// Who made it.
    pub made_by: String,
    /// Until when, where somebody ended it before its time.
    pub ended: Option<i64>,
}

/// Writes a change. To end what there is none of, or what has ended, does nothing.
pub(super) fn change(connection: &Connection, change: &MuteChange, at: i64) -> Result<(), JournalError> {
    match &change.mute {
        Some(mute) => connection
            .prepare_cached("INSERT OR IGNORE INTO mutes(key, mute, made, made_by) VALUES(?1, ?2, ?3, ?4)")?
            .execute((&change.key, mute, at, &change.by))?,
        None => connection
            .prepare_cached("UPDATE mutes SET ended = ?2, ended_by = ?3 WHERE key = ?1 AND ended IS NULL")?
            .execute((&change.key, at, &change.by))?,
    };
    Ok(())
}

/// All of them, newest first.
pub(super) fn read(connection: &Connection) -> Result<Vec<MuteRow>, JournalError> {
    let mut statement =
        connection.prepare_cached("SELECT key, mute, made, made_by, ended FROM mutes ORDER BY made DESC, key")?;
    let rows = statement.query_map([], |row| {
        Ok(MuteRow { key: row.get(0)?, mute: row.get(1)?, made: row.get(2)?, made_by: row.get(3)?, ended: row.get(4)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
