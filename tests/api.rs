//! What `run` and `demo` say over HTTP.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use trailsight::clock::instant;

use crate::product;
use crate::records::{DAY_0, Envelope, Made, wrapped};
use crate::scale::{report, repository};
use crate::service::{Service, Setup, setup};

/// A day of a pipeline and a burst in it: 1,440 + 200 records, ten of them twice.
fn traffic() -> Vec<Value> {
    let mut made: Vec<Made> =
        (0..1440).map(|minute| Made::write(DAY_0 + minute, "ec2", "CreateTags", "ci", 1)).collect();
    made.extend((0..200).map(|number| Made::write(DAY_0 + 700, "iam", "CreateAccessKey", "mallory", number)));
    made.extend(made.clone().into_iter().take(10));
    made.iter().map(Made::json).collect()
}

fn started(folder: &TempDir) -> (Service, Setup) {
    let inbox = folder.path().join("inbox");
    std::fs::create_dir(&inbox).expect("the folder can be written");
    let records = traffic();
    for (index, records) in records.chunks(500).enumerate() {
        std::fs::write(inbox.join(format!("{index}.json")), wrapped(Envelope::Delivered, records)).expect("written");
    }
    let setup = setup(folder.path(), &inbox, &folder.path().join("data"), "[sinks.console]\ntype = \"stdout\"\n");
    (Service::run(&setup), setup)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_answers_what_the_interface_promises() {
    let folder = TempDir::new().expect("a folder");
    let (service, setup) = started(&folder);
    let status = service.until("/api/v1/status", "1640 counted", |status| status["records"]["counted"] == 1640).await;
    assert_eq!(status["records"]["duplicate"], 10, "{status:#}");
    assert_eq!(status["records"]["not_analysed"], 0);
    assert_eq!(status["records"]["dead_letter"], 0);
    for key in ["sources", "journal", "watermark", "series", "memory", "sinks", "learning"] {
        assert!(status.get(key).is_some(), "status has no {key}: {status:#}");
    }
    assert_eq!(service.get("/healthz").await.map(|(code, _)| code), Some(200));
    service.until("/readyz", "ready", |_| true).await;
    assert_eq!(service.get("/readyz").await.map(|(code, _)| code), Some(200));
    let ended =
        |page: &Value| page["insights"].as_array().is_some_and(|list| list.iter().any(|each| each["end"].is_object()));
    let page =
        service.until("/api/v1/insights?name=CreateAccessKey&sensitivity=high", "an ended incident", ended).await;
    let incident = &page["insights"][0];
    let lines = format!("{}\n{}\n", incident["start"], incident["end"]);
    assert!(page["next"].is_null());
    // The relations between records; a page has no order of keys once it was parsed.
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(crate::relations::of_one(&record), Vec::<String>::new());
    }
    let id = incident["start"]["sharedEventID"].as_str().expect("an id");
    let one = service.json(&format!("/api/v1/insights/{id}")).await.expect("one incident");
    assert!(one.to_string().contains(id), "{one:#}");
    history_is_readable_beside(&setup, id);
    series(&service).await;
    problems(&service).await;
    metrics(&service).await;
    let log = service.stop();
    let printed: String =
        log.lines().filter(|line| line.starts_with("{\"eventVersion\"")).map(|line| format!("{line}\n")).collect();
    assert!(crate::relations::check(&printed).iter().any(|insight| insight["sharedEventID"] == id), "{log}");
}

/// What is watched, and a day of it by the minute, by five and by the hour. Who asks too often is told that the engine
/// is busy, and asks again.
async fn series(service: &Service) {
    let listed = |page: &Value| page["series"].is_array();
    let page = service.until("/api/v1/series?sort=name", "a list", listed).await;
    let list = page["series"].as_array().expect("a list");
    let names: Vec<&str> = list.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["CreateTags", "CreateAccessKey"], "ec2 stands before iam: {page:#}");
    assert!(page["next"].is_null());
    let found = service.until("/api/v1/series?search=cessKEY&recent=300", "a list", listed).await;
    let [found] = found["series"].as_array().expect("a list").as_slice() else { panic!("{found:#}") };
    assert_eq!(found["name"], "CreateAccessKey");
    assert_eq!(found["recent"].as_array().map(Vec::len), Some(48));
    let first = service.until("/api/v1/series?limit=1", "a list", listed).await;
    let next = first["next"].as_str().expect("there is more");
    let second = service.until(&format!("/api/v1/series?limit=1&cursor={next}"), "a list", listed).await;
    assert_eq!([&first["series"][0]["id"], &second["series"][0]["id"]], [&list[0]["id"], &list[1]["id"]]);
    let tags = list[0]["id"].as_str().expect("an id");
    let day = "since=2024-03-04T00:00:00Z&until=2024-03-05T00:00:00Z";
    for (period, points) in [(60, 1440), (300, 288), (3600, 24)] {
        let path = format!("/api/v1/series/{tags}/minutes?{day}&period={period}");
        let answer = service.until(&path, "minutes", |answer| answer["minutes"].is_array()).await;
        let minutes = answer["minutes"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
        let calls: u64 = minutes.iter().filter_map(|point| point["observed"].as_u64()).sum();
        assert_eq!((minutes.len(), calls), (points, 1440), "{period}");
        assert_eq!(minutes[0]["minute"], "2024-03-04T00:00:00Z");
        assert_eq!(minutes[0]["thresholds"].is_object(), period == 60, "{:#}", minutes[0]);
    }
    let long = format!("/api/v1/series/{tags}/minutes?since=2024-01-01T00:00:00Z&until=2024-03-05T00:00:00Z");
    service.until(&long, "that this is too long", |problem| problem["status"] == 400).await;
    service.until("/api/v1/series/eHh4/minutes", "that there is none", |problem| problem["status"] == 404).await;
}

