//! The partitions that are ours, and how far each is.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::{Offset, TopicPartitionList};
use trailsight_schemas::entry::Progress;

use super::context::Fetched;
use super::positions::{Partition, Position};
use super::watchdog::Look;

/// How far one partition may be ahead of another, seconds of event time. Detection keeps two days open.
const ALIGNED: i64 = 12 * 3600;

/// A client that pauses, resumes or seeks throws away what it has fetched and not told, and for a while its
/// statistics still say that it was fetched: so many statistics are not believed.
const UNSETTLED: u8 = 4;

/// A partition that is ours.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) partition: Partition,
    /// Offset of the next message, and the topic's id.
    pub(super) position: Position,
    /// Newest event time since the last load.
    pub(super) newest: Option<i64>,
    /// Newest event time since it became ours.
    pub(super) seen: Option<i64>,
    /// Whether anything was read since it became ours.
    pub(super) read: bool,
    /// It is far ahead of another one and waits.
    ahead: bool,
    /// Nothing waits at the broker.
    pub(super) caught_up: bool,
    /// Something changed since the last load.
    pub(super) changed: bool,
    fetched: Fetched,
    /// Statistics to come that may still speak of messages that were thrown away: see [`UNSETTLED`].
    unsettled: u8,
    /// End of the committed log by the second client; negative before its first look.
    pub(super) end: i64,
}

/// All partitions that are ours.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Where the last message belonged: messages come in runs.
    last: usize,
    /// Partitions that a mark or an earlier assignment names and that are not ours: they must not hold the clock.
    strangers: BTreeSet<Partition>,
}

