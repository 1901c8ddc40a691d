//! A second client that only looks: ends of logs, offsets at a time, ids of topics.
//!
//! It reads committed data, so the end that it sees is what a healthy consumer could reach, and it is independent of
//! the consumer, so that one that stands still is noticed.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::positions::Partition;
use crate::kafka::Access;

/// How long one question may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long events are served at a time.
const SERVE: Duration = Duration::from_millis(5);
/// Times that events are served until the id of a topic is known.
const TRIES: u32 = 50;

/// The second client.
pub(super) struct Lookout {
    client: BaseConsumer<Watching>,
}

/// Its context: that of any client, and the ids of topics.
struct Watching {
    access: Arc<Access>,
    ids: Mutex<BTreeMap<String, String>>,
}

impl Lookout {
    pub(super) fn open(access: Arc<Access>) -> KafkaResult<Lookout> {
        let mut config = access.cluster().client("trailsight-lookout");
        config.set("isolation.level", "read_committed");
        // The id of a topic is said nowhere but in these lines: rdkafka has no call for it.
        config.set("debug", "topic").set_log_level(RDKafkaLogLevel::Debug);
        let watching = Watching { access, ids: Mutex::default() };
        Ok(Lookout { client: config.create_with_context(watching)? })
    }

    /// The oldest offset and the end of each partition. Fails as a whole.
    pub(super) fn ranges(&self, partitions: &[Partition]) -> KafkaResult<BTreeMap<Partition, (i64, i64)>> {
        let oldest = self.offsets(partitions, Offset::Beginning)?;
        let ends = self.offsets(partitions, Offset::End)?;
        let both = oldest.into_iter().zip(ends).map(|((partition, oldest), (_, end))| (partition, (oldest, end)));
        Ok(both.collect())
    }

    /// The end of each partition.
    pub(super) fn ends(&self, partitions: &[Partition]) -> KafkaResult<BTreeMap<Partition, i64>> {
        self.offsets(partitions, Offset::End)
    }

    /// The first offset at or after a time, milliseconds since the epoch; the end where there is none.
    pub(super) fn at(&self, partitions: &[Partition], time: i64) -> KafkaResult<BTreeMap<Partition, i64>> {
        let mut found = self.offsets(partitions, Offset::Offset(time))?;
        let none: Vec<Partition> =
            found.iter().filter(|(_, offset)| **offset < 0).map(|(partition, _)| partition.clone()).collect();
        found.extend(self.ends(&none)?);
        Ok(found)
    }

    /// The id of a topic; empty where the broker has none for it.
    pub(super) fn topic_id(&self, topic: &str) -> KafkaResult<String> {
        self.serve();
        self.client.fetch_metadata(Some(topic), PATIENCE)?;
        let ids = &self.client.context().ids;
        for _ in 0..TRIES {
            self.serve();
            if let Some(id) = ids.lock().unwrap_or_else(PoisonError::into_inner).get(topic) {
                return Ok(id.clone());
            }
        }
        Ok(String::new())
    }

    /// Whether anybody answers at all.
    pub(super) fn hear(&self) -> KafkaResult<()> {
        self.serve();
        self.client.fetch_metadata(None, PATIENCE).map(drop)
    }

    /// Asks for the offsets at a time; the beginning and the end are times that have not been.
    fn offsets(&self, partitions: &[Partition], time: Offset) -> KafkaResult<BTreeMap<Partition, i64>> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.serve();
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition_offset(&partition.topic, partition.number, time)?;
        }
        let found = self.client.offsets_for_times(list, PATIENCE)?;
        let mut offsets = BTreeMap::new();
        for element in found.elements() {
            element.error()?;
            let offset = element.offset().to_raw().unwrap_or(-1);
            offsets.insert(Partition::new(element.topic(), element.partition()), offset);
        }
        Ok(offsets)
    }

    /// Tokens are asked for, and lines of the log come, when the client is polled. Without time it would serve one
    /// of them only.
    fn serve(&self) {
        while self.client.poll(SERVE).is_some() {}
    }
}

impl ClientContext for Watching {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if let Some((topic, id)) = id(message) {
            let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
            ids.insert(topic.to_owned(), id.to_owned());
        }
        self.access.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.access.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.access.generate_oauth_token(config)
    }
}

impl ConsumerContext for Watching {}

/// Topic and id in `… Topic T changed id from A to B`.
fn id(line: &str) -> Option<(&str, &str)> {
    let (head, tail) = line.split_once(" changed id from ")?;
    let (_, topic) = head.rsplit_once("Topic ")?;
    let (_, id) = tail.split_once(" to ")?;
    Some((topic, id.trim()))
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn an_id_is_found_in_its_line() {
        let line = "[thrd:main]: Topic trail changed id from AAAAAAAAAAAAAAAAAAAAAA to gXh3OeBzTqOzaw3MXCjP1g";
        assert_eq!(id(line), Some(("trail", "gXh3OeBzTqOzaw3MXCjP1g")));
        assert_eq!(id("[thrd:main]: Topic trail partition count changed from 0 to 1"), None);
    }
}
