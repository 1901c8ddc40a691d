//! The page at the root: the newest insights and links, without scripts and without network.

use std::fmt::Write;

use serde_json::Value;

use super::query::{Insight, Page};

/// Its style.
pub(super) const STYLE: &str = include_str!("page.css");

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"refresh\" content=\"30\">\n\
<title>Trailsight</title>\n<link rel=\"stylesheet\" href=\"/page.css\">\n</head>\n<body>\n<h1>Trailsight</h1>\n\
<nav><a href=\"/api/v1/insights\">insights</a> <a href=\"/api/v1/status\">status</a> \
<a href=\"/readyz\">ready</a> <a href=\"/metrics\">metrics</a></nav>\n";

/// The newest incidents as a table.
pub(super) fn render(page: &Page) -> String {
    let mut html = HEAD.to_owned();
    if page.insights.is_empty() {
        html.push_str(
            "<p>No insights have been recorded yet. How far learning is: <a href=\"/api/v1/status\">status</a>.</p>\n",
        );
    } else {
        html.push_str(
            "<table>\n<thead><tr><th>start</th><th>level</th><th>type</th><th>account</th><th>Region</th>\
             <th>API</th><th>per minute</th><th>baseline</th><th>state</th></tr></thead>\n<tbody>\n",
        );
        page.insights.iter().for_each(|insight| row(&mut html, insight));
        html.push_str("</tbody>\n</table>\n");
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn row(html: &mut String, insight: &Insight) {
    let record = insight.end.as_ref().or(insight.start.as_ref());
    let record: Value = record.and_then(|record| serde_json::from_str(record.get()).ok()).unwrap_or_default();
    let details = &record["insightDetails"];
    let statistics = &details["insightContext"]["statistics"];
    let state = match (&insight.muted_by, &insight.end) {
        (Some(_), _) => "muted",
        (None, Some(_)) => "ended",
        (None, None) => "open",
    };
    let mut api = text(&details["eventName"]);
    if details["errorCode"].is_string() {
        let _ = write!(api, " ({})", text(&details["errorCode"]));
    }
    let start: Value =
        insight.start.as_ref().and_then(|start| serde_json::from_str(start.get()).ok()).unwrap_or_default();
    let time = if start["eventTime"].is_string() { &start["eventTime"] } else { &record["eventTime"] };
    // Writing to a String cannot fail.
    let _ = writeln!(
        html,
        "<tr><td><a href=\"/api/v1/insights/{}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
         <td>{} {api}</td><td>{}</td><td>{}</td><td>{state}</td></tr>",
        insight.shared_event_id,
        text(time),
        text(&record["trailsight"]["sensitivity"]),
        text(&details["insightType"]),
        text(&record["recipientAccountId"]),
        text(&record["awsRegion"]),
        text(&details["eventSource"]),
        text(&statistics["insight"]["average"]),
        text(&statistics["baseline"]["average"]),
    );
}

/// Text or a number for HTML: names come from whoever called AWS.
fn text(value: &Value) -> String {
    let raw = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return "–".to_owned(),
    };
    let mut escaped = String::with_capacity(raw.len());
    for found in raw.chars() {
        match found {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ if found.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(found),
        }
    }
    escaped
}
