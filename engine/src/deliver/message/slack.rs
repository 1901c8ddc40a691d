//! Slack's incoming webhooks.
//!
//! Facts are `rich_text` blocks: Slack parses no markup in their elements, so `<!channel>`, `*`, links and emoji codes
//! are shown as they are. `text` is what notifications show and is parsed: `&`, `<` and `>` are escaped there, without
//! which no mention and no link can be written.

use serde_json::{Value, json};

use super::Message;

/// Most blocks of a message: <https://docs.slack.dev/reference/block-kit/blocks>.
#[cfg(test)]
pub(super) const MAX_BLOCKS: usize = 50;
/// Most characters of `text`; Slack cuts at 40,000 and asks for no more than this:
/// <https://docs.slack.dev/reference/methods/chat.postMessage#truncating>.
pub(super) const MAX_TEXT: usize = 4000;

pub(super) fn body(message: &Message) -> Value {
    let mut sections = vec![section(vec![text(&message.headline, Some("bold"))])];
    for fact in &message.facts {
        let style = fact.command.then_some("code");
        sections.push(section(vec![text(&format!("{}: ", fact.label), Some("bold")), text(&fact.text, style)]));
    }
    if let Some(url) = &message.url {
        sections.push(section(vec![json!({ "type": "link", "url": url, "text": "See the picture" })]));
    }
    json!({
        "text": escape(&message.headline).chars().take(MAX_TEXT).collect::<String>(),
        "blocks": [{ "type": "rich_text", "elements": sections }],
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// A line of its own.
fn section(elements: Vec<Value>) -> Value {
    let mut elements = elements;
    elements.push(text("\n", None));
    json!({ "type": "rich_text_section", "elements": elements })
}

fn text(text: &str, style: Option<&str>) -> Value {
    match style {
        Some(style) => json!({ "type": "text", "text": text, "style": { style: true } }),
        None => json!({ "type": "text", "text": text }),
    }
}

/// <https://docs.slack.dev/messaging/formatting-message-text#escaping>.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
