//! The loop: poll, decode, hand over; and once a second, look around.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::context::Context;
use super::ledger::Ledger;
use super::lookout::Lookout;
use super::positions::{Partition, Position};
use super::slots::Slots;
use super::watch::Watch;
use super::watchdog::Watchdog;
use super::{KafkaSource, Note, Observer};
use crate::clock::{Clock, instant};
use crate::ingest::{Origin, Reject, Tally};
use crate::kafka::{Access, Cause, Trouble, diagnose, probe};
use crate::source::{Intake, Load, settings_at};

/// Longest that a record waits for others.
const BATCH_TIME: Duration = Duration::from_millis(100);
/// Messages taken between two looks at a clock.
const BURST: u32 = 256;
/// Between two looks around.
const LOOK: Duration = Duration::from_secs(1);
/// How long the first load of an assignment waits for partitions that have told nothing yet: longer than brokers
/// take to find another leader for the partitions of one that died.
const AWAIT: Duration = Duration::from_secs(60);
/// Loads on their way beyond which records are collected rather than handed over.
const AHEAD: usize = 2;

/// Why reading ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The process is to stop, or nobody takes loads any more.
    Stopped,
    /// The consumer has to be made anew.
    Failed(String),
    /// Another process has our place.
    Fenced(Trouble),
}

/// Everything of a consumer's life but the consumer.
pub(super) struct Reader<'a> {
    pub(super) source: &'a KafkaSource,
    pub(super) intake: &'a Intake,
    pub(super) observer: &'a dyn Observer,
    pub(super) clock: &'a Clock,
    dead: &'a mut dyn FnMut(Reject),
    /// Where each partition was when it was last handed over, over all lives.
    pub(super) positions: &'a mut BTreeMap<Partition, Position>,
    pub(super) lookout: Arc<Lookout>,
    pub(super) watch: Watch,
    pub(super) slots: Slots,
    pub(super) ledger: Ledger,
    pub(super) tally: Tally,
    /// When the oldest message of the tally came.
    pub(super) since: Option<Instant>,
    /// Of the newest message, milliseconds since the epoch.
    pub(super) stamp: Option<i64>,
    /// A load that found no room before its partitions had to be let go.
    pub(super) held: Option<Load>,
    /// Offsets that the commit under way tells.
    pub(super) committing: BTreeMap<Partition, Position>,
    /// When the group last shared the partitions anew.
    pub(super) shared: Instant,
    watchdog: Watchdog,
    /// What keeps us from reading though the brokers answer: rights, topics.
    refused: Option<Trouble>,
    troubled: bool,
    empty: u64,
    path: String,
}

