//! One transactional producer from its start to its first trouble.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode as Code;
use uuid::Uuid;

use super::bounded::Bounded;
use super::message::Message;
use super::reports::Reports;
use super::{CLIENT, KafkaSpec, PATIENCE};
use crate::deliver::ordered::Position;
use crate::kafka::{Access, Producing};

/// The position is the offset of this partition, in a group that nobody reads with.
const PARTITION: i32 = 0;
/// Calls of [`PATIENCE`] before a step of a transaction is given up and the session with it.
const CALLS: u32 = 3;
/// Smallest `message.max.bytes` that librdkafka takes.
const SMALLEST: usize = 1000;

/// A producer that has joined.
pub(super) struct Session {
    producer: Arc<ThreadedProducer<Producing>>,
    reports: Reports,
    group: Arc<ConsumerGroupMetadata>,
    bounded: Bounded,
    topic: String,
    position: Position,
}

/// Why a transaction came to nothing.
pub(super) struct Failure {
    pub(super) error: KafkaError,
    /// A message, or the messages together, are larger than the topic takes.
    pub(super) too_large: bool,
}

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Failure {
        Failure { too_large: error.rdkafka_error_code() == Some(Code::MessageSizeTooLarge), error }
    }
}

impl Session {
    /// Joins, finds the position, and notes `owner` beside it.
    ///
    /// The first call ends when the transactions of whoever was here before are over; only then is what they
    /// committed all that they will ever commit.
    pub(super) fn open(
        spec: &KafkaSpec,
        limit: usize,
        owner: u64,
        access: &Arc<Access>,
        bounded: &Bounded,
    ) -> Result<(Session, Option<Position>), KafkaError> {
        let reports = Reports::default();
        let producer = Arc::new(producer(spec, limit, reports.context(access))?);
        patiently(|| producer.init_transactions(PATIENCE))?;
        let reader = reader(spec, Producing::new(access, drop), "read_committed")?;
        let found = position(spec, &reader)?;
        let group = Arc::new(reader.group_metadata().ok_or(KafkaError::Canceled)?);
        let (row, event_id) = found.map_or((0, Uuid::nil()), |found| (found.row, found.event_id));
        let position = Position { row, event_id, owner };
        let (topic, bounded) = (spec.topic.name.clone(), bounded.clone());
        let mut session = Session { producer, reports, group, bounded, topic, position };
        session.append(&[]).map_err(|failure| failure.error)?;
        Ok((session, found))
    }

