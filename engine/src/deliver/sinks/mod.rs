//! Where insights go: a closed list.

mod addresses;
mod file;
mod signature;
mod stdout;
mod webhook;
mod kafka;

use std::borrow::Cow;
use std::fmt;

use trailsight_schemas::insight::{InsightEvent, InsightFormat};

use super::message::{Format, Message, Names};
use super::outbox::Row;
use super::retry::{Retry, SendError};

pub use addresses::is_public;
pub use file::FileSink;
pub(crate) use kafka::send_alone;
pub use kafka::{KafkaOutput, KafkaSpec};
pub use signature::{KeyError, MAX_KEYS, Signer};
pub use stdout::Stdout;
pub use webhook::{Webhook, WebhookError, WebhookSpec};

/// One configured sink.
#[derive(Debug)]
pub struct Sink {
    /// Its name in the configuration.
    pub name: String,
    /// What it is sent.
    pub format: InsightFormat,
    /// How it is sent.
    pub kind: Kind,
}

/// The kinds of sink.
#[derive(Debug)]
pub enum Kind {
    /// Lines on standard output.
    Stdout(Stdout),
    /// Signed requests to an HTTP server.
    Webhook(Box<Webhook>, Body),
    /// Files as CloudTrail delivers them.
    File(FileSink),
}

/// What a webhook sends of an insight.
#[derive(Debug)]
pub enum Body {
    /// The record itself.
    Record,
    /// What people are told.
    Message(Format, Names),
}

impl Sink {
    /// Delivers one row: `Ok` once the receiver has said that it has it. `now_ms` is the wall time, milliseconds
    /// since the epoch.
    pub async fn send(&self, row: &Row, now_ms: i64) -> Result<(), SendError> {
        let (body, kind) = self.body(row)?;
        match &self.kind {
            Kind::Stdout(stdout) => stdout.write_line(body.into_owned()).await,
            Kind::File(file) => file.write(row.event_id, body.into_owned(), now_ms).await,
            Kind::Webhook(webhook, _) => webhook.post(row.event_id, &kind, body.into_owned(), now_ms).await,
        }
    }

    /// What is sent for a row, and its `Content-Type`.
    fn body<'a>(&self, row: &'a Row) -> Result<(Cow<'a, [u8]>, Cow<'static, str>), SendError> {
        match &self.kind {
            Kind::Stdout(_) | Kind::File(_) => Body::Record.of(row, self.format),
            Kind::Webhook(_, body) => body.of(row, self.format),
        }
    }
}

impl Body {
    /// The body for a row, and its `Content-Type`. `format` says how much of a record is written.
    pub fn of<'a>(&self, row: &'a Row, format: InsightFormat) -> Result<(Cow<'a, [u8]>, Cow<'static, str>), SendError> {
        let never = |what: &str, error: &dyn fmt::Display| SendError::new(Retry::Never, &format!("{what}: {error}"));
        let parsed = || {
            InsightEvent::parse(&row.insight_json).map_err(|error| never("the stored insight is unreadable", &error))
        };
        match (self, format) {
            (Body::Message(message, names), _) => {
                let made = message.body(&Message::of(&parsed()?, names));
                let (body, kind) = made.map_err(|error| never("no body", &error))?;
                Ok((Cow::Owned(body), Cow::Owned(kind)))
            }
            (Body::Record, InsightFormat::Full) => {
                Ok((Cow::Borrowed(row.insight_json.as_slice()), Cow::Borrowed("application/json")))
            }
            (Body::Record, InsightFormat::Aws) => {
                Ok((Cow::Owned(parsed()?.to_json(format).into_bytes()), Cow::Borrowed("application/json")))
            }
        }
    }
}