impl<'a> Reader<'a> {
    /// Makes the clients and joins the group.
    pub(super) fn open(
        source: &'a KafkaSource,
        intake: &'a Intake,
        positions: &'a mut BTreeMap<Partition, Position>,
        dead: &'a mut dyn FnMut(Reject),
        observer: &'a dyn Observer,
        clock: &'a Clock,
    ) -> Result<(Reader<'a>, BaseConsumer<Context>), Trouble> {
        let access = Arc::new(Access::new(source.cluster.clone()));
        let consumer: BaseConsumer<Context> = source
            .properties()
            .create_with_context(Context::new(access.clone()))
            .map_err(|error| probe::refused(&error))?;
        let topics: Vec<&str> = source.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| probe::refused(&error))?;
        let lookout = Arc::new(Lookout::open(access.clone()).map_err(|error| probe::refused(&error))?);
        let watch = Watch::start(lookout.clone(), access)
            .map_err(|error| Trouble { cause: Cause::Other, sentence: error.to_string() })?;
        let slots = Slots::new(positions.keys());
        let tally = Tally::new(settings_at(&source.settings, clock.now()));
        let reader = Reader {
            source,
            intake,
            observer,
            clock,
            dead,
            positions,
            lookout,
            watch,
            slots,
            ledger: Ledger::new(),
            tally,
            since: None,
            stamp: None,
            held: None,
            committing: BTreeMap::new(),
            shared: instant(),
            watchdog: Watchdog::default(),
            refused: None,
            troubled: false,
            empty: 0,
            path: String::new(),
        };
        Ok((reader, consumer))
    }

    /// Reads until the process is to stop or the consumer is of no more use.
    pub(super) fn read(&mut self, consumer: &BaseConsumer<Context>) -> Ended {
        let mut looked = instant();
        loop {
            let turned = self.burst(consumer).and_then(|()| {
                if self.intake.stop.requested() {
                    return Err(self.finish(consumer));
                }
                self.rebalance(consumer)?;
                if self.full() && self.awaits() {
                    self.hold(consumer)?;
                }
                if self.due() {
                    self.hand_over(consumer)?;
                }
                if looked.elapsed() >= LOOK {
                    looked = instant();
                    self.look_around(consumer)?;
                }
                Ok(())
            });
            if let Err(ended) = turned {
                return ended;
            }
        }
    }

    /// Takes what is there, up to [`BURST`] messages; waits for the first.
    fn burst(&mut self, consumer: &BaseConsumer<Context>) -> Result<(), Ended> {
        let mut wait = self.since.map_or(BATCH_TIME, |since| BATCH_TIME.saturating_sub(since.elapsed()));
        for _ in 0..BURST {
            match consumer.poll(wait) {
                Some(Ok(message)) => self.take(&message),
                Some(Err(error)) => self.failed(consumer, &error)?,
                None => break,
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// Counts one message.
    pub(super) fn take(&mut self, message: &BorrowedMessage<'_>) {
        let Some(slot) = self.slots.of(message.topic(), message.partition()) else { return };
        // What was taken before comes again behind a seek.
        if message.offset() < slot.position.next {
            return;
        }
        slot.position.next = message.offset() + 1;
        (slot.changed, slot.read) = (true, true);
        self.since.get_or_insert_with(instant);
        self.stamp = message.timestamp().to_millis().or(self.stamp);
        let Some(bytes) = message.payload().filter(|bytes| !bytes.is_empty()) else {
            self.empty += 1;
            return;
        };
        self.intake.read(bytes.len() as u64);
        self.path.clear();
        // Writing to a string does not fail.
        let _ = write!(self.path, "{}/{}@{}", slot.partition.topic, slot.partition.number, message.offset());
        let origin = Origin { source: &self.source.name, path: &self.path };
        let dead = &mut *self.dead;
        let newest = self.tally.newest_of(|tally| tally.read(bytes, origin, dead));
        slot.newest = slot.newest.max(newest);
        slot.seen = slot.seen.max(newest);
    }

    /// Whether the tally is to be handed over. While loads wait for the journal a larger one costs it less.
    fn due(&mut self) -> bool {
        let Some(since) = self.since else { return false };
        self.ledger.look();
        let early = self.ledger.outstanding() >= AHEAD;
        !self.awaits() && (self.full() || (!early && since.elapsed() >= BATCH_TIME))
    }

    fn full(&self) -> bool {
        self.tally.len() >= self.source.load_records || self.tally.memory() >= self.source.memory
    }

    /// Whether partitions with a backlog have told nothing yet, and may still be waited for.
    fn awaits(&self) -> bool {
        self.slots.awaited() && self.shared.elapsed() < AWAIT
    }

    /// What a poll said instead of a message.
    fn failed(&mut self, consumer: &BaseConsumer<Context>, error: &KafkaError) -> Result<(), Ended> {
        let code = error.rdkafka_error_code();
        let said = consumer.context().access.take_trouble();
        let trouble = said.unwrap_or_else(|| diagnose(&self.source.cluster, code, &error.to_string()));
        self.observer.note(&self.source.name, Note::Error(trouble.cause));
        match (error, code) {
            // One that is in range by now is silent all the same.
            (_, Some(Code::AutoOffsetReset)) if !self.recheck(consumer)? => {
                return Err(Ended::Failed(trouble.sentence));
            }
            (_, Some(Code::AutoOffsetReset)) => return Ok(()),
            (KafkaError::MessageConsumptionFatal(_), Some(Code::FencedInstanceId)) => {
                return Err(Ended::Fenced(trouble));
            }
            (KafkaError::MessageConsumptionFatal(_), _) => return Err(Ended::Failed(trouble.sentence)),
            _ => {}
        }
        if matches!(trouble.cause, Cause::Authorization | Cause::UnknownTopic) {
            self.refused = Some(trouble);
        }
        Ok(())
    }

    /// Once a second: what is caught up, what lags, what is stuck, what may be committed, what is wrong.
    fn look_around(&mut self, consumer: &BaseConsumer<Context>) -> Result<(), Ended> {
        let fresh = self.watch.fresh();
        self.slots.ends(&self.watch.ends());
        let fetched = consumer.context().statistics().unwrap_or_default();
        let turned = self.slots.observe(&fetched, fresh);
        if (turned || self.others_read()) && self.since.is_none() && !self.awaits() {
            self.hand_over(consumer)?;
        }
        self.commit(consumer);
        self.tell();
        if self.watch.recreated() {
            self.recheck(consumer)?;
        }
        match self.watchdog.look(&self.slots.looks()) {
            Some(stuck) if fresh => Err(Ended::Failed(format!("{} stands still while it grows", stuck.key()))),
            _ => Ok(()),
        }
    }

    fn tell(&mut self) {
        let name = &self.source.name;
        self.intake.waits(self.slots.lag());
        if self.empty > 0 {
            self.observer.note(name, Note::Empty(std::mem::take(&mut self.empty)));
        }
        if self.since.is_some() || self.slots.iter().any(|slot| slot.caught_up) {
            self.refused = None;
        }
        let trouble = self.watch.trouble().filter(|_| !self.watch.fresh()).or_else(|| self.refused.clone());
        match &trouble {
            Some(trouble) => self.observer.note(name, Note::Trouble(trouble)),
            None if self.troubled || self.watch.fresh() => self.observer.note(name, Note::Mended),
            None => {}
        }
        self.troubled = trouble.is_some();
    }
}