fn history_is_readable_beside(setup: &Setup, id: &str) {
    let mut command =
        product::command(["insights", "list", "--sensitivity", "high", "--output-format", "ndjson", "--config"]);
    command.arg(&setup.file);
    assert!(product::run(command).expect(0).stdout.contains(id));
    let mut command = product::command(["insights", "show", id, "--config"]);
    command.arg(&setup.file);
    assert!(product::run(command).expect(0).stdout.contains("CreateAccessKey"));
}

async fn problems(service: &Service) {
    for (path, code) in [
        ("/api/v1/insights?since=yesterday", 400),
        ("/api/v1/insights?limit=0", 400),
        ("/api/v1/insights?colour=red", 400),
        ("/api/v1/insights?cursor=%00%ff", 400),
        ("/api/v1/insights/0a7d5f2e-9c2b-4f8e-8a77-0f4f3f8f2a11", 404),
        ("/api/v1/insights/x", 400),
        ("/no/such/page", 404),
    ] {
        let answer = reqwest::get(format!("{}{path}", service.url)).await.expect("an answer");
        // An id that is none may be called wrong or not found.
        let came = answer.status().as_u16();
        assert!(came == code || (path.ends_with("/x") && came == 404), "{path}: {came}");
        let kind = answer.headers().get("content-type").map(|value| value.to_str().unwrap_or_default().to_owned());
        assert!(kind.as_deref().is_some_and(|kind| kind.starts_with("application/problem+json")), "{path}: {kind:?}");
        let problem: Value = answer.json().await.expect("a problem document");
        assert_eq!(problem["status"], came, "{path}");
    }
}

async fn metrics(service: &Service) {
    let (code, text) = service.get("/metrics").await.expect("metrics");
    assert_eq!(code, 200);
    let documented = std::fs::read_to_string(repository().join("docs/metrics.md")).expect("docs/metrics.md is there");
    let names: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(names.contains("trailsight_records_total"), "{text}");
    for name in names {
        let short = name.strip_prefix("trailsight_").unwrap_or_else(|| panic!("{name} has not our prefix"));
        assert!(
            documented.contains(&format!("`{short}`")) || documented.contains(&format!("`{name}`")),
            "{name} is not in docs/metrics.md"
        );
    }
    let counted: f64 = text
        .lines()
        .filter(|line| line.starts_with("trailsight_records_total{") && line.contains("outcome=\"counted\""))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert!((counted - 1640.0).abs() < 0.5, "{counted} counted");
    let mut lint = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed by tests/run");
    lint.stdin.take().expect("piped").write_all(text.as_bytes()).expect("promtool reads");
    let said = lint.wait_with_output().expect("promtool ends");
    assert!(
        said.status.success(),
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demo_finds_something_within_half_a_minute() {
    let folder = TempDir::new().expect("a folder");
    let mut command = product::command(["demo", "--listen", "127.0.0.1:0"]);
    command.current_dir(&folder).env("TMPDIR", folder.path());
    let began = instant();
    let mut service = Service::spawn(command);
    service.listening();
    let some = |page: &Value| page["insights"].as_array().is_some_and(|list| !list.is_empty());
    service.until("/api/v1/insights?sensitivity=high", "a first insight", some).await;
    let took = began.elapsed();
    report(&format!("demo: first insight after {:.1} s", took.as_secs_f64()));
    assert!(took.as_secs() < 30, "{took:?}\n{}", service.log());
    let said = service.log().to_lowercase();
    assert!(said.contains("seed"), "the seed is not shown:\n{said}");
    service.stop();
}
