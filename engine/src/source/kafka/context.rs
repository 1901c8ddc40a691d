//! What the consumer tells: rebalances, commits, statistics.
//!
//! Rebalances are only written down here. The reader answers them when it has done what has to come before: the
//! entry that covers a partition is durable before the partition is let go.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};
use serde::Deserialize;

use super::positions::Partition;
use crate::kafka::Access;

/// What the group wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rebalance {
    /// These are ours from now on.
    Assign(Vec<Partition>),
    /// These are not ours any more, once we have said so.
    Revoke(Vec<Partition>),
}

/// What the client knows of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Fetched {
    /// Offset that is fetched next; past control records too.
    #[serde(rename = "next_offset")]
    pub(super) next: i64,
    /// End of the log as of the newest fetch, open transactions included; negative before the first.
    #[serde(rename = "hi_offset")]
    pub(super) end: i64,
    /// Messages of all partitions that were fetched and not yet taken.
    #[serde(rename = "fetchq_cnt")]
    pub(super) waiting: u64,
}

/// The context of the consumer.
pub(super) struct Context {
    pub(super) access: Arc<Access>,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// While a consumer is dropped nobody answers any more but we.
    closing: AtomicBool,
    statistics: Mutex<Option<BTreeMap<Partition, Fetched>>>,
    commits: Mutex<Commits>,
}

/// How commits went.
#[derive(Debug, Default)]
struct Commits {
    /// When the one that is under way was asked for.
    asked: Option<Instant>,
    done: Vec<Result<Duration, KafkaError>>,
}

impl Context {
    pub(super) fn new(access: Arc<Access>) -> Context {
        Context {
            access,
            rebalances: Mutex::default(),
            closing: AtomicBool::new(false),
            statistics: Mutex::default(),
            commits: Mutex::default(),
        }
    }

    /// The next thing that the group wants.
    pub(super) fn rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    /// Whether the group wants something back that was not answered.
    pub(super) fn revokes(&self) -> bool {
        lock(&self.rebalances).iter().any(|wanted| matches!(wanted, Rebalance::Revoke(_)))
    }

    /// From now on rebalances are answered at once.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// The newest statistics, once.
    pub(super) fn statistics(&self) -> Option<BTreeMap<Partition, Fetched>> {
        lock(&self.statistics).take()
    }

    /// A commit is asked for.
    pub(super) fn commits(&self, now: Instant) {
        lock(&self.commits).asked = Some(now);
    }

    /// Whether a commit is under way.
    pub(super) fn committing(&self) -> bool {
        lock(&self.commits).asked.is_some()
    }

    /// How commits ended since this was last asked.
    pub(super) fn committed(&self) -> Vec<Result<Duration, KafkaError>> {
        std::mem::take(&mut lock(&self.commits).done)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.access.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        if let Some(parsed) = parse(statistics) {
            *lock(&self.statistics) = Some(parsed);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.access.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.access.generate_oauth_token(config)
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigns = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::SeqCst) {
            if !assigns {
                let_go(consumer, list);
            }
            return;
        }
        let partitions = list.elements().iter().map(|each| Partition::new(each.topic(), each.partition())).collect();
        let wanted = if assigns { Rebalance::Assign(partitions) } else { Rebalance::Revoke(partitions) };
        lock(&self.rebalances).push_back(wanted);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        let mut commits = lock(&self.commits);
        if let Some(asked) = commits.asked.take() {
            commits.done.push(result.map(|()| asked.elapsed()));
        }
    }
}

/// Answers that partitions are let go.
pub(super) fn let_go(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) {
    let done = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    };
    if let Err(error) = done {
        tracing::warn!(%error, "partitions could not be let go");
    }
}

#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    topics: BTreeMap<String, TopicStatistics>,
}

#[derive(Deserialize)]
struct TopicStatistics {
    #[serde(default)]
    partitions: BTreeMap<String, Fetched>,
}

/// The partitions in librdkafka's statistics; `None` when they are something else.
fn parse(statistics: &[u8]) -> Option<BTreeMap<Partition, Fetched>> {
    let statistics: Statistics = serde_json::from_slice(statistics).ok()?;
    let partitions = statistics.topics.iter().flat_map(|(topic, of)| {
        // -1 is where messages of an unknown partition would be kept.
        let known = of.partitions.iter().filter_map(|(number, fetched)| Some((number.parse().ok()?, fetched)));
        known.filter(|(number, _)| *number >= 0).map(|(number, fetched)| (Partition::new(topic, number), *fetched))
    });
    Some(partitions.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_found_in_the_statistics() {
        let text = br#"{"name":"x","topics":{"trail":{"topic":"trail","partitions":{
            "0":{"partition":0,"fetchq_cnt":3,"next_offset":10,"app_offset":7,"hi_offset":12},
            "-1":{"partition":-1,"fetchq_cnt":0,"next_offset":-1001,"hi_offset":-1001}}}}}"#;
        let expected = [(Partition::new("trail", 0), Fetched { next: 10, end: 12, waiting: 3 })].into();
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse(b"{}"), Some(BTreeMap::new()));
        assert_eq!(parse(b"3"), None);
    }
}
