//! An outbox in memory, whose store can be made to fail.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use trailsight_schemas::insight::State;
use uuid::Uuid;

use super::outbox::{Outbox, Row};
use crate::journal::JournalError;

#[derive(Default)]
pub(super) struct MemoryOutbox {
    rows: Mutex<Vec<Stored>>,
    failing_writes: AtomicU32,
    failing_reads: AtomicU32,
    wake: Arc<Notify>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) row: Row,
    pub(super) due: i64,
    pub(super) fate: Fate,
    pub(super) error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Pending,
    Delivered,
    Dead,
}

impl MemoryOutbox {
    pub(super) fn add(&self, rows: impl IntoIterator<Item = Row>) {
        let store = |row| Stored { row, due: 0, fate: Fate::Pending, error: String::new() };
        self.lock().extend(rows.into_iter().map(store));
        self.wake.notify_waiters();
    }

    /// The next calls that change a row are errors.
    pub(super) fn fail_writes(&self, count: u32) {
        self.failing_writes.store(count, Ordering::SeqCst);
    }

    /// The next calls that only read are errors.
    pub(super) fn fail_reads(&self, count: u32) {
        self.failing_reads.store(count, Ordering::SeqCst);
    }

    pub(super) fn fates(&self) -> Vec<(i64, Fate)> {
        self.lock().iter().map(|stored| (stored.row.id, stored.fate)).collect()
    }

    pub(super) fn stored(&self, id: i64) -> Stored {
        self.lock().iter().find(|stored| stored.row.id == id).expect("a row").clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Stored>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, id: i64, change: impl FnOnce(&mut Stored)) -> Result<(), JournalError> {
        let mut rows = self.answering(&self.failing_writes)?;
        let stored = rows.iter_mut().find(|stored| stored.row.id == id).expect("a row");
        assert_eq!(stored.fate, Fate::Pending, "row {id} is settled once");
        change(stored);
        Ok(())
    }

    fn through(&self, sink: &str, row: i64, change: impl Fn(&mut Stored)) -> Result<u64, JournalError> {
        let mut rows = self.answering(&self.failing_writes)?;
        let pending =
            |stored: &&mut Stored| stored.row.sink == sink && stored.fate == Fate::Pending && stored.row.id <= row;
        Ok(rows.iter_mut().filter(pending).map(change).count() as u64)
    }

    fn answering(&self, failing: &AtomicU32) -> Result<MutexGuard<'_, Vec<Stored>>, JournalError> {
        match failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(JournalError::Unwritable("no space".into())),
            Err(_) => Ok(self.lock()),
        }
    }
}

impl Outbox for MemoryOutbox {
    fn due(&self, sink: &str, now_ms: i64, most: usize) -> Result<Vec<Row>, JournalError> {
        let rows = self.answering(&self.failing_reads)?;
        let of_sink = || rows.iter().filter(|stored| stored.row.sink == sink);
        let any_earlier = |row: &Row, fate: Fate| {
            of_sink().any(|other| {
                other.fate == fate && other.row.shared_event_id == row.shared_event_id && other.row.id < row.id
            })
        };
        let head = |stored: &&Stored| {
            stored.fate == Fate::Pending && stored.due <= now_ms && !any_earlier(&stored.row, Fate::Pending)
        };
        let given = |stored: &Stored| {
            let start_died = any_earlier(&stored.row, Fate::Dead);
            Row { start_died, ..stored.row.clone() }
        };
        Ok(of_sink().filter(head).take(most).map(given).collect())
    }

    fn in_order(&self, sink: &str, most: usize) -> Result<Vec<Row>, JournalError> {
        let rows = self.answering(&self.failing_reads)?;
        let of_sink = || rows.iter().filter(|stored| stored.row.sink == sink);
        let given = |stored: &Stored| {
            let died = |other: &Stored| {
                other.fate == Fate::Dead
                    && other.row.shared_event_id == stored.row.shared_event_id
                    && other.row.id < stored.row.id
            };
            Row { start_died: of_sink().any(died), ..stored.row.clone() }
        };
        Ok(of_sink().filter(|stored| stored.fate == Fate::Pending).take(most).map(given).collect())
    }

    fn delivered_through(&self, sink: &str, row: i64, _: i64) -> Result<u64, JournalError> {
        self.through(sink, row, |stored| stored.fate = Fate::Delivered)
    }

    fn failed_through(&self, sink: &str, row: i64, error: &str) -> Result<(), JournalError> {
        self.through(sink, row, |stored| {
            stored.row.attempts += 1;
            stored.error = error.into();
        })?;
        Ok(())
    }

    fn is_row(&self, sink: &str, row: i64, event_id: &Uuid) -> Result<bool, JournalError> {
        let rows = self.answering(&self.failing_reads)?;
        let newest = rows.iter().map(|stored| stored.row.id).max().unwrap_or(0);
        let other = |stored: &&Stored| stored.row.sink != sink || stored.row.event_id != *event_id;
        Ok(row <= newest && !rows.iter().filter(|stored| stored.row.id == row).any(|stored| other(&stored)))
    }

    fn delivered(&self, row: i64, _: i64) -> Result<(), JournalError> {
        self.change(row, |stored| stored.fate = Fate::Delivered)
    }

    fn postpone(&self, row: i64, until_ms: i64, error: &str) -> Result<(), JournalError> {
        self.change(row, |stored| {
            stored.due = until_ms;
            stored.row.attempts += 1;
            stored.error = error.into();
        })
    }

    fn dead(&self, row: i64, _: i64, error: &str) -> Result<(), JournalError> {
        self.change(row, |stored| {
            stored.fate = Fate::Dead;
            stored.error = error.into();
        })
    }

    fn depth(&self, sink: &str) -> Result<(u64, Option<i64>), JournalError> {
        let rows = self.answering(&self.failing_reads)?;
        let pending = || rows.iter().filter(|stored| stored.row.sink == sink && stored.fate == Fate::Pending);
        Ok((pending().count() as u64, pending().map(|stored| stored.row.created_ms).min()))
    }

    fn told(&self, shared_event_id: &Uuid) -> Result<Vec<String>, JournalError> {
        let rows = self.answering(&self.failing_reads)?;
        let starts =
            rows.iter().filter(|one| one.row.shared_event_id == *shared_event_id && one.row.state == State::Start);
        Ok(starts.map(|one| one.row.sink.clone()).collect())
    }

    fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }
}
