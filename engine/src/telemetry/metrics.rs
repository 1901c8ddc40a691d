//! The metrics of the process: typed, created once, their labels bounded by configured names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    Error, Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use trailsight_schemas::insight::{Direction, InsightType, Sensitivity};

use super::definitions::{self as defined, Definition};
use super::histogram::{DELAY, Family, Latency, WORK};
use super::series::{SeriesGauges, clean};

/// Commit this was built from, where the build said so in `TRAILSIGHT_REVISION`.
pub const REVISION: &str = match option_env!("TRAILSIGHT_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
/// Label value of a source, sink or mute that is not configured.
const OTHER: &str = "other";

/// Names that labels may hold.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Of sources.
    pub sources: Vec<String>,
    /// Of sinks.
    pub sinks: Vec<String>,
    /// Of mutes.
    pub mutes: Vec<String>,
    /// Most series that [`Metrics::series`] shows.
    pub series_limit: usize,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Counted in a rollup.
    Counted,
    /// Understood and passed over.
    NotAnalysed,
    /// Seen before.
    Duplicate,
    /// Not understood.
    DeadLetter,
}

/// What came of an attempt to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver took it.
    Delivered,
    /// It will be tried again.
    Retried,
    /// It went to the dead letter.
    DeadLetter,
}

/// What a series counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesKind {
    /// Calls.
    CallRate,
    /// Failed calls of one error code.
    ErrorRate,
}

/// What memory is held by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// The series table.
    Series,
    /// Minutes above the watermark.
    OpenMinutes,
    /// Fingerprints of records.
    Dedup,
}

const OUTCOMES: [&str; 4] = ["counted", "not_analysed", "duplicate", "dead_letter"];
const DELIVERY_OUTCOMES: [&str; 3] = ["delivered", "retried", "dead_letter"];
const SERIES_KINDS: [&str; 2] = ["call_rate", "error_rate"];
const STATE_KINDS: [&str; 3] = ["series", "open_minutes", "dedup"];

/// Words of `cause`, as the room of Kafka has them.
const CAUSES: [&str; 7] = ["unreachable", "authentication", "tls", "authorization", "unknown_topic", "fenced", "other"];

/// One source.
#[derive(Debug)]
pub struct SourceMetrics {
    records: [IntCounter; 4],
    /// Records older than the watermark.
    pub late: IntCounter,
    /// Bytes read.
    pub bytes: IntCounter,
    /// Age of the newest event time, seconds.
    pub lag_seconds: Gauge,
    /// Files or messages that wait.
    pub lag_records: IntGauge,
    /// 1 while it waits for the engine.
    pub paused: IntGauge,
    /// Partitions that this instance reads.
    pub partitions: IntGauge,
    /// Times that the group has shared its partitions anew.
    pub rebalances: IntCounter,
    /// From the time of a message to its being taken.
    pub fetch: Arc<Latency>,
    /// Time of one commit of offsets.
    pub commit: Arc<Latency>,
    /// Times that messages could not be read any more.
    pub gaps: IntCounter,
    /// Messages that were deleted before they were read.
    pub gap_records: IntCounter,
    /// Messages without a value.
    pub empty: IntCounter,
    /// Clients made anew.
    pub restarts: IntCounter,
    errors: IntCounterVec,
    label: String,
}

impl SourceMetrics {
    /// Records with this outcome.
    pub fn records(&self, outcome: Outcome) -> &IntCounter {
        &self.records[outcome as usize]
    }

    /// What a client reported. `cause` is a word of the program: its type says so.
    pub fn errors(&self, cause: &'static str) -> IntCounter {
        self.errors.with_label_values(&[self.label.as_str(), cause])
    }
}

/// One sink.
#[derive(Debug)]
pub struct SinkMetrics {
    deliveries: [IntCounter; 3],
    /// Time of one attempt.
    pub seconds: Arc<Latency>,
    /// Insights that wait.
    pub outbox_rows: IntGauge,
    /// Age of the insight that has waited longest, seconds.
    pub outbox_oldest: Gauge,
    /// 1 while the last attempt has failed.
    pub down: IntGauge,
    /// Insights that lost attributions to fit into a message.
    pub shortened: IntCounter,
}

