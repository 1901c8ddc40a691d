//! Where insights go: a closed list.

mod signature;
mod stdout;
mod webhook;
mod kafka;

use std::borrow::Cow;

use trailsight_schemas::insight::{InsightEvent, InsightFormat};

use super::outbox::Row;
use super::retry::{Retry, SendError};

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
    Webhook(Box<Webhook>),
}

impl Sink {
    /// Delivers one row: `Ok` once the receiver has said that it has it. `now_ms` is the wall time, milliseconds
    /// since the epoch.
    pub async fn send(&self, row: &Row, now_ms: i64) -> Result<(), SendError> {
        let body = self.body(row)?;
        match &self.kind {
            Kind::Stdout(stdout) => stdout.write_line(body.into_owned()).await,
            Kind::Webhook(webhook) => webhook.post(row.event_id, body.into_owned(), now_ms).await,
        }
    }

    fn body<'a>(&self, row: &'a Row) -> Result<Cow<'a, [u8]>, SendError> {
        if self.format == InsightFormat::Full {
            return Ok(Cow::Borrowed(&row.insight_json));
        }
        let unreadable = |error| SendError::new(Retry::Never, &format!("the stored insight is unreadable: {error}"));
        let event = InsightEvent::parse(&row.insight_json).map_err(unreadable)?;
        Ok(Cow::Owned(event.to_json(self.format).into_bytes()))
    }
}
