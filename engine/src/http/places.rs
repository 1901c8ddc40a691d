//! Places for connections. When all are taken, the connection that has asked for nothing the longest gives way, so
//! that thousands of slow ones cannot keep anybody else waiting. One whose request is being answered keeps its place.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// All places.
pub(super) struct Places {
    most: usize,
    taken: Mutex<BTreeMap<u64, Arc<Connection>>>,
    /// Places, or who can be asked to leave, may have changed.
    freed: Notify,
    /// Counts what happens: later is larger.
    tick: AtomicU64,
}

struct Connection {
    /// Answers that are being made or sent.
    answers: AtomicUsize,
    silent_since: AtomicU64,
    /// It is asked to give way.
    leave: Notify,
}

/// One place, given back when dropped.
#[derive(Clone)]
pub(super) struct Place(Arc<Held>);

/// An answer that is being made or sent; while there is one, its connection keeps its place.
pub(super) struct Answer(Place);

struct Held {
    number: u64,
    connection: Arc<Connection>,
    places: Arc<Places>,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Places> {
        Arc::new(Places { most, taken: Mutex::default(), freed: Notify::new(), tick: AtomicU64::new(0) })
    }

    /// A place, as soon as there is one; `crowded` is called whenever a connection is asked to give way for it.
    pub(super) async fn take(self: &Arc<Places>, crowded: impl Fn()) -> Place {
        loop {
            let freed = self.freed.notified();
            if let Some(place) = self.free() {
                return place;
            }
            if self.ask_to_leave() {
                crowded();
            }
            freed.await;
        }
    }

    /// Waits until every place is free.
    pub(super) async fn all_free(&self) {
        loop {
            let freed = self.freed.notified();
            if self.taken().is_empty() {
                return;
            }
            freed.await;
        }
    }

    fn free(self: &Arc<Places>) -> Option<Place> {
        let mut taken = self.taken();
        if taken.len() >= self.most {
            return None;
        }
        let number = self.now();
        let connection = Arc::new(Connection {
            answers: AtomicUsize::new(0),
            silent_since: AtomicU64::new(number),
            leave: Notify::new(),
        });
        taken.insert(number, Arc::clone(&connection));
        Some(Place(Arc::new(Held { number, connection, places: Arc::clone(self) })))
    }

    /// Whether there was one to ask.
    fn ask_to_leave(&self) -> bool {
        let taken = self.taken();
        let silent = taken.values().filter(|connection| connection.answers.load(Ordering::Relaxed) == 0);
        let longest = silent.min_by_key(|connection| connection.silent_since.load(Ordering::Relaxed));
        if let Some(connection) = longest {
            connection.leave.notify_one();
        }
        longest.is_some()
    }

    fn now(&self) -> u64 {
        self.tick.fetch_add(1, Ordering::Relaxed)
    }

    /// The map is whole at every instruction, so a panic elsewhere does not spoil it.
    fn taken(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A request has come whole; what is returned goes with its answer.
    pub(super) fn answer(&self) -> Answer {
        self.0.connection.answers.fetch_add(1, Ordering::Relaxed);
        Answer(self.clone())
    }

    /// Returns when the place is wanted by somebody else and there is no answer on the way: a request may have come
    /// since it was asked.
    pub(super) async fn wanted(&self) {
        loop {
            self.0.connection.leave.notified().await;
            if self.0.connection.answers.load(Ordering::Relaxed) == 0 {
                return;
            }
            self.0.places.freed.notify_waiters();
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let held = &self.0.0;
        held.connection.silent_since.store(held.places.now(), Ordering::Relaxed);
        held.connection.answers.fetch_sub(1, Ordering::Relaxed);
        // It can be asked to leave from now on.
        held.places.freed.notify_waiters();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.places.taken().remove(&self.number);
        self.places.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::from_millis(50), future).await.ok()
    }

    #[tokio::test]
    async fn the_one_that_was_silent_longest_gives_way() {
        let places = Places::new(3);
        let asked = AtomicU64::new(0);
        let crowded = || {
            asked.fetch_add(1, Ordering::Relaxed);
        };
        let first = places.take(crowded).await;
        let second = places.take(crowded).await;
        let third = places.take(crowded).await;
        drop(first.answer());
        let _long = second.answer();
        assert!(at_once(places.take(crowded)).await.is_none(), "asked, not gone yet");
        assert!(at_once(third.wanted()).await.is_some(), "the only one that never had a request");
        assert!(at_once(first.wanted()).await.is_none());
        drop(third);
        let _fourth = at_once(places.take(crowded)).await.expect("there is room");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn who_has_a_request_since_it_was_asked_stays_and_another_goes() {
        let places = Places::new(2);
        let first = places.take(|| ()).await;
        let second = places.take(|| ()).await;
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { drop(places.take(|| ()).await) }
        });
        tokio::task::yield_now().await;
        let _answer = first.answer();
        assert!(at_once(first.wanted()).await.is_none());
        assert!(at_once(second.wanted()).await.is_some());
        drop(second);
        waiting.await.expect("it got the place");
    }

    #[tokio::test]
    async fn nobody_is_asked_while_all_are_being_answered() {
        let places = Places::new(1);
        let place = places.take(|| ()).await;
        let answer = place.answer();
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { drop(places.take(|| panic!("there is nobody to ask")).await) }
        });
        assert!(at_once(place.wanted()).await.is_none());
        drop((place, answer));
        waiting.await.expect("it got the place");
        assert!(at_once(places.all_free()).await.is_some());
    }
}
