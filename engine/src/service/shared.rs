//! What the spine's thread tells the others: status, metrics, problems. Readers never touch state.

mod observing;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use tokio::sync::broadcast;
use trailsight_schemas::entry::Batch;
use trailsight_schemas::insight::{InsightEvent, InsightFormat, State as Told};
use trailsight_schemas::time::{Minute, format_rfc3339};
use uuid::Uuid;

use crate::clock::{Clock, instant};
use crate::config::Config;
use crate::deliver;
use crate::detect::{Detect, Learning, Sizes};
use crate::http::{
    AccountLearning, Filter, IncidentView, InsightReader, JournalStatus, LearningStage, MemoryStatus, News, Page,
    Queries, QueryError, Reason, RecordTotals, SeriesStatus, SinkStatus, SourceStatus, Status,
};
use crate::journal::minutes::{Period, Point};
use crate::journal::{Journal as _, Space};
use crate::source::Stop;
use crate::spine::Taken;
use crate::telemetry::{DeliveryOutcome, Metrics, Outcome, SeriesKind, SeriesName, StateKind};

use super::history::History;
use super::muting::ByHand;
use super::questions::Questions;
use super::state::State;

/// The main loop is taken for dead when it has not moved for this long.
const DEAD_AFTER: Duration = Duration::from_secs(60);

/// What the problem of a sink that takes nothing is called, before the sink's name.
const SINK: &str = "sinks.";

/// What all threads share.
pub struct Shared {
    /// The closed list.
    pub metrics: Arc<Metrics>,
    history: History,
    status: RwLock<Status>,
    problems: DashMap<String, String>,
    sinks: DashMap<String, SinkStatus>,
    /// When the main loop last moved, milliseconds after `born`.
    beat: AtomicU64,
    born: Instant,
    seen: Mutex<Seen>,
    pub(super) sources: Mutex<BTreeMap<String, SourceStatus>>,
    newest: DashMap<String, AtomicI64>,
    /// Bytes read by each source.
    bytes: DashMap<String, Arc<AtomicU64>>,
    /// Files or messages that wait at each source.
    waiting: DashMap<String, Arc<AtomicU64>>,
    /// Sources that wait for the main loop.
    blocked: DashMap<String, Arc<AtomicBool>>,
    state_limit: u64,
    data_dir: PathBuf,
    listeners: Mutex<Vec<SyncSender<InsightEvent>>>,
    news: broadcast::Sender<News>,
    pub(super) questions: Questions,
    pub(super) by_hand: ByHand,
    /// Series whose gauges are shown, and how many may be.
    gauges: (Mutex<Vec<SeriesName>>, usize),
    /// What the log last said of each account's learning.
    stages: Mutex<BTreeMap<String, LearningStage>>,
    pub(super) stop: Stop,
    /// Why this process has to end, when another has taken its place.
    pub(super) superseded: OnceLock<String>,
}

/// What keys of problems begin with that keep a source from reading.
pub(super) const SOURCE: &str = "source ";

/// Insights that a listener may be behind before it misses some.
const LISTENER_LAG: usize = 1024;

/// Counters that the state keeps, as they stood when they were last exported.
#[derive(Default)]
struct Seen {
    evicted: u64,
    late: u64,
    omitted: u64,
    overflowed: u64,
}

impl Seen {
    fn of(sizes: &Sizes) -> Seen {
        Seen { evicted: sizes.evicted, late: sizes.late, omitted: sizes.omitted, overflowed: sizes.overflowed }
    }
}

