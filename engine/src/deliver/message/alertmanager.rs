//! Alertmanager's API v2.
//!
//! An alert is known by its labels, so a Start and its End have the same; the level is an annotation, because it may rise
//! in between. Without `endsAt` an alert would be taken for over after `resolve_timeout`; a Start says [`OPEN_DAYS`] and
//! its End the real time.

use serde_json::{Map, Value, json};
use trailsight_schemas::time::format_rfc3339;

use super::Message;

/// Days after which an alert whose End never came is over by itself. No incident lasts as long: what does not go back
/// is accepted as normal before.
pub const OPEN_DAYS: i64 = 14;

pub(super) fn body(message: &Message) -> Value {
    let event = &message.event;
    let minutes = i64::from(event.details.statistics.insight_duration.max(1));
    let (starts, ends) = if message.is_end() {
        (event.event_time - minutes * 60, event.event_time)
    } else {
        (event.event_time, event.event_time + OPEN_DAYS * 24 * 3600)
    };
    let mut alert = json!({
        "labels": labels(message),
        "annotations": annotations(message),
        "startsAt": format_rfc3339(starts),
        "endsAt": format_rfc3339(ends),
    });
    if let Some(url) = &message.url {
        alert["generatorURL"] = url.as_str().into();
    }
    Value::Array(vec![alert])
}

fn labels(message: &Message) -> Map<String, Value> {
    let (event, details) = (&message.event, &message.event.details);
    let incident = event.shared_event_id.to_string();
    let given = [
        ("alertname", details.insight_type.as_str()),
        ("account", &event.recipient_account_id),
        ("region", &event.aws_region),
        ("event_source", &details.event_source),
        ("event_name", &details.event_name),
        ("error_code", details.error_code.as_deref().unwrap_or_default()),
        ("direction", event.trailsight.as_ref().map_or("", |own| own.direction.as_str())),
        ("incident", &incident),
    ];
    // An empty label is one that is not there.
    let given = given.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| ((*name).to_owned(), super::plain(value, 256).into())).collect()
}

fn annotations(message: &Message) -> Map<String, Value> {
    let mut annotations = Map::new();
    annotations.insert("summary".to_owned(), message.headline.as_str().into());
    for fact in &message.facts {
        annotations.insert(fact.label.to_lowercase().replace(' ', "_"), fact.text.as_str().into());
    }
    annotations
}
