//! The page in a real Chromium: what people see and do, and what hostile names do not.

pub(crate) mod browser;
mod attacks;
mod hostile;
mod journeys;
mod looks;
mod mute;
mod outage;
mod vendored;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::deployed::{target, tool};
use crate::product;
use crate::records::{Envelope, Made, wrapped};
use crate::scale::{Scale, not_run, scale};
use crate::service::{Service, setup};

/// Chromium, which `tests/run` installs.
fn chromium() -> Option<PathBuf> {
    tool("chromium")
}

/// The accessibility checker as a script, which `tests/page/fetch` has fetched.
fn axe() -> Option<String> {
    let script = std::fs::read_to_string(target().join("tools/page/axe.min.js")).ok();
    if script.is_none() {
        assert_eq!(scale(), Scale::Quick, "tests/page/fetch has not been run; tests/run does");
        not_run("axe", "it is not fetched, and --quick fetches nothing");
    }
    script
}

/// The demo, from the end of its first attack on that any level finds.
async fn demo(folder: &TempDir) -> Service {
    let mut command: Command = product::command(["demo", "--seed", "7", "--listen", "127.0.0.1:0"]);
    command.current_dir(folder).env("TMPDIR", folder.path());
    let mut service = Service::spawn(command);
    service.listening();
    let some = |page: &Value| page["insights"].as_array().is_some_and(|list| list.iter().any(has_end));
    service.until("/api/v1/insights?sensitivity=low&state=ended", "an ended attack", some).await;
    service
}

fn has_end(insight: &Value) -> bool {
    insight["end"].is_object()
}

/// The service on these records, from the first insight on.
async fn fed(folder: &TempDir, made: &[Made]) -> Service {
    let inbox = folder.path().join("inbox");
    std::fs::create_dir(&inbox).expect("the folder can be written");
    let records: Vec<Value> = made.iter().map(Made::json).collect();
    std::fs::write(inbox.join("traffic.json"), wrapped(Envelope::Delivered, &records)).expect("written");
    let service = Service::run(&setup(folder.path(), &inbox, &folder.path().join("data"), ""));
    let some = |page: &Value| page["insights"].as_array().is_some_and(|list| list.iter().any(has_end));
    service.until("/api/v1/insights?sensitivity=high", "an ended insight", some).await;
    service
}
