//! Arguments in, standard output and exit status out.

use clap::{CommandFactory, Parser};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::args::*;
use super::*;
use crate::http::{Delivery, Filter, IncidentView, Insight, InsightReader, Page, QueryError};

const START: &str = r#"{"eventTime":"2026-01-31T10:00:00Z","awsRegion":"eu-west-1","recipientAccountId":"111122223333","insightDetails":{"state":"Start","eventSource":"ssm.amazonaws.com","eventName":"Delete\u001b[2JIt","insightType":"ApiErrorRateInsight","errorCode":"ThrottlingException","insightContext":{"statistics":{"baseline":{"average":0.0000882},"insight":{"average":664.0},"insightDuration":1}}},"trailsight":{"sensitivity":"low","direction":"above"}}"#;
const END: &str = r#"{"eventTime":"2026-01-31T11:30:00Z","awsRegion":"eu-west-1","recipientAccountId":"111122223333","insightDetails":{"state":"End","eventSource":"ssm.amazonaws.com","eventName":"Delete\u001b[2JIt","insightType":"ApiErrorRateInsight","errorCode":"ThrottlingException","insightContext":{"statistics":{"baseline":{"average":0},"insight":{"average":12.25},"insightDuration":90},"attributions":[{"attribute":"userIdentityArn","insight":[{"value":"arn:aws:iam::111122223333:role/Mallory\n","average":12.25}],"baseline":[]}]}},"trailsight":{"sensitivity":"low","direction":"above"}}"#;

fn parse(arguments: &[&str]) -> Result<Command, clap::Error> {
    Cli::try_parse_from(std::iter::once(&"trailsight").chain(arguments)).map(|cli| cli.command)
}

