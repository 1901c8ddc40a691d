use super::*;
use crate::telemetry::{ALL, Kind, SeriesName};

fn names() -> Names {
    Names {
        sources: vec!["trail".into()],
        sinks: vec!["chat".into(), "other".into()],
        mutes: vec!["mute \"1\"\\\n\u{1b}[31m".into()],
        series_limit: 2,
    }
}

/// Uses every metric once.
fn used() -> Metrics {
    let metrics = Metrics::new(&names()).unwrap();
    metrics.source("trail").records(Outcome::DeadLetter).inc_by(3);
    metrics.dead_letters("trail", "truncated").inc();
    metrics.insights(InsightType::ApiCallRate, Sensitivity::Low, Direction::Above).inc();
    metrics.incidents_open(InsightType::ApiErrorRate, Sensitivity::High, Direction::Below).set(2);
    metrics.muted(&names().mutes[0]).inc();
    metrics.http_requests("/api/v1/insights/{id}", 200).inc();
    metrics.sink("chat").seconds.record(std::time::Duration::from_millis(3));
    metrics.sink("chat").deliveries(DeliveryOutcome::Retried).inc();
    let series = SeriesName { account: "1".into(), ..SeriesName::default() };
    assert!(metrics.series.set(&series, 3.0, 1.5));
    metrics
}

#[test]
fn every_definition_is_shown_with_its_type_and_labels() {
    let text = used().text().unwrap();
    for definition in ALL {
        let name = definition.full_name();
        assert!(text.contains(&format!("# TYPE {name} {}\n", definition.kind.as_str())), "{name}");
        let sample = if definition.kind == Kind::Histogram { format!("{name}_count") } else { name.clone() };
        let line = text.lines().find(|line| line.starts_with(&sample)).unwrap_or_else(|| panic!("no sample of {name}"));
        for label in definition.labels {
            assert!(line.contains(&format!("{label}=\"")), "{line}");
        }
        let counter = definition.kind == Kind::Counter;
        assert_eq!(counter, definition.name.ends_with("_total"), "{name}");
    }
    let shown = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(shown, ALL.len(), "nothing beyond the list");
}

#[test]
fn the_documentation_holds_the_same_table() {
    let documented = include_str!("../../../docs/metrics.md");
    let rows: Vec<&str> = documented.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = ALL
        .iter()
        .map(|definition| {
            let labels: Vec<String> = definition.labels.iter().map(|label| format!("`{label}`")).collect();
            let (kind, help) = (definition.kind.as_str(), definition.help);
            format!("| `{}` | {kind} | {} | {} | {help} |", definition.name, labels.join(", "), definition.cardinality)
        })
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn names_that_are_not_configured_share_one_child() {
    let metrics = used();
    let before = metrics.text().unwrap().lines().count();
    for minted in 0..100 {
        let name = format!("minted-{minted}");
        metrics.source(&name).bytes.inc();
        metrics.sink(&name).outbox_rows.set(1);
        metrics.muted(&name).inc();
        metrics.dead_letters(&name, "truncated").inc();
    }
    let text = metrics.text().unwrap();
    assert_eq!(text.lines().count(), before + 1, "one more: the dead letters of `other`");
    assert!(text.contains("trailsight_source_bytes_total{source=\"other\"} 100"), "{text}");
}

#[test]
fn hostile_labels_stay_one_line() {
    let metrics = used();
    assert!(metrics.series.set(&SeriesName { name: "a\r\u{7}\nb\"".into(), ..SeriesName::default() }, 1.0, 1.0));
    let text = metrics.text().unwrap();
    assert!(text.lines().all(|line| line.starts_with("trailsight_") || line.starts_with("# ")), "{text}");
    assert!(!text.chars().any(|found| found.is_control() && found != '\n'));
}

#[test]
fn series_are_shown_up_to_the_limit() {
    let metrics = Metrics::new(&names()).unwrap();
    let series = |name: &str| SeriesName { name: name.into(), ..SeriesName::default() };
    assert!(metrics.series.set(&series("a"), 1.0, 1.0));
    assert!(metrics.series.set(&series("b"), 1.0, 1.0));
    assert!(!metrics.series.set(&series("c"), 1.0, 1.0));
    assert!(metrics.series.set(&series("a"), 2.0, 1.0), "what is shown goes on");
    metrics.series.remove(&series("a"));
    assert!(metrics.series.set(&series("c"), 1.0, 1.0));
    assert!(!metrics.text().unwrap().contains("event_name=\"a\""));
}

#[test]
fn insights_are_counted_from_zero() {
    let text = Metrics::new(&names()).unwrap().text().unwrap();
    let zero = |line: &&str| line.starts_with("trailsight_insights_total{") && line.ends_with("} 0");
    assert_eq!(text.lines().filter(zero).count(), 30);
}
