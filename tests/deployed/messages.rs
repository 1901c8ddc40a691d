//! Bodies for chat and pagers on what their makers publish, and a real Alertmanager that is told of an insight.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use trailsight::clock::Clock;
use trailsight::deliver::message::{Format, Message, Names};
use trailsight::deliver::sample;
use trailsight_schemas::insight::{Direction, EndReason, InsightEvent, InsightType, Principal, State};

use super::alerting::Messages;
use super::tools::{deploy, read, run, tool};
use crate::records::{DAY_0, Envelope, Made, wrapped};
use crate::scale::repository;
use crate::service::{Service, setup};

/// The receivers whose schema is published: the format, the schema, and the part of the body that it is for.
fn receivers() -> [(Format, &'static str, &'static str); 4] {
    [
        (Format::Slack, "slack-message.json", ""),
        (Format::Teams, "adaptive-card.json", "/attachments/0/content"),
        (Format::Discord, "discord-message.json", ""),
        (Format::PagerDuty { routing_key: "0123456789abcdef0123456789abcdef".into() }, "pagerduty-event.json", ""),
    ]
}

/// Insights of every kind, their Ends, and some with `text` wherever a caller of AWS can put it.
fn insights(texts: &[String]) -> Vec<InsightEvent> {
    let mut all = Vec::new();
    for insight_type in InsightType::ALL {
        for (state, direction) in
            [(State::Start, Direction::Above), (State::Start, Direction::Below), (State::End, Direction::Above)]
        {
            let mut event = sample::event(DAY_0 * 60_000);
            (event.details.insight_type, event.details.state) = (*insight_type, state);
            let own = event.trailsight.as_mut().expect("ours");
            own.direction = direction;
            own.end_reason = (state == State::End).then_some(EndReason::Returned);
            own.url = Some("https://trailsight.example/insights/1".into());
            all.push(event);
        }
    }
    for text in texts {
        let mut event = all[0].clone();
        (event.details.event_source, event.details.event_name) = (text.clone(), text.clone());
        let own = event.trailsight.as_mut().expect("ours");
        own.principals = vec![Principal { value: text.clone(), average: 9.0, baseline: 0.0, new: true }; 5];
        own.members = vec![text.clone(); 100];
        all.push(event);
    }
    all
}

fn written(folder: &Path, name: &str, value: &Value) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, value.to_string()).expect("the folder can be written");
    file
}

#[test]
fn bodies_are_of_the_published_schemas_whatever_a_name_holds() {
    let Some(check) = tool("check-jsonschema") else { return };
    let attacks = read(&repository().join("engine/src/deliver/message/attacks.txt"));
    let mut texts: Vec<String> = attacks.lines().map(str::to_owned).collect();
    texts.push("\u{1f4a5}".repeat(2048));
    for (format, schema, part) in receivers() {
        let folder = TempDir::new().expect("a folder");
        let schema = deploy("schemas").join(schema);
        let judge = |files: &[PathBuf]| {
            let arguments = ["--schemafile".into(), schema.clone()].into_iter().chain(files.iter().cloned());
            run(&check, arguments)
        };
        let bodies = insights(&texts).into_iter().map(|event| -> Value {
            let (body, _) = format.body(&Message::of(&event, &Names::default())).expect("a body");
            serde_json::from_slice::<Value>(&body).expect("JSON").pointer(part).expect("its part").clone()
        });
        let bodies: Vec<Value> = bodies.collect();
        let file = |(at, body): (usize, &Value)| written(folder.path(), &format!("{at}.json"), body);
        let said = judge(&bodies.iter().enumerate().map(file).collect::<Vec<_>>());
        let wrong: String = said.stdout.chars().take(3000).collect();
        assert_eq!(said.status, Some(0), "{format:?}: {wrong}{}", said.stderr);
        // The schema tells a good body from one that would be refused.
        let spoiled = spoiled(&format, &bodies[0]);
        let said = judge(&[written(folder.path(), "spoiled.json", &spoiled)]);
        assert_eq!(said.status, Some(1), "{format:?}: {spoiled:#}");
    }
}

