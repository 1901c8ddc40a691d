//! Kafka in the service: from the configuration to the source, and from what the source tells to metrics, status and
//! log.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::config::written::{GroupProtocol, OnGap as WrittenOnGap};
use crate::config::{Config, KafkaSourceConfig, Start as ConfiguredStart};
use crate::http::SourceStatus;
use crate::ingest::Settings;
use crate::source::kafka::{KafkaSource, Note, Observer, OnGap, Start};

use super::shared::{SOURCE, Shared};

/// The source that a configuration means.
pub(super) fn source(config: &Config, name: String, of: KafkaSourceConfig, settings: Arc<Settings>) -> KafkaSource {
    KafkaSource {
        name,
        cluster: of.cluster,
        topics: of.topics,
        group_id: of.group_id,
        instance_id: of.instance_id,
        new_protocol: of.group_protocol == GroupProtocol::Consumer,
        start: match of.start {
            ConfiguredStart::Earliest => Start::Earliest,
            ConfiguredStart::Latest => Start::Latest,
            ConfiguredStart::At(time) => Start::At(time),
        },
        on_gap: match of.on_gap {
            WrittenOnGap::Earliest => OnGap::Earliest,
            WrittenOnGap::Latest => OnGap::Latest,
        },
        session_timeout: of.session_timeout,
        fetch_memory: of.fetch_memory,
        settings,
        load_records: config.limits.load_records,
        memory: usize::try_from(config.limits.tally_memory.0).unwrap_or(usize::MAX),
    }
}

impl Shared {
    /// While the journal cannot be written nothing is published; what sources told is known all the same.
    pub(super) fn live_sources(&self, published: &mut [SourceStatus]) {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        for source in published {
            let Some(live) = sources.get(&source.name) else { continue };
            (source.paused, source.caught_up) = (live.paused, live.caught_up);
            (source.partitions, source.taken_over) = (live.partitions, live.taken_over);
            source.waiting = self.waiting_of(&source.name).load(Ordering::Relaxed);
        }
    }

    fn with_source(&self, name: &str, change: impl FnOnce(&mut SourceStatus)) {
        if let Some(source) = self.sources.lock().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            change(source);
        }
    }
}

impl Observer for Shared {
    fn note(&self, name: &str, note: Note<'_>) {
        let metrics = self.metrics.source(name);
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        match note {
            Note::Trouble(trouble) => self.problem(&format!("{SOURCE}{name}"), &trouble.sentence),
            Note::Mended => self.mended(&format!("{SOURCE}{name}")),
            Note::Error(cause) => metrics.errors(cause.as_str()).inc(),
            Note::Fenced(trouble) => {
                let why = format!("source {name}: {}", trouble.sentence);
                tracing::error!(why, "another process reads in our place; this one ends");
                let _first_reason_stands = self.superseded.set(why);
                self.stop.request();
            }
            Note::Rebalanced(partitions) => {
                metrics.rebalances.inc();
                metrics.partitions.set(count(partitions));
                tracing::info!(source = name, partitions, "the group has shared its partitions anew");
                self.with_source(name, |source| source.partitions = Some(partitions as u64));
            }
            Note::TakenOver(partitions) => self.with_source(name, |source| {
                source.taken_over = Some(source.taken_over.unwrap_or(0) + partitions as u64);
            }),
            Note::Gap(partition, gap) => {
                metrics.gaps.inc();
                metrics.gap_records.inc_by(gap.messages());
                let why = format!("{}; read from {} instead of {}", gap.kind.as_str(), gap.to, gap.from);
                tracing::error!(source = name, partition, from = gap.from, to = gap.to, why, "messages are missing");
                self.problem(&format!("gap in {partition} of {name}"), &why);
            }
            Note::Restarted(why) => {
                metrics.restarts.inc();
                tracing::warn!(source = name, why, "the consumer is made anew");
            }
            Note::Empty(messages) => metrics.empty.inc_by(messages),
            Note::Fetched(age) => metrics.fetch.record(age),
            Note::Committed(took) => metrics.commit.record(took),
            Note::Paused(paused) => {
                metrics.paused.set(i64::from(paused));
                self.with_source(name, |source| source.paused = paused);
            }
        }
    }
}
