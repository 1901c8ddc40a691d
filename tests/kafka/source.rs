//! What is read, from where, and what is said about the rest.

use std::sync::Arc;

use rdkafka::producer::Producer;
use serde_json::Value;

use super::home::{Home, counted, metric, totals};
use super::stream::Stream;
use crate::brokers::{self, Cluster, send, send_tombstone};
use crate::crash::all_told;
use crate::product;
use crate::records::{DAY_0, ENVELOPES, Made, gzip, wrapped};
use crate::scale::sized;
use crate::service::Service;

/// Runs on a thread where blocking is allowed.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic")
}

fn records(from: i64, count: i64) -> Vec<Value> {
    (from..from + count).map(|minute| Made::write(DAY_0 + minute, "ec2", "CreateTags", "ci", 1).json()).collect()
}

fn line(record: &Value) -> (i32, &'static str, Vec<u8>) {
    (0, "key", record.to_string().into_bytes())
}

fn fill(cluster: &Cluster, topic: &str, records: &[Value]) {
    let lines: Vec<_> = records.iter().map(line).collect();
    cluster.fill(topic, "lz4", lines.iter().map(|(partition, key, value)| (*partition, *key, value.as_slice())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_under_every_compression_is_counted_once() {
    let cluster = brokers::shared();
    cluster.topic("forms", 3, &[]).await;
    let compressions = ["none", "gzip", "snappy", "lz4", "zstd"];
    let broker = cluster.clone();
    let count = blocking(move || {
        let mut from = 0;
        for compression in compressions {
            let mut messages = Vec::new();
            for (index, envelope) in ENVELOPES.iter().enumerate() {
                let body = wrapped(*envelope, &records(from, 10));
                messages.push((index as i32 % 3, if index % 2 == 0 { body } else { gzip(&body) }));
                from += 10;
            }
            // As large as the broker takes.
            messages.push((1, wrapped(crate::records::Envelope::Array, &records(from, 9000))));
            from += 9000;
            let largest = messages.iter().map(|(_, body)| body.len()).max();
            assert!(largest.is_some_and(|largest| (5 << 20..15 << 20).contains(&largest)), "{largest:?}");
            broker.fill("forms", compression, messages.iter().map(|(to, body)| (*to, "key", body.as_slice())));
        }
        let filler = broker.filler("none");
        send(&filler, "forms", 0, "key", b"");
        send_tombstone(&filler, "forms", 2, "key");
        send(&filler, "forms", 2, "key", b"GET / HTTP/1.1");
        filler.flush(brokers::LIMIT).expect("all is acknowledged");
        from as u64
    })
    .await;
    let home = Home::new();
    let service = Service::run(&home.reads(&cluster, &["forms"], "forms", ""));
    counted(&service, [count, 0, 1]).await;
    assert_eq!(metric(&service, "source_empty_messages_total").await, 2.0);
    assert_eq!(metric(&service, "source_partitions").await, 3.0);
    let letters = home.dead_letters();
    let path = letters[0]["path"].as_str().unwrap_or_default();
    assert!(letters.len() == 1 && path.starts_with("forms/2@"), "{letters:#?}");
    service.stop();
    let broker = cluster.clone();
    let ends = blocking(move || (broker.committed("forms", "forms"), broker.ends("forms", "read_committed"))).await;
    assert_eq!(ends.0, ends.1, "the group knows how far we are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_the_same_records_tells_the_same() {
    let cluster = brokers::shared();
    cluster.topic("replayed", 3, &[]).await;
    let stream = Stream { records: sized(10_000, 40_000, 200_000), partitions: 3, undecodable: 10 };
    let broker = cluster.clone();
    let written = blocking(move || stream.fill(&broker, "replayed")).await;
    assert!(written.dead_letter * 12 > written.counted && written.duplicate > 0, "{written:?}");
    let home = Home::new();
    let service = Service::run(&home.reads(&cluster, &["replayed"], "replayed", ""));
    counted(&service, written.totals()).await;
    let told = all_told(&service).await;
    service.stop();
    let letters = home.dead_letters();
    assert_eq!(letters.len() as u64, written.dead_letter, "each with its position");
    assert!(letters.iter().all(|letter| letter["path"].as_str().is_some_and(|path| path.starts_with("replayed/"))));

    let replayed = blocking(move || {
        let mut lines = Vec::new();
        for (_, _, value) in stream.messages() {
            lines.extend_from_slice(&value);
            lines.push(b'\n');
        }
        product::replay(["--assume-history", "--sensitivity", "high", "-"], &lines).expect(3)
    })
    .await;
    assert_eq!(replayed.summary("records counted"), written.counted);
    let ended = replayed.insights().into_iter().filter(|insight| insight["insightDetails"]["state"] == "End").count();
    assert!(told.len() >= 5 && ended == told.len(), "{ended} in the replay, {told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_is_begun_where_it_should_and_gaps_are_said() {
    let cluster = brokers::shared();
    cluster.topic("begun", 1, &[]).await;
    let broker = cluster.clone();
    blocking(move || fill(&broker, "begun", &records(0, 100))).await;
    // The group has read nothing: from its end, or from the beginning.
    let late = Home::new();
    let service = Service::run(&late.reads(&cluster, &["begun"], "late", "start = \"latest\""));
    counted(&service, [0, 0, 0]).await;
    let broker = cluster.clone();
    blocking(move || fill(&broker, "begun", &records(100, 50))).await;
    counted(&service, [50, 0, 0]).await;
    service.stop();
    let home = Home::new();
    let setup = home.reads(&cluster, &["begun"], "begun", "start = \"2001-01-01T00:00:00Z\"");
    let service = Service::run(&setup);
    counted(&service, [150, 0, 0]).await;
    service.stop();
    // Retention is faster than we are.
    let broker = cluster.clone();
    blocking(move || {
        fill(&broker, "begun", &records(150, 50));
        broker.delete_records("begun", 0, 180);
    })
    .await;
    let service = Service::run(&setup);
    counted(&service, [170, 0, 0]).await;
    assert_eq!(metric(&service, "source_gaps_total").await, 1.0);
    assert_eq!(metric(&service, "source_gap_records_total").await, 30.0);
    let said = service.json("/api/v1/status").await.unwrap_or_default()["problems"].to_string();
    assert!(said.contains("begun/0") && said.contains("read from 180 instead of 150"), "{said}");
    assert_eq!(service.get("/readyz").await.map(|(code, _)| code), Some(200), "it reads");
    service.stop();
    // Another topic under the same name, with more in it than we had read of the first.
    cluster.delete_topic("begun").await;
    cluster.topic("begun", 1, &[]).await;
    let broker = cluster.clone();
    blocking(move || fill(&broker, "begun", &records(200, 300))).await;
    let service = Service::run(&setup);
    counted(&service, [470, 0, 0]).await;
    let said = service.json("/api/v1/status").await.unwrap_or_default()["problems"].to_string();
    assert!(said.contains("made anew"), "{said}");
    service.stop();
    // A data directory that has seen nothing goes on where the group was: it has no baselines, and says so.
    let other = Home::new();
    let service = Service::run(&other.reads(&cluster, &["begun"], "begun", ""));
    let status = counted(&service, [0, 0, 0]).await;
    assert_eq!(status["sources"][0]["taken_over"], 1, "{status:#}");
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_match_and_partitions_that_come_are_read_by_the_new_protocol_too() {
    let cluster = brokers::shared();
    for topic in ["audit-a", "plain"] {
        cluster.topic(topic, 1, &[]).await;
    }
    let broker = cluster.clone();
    blocking(move || {
        fill(&broker, "audit-a", &records(0, 10));
        fill(&broker, "plain", &records(10, 10));
    })
    .await;
    let (classic, new) = (Home::new(), Home::new());
    let more = "group_protocol = \"consumer\"";
    let both = [
        Service::run(&classic.reads(&cluster, &["^audit-.*", "plain"], "matching", "")),
        Service::run(&new.reads(&cluster, &["^audit-.*", "plain"], "matching-new", more)),
    ];
    for service in &both {
        counted(service, [20, 0, 0]).await;
    }
    cluster.topic("audit-b", 2, &[]).await;
    cluster.grow("plain", 3).await;
    let broker = cluster.clone();
    blocking(move || {
        fill(&broker, "audit-b", &records(20, 10));
        let bytes = records(30, 1)[0].to_string();
        broker.fill("plain", "none", [(2, "key", bytes.as_bytes())]);
    })
    .await;
    for service in both {
        counted(&service, [31, 0, 0]).await;
        service.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_transaction_is_lag_and_not_silence() {
    let cluster = brokers::shared();
    cluster.topic("hung", 1, &[]).await;
    let home = Home::new();
    let service = Service::run(&home.reads(&cluster, &["hung"], "hung", ""));
    counted(&service, [0, 0, 0]).await;
    let producer = begin_transaction(cluster.clone()).await;
    let waits = |status: &Value| {
        status["sources"][0]["waiting"].as_u64() >= Some(20) && status["sources"][0]["caught_up"] == false
    };
    let status = service.until("/api/v1/status", "that something waits", waits).await;
    assert_eq!(totals(&status), [0, 0, 0], "nothing of it is committed");
    blocking(move || producer.commit_transaction(brokers::LIMIT).expect("it commits")).await;
    counted(&service, [20, 0, 0]).await;
    service.stop();
}

async fn begin_transaction(cluster: Arc<Cluster>) -> brokers::Filler {
    blocking(move || {
        let mut config = cluster.client();
        config.set("transactional.id", "hung").set("transaction.timeout.ms", "60000");
        let producer: brokers::Filler = config.create().expect("a producer");
        producer.init_transactions(brokers::LIMIT).expect("it may");
        producer.begin_transaction().expect("it may");
        for record in records(0, 20) {
            send(&producer, "hung", 0, "key", record.to_string().as_bytes());
        }
        producer.flush(brokers::LIMIT).expect("all is acknowledged");
        producer
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clusters_are_read_at_once_and_a_missing_topic_is_waited_for() {
    let (one, other) = (brokers::shared(), blocking(|| Cluster::start(1)).await);
    one.topic("first", 1, &[]).await;
    let broker = one.clone();
    blocking(move || fill(&broker, "first", &records(0, 10))).await;
    let home = Home::new();
    let source = |name: &str, cluster: &Cluster, topic: &str| {
        format!("[sources.{name}]\ntype = \"kafka\"\nbrokers = {}\ntopics = [{topic:?}]\n", cluster.brokers_toml())
    };
    let service = Service::run(&home.configured(&(source("a", &one, "first") + &source("b", &other, "second"))));
    let missing = |ready: &Value| ready.to_string().contains("does not exist");
    service.until("/readyz", "that the topic is missing", missing).await;
    other.topic("second", 1, &[]).await;
    let other = blocking(move || {
        fill(&other, "second", &records(10, 10));
        other
    })
    .await;
    counted(&service, [20, 0, 0]).await;
    service.until("/readyz", "that all is well", |ready| !missing(ready)).await;
    assert_eq!(service.get("/readyz").await.map(|(code, _)| code), Some(200));
    service.stop();
    drop(other);
}