impl Slots {
    /// With the partitions that the journal knows, none of which is ours yet.
    pub(super) fn new<'a>(known: impl Iterator<Item = &'a Partition>) -> Slots {
        Slots { strangers: known.cloned().collect(), ..Slots::default() }
    }

    pub(super) fn add(&mut self, partition: Partition, position: Position, end: i64) {
        self.strangers.remove(&partition);
        self.slots.retain(|slot| slot.partition != partition);
        let fetched = Fetched { next: -1, end: -1, waiting: 0 };
        self.slots.push(Slot {
            partition,
            position,
            newest: None,
            seen: None,
            read: false,
            ahead: false,
            caught_up: false,
            changed: true,
            fetched,
            unsettled: UNSETTLED,
            end,
        });
    }

    pub(super) fn remove(&mut self, partitions: &[Partition]) {
        self.slots.retain(|slot| !partitions.contains(&slot.partition));
        self.strangers.extend(partitions.iter().cloned());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether there are partitions of which nobody was told that others read them.
    pub(super) fn has_strangers(&self) -> bool {
        !self.strangers.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    pub(super) fn partitions(&self) -> Vec<Partition> {
        self.slots.iter().map(|slot| slot.partition.clone()).collect()
    }

    /// The slot of a message; `None` where the partition is not ours any more.
    pub(super) fn of(&mut self, topic: &str, number: i32) -> Option<&mut Slot> {
        let is = |slot: &Slot| slot.partition.number == number && slot.partition.topic == topic;
        if !self.slots.get(self.last).is_some_and(is) {
            self.last = self.slots.iter().position(is)?;
        }
        self.slots.get_mut(self.last)
    }

    /// Takes in what the client knows; whether it changed what is caught up. `fresh`: the second client has heard
    /// from the brokers lately; without that, nobody knows what waits.
    pub(super) fn observe(&mut self, fetched: &BTreeMap<Partition, Fetched>, fresh: bool) -> bool {
        let mut changed = false;
        for slot in &mut self.slots {
            if let Some(fetched) = fetched.get(&slot.partition) {
                slot.fetched = *fetched;
                slot.unsettled = slot.unsettled.saturating_sub(1);
            }
            let caught_up = fresh && slot.is_at_end();
            slot.changed |= caught_up != slot.caught_up;
            changed |= caught_up != slot.caught_up;
            slot.caught_up = caught_up;
        }
        changed
    }

    /// Takes in ends of logs.
    pub(super) fn ends(&mut self, ends: &BTreeMap<Partition, i64>) {
        for slot in &mut self.slots {
            slot.end = ends.get(&slot.partition).copied().unwrap_or(slot.end);
        }
    }

    /// Messages that wait, open transactions included.
    pub(super) fn lag(&self) -> u64 {
        let lag = |slot: &Slot| {
            let reached = if slot.caught_up { slot.reached() } else { slot.position.next };
            u64::try_from(slot.fetched.end.max(slot.end) - reached).unwrap_or(0)
        };
        self.slots.iter().map(lag).sum()
    }

    /// Partitions that are to wait from now on, and those that need not any more: one that is more than [`ALIGNED`]
    /// of event time ahead of another with a backlog would only fill memory with minutes that cannot be judged yet.
    pub(super) fn align(&mut self) -> (Vec<Partition>, Vec<Partition>) {
        let behind = self.slots.iter().filter(|slot| !slot.caught_up).filter_map(|slot| slot.seen).min();
        let (mut wait, mut go) = (Vec::new(), Vec::new());
        for slot in &mut self.slots {
            let ahead = behind.zip(slot.seen).is_some_and(|(behind, seen)| seen > behind.saturating_add(ALIGNED));
            if ahead != slot.ahead {
                (slot.ahead, slot.unsettled) = (ahead, UNSETTLED);
                if ahead { &mut wait } else { &mut go }.push(slot.partition.clone());
            }
        }
        (wait, go)
    }

    /// Partitions that have told something and are to wait from now on, until [`Slots::align`] lets them go.
    pub(super) fn hold(&mut self) -> Vec<Partition> {
        let told = self.slots.iter_mut().filter(|slot| slot.read && !slot.ahead);
        told.map(|slot| {
            (slot.ahead, slot.unsettled) = (true, UNSETTLED);
            slot.partition.clone()
        })
        .collect()
    }

    /// Everything was paused, or resumed.
    pub(super) fn switched(&mut self) {
        self.slots.iter_mut().for_each(|slot| (slot.ahead, slot.unsettled) = (false, UNSETTLED));
    }

    /// For the watchdog; a partition that waits for another may stand still.
    pub(super) fn looks(&self) -> Vec<Look> {
        let look = |slot: &Slot| Look { partition: slot.partition.clone(), reached: slot.reached(), end: slot.end };
        self.slots.iter().filter(|slot| !slot.ahead).map(look).collect()
    }

    /// Whether partitions with a backlog have told nothing yet: the clock must not run ahead of what they hold.
    pub(super) fn awaited(&self) -> bool {
        self.slots.iter().any(|slot| !slot.read && slot.position.next < slot.end)
    }

    /// The progress of what changed since this was last asked, and with it the positions that it covers.
    pub(super) fn progress(&mut self, source: &str) -> (Vec<Progress>, Vec<(Partition, Position)>) {
        let changed = self.slots.iter_mut().filter(|slot| slot.changed);
        let mut positions = Vec::new();
        let progress = changed.map(|slot| {
            slot.changed = false;
            positions.push((slot.partition.clone(), slot.position.clone()));
            Progress {
                source: source.to_owned(),
                partition: slot.partition.key(),
                marks: vec![(slot.partition.key(), slot.position.pack())],
                newest: slot.newest.take(),
                caught_up: slot.caught_up,
                ..Progress::default()
            }
        });
        (progress.collect(), positions)
    }

    /// The progress that says that others read what is not ours. Each is said once.
    pub(super) fn let_others(&mut self, source: &str) -> Vec<Progress> {
        let strangers = std::mem::take(&mut self.strangers).into_iter();
        let caught_up = |partition: Partition| Progress {
            source: source.to_owned(),
            partition: partition.key(),
            caught_up: true,
            ..Progress::default()
        };
        strangers.map(caught_up).collect()
    }

    /// All of them as a list, each at its next message.
    pub(super) fn list(&self) -> TopicPartitionList {
        list(self.slots.iter().map(|slot| (&slot.partition, slot.position.next)))
    }
}

/// Partitions and offsets as librdkafka wants them.
pub(super) fn list<'a>(partitions: impl Iterator<Item = (&'a Partition, i64)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, next) in partitions {
        // Offsets are not negative here, which is all that can be wrong with one.
        let _ = list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(next));
    }
    list
}

impl Slot {
    /// How far it was read, or fetched where all that was fetched was read: behind the last message there may be
    /// markers of transactions, which are offsets and no messages.
    fn reached(&self) -> i64 {
        let all_read = self.fetched.waiting == 0 && self.unsettled == 0 && !self.ahead;
        if all_read { self.position.next.max(self.fetched.next) } else { self.position.next }
    }

