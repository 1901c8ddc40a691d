//! Discord's webhooks: one embed.
//!
//! `allowed_mentions` without types keeps everybody from being called, whatever the text says; Markdown and links
//! that are found by themselves are taken away by a backslash before every character of ASCII punctuation.

use serde_json::{Value, json};

use super::Message;

/// Most characters of an embed's title, of a field's value, and of the whole embed:
/// <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>.
pub(super) const MAX_DESCRIPTION: usize = 4096;
pub(super) const MAX_VALUE: usize = 1024;
pub(super) const MAX_EMBED: usize = 6000;
/// Most fields, by the same source.
pub(super) const MAX_FIELDS: usize = 25;

/// Colours of the bar at the side: something began, something is over.
const BEGAN: u32 = 0x00d9_3f0b;
const OVER: u32 = 0x002d_a44e;

pub(super) fn body(message: &Message) -> Value {
    let headline = format!("**{}**", fitting(&message.headline, MAX_DESCRIPTION - 4));
    let mut room = MAX_EMBED - headline.chars().count();
    let mut fields = Vec::new();
    for fact in message.facts.iter().take(MAX_FIELDS) {
        let label = fact.label.chars().count();
        let value = if fact.command { code(&fact.text) } else { fitting(&fact.text, MAX_VALUE) };
        let whole = label + value.chars().count();
        if whole > room {
            break;
        }
        room -= whole;
        fields.push(json!({ "name": fact.label, "value": value, "inline": false }));
    }
    let mut embed = json!({
        "description": headline,
        "color": if message.is_end() { OVER } else { BEGAN },
        "fields": fields,
    });
    if let Some(url) = message.url.as_ref().filter(|url| url.chars().count() + 15 <= room) {
        embed["title"] = "See the picture".into();
        embed["url"] = url.as_str().into();
    }
    json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } })
}

/// As many characters as fit with their escapes.
fn fitting(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for character in text.chars() {
        let one = escape(character.encode_utf8(&mut [0; 4]));
        used += one.chars().count();
        if used > most - 1 {
            out.push('…');
            break;
        }
        out.push_str(&one);
    }
    out
}

/// Nothing of ours that is a command holds a backtick.
fn code(text: &str) -> String {
    format!("`{}`", super::plain(&text.replace('`', "'"), MAX_VALUE - 2))
}

pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for character in text.chars() {
        if character.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
