//! What a person is told of an insight, in the markup of the program that shows it.
//!
//! A [`Message`] is plain text: one line that says it all, then facts. Everything in it that a caller of AWS can
//! mint (names, ARNs, user agents, error codes) has passed [`words::plain`]; what a markup would still make of it is
//! taken away by each format, by a form that has no markup where the receiver knows one and by escaping where not.
//! One list of attacks (`attacks.txt`) is fed to every format.

mod words;
mod compose;
mod slack;
mod teams;
mod discord;
mod pagerduty;
mod alertmanager;
mod template;

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::Value;
use trailsight_schemas::insight::{InsightEvent, State};

pub use alertmanager::OPEN_DAYS;
pub use template::{FUEL, MAX_BODY, MAX_TEMPLATE, Template, TemplateError};
pub use words::plain;

/// What is known of accounts, by their number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(pub BTreeMap<String, Known>);

/// What people call an account, who answers for it, and what it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Shown with the number.
    pub alias: Option<String>,
    /// Whom to ask.
    pub owner: Option<String>,
    /// `production`, for instance.
    pub environment: Option<String>,
}

/// One line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is about.
    pub label: &'static str,
    /// Plain text, at most [`FACT_CHARS`] characters.
    pub text: String,
    /// Something to copy into a terminal.
    pub command: bool,
}

/// Most characters of a headline: fits the shortest title of all receivers with its escapes.
pub const HEADLINE_CHARS: usize = 500;
/// Most characters of a fact's text.
pub const FACT_CHARS: usize = 900;

/// What a person is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// One line that says it all.
    pub headline: String,
    /// Who, with what, how many, how sure, what to do.
    pub facts: Vec<Fact>,
    /// The picture.
    pub url: Option<String>,
    /// The insight that is told.
    pub event: InsightEvent,
    /// The account as people call it.
    pub account: String,
}

impl Message {
    /// Tells an insight.
    pub fn of(event: &InsightEvent, names: &Names) -> Message {
        compose::message(event, names)
    }

    /// Whether it says that something is over.
    pub fn is_end(&self) -> bool {
        self.event.details.state == State::End
    }
}

/// The body of a webhook for people.
#[derive(Clone, Debug)]
pub enum Format {
    /// An incoming webhook of Slack.
    Slack,
    /// A workflow of Microsoft Teams that posts an adaptive card.
    Teams,
    /// A webhook of Discord.
    Discord,
    /// PagerDuty's Events API v2.
    PagerDuty {
        /// The integration key of the service.
        routing_key: SecretString,
    },
    /// Alertmanager's API v2.
    Alertmanager,
    /// A template of the operator's.
    Template(Box<Template>),
}

impl Format {
    /// The same with no secret in what it makes, to be shown.
    pub fn redacted(&self) -> Format {
        match self {
            Format::PagerDuty { .. } => Format::PagerDuty { routing_key: "[redacted]".into() },
            other => other.clone(),
        }
    }

    /// The body, and its `Content-Type`.
    pub fn body(&self, message: &Message) -> Result<(Vec<u8>, String), TemplateError> {
        let value = match self {
            Format::Slack => slack::body(message),
            Format::Teams => teams::body(message),
            Format::Discord => discord::body(message),
            Format::PagerDuty { routing_key } => pagerduty::body(message, routing_key),
            Format::Alertmanager => alertmanager::body(message),
            Format::Template(template) => return template.body(message),
        };
        Ok((Value::to_string(&value).into_bytes(), "application/json".to_owned()))
    }
}

#[cfg(test)]
mod tests;
