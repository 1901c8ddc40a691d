//! What became of the messages of one producer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::error::KafkaError;

use crate::kafka::{Access, Producing, Report};

/// The first message that was not taken, and where the last lies that was.
#[derive(Clone, Default)]
pub(super) struct Reports(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    undelivered: Option<KafkaError>,
    place: Option<(i32, i64)>,
}

impl Reports {
    /// A context that reports here.
    pub(super) fn context(&self, access: &Arc<Access>) -> Producing {
        let reports = self.clone();
        Producing::new(access, move |report| reports.note(report))
    }

    /// Why a message was not taken, since this was last asked; the first reason, what follows it is purged.
    pub(super) fn take_undelivered(&self) -> Option<KafkaError> {
        self.lock().undelivered.take()
    }

    /// Partition and offset of the message that was taken last.
    pub(super) fn last_place(&self) -> Option<(i32, i64)> {
        self.lock().place
    }

    fn note(&self, report: Report) {
        let mut state = self.lock();
        match report {
            Ok(place) => state.place = Some(place),
            Err(error) => {
                state.undelivered.get_or_insert(error);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
