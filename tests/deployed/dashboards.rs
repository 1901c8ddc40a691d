//! Dashboards and rules on a real Prometheus that scrapes a real demo.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::tools::{deploy, files, read, run, succeeds, text, tool};
use crate::product;
use crate::scale::report;
use crate::service::{Service, eventually};

/// Parts of expressions that the demo has nothing for: it has no sink, no mute, and reads whatever it makes.
const NOTHING_IN_THE_DEMO: [&str; 3] = ["sink!=", "mute!=", "trailsight_dead_letters_total"];

#[test]
fn dashboards_are_those_of_their_tables_and_of_the_published_schema() {
    let (Some(python), Some(check)) = (tool("python3"), tool("check-jsonschema")) else { return };
    let folder = TempDir::new().expect("a folder");
    succeeds(&python, [deploy("grafana/generate.py").as_os_str(), folder.path().as_os_str()]);
    let schema = deploy("schemas/grafana-dashboard.json");
    for file in files("grafana/dashboards", "json") {
        let made = folder.path().join(file.file_name().expect("a name"));
        assert_eq!(read(&made), read(&file), "run deploy/grafana/generate.py");
        succeeds(&check, ["--schemafile".as_ref(), schema.as_os_str(), file.as_os_str()]);
        // The schema tells a good dashboard from one that Grafana would not understand.
        for (right, wrong) in [("\"w\": 12", "\"w\": \"12\""), ("\"expr\"", "\"exprs\""), ("\"legend\"", "\"legends\"")]
        {
            let spoiled = read(&file).replacen(right, wrong, 1);
            std::fs::write(&made, spoiled).expect("the folder can be written");
            let said = run(&check, ["--schemafile".as_ref(), schema.as_os_str(), made.as_os_str()]);
            assert_eq!(said.status, Some(1), "{wrong}: {}", said.stdout);
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    for file in files("grafana/dashboards", "json") {
        let dashboard: Value = serde_json::from_str(&read(&file)).expect("JSON");
        for panel in dashboard["panels"].as_array().expect("panels") {
            if panel["type"] == "row" {
                continue;
            }
            let (title, defaults) = (&panel["title"], &panel["fieldConfig"]["defaults"]);
            let given = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
            assert!(given(&panel["description"]) && given(&defaults["unit"]), "{}: {title}", file.display());
            assert!(given(&defaults["noValue"]), "{}: {title} says nothing without data", file.display());
            for target in panel["targets"].as_array().expect("targets") {
                let expression = target["expr"].as_str().expect("an expression");
                assert!(expression.contains("$instance"), "{title}: {expression}");
                let over_time = expression.contains("rate(") || expression.contains("increase(");
                assert_eq!(over_time, expression.contains("[$__r"), "{title}: {expression}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_expression_has_an_answer_while_the_demo_runs() {
    let Some(program) = tool("prometheus") else { return };
    let folder = TempDir::new().expect("a folder");
    let mut demo = product::command(["demo", "--listen", "127.0.0.1:0", "--seed", "7", "--speed", "240"]);
    demo.env("TMPDIR", folder.path());
    let mut demo = Service::spawn(demo);
    demo.listening();
    let prometheus = Prometheus::start(&program, folder.path(), &demo.url, None);
    let expressions: Vec<String> = files("grafana/dashboards", "json").iter().flat_map(|file| asked(file)).collect();
    assert!(expressions.len() > 50, "{}", expressions.len());
    let must: Vec<&String> = expressions
        .iter()
        .filter(|expression| !NOTHING_IN_THE_DEMO.iter().any(|part| expression.contains(part)))
        .collect();
    // Errors are errors at once; what is empty may come.
    for expression in &expressions {
        prometheus.query(expression).await;
    }
    // Each has an answer at some time, not all at one: an insight is counted in the minute after it alone. At this
    // speed there is an attack every minute.
    let mut empty = must.clone();
    let answered = eventually(async || {
        let mut still = Vec::new();
        for expression in &empty {
            if prometheus.query(expression).await == 0 {
                still.push(*expression);
            }
        }
        empty = still;
        empty.is_empty().then_some(())
    });
    let answered = answered.await;
    assert!(answered.is_some(), "{empty:#?} stay empty\n{}", demo.log());
    report(&format!("dashboards: {} expressions answered, {} of them with data", expressions.len(), must.len()));
    let rules = eventually(async || {
        let answer = prometheus.json("/api/v1/rules").await?;
        let groups = answer["data"]["groups"].as_array()?.clone();
        let rules: Vec<Value> =
            groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect();
        rules.iter().all(|rule| rule["health"] == "ok").then_some(rules)
    });
    let rules = rules.await.expect("every rule is evaluated without an error");
    assert!(rules.len() > 15, "{}", rules.len());
    prometheus.service.stop();
    demo.stop();
}

/// The expressions of a dashboard, with what Grafana would put for its variables. Annotations are asked too.
fn asked(file: &Path) -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read(file)).expect("JSON");
    let annotations = dashboard["annotations"]["list"].as_array().into_iter().flatten();
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let filled = |target: &Value| {
        let text = target["expr"].as_str()?.replace("$__rate_interval", "1m").replace("$__range", "5m");
        let names = ["job", "instance", "account", "region", "event_source", "event_name", "error_code"];
        Some(names.iter().fold(text, |text, name| text.replace(&format!("\"${name}\""), "\".*\"")))
    };
    targets.chain(annotations).filter_map(filled).collect()
}

/// A Prometheus with our example configuration, every second instead of every fifteen.
pub(super) struct Prometheus {
    pub(super) service: Service,
}

impl Prometheus {
    /// `trailsight` and `alertmanager` are addresses.
    pub(super) fn start(program: &Path, folder: &Path, trailsight: &str, alertmanager: Option<&str>) -> Prometheus {
        let host = |url: &str| url.trim_start_matches("http://").to_owned();
        let rules = deploy("prometheus/rules.yml").display().to_string();
        let mut config = text("prometheus/prometheus.yml")
            .replace("15s", "1s")
            .replace("- rules.yml", &format!("- {rules}"))
            .replace("127.0.0.1:8470", &host(trailsight));
        config = match alertmanager {
            Some(url) => config.replace("127.0.0.1:9093", &host(url)),
            None => config.replace("\"127.0.0.1:9093\"", ""),
        };
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config).expect("the folder can be written");
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
        command.arg("--web.listen-address=127.0.0.1:0");
        let mut service = Service::spawn(command);
        service.listening_where("Listening on");
        Prometheus { service }
    }

    pub(super) async fn json(&self, path: &str) -> Option<Value> {
        self.service.json(path).await
    }

    /// How many series an expression gives now. An error is one of the expression.
    pub(super) async fn query(&self, expression: &str) -> usize {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = eventually(async || self.json(&format!("/api/v1/query?query={encoded}")).await).await;
        let answer = answer.unwrap_or_else(|| panic!("no answer:\n{}", self.service.log()));
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().map_or(0, Vec::len)
    }
}
