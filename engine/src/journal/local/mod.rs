//! The local journal: one embedded database, one writer, group commit.
//!
//! `journal.db` in the data directory, WAL mode, `synchronous=FULL`: what was committed survives a power failure.
//! The spine appends and commits through [`LocalJournal`]; delivery workers on other threads mark their rows through
//! [`LocalOutbox`], on the same connection and in turn; all reading goes through a second connection and waits for
//! nobody. Other processes read through [`super::history::History`].
//!
//! The file does not grow for ever: pages of dropped entries are used again, and given back to the file system a few
//! megabytes a call. At [`Options::journal_bytes`] every write is [`JournalError::Unwritable`].

mod schema;
mod names;
mod entries;
mod mutes;
mod outputs;
mod outbox;
mod retention;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod model;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use tokio::sync::Notify;
use trailsight_schemas::entry::{Entry, Outcomes};

pub(super) use entries::totals;
pub use mutes::MuteRow;
pub(super) use names::{sensitivities_to, state_of};
pub use outbox::LocalOutbox;
pub use retention::Retention;
pub(super) use schema::{FILE, FORMAT};

use super::directory::{self, Lock};
use super::store::{self, Durability, signed, unsigned};
use super::{Journal, JournalError, Outputs, Seq};
use crate::clock::Clock;

/// How the local journal is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Stamps outbox rows and decides what retention forgets. No state follows from it.
    pub clock: Clock,
    /// Partitions of accounts, written at creation and fixed from then on ([`LocalJournal::partitions`]).
    pub partitions: u32,
    /// Largest size of `journal.db`, bytes.
    pub journal_bytes: u64,
    /// What is kept of history and of closed deliveries.
    pub retention: Retention,
}

impl Default for Options {
    /// The machine's clock, 64 partitions, 64 GiB.
    fn default() -> Options {
        Options { clock: Clock::System, partitions: 64, journal_bytes: 64 << 30, retention: Retention::default() }
    }
}

/// The journal of one data directory, which it holds locked.
pub struct LocalJournal {
    shared: Arc<Shared>,
    partitions: u32,
    identity: u64,
    first: Seq,
    last: Seq,
    committed: Seq,
    appended_bytes: u64,
}

struct Shared {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    wake: Arc<Notify>,
    options: Options,
    _lock: Lock,
}

impl Shared {
    /// One unit of writing. An error on the way, or of the commit itself, leaves nothing behind.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let mut writer = held(&self.writer);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        held(&self.reader)
    }
}