/// A history of `incidents`, in pages of at most three.
struct History {
    incidents: u32,
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn incident(number: u32) -> Insight {
    let end = number.is_multiple_of(2).then(|| raw(END));
    Insight {
        shared_event_id: Uuid::from_u128(number.into()),
        start: Some(raw(START)),
        end,
        revision: 0,
        muted_by: None,
        alias: None,
    }
}

impl InsightReader for History {
    fn insights(&self, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page, QueryError> {
        if filter.account.as_deref() == Some("broken") {
            return Err(QueryError::Store("no such table".into()));
        }
        let from: u32 = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let to = self.incidents.min(from + 3.min(u32::try_from(limit).unwrap()));
        let next = (to < self.incidents).then(|| to.to_string());
        Ok(Page { insights: (from..to).map(incident).collect(), next })
    }

    fn insight(&self, id: &Uuid) -> Result<Option<IncidentView>, QueryError> {
        let delivery = Delivery {
            sink: "chat".into(),
            event_id: Uuid::from_u128(9),
            state: "dead_letter",
            attempts: 3,
            last_error: Some("410 Gone".into()),
        };
        let view = IncidentView {
            insight: incident(0),
            explanation: vec!["Delete\u{1b}[2JIt was called.".into()],
            records: vec![raw(START), raw(END)],
            minutes: Vec::new(),
            deliveries: vec![delivery],
        };
        Ok((*id == Uuid::nil()).then_some(view))
    }
}

/// Runs `insights …` over a history; what it printed.
fn insights(arguments: &[&str], incidents: u32) -> Result<String, Failure> {
    let Ok(Command::Insights(args)) = parse(arguments) else { panic!("{arguments:?}") };
    let mut out = Vec::new();
    let exit = super::insights::run(&args, 0, &mut |_| Ok(Box::new(History { incidents })), &mut out)?;
    assert_eq!(exit, Exit::Done);
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn the_command_line_holds_together() {
    Cli::command().debug_assert();
    for good in [
        &["run"][..],
        &["run", "--config", "f", "--data-dir", "d"],
        &["demo", "--speed", "100", "--seed", "7"],
        &["replay", "-", "--sensitivity", "high", "--jobs", "2", "--assume-history", "--from", "2026-01-01T00:00:00Z"],
        &["replay", "a", "b", "--input-format", "counts", "--output-format", "ndjson", "--insight-format", "aws", "-q"],
        &["replay", "a", "--write-state", "d"],
        &["backfill", "--config", "f", "a"],
        &["check", "--connect", "--config", "f"],
        &["insights"],
        &["insights", "--since", "24h", "--data-dir", "d"],
        &["insights", "list", "--sensitivity", "low", "--limit", "3"],
        &["insights", "show", "00000000-0000-0000-0000-000000000000", "--output-format", "ndjson"],
        &["sinks", "test", "x"],
        &["simulate", "kafka://k:9092,l:9092/t.1", "--history", "2d", "--speed", "60", "--length", "1h"],
        &["config", "example"],
        &["config", "schema"],
        &["completions", "bash"],
    ] {
        parse(good).unwrap_or_else(|error| panic!("{good:?}: {error}"));
    }
    for bad in [
        &["backup", "d"][..],
        &["sinks", "test"],
        &["simulate", "kafka://k:9092"],
        &["simulate", "kafka://k/topic"],
        &["simulate", "--history", "long"],
        &["run", "x"],
        &["demo", "--speed", "0"],
        &["demo", "--speed", "nan"],
        &["replay", "--from", "yesterday"],
        &["replay", "--jobs", "0"],
        &["replay", "--sensitivity", "extreme"],
        &["replay", "s3://bucket/prefix"],
        &["replay", "kafka://broker/topic"],
        &["insights", "show", "7"],
        &["config"],
    ] {
        let error = parse(bad).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{bad:?}");
    }
    let said = parse(&["replay", "s3://bucket/prefix"]).unwrap_err().to_string();
    assert!(said.contains("this version does not read from S3 yet"), "{said}");
    let about = Cli::command().find_subcommand("run").unwrap().get_about().unwrap().to_string();
    assert!(about.starts_with("The service"), "{about}");
}

#[test]
fn failures_have_their_status() {
    let config = crate::config::ConfigError { problems: Vec::new() };
    assert_eq!(Failure::Config(config).exit(), Exit::Usage);
    assert_eq!(Failure::Usage(String::new()).exit(), Exit::Usage);
    assert_eq!(Failure::Failed(anyhow::anyhow!("x")).exit(), Exit::Failed);
    let said = Failure::Failed(anyhow::anyhow!("no space").context("journal")).to_string();
    assert_eq!(said, "journal: no space");
    let closed = exit::written(Err(std::io::ErrorKind::BrokenPipe.into()));
    assert_eq!(closed.unwrap(), Exit::Done);
}

#[test]
fn a_list_for_people() {
    let text = insights(&["insights", "--output-format", "human"], 2).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
        "2026-01-31 10:00Z 1h30m low errors above 12.2/min 0/min 111122223333 eu-west-1 \
         00000000-0000-0000-0000-000000000000 ssm:Delete\\u{1b}[2JIt ThrottlingException"
    );
    assert!(
        lines[2].contains(" open ") && lines[2].contains("664/min") && lines[2].contains("0.0000882/min"),
        "{text}"
    );
    assert!(text.chars().all(|found| found == '\n' || !found.is_control()));
    assert_eq!(insights(&["insights", "--output-format", "human"], 0).unwrap(), "no insights\n");
}

#[test]
fn a_list_for_machines_is_the_records() {
    let text = insights(&["insights", "list", "--output-format", "ndjson", "--limit", "5"], 9).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5 + 3, "five incidents of which three have ended");
    assert_eq!((lines[0], lines[1]), (START, END));
    let all = insights(&["insights", "--output-format", "ndjson", "--limit", "100"], 9).unwrap();
    assert_eq!(all.lines().count(), 9 + 5, "over all pages");
}

#[test]
fn wrong_filters_are_usage() {
    for arguments in [
        &["insights", "--since", "yesterday"][..],
        &["insights", "--sensitivity", "extreme"],
        &["insights", "--type", "x"],
        &["insights", "--state", "Start"],
        &["insights", "--account", ""],
    ] {
        let failure = insights(arguments, 1).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage, "{arguments:?}");
    }
    let failure = insights(&["insights", "--account", "broken"], 1).unwrap_err();
    assert_eq!(failure.exit(), Exit::Failed);
}