impl Shared {
    pub(super) fn new(config: &Config, metrics: Arc<Metrics>, clock: &Clock, history: History, stop: Stop) -> Shared {
        let sources = config.sources.iter().map(|source| {
            let status = SourceStatus {
                name: source.name.clone(),
                r#type: source.kind.as_str().to_owned(),
                ..SourceStatus::default()
            };
            (source.name.clone(), status)
        });
        let status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data_dir: config.data_dir.display().to_string(),
            started_at: format_rfc3339(clock.now().div_euclid(1000)),
            ..Status::default()
        };
        let bound = config.memory_bound();
        for (kind, limit) in [
            (StateKind::Series, "series"),
            (StateKind::OpenMinutes, "open_minutes"),
            (StateKind::Dedup, "dedup_entries"),
        ] {
            metrics.state_limit_bytes(kind).set(i64::try_from(bound.share(limit)).unwrap_or(i64::MAX));
        }
        Shared {
            metrics,
            history,
            status: RwLock::new(status),
            problems: DashMap::new(),
            sinks: DashMap::new(),
            beat: AtomicU64::new(0),
            born: instant(),
            seen: Mutex::default(),
            sources: Mutex::new(sources.collect()),
            newest: DashMap::new(),
            bytes: DashMap::new(),
            waiting: DashMap::new(),
            blocked: DashMap::new(),
            state_limit: bound.state(),
            data_dir: config.data_dir.clone(),
            listeners: Mutex::default(),
            news: broadcast::Sender::new(LISTENER_LAG),
            questions: Questions::default(),
            by_hand: ByHand::new(config, clock),
            gauges: (Mutex::default(), config.metrics_series_limit),
            stages: Mutex::default(),
            stop,
            superseded: OnceLock::new(),
        }
    }

    /// Why another process has taken the place of this one, if one has.
    pub(super) fn superseded(&self) -> Option<&str> {
        self.superseded.get().map(String::as_str)
    }

    /// Insights as they are recorded from now on. A listener that falls behind misses some.
    pub fn listen(&self) -> Receiver<InsightEvent> {
        let (sender, receiver) = sync_channel(LISTENER_LAG);
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    fn tell_listeners(&self, event: &InsightEvent) {
        if self.news.receiver_count() > 0 {
            let record = event.to_json(InsightFormat::Full).into();
            // Without a reader since then it is nobody's news.
            let _ = self.news.send(News { id: event.event_id.to_string(), record });
        }
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| !matches!(listener.try_send(event.clone()), Err(TrySendError::Disconnected(_))));
    }

    /// Observed calls of a series, by its path.
    pub(super) fn minutes_of(
        &self,
        path: &str,
        since: Minute,
        until: Minute,
        period: Period,
    ) -> Result<Vec<Point>, QueryError> {
        self.history.minutes(path, since, until, period)
    }

    /// The counter of bytes that a source is given.
    pub(super) fn bytes_of(&self, source: &str) -> Arc<AtomicU64> {
        self.bytes.entry(source.to_owned()).or_default().clone()
    }

    /// What a source says of how much waits.
    pub(super) fn waiting_of(&self, source: &str) -> Arc<AtomicU64> {
        self.waiting.entry(source.to_owned()).or_default().clone()
    }

    /// Whether a source waits for the main loop.
    pub(super) fn blocked_of(&self, source: &str) -> Arc<AtomicBool> {
        self.blocked.entry(source.to_owned()).or_default().clone()
    }

    /// While the journal cannot be written every source waits.
    pub(super) fn pause(&self, paused: bool) {
        for source in self.sources.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            source.paused = paused;
            self.metrics.source(&source.name).paused.set(i64::from(paused));
        }
    }

    /// The main loop moved.
    pub(super) fn beat(&self) {
        self.beat.store(self.born.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Something is wrong until [`Shared::mended`] says otherwise. Said in the log when it begins.
    pub(super) fn problem(&self, what: &str, why: &str) {
        if self.problems.insert(what.to_owned(), why.to_owned()).is_none() {
            tracing::error!(problem = what, why, "something needs attention");
        }
    }

    pub(super) fn mended(&self, what: &str) {
        if self.problems.remove(what).is_some() {
            tracing::info!(problem = what, "mended");
        }
    }

    /// After a commit: counters.
    pub(super) fn took(&self, taken: &Taken, now: i64) {
        self.metrics.journal_entries.inc_by(taken.entries);
        for (source, outcomes) in &taken.outcomes {
            let metrics = self.metrics.source(source);
            for (outcome, count) in [
                (Outcome::Counted, outcomes.counted),
                (Outcome::NotAnalysed, outcomes.not_analysed),
                (Outcome::Duplicate, outcomes.duplicate),
                (Outcome::DeadLetter, outcomes.dead_letter),
            ] {
                metrics.records(outcome).inc_by(count);
            }
        }
        for (_, batch) in &taken.batches {
            self.read(batch, now);
        }
        for addressed in &taken.insights {
            let event = &addressed.detected.event;
            let Some(ours) = event.trailsight.as_ref() else { continue };
            if event.details.state == Told::Start {
                self.metrics.insights(event.details.insight_type, ours.sensitivity, ours.direction).inc();
                if let Some(received) = taken.received {
                    self.metrics.detection.record(received.elapsed());
                }
            }
            if let Some(mute) = &addressed.muted_by {
                self.metrics.muted(mute).inc();
            }
            self.tell_listeners(event);
            tracing::info!(
                incident = %event.shared_event_id,
                state = event.details.state.as_str(),
                series = %ours.series,
                sensitivity = ours.sensitivity.as_str(),
                test = ours.test.as_str(),
                observed = ours.observed,
                expected = ours.expected,
                "insight"
            );
        }
    }

    fn read(&self, batch: &Batch, now: i64) {
        let wall = now.div_euclid(1000);
        for rolled in &batch.minutes {
            let delay = (wall - rolled.minute.seconds() - 30).max(0);
            self.metrics.event_delay.record_many(Duration::from_secs(delay as u64), rolled.calls.min(1 << 32));
        }
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        for progress in &batch.progress {
            let Some(source) = sources.get_mut(&progress.source) else { continue };
            source.caught_up = progress.caught_up;
            if let Some(newest) = progress.newest {
                let known = self.newest.entry(progress.source.clone()).or_insert_with(|| AtomicI64::new(newest));
                let newest = known.fetch_max(newest, Ordering::Relaxed).max(newest);
                source.newest_event_time = Some(format_rfc3339(newest));
            }
        }
    }

    /// Once a second or so: everything that is read off the state.
    pub(super) fn publish(&self, state: &State, now: i64) -> Sizes {
        let detect = state.spine.detect();
        let sizes = detect.sizes();
        self.export(detect, &sizes, state);
        self.show_series(detect);
        let mut sources: Vec<SourceStatus> =
            self.sources.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for source in &mut sources {
            let newest = self.newest.get(&source.name).map(|newest| newest.load(Ordering::Relaxed));
            source.lag_seconds = newest.map(|newest| (now as f64 / 1000.0 - newest as f64).max(0.0));
            let metrics = self.metrics.source(&source.name);
            metrics.lag_seconds.set(source.lag_seconds.unwrap_or(0.0));
            let read = self.bytes.get(&source.name).map_or(0, |bytes| bytes.load(Ordering::Relaxed));
            metrics.bytes.inc_by(read.saturating_sub(metrics.bytes.get()));
            source.paused |= self.blocked.get(&source.name).is_some_and(|blocked| blocked.load(Ordering::Relaxed));
            metrics.paused.set(i64::from(source.paused));
            source.waiting = self.waiting.get(&source.name).map_or(0, |waiting| waiting.load(Ordering::Relaxed));
            metrics.lag_records.set(i64::try_from(source.waiting).unwrap_or(i64::MAX));
        }
        let journal = state.spine.journal();
        let appended = &self.metrics.journal_bytes;
        appended.inc_by(journal.appended_bytes().saturating_sub(appended.get()));
        let totals =
            journal.totals().unwrap_or_default().values().fold(RecordTotals::default(), |sum, one| RecordTotals {
                counted: sum.counted + one.counted,
                duplicate: sum.duplicate + one.duplicate,
                not_analysed: sum.not_analysed + one.not_analysed,
                dead_letter: sum.dead_letter + one.dead_letter,
            });
        let mut status = self.status.write().unwrap_or_else(PoisonError::into_inner);
        status.watermark = detect.open_from().map(|minute| format_rfc3339(minute.seconds()));
        status.sources = sources;
        status.journal = JournalStatus {
            entries: journal.last() + 1 - journal.first(),
            last: journal.last(),
            committed: journal.committed(),
            bytes: journal.used_bytes().unwrap_or(0),
        };
        status.series = SeriesStatus {
            active: sizes.series as u64,
            limit: detect.settings().series as u64,
            evicted: sizes.evicted,
        };
        let held = sizes.bytes + sizes.open_bytes + state.spine.dedup().stats().memory;
        status.memory = MemoryStatus { state_bytes: held as u64, limit_bytes: self.state_limit };
        status.learning = detect.learning().into_iter().map(learning).collect();
        self.log_learning(&status.learning);
        status.records = totals;
        status.problems = state.damaged.clone();
        sizes
    }

    fn export(&self, detect: &Detect, sizes: &Sizes, state: &State) {
        let metrics = &self.metrics;
        if let Some(open_from) = detect.open_from() {
            metrics.watermark.set(open_from.seconds() as f64);
        }
        metrics.series_count(SeriesKind::CallRate).set(sizes.call_series as i64);
        metrics.series_count(SeriesKind::ErrorRate).set((sizes.series - sizes.call_series) as i64);
        metrics.state_bytes(StateKind::Series).set(sizes.bytes as i64);
        metrics.state_bytes(StateKind::OpenMinutes).set(sizes.open_bytes as i64);
        let dedup = state.spine.dedup().stats();
        metrics.state_bytes(StateKind::Dedup).set(dedup.memory as i64);
        metrics.dedup_forgotten.inc_by(dedup.forgotten.saturating_sub(metrics.dedup_forgotten.get()));
        let minutes = state.minutes.counters();
        metrics.minutes_evicted.inc_by(minutes.evicted.saturating_sub(metrics.minutes_evicted.get()));
        metrics.closed_early.inc_by(sizes.closed_early.saturating_sub(metrics.closed_early.get()));
        if let Some(space) = Space::of(&self.data_dir) {
            metrics.disk_free.set(i64::try_from(space.free).unwrap_or(i64::MAX));
            metrics.disk_size.set(i64::try_from(space.size).unwrap_or(i64::MAX));
        }
        for ((kind, sensitivity), open) in detect.incidents() {
            metrics.incidents_open(kind, sensitivity, trailsight_schemas::insight::Direction::Above).set(open as i64);
        }
        if let Some(taken) = state.round_ended() {
            metrics.snapshot.set(taken as f64 / 1000.0);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.series_evicted(SeriesKind::CallRate).inc_by(sizes.evicted.saturating_sub(seen.evicted));
        metrics.insights_omitted.inc_by(sizes.omitted.saturating_sub(seen.omitted));
        if let Some(first) = self.sources.lock().unwrap_or_else(PoisonError::into_inner).keys().next() {
            metrics.source(first).late.inc_by(sizes.late.saturating_sub(seen.late));
        }
        metrics.overflowed.inc_by(sizes.overflowed.saturating_sub(seen.overflowed));
        *seen = Seen::of(sizes);
    }

    /// The opt-in gauges of single series: those of which most is expected.
    fn show_series(&self, detect: &Detect) {
        let (shown, most) = &self.gauges;
        if *most == 0 {
            return;
        }
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        let busiest = detect.busiest(*most);
        let named: Vec<SeriesName> = busiest
            .iter()
            .map(|busy| {
                let [account, region, source, name, error_code] = busy.parts.clone();
                SeriesName { account, region, source, name, error_code }
            })
            .collect();
        for gone in shown.iter().filter(|name| !named.contains(name)) {
            self.metrics.series.remove(gone);
        }
        for (name, busy) in named.iter().zip(&busiest) {
            self.metrics.series.set(name, busy.observed as f64, busy.expected);
        }
        *shown = named;
    }

    /// One line an account whenever its learning reaches another stage.
    fn log_learning(&self, accounts: &[AccountLearning]) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        for account in accounts {
            if stages.get(&account.account) == Some(&account.stage) {
                continue;
            }
            stages.insert(account.account.clone(), account.stage);
            tracing::info!(
                account = %account.account,
                stage = ?account.stage,
                since = %account.since,
                full_sensitivity_from = %account.full_at,
                progress = account.progress,
                "learning"
            );
        }
    }

    /// What the state had counted before this process: not news.
    pub(super) fn baseline(&self, detect: &Detect) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::of(&detect.sizes());
        for (source, newest) in detect.newest_by_source() {
            self.newest.insert(source, AtomicI64::new(newest));
        }
    }

    /// Something could not be read by a source.
    pub(super) fn dead(&self, source: &str, reason: &'static str) {
        self.metrics.dead_letters(source, reason).inc();
    }
}

