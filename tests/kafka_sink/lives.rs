//! The engine as a process that dies, is taken over, and wakes up again.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;
use trailsight::clock::{Clock, instant};

use super::reading::{committed, ids, in_order};
use crate::brokers::{Cluster, shared};
use crate::crash::{Input, Told, all_told, finished, heard, same};
use crate::records::{DAY_0, Envelope, Made, wrapped};
use crate::scale::{Dice, report, seed, sized};
use crate::service::{LIMIT, Service, Setup, eventually, setup};

/// One insight a transaction: as many instants as there are insights at which a kill can hit one.
fn configured(folder: &Path, data: &Path, inbox: &Path, cluster: &Cluster, topic: &str) -> Setup {
    let sink = format!(
        "[limits]\nload_records = 1000\n\n[sinks.stream]\ntype = \"kafka\"\nbrokers = {}\ntopic = \"{topic}\"\nbatch = 1\n",
        cluster.brokers_toml()
    );
    setup(folder, inbox, data, &sink)
}

/// What a reader of the topic has is what the engine's history says that it was told.
async fn holds_what_was_told(service: &Service, cluster: &Cluster, topic: &str) -> usize {
    let expected: BTreeSet<String> = heard(service).await.into_iter().collect();
    let all = eventually(async || Some(committed(cluster, topic)).filter(|all| all.len() >= expected.len()));
    let messages = all.await.unwrap_or_else(|| panic!("insights are missing in {topic}:\n{}", service.log()));
    let found = ids(&messages);
    assert_eq!(found, expected, "what is in the topic and what was told");
    in_order(&messages);
    found.len()
}

