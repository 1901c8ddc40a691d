//! Topics: made, filled, counted, read.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use trailsight::clock::instant;

use super::{Cluster, LIMIT};
use crate::service::eventually;

/// A producer of the tests: waits longer than any restart of a broker takes.
pub(crate) type Filler = ThreadedProducer<DefaultProducerContext>;

/// A message that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) value: Option<String>,
}

impl Cluster {
    /// The properties of a client without security.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap()).set("reconnect.backoff.max.ms", "1000");
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("an admin client")
    }

    /// Makes a topic with these settings, replicated as often as there are brokers. Waits until every broker knows it.
    pub(crate) async fn topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let replicas = i32::try_from(self.brokers.len().min(3)).expect("few");
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
        let made = self.admin().create_topics([&topic], &options).await.expect("the brokers answer");
        made.into_iter().for_each(|made| drop(made.unwrap_or_else(|error| panic!("{name}: {error:?}"))));
        self.known(name, usize::try_from(partitions).expect("a count")).await;
    }

    /// Takes a topic away.
    pub(crate) async fn delete_topic(&self, name: &str) {
        let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
        let done = self.admin().delete_topics(&[name], &options).await.expect("the brokers answer");
        done.into_iter().for_each(|done| drop(done.unwrap_or_else(|error| panic!("{name}: {error:?}"))));
    }

    /// Gives a topic this many partitions.
    pub(crate) async fn grow(&self, name: &str, partitions: usize) {
        let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
        let grown = self.admin().create_partitions([&NewPartitions::new(name, partitions)], &options).await;
        grown.expect("the brokers answer").into_iter().for_each(|done| drop(done.expect("it grows")));
        self.known(name, partitions).await;
    }

    /// Waits until a client is told of all partitions: the controller has made them before the brokers tell.
    async fn known(&self, name: &str, partitions: usize) {
        let consumer = self.reader("read_uncommitted");
        let all = || self::partitions(&consumer, name).len() == partitions;
        eventually(async || all().then_some(()))
            .await
            .unwrap_or_else(|| panic!("{name} has not {partitions} partitions"));
    }

    /// A producer, idempotent, with this compression.
    pub(crate) fn filler(&self, compression: &str) -> Filler {
        let mut config = self.client();
        config.set("enable.idempotence", "true").set("compression.type", compression).set("linger.ms", "5");
        config.set("message.max.bytes", "16000000").set("message.timeout.ms", "300000");
        config.create().expect("a producer")
    }

    /// Writes messages (partition, key, value) and waits until all of them are acknowledged.
    pub(crate) fn fill<'a>(
        &self,
        topic: &str,
        compression: &str,
        messages: impl IntoIterator<Item = (i32, &'a str, &'a [u8])>,
    ) {
        let filler = self.filler(compression);
        for (partition, key, value) in messages {
            send(&filler, topic, partition, key, value);
        }
        flush(&filler);
    }

    /// The end of each partition as a reader of this isolation level sees it.
    pub(crate) fn ends(&self, topic: &str, isolation: &str) -> Vec<i64> {
        let consumer = self.reader(isolation);
        partitions(&consumer, topic)
            .map(|partition| consumer.fetch_watermarks(topic, partition, LIMIT).expect("the broker answers").1)
            .collect()
    }

    /// The offsets that a group has committed; -1 where it has none.
    pub(crate) fn committed(&self, group: &str, topic: &str) -> Vec<i64> {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        for partition in partitions(&consumer, topic) {
            list.add_partition(topic, partition);
        }
        let offsets = consumer.committed_offsets(list, LIMIT).expect("the broker answers");
        let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { -1 };
        offsets.elements().iter().map(|element| offset(element.offset())).collect()
    }

    /// Everything that a topic holds, read with this isolation level up to its present end, partition by partition.
    pub(crate) fn read(&self, topic: &str, isolation: &str) -> Vec<Received> {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", "reader of the tests")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", isolation)
            .create()
            .expect("a consumer");
        let mut list = TopicPartitionList::new();
        for partition in partitions(&consumer, topic) {
            list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&list).expect("partitions");
        let (mut open, mut read, began) = (list.count(), Vec::new(), instant());
        while open > 0 {
            assert!(began.elapsed() < LIMIT, "{topic} cannot be read to its end");
            match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => read.push(Received::of(&message)),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => open -= 1,
                _ => {}
            }
        }
        read.sort_by_key(|message| (message.partition, message.offset));
        read
    }

    fn reader(&self, isolation: &str) -> BaseConsumer {
        self.client().set("isolation.level", isolation).create().expect("a consumer")
    }
}

/// Waits until everything is acknowledged.
pub(crate) fn flush(filler: &Filler) {
    filler.flush(LIMIT).expect("all is acknowledged");
    assert_eq!(filler.in_flight_count(), 0);
}

/// Hands a message to a producer, waiting while its queue is full.
pub(crate) fn send(filler: &Filler, topic: &str, partition: i32, key: &str, value: &[u8]) {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    record = record.partition(partition);
    while let Err((error, back)) = filler.send(record) {
        assert_eq!(error.rdkafka_error_code(), Some(rdkafka::types::RDKafkaErrorCode::QueueFull), "{error}");
        record = back;
        let _ = filler.flush(Duration::from_millis(20));
    }
}

/// Hands over a message without a value.
pub(crate) fn send_tombstone(filler: &Filler, topic: &str, partition: i32, key: &str) {
    let record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic).key(key).partition(partition);
    filler.send(record).map_err(|(error, _)| error).expect("there is room");
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> std::ops::Range<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT).expect("the broker answers");
    0..i32::try_from(metadata.topics()[0].partitions().len()).expect("few")
}

impl Received {
    fn of(message: &rdkafka::message::BorrowedMessage<'_>) -> Received {
        use rdkafka::message::Headers;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        Received {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(text),
            headers: headers
                .map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default()))
                .collect(),
            value: message.payload().map(text),
        }
    }
}
