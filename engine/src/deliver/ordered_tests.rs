use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proptest::prelude::*;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::deliver::deadletter::MIN_LIMIT;
use crate::deliver::fixtures::row;
use crate::deliver::memory::{Fate as Stored, MemoryOutbox};
use State::{End, Start};

/// A thousand seconds in one: backoffs pass at once.
const SPEED: f64 = 1000.0;

/// What outlives processes: a log whose units are there as a whole or not at all, and one writer at a time.
#[derive(Default)]
struct Log {
    rows: Vec<i64>,
    position: Option<Position>,
    epoch: u64,
    faults: Vec<Fault>,
    refuses: Option<i64>,
    joins: u32,
}

/// What happens to the next calls that append, one each.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Lost on the way there.
    Before,
    /// There, but the answer is lost.
    After,
    TooMany,
}

#[derive(Clone, Default)]
struct Topic(Arc<Mutex<Log>>);

impl Topic {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self) -> Vec<i64> {
        self.lock().rows.clone()
    }
}

struct Client {
    topic: Topic,
    /// Epoch and owner while it has joined.
    joined: Option<(u64, u64)>,
}

fn lost() -> Refusal {
    Refusal::Later("lost".into())
}

impl Output for Client {
    fn position(&mut self) -> Result<Option<Position>, Refusal> {
        Ok(self.topic.lock().position)
    }

    fn join(&mut self, owner: u64) -> Result<Option<Position>, Refusal> {
        let mut log = self.topic.lock();
        log.epoch += 1;
        log.joins += 1;
        let found = log.position;
        let (row, event_id) = found.map_or((0, Uuid::nil()), |found| (found.row, found.event_id));
        log.position = Some(Position { row, event_id, owner });
        self.joined = Some((log.epoch, owner));
        Ok(found)
    }

    fn joined(&self) -> bool {
        self.joined.is_some()
    }

    fn leave(&mut self) {
        self.joined = None;
    }

    fn append(&mut self, rows: &[Row]) -> Result<(), Refusal> {
        let mut log = self.topic.lock();
        let (epoch, owner) = self.joined.expect("it has joined");
        if let Some(bad) = rows.iter().find(|row| log.refuses == Some(row.id)) {
            return Err(Refusal::Row { id: bad.id, reason: "too large".into() });
        }
        let fault = if log.faults.is_empty() { Fault::None } else { log.faults.remove(0) };
        if fault == Fault::TooMany && rows.len() > 1 {
            self.joined = None;
            return Err(Refusal::Fewer);
        }
        if epoch != log.epoch || fault == Fault::Before {
            self.joined = None;
            return Err(lost());
        }
        log.rows.extend(rows.iter().map(|row| row.id));
        if let Some(last) = rows.last() {
            log.position = Some(Position { row: last.id, event_id: last.event_id, owner });
        }
        if fault == Fault::After {
            self.joined = None;
            return Err(lost());
        }
        Ok(())
    }
}

#[derive(Default)]
struct Seen {
    settled: Vec<Outcome>,
    down: Vec<String>,
    superseded: Vec<String>,
}

struct Watched {
    seen: Mutex<Seen>,
    events: Semaphore,
    store_failures: Semaphore,
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Watched {
    fn settled(&self, _: &str, outcome: Outcome, _: Duration) {
        self.lock().settled.push(outcome);
        self.events.add_permits(1);
    }

    fn depth(&self, _: &str, _: u64, _: Option<Duration>, _: Option<&str>) {}

    fn down(&self, _: &str, error: &str) {
        self.lock().down.push(error.into());
        self.events.add_permits(1);
    }

    fn up(&self, _: &str) {}

    fn superseded(&self, _: &str, why: &str) {
        self.lock().superseded.push(why.into());
    }

    fn store_failed(&self, _: &str, _: &str) {
        self.store_failures.add_permits(1);
    }
}

/// One life of a process.
struct Life {
    watched: Arc<Watched>,
    stop: watch::Sender<Option<i64>>,
    clock: Clock,
    directory: tempfile::TempDir,
    thread: JoinHandle<()>,
}

impl Life {
    fn begin(topic: &Topic, outbox: &Arc<MemoryOutbox>, owner: u64, limits: Limits) -> Life {
        let watched = Watched { seen: Mutex::default(), events: Semaphore::new(0), store_failures: Semaphore::new(0) };
        let (watched, directory) = (Arc::new(watched), tempfile::tempdir().expect("a directory"));
        let (stop, shutdown) = watch::channel(None);
        let clock = Clock::scaled(0, SPEED);
        let ordered = Ordered {
            name: "hook".into(),
            output: Box::new(Client { topic: topic.clone(), joined: None }),
            owner,
            outbox: outbox.clone(),
            dead_letters: Arc::new(DeadLetters::open(directory.path(), MIN_LIMIT)),
            clock: clock.clone(),
            observer: watched.clone(),
            limits,
            shutdown,
        };
        let runtime = Handle::current();
        let thread = tokio::task::spawn_blocking(move || ordered.run(&runtime));
        Life { watched, stop, clock, directory, thread }
    }