/// Bursts of APIs that nobody had called, a few minutes apart, over quiet work: two insights each, one transaction
/// after the other, so that a kill hits one of them more often than anything else.
fn many_bursts(inbox: &Path) -> Input {
    let bursts: i64 = sized(20, 100, 200);
    let mut made = Vec::new();
    for burst in 0..bursts {
        let from = DAY_0 + burst * 9;
        made.extend((from..from + 9).map(|minute| Made::write(minute, "sqs", "CreateQueue", "app", 1)));
        let name = format!("Put{burst}");
        made.extend((0..180).map(|call| Made::write(from + call / 60, "iam", &name, "mallory", 1000 + call as u64)));
    }
    let quiet = DAY_0 + bursts * 9;
    made.extend((quiet..quiet + 240).map(|minute| Made::write(minute, "sqs", "CreateQueue", "app", 1)));
    for (part, made) in made.chunks(2000).enumerate() {
        let records: Vec<Value> = made.iter().map(Made::json).collect();
        let path = inbox.join(format!("{part}.json"));
        std::fs::write(&path, wrapped(Envelope::Delivered, &records)).expect("written");
        // Older than `settle`: all are read as one set.
        let file = std::fs::File::options().write(true).open(&path).expect("just written");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).expect("times can be set");
    }
    Input { counted: made.len() as u64, duplicate: 0, not_analysed: 0, dead_letter: 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_producing_it_tells_everything_once() {
    let cluster = shared();
    let folder = TempDir::new().expect("a folder");
    let inbox = folder.path().join("inbox");
    std::fs::create_dir(&inbox).expect("the folder can be written");
    let input = many_bursts(&inbox);

    cluster.topic("undisturbed", 3, &[]).await;
    let home = TempDir::new().expect("a folder");
    let began = instant();
    let service = Service::run(&configured(home.path(), &home.path().join("data"), &inbox, &cluster, "undisturbed"));
    finished(&service, &input).await;
    let takes = began.elapsed();
    let expected = all_told(&service).await;
    let told = holds_what_was_told(&service, &cluster, "undisturbed").await;
    service.stop();

    let seed = seed("kills while producing");
    let mut dice = Dice(seed);
    let kills = sized(2, 10, 100);
    let (mut killed, mut life, mut cut_off) = (0, 0, 0);
    while killed < kills {
        life += 1;
        let topic = format!("killed-{life}");
        cluster.topic(&topic, 3, &[]).await;
        killed += one_life(&cluster, &topic, (&inbox, &input), &expected, takes, kills - killed, &mut dice).await;
        // What a reader of everything sees and one of what was committed does not.
        cut_off += cluster.read(&topic, "read_uncommitted").len().saturating_sub(told);
    }
    report(&format!(
        "{killed} kills while producing to Kafka, seed {seed}: {told} insights each there once, none missing; \
         {cut_off} lay in transactions that a kill cut off"
    ));
}

/// One data directory and one topic, killed up to five times and then left in peace. Returns the number of kills.
async fn one_life(
    cluster: &Cluster,
    topic: &str,
    (inbox, input): (&Path, &Input),
    expected: &[Told],
    takes: Duration,
    most: u32,
    dice: &mut Dice,
) -> u32 {
    let home = TempDir::new().expect("a folder");
    let setup = configured(home.path(), &home.path().join("data"), inbox, cluster, topic);
    let kills = most.min(5);
    for _ in 0..kills {
        let mut service = Service::begin(&setup);
        let lives = Duration::from_micros(dice.below(takes.as_micros() as u64 * 5 / 4));
        let ended = service.ended_within(lives);
        assert_eq!(ended, None, "it ended by itself:\n{}", service.log());
        service.kill();
        assert!(!service.log().contains("panicked at"), "{}", service.log());
    }
    let service = Service::run(&setup);
    finished(&service, input).await;
    let came = all_told(&service).await;
    let differ =
        came.len() != expected.len() || came.iter().zip(expected).any(|(came, expected)| !same(came, expected));
    assert!(!differ, "after {kills} kills:\n{came:#?}\nwithout:\n{expected:#?}");
    holds_what_was_told(&service, cluster, topic).await;
    service.stop();
    kills
}

/// The old process is stopped, a new one on a copy of its data directory goes on, the old one wakes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_is_shut_out_and_says_so() {
    let cluster = shared();
    cluster.topic("zombie", 3, &[]).await;
    let home = TempDir::new().expect("a folder");
    let inbox = home.path().join("inbox");
    std::fs::create_dir(&inbox).expect("the folder can be written");
    burst(&inbox, API[0]);
    let (old_data, new_data) = (home.path().join("old"), home.path().join("new"));
    let mut old = Service::run(&configured(home.path(), &old_data, &inbox, &cluster, "zombie"));
    delivered(&old, API[0]).await;
    old.signal("STOP");
    copy(&old_data, &new_data);
    // What both will find unusual, the old one once it wakes.
    burst(&inbox, API[1]);
    let new_home = home.path().join("elsewhere");
    std::fs::create_dir(&new_home).expect("the folder can be written");
    let new = Service::run(&configured(&new_home, &new_data, &inbox, &cluster, "zombie"));
    delivered(&new, API[1]).await;
    let told = holds_what_was_told(&new, &cluster, "zombie").await;

    old.signal("CONT");
    let status = old.ended_within(LIMIT);
    assert_eq!(status, Some(Some(1)), "the zombie goes on:\n{}", old.log());
    assert!(old.log().contains("has taken over; this one must not go on"), "{}", old.log());
    assert_eq!(holds_what_was_told(&new, &cluster, "zombie").await, told, "the zombie told nothing");
    new.stop();

    // Brought back by whoever restarts it, it finds that others have gone on, and lets them.
    let again = Service::run(&configured(home.path(), &old_data, &inbox, &cluster, "zombie"));
    burst(&inbox, API[2]);
    let said = again.until("/api/v1/status", "why it sends nothing, or that all is there already", |status| {
        let sink = &status["sinks"][0];
        sink["last_error"].as_str().is_some_and(|why| why.contains("transactional_id")) || sink["outbox_rows"] == 0
    });
    said.await;
    again.stop();
    ids(&committed(&cluster, "zombie"));
}

/// APIs that nobody had called before, one for each burst.
const API: [&str; 3] = ["CreateAccessKey", "DeleteUser", "PutRolePolicy"];

/// Waits until an incident of this API has begun and everything is delivered.
async fn delivered(service: &Service, api: &str) {
    let told = |page: &Value| {
        let mut all = page["insights"].as_array().into_iter().flatten();
        all.any(|incident| incident["start"]["insightDetails"]["eventName"] == api)
    };
    service.until("/api/v1/insights?sensitivity=high&limit=100", api, told).await;
    let all = |status: &Value| status["sinks"][0]["outbox_rows"] == 0 && status["sinks"][0]["last_error"].is_null();
    service.until("/api/v1/status", "that all is delivered", all).await;
}

/// 240 calls of an API within the minute that it is.
fn burst(inbox: &Path, api: &str) {
    let minute = Clock::System.now() / 60_000;
    let made = (0..240).map(|call| Made::write(minute, "iam", api, "mallory", 1000 + call).json());
    let records: Vec<Value> = made.collect();
    // Whole or not at all.
    let (partial, whole) = (inbox.join(format!(".{api}")), inbox.join(format!("{api}.json")));
    std::fs::write(&partial, wrapped(Envelope::Delivered, &records)).expect("written");
    std::fs::rename(partial, whole).expect("renamed");
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp is there");
    assert!(done.success());
}
