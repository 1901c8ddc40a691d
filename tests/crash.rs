//! The real binary on a real file system, killed at random instants.
//!
//! The input lies there as a whole before the first start, so the engine works through one backlog; a kill
//! lands anywhere between opening the data directory and the last delivery. What must be the same as without a
//! kill: the totals, and each incident's series, type, direction, final level, End counts, with overlapping times.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;
use trailsight::clock::instant;
use trailsight_tests::reference::minute_of;

use crate::records::{DAY_0, Envelope, Made, packed, wrapped};
use crate::scale::{Dice, report, seed, sized};
use crate::service::{Service, Setup, eventually, setup};

const KEY: &[u8] = b"an open secret of the crash test";

/// Failed attempts of one insight before the receiver takes it.
const REFUSALS: u32 = 4;

/// A receiver of webhooks. Half of the time it fails, sometimes after it has taken the insight in; one insight at most
/// [`REFUSALS`] times: the waits between attempts grow, and of a hundred insights one would be refused past any bound.
#[derive(Clone)]
struct Receiver(Arc<Mutex<Received>>);

struct Received {
    dice: Dice,
    fails: bool,
    refused: HashMap<String, u32>,
    bodies: HashMap<String, Bytes>,
    wrong: Vec<String>,
}

impl Receiver {
    async fn listen(seed: u64, fails: bool) -> (Receiver, String) {
        let received =
            Received { dice: Dice(seed), fails, refused: HashMap::new(), bodies: HashMap::new(), wrong: Vec::new() };
        let receiver = Receiver(Arc::new(Mutex::new(received)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let router = Router::new().route("/hook", post(Receiver::take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
        let mut received = receiver.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = received.failure(&headers);
        if failure != Some(StatusCode::SERVICE_UNAVAILABLE) {
            received.keep(&headers, body);
        }
        failure.unwrap_or(StatusCode::NO_CONTENT)
    }
}

impl Received {
    /// How this attempt fails, if it does: before the insight is taken in, or after it.
    fn failure(&mut self, headers: &HeaderMap) -> Option<StatusCode> {
        let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let refused = self.refused.entry(id.to_owned()).or_default();
        if !self.fails || *refused == REFUSALS {
            return None;
        }
        let failure = match self.dice.below(4) {
            1 => StatusCode::SERVICE_UNAVAILABLE,
            2 => StatusCode::INTERNAL_SERVER_ERROR,
            _ => return None,
        };
        *refused += 1;
        Some(failure)
    }

    fn keep(&mut self, headers: &HeaderMap, body: Bytes) {
        let header =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("a key of any length");
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(&body);
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        if header("webhook-signature") != signature {
            self.wrong.push(format!("{id} is not signed with our key"));
        }
        match self.bodies.get(&id) {
            Some(before) if *before != body => self.wrong.push(format!("{id} came with two different bodies")),
            _ => drop(self.bodies.insert(id, body)),
        }
    }
}

/// Days of ordinary work with a burst every few hours, some records twice, some unreadable, some passed over.
pub(crate) struct Input {
    pub(crate) counted: u64,
    pub(crate) duplicate: u64,
    pub(crate) not_analysed: u64,
    pub(crate) dead_letter: u64,
}

pub(crate) fn write_input(inbox: &Path) -> Input {
    let hours = sized(24, 96, 240);
    let mut dice = Dice(0xC0FFEE);
    let mut input = Input { counted: 0, duplicate: 0, not_analysed: 0, dead_letter: 0 };
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for hour in 0..hours {
        let mut made = Vec::new();
        for minute in DAY_0 + hour * 60..DAY_0 + (hour + 1) * 60 {
            for number in 0..5 + dice.below(5) {
                made.push(Made::write(minute, "ec2", "CreateTags", &format!("u{}", number % 4), number));
            }
            made.push(Made::write(minute, "sqs", "CreateQueue", "app", 1));
        }
        // The last hours are quiet, so that every incident has ended.
        if hour % 5 == 2 && hour + 6 < hours {
            let at = DAY_0 + hour * 60 + 7 + dice.below(20) as i64;
            let name = ["CreateAccessKey", "DeleteUser", "CreateTags"][(hour / 5 % 3) as usize];
            let source = if name == "CreateTags" { "ec2" } else { "iam" };
            made.extend(
                (0..240).map(|number| Made::write(at + number as i64 / 80, source, name, "mallory", 1000 + number)),
            );
        }
        let again: Vec<Made> = made.iter().step_by(11).cloned().collect();
        input.counted += made.len() as u64;
        input.duplicate += again.len() as u64;
        made.extend(again);
        dice.shuffle(&mut made);
        let mut records: Vec<Value> = made.iter().map(Made::json).collect();
        let mut insight = records[0].clone();
        insight["eventType"] = "AwsCloudTrailInsight".into();
        insight["eventCategory"] = "Insight".into();
        insight["eventID"] = format!("insight-{hour}").into();
        let mut timeless = records[1].clone();
        timeless["eventTime"] = "yesterday".into();
        records.extend([insight, timeless]);
        input.not_analysed += 1;
        input.dead_letter += 1;
        for (index, records) in records.chunks(records.len() / 3 + 1).enumerate() {
            let (ending, bytes) = packed(dice.next(), &wrapped(Envelope::Delivered, records));
            let path = inbox.join(format!("{hour:04}-{index}.{ending}"));
            std::fs::write(&path, bytes).expect("the folder can be written");
            let file = std::fs::File::options().write(true).open(&path).expect("just written");
            file.set_modified(old).expect("times can be set");
        }
    }
    input
}

fn configured(folder: &Path, inbox: &Path, url: &str) -> Setup {
    let key = STANDARD.encode(KEY);
    let sink = format!(
        "[sinks.hook]\ntype = \"webhook\"\nurl = \"{url}\"\nformat = \"insight\"\nsecrets = [\"whsec_{key}\"]\n"
    );
    // Small loads: many journal entries, and so many instants that differ.
    setup(folder, inbox, &folder.join("data"), &format!("[limits]\nload_records = 1000\n\n{sink}"))
}

/// Waits until everything is counted and everything is delivered, and checks the totals.
pub(crate) async fn finished(service: &Service, input: &Input) {
    let done = |status: &Value| {
        let undelivered: u64 =
            status["sinks"].as_array().into_iter().flatten().filter_map(|sink| sink["outbox_rows"].as_u64()).sum();
        let caught_up =
            status["sources"].as_array().is_some_and(|all| all.iter().all(|source| source["caught_up"] == true));
        caught_up && undelivered == 0 && status["records"]["counted"].as_u64() >= Some(input.counted)
    };
    let status = service.until("/api/v1/status", "that all is counted and delivered", done).await;
    let total = |name: &str| status["records"][name].as_u64().unwrap_or(0);
    let totals = [total("counted"), total("duplicate"), total("not_analysed"), total("dead_letter")];
    let expected = [input.counted, input.duplicate, input.not_analysed, input.dead_letter];
    assert_eq!(totals, expected, "counted, duplicate, not_analysed, dead_letter");
}

/// What two runs must agree in, with the times beside it.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    series: String,
    kind: String,
    direction: String,
    pub(crate) level: String,
    calls: i64,
    from: i64,
    to: i64,
}

fn told(incident: &Value) -> Told {
    let (start, end) = (&incident["start"], &incident["end"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let statistics = &end["insightDetails"]["insightContext"]["statistics"];
    let average = statistics["insight"]["average"].as_f64().unwrap_or(0.0);
    let minute = |record: &Value| record["eventTime"].as_str().and_then(minute_of).unwrap_or(0);
    Told {
        series: text(&start["trailsight"]["series"]),
        kind: text(&start["insightDetails"]["insightType"]),
        direction: text(&start["trailsight"]["direction"]),
        level: text(&start["trailsight"]["sensitivity"]),
        calls: (average * statistics["insightDuration"].as_f64().unwrap_or(0.0)).round() as i64,
        from: minute(start),
        to: minute(end),
    }
}

pub(crate) fn same(a: &Told, b: &Told) -> bool {
    (&a.series, &a.kind, &a.direction, &a.level, a.calls) == (&b.series, &b.kind, &b.direction, &b.level, b.calls)
        && a.from < b.to
        && b.from < a.to
}

pub(crate) async fn all_told(service: &Service) -> Vec<Told> {
    let incidents = eventually(async || {
        let incidents = service.incidents().await;
        incidents.iter().all(|incident| incident["end"].is_object()).then_some(incidents)
    });
    let mut told: Vec<Told> = incidents.await.expect("every incident ends").iter().map(told).collect();
    told.sort_by(|a, b| (&a.series, a.from).cmp(&(&b.series, b.from)));
    told
}

/// Ids of what a listener at high is told: the first Start and the End of every incident in the history.
pub(crate) async fn heard(service: &Service) -> Vec<String> {
    let mut ids = Vec::new();
    for incident in &service.incidents().await {
        let one =
            service.json(&format!("/api/v1/insights/{}", incident["sharedEventID"].as_str().unwrap_or_default())).await;
        let records = one.unwrap_or_default()["records"].as_array().cloned().unwrap_or_default();
        let heard = records
            .iter()
            .filter(|record| record["insightDetails"]["state"] == "End" || record["trailsight"]["revision"] == 0);
        ids.extend(heard.filter_map(|record| record["eventID"].as_str().map(str::to_owned)));
    }
    ids
}

/// The first Start and the End of every incident reached the receiver, and nothing else did: a listener at high hears
/// of an incident once, however its level rises. What reached it holds every relation.
async fn delivered(service: &Service, receiver: &Receiver) {
    let ids = heard(service).await;
    let missing = eventually(async || {
        let received = receiver.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().all(|id| received.bodies.contains_key(id)).then_some(())
    });
    assert!(missing.await.is_some() && !ids.is_empty(), "some of {} records never reached the receiver", ids.len());
    let received = receiver.0.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(received.wrong.is_empty(), "{:#?}", received.wrong);
    let mut by_time: BTreeMap<(String, u64, String), String> = BTreeMap::new();
    for (id, body) in &received.bodies {
        assert!(ids.contains(id), "{id} reached the receiver and is not in the history");
        let text = String::from_utf8(body.to_vec()).expect("JSON is text");
        let value: Value = serde_json::from_str(&text).expect("a webhook carries JSON");
        let state = value["insightDetails"]["state"].to_string();
        let order = if state.contains("Start") { 0 } else { 1 + u64::MAX / 2 };
        let revision = value["trailsight"]["revision"].as_u64().unwrap_or(0) + order;
        by_time.insert((value["sharedEventID"].to_string(), revision, id.clone()), text);
    }
    let lines: Vec<String> = by_time.into_values().collect();
    crate::relations::check(&lines.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_instant_it_tells_the_same() {
    let folder = TempDir::new().expect("a folder");
    let inbox = folder.path().join("inbox");
    std::fs::create_dir(&inbox).expect("the folder can be written");
    let input = write_input(&inbox);

    let (undisturbed, url) = Receiver::listen(0, false).await;
    let home = TempDir::new().expect("a folder");
    let began = instant();
    let service = Service::run(&configured(home.path(), &inbox, &url));
    finished(&service, &input).await;
    let takes = began.elapsed();
    let expected = all_told(&service).await;
    delivered(&service, &undisturbed).await;
    service.stop();
    assert!(expected.len() >= 3, "too few incidents to compare: {expected:#?}");

    let seed = seed("kills at random instants");
    let mut dice = Dice(seed);
    let kills = sized(2, 20, 200);
    let mut killed = 0;
    while killed < kills {
        killed += one_life(&inbox, &input, &expected, takes, kills - killed, &mut dice).await;
    }
    report(&format!(
        "{killed} kills within {:.1} s of work, seed {seed}: totals and {} incidents as without",
        takes.as_secs_f64(),
        expected.len()
    ));
}

/// One data directory, killed up to five times and then left in peace. Returns the number of kills.
async fn one_life(inbox: &Path, input: &Input, expected: &[Told], takes: Duration, most: u32, dice: &mut Dice) -> u32 {
    let (receiver, url) = Receiver::listen(dice.next(), true).await;
    let home = TempDir::new().expect("a folder");
    let setup = configured(home.path(), inbox, &url);
    let mut kills = 0;
    for _ in 0..most.min(5) {
        let mut service = Service::begin(&setup);
        let lives = Duration::from_micros(dice.below(takes.as_micros() as u64 * 5 / 4));
        let ended = service.ended_within(lives);
        assert_eq!(ended, None, "it ended by itself:\n{}", service.log());
        service.kill();
        assert!(!service.log().contains("panicked at"), "{}", service.log());
        kills += 1;
    }
    let service = Service::run(&setup);
    finished(&service, input).await;
    let came = all_told(&service).await;
    let differ =
        came.len() != expected.len() || came.iter().zip(expected).any(|(came, expected)| !same(came, expected));
    assert!(!differ, "after {kills} kills:\n{came:#?}\nwithout:\n{expected:#?}");
    delivered(&service, &receiver).await;
    service.stop();
    kills
}
