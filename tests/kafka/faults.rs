//! Brokers that die, say nothing, or come back; disks that are full; processes that wake when another has their place.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use super::home::{Home, counted, metric, totals};
use super::stream::{Message, Stream, Written};
use crate::brokers::{self, Cluster, flush, send};
use crate::faults::Mounted;
use crate::scale::sized;
use crate::service::{LIMIT, Service};

fn stream() -> Stream {
    Stream { records: sized(10_000, 30_000, 300_000), partitions: 6, undecodable: 0 }
}

/// Writes a stream in parts, and does something between them.
struct Parts {
    messages: std::vec::IntoIter<Message>,
    each: usize,
}

impl Parts {
    fn of(stream: Stream, parts: usize) -> Parts {
        let messages: Vec<Message> = stream.messages().collect();
        let each = messages.len().div_ceil(parts);
        Parts { messages: messages.into_iter(), each }
    }

    /// Hands the next part to a producer, without waiting for the brokers.
    fn next(&mut self, filler: &brokers::Filler, topic: &str) {
        for (partition, key, value) in self.messages.by_ref().take(self.each) {
            send(filler, topic, partition, &key, &value);
        }
    }
}

/// Runs on a thread where blocking is allowed.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_are_killed_and_come_back_or_do_not_change_nothing() {
    let written = stream().written();
    let cluster = Arc::new(blocking(|| Cluster::start(3)).await);
    for topic in ["backlog", "dying"] {
        cluster.topic(topic, 6, &[]).await;
    }
    let broker = cluster.clone();
    blocking(move || stream().fill(&broker, "backlog")).await;
    // A broker dies under a backlog that is being read: the partitions that it led hold the clock.
    let home = Home::new();
    let more = "[limits]\nload_records = 1000\n";
    let setup = home.reads(&cluster, &["backlog"], "backlog", more);
    let service = Service::run(&setup);
    let broker = cluster.clone();
    blocking(move || broker.kill(0)).await;
    counted(&service, written.totals()).await;
    assert_eq!(metric(&service, "late_records_total").await, 0.0, "nothing was judged before it came");
    service.stop();

    // Brokers die, come back, and die for good while the stream is written, read and committed. The stream is
    // written faster than it happened, so what a dead broker keeps back can be a day behind the rest.
    let home = Home::new();
    let service = Service::run(&home.reads(&cluster, &["dying"], "dying", "[limits]\ndedup_window = \"3d\"\n"));
    let broker = cluster.clone();
    blocking(move || {
        let filler = broker.filler("lz4");
        let mut parts = Parts::of(stream(), 5);
        for round in 0..5 {
            parts.next(&filler, "dying");
            match round {
                0 => broker.launch(&[0]),
                1 => broker.stop(1),
                2 => broker.launch(&[1]),
                3 => broker.kill(2),
                _ => flush(&filler),
            }
        }
    })
    .await;
    counted(&service, written.totals()).await;
    assert_eq!(metric(&service, "source_gaps_total").await, 0.0);
    assert_eq!(service.get("/readyz").await.map(|(code, _)| code), Some(200), "two of three are enough");
    service.stop();
    let ends = blocking(move || (cluster.committed("dying", "dying"), cluster.ends("dying", "read_committed"))).await;
    assert_eq!(ends.0, ends.1, "the group knows how far we are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_says_nothing_is_no_silence_of_the_trail() {
    let cluster = Arc::new(blocking(|| Cluster::start(1)).await);
    cluster.topic("silent", 6, &[]).await;
    let written = stream().written();
    let home = Home::new();
    let service = Service::run(&home.reads(&cluster, &["silent"], "silent", ""));
    let broker = cluster.clone();
    let mut parts = Parts::of(stream(), 2);
    let mut parts = blocking(move || {
        let filler = broker.filler("lz4");
        parts.next(&filler, "silent");
        flush(&filler);
        parts
    })
    .await;
    let first = service
        .until("/api/v1/status", "the first part", |status| {
            status["sources"][0]["caught_up"] == true && status["records"]["counted"] != 0
        })
        .await;
    assert!(totals(&first)[0] > 0);
    cluster.freeze(0);
    // The clock stands: nobody can know what waits. And people can read why.
    let told = |ready: &Value| ready.to_string().contains("source trail");
    service.until("/readyz", "that the source cannot read", told).await;
    assert_eq!(service.get("/readyz").await.map(|(code, _)| code), Some(503));
    service.until("/api/v1/status", "that it is not caught up", |s| s["sources"][0]["caught_up"] == false).await;
    let watermark = service.json("/api/v1/status").await.unwrap_or_default()["watermark"].clone();
    cluster.thaw(0);
    let broker = cluster.clone();
    blocking(move || {
        let filler = broker.filler("lz4");
        parts.next(&filler, "silent");
        flush(&filler);
    })
    .await;
    let status = counted(&service, written.totals()).await;
    assert!(status["watermark"].as_str() >= watermark.as_str(), "{watermark} then {status:#}");
    service.until("/readyz", "that all is well", |ready| !told(ready)).await;
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_pauses_reading_and_nothing_is_committed() {
    let cluster = brokers::shared();
    cluster.topic("full", 6, &[]).await;
    let home = Home::new();
    std::fs::create_dir_all(home.data()).expect("the folder can be written");
    let Some(disk) = Mounted::tmpfs(&home.data(), "48m") else { return };
    let service = Service::run(&home.reads(&cluster, &["full"], "full", "[limits]\nload_records = 1000\n"));
    counted(&service, [0, 0, 0]).await;
    let ballast = disk.fill();
    let broker = cluster.clone();
    let written = blocking(move || stream().fill(&broker, "full")).await;
    let paused = |status: &Value| status["sources"][0]["paused"] == true;
    let status = service.until("/api/v1/status", "that it is paused", paused).await;
    assert_eq!(totals(&status), [0, 0, 0]);
    assert_eq!(service.get("/readyz").await.map(|(code, _)| code), Some(503));
    let broker = cluster.clone();
    let committed = blocking(move || broker.committed("full", "full")).await;
    assert!(committed.iter().all(|offset| *offset <= 0), "nothing is durable, nothing is committed: {committed:?}");
    std::fs::remove_file(ballast).expect("space again");
    counted(&service, written.totals()).await;
    service.until("/readyz", "ready", |ready| !ready.to_string().contains("nothing is taken in")).await;
    assert_eq!(service.get("/readyz").await.map(|(code, _)| code), Some(200));
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_wakes_when_another_has_its_place_is_fenced_and_ends() {
    let cluster = brokers::shared();
    cluster.topic("zombie", 6, &[]).await;
    let home = Home::new();
    let more = "instance_id = \"zombie\"\n";
    let mut old = Service::run(&home.reads(&cluster, &["zombie"], "zombie", more));
    let broker = cluster.clone();
    let mut parts = Parts::of(stream(), 2);
    let mut parts = blocking(move || {
        let filler = broker.filler("lz4");
        parts.next(&filler, "zombie");
        flush(&filler);
        parts
    })
    .await;
    old.until("/api/v1/status", "a part of it", |status| status["records"]["counted"].as_u64() > Some(0)).await;
    signal(&old, "STOP");
    let copy = home.copy();
    let new = Service::run(&copy.reads(&cluster, &["zombie"], "zombie", more));
    let broker = cluster.clone();
    blocking(move || {
        let filler = broker.filler("lz4");
        parts.next(&filler, "zombie");
        flush(&filler);
    })
    .await;
    counted(&new, stream().written().totals()).await;
    signal(&old, "CONT");
    let ended = old.ended_within(LIMIT);
    assert_eq!(ended, Some(Some(1)), "{}", old.log());
    assert!(old.log().contains("another process has taken our place"), "{}", old.log());
    // What it still held is in its own directory. The one that has the place goes on, exact.
    counted(&new, stream().written().totals()).await;
    // The group hears of an offset within a second of its being durable, and at a stop at the latest.
    new.stop();
    let broker = cluster.clone();
    let ends = blocking(move || (broker.committed("zombie", "zombie"), broker.ends("zombie", "read_committed"))).await;
    assert_eq!(ends.0, ends.1, "the woken one has not turned the group back");
}

fn signal(service: &Service, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &service.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_come_and_go_in_order_count_each_record_once() {
    let cluster = brokers::shared();
    cluster.topic("shared", 24, &[]).await;
    let stream = Stream { partitions: 24, ..stream() };
    let written = stream.written();
    let homes = [Home::new(), Home::new(), Home::new()];
    let start = |home: &Home| Service::run(&home.reads(&cluster, &["shared"], "shared", ""));
    let mut parts = Parts::of(stream, 3);
    let mut services = vec![start(&homes[0])];
    for round in 0..3 {
        let broker = cluster.clone();
        parts = blocking(move || {
            let filler = broker.filler("lz4");
            parts.next(&filler, "shared");
            flush(&filler);
            parts
        })
        .await;
        match round {
            0 => {
                services.extend([start(&homes[1]), start(&homes[2])]);
                for service in &services {
                    service.until("/api/v1/status", "a share", |status| status["sources"][0]["partitions"] == 8).await;
                }
            }
            // In order: it leaves the group, and what it had read is durable and committed.
            1 => drop(services.remove(0).stop()),
            _ => {}
        }
    }
    let all: Vec<&Service> = services.iter().collect();
    sum_of(&all, &homes[0], written).await;
    services.into_iter().for_each(|service| drop(service.stop()));
}

/// Waits until what all of them have counted is what was written. One has ended: its totals are those of its journal.
async fn sum_of(running: &[&Service], ended: &Home, written: Written) {
    let of_ended = ended_totals(&ended.data());
    for service in running {
        let done =
            |status: &Value| status["sources"][0]["caught_up"] == true && status["sources"][0]["partitions"] == 12;
        service.until("/api/v1/status", "that all is read", done).await;
    }
    let all = crate::service::eventually(async || {
        let mut sum = of_ended;
        for service in running {
            let status = service.json("/api/v1/status").await?;
            sum.iter_mut().zip(totals(&status)).for_each(|(sum, more)| *sum += more);
        }
        (sum[0] + sum[1] >= written.counted + written.duplicate).then_some(sum)
    });
    assert_eq!(all.await, Some(written.totals()), "counted, duplicate, dead letter over all instances");
}

/// The record totals in a data directory that nobody holds.
fn ended_totals(data: &Path) -> [u64; 3] {
    use trailsight::journal::Journal;
    use trailsight::journal::local::{LocalJournal, Options};
    let journal = LocalJournal::open(data, Options::default()).expect("nobody holds it");
    let totals = journal.totals().expect("it can be read");
    let sum = |of: fn(&trailsight_schemas::entry::Outcomes) -> u64| totals.values().map(of).sum();
    [sum(|of| of.counted), sum(|of| of.duplicate), sum(|of| of.dead_letter)]
}
