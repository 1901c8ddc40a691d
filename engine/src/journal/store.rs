//! Opening the embedded database: who it belongs to, its version and the way up, its limits, its errors.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::JournalError;

/// How long a statement waits for another process that writes (a person with `sqlite3`), then it is
/// [`JournalError::Unwritable`].
const BUSY: Duration = Duration::from_secs(5);
/// Pages after which a commit also moves the write-ahead log into the database (4 MiB).
const CHECKPOINT_PAGES: i64 = 1000;
/// The write-ahead log is cut back to this many bytes after a checkpoint.
const LOG_BYTES: i64 = 64 << 20;
/// Pages that one call gives back to the file system, at most (4 MiB).
const VACUUM_PAGES: i64 = 1024;

/// A kind of database of ours.
pub(super) struct Format {
    /// `PRAGMA application_id`: tells our file from another program's.
    pub(super) application: i32,
    /// The statements that lead from version n to n + 1, kept for ever. The version is in `PRAGMA user_version`.
    pub(super) steps: &'static [&'static str],
}

impl Format {
    fn latest(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }
}

/// What a commit waits for.
#[derive(Clone, Copy)]
pub(super) enum Durability {
    /// Power failure: `synchronous=FULL`.
    Power,
    /// The death of the process: `synchronous=NORMAL`. For what can be derived again.
    Process,
}

/// Opens for writing, creates or brings up to date. `bytes` is the largest size of the file; at it every write is
/// [`JournalError::Unwritable`].
pub(super) fn open(
    path: &Path,
    format: &Format,
    durability: Durability,
    bytes: u64,
) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    let version = version(&connection, format)?;
    connection.execute_batch("PRAGMA auto_vacuum=INCREMENTAL; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    connection.pragma_update(
        None,
        "synchronous",
        match durability {
            Durability::Power => "FULL",
            Durability::Process => "NORMAL",
        },
    )?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
    connection.pragma_update_and_check(None, "max_page_count", pages.clamp(1, 0xffff_fffe), |_| Ok(()))?;
    migrate(&mut connection, format, version)?;
    Ok(connection)
}

/// Opens for reading, beside a process that writes. Sees what is committed, and never makes the writer wait.
pub(super) fn open_read_only(path: &Path, format: &Format) -> Result<Connection, JournalError> {
    if !path.is_file() {
        return Err(JournalError::Store(format!("there is no {}", path.display())));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    let found = version(&connection, format)?;
    if found < format.latest() {
        return Err(JournalError::Store(format!(
            "{} is of version {found}; start the service once to bring it to {}",
            path.display(),
            format.latest()
        )));
    }
    Ok(connection)
}

/// The version found; 0 in a new file. Reads only, so that a later version's file is left as it is.
fn version(connection: &Connection, format: &Format) -> Result<u32, JournalError> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != format.application && (tables > 0 || application != 0) {
        return Err(JournalError::Damaged("the database belongs to another program".into()));
    }
    let known = format.latest();
    if found > known { Err(JournalError::Later { found, known }) } else { Ok(found) }
}

fn migrate(connection: &mut Connection, format: &Format, version: u32) -> Result<(), JournalError> {
    if version == format.latest() {
        return Ok(());
    }
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in format.steps.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", format.application)?;
    transaction.pragma_update(None, "user_version", format.latest())?;
    Ok(transaction.commit()?)
}

/// Gives pages that hold nothing back to the file system, a bounded number a call.
pub(super) fn shrink(connection: &Connection) -> Result<(), JournalError> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Bytes of the file that hold something.
pub(super) fn used_bytes(connection: &Connection) -> Result<u64, JournalError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
    Ok(u64::try_from(used).unwrap_or(0))
}

/// Positions and counts as SQLite has them. What does not fit is held at the largest that does.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The reverse of [`signed`]; nothing that is counted is negative.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> JournalError {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => JournalError::Damaged(text),
            Some(
                ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked,
            ) => JournalError::Unwritable(text),
            _ => JournalError::Store(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE a(x); INSERT INTO a VALUES(7);";
    const SECOND: &str = "ALTER TABLE a ADD COLUMN y DEFAULT 8;";
    const V1: Format = Format { application: 77, steps: &[FIRST] };
    const V2: Format = Format { application: 77, steps: &[FIRST, SECOND] };
    const BROKEN: Format = Format { application: 77, steps: &[FIRST, "ALTER TABLE a ADD COLUMN y; SELECT nothing;"] };

    fn open_as(path: &Path, format: &Format) -> Result<Connection, JournalError> {
        open(path, format, Durability::Power, 1 << 30)
    }

    fn pragma(connection: &Connection, name: &str) -> i64 {
        connection.pragma_query_value(None, name, |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_earlier_version_is_brought_up_step_by_step_or_left_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        drop(open_as(&path, &V1).unwrap());
        assert!(open_read_only(&path, &V2).is_err_and(|error| error.to_string().contains("version 1")));
        assert!(open_as(&path, &BROKEN).is_err());
        let connection = open_as(&path, &V1).unwrap();
        assert!(connection.prepare("SELECT y FROM a").is_err(), "half a step is no step");
        drop(connection);
        let connection = open_as(&path, &V2).unwrap();
        let row = connection.query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(row, (7, 8));
        assert!(matches!(open_as(&path, &V1), Err(JournalError::Later { found: 2, known: 1 })));
        assert!(matches!(open_read_only(&path, &V1), Err(JournalError::Later { found: 2, known: 1 })));
    }

    /// What a power failure may take is decided by these; nothing else would notice if one were lost.
    #[test]
    fn the_settings_are_in_force() {
        let directory = tempfile::tempdir().unwrap();
        for (durability, synchronous) in [(Durability::Power, 2), (Durability::Process, 1)] {
            let path = directory.path().join(format!("{synchronous}.db"));
            let connection = open(&path, &V1, durability, 8 << 20).unwrap();
            assert_eq!(pragma(&connection, "synchronous"), synchronous);
            assert_eq!(pragma(&connection, "foreign_keys"), 1);
            assert_eq!(pragma(&connection, "auto_vacuum"), 2);
            assert_eq!(pragma(&connection, "journal_size_limit"), LOG_BYTES);
            assert_eq!(pragma(&connection, "max_page_count") * pragma(&connection, "page_size"), 8 << 20);
            let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal");
        }
    }
}
