//! PagerDuty's Events API v2: a Start triggers, an End resolves, and `dedup_key` is the incident.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use trailsight_schemas::insight::Sensitivity;
use trailsight_schemas::time::format_rfc3339;

use super::Message;
use super::words::plain;

/// Most characters of the summary: <https://developer.pagerduty.com/docs/send-alert-event>.
pub(super) const MAX_SUMMARY: usize = 1024;
/// Largest event, bytes, by the same source.
#[cfg(test)]
pub(super) const MAX_BYTES: usize = 512 * 1024;

pub(super) fn body(message: &Message, routing_key: &SecretString) -> Value {
    let event = &message.event;
    let details: Map<String, Value> =
        message.facts.iter().map(|fact| (fact.label.to_owned(), fact.text.clone().into())).collect();
    let links: Vec<Value> = message.url.iter().map(|url| json!({ "href": url, "text": "See the picture" })).collect();
    json!({
        "routing_key": routing_key.expose_secret(),
        "event_action": if message.is_end() { "resolve" } else { "trigger" },
        "dedup_key": event.shared_event_id.to_string(),
        "payload": {
            "summary": plain(&message.headline, MAX_SUMMARY),
            "source": format!("{} {}", message.account, plain(&event.aws_region, 64)),
            "severity": severity(event.trailsight.as_ref().map(|own| own.sensitivity)),
            "timestamp": format_rfc3339(event.event_time),
            "component": plain(&event.details.event_source, 256),
            "group": message.account,
            "class": event.details.insight_type.as_str(),
            "custom_details": details,
        },
        "links": links,
    })
}

/// What is unusual for the least sensitive listener is the most severe.
fn severity(level: Option<Sensitivity>) -> &'static str {
    match level {
        Some(Sensitivity::Low) => "critical",
        Some(Sensitivity::Medium) => "error",
        Some(Sensitivity::High) | None => "warning",
    }
}