#[test]
fn one_incident() {
    let nil = "00000000-0000-0000-0000-000000000000";
    let text = insights(&["insights", "show", nil, "--output-format", "human"], 1).unwrap();
    assert!(text.contains("ssm:Delete\\u{1b}[2JIt") && text.contains("role/Mallory\\n"), "{text}");
    assert!(text.contains("410 Gone"), "{text}");
    let records = insights(&["insights", "show", nil, "--output-format", "ndjson"], 1).unwrap();
    assert_eq!(records, format!("{START}\n{END}\n"));
    let absent = insights(&["insights", "show", "00000000-0000-0000-0000-000000000001"], 1).unwrap_err();
    assert_eq!(absent.exit(), Exit::Usage);
}

#[test]
fn a_table_fits_its_terminal() {
    let mut table = table::Table::new(&["A", "B"]);
    table.row(["short", "a very long cell that does not fit at all"]);
    table.row(["\u{202e}", "\u{9b}31m"]);
    let written = |width| {
        let mut out = Vec::new();
        table.write(width, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    for width in [32, 40, 60] {
        assert!(written(Some(width)).lines().all(|line| line.len() <= width), "{}", written(Some(width)));
    }
    assert!(written(Some(32)).contains('~') && !written(None).contains('~'));
    assert!(written(None).is_ascii());
}

#[test]
fn check_prints_toml_and_tries_what_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = receiver.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = receiver.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let path = directory.path().join("trailsight.toml");
    let written = |inbox: &std::path::Path| {
        let inbox = inbox.display();
        let text = format!(
            "[sources.inbox]\ntype = \"files\"\npath = \"{inbox}\"\n\
             [sinks.chat]\ntype = \"webhook\"\nurl = \"http://{address}/hunter2?key=hunter2\"\n"
        );
        std::fs::write(&path, text).unwrap();
    };
    let run = || {
        let file = path.display().to_string();
        let Ok(Command::Check(args)) = parse(&["check", "--connect", "--config", &file]) else { panic!() };
        let mut out = Vec::new();
        (check::run(&args, &mut out), String::from_utf8(out).unwrap())
    };
    written(directory.path());
    let (exit, text) = run();
    assert_eq!(exit.unwrap(), Exit::Done, "{text}");
    let request = answering.join().unwrap();
    assert!(request.starts_with("HEAD / HTTP/1.1") && !request.contains("hunter2"), "{request}");
    assert!(!text.contains("hunter2") && text.contains("answers (405)"), "{text}");
    assert!(text.contains("# warning: sinks.chat.url") && text.contains("in all"), "{text}");
    text.parse::<toml::Table>().unwrap();

    // Now nobody answers, and the directory is gone.
    written(&directory.path().join("absent"));
    let (exit, text) = run();
    assert_eq!(exit.unwrap(), Exit::Failed, "{text}");
    assert_eq!(text.matches("FAILED").count(), 2, "{text}");
    assert!(!text.contains("hunter2"), "{text}");

    std::fs::write(&path, "").unwrap();
    assert_eq!(run().0.unwrap_err().exit(), Exit::Usage, "nothing to read");
}

#[test]
fn what_config_prints_is_read_back() {
    let print = |action| {
        let mut out = Vec::new();
        configuration::run(&ConfigArgs { action }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let example = print(ConfigAction::Example);
    crate::config::load_text(&example, &crate::config::Inputs::default()).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&print(ConfigAction::Schema)).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["properties"]["limits"]["properties"]["series"]["description"].is_string());
}
