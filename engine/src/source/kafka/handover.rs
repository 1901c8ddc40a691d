//! Loads on their way: handed over, durable, committed; and the end of a consumer.

use std::sync::mpsc::{TrySendError, channel};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::Note;
use super::context::{Context, Rebalance, let_go};
use super::membership::HANDOVER;
use super::positions::{Partition, Position};
use super::reader::{Ended, Reader};
use super::slots;
use crate::clock::instant;
use crate::ingest::Tally;
use crate::kafka::diagnose;
use crate::source::{Load, settings_at};

/// A load that finds no room for this long pauses the partitions.
const PAUSE_AFTER: Duration = Duration::from_secs(1);
/// Between two tries to hand a load over.
const TRY: Duration = Duration::from_millis(20);
/// Nothing was shared anew for this long: what is not ours is read by others.
const SETTLED: Duration = Duration::from_secs(10);
/// How long the last load may take to become durable when the process is to stop.
const LAST: Duration = Duration::from_secs(10);
/// How long a consumer may take to leave its group.
const LEAVE: Duration = Duration::from_secs(5);

impl Reader<'_> {
    /// Whether enough time has passed since the last rebalance to say that others read the rest.
    pub(super) fn others_read(&self) -> bool {
        !self.slots.is_empty() && self.slots.has_strangers() && self.shared.elapsed() >= SETTLED
    }

    /// Hands over what was read and what changed.
    pub(super) fn hand_over(&mut self, consumer: &BaseConsumer<Context>) -> Result<(), Ended> {
        self.hand_over_until(consumer, None)
    }

    /// The same; at `deadline` what found no room is held and goes first the next time.
    pub(super) fn hand_over_until(
        &mut self,
        consumer: &BaseConsumer<Context>,
        deadline: Option<Instant>,
    ) -> Result<(), Ended> {
        if let Some(load) = self.held.take() {
            self.send(consumer, load, deadline)?;
            if self.held.is_some() {
                return Ok(());
            }
        }
        self.align(consumer)?;
        let (mut progress, positions) = self.slots.progress(&self.source.name);
        if self.others_read() {
            progress.extend(self.slots.let_others(&self.source.name));
        }
        if progress.is_empty() {
            return Ok(());
        }
        self.positions.extend(positions.iter().cloned());
        let settings = settings_at(&self.source.settings, self.clock.now());
        let tally = std::mem::replace(&mut self.tally, Tally::new(settings));
        if let Some(stamp) = self.stamp.take() {
            let age = u64::try_from(self.clock.now() - stamp).unwrap_or(0);
            self.observer.note(&self.source.name, Note::Fetched(Duration::from_millis(age)));
        }
        let received = self.since.take().unwrap_or_else(instant);
        let acknowledge = Some(self.ledger.enter(positions));
        self.send(consumer, Load { tally, progress, acknowledge, received }, deadline)
    }

    fn align(&mut self, consumer: &BaseConsumer<Context>) -> Result<(), Ended> {
        let (wait, go) = self.slots.align();
        let list = |partitions: &[Partition]| slots::list(partitions.iter().map(|partition| (partition, 0)));
        let waits = if wait.is_empty() { Ok(()) } else { consumer.pause(&list(&wait)) };
        let goes = if go.is_empty() { Ok(()) } else { consumer.resume(&list(&go)) };
        waits.and(goes).map_err(|error| Ended::Failed(error.to_string()))
    }

    /// The tally is full and some partitions have told nothing yet: the others wait for them.
    pub(super) fn hold(&mut self, consumer: &BaseConsumer<Context>) -> Result<(), Ended> {
        let wait = self.slots.hold();
        if wait.is_empty() {
            return Ok(());
        }
        let list = slots::list(wait.iter().map(|partition| (partition, 0)));
        consumer.pause(&list).map_err(|error| Ended::Failed(error.to_string()))
    }

    /// Waits for room. Meanwhile nothing is fetched, and the group hears that we are alive.
    fn send(
        &mut self,
        consumer: &BaseConsumer<Context>,
        mut load: Load,
        deadline: Option<Instant>,
    ) -> Result<(), Ended> {
        let began = instant();
        let mut paused = false;
        loop {
            match self.intake.loads.try_send(load) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Err(Ended::Stopped),
                Err(TrySendError::Full(back)) => load = back,
            }
            // The rest of the group does not wait for a journal that cannot be written.
            let wanted = paused && began.elapsed() >= HANDOVER && consumer.context().revokes();
            if wanted || deadline.is_some_and(|deadline| instant() >= deadline) {
                self.held = Some(load);
                break;
            }
            if !paused && began.elapsed() >= PAUSE_AFTER {
                paused = true;
                self.observer.note(&self.source.name, Note::Paused(true));
                self.switch(consumer, true)?;
                self.slots.switched();
            }
            if !paused {
                self.ledger.wait(TRY);
            } else if let Some(Ok(message)) = consumer.poll(TRY) {
                // One that was under way when its partition was paused.
                self.take(&message);
            }
        }
        if paused {
            self.switch(consumer, false)?;
            self.slots.switched();
            self.observer.note(&self.source.name, Note::Paused(false));
        }
        Ok(())
    }

    /// Pauses or resumes everything that is ours.
    fn switch(&self, consumer: &BaseConsumer<Context>, pause: bool) -> Result<(), Ended> {
        let list = self.slots.list();
        let done = if pause { consumer.pause(&list) } else { consumer.resume(&list) };
        done.map_err(|error| Ended::Failed(error.to_string()))
    }

    /// Tells the group what is durable, without waiting for its answer.
    pub(super) fn commit(&mut self, consumer: &BaseConsumer<Context>) {
        for done in consumer.context().committed() {
            match done {
                Ok(took) => {
                    self.committing.clear();
                    self.observer.note(&self.source.name, Note::Committed(took));
                }
                Err(error) => {
                    self.ledger.again(std::mem::take(&mut self.committing));
                    let trouble = diagnose(&self.source.cluster, error.rdkafka_error_code(), "commit");
                    self.observer.note(&self.source.name, Note::Error(trouble.cause));
                }
            }
        }
        self.ledger.look();
        if consumer.context().committing() {
            return;
        }
        let positions = self.ledger.uncommitted();
        if positions.is_empty() {
            return;
        }
        consumer.context().commits(instant());
        // A commit that cannot even be asked for ends in the callback as well.
        if consumer.commit(&offsets(positions.iter()), CommitMode::Async).is_ok() {
            self.committing = positions;
        } else {
            self.ledger.again(positions);
        }
    }

    /// The same, waiting for the answer: before partitions are let go.
    pub(super) fn commit_now(&mut self, consumer: &BaseConsumer<Context>) {
        self.ledger.look();
        self.ledger.again(std::mem::take(&mut self.committing));
        let positions = self.ledger.uncommitted();
        if positions.is_empty() {
            return;
        }
        let began = instant();
        match consumer.commit(&offsets(positions.iter()), CommitMode::Sync) {
            Ok(()) => self.observer.note(&self.source.name, Note::Committed(began.elapsed())),
            Err(error) => {
                self.ledger.again(positions);
                tracing::warn!(source = %self.source.name, %error, "offsets could not be committed");
            }
        }
    }

    /// The process is to stop: what was read becomes durable and is committed.
    pub(super) fn finish(&mut self, consumer: &BaseConsumer<Context>) -> Ended {
        let deadline = instant() + LAST;
        if self.hand_over_until(consumer, Some(deadline)).is_ok() && self.ledger.settled(instant, deadline) {
            self.commit_now(consumer);
        }
        Ended::Stopped
    }
}

/// Offsets with the ids of their topics, so that whoever reads them later knows which topic they were of.
fn offsets<'a>(positions: impl Iterator<Item = (&'a Partition, &'a Position)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, position) in positions {
        let mut element = list.add_partition(&partition.topic, partition.number);
        element.set_metadata(&position.topic_id);
        // Offsets are not negative here, which is all that can be wrong with one.
        let _ = element.set_offset(Offset::Offset(position.next));
    }
    list
}

/// Leaves the group. A broker that says nothing must not keep the process from ending: the rest is done behind it.
pub(super) fn close(consumer: BaseConsumer<Context>) {
    consumer.context().close();
    while let Some(wanted) = consumer.context().rebalance() {
        if let Rebalance::Revoke(partitions) = wanted {
            let_go(&consumer, &slots::list(partitions.iter().map(|partition| (partition, 0))));
        }
    }
    let (done, left) = channel();
    let leaving = std::thread::Builder::new().name("kafka leaves".to_owned()).spawn(move || {
        drop(consumer);
        let _ = done.send(());
    });
    if leaving.is_err() || left.recv_timeout(LEAVE).is_err() {
        tracing::warn!("the group was not left in time");
    }
}
