//! Insights as messages of a Kafka topic, each there once for whoever reads with `isolation.level=read_committed`.
//!
//! Every unit of rows is one transaction, which also commits the outbox id of its last row as the offset of a group
//! of our own (KIP-98's `sendOffsetsToTransaction`): that offset is the [`Position`], and it is there exactly if the
//! messages are. Its metadata names the record in that row and the process that wrote it. Group and
//! `transactional.id` are the same words, fixed for a data directory and a sink: whoever joins under them aborts
//! what the one before left open, and the broker shuts that one out from then on.
//!
//! Any trouble has one answer: the session is dropped and the next join finds out what is there. It covers lost
//! answers to a commit, transactions that the broker timed out, and being shut out.

mod reports;
mod message;
mod session;
mod bounded;
mod alone;

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::KafkaError;
use trailsight_schemas::insight::InsightFormat;

use super::super::ordered::{Output, Position, Refusal};
use super::super::outbox::Row;
use crate::kafka::probe::{looked_at, refused};
use crate::kafka::{Access, Cause, Producing, Topic, Trouble, diagnose};
pub(crate) use alone::send_alone;
use bounded::Bounded;
use message::{Length, Message};
use session::Session;

/// Longest that one call to the broker may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// What the brokers' logs and quotas call us.
const CLIENT: &str = "trailsight-sink";

/// A Kafka sink as configured.
#[derive(Clone, Debug)]
pub struct KafkaSpec {
    /// The topic.
    pub topic: Topic,
    /// What the messages hold.
    pub format: InsightFormat,
    /// `transactional.id`, and the group that holds the position.
    pub transactional_id: String,
    /// After how long the broker aborts what a process that is gone left open. Until then, and up to ten seconds
    /// longer, readers wait. A message that the broker has not taken for so long is sent again in a new transaction.
    pub transaction_timeout: Duration,
    /// Largest message, bytes, where the topic's own limit is not lower.
    pub message_bytes: usize,
}

/// A topic with insights, written by transactions.
pub struct KafkaOutput {
    spec: KafkaSpec,
    access: Arc<Access>,
    session: Option<Session>,
    bounded: Bounded,
    /// Largest message, bytes.
    limit: usize,
    /// A row that the broker found too large although it was within the limit, and the length it had.
    refused: Option<(i64, Length)>,
    shortened: Arc<dyn Fn() + Send + Sync>,
}

impl KafkaOutput {
    /// Connects to nothing yet. `shortened` hears of every message that had to be cut to fit.
    pub fn new(spec: KafkaSpec, shortened: Arc<dyn Fn() + Send + Sync>) -> KafkaOutput {
        let access = Arc::new(Access::new(spec.topic.cluster.clone()));
        let limit = spec.message_bytes;
        KafkaOutput { spec, access, session: None, bounded: Bounded::default(), limit, refused: None, shortened }
    }

    /// Of a client that sends nothing.
    fn context(&self) -> Producing {
        Producing::new(&self.access, drop)
    }

    /// One sentence for an error; what the connection itself said explains a timeout better than the timeout does.
    fn later(&self, doing: &str, error: &KafkaError) -> Refusal {
        let code = error.rdkafka_error_code();
        let trouble = diagnose(&self.spec.topic.cluster, code, &format!("{doing}: {error}"));
        self.because(trouble)
    }

    fn because(&self, trouble: Trouble) -> Refusal {
        let cluster = &self.spec.topic.cluster;
        if trouble.cause != Cause::Unreachable {
            return Refusal::Later(trouble.sentence);
        }
        let said = self.access.take_trouble().unwrap_or(trouble);
        Refusal::Later(looked_at(cluster, said).sentence)
    }

    /// The topic's own limit where it is known and lower.
    fn topic_limit(&self) -> usize {
        let limit = self.spec.topic.largest_message(self.context());
        limit.map_or(self.limit, |limit| limit.min(self.spec.message_bytes))
    }

    /// The topic may take more since we joined; the client learns its limit by joining again.
    fn unless_it_fits_by_now(&mut self, refusal: Refusal) -> Refusal {
        let limit = self.topic_limit();
        if limit <= self.limit {
            return refusal;
        }
        (self.limit, self.session) = (limit, None);
        Refusal::Fewer
    }

    /// The messages of these rows, or the row that cannot be one.
    fn messages<'a>(&self, rows: &'a [Row]) -> Result<Vec<Message<'a>>, Refusal> {
        let mut messages = Vec::with_capacity(rows.len());
        for row in rows {
            let from = match self.refused {
                Some((refused, length)) if refused == row.id => length.next(),
                _ => Some(Length::Whole),
            };
            let message = from.ok_or_else(|| too_large(row, self.limit)).and_then(|from| {
                Message::of(row, self.spec.format, from, self.limit)
                    .map_err(|reason| Refusal::Row { id: row.id, reason })
            })?;
            messages.push(message);
        }
        Ok(messages)
    }
}

impl Output for KafkaOutput {
    fn position(&mut self) -> Result<Option<Position>, Refusal> {
        let reader = session::reader(&self.spec, self.context(), "read_uncommitted")
            .map_err(|error| Refusal::Later(refused(&error).sentence))?;
        self.spec.topic.ensure(&reader, self.context()).map_err(|trouble| self.because(trouble))?;
        self.limit = self.topic_limit();
        session::position(&self.spec, &reader).map_err(|error| self.later("reading the position", &error))
    }

    fn join(&mut self, owner: u64) -> Result<Option<Position>, Refusal> {
        self.session = None;
        let (session, found) = Session::open(&self.spec, self.limit, owner, &self.access, &self.bounded)
            .map_err(|error| self.later("taking over the output", &error))?;
        self.session = Some(session);
        Ok(found)
    }

    fn joined(&self) -> bool {
        self.session.is_some()
    }

    fn leave(&mut self) {
        self.session = None;
    }

    fn append(&mut self, rows: &[Row]) -> Result<(), Refusal> {
        let messages = match self.messages(rows) {
            Ok(messages) => messages,
            Err(refusal) => return Err(self.unless_it_fits_by_now(refusal)),
        };
        let Some(session) = &mut self.session else { return Err(Refusal::Later("not joined".to_owned())) };
        let Err(failure) = session.append(&messages) else {
            messages.iter().filter(|message| message.is_cut()).for_each(|_| (self.shortened)());
            return Ok(());
        };
        self.session = None;
        if !failure.too_large {
            return Err(self.later("sending", &failure.error));
        }
        match messages.as_slice() {
            [only] => self.refused = Some((only.row, only.length)),
            _ => return Err(Refusal::Fewer),
        }
        match rows {
            [row] if messages[0].length.next().is_none() => Err(too_large(row, self.limit)),
            _ => Err(Refusal::Fewer),
        }
    }
}

fn too_large(row: &Row, limit: usize) -> Refusal {
    Refusal::Row { id: row.id, reason: format!("the topic takes no message of this size (limit {limit} bytes)") }
}
