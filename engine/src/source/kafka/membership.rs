//! Partitions that come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};

use super::begin::{Known, begin};
use super::context::{Context, Rebalance, let_go};
use super::positions::{Partition, Position};
use super::reader::{Ended, Reader};
use super::{Gap, Note, Start, slots};
use crate::clock::instant;
use crate::kafka::diagnose;

/// How long a partition is kept for the entry that covers it.
pub(super) const HANDOVER: Duration = Duration::from_secs(30);
/// How long the group may take to say what it has committed.
const COMMITTED: Duration = Duration::from_secs(10);
/// Before the brokers are asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Where a partition is begun.
struct Begun {
    partition: Partition,
    position: Position,
    /// Of its log.
    end: i64,
    gap: Option<Gap>,
    /// Another instance has read it further than we have.
    others: bool,
}

impl Reader<'_> {
    /// Answers what the group wants.
    pub(super) fn rebalance(&mut self, consumer: &BaseConsumer<Context>) -> Result<(), Ended> {
        while let Some(wanted) = consumer.context().rebalance() {
            match wanted {
                Rebalance::Assign(partitions) => self.assign(consumer, &partitions)?,
                Rebalance::Revoke(partitions) => self.revoke(consumer, &partitions)?,
            }
            self.shared = instant();
            let ids = self.slots.iter().map(|slot| (slot.partition.topic.clone(), slot.position.topic_id.clone()));
            self.watch.follow(self.slots.partitions(), ids.collect());
            self.observer.note(&self.source.name, Note::Rebalanced(self.slots.iter().count()));
        }
        Ok(())
    }

    /// Begins partitions at the later of our own position and the group's.
    fn assign(&mut self, consumer: &BaseConsumer<Context>, partitions: &[Partition]) -> Result<(), Ended> {
        let begun = self.begun(consumer, partitions)?;
        let list = slots::list(begun.iter().map(|begun| (&begun.partition, begun.position.next)));
        let assigned = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&list),
            _ => consumer.assign(&list),
        };
        assigned.map_err(|error| Ended::Failed(error.to_string()))?;
        let mut taken_over = 0;
        for Begun { partition, position, end, gap, others } in begun {
            self.tell_gap(&partition, gap);
            taken_over += usize::from(others);
            tracing::info!(source = %self.source.name, partition = %partition.key(), offset = position.next, end, "reads");
            self.slots.add(partition, position, end);
        }
        if taken_over > 0 {
            self.observer.note(&self.source.name, Note::TakenOver(taken_over));
        }
        Ok(())
    }

    /// Lets partitions go once the entry that covers them is durable and committed, or after [`HANDOVER`].
    fn revoke(&mut self, consumer: &BaseConsumer<Context>, partitions: &[Partition]) -> Result<(), Ended> {
        let deadline = instant() + HANDOVER;
        self.hand_over_until(consumer, Some(deadline))?;
        if self.ledger.settled(instant, deadline) {
            if !consumer.assignment_lost() {
                self.commit_now(consumer);
            }
        } else {
            tracing::error!(
                source = %self.source.name,
                "partitions are let go before what was read of them is durable: their new owner will count it too"
            );
        }
        self.ledger.forget(partitions);
        let_go(consumer, &slots::list(partitions.iter().map(|partition| (partition, 0))));
        self.slots.remove(partitions);
        Ok(())
    }

    /// A position may be out of range, or a topic have another id: finds out which, says what is missing, goes on.
    /// Whether any was.
    pub(super) fn recheck(&mut self, consumer: &BaseConsumer<Context>) -> Result<bool, Ended> {
        self.hand_over(consumer)?;
        let partitions = self.slots.partitions();
        let mut found = false;
        for Begun { partition, position, end, gap, .. } in self.begun(consumer, &partitions)? {
            if gap.is_none() {
                continue;
            }
            found = true;
            self.tell_gap(&partition, gap);
            let sought = consumer.seek(&partition.topic, partition.number, Offset::Offset(position.next), COMMITTED);
            sought.map_err(|error| Ended::Failed(error.to_string()))?;
            self.slots.add(partition, position, end);
        }
        let ids = self.slots.iter().map(|slot| (slot.partition.topic.clone(), slot.position.topic_id.clone()));
        self.watch.follow(self.slots.partitions(), ids.collect());
        Ok(found)
    }

    fn tell_gap(&self, partition: &Partition, gap: Option<Gap>) {
        if let Some(gap) = gap {
            self.observer.note(&self.source.name, Note::Gap(&partition.key(), gap));
        }
    }

    /// Asks until the brokers answer or the process is to stop.
    fn begun(&mut self, consumer: &BaseConsumer<Context>, partitions: &[Partition]) -> Result<Vec<Begun>, Ended> {
        loop {
            match self.ask(consumer, partitions) {
                Ok(begun) => return Ok(begun),
                Err(error) => {
                    let said = consumer.context().access.take_trouble();
                    let words = error.to_string();
                    let trouble =
                        said.unwrap_or_else(|| diagnose(&self.source.cluster, error.rdkafka_error_code(), &words));
                    self.observer.note(&self.source.name, Note::Error(trouble.cause));
                    self.observer.note(&self.source.name, Note::Trouble(&trouble));
                }
            }
            if self.intake.stop.wait(AGAIN) {
                return Err(self.finish(consumer));
            }
        }
    }

    fn ask(&self, consumer: &BaseConsumer<Context>, partitions: &[Partition]) -> KafkaResult<Vec<Begun>> {
        let topics: BTreeSet<&str> = partitions.iter().map(|partition| partition.topic.as_str()).collect();
        let ids = topics.iter().map(|topic| Ok((*topic, self.lookout.topic_id(topic)?)));
        let ids: BTreeMap<&str, String> = ids.collect::<KafkaResult<_>>()?;
        let ranges = self.lookout.ranges(partitions)?;
        let committed = committed(consumer, partitions)?;
        let times = match self.source.start {
            Start::At(time) => self.lookout.at(partitions, time)?,
            Start::Earliest | Start::Latest => BTreeMap::new(),
        };
        let begun = partitions.iter().map(|partition| {
            let topic_id = ids.get(partition.topic.as_str()).cloned().unwrap_or_default();
            let range = ranges.get(partition).copied().ok_or(KafkaError::NoMessageReceived)?;
            let known = Known {
                own: self.position(partition),
                committed: committed.get(partition).cloned(),
                topic_id: topic_id.clone(),
                range,
                start: self.start(partition, range, &times),
            };
            let (next, gap) = begin(&known, self.source.on_gap);
            let of = |position: &Option<Position>| position.as_ref().map_or(-1, |position| position.next);
            let others = gap.is_none() && of(&known.committed) == next && of(&known.own) < next;
            let position = Position { next, topic_id };
            Ok(Begun { partition: partition.clone(), position, end: range.1, gap, others })
        });
        begun.collect()
    }

    /// How far we have read a partition: of one that is ours, what was taken and not yet handed over counts too.
    fn position(&self, partition: &Partition) -> Option<Position> {
        let ours = self.slots.iter().find(|slot| slot.partition == *partition).map(|slot| slot.position.clone());
        ours.or_else(|| self.positions.get(partition).cloned())
    }

    /// Where a partition is begun that nobody has read. A topic of which we have read others has grown: all of the
    /// new partition is new.
    fn start(&self, partition: &Partition, range: (i64, i64), times: &BTreeMap<Partition, i64>) -> i64 {
        let grown = self.positions.keys().any(|known| known.topic == partition.topic);
        match self.source.start {
            _ if grown => range.0,
            Start::Earliest => range.0,
            Start::Latest => range.1,
            Start::At(_) => times.get(partition).copied().unwrap_or(range.1),
        }
    }
}

/// What the group has committed; the id of the topic is the metadata of an offset of ours.
fn committed(consumer: &BaseConsumer<Context>, partitions: &[Partition]) -> KafkaResult<BTreeMap<Partition, Position>> {
    let mut list = rdkafka::TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, partition.number);
    }
    let mut committed = BTreeMap::new();
    for element in consumer.committed_offsets(list, COMMITTED)?.elements() {
        element.error()?;
        if let Offset::Offset(next) = element.offset() {
            let position = Position { next, topic_id: element.metadata().to_owned() };
            committed.insert(Partition::new(element.topic(), element.partition()), position);
        }
    }
    Ok(committed)
}
