//! Traffic in, insights out. `scenarios/README.md` is the grammar, for people who write scenarios.

mod clauses;
mod expect;
mod parse;
mod traffic;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use trailsight_tests::reference::{Calls, disagreements};

use crate::product;
use crate::records::{Envelope, gzip, wrapped};
use crate::scale::repository;

/// How the traffic reaches the product.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Feed {
    /// A counts table.
    Counts,
    /// Records, one a line.
    Records,
}

/// One file of `scenarios/`.
#[derive(Debug)]
struct Scenario {
    title: String,
    feed: Feed,
    arguments: Vec<String>,
    /// Lines of a configuration file.
    configuration: Vec<String>,
    traffic: Vec<traffic::Traffic>,
    expected: Vec<expect::Expected>,
    quiet: expect::Quiet,
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(repository().join("tests/scenarios"))
        .expect("tests/scenarios is there")
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= 15, "only {} scenarios", files.len());
    files
}

#[test]
fn every_scenario_can_be_read() {
    for file in files() {
        let text = fs::read_to_string(&file).expect("a text");
        let scenario = parse::parse(&text).unwrap_or_else(|mistakes| panic!("{}: {mistakes:#?}", file.display()));
        assert!(!traffic::unfold(&scenario.traffic, scenario.feed).is_empty(), "{}: no call", file.display());
    }
}

#[test]
fn every_scenario_comes_true() {
    let files = files();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = std::panic::catch_unwind(|| play(file));
                    let broken = outcome.unwrap_or_else(|panic| Err(vec![said(panic.as_ref())]));
                    if let Err(broken) = broken {
                        let name = file.file_name().unwrap_or_default().to_string_lossy();
                        let text = format!("{name}:\n  {}", broken.join("\n  "));
                        failures.lock().expect("no panic while it is held").push(text);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic while it is held");
    assert!(failures.is_empty(), "{} of {} scenarios:\n{}", failures.len(), files.len(), failures.join("\n"));
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn play(file: &Path) -> Result<(), Vec<String>> {
    let text = fs::read_to_string(file).map_err(|error| vec![error.to_string()])?;
    let scenario =
        parse::parse(&text).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let made = traffic::unfold(&scenario.traffic, scenario.feed);
    let mut arguments = vec!["--sensitivity".to_owned(), "high".to_owned()];
    arguments.extend(scenario.arguments.iter().cloned());
    let input = match scenario.feed {
        Feed::Counts => {
            arguments.extend(["--input-format".to_owned(), "counts".to_owned()]);
            gzip(traffic::table(&made).as_bytes())
        }
        Feed::Records => {
            let records: Vec<Value> = made.iter().map(crate::records::Made::json).collect();
            gzip(&wrapped(Envelope::Lines, &records))
        }
    };
    let folder = tempfile::tempdir().map_err(|error| vec![error.to_string()])?;
    if !scenario.configuration.is_empty() {
        let file = folder.path().join("trailsight.toml");
        fs::write(&file, scenario.configuration.join("\n")).map_err(|error| vec![error.to_string()])?;
        arguments.extend(["--config".to_owned(), file.display().to_string()]);
    }
    arguments.push("-".to_owned());
    let insights = product::replay(&arguments, &input).expect(0).insights();
    let mut broken = expect::compare(&scenario.expected, scenario.quiet, &insights);
    broken.extend(figures(&made, &insights));
    if broken.is_empty() {
        return Ok(());
    }
    broken.insert(0, scenario.title);
    Err(broken)
}

/// Every figure of every insight, against the slow reference.
fn figures(made: &[crate::records::Made], insights: &[Value]) -> Vec<String> {
    let mut calls = Calls::default();
    let mut seen = std::collections::HashSet::new();
    calls.calls.extend(made.iter().filter(|made| seen.insert(&made.id)).map(|made| made.call.clone()));
    wrong_figures(&calls, insights)
}

/// What the slow reference says against these insights.
pub(crate) fn wrong_figures(calls: &Calls, insights: &[Value]) -> Vec<String> {
    let mut broken = Vec::new();
    for insight in insights {
        let start = insights.iter().find(|each| each["sharedEventID"] == insight["sharedEventID"]).unwrap_or(insight);
        let place = format!("{} {}", insight["trailsight"]["series"], insight["insightDetails"]["state"]);
        broken.extend(disagreements(calls, insight, start).into_iter().map(|what| format!("{place}: {what}")));
    }
    broken
}