impl SinkMetrics {
    /// Attempts with this outcome.
    pub fn deliveries(&self, outcome: DeliveryOutcome) -> &IntCounter {
        &self.deliveries[outcome as usize]
    }
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    sources: BTreeMap<String, SourceMetrics>,
    sinks: BTreeMap<String, SinkMetrics>,
    mutes: BTreeMap<String, IntCounter>,
    dead_letters: IntCounterVec,
    dead_letter_messages: [IntCounter; 2],
    insights: IntCounterVec,
    http_requests: IntCounterVec,
    /// Insights that a lead counted and that were not recorded.
    pub insights_omitted: IntCounter,
    incidents_open: IntGaugeVec,
    series_count: [IntGauge; 2],
    series_evicted: [IntCounter; 2],
    /// Lines that are in no dead-letter file any more.
    pub dead_letter_lines_lost: IntCounter,
    /// Minutes closed before their time.
    pub closed_early: IntCounter,
    /// Calls not judged for want of room.
    pub overflowed: IntCounter,
    /// Fingerprints forgotten before their time.
    pub dedup_forgotten: IntCounter,
    /// Rows of the minute history forgotten before their time.
    pub minutes_evicted: IntCounter,
    state_bytes: [IntGauge; 3],
    state_limit_bytes: [IntGauge; 3],
    /// Event time up to which minutes are closed, seconds since the epoch.
    pub watermark: Gauge,
    /// From the time of an event to its being counted.
    pub event_delay: Arc<Latency>,
    /// Entries appended.
    pub journal_entries: IntCounter,
    /// Bytes appended.
    pub journal_bytes: IntCounter,
    /// Time until an entry was durable.
    pub journal_commit: Arc<Latency>,
    /// When the oldest of the newest snapshots was taken, seconds since the epoch.
    pub snapshot: Gauge,
    /// Space left on the file system of the data directory, bytes.
    pub disk_free: IntGauge,
    /// Size of that file system, bytes.
    pub disk_size: IntGauge,
    /// From a record being taken to its Start being in the outbox.
    pub detection: Arc<Latency>,
    /// Connections closed at their limit, for others.
    pub http_crowded_out: IntCounter,
    /// The opt-in gauges of single series.
    pub series: SeriesGauges,
}