fn learning(of: Learning) -> AccountLearning {
    let stage = match (of.full, of.provisional) {
        (true, _) => LearningStage::Full,
        (_, true) => LearningStage::Provisional,
        _ => LearningStage::Learning,
    };
    let whole = (of.full_at - of.since).max(1) as f64;
    AccountLearning {
        account: of.account,
        since: format_rfc3339(of.since),
        stage,
        full_at: format_rfc3339(of.full_at),
        progress: if of.full { 1.0 } else { ((of.through - of.since) as f64 / whole).clamp(0.0, 1.0) },
    }
}

impl InsightReader for Shared {
    fn insights(&self, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page, QueryError> {
        self.history.insights(filter, limit, cursor)
    }

    fn insight(&self, shared_event_id: &Uuid) -> Result<Option<IncidentView>, QueryError> {
        self.history.insight(shared_event_id)
    }
}

impl Queries for Shared {
    fn status(&self) -> Result<Status, QueryError> {
        let mut status = self.status.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.live_sources(&mut status.sources);
        status.sinks = self.sinks.iter().map(|sink| sink.clone()).collect();
        status.sinks.sort_by(|a, b| a.name.cmp(&b.name));
        let mut problems: Vec<String> =
            self.problems.iter().map(|entry| format!("{}: {}", entry.key(), entry.value())).collect();
        problems.sort();
        status.problems.extend(problems);
        Ok(status)
    }

    fn ready(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if !self.alive() {
            reasons.push(Reason { code: "stalled", text: "the main loop has not moved for a minute".to_owned() });
        }
        for problem in self.problems.iter().filter(|problem| problem.key().starts_with(SOURCE)) {
            reasons.push(Reason { code: "source", text: format!("{}: {}", problem.key(), problem.value()) });
        }
        if let Some(why) = self.problems.get("journal") {
            reasons.push(Reason { code: "journal", text: format!("nothing is taken in: {}", why.value()) });
        }
        let sinks = self.problems.iter().filter(|entry| entry.key().starts_with(SINK));
        reasons.extend(sinks.map(|entry| Reason {
            code: "sink",
            text: format!("{} takes nothing, insights wait: {}", entry.key(), entry.value()),
        }));
        reasons
    }

    fn alive(&self) -> bool {
        let now = self.born.elapsed().as_millis() as u64;
        now.saturating_sub(self.beat.load(Ordering::Relaxed)) < DEAD_AFTER.as_millis() as u64
    }

    fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }
}
