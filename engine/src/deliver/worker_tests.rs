use std::sync::Mutex;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use trailsight_schemas::insight::{InsightEvent, InsightFormat, State};

use super::*;
use crate::deliver::deadletter::MIN_LIMIT;
use crate::deliver::fixtures::row;
use crate::deliver::memory::{Fate, MemoryOutbox};
use crate::deliver::receiver::{Answer, Receiver};
use crate::deliver::sinks::{Body, Kind, Webhook, WebhookSpec};
use State::{End, Start};

/// A thousand seconds in one: backoffs pass at once, and a deadline of a day in a minute and a half.
const SPEED: f64 = 1000.0;

/// Counts what happens and lets a test wait for it.
struct Watched {
    settled: Mutex<Vec<Outcome>>,
    events: Semaphore,
    store_failures: Semaphore,
}

impl Observer for Watched {
    fn settled(&self, sink: &str, outcome: Outcome, _: Duration) {
        assert_eq!(sink, "hook");
        self.settled.lock().expect("not poisoned").push(outcome);
        self.events.add_permits(1);
    }

    fn depth(&self, _: &str, _: u64, _: Option<Duration>, _: Option<&str>) {}

    fn down(&self, _: &str, _: &str) {}

    fn up(&self, _: &str) {}

    fn superseded(&self, _: &str, _: &str) {}

    fn store_failed(&self, _: &str, _: &str) {
        self.store_failures.add_permits(1);
    }
}

struct Bench {
    outbox: Arc<MemoryOutbox>,
    watched: Arc<Watched>,
    stop: watch::Sender<Option<i64>>,
    clock: Clock,
    directory: tempfile::TempDir,
    task: JoinHandle<()>,
}

impl Bench {
    fn start(url: &str, rows: Vec<Row>, format: InsightFormat, limits: Limits) -> Bench {
        let outbox = Arc::new(MemoryOutbox::default());
        outbox.add(rows);
        Bench::on(url, outbox, format, limits)
    }

    fn on(url: &str, outbox: Arc<MemoryOutbox>, format: InsightFormat, limits: Limits) -> Bench {
        let timeout = Duration::from_secs(20);
        let webhook = Webhook::new(&WebhookSpec {
            url: url.into(),
            secrets: vec![],
            headers: vec![],
            timeout,
            deny_private_networks: false,
        });
        let kind = Kind::Webhook(Box::new(webhook.expect("valid")), Body::Record);
        let watched =
            Watched { settled: Mutex::default(), events: Semaphore::new(0), store_failures: Semaphore::new(0) };
        let (watched, directory) = (Arc::new(watched), tempfile::tempdir().expect("a directory"));
        let (stop, shutdown) = watch::channel(None);
        let clock = Clock::scaled(0, SPEED);
        let worker = Worker {
            sink: Arc::new(Sink { name: "hook".into(), format, kind }),
            outbox: outbox.clone(),
            dead_letters: Arc::new(DeadLetters::open(directory.path(), MIN_LIMIT)),
            clock: clock.clone(),
            observer: watched.clone(),
            limits,
            shutdown,
        };
        let task = tokio::spawn(worker.run());
        Bench { outbox, watched, stop, clock, directory, task }
    }

    /// Waits until so many more attempts were settled.
    async fn settled(&self, count: u32) {
        self.watched.events.acquire_many(count).await.expect("open").forget();
    }

    /// Stops with ten hours of grace (half a minute of the machine's) and waits for the worker's end.
    async fn finish(self) -> Finished {
        self.finish_within(36_000_000).await
    }

    async fn finish_within(self, grace_ms: i64) -> Finished {
        self.stop.send_replace(Some(self.clock.now() + grace_ms));
        self.task.await.expect("no panic");
        let path = self.directory.path().join("dead-letter/insights.ndjson");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let dead_lines = text.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
        let outcomes = self.watched.settled.lock().expect("not poisoned").clone();
        Finished { outbox: self.outbox, dead_lines, outcomes }
    }
}

struct Finished {
    outbox: Arc<MemoryOutbox>,
    dead_lines: Vec<serde_json::Value>,
    outcomes: Vec<Outcome>,
}

fn one_at_a_time() -> Limits {
    Limits { in_flight: 1, ..Limits::default() }
}

fn ids(receiver: &Receiver) -> Vec<String> {
    receiver.seen().iter().map(|seen| seen.header("webhook-id").to_owned()).collect()
}

fn id(row: &Row) -> String {
    row.event_id.to_string()
}

