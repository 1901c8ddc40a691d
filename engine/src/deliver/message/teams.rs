//! An adaptive card for a workflow of Microsoft Teams ("Post to a channel when a webhook request is received").
//!
//! Everything is a `TextRun`: unlike `TextBlock` and `FactSet` it knows no Markdown, so links and emphasis in a name are
//! shown as they are. `{{DATE(…)}}` is the one thing a renderer expands everywhere, and its braces are parted.

use serde_json::{Value, json};

use super::Message;

/// Largest message, bytes: <https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages>.
pub(super) const MAX_BYTES: usize = 28 * 1024;
/// Version of the cards that Teams renders in workflows everywhere.
const VERSION: &str = "1.4";

pub(super) fn body(message: &Message) -> Value {
    // Characters have four bytes at the most, or six as an escape of JSON.
    let mut most = usize::MAX;
    loop {
        let whole = card(message, most);
        if whole.to_string().len() <= MAX_BYTES || most <= 50 {
            return whole;
        }
        most = most.min(1600) / 2;
    }
}

fn card(message: &Message, most: usize) -> Value {
    let mut blocks = vec![block(vec![run(&message.headline, most, json!({ "weight": "Bolder", "size": "Medium" }))])];
    for fact in &message.facts {
        let style = if fact.command { json!({ "fontType": "Monospace" }) } else { json!({}) };
        let label = run(&format!("{}: ", fact.label), most, json!({ "weight": "Bolder" }));
        blocks.push(block(vec![label, run(&fact.text, most, style)]));
    }
    let open = |url: &String| json!({ "type": "Action.OpenUrl", "title": "See the picture", "url": url });
    let actions: Vec<Value> = message.url.iter().map(open).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": VERSION,
                "body": blocks,
                "actions": actions,
            },
        }],
    })
}

fn block(runs: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": runs })
}

fn run(text: &str, most: usize, style: Value) -> Value {
    let mut run = style;
    run["type"] = "TextRun".into();
    run["text"] = escape(&super::plain(text, most)).into();
    run
}

pub(super) fn escape(text: &str) -> String {
    text.replace("{{", "{ {").replace("{{", "{ {")
}
