//! Nothing that is secret is said: not by `check`, not in the log, not over HTTP, not by an error.

use tempfile::TempDir;

use crate::product;
use crate::records::{DAY_0, Envelope, Made, wrapped};
use crate::service::{Service, eventually, setup};

/// What stands in secrets, each in another place.
const SECRETS: [&str; 6] =
    ["s3cr3t-path", "s3cr3t-query", "s3cr3t-user", "s3cr3t-header", "s3cr3t-routing", "czNjcjN0"];

/// Sinks whose receivers are not there, with a secret wherever one can be.
const SINKS: &str = r#"
[sinks.hook]
type = "webhook"
url = { env = "HOOK_URL" }
secrets = [{ env = "HOOK_KEY" }]
headers = { Authorization = { env = "HOOK_HEADER" } }
[sinks.chat]
type = "webhook"
format = "slack"
url = "http://s3cr3t-user:s3cr3t-user@127.0.0.1:1/s3cr3t-path?token=s3cr3t-query"
[sinks.pager]
type = "webhook"
format = "pagerduty"
url = "http://127.0.0.1:1/s3cr3t-path"
routing_key = "s3cr3t-routing"
"#;

/// The variables: the key is the base64 of `s3cr3t` and more.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("HOOK_URL", "http://127.0.0.1:1/s3cr3t-path?token=s3cr3t-query"),
    ("HOOK_KEY", "whsec_czNjcjN0czNjcjN0czNjcjN0czNjcjN0czNjcjN0"),
    ("HOOK_HEADER", "Bearer s3cr3t-header"),
];

#[track_caller]
fn says_nothing(what: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what} says {secret}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_appear_nowhere() {
    let folder = TempDir::new().expect("a folder");
    let inbox = folder.path().join("inbox");
    std::fs::create_dir(&inbox).expect("the folder can be written");
    let setup = setup(folder.path(), &inbox, &folder.path().join("data"), SINKS);
    let command = |arguments: &[&str]| {
        let mut command = product::command(arguments);
        command.arg("--config").arg(&setup.file).envs(ENVIRONMENT);
        command
    };
    for (arguments, status) in [
        (&["check"][..], Some(0)),
        (&["check", "--connect"], Some(1)),
        (&["sinks", "test", "hook"], Some(1)),
        (&["sinks", "test", "chat"], Some(1)),
        (&["sinks", "test", "pager"], Some(1)),
        (&["sinks", "test", "pager", "--dry-run"], Some(0)),
    ] {
        let said = product::run(command(arguments));
        assert_eq!(said.status, status, "{arguments:?}: {}{}", said.stdout, said.stderr);
        says_nothing(&format!("{arguments:?}"), &format!("{}{}", said.stdout, said.stderr));
    }

    let burst = (0..60).map(|number| Made::write(DAY_0, "iam", "CreateUser", "mallory", number).json());
    std::fs::write(inbox.join("a.json"), wrapped(Envelope::Delivered, &burst.collect::<Vec<_>>())).expect("written");
    let mut run = command(&["run"]);
    run.env("TRAILSIGHT__LOG__LEVEL", "debug");
    let mut service = Service::spawn(run);
    service.listening();
    let failed = eventually(async || {
        let text = service.get("/metrics").await?.1;
        let tried = |sink: &str| {
            let line = format!("trailsight_deliveries_total{{outcome=\"retried\",sink=\"{sink}\"}} ");
            text.lines().any(|found| found.starts_with(&line) && !found.ends_with(" 0"))
        };
        (tried("hook") && tried("chat") && tried("pager")).then_some(())
    });
    assert!(failed.await.is_some(), "every sink was tried: {}", service.log());
    for path in ["/metrics", "/api/v1/status", "/readyz", "/api/v1/insights?sensitivity=high"] {
        says_nothing(path, &service.get(path).await.expect("an answer").1);
    }
    let page = service.incidents().await;
    let id = page[0]["sharedEventID"].as_str().expect("an id");
    says_nothing("an incident", &service.get(&format!("/api/v1/insights/{id}")).await.expect("an answer").1);
    says_nothing("the outbox", &product::run(command(&["outbox", "list", "--output-format", "ndjson"])).stdout);
    says_nothing("the log", &service.stop());
}