#[tokio::test]
async fn everything_due_is_delivered_as_it_was_stored() {
    let receiver = Receiver::start(&[]).await;
    let rows: Vec<Row> = (1..=20).map(|id| row(id, id.unsigned_abs().into(), Start)).collect();
    let bench = Bench::start(&receiver.url, rows.clone(), InsightFormat::Full, Limits::default());
    bench.settled(20).await;
    let finished = bench.finish().await;
    assert!(finished.outbox.fates().iter().all(|(_, fate)| *fate == Fate::Delivered));
    let mut bodies: Vec<Vec<u8>> = receiver.seen().iter().map(|seen| seen.body.to_vec()).collect();
    let mut stored: Vec<Vec<u8>> = rows.into_iter().map(|row| row.insight_json).collect();
    bodies.sort();
    stored.sort();
    assert_eq!(bodies, stored);
}

#[tokio::test]
async fn aws_format_leaves_our_own_key_out() {
    let receiver = Receiver::start(&[]).await;
    let bench = Bench::start(&receiver.url, vec![row(1, 1, Start)], InsightFormat::Aws, Limits::default());
    bench.settled(1).await;
    bench.finish().await;
    let body = receiver.seen()[0].body.clone();
    assert!(!String::from_utf8_lossy(&body).contains("trailsight"));
    assert_eq!(InsightEvent::parse(&body).expect("an insight").trailsight, None);
}

#[tokio::test]
async fn failures_are_tried_again_until_the_receiver_accepts() {
    let script = [Answer::Status(500), Answer::WithHeader(429, "retry-after", "2"), Answer::Status(503)];
    let receiver = Receiver::start(&script).await;
    let bench = Bench::start(&receiver.url, vec![row(1, 1, Start)], InsightFormat::Full, Limits::default());
    bench.settled(4).await;
    let finished = bench.finish().await;
    assert_eq!(finished.outcomes, [Outcome::Retried, Outcome::Retried, Outcome::Retried, Outcome::Delivered]);
    assert_eq!(ids(&receiver), vec![id(&row(1, 1, Start)); 4]);
    assert_eq!(finished.outbox.stored(1).row.attempts, 3);
    assert_eq!(finished.dead_lines.len(), 0);
}

#[tokio::test]
async fn a_postponed_start_holds_back_its_end_and_no_other_incident() {
    let receiver = Receiver::start(&[Answer::WithHeader(500, "x", "y")]).await;
    let rows = vec![row(1, 7, Start), row(2, 7, End), row(3, 8, Start)];
    let bench = Bench::start(&receiver.url, rows.clone(), InsightFormat::Full, one_at_a_time());
    bench.settled(4).await;
    bench.finish().await;
    let seen = ids(&receiver);
    let at = |row: &Row| seen.iter().rposition(|seen| *seen == id(row)).expect("delivered");
    assert_eq!((seen.len(), seen[0].clone()), (4, id(&rows[0])));
    assert!(at(&rows[0]) < at(&rows[1]), "{seen:?}");
}

#[tokio::test]
async fn a_refused_start_and_its_end_stand_in_the_dead_letter() {
    let receiver = Receiver::start(&[Answer::Status(410)]).await;
    let rows = vec![row(1, 7, Start), row(2, 7, End), row(3, 8, Start)];
    let bench = Bench::start(&receiver.url, rows.clone(), InsightFormat::Full, one_at_a_time());
    bench.settled(3).await;
    let finished = bench.finish().await;
    assert_eq!(finished.outbox.fates(), [(1, Fate::Dead), (2, Fate::Dead), (3, Fate::Delivered)]);
    assert_eq!(ids(&receiver), [id(&rows[0]), id(&rows[2])], "the End is not sent");
    let said: Vec<_> =
        finished.dead_lines.iter().map(|line| (line["event_id"].clone(), line["reason"].clone())).collect();
    assert_eq!((said[0].0.clone(), said[1].0.clone()), (id(&rows[0]).into(), id(&rows[1]).into()));
    assert!(said[0].1.as_str().is_some_and(|reason| reason.contains("answered 410 Gone: an explanation")), "{said:?}");
    assert_eq!(said[1].1, "its Start ended in the dead letter");
    assert!(finished.dead_lines[0]["insight"]["insightDetails"].is_object());
}

#[tokio::test]
async fn a_sink_that_stays_down_ends_in_the_dead_letter_after_the_deadline() {
    let limits = Limits { deadline: Duration::from_secs(30), ..one_at_a_time() };
    // Nothing listens on port 1.
    let bench = Bench::start("http://127.0.0.1:1/", vec![row(1, 1, Start)], InsightFormat::Full, limits);
    while bench.watched.settled.lock().expect("not poisoned").last() != Some(&Outcome::Dead) {
        bench.settled(1).await;
    }
    let finished = bench.finish().await;
    assert_eq!(finished.outbox.stored(1).fate, Fate::Dead);
    assert!(
        finished.dead_lines[0]["reason"].as_str().is_some_and(|reason| reason.starts_with("deadline of 30 s passed"))
    );
}