/// A body with a mistake that each receiver would refuse.
fn spoiled(format: &Format, body: &Value) -> Value {
    let mut body = body.clone();
    match format {
        Format::Slack => body["blocks"][0]["elements"][0]["elements"][0]["type"] = json!("txt"),
        Format::Teams => body["body"][0]["inlines"][0]["weight"] = json!("Fat"),
        Format::Discord => body["embeds"][0]["color"] = json!("red"),
        _ => body["payload"]["severity"] = json!("high"),
    }
    body
}

/// One group of alerts an account, told at once, firing and resolved.
fn alertmanager(program: &Path, folder: &Path, receiver: &str) -> Service {
    let config = format!(
        "route: {{ receiver: hook, group_by: [account], group_wait: 1s, group_interval: 1s }}\n\
         receivers: [{{ name: hook, webhook_configs: [{{ url: \"{receiver}/insights\", send_resolved: true }}] }}]\n"
    );
    std::fs::write(folder.join("am.yml"), config).expect("the folder can be written");
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", folder.join("am.yml").display()));
    command.arg(format!("--storage.path={}", folder.join("am").display()));
    command.args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
    let mut service = Service::spawn(command);
    service.listening_where("Listening on");
    service
}

/// Records of `minutes`: one call a minute, and `burst` of each of these APIs in the first.
fn traffic(minutes: Range<i64>, burst: u64) -> Vec<Value> {
    let from = minutes.start;
    let usual = minutes.map(|minute| Made::write(minute, "ec2", "CreateTags", "app", minute as u64));
    let bursts = ["CreateUser", "CreateAccessKey", "AttachUserPolicy"]
        .into_iter()
        .flat_map(move |name| (0..burst).map(move |number| Made::write(from, "iam", name, "mallory", number)));
    usual.chain(bursts).map(|made| made.json()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alertmanager_receives_groups_and_resolves() {
    let Some(program) = tool("prometheus-alertmanager") else { return };
    let folder = TempDir::new().expect("a folder");
    let inbox = folder.path().join("inbox");
    std::fs::create_dir(&inbox).expect("the folder can be written");
    let messages = Messages::default();
    let manager = alertmanager(&program, folder.path(), &messages.listen().await);
    let file = |name: &str, records: &[Value]| {
        std::fs::write(inbox.join(name), wrapped(Envelope::Delivered, records)).expect("written");
    };
    // An alert that is older than it may be open is over for Alertmanager before it comes.
    let began = Clock::System.now() / 60_000 - 360;
    file("began.json", &traffic(began..began + 2, 40));
    let sink = format!(
        "[sinks.am]\ntype = \"webhook\"\nurl = \"{}\"\nformat = \"alertmanager\"\n\n[[routes]]\nsinks = [\"am\"]\n\
         sensitivity = \"high\"\n",
        manager.url
    );
    let service = Service::run(&setup(folder.path(), &inbox, &folder.path().join("data"), &sink));
    let firing = messages.until("insights", &["firing", "iam.amazonaws.com"]).await;
    let told = firing["alerts"].as_array().expect("alerts");
    assert_eq!(firing["groupLabels"], json!({ "account": "111122223333" }));
    assert!(told.iter().all(|alert| alert["status"] == "firing"), "{firing:#}");
    let summary = told[0]["annotations"]["summary"].as_str().expect("a summary");
    assert!(summary.starts_with("iam:") && summary.contains("by user/mallory in 111122223333 eu-west-1"), "{summary}");

    // Two hours later it is over.
    file("over.json", &traffic(began + 120..began + 300, 0));
    let resolved = messages.until("insights", &["\"status\":\"resolved\""]).await;
    let over = resolved["alerts"].as_array().expect("alerts").iter().find(|alert| alert["status"] == "resolved");
    let over = over.expect("one is over");
    let began = told.iter().find(|alert| alert["fingerprint"] == over["fingerprint"]);
    assert_eq!(began.map(|alert| &alert["labels"]), Some(&over["labels"]), "one that fired: {resolved:#}");
    assert!(over["annotations"]["summary"].as_str().is_some_and(|said| said.starts_with("Over after ")), "{over:#}");
    service.stop();
    manager.stop();
}
