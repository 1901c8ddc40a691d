//! Topics of a Kafka cluster as a source.
//!
//! One thread polls the consumer, decodes into a tally, and hands loads over with the positions they reach: those
//! become marks of the same journal entry as the rollups, so a record is counted if and only if its offset is
//! passed. The group is told of an offset only after that, for lag tools and for the instance that takes a partition
//! over; where the two disagree, the later counts ([`begin`]).

mod positions;
mod begin;
mod context;
mod lookout;
mod watch;
mod watchdog;
mod slots;
mod ledger;
mod reader;
mod handover;
mod membership;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;

pub use begin::{Gap, GapKind, OnGap, Start};
use reader::{Ended, Reader};

use super::Intake;
use crate::clock::Clock;
use crate::ingest::{Reject, Settings};
use crate::kafka::{Cause, Cluster, Trouble};

/// Pause before a client that could not be made, or ended, is made anew.
const RETRY: Duration = Duration::from_secs(2);
/// Longest time between two polls before the group takes us for dead, milliseconds. While the journal cannot be
/// written the consumer is paused and polled all the same.
const POLL_INTERVAL: u64 = 300_000;

/// Topics of a Kafka cluster.
#[derive(Clone, Debug)]
pub struct KafkaSource {
    /// Name of the source in the configuration.
    pub name: String,
    /// Where, and how to be let in.
    pub cluster: Cluster,
    /// Topics; those that begin with `^` are patterns.
    pub topics: Vec<String>,
    /// The consumer group.
    pub group_id: String,
    /// Static membership; never with the new protocol.
    pub instance_id: Option<String>,
    /// The group protocol of Kafka 4 (KIP-848).
    pub new_protocol: bool,
    /// Where a partition is begun that nobody has read.
    pub start: Start,
    /// Where reading goes on behind a gap.
    pub on_gap: OnGap,
    /// How long we may be silent, milliseconds; not with the new protocol.
    pub session_timeout: u64,
    /// Messages fetched ahead, bytes.
    pub fetch_memory: u64,
    /// What is counted.
    pub settings: Arc<Settings>,
    /// Records of one load (`limits.load_records`).
    pub load_records: usize,
    /// Bytes of a tally (`limits.tally_memory`).
    pub memory: usize,
}

/// What a source tells while it runs.
#[derive(Clone, Debug)]
pub enum Note<'a> {
    /// It cannot read, and goes on trying.
    Trouble(&'a Trouble),
    /// It can read again.
    Mended,
    /// A client said that something is wrong; most of it mends itself.
    Error(Cause),
    /// Another process has our place in the group; we must not read on.
    Fenced(&'a Trouble),
    /// The group has shared the partitions anew; this many are ours.
    Rebalanced(usize),
    /// So many partitions were read further by another instance: it has their baselines.
    TakenOver(usize),
    /// Messages of a partition cannot be read any more.
    Gap(&'a str, Gap),
    /// The consumer is made anew, for this reason.
    Restarted(&'a str),
    /// So many messages without a value were passed over.
    Empty(u64),
    /// Age of the newest message of a load when it was taken.
    Fetched(Duration),
    /// Time of one commit.
    Committed(Duration),
    /// Whether it waits for the journal.
    Paused(bool),
}

/// Who is told.
pub trait Observer: Send + Sync {
    /// About the source of this name.
    fn note(&self, source: &str, note: Note<'_>);
}

impl KafkaSource {
    /// Reads until the process is to stop. Blocks; run it on a thread of its own. What goes wrong at the cluster is
    /// told and tried again, for ever; only a place in the group that another process has taken ends it.
    pub fn run(
        self,
        intake: Intake,
        marks: BTreeMap<String, Vec<u8>>,
        mut dead: impl FnMut(Reject),
        observer: &dyn Observer,
        clock: &Clock,
    ) {
        let mut positions = positions::of_marks(&marks);
        while !intake.stop.requested() {
            let opened = Reader::open(&self, &intake, &mut positions, &mut dead, observer, clock);
            let ended = match opened {
                Ok((mut reader, consumer)) => {
                    let ended = reader.read(&consumer);
                    handover::close(consumer);
                    ended
                }
                Err(trouble) => {
                    observer.note(&self.name, Note::Error(trouble.cause));
                    observer.note(&self.name, Note::Trouble(&trouble));
                    Ended::Failed(trouble.sentence)
                }
            };
            match ended {
                Ended::Stopped => return,
                Ended::Fenced(trouble) => return observer.note(&self.name, Note::Fenced(&trouble)),
                Ended::Failed(why) => observer.note(&self.name, Note::Restarted(&why)),
            }
            intake.stop.wait(RETRY);
        }
    }

    /// The properties of the consumer.
    fn properties(&self) -> ClientConfig {
        let mut config = self.cluster.client(&format!("trailsight-{}", self.name));
        let mut set = |key: &str, value: String| {
            config.set(key, value);
        };
        set("group.id", self.group_id.clone());
        set("enable.auto.commit", "false".to_owned());
        set("enable.auto.offset.store", "false".to_owned());
        // Silence about what was skipped is what the other choices mean.
        set("auto.offset.reset", "error".to_owned());
        set("isolation.level", "read_committed".to_owned());
        set("statistics.interval.ms", "1000".to_owned());
        set("max.poll.interval.ms", POLL_INTERVAL.to_string());
        set("queued.max.messages.kbytes", (self.fetch_memory / 1024).max(1).to_string());
        if self.new_protocol {
            set("group.protocol", "consumer".to_owned());
        } else {
            set("partition.assignment.strategy", "cooperative-sticky".to_owned());
            set("session.timeout.ms", self.session_timeout.to_string());
            set("heartbeat.interval.ms", (self.session_timeout / 3).min(3000).to_string());
            if let Some(instance) = &self.instance_id {
                set("group.instance.id", instance.clone());
            }
        }
        config
    }
}
