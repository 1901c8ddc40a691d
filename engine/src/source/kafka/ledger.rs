//! Which loads are durable, and so which offsets the group may be told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::positions::{Partition, Position};

/// Loads that were handed over and are not yet durable, and what became durable and was not yet committed.
pub(super) struct Ledger {
    sender: Sender<u64>,
    durable: Receiver<u64>,
    handed: u64,
    waiting: VecDeque<(u64, Vec<(Partition, Position)>)>,
    uncommitted: BTreeMap<Partition, Position>,
}

impl Ledger {
    pub(super) fn new() -> Ledger {
        let (sender, durable) = channel();
        Ledger { sender, durable, handed: 0, waiting: VecDeque::new(), uncommitted: BTreeMap::new() }
    }

    /// Enters a load that will be handed over with these positions. What is returned is called when it is durable.
    pub(super) fn enter(&mut self, positions: Vec<(Partition, Position)>) -> Box<dyn FnOnce(u64) + Send> {
        self.handed += 1;
        let number = self.handed;
        self.waiting.push_back((number, positions));
        let sender = self.sender.clone();
        Box::new(move |_| {
            // A consumer that has ended does not need to know.
            let _ = sender.send(number);
        })
    }

    /// Loads on their way.
    pub(super) fn outstanding(&self) -> usize {
        self.waiting.len()
    }

    /// Takes in what has become durable meanwhile.
    pub(super) fn look(&mut self) {
        while let Ok(number) = self.durable.try_recv() {
            self.settle(number);
        }
    }

    /// Waits for something to become durable, at most for `time`.
    pub(super) fn wait(&mut self, time: Duration) {
        if let Ok(number) = self.durable.recv_timeout(time) {
            self.settle(number);
        }
    }

    /// Waits until everything handed over is durable, at most until `deadline`; whether it is.
    pub(super) fn settled(&mut self, now: impl Fn() -> Instant, deadline: Instant) -> bool {
        while !self.waiting.is_empty() {
            let left = deadline.saturating_duration_since(now());
            if left == Duration::ZERO {
                return false;
            }
            match self.durable.recv_timeout(left) {
                Ok(number) => self.settle(number),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    /// Offsets to commit, each once.
    pub(super) fn uncommitted(&mut self) -> BTreeMap<Partition, Position> {
        std::mem::take(&mut self.uncommitted)
    }

    /// Offsets that could not be committed are tried again with the next, unless there are newer ones.
    pub(super) fn again(&mut self, positions: BTreeMap<Partition, Position>) {
        for (partition, position) in positions {
            self.uncommitted.entry(partition).or_insert(position);
        }
    }

    /// Forgets partitions that are another instance's now.
    pub(super) fn forget(&mut self, partitions: &[Partition]) {
        self.uncommitted.retain(|partition, _| !partitions.contains(partition));
        for (_, positions) in &mut self.waiting {
            positions.retain(|(partition, _)| !partitions.contains(partition));
        }
    }

    fn settle(&mut self, through: u64) {
        while let Some((_, positions)) = self.waiting.pop_front_if(|(number, _)| *number <= through) {
            self.uncommitted.extend(positions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::instant;

    fn at(next: i64) -> Vec<(Partition, Position)> {
        vec![(Partition::new("t", 0), Position { next, topic_id: String::new() })]
    }

    #[test]
    fn only_what_is_durable_may_be_committed() {
        let mut ledger = Ledger::new();
        let (first, second) = (ledger.enter(at(10)), ledger.enter(at(20)));
        ledger.look();
        assert!(ledger.uncommitted().is_empty() && ledger.outstanding() == 2);
        first(1);
        ledger.look();
        let committing = ledger.uncommitted();
        assert_eq!(committing.values().map(|position| position.next).collect::<Vec<_>>(), [10]);
        assert!(!ledger.settled(instant, instant()), "the second is on its way");
        second(2);
        assert!(ledger.settled(instant, instant() + Duration::from_secs(60)));
        ledger.again(committing);
        assert_eq!(ledger.uncommitted().values().map(|position| position.next).collect::<Vec<_>>(), [20]);
    }

    #[test]
    fn what_is_not_ours_any_more_is_not_committed() {
        let mut ledger = Ledger::new();
        let (first, second) = (ledger.enter(at(10)), ledger.enter(at(20)));
        first(1);
        ledger.look();
        ledger.forget(&[Partition::new("t", 0)]);
        second(2);
        ledger.look();
        assert!(ledger.uncommitted().is_empty());
    }
}