    async fn events(&self, count: u32) {
        self.watched.events.acquire_many(count).await.expect("open").forget();
    }

    /// Asks it to stop with ten hours of grace, half a minute of the machine's.
    async fn finish(self) -> (Seen, Vec<serde_json::Value>) {
        self.stop.send_replace(Some(self.clock.now() + 36_000_000));
        self.ended().await
    }

    async fn ended(self) -> (Seen, Vec<serde_json::Value>) {
        self.thread.await.expect("no panic");
        let text = std::fs::read_to_string(self.directory.path().join("dead-letter/insights.ndjson"));
        let lines = text.unwrap_or_default().lines().map(|line| serde_json::from_str(line).expect("json")).collect();
        (std::mem::take(&mut *self.watched.lock()), lines)
    }
}

fn outbox(ids: std::ops::RangeInclusive<i64>) -> Arc<MemoryOutbox> {
    let outbox = Arc::new(MemoryOutbox::default());
    outbox.add(ids.map(|id| row(id, id.unsigned_abs().into(), Start)));
    outbox
}

fn units_of(in_flight: usize) -> Limits {
    Limits { in_flight, ..Limits::default() }
}

fn all(outbox: &MemoryOutbox, fate: Stored) -> bool {
    outbox.fates().iter().all(|(_, found)| *found == fate)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_out_in_order_and_those_that_are_added_wake_it() {
    let (topic, outbox) = (Topic::default(), outbox(1..=25));
    let life = Life::begin(&topic, &outbox, 1, units_of(10));
    life.events(25).await;
    outbox.add([row(26, 3, End), row(27, 3, End)]);
    life.events(2).await;
    life.finish().await;
    assert_eq!(topic.rows(), (1..=27).collect::<Vec<_>>());
    assert!(all(&outbox, Stored::Delivered));
    assert_eq!(topic.lock().position.map(|position| (position.row, position.owner)), Some((27, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_repeats_nothing() {
    let (topic, outbox) = (Topic::default(), outbox(1..=30));
    topic.lock().faults = vec![Fault::After, Fault::Before, Fault::None, Fault::After, Fault::Before];
    let life = Life::begin(&topic, &outbox, 1, units_of(7));
    let (seen, _) = life.finish().await;
    assert!(seen.down.is_empty() || seen.down.iter().all(|why| why == "lost"));
    // A sink that must wait on the way out leaves its rows pending: the next life goes on.
    let (seen, _) = Life::begin(&topic, &outbox, 2, units_of(7)).finish().await;
    assert!(seen.superseded.is_empty());
    while !all(&outbox, Stored::Delivered) {
        Life::begin(&topic, &outbox, 3, units_of(7)).finish().await;
    }
    assert_eq!(topic.rows(), (1..=30).collect::<Vec<_>>());
}

/// What the outbox did not learn before the process died, the next process reads off the position.
#[tokio::test(flavor = "multi_thread")]
async fn a_death_between_appended_and_noted_repeats_nothing() {
    let (topic, outbox) = (Topic::default(), outbox(1..=10));
    outbox.fail_writes(u32::MAX);
    let life = Life::begin(&topic, &outbox, 1, units_of(4));
    life.watched.store_failures.acquire_many(2).await.expect("open").forget();
    life.stop.send_replace(Some(0));
    life.ended().await;
    assert_eq!((topic.rows(), all(&outbox, Stored::Pending)), (vec![1, 2, 3, 4], true));
    outbox.fail_writes(0);
    Life::begin(&topic, &outbox, 2, units_of(4)).finish().await;
    assert_eq!(topic.rows(), (1..=10).collect::<Vec<_>>());
    assert!(all(&outbox, Stored::Delivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_refused_stands_in_the_dead_letter_with_its_end_and_holds_up_nothing() {
    let (topic, outbox) = (Topic::default(), Arc::new(MemoryOutbox::default()));
    outbox.add([row(1, 7, Start), row(2, 8, Start), row(3, 8, End), row(4, 9, Start)]);
    topic.lock().refuses = Some(2);
    let (seen, dead) = Life::begin(&topic, &outbox, 1, units_of(10)).finish().await;
    assert_eq!(topic.rows(), [1, 4]);
    let reasons: Vec<&str> = dead.iter().filter_map(|line| line["reason"].as_str()).collect();
    assert_eq!(reasons, ["too large", "its Start ended in the dead letter"]);
    assert_eq!(seen.settled.iter().filter(|one| **one == Outcome::Dead).count(), 2);
    assert!(!outbox.fates().iter().any(|(_, fate)| *fate == Stored::Pending));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_too_large_goes_row_by_row() {
    let (topic, outbox) = (Topic::default(), outbox(1..=9));
    topic.lock().faults = vec![Fault::TooMany];
    Life::begin(&topic, &outbox, 1, units_of(5)).finish().await;
    assert_eq!(topic.rows(), (1..=9).collect::<Vec<_>>());
    assert!(all(&outbox, Stored::Delivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_by_its_deadline_is_given_up() {
    let (topic, outbox) = (Topic::default(), outbox(1..=2));
    topic.lock().faults = vec![Fault::Before; 1000];
    let limits = Limits { deadline: Duration::from_secs(30), ..units_of(10) };
    let life = Life::begin(&topic, &outbox, 1, limits);
    while life.watched.lock().settled.iter().filter(|one| **one == Outcome::Dead).count() < 2 {
        life.events(1).await;
    }
    let (_, dead) = life.finish().await;
    assert!(all(&outbox, Stored::Dead));
    assert_eq!(dead[0]["reason"], "deadline of 30 s passed: lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_too_many_wait_the_oldest_are_given_up() {
    let (topic, outbox) = (Topic::default(), outbox(1..=20));
    topic.lock().faults = vec![Fault::Before; 1000];
    let limits = Limits { outbox_rows: 5, ..units_of(10) };
    let life = Life::begin(&topic, &outbox, 1, limits);
    while life.watched.lock().settled.iter().filter(|one| **one == Outcome::Dead).count() < 15 {
        life.events(1).await;
    }
    topic.lock().faults.clear();
    let (_, dead) = life.finish().await;
    while !outbox.fates().iter().all(|(_, fate)| *fate != Stored::Pending) {
        Life::begin(&topic, &outbox, 2, limits).finish().await;
    }
    assert_eq!(topic.rows(), (16..=20).collect::<Vec<_>>());
    assert_eq!((dead.len(), dead[0]["reason"].as_str()), (15, Some("more than 5 insights wait for this sink")));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_taken_over_says_so_and_ends() {
    let topic = Topic::default();
    let (old, new) = (outbox(1..=3), outbox(1..=3));
    let life = Life::begin(&topic, &old, 1, units_of(10));
    life.events(3).await;
    // A copy of the directory as it was before the old process noted anything.
    let second = Life::begin(&topic, &new, 2, units_of(10));
    new.add([row(4, 4, Start)]);
    second.events(1).await;
    assert_eq!(topic.rows(), [1, 2, 3, 4], "what the old one had sent is not sent again");
    old.add([row(4, 4, Start), row(5, 5, Start)]);
    let (seen, _) = life.ended().await;
    assert_eq!(seen.superseded.len(), 1, "{:?}", seen.down);
    second.finish().await;
    assert_eq!(topic.rows(), [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_have_led_to_the_position_shuts_nobody_out_and_sends_nothing() {
    for other in [outbox(1..=2), outbox(1..=9)] {
        let topic = Topic::default();
        let strange = Position { row: 3, event_id: Uuid::from_u128(99), owner: 7 };
        topic.lock().position = Some(strange);
        let life = Life::begin(&topic, &other, 1, units_of(10));
        life.events(1).await;
        let (seen, _) = life.finish().await;
        assert!(seen.down[0].contains("give the sink a new transactional_id"), "{:?}", seen.down);
        let log = topic.lock();
        assert_eq!((log.rows.len(), log.position, log.joins), (0, Some(strange), 0));
        assert!(all(&other, Stored::Pending));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is lost, refused or dies in whatever order: each row is there once, in order, or in the dead letter.
    #[test]
    fn nothing_is_lost_repeated_or_out_of_order(
        faults in prop::collection::vec(
            prop::sample::select(vec![Fault::None, Fault::Before, Fault::After, Fault::TooMany]), 0..12),
        deaths in prop::collection::vec((0u32..4, 1u32..4), 0..4),
        unit in 1usize..6,
        refused in prop::option::of(1i64..20),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
        runtime.block_on(async {
            let (topic, outbox) = (Topic::default(), outbox(1..=20));
            (topic.lock().faults, topic.lock().refuses) = (faults, refused);
            let mut owner = 0;
            for (writes, failures) in deaths {
                owner += 1;
                let life = Life::begin(&topic, &outbox, owner, units_of(unit));
                // There may be nothing left that could happen.
                let _ = tokio::time::timeout(Duration::from_millis(50), life.events(writes)).await;
                outbox.fail_writes(failures);
                life.stop.send_replace(Some(0));
                life.ended().await;
                outbox.fail_writes(0);
            }
            while outbox.fates().iter().any(|(_, fate)| *fate == Stored::Pending) {
                owner += 1;
                Life::begin(&topic, &outbox, owner, units_of(unit)).finish().await;
            }
            let dead: BTreeSet<i64> =
                outbox.fates().iter().filter(|(_, fate)| *fate == Stored::Dead).map(|(id, _)| *id).collect();
            assert_eq!(dead, refused.into_iter().collect());
            assert_eq!(topic.rows(), (1..=20).filter(|id| !dead.contains(id)).collect::<Vec<_>>());
        });
    }
}