    fn is_at_end(&self) -> bool {
        let reached = self.reached();
        self.fetched.end >= 0 && reached >= self.fetched.end && reached >= self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> (Slots, Partition) {
        let partition = Partition::new("t", 0);
        let mut slots = Slots::new([partition.clone(), Partition::new("t", 1)].iter());
        slots.add(partition.clone(), Position { next: 10, topic_id: "id".into() }, 20);
        (slots, partition)
    }

    fn observe(slots: &mut Slots, next: i64, end: i64, waiting: u64) -> bool {
        let fetched = [(Partition::new("t", 0), Fetched { next, end, waiting })].into();
        slots.observe(&fetched, true);
        slots.slots[0].caught_up
    }

    #[test]
    fn a_partition_is_caught_up_at_its_end_and_not_before() {
        let (mut slots, partition) = slots();
        for _ in 1..UNSETTLED {
            assert!(!observe(&mut slots, 20, 20, 0), "what was fetched may have been thrown away");
        }
        assert!(!observe(&mut slots, -1, -1, 0), "nothing was fetched yet");
        assert!(!observe(&mut slots, 20, 20, 10), "fetched is not read");
        assert_eq!(slots.lag(), 10);
        slots.of("t", 0).unwrap().position.next = 19;
        assert!(observe(&mut slots, 20, 20, 0), "a marker of a transaction is the end");
        assert_eq!(slots.lag(), 0);
        assert!(!observe(&mut slots, 20, 25, 0), "an open transaction waits");
        assert_eq!(slots.lag(), 6);
        slots.ends(&[(partition.clone(), 30)].into());
        assert!(!observe(&mut slots, 25, 25, 0), "the second client sees more than was fetched");
        slots.slots[0].end = 25;
        assert!(observe(&mut slots, 25, 25, 0));
        assert!(slots.observe(&BTreeMap::new(), false) && !slots.slots[0].caught_up, "nobody knows any more");
        slots.switched();
        assert!(!observe(&mut slots, 25, 25, 0), "it was paused");
        // Traffic of other partitions in the common queue does not keep an idle one from its end.
        slots.slots[0].position.next = 25;
        assert!(observe(&mut slots, 25, 25, 1000));
    }

    #[test]
    fn a_partition_far_ahead_waits_for_the_slowest() {
        let (mut slots, _) = slots();
        slots.add(Partition::new("t", 1), Position::default(), 20);
        (slots.slots[0].seen, slots.slots[1].seen) = (Some(ALIGNED + 1), None);
        assert_eq!(slots.align(), (vec![], vec![]), "nobody knows of the other");
        slots.slots[1].seen = Some(0);
        assert_eq!(slots.align(), (vec![Partition::new("t", 0)], vec![]));
        assert_eq!((slots.align(), slots.looks().len()), ((vec![], vec![]), 1));
        slots.slots[1].seen = Some(1);
        assert_eq!(slots.align(), (vec![], vec![Partition::new("t", 0)]));
        (slots.slots[1].seen, slots.slots[1].caught_up) = (Some(0), true);
        assert_eq!(slots.align(), (vec![], vec![]), "who is at the end waits for nobody and keeps nobody");
    }

    #[test]
    fn progress_is_of_what_changed_and_others_do_not_hold_the_clock() {
        let (mut slots, _) = slots();
        assert!(slots.awaited(), "a backlog that has told nothing");
        let slot = slots.of("t", 0).unwrap();
        (slot.position.next, slot.newest, slot.read, slot.changed) = (12, Some(99), true, true);
        assert!(!slots.awaited());
        let (progress, positions) = slots.progress("s");
        assert_eq!((progress.len(), progress[0].newest, progress[0].caught_up), (1, Some(99), false));
        assert_eq!(Position::unpack(&progress[0].marks[0].1), Some(positions[0].1.clone()));
        assert!(slots.progress("s").0.is_empty());
        let others = slots.let_others("s");
        assert_eq!((others.len(), others[0].partition.as_str(), others[0].caught_up), (1, "t/1", true));
        assert!(others[0].marks.is_empty() && slots.let_others("s").is_empty());
        slots.remove(&[Partition::new("t", 0)]);
        assert_eq!(slots.let_others("s").len(), 1);
        assert!(slots.of("t", 0).is_none() && slots.is_empty());
    }
}
