//! What a sink says: to `check --connect`, to `sinks test`, while its broker is away; and the topics that are made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use trailsight::clock::instant;

use super::reading::{committed, header};
use crate::brokers::{Cluster, ENGINE, PASSWORD, STRANGER, shared};
use crate::product::{self, run};
use crate::records::{DAY_0, Envelope, Made, wrapped};
use crate::service::{Service, setup};

fn written(folder: &Path, sink: &str) -> PathBuf {
    let file = folder.join("trailsight.toml");
    let text = format!(
        "data_dir = {:?}\n[sources.inbox]\ntype = \"files\"\npath = {folder:?}\n[sinks.stream]\ntype = \"kafka\"\n{sink}\n",
        folder.join("data")
    );
    std::fs::write(&file, text).expect("written");
    file
}

fn plain(cluster: &Cluster, topic: &str) -> String {
    format!("brokers = {}\ntopic = \"{topic}\"\n", cluster.brokers_toml())
}

fn secured(cluster: &Cluster, topic: &str, user: &str, password: &str) -> String {
    format!(
        "brokers = [\"{}\"]\ntopic = \"{topic}\"\n[sinks.stream.tls]\nca_file = {:?}\n[sinks.stream.sasl]\n\
         mechanism = \"scram-sha-512\"\nusername = \"{user}\"\npassword = \"{password}\"\n",
        cluster.sasl_tls(),
        cluster.certificates.ca
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_says_in_a_sentence_and_in_time_why_nothing_can_be_sent() {
    let cluster = shared();
    cluster.topic("answers", 2, &[]).await;
    let created = format!("{}create_topic = {{ partitions = 1 }}\n", plain(&cluster, "not-yet"));
    for (sink, status, said) in [
        (plain(&cluster, "answers"), 0, "answers (2 partitions)"),
        (secured(&cluster, "answers", ENGINE, PASSWORD), 0, "answers (2 partitions)"),
        (created, 0, "is not there yet and will be created"),
        (plain(&cluster, "nowhere"), 1, "the topic does not exist"),
        (secured(&cluster, "answers", ENGINE, "wrong"), 1, "sasl.password"),
        (secured(&cluster, "answers", STRANGER, PASSWORD), 1, "ACL"),
        ("brokers = [\"127.0.0.1:1\"]\ntopic = \"answers\"\n".to_owned(), 1, "cannot be reached"),
    ] {
        let folder = TempDir::new().expect("a folder");
        let mut command = product::command(["check", "--connect", "--config"]);
        command.arg(written(folder.path(), &sink));
        let began = instant();
        let finished = run(command).expect(status);
        let took = began.elapsed();
        let line = finished.stdout.lines().find(|line| line.starts_with("# sinks.stream: ")).expect("a line");
        assert!(line.contains(said), "{line}");
        assert!(took < Duration::from_secs(12), "{took:?}: {line}");
        assert!(!folder.path().join("data").exists(), "a check leaves no trace");
    }
    assert!(committed(&cluster, "answers").is_empty(), "a check alerts nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_insight_says_where_it_lies_or_why_it_does_not() {
    let cluster = shared();
    cluster.topic("tried", 1, &[]).await;
    let folder = TempDir::new().expect("a folder");
    let tried = |sink: &str, name: &str| {
        let mut command = product::command(["sinks", "test", name, "--config"]);
        command.arg(written(folder.path(), &format!("{sink}\n[sinks.console]\ntype = \"stdout\"\n")));
        run(command)
    };
    let finished = tried(&plain(&cluster, "tried"), "stream").expect(0);
    assert!(finished.stdout.contains("has it in tried, partition 0, offset 0"), "{}", finished.stdout);
    let messages = committed(&cluster, "tried");
    assert_eq!((messages.len(), header(&messages[0], "test")), (1, Some("true")));
    let record: Value = serde_json::from_str(messages[0].value.as_deref().expect("a value")).expect("json");
    assert_eq!(record["insightDetails"]["eventSource"], "test.trailsight.invalid");
    assert!(finished.stdout.contains(record["eventID"].as_str().expect("an id")));

    let failed = tried(&plain(&cluster, "nowhere"), "stream").expect(1);
    assert!(failed.stdout.contains("FAILED: the topic nowhere does not exist"), "{}", failed.stdout);
    let failed = tried(&secured(&cluster, "tried", STRANGER, PASSWORD), "stream").expect(1);
    assert!(failed.stdout.contains("ACL"), "{}", failed.stdout);
    let printed = tried(&plain(&cluster, "tried"), "console").expect(0);
    assert!(printed.stdout.contains("TestInsight") && printed.stdout.contains("standard output has it"));
    let unknown = tried(&plain(&cluster, "tried"), "steam").expect(2);
    assert!(unknown.stderr.contains("the nearest is stream"), "{}", unknown.stderr);
}

/// A burst of calls and three lines that nobody can read.
fn inbox(folder: &Path) -> PathBuf {
    let inbox = folder.join("inbox");
    std::fs::create_dir(&inbox).expect("the folder can be written");
    let mut made: Vec<Made> =
        (DAY_0..DAY_0 + 300).map(|minute| Made::write(minute, "sqs", "CreateQueue", "app", 1)).collect();
    made.extend(
        (0..240).map(|call| Made::write(DAY_0 + 100 + call / 80, "iam", "CreateUser", "mallory", 1000 + call as u64)),
    );
    let records: Vec<Value> = made.iter().map(Made::json).collect();
    let mut bytes = wrapped(Envelope::Lines, &records);
    bytes.extend_from_slice(b"\nGET / HTTP/1.1\n[1,2\n{\"eventVersion\":\"1.11\",\"eventTime\":\n");
    std::fs::write(inbox.join("a.json"), bytes).expect("written");
    inbox
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_made_when_asked_for_and_the_dead_letter_has_one_too() {
    let cluster = shared();
    let home = TempDir::new().expect("a folder");
    let create = "create_topic = { partitions = 5, replication = 1, retention = \"2d\" }";
    let more = format!(
        "[dead_letter.kafka]\nbrokers = {0}\ntopic = \"made-dead\"\ncreate_topic = {{}}\n\n\
         [sinks.stream]\ntype = \"kafka\"\n{1}{create}\n",
        cluster.brokers_toml(),
        plain(&cluster, "made")
    );
    let service = Service::run(&setup(home.path(), &inbox(home.path()), &home.path().join("data"), &more));
    let metric = |text: &str, name: &str| -> f64 {
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    service
        .until("/api/v1/status", "that all is delivered", |status| {
            status["records"]["dead_letter"].as_u64() > Some(0) && status["sinks"][0]["outbox_rows"] == 0
        })
        .await;
    service.until("/api/v1/insights?sensitivity=high", "an End", |page| page["insights"][0]["end"].is_object()).await;
    let text = service.get("/metrics").await.expect("metrics").1;
    let dead = metric(&text, "trailsight_dead_letters_total");
    service.stop();
    assert_eq!(cluster.ends("made", "read_uncommitted").len(), 5);
    assert!(committed(&cluster, "made").len() >= 2);
    let letters = committed(&cluster, "made-dead");
    assert_eq!(letters.len() as f64, dead, "each dead letter once");
    for letter in &letters {
        let line: Value = serde_json::from_str(letter.value.as_deref().expect("a value")).expect("json");
        assert_eq!((header(letter, "kind"), header(letter, "source")), (Some("record"), Some("inbox")));
        assert_eq!(header(letter, "reason"), line["reason"].as_str());
        assert!(line["path"].as_str().is_some_and(|path| path.ends_with("a.json")), "{line}");
        assert!(line["excerpt"].as_str().is_some_and(|excerpt| excerpt.len() < 4096), "{line}");
    }
}

/// The traffic of the demo, for others to read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulated_traffic_lies_in_a_topic_as_it_is_printed() {
    let cluster = shared();
    let simulate = |to: Option<String>| {
        let mut command = product::command(["simulate", "--seed", "3", "--history", "20m", "--length", "1s"]);
        command.args(to);
        run(command).expect(0)
    };
    let told = simulate(Some(format!("kafka://{}/simulated", cluster.bootstrap())));
    let messages = cluster.read("simulated", "read_committed");
    assert_eq!(told.summary("records of simulated traffic"), messages.len() as u64);
    assert_eq!(cluster.ends("simulated", "read_uncommitted").len(), 3, "partitions");
    let records = messages.into_iter().filter_map(|message| message.value);
    let replayed = product::replay(["--assume-history", "-"], records.collect::<Vec<_>>().join("\n").as_bytes());
    let read = replayed.summary("records counted");
    assert_eq!(read, told.summary("records of simulated traffic"), "{}", replayed.stderr);
    let printed = simulate(None);
    assert_eq!(printed.summary("records of simulated traffic"), printed.stdout.lines().count() as u64);
}

/// The broker is not there: detection goes on, everything says why, and once it is there all arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_broker_is_away_detection_goes_on_and_says_so() {
    let cluster = Cluster::start(1);
    cluster.topic("away", 1, &[]).await;
    cluster.stop(0);
    let home = TempDir::new().expect("a folder");
    let more = format!("[sinks.stream]\ntype = \"kafka\"\n{}", plain(&cluster, "away"));
    let service = Service::run(&setup(home.path(), &inbox(home.path()), &home.path().join("data"), &more));
    service
        .until("/api/v1/status", "why the sink takes nothing", |status| {
            let sink = &status["sinks"][0];
            sink["outbox_rows"].as_u64() >= Some(2)
                && sink["last_error"].as_str().is_some_and(|why| why.contains("cannot be reached"))
        })
        .await;
    let metrics = service.get("/metrics").await.expect("metrics").1;
    assert!(metrics.contains("trailsight_sink_down{sink=\"stream\"} 1"), "{metrics}");
    let ready = service.json("/readyz").await.expect("an answer");
    assert_eq!(ready["reasons"][0]["code"], "sink", "{ready}");
    cluster.launch(&[0]);
    service.until("/api/v1/status", "that all arrived", |status| status["sinks"][0]["outbox_rows"] == 0).await;
    service.until("/readyz", "that it is ready", |ready| ready["ready"] == true).await;
    assert!(committed(&cluster, "away").len() >= 2);
    service.stop();
}