/// A sink that is down for a day must not fill the disk: ten times as many as may wait, and the oldest go first.
#[tokio::test]
async fn what_is_beyond_the_limit_of_rows_ends_in_the_dead_letter_oldest_first() {
    let limits = Limits { outbox_rows: 60, backoff_base: Duration::from_secs(36_000), ..one_at_a_time() };
    let rows: Vec<Row> = (1..=600)
        .map(|id| row(id, id.unsigned_abs().div_ceil(2).into(), if id % 2 == 1 { Start } else { End }))
        .collect();
    let bench = Bench::start("http://127.0.0.1:1/", rows.clone(), InsightFormat::Full, limits);
    let dead = |outcomes: &[Outcome]| outcomes.iter().filter(|outcome| **outcome == Outcome::Dead).count();
    while dead(&bench.watched.settled.lock().expect("not poisoned")) < 540 {
        bench.settled(1).await;
    }
    let finished = bench.finish_within(0).await;
    let fates = finished.outbox.fates();
    let pending: Vec<i64> = fates.iter().filter(|(_, fate)| *fate == Fate::Pending).map(|(id, _)| *id).collect();
    assert!(pending.len() <= 60, "{pending:?}");
    // An End is due for the dead letter only once its Start is there.
    assert!(pending.iter().all(|id| *id > 512), "{pending:?}");
    let reasons: std::collections::BTreeSet<_> =
        finished.dead_lines.iter().filter_map(|line| line["reason"].as_str()).collect();
    assert!(reasons.contains("more than 60 insights wait for this sink"), "{reasons:?}");
    let told = ["its Start ended in the dead letter", "more than 60 insights wait for this sink"];
    assert!(reasons.iter().all(|reason| told.contains(reason)), "an End is of no use without its Start: {reasons:?}");
}

#[tokio::test]
async fn what_the_receiver_has_is_not_sent_again_while_the_store_fails() {
    let receiver = Receiver::start(&[]).await;
    let outbox = Arc::new(MemoryOutbox::default());
    outbox.fail_reads(4);
    outbox.fail_writes(5);
    outbox.add([row(1, 1, Start)]);
    let bench = Bench::on(&receiver.url, outbox, InsightFormat::Full, Limits::default());
    bench.watched.store_failures.acquire_many(9).await.expect("open").forget();
    let finished = bench.finish().await;
    assert_eq!(finished.outbox.fates(), [(1, Fate::Delivered)]);
    assert_eq!((receiver.seen().len(), finished.outcomes.len()), (1, 1));
}

#[tokio::test]
async fn a_row_is_not_given_up_before_its_dead_letter_is_written() {
    let receiver = Receiver::start(&[Answer::Status(410)]).await;
    let outbox = Arc::new(MemoryOutbox::default());
    let bench = Bench::on(&receiver.url, outbox.clone(), InsightFormat::Full, Limits::default());
    let directory = bench.directory.path().join("dead-letter");
    std::fs::write(&directory, b"in the way").expect("room");
    outbox.add([row(1, 1, Start)]);
    bench.watched.store_failures.acquire_many(3).await.expect("open").forget();
    assert_eq!(outbox.stored(1).fate, Fate::Pending);
    std::fs::remove_file(&directory).expect("gone");
    let finished = bench.finish().await;
    assert_eq!(finished.outbox.stored(1).fate, Fate::Dead);
    assert_eq!((receiver.seen().len(), finished.dead_lines.len()), (1, 1));
}

#[tokio::test]
async fn rows_that_are_added_wake_the_worker() {
    let receiver = Receiver::start(&[]).await;
    let bench = Bench::start(&receiver.url, vec![], InsightFormat::Full, Limits::default());
    for number in 1..=3 {
        bench.outbox.add([row(number, 1, Start)]);
        bench.settled(1).await;
    }
    assert_eq!(bench.finish().await.outbox.fates().len(), 3);
    assert_eq!(receiver.seen().len(), 3);
}

#[tokio::test]
async fn on_the_way_out_what_is_due_is_delivered_and_what_hangs_stays_pending() {
    let receiver = Receiver::start(&[]).await;
    let rows = (1..=50).map(|id| row(id, id.unsigned_abs().into(), Start)).collect();
    let finished = Bench::start(&receiver.url, rows, InsightFormat::Full, one_at_a_time()).finish().await;
    assert!(finished.outbox.fates().iter().all(|(_, fate)| *fate == Fate::Delivered));

    let silent = Receiver::start(&[Answer::Never]).await;
    let bench = Bench::start(&silent.url, vec![row(1, 1, Start)], InsightFormat::Full, Limits::default());
    silent.arrived().await;
    let finished = bench.finish_within(200_000).await;
    assert_eq!(finished.outbox.fates(), [(1, Fate::Pending)]);
    assert_eq!(finished.outcomes, []);
    assert_eq!(silent.seen()[0].path, "/hook");
}
