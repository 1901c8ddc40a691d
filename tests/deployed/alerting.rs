//! The whole way of an alert: a broken file, a rule, Alertmanager, a message at Slack's and PagerDuty's addresses.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path as Url, State};
use axum::routing::post;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::dashboards::Prometheus;
use super::tools::{text, tool};
use crate::records::{DAY_0, Envelope, Made, wrapped};
use crate::service::{Service, eventually, setup};

/// What came, by the receiver it was meant for.
#[derive(Clone, Default)]
pub(super) struct Messages(Arc<Mutex<Vec<(String, String)>>>);

impl Messages {
    pub(super) async fn listen(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/{receiver}", post(Messages::take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    async fn take(State(messages): State<Messages>, Url(receiver): Url<String>, body: String) -> &'static str {
        messages.0.lock().unwrap_or_else(PoisonError::into_inner).push((receiver, body));
        "ok"
    }

    /// Waits for a message to `receiver` that holds all of `words`.
    pub(super) async fn until(&self, receiver: &str, words: &[&str]) -> Value {
        let found = eventually(async || {
            let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let body =
                messages.into_iter().find(|(to, body)| to == receiver && words.iter().all(|word| body.contains(word)));
            serde_json::from_str(&body?.1).ok()
        });
        found.await.unwrap_or_else(|| {
            panic!(
                "no message to {receiver} with {words:?} among {:#?}",
                self.0.lock().unwrap_or_else(PoisonError::into_inner)
            )
        })
    }
}

/// Alertmanager on our example: the addresses of the receivers and the wait before a group are the test's.
fn alertmanager(program: &Path, folder: &Path, receivers: &str) -> Service {
    let secret = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).expect("the folder can be written");
        file.display().to_string()
    };
    let key = secret("pagerduty-key", "a routing key");
    let config = text("alertmanager/alertmanager.yml")
        .replace("/etc/alertmanager/slack-url", &secret("slack-url", &format!("{receivers}/slack")))
        .replace("/etc/alertmanager/pagerduty-key", &format!("{key}\n        url: {receivers}/pagerduty"))
        .replace("group_wait: 30s", "group_wait: 1s");
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", secret("alertmanager.yml", &config)));
    command.arg(format!("--storage.path={}", folder.join("alertmanager").display()));
    command.args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
    let mut service = Service::spawn(command);
    service.listening_where("Listening on");
    service
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_file_ends_as_a_message_with_a_link_to_the_runbook() {
    let (Some(prometheus), Some(manager)) = (tool("prometheus"), tool("prometheus-alertmanager")) else { return };
    let folder = TempDir::new().expect("a folder");
    let inbox = folder.path().join("inbox");
    std::fs::create_dir(&inbox).expect("the folder can be written");
    let good = [Made::write(DAY_0, "ec2", "CreateTags", "ci", 1).json()];
    std::fs::write(inbox.join("good.json"), wrapped(Envelope::Delivered, &good)).expect("written");
    let messages = Messages::default();
    let receivers = messages.listen().await;
    let manager = alertmanager(&manager, folder.path(), &receivers);
    let service = Service::run(&setup(folder.path(), &inbox, &folder.path().join("data"), ""));
    let prometheus = Prometheus::start(&prometheus, folder.path(), &service.url, Some(&manager.url));
    // An increase needs the value before it.
    let before = "trailsight_records_total{source=\"inbox\", outcome=\"counted\"} == 1";
    let scraped = eventually(async || (prometheus.query(before).await > 0).then_some(())).await;
    assert!(scraped.is_some(), "{}", prometheus.service.log());
    std::fs::write(inbox.join("broken.json"), "{\"Records\": [ {\"eventVersion\"").expect("written");

    let slack = messages.until("slack", &["TrailsightDeadLetters", "firing"]).await;
    let said = slack["attachments"][0]["text"].as_str().expect("a text");
    assert!(said.contains("source `inbox`") && said.contains("docs/runbook.md#trailsightdeadletters"), "{slack:#}");
    assert_eq!(slack["attachments"][0]["color"], "warning");

    let page = json!([{
        "labels": { "alertname": "TrailsightDown", "job": "trailsight", "severity": "page" },
        "annotations": { "summary": "Trailsight cannot be scraped", "runbook_url": "docs/runbook.md#trailsightdown" },
    }]);
    let posted = reqwest::Client::new().post(format!("{}/api/v2/alerts", manager.url)).json(&page).send().await;
    assert!(posted.expect("Alertmanager answers").status().is_success());
    let paged = messages.until("pagerduty", &["TrailsightDown"]).await;
    assert_eq!(paged["payload"]["severity"], "critical", "{paged:#}");
    assert_eq!(paged["routing_key"], "a routing key");
    assert_eq!(paged["payload"]["custom_details"]["runbook"], "docs/runbook.md#trailsightdown");
    messages.until("slack", &["TrailsightDown"]).await;
    prometheus.service.stop();
    manager.stop();
    service.stop();
}