impl Metrics {
    /// Every metric, at zero. An error means that the definitions contradict each other.
    pub fn new(names: &Names) -> Result<Metrics, Error> {
        let registry = Registry::new();
        let register = &registry;
        let build = register_gauges(register, defined::BUILD_INFO)?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), REVISION]).set(1);
        Ok(Metrics {
            sources: sources(register, &names.sources)?,
            sinks: sinks(register, &names.sinks)?,
            mutes: mutes(register, &names.mutes)?,
            dead_letters: register_counters(register, defined::DEAD_LETTERS)?,
            dead_letter_messages: {
                let family = register_counters(register, defined::DEAD_LETTER_MESSAGES)?;
                ["sent", "dropped"].map(|outcome| family.with_label_values(&[outcome]))
            },
            insights: insights(register)?,
            http_requests: register_counters(register, defined::HTTP_REQUESTS)?,
            http_crowded_out: plain(register, defined::HTTP_CROWDED_OUT)?,
            insights_omitted: plain(register, defined::INSIGHTS_OMITTED)?,
            incidents_open: register_gauges(register, defined::INCIDENTS_OPEN)?,
            series_count: {
                let family = register_gauges(register, defined::SERIES)?;
                SERIES_KINDS.map(|kind| family.with_label_values(&[kind]))
            },
            series_evicted: {
                let family = register_counters(register, defined::SERIES_EVICTED)?;
                SERIES_KINDS.map(|kind| family.with_label_values(&[kind]))
            },
            dead_letter_lines_lost: plain(register, defined::DEAD_LETTER_LINES_LOST)?,
            closed_early: plain(register, defined::CLOSED_EARLY)?,
            overflowed: plain(register, defined::OVERFLOWED_CALLS)?,
            dedup_forgotten: plain(register, defined::DEDUP_FORGOTTEN)?,
            minutes_evicted: plain(register, defined::MINUTE_HISTORY_EVICTED)?,
            state_bytes: {
                let family = register_gauges(register, defined::STATE_BYTES)?;
                STATE_KINDS.map(|kind| family.with_label_values(&[kind]))
            },
            state_limit_bytes: {
                let family = register_gauges(register, defined::STATE_LIMIT_BYTES)?;
                STATE_KINDS.map(|kind| family.with_label_values(&[kind]))
            },
            watermark: register_reals(register, defined::WATERMARK)?.with_label_values::<&str>(&[]),
            event_delay: single(register, defined::EVENT_DELAY, DELAY)?,
            journal_entries: plain(register, defined::JOURNAL_ENTRIES)?,
            journal_bytes: plain(register, defined::JOURNAL_BYTES)?,
            journal_commit: single(register, defined::JOURNAL_COMMIT, WORK)?,
            snapshot: register_reals(register, defined::SNAPSHOT)?.with_label_values::<&str>(&[]),
            disk_free: register_gauges(register, defined::DISK_FREE)?.with_label_values::<&str>(&[]),
            disk_size: register_gauges(register, defined::DISK_SIZE)?.with_label_values::<&str>(&[]),
            detection: single(register, defined::DETECTION, WORK)?,
            series: SeriesGauges::new(
                register_reals(register, defined::SERIES_OBSERVED)?,
                register_reals(register, defined::SERIES_EXPECTED)?,
                names.series_limit,
            ),
            registry,
        })
    }

    /// A source by its configured name; all others share one.
    pub fn source(&self, name: &str) -> &SourceMetrics {
        self.sources.get(name).unwrap_or_else(|| &self.sources[OTHER])
    }

    /// A sink by its configured name; all others share one.
    pub fn sink(&self, name: &str) -> &SinkMetrics {
        self.sinks.get(name).unwrap_or_else(|| &self.sinks[OTHER])
    }

    /// Insights kept from people by a mute; mutes that are not configured share one.
    pub fn muted(&self, name: &str) -> &IntCounter {
        self.mutes.get(name).unwrap_or_else(|| &self.mutes[OTHER])
    }

    /// What could not be read. `reason` is a word of the program, never of a record: its type says so.
    pub fn dead_letters(&self, source: &str, reason: &'static str) -> IntCounter {
        self.dead_letters.with_label_values(&[self.source(source).label.as_str(), reason])
    }

    /// Copies of dead letters that a topic got, or did not get.
    pub fn dead_letter_messages(&self, sent: bool) -> &IntCounter {
        &self.dead_letter_messages[usize::from(!sent)]
    }

    /// Insights recorded.
    pub fn insights(&self, kind: InsightType, sensitivity: Sensitivity, direction: Direction) -> IntCounter {
        self.insights.with_label_values(&labels(kind, sensitivity, direction))
    }

    /// Requests answered. `route` is one of the server's patterns, never a path as it was asked for.
    pub fn http_requests(&self, route: &str, status: u16) -> IntCounter {
        self.http_requests.with_label_values(&[route, &status.to_string()])
    }

    /// Incidents that have not ended.
    pub fn incidents_open(&self, kind: InsightType, sensitivity: Sensitivity, direction: Direction) -> IntGauge {
        self.incidents_open.with_label_values(&labels(kind, sensitivity, direction))
    }

    /// Series in memory.
    pub fn series_count(&self, kind: SeriesKind) -> &IntGauge {
        &self.series_count[kind as usize]
    }

    /// Series evicted.
    pub fn series_evicted(&self, kind: SeriesKind) -> &IntCounter {
        &self.series_evicted[kind as usize]
    }

    /// Memory held, bytes.
    pub fn state_bytes(&self, kind: StateKind) -> &IntGauge {
        &self.state_bytes[kind as usize]
    }

    /// Memory that can come to be held, bytes.
    pub fn state_limit_bytes(&self, kind: StateKind) -> &IntGauge {
        &self.state_limit_bytes[kind as usize]
    }

    /// Everything in the text format of Prometheus.
    pub fn text(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Every child at zero: a counter that first appears at one has not increased, as Prometheus sees it.
fn insights(registry: &Registry) -> Result<IntCounterVec, Error> {
    let family = register_counters(registry, defined::INSIGHTS)?;
    for kind in InsightType::ALL {
        for sensitivity in Sensitivity::ALL {
            for direction in Direction::ALL {
                family.with_label_values(&labels(*kind, *sensitivity, *direction));
            }
        }
    }
    Ok(family)
}

/// A counter without labels.
fn plain(registry: &Registry, definition: Definition) -> Result<IntCounter, Error> {
    Ok(register_counters(registry, definition)?.with_label_values::<&str>(&[]))
}

fn labels(kind: InsightType, sensitivity: Sensitivity, direction: Direction) -> [&'static str; 3] {
    let kind = match kind {
        InsightType::ApiCallRate => "ApiCallRateInsight",
        InsightType::ApiErrorRate => "ApiErrorRateInsight",
        InsightType::AccountSweep => "AccountSweepInsight",
        InsightType::AccountDenied => "AccountDeniedInsight",
        InsightType::AccountSilence => "AccountSilenceInsight",
    };
    let sensitivity = match sensitivity {
        Sensitivity::Low => "low",
        Sensitivity::Medium => "medium",
        Sensitivity::High => "high",
    };
    let direction = match direction {
        Direction::Above => "above",
        Direction::Below => "below",
    };
    [kind, sensitivity, direction]
}

fn sources(registry: &Registry, names: &[String]) -> Result<BTreeMap<String, SourceMetrics>, Error> {
    let records = register_counters(registry, defined::RECORDS)?;
    let late = register_counters(registry, defined::LATE_RECORDS)?;
    let bytes = register_counters(registry, defined::SOURCE_BYTES)?;
    let lag_seconds = register_reals(registry, defined::SOURCE_LAG_SECONDS)?;
    let lag_records = register_gauges(registry, defined::SOURCE_LAG_RECORDS)?;
    let paused = register_gauges(registry, defined::SOURCE_PAUSED)?;
    let partitions = register_gauges(registry, defined::SOURCE_PARTITIONS)?;
    let rebalances = register_counters(registry, defined::SOURCE_REBALANCES)?;
    let gaps = register_counters(registry, defined::SOURCE_GAPS)?;
    let gap_records = register_counters(registry, defined::SOURCE_GAP_RECORDS)?;
    let empty = register_counters(registry, defined::SOURCE_EMPTY)?;
    let restarts = register_counters(registry, defined::SOURCE_RESTARTS)?;
    let errors = register_counters(registry, defined::SOURCE_ERRORS)?;
    let fetch = latencies(registry, defined::SOURCE_FETCH, DELAY, names)?;
    let commit = latencies(registry, defined::SOURCE_COMMIT, WORK, names)?;
    let one = |label: String, fetch: &Arc<Latency>, commit: &Arc<Latency>| SourceMetrics {
        records: OUTCOMES.map(|outcome| records.with_label_values(&[label.as_str(), outcome])),
        late: late.with_label_values(&[&label]),
        bytes: bytes.with_label_values(&[&label]),
        lag_seconds: lag_seconds.with_label_values(&[&label]),
        lag_records: lag_records.with_label_values(&[&label]),
        paused: paused.with_label_values(&[&label]),
        partitions: partitions.with_label_values(&[&label]),
        rebalances: rebalances.with_label_values(&[&label]),
        fetch: Arc::clone(fetch),
        commit: Arc::clone(commit),
        gaps: gaps.with_label_values(&[&label]),
        gap_records: gap_records.with_label_values(&[&label]),
        empty: empty.with_label_values(&[&label]),
        restarts: restarts.with_label_values(&[&label]),
        errors: {
            // At zero from the start, so that the first of a kind is an increase.
            CAUSES.iter().for_each(|cause| drop(errors.with_label_values(&[label.as_str(), cause])));
            errors.clone()
        },
        label,
    };
    let each = named(names).zip(fetch.iter().zip(&commit));
    Ok(each.map(|((name, label), (fetch, commit))| (name, one(label, fetch, commit))).collect())
}

fn sinks(registry: &Registry, names: &[String]) -> Result<BTreeMap<String, SinkMetrics>, Error> {
    let deliveries = register_counters(registry, defined::DELIVERIES)?;
    let rows = register_gauges(registry, defined::OUTBOX_ROWS)?;
    let oldest = register_reals(registry, defined::OUTBOX_OLDEST)?;
    let down = register_gauges(registry, defined::SINK_DOWN)?;
    let shortened = register_counters(registry, defined::INSIGHTS_SHORTENED)?;
    let mut latencies = Vec::new();
    let mut sinks = BTreeMap::new();
    for (name, label) in named(names) {
        let seconds = Arc::new(Latency::new(WORK)?);
        latencies.push((label.clone(), Arc::clone(&seconds)));
        let sink = SinkMetrics {
            deliveries: DELIVERY_OUTCOMES.map(|outcome| deliveries.with_label_values(&[label.as_str(), outcome])),
            seconds,
            outbox_rows: rows.with_label_values(&[&label]),
            outbox_oldest: oldest.with_label_values(&[&label]),
            down: down.with_label_values(&[&label]),
            shortened: shortened.with_label_values(&[&label]),
        };
        sinks.insert(name, sink);
    }
    registry.register(Box::new(Family::new(defined::DELIVERY, latencies)?))?;
    Ok(sinks)
}

fn mutes(registry: &Registry, names: &[String]) -> Result<BTreeMap<String, IntCounter>, Error> {
    let family = register_counters(registry, defined::MUTED)?;
    Ok(named(names).map(|(name, label)| (name, family.with_label_values(&[&label]))).collect())
}

/// Each configured name with its label, and the one for all that are not; each once.
fn named(names: &[String]) -> impl Iterator<Item = (String, String)> {
    let names: BTreeSet<&str> = names.iter().map(String::as_str).chain([OTHER]).collect();
    names.into_iter().map(|name| (name.to_owned(), clean(name)))
}

/// One histogram for each of [`named`], in that order.
fn latencies(
    registry: &Registry,
    definition: Definition,
    bounds: &'static [f64],
    names: &[String],
) -> Result<Vec<Arc<Latency>>, Error> {
    let labelled = named(names).map(|(_, label)| Ok((label, Arc::new(Latency::new(bounds)?))));
    let labelled = labelled.collect::<Result<Vec<_>, Error>>()?;
    let latencies = labelled.iter().map(|(_, latency)| Arc::clone(latency)).collect();
    registry.register(Box::new(Family::new(definition, labelled)?))?;
    Ok(latencies)
}

fn single(registry: &Registry, definition: Definition, bounds: &'static [f64]) -> Result<Arc<Latency>, Error> {
    let latency = Arc::new(Latency::new(bounds)?);
    registry.register(Box::new(Family::new(definition, vec![(String::new(), Arc::clone(&latency))])?))?;
    Ok(latency)
}

fn register_counters(registry: &Registry, definition: Definition) -> Result<IntCounterVec, Error> {
    register(registry, IntCounterVec::new(options(definition), definition.labels)?)
}

fn register_gauges(registry: &Registry, definition: Definition) -> Result<IntGaugeVec, Error> {
    register(registry, IntGaugeVec::new(options(definition), definition.labels)?)
}

fn register_reals(registry: &Registry, definition: Definition) -> Result<GaugeVec, Error> {
    register(registry, GaugeVec::new(options(definition), definition.labels)?)
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, family: C) -> Result<C, Error> {
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn options(definition: Definition) -> Opts {
    Opts::new(definition.full_name(), definition.help)
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
