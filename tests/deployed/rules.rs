//! Alert rules: known to Prometheus, tested one by one, each with its heading in the runbook, on metrics that exist.

use std::collections::BTreeSet;

use trailsight::telemetry;

use super::tools::{deploy, files, read, run, succeeds, text, tool};
use crate::scale::repository;

#[test]
fn the_examples_are_valid_and_every_rule_does_what_its_test_says() {
    let (Some(promtool), Some(amtool)) = (tool("promtool"), tool("amtool")) else { return };
    succeeds(&promtool, ["check".as_ref(), "config".as_ref(), deploy("prometheus/prometheus.yml").as_os_str()]);
    succeeds(&promtool, ["test".as_ref(), "rules".as_ref(), deploy("prometheus/rules_test.yml").as_os_str()]);
    succeeds(&amtool, ["check-config".as_ref(), deploy("alertmanager/alertmanager.yml").as_os_str()]);
}

#[test]
fn every_alert_has_a_unit_test_in_which_it_fires_and_a_heading_in_the_runbook() {
    let rules = text("prometheus/rules.yml");
    let alerts = values(&rules, "- alert: ");
    assert!(alerts.len() >= 10, "{alerts:?}");
    let runbook = read(&repository().join("docs/runbook.md"));
    let headings: BTreeSet<&str> = values(&runbook, "## ").into_iter().collect();
    let distinct: BTreeSet<&str> = alerts.iter().copied().collect();
    assert_eq!(headings, distinct, "headings of docs/runbook.md and alerts");
    let links: Vec<String> =
        alerts.iter().map(|alert| format!("docs/runbook.md#{}", alert.to_ascii_lowercase())).collect();
    assert_eq!(values(&rules, "runbook_url: "), links, "in the order of the alerts");
    let tests = text("prometheus/rules_test.yml");
    for alert in alerts {
        let fires = format!("alertname: {alert}\n        exp_alerts:\n");
        assert!(tests.contains(&fires), "no test in which {alert} fires");
    }
}

/// Pages and tickets end where the example says.
#[test]
fn severities_are_routed_to_their_receivers() {
    let Some(amtool) = tool("amtool") else { return };
    let config = deploy("alertmanager/alertmanager.yml");
    for (severity, receivers) in [("page", "pagerduty,slack"), ("ticket", "slack"), ("", "slack")] {
        let arguments = ["config", "routes", "test", "--config.file"].map(str::to_owned);
        let label = format!("severity={severity}");
        let said = run(&amtool, arguments.into_iter().chain([config.display().to_string(), label]));
        assert_eq!(said.stdout.trim(), receivers, "severity {severity:?}: {}", said.stderr);
    }
    let rules = text("prometheus/rules.yml");
    let severities: BTreeSet<&str> = values(&rules, "labels: ").into_iter().collect();
    assert_eq!(severities, BTreeSet::from(["{ severity: page }", "{ severity: ticket }"]));
}

#[test]
fn only_metrics_that_exist_are_asked_for() {
    let known: BTreeSet<String> = telemetry::ALL.iter().flat_map(exported).collect();
    let recorded: BTreeSet<String> = values(&text("prometheus/rules.yml"), "- record: ")
        .into_iter()
        .map(|name| name.split(':').nth(1).expect("level:metric:operation").to_owned())
        .collect();
    let files = files("grafana/dashboards", "json").into_iter().chain(files("prometheus", "yml"));
    for file in files {
        for name in metrics(&read(&file)) {
            let there = known.contains(&name) || recorded.contains(&name);
            assert!(there, "{}: {name} is not in the list", file.display());
        }
    }
}

/// What a metric is called where it is asked for.
fn exported(definition: &telemetry::Definition) -> Vec<String> {
    let name = definition.full_name();
    match definition.kind {
        telemetry::Kind::Histogram => ["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")).into(),
        _ => vec![name],
    }
}

/// Names that begin with our prefix.
fn metrics(text: &str) -> BTreeSet<String> {
    let part = |each: char| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_';
    let words = text.split(|each: char| !part(each));
    words.filter(|word| word.starts_with(telemetry::PREFIX)).map(str::to_owned).collect()
}

/// What stands behind `key` on lines that begin with it.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.trim_start().strip_prefix(key)).collect()
}
