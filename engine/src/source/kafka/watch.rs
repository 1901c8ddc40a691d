//! A thread that asks the brokers every few seconds, beside the consumer: how long are the logs, do the topics still
//! have their ids, and if nobody answers, why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaResult;

use super::lookout::Lookout;
use super::positions::Partition;
use crate::clock::instant;
use crate::kafka::{Access, Trouble, diagnose, probe};
use crate::source::Stop;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(3);
/// Without an answer for this long nobody knows what waits.
const FRESH: Duration = Duration::from_secs(12);

/// The thread; it ends when this is dropped.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: Stop,
}

/// What it sees.
#[derive(Default)]
struct Seen {
    partitions: Vec<Partition>,
    ids: BTreeMap<String, String>,
    ends: BTreeMap<Partition, i64>,
    heard: Option<Instant>,
    trouble: Option<Trouble>,
    recreated: bool,
}

impl Watch {
    pub(super) fn start(lookout: Arc<Lookout>, access: Arc<Access>) -> std::io::Result<Watch> {
        let (seen, stop) = (Arc::new(Mutex::new(Seen::default())), Stop::default());
        let watch = Watch { seen: seen.clone(), stop: stop.clone() };
        std::thread::Builder::new().name("kafka watch".to_owned()).spawn(move || {
            let mut turn = 0;
            loop {
                turn += 1;
                look(&lookout, &access, &seen, turn);
                if stop.wait(INTERVAL) {
                    return;
                }
            }
        })?;
        Ok(watch)
    }

    /// What is to be watched from now on: partitions, and the ids of their topics.
    pub(super) fn follow(&self, partitions: Vec<Partition>, ids: BTreeMap<String, String>) {
        let mut seen = lock(&self.seen);
        (seen.partitions, seen.ids) = (partitions, ids);
    }

    /// Ends of the logs, committed data.
    pub(super) fn ends(&self) -> BTreeMap<Partition, i64> {
        lock(&self.seen).ends.clone()
    }

    /// Whether the brokers have answered lately.
    pub(super) fn fresh(&self) -> bool {
        lock(&self.seen).heard.is_some_and(|heard| heard.elapsed() < FRESH)
    }

    /// Why they do not answer; `None` while they do, or before they were asked.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        lock(&self.seen).trouble.clone()
    }

    /// Whether a topic has another id than it had, since this was last asked.
    pub(super) fn recreated(&self) -> bool {
        std::mem::take(&mut lock(&self.seen).recreated)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.request();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look(lookout: &Lookout, access: &Access, seen: &Mutex<Seen>, turn: usize) {
    let (partitions, ids) = {
        let seen = lock(seen);
        (seen.partitions.clone(), seen.ids.clone())
    };
    let asked = ask(lookout, &partitions, &ids, turn);
    let failed = asked.as_ref().err().map(|error| {
        let said = access.take_trouble();
        let trouble = said.unwrap_or_else(|| diagnose(access.cluster(), error.rdkafka_error_code(), "no answer"));
        probe::looked_at(access.cluster(), trouble)
    });
    let mut seen = lock(seen);
    seen.trouble = failed;
    if let Ok((ends, recreated)) = asked {
        seen.heard = Some(instant());
        seen.ends = ends;
        seen.recreated |= recreated;
    }
}

type Answer = (BTreeMap<Partition, i64>, bool);

/// The ends, and whether one of the topics (each in its turn) was made anew.
fn ask(
    lookout: &Lookout,
    partitions: &[Partition],
    ids: &BTreeMap<String, String>,
    turn: usize,
) -> KafkaResult<Answer> {
    if partitions.is_empty() {
        lookout.hear()?;
        return Ok((BTreeMap::new(), false));
    }
    let ends = lookout.ends(partitions)?;
    let topics: BTreeSet<&str> = partitions.iter().map(|partition| partition.topic.as_str()).collect();
    let Some(topic) = topics.iter().nth(turn % topics.len().max(1)) else { return Ok((ends, false)) };
    let id = lookout.topic_id(topic)?;
    let known = ids.get(*topic).filter(|known| !known.is_empty());
    Ok((ends, !id.is_empty() && known.is_some_and(|known| *known != id)))
}