/// A panic elsewhere does not make a connection unusable: its transaction was rolled back as it unwound.
fn held(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LocalJournal {
    /// Locks the data directory (created where missing) and opens its journal, or begins one.
    pub fn open(data_directory: &Path, options: Options) -> Result<LocalJournal, JournalError> {
        let lock = directory::lock(data_directory)?;
        let path = data_directory.join(FILE);
        let writer = store::open(&path, &FORMAT, Durability::Power, options.journal_bytes)?;
        directory::sync_directory(data_directory).map_err(|e| directory::unwritable(data_directory, &e))?;
        for (key, value) in [("created", options.clock.now()), ("partitions", i64::from(options.partitions))] {
            if meta(&writer, key)?.is_none() {
                set_meta(&writer, key, value)?;
            }
        }
        if meta(&writer, "identity")?.is_none() {
            set_meta(&writer, "identity", drawn())?;
        }
        let identity = meta(&writer, "identity")?.unwrap_or(0).cast_unsigned();
        let partitions = meta(&writer, "partitions")?.and_then(|count| u32::try_from(count).ok());
        let partitions = partitions.ok_or_else(|| JournalError::Damaged("partitions is not a number".into()))?;
        let committed = position(&writer, "committed")?;
        let (first, last) = entries::bounds(&writer)?;
        let reader = Mutex::new(store::open_read_only(&path, &FORMAT)?);
        let shared = Shared { writer: Mutex::new(writer), reader, wake: Arc::default(), options, _lock: lock };
        Ok(LocalJournal { shared: Arc::new(shared), partitions, identity, first, last, committed, appended_bytes: 0 })
    }

    /// Partitions of accounts that this directory was created with.
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Names this data directory and its copies among all others: drawn at its creation.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// The outbox, for delivery workers on other threads. The directory stays locked while one exists.
    pub fn outbox(&self) -> LocalOutbox {
        LocalOutbox(Arc::clone(&self.shared))
    }

    /// Mutes made by hand, newest first, those that have ended among them.
    pub fn mutes(&self) -> Result<Vec<MuteRow>, JournalError> {
        mutes::read(&self.shared.reader())
    }

    /// Bytes of entries appended by this process.
    pub fn appended_bytes(&self) -> u64 {
        self.appended_bytes
    }

    /// Bytes of `journal.db` that hold something.
    pub fn used_bytes(&self) -> Result<u64, JournalError> {
        store::used_bytes(&self.shared.reader())
    }
}

impl Journal for LocalJournal {
    fn append(&mut self, entries: &[Entry]) -> Result<Seq, JournalError> {
        let sealed = entries::sealed(entries)?;
        let after = self.last;
        let last = self.shared.write(|transaction| entries::append(transaction, after, &sealed, entries))?;
        self.last = last;
        self.appended_bytes += sealed.iter().map(|entry| entry.len() as u64).sum::<u64>();
        Ok(last)
    }

    fn last(&self) -> Seq {
        self.last
    }

    fn first(&self) -> Seq {
        self.first
    }

    fn read_after(&self, after: Seq, most: usize) -> Result<Vec<(Seq, Entry)>, JournalError> {
        entries::read(&self.shared.reader(), after.max(self.first.saturating_sub(1)), self.last, most)
    }

    fn commit(&mut self, outputs: &Outputs) -> Result<(), JournalError> {
        if outputs.through <= self.committed {
            return Ok(());
        }
        if outputs.through > self.last {
            let last = self.last;
            return Err(JournalError::Store(format!("outputs reach {}, the journal {last}", outputs.through)));
        }
        let now = self.shared.options.clock.now();
        let rows = self.shared.write(|transaction| outputs::commit(transaction, outputs, now))?;
        self.committed = outputs.through;
        if rows > 0 {
            self.shared.wake.notify_waiters();
        }
        Ok(())
    }

    fn committed(&self) -> Seq {
        self.committed
    }

    /// At most 4,096 entries a call, so that appending never waits long: [`Journal::first`] tells
    /// how far it came, and the next call goes on. Also forgets history that is too old, likewise bounded.
    fn drop_through(&mut self, through: Seq) -> Result<(), JournalError> {
        let through = through.min(self.last);
        let retention = &self.shared.options.retention;
        let now = self.shared.options.clock.now();
        self.first = self.shared.write(|transaction| {
            retention::forget(transaction, retention, now)?;
            entries::drop_through(transaction, through)
        })?;
        store::shrink(&held(&self.shared.writer))
    }

    fn marks(&self, source: &str) -> Result<BTreeMap<String, Vec<u8>>, JournalError> {
        entries::marks(&self.shared.reader(), source)
    }

    fn totals(&self) -> Result<BTreeMap<String, Outcomes>, JournalError> {
        entries::totals(&self.shared.reader())
    }
}

/// A number that no other directory has: the keys of a `RandomState` come from the operating system. No state
/// follows from it.
fn drawn() -> i64 {
    RandomState::new().build_hasher().finish().cast_signed()
}

fn meta(connection: &Connection, key: &str) -> Result<Option<i64>, JournalError> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

fn set_meta(connection: &Connection, key: &str, value: i64) -> Result<(), JournalError> {
    let mut statement = connection
        .prepare_cached("INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?;
    statement.execute((key, value))?;
    Ok(())
}

/// A position kept in `meta`; 0 where none was.
fn position(connection: &Connection, key: &str) -> Result<Seq, JournalError> {
    Ok(unsigned(meta(connection, key)?.unwrap_or(0)))
}

fn set_position(connection: &Connection, key: &str, value: Seq) -> Result<(), JournalError> {
    set_meta(connection, key, signed(value))
}