    /// One transaction: the messages, and the position of the last.
    pub(super) fn append(&mut self, messages: &[Message<'_>]) -> Result<(), Failure> {
        let position = match messages.last() {
            Some(last) => Position { row: last.row, event_id: last.event_id, ..self.position },
            None => self.position,
        };
        self.reports.take_undelivered();
        self.producer.begin_transaction()?;
        for message in messages {
            let record = BaseRecord::to(&self.topic)
                .key(&message.key)
                .payload(message.value.as_ref())
                .headers(message.owned_headers());
            self.producer.send(record).map_err(|(error, _)| error)?;
        }
        let flushed = patiently(|| self.producer.flush(PATIENCE));
        if let Some(error) = self.reports.take_undelivered() {
            return Err(error.into());
        }
        flushed?;
        self.note(&position)?;
        patiently(|| self.producer.commit_transaction(PATIENCE))?;
        self.position = position;
        Ok(())
    }

    /// The position becomes part of the transaction.
    fn note(&self, position: &Position) -> Result<(), KafkaError> {
        let offsets = offsets(&self.topic, position)?;
        let (producer, group) = (self.producer.clone(), self.group.clone());
        let noted = self.bounded.call(PATIENCE * CALLS, move || {
            patiently(|| producer.send_offsets_to_transaction(&offsets, &group, PATIENCE))
        });
        noted.unwrap_or(Err(KafkaError::ConsumerCommit(Code::OperationTimedOut)))
    }
}

fn producer(spec: &KafkaSpec, limit: usize, context: Producing) -> Result<ThreadedProducer<Producing>, KafkaError> {
    let timeout = spec.transaction_timeout.as_millis().to_string();
    let limit = limit.max(SMALLEST).to_string();
    let mut config = spec.topic.cluster.client(CLIENT);
    config
        .set("transactional.id", &spec.transactional_id)
        .set("transaction.timeout.ms", &timeout)
        .set("message.timeout.ms", &timeout)
        .set("socket.timeout.ms", PATIENCE.as_millis().to_string())
        .set("message.max.bytes", &limit)
        // The topic's limit is one of whole batches.
        .set("batch.size", &limit)
        .set("linger.ms", "5")
        .set("compression.type", "lz4")
        // As Java's clients spread keys, so that others who write or join by key agree.
        .set("partitioner", "murmur2_random")
        .set("allow.auto.create.topics", "false");
    config.create_with_context(context)
}

/// A consumer that reads nothing but metadata and the group's position.
pub(super) fn reader(
    spec: &KafkaSpec,
    context: Producing,
    isolation: &str,
) -> Result<BaseConsumer<Producing>, KafkaError> {
    let mut config = spec.topic.cluster.client(CLIENT);
    config
        .set("group.id", &spec.transactional_id)
        .set("isolation.level", isolation)
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false");
    let reader: BaseConsumer<Producing> = config.create_with_context(context)?;
    // Serves what the client wants before it connects, a token for instance.
    reader.poll(Duration::ZERO);
    Ok(reader)
}

/// The position that the group holds.
pub(super) fn position(spec: &KafkaSpec, reader: &BaseConsumer<Producing>) -> Result<Option<Position>, KafkaError> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition(&spec.topic.name, PARTITION);
    let found = reader.committed_offsets(asked, PATIENCE)?;
    let Some(element) = found.find_partition(&spec.topic.name, PARTITION) else { return Ok(None) };
    element.error()?;
    let Offset::Offset(row) = element.offset() else { return Ok(None) };
    Ok(read(row, element.metadata()))
}

fn offsets(topic: &str, position: &Position) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    let mut element = list.add_partition(topic, PARTITION);
    element.set_offset(Offset::Offset(position.row))?;
    element.set_metadata(written(position));
    Ok(list)
}

/// `1 OWNER EVENT_ID`; the number is that of this form.
fn written(position: &Position) -> String {
    format!("1 {:016x} {}", position.owner, position.event_id)
}

/// What [`written`] wrote. Anything else was written by somebody else and is a position of nobody's: a row that no
/// record is in.
fn read(row: i64, metadata: &str) -> Option<Position> {
    let mut words = metadata.split(' ');
    let (form, owner, event_id) = (words.next(), words.next(), words.next());
    let owner = owner.and_then(|owner| u64::from_str_radix(owner, 16).ok());
    let event_id = event_id.and_then(|id| Uuid::parse_str(id).ok());
    match (form, owner, event_id) {
        (Some("1"), Some(owner), Some(event_id)) => Some(Position { row, event_id, owner }),
        _ => Some(Position { row, event_id: Uuid::nil(), owner: 0 }),
    }
}

/// Calls again while the client says that calling again goes on with what was begun, a bounded number of times.
fn patiently(mut call: impl FnMut() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    let mut outcome = call();
    for _ in 1..CALLS {
        let again = match &outcome {
            Err(KafkaError::Transaction(error)) => error.is_retriable() && !error.txn_requires_abort(),
            Err(KafkaError::Flush(code)) => *code == Code::OperationTimedOut,
            _ => false,
        };
        if !again {
            break;
        }
        outcome = call();
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_and_a_strangers_is_not_ours() {
        let position = Position { row: 77, event_id: Uuid::from_u128(5), owner: u64::MAX - 1 };
        assert_eq!(read(77, &written(&position)), Some(position));
        for metadata in ["", "1", "2 00000000000000ff x", "1 zz 00000000-0000-0000-0000-000000000005"] {
            let read = read(77, metadata).expect("a position");
            assert_eq!((read.row, read.event_id, read.owner), (77, Uuid::nil(), 0), "{metadata}");
        }
    }
}
