//! An outbox on a disk and the thread that empties it into a real topic, without the rest of the engine: a test
//! decides which insights there are and when.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::watch;
use trailsight::clock::Clock;
use trailsight::deliver::observer::{Observer, Outcome};
use trailsight::deliver::scheduler::Limits;
use trailsight::deliver::sinks::{KafkaOutput, KafkaSpec};
use trailsight::deliver::{DeadLetters, Ordered};
use trailsight::journal::local::{LocalJournal, Options};
use trailsight::journal::outbox::Outbox as _;
use trailsight::journal::{Addressed, Detected, Journal as _, Outputs};
use trailsight::kafka::{self, Topic};
use trailsight_schemas::entry::{Batch, Body, Entry};
use trailsight_schemas::insight::{
    Attribute, Attributed, Direction, EVENT_VERSION, EndReason, Extension, InsightDetails, InsightEvent, InsightFormat,
    InsightType, Sensitivity, SourceEventCategory, State, Statistics, Test, ValueAverage,
};
use uuid::Uuid;

use crate::brokers::Cluster;
use crate::service::eventually;

/// Name of the sink.
const SINK: &str = "stream";

/// What the thread said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) delivered: usize,
    pub(crate) retried: usize,
    pub(crate) dead: usize,
    pub(crate) down: Vec<String>,
    pub(crate) superseded: Vec<String>,
    pub(crate) shortened: usize,
}

#[derive(Default)]
pub(crate) struct Ear(Mutex<Heard>);

impl Ear {
    pub(crate) fn heard(&self) -> Heard {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Ear {
    fn settled(&self, _: &str, outcome: Outcome, _: Duration) {
        let mut heard = self.lock();
        match outcome {
            Outcome::Delivered => heard.delivered += 1,
            Outcome::Retried => heard.retried += 1,
            Outcome::Dead => heard.dead += 1,
        }
    }

    fn depth(&self, _: &str, _: u64, _: Option<Duration>, _: Option<&str>) {}

    fn down(&self, _: &str, error: &str) {
        self.lock().down.push(error.to_owned());
    }

    fn up(&self, _: &str) {}

    fn superseded(&self, _: &str, why: &str) {
        self.lock().superseded.push(why.to_owned());
    }

    fn store_failed(&self, _: &str, error: &str) {
        panic!("the outbox failed: {error}");
    }
}

/// A data directory with insights in it.
pub(crate) struct Desk {
    journal: LocalJournal,
    folder: TempDir,
}

impl Desk {
    pub(crate) fn open() -> Desk {
        let folder = TempDir::new().expect("a folder");
        let journal = LocalJournal::open(&folder.path().join("data"), Options::default()).expect("a journal");
        Desk { journal, folder }
    }

    /// Commits insights for the sink.
    pub(crate) fn tell(&mut self, insights: impl IntoIterator<Item = InsightEvent>) {
        let entry = Entry { taken_at: 0, body: Body::Batch(Batch::default()) };
        let through = self.journal.append(&[entry]).expect("room");
        let addressed = |event| Addressed {
            detected: Detected { event, told: None },
            sinks: vec![SINK.to_owned()],
            not_before: Default::default(),
            muted_by: None,
        };
        let insights = insights.into_iter().map(addressed).collect();
        self.journal.commit(&Outputs { through, insights }).expect("room");
    }

    pub(crate) fn pending(&self) -> u64 {
        self.journal.outbox().depth(SINK).expect("readable").0
    }

    /// Waits until nothing is pending.
    pub(crate) async fn emptied(&self, sending: &Sending) {
        let empty = eventually(async || (self.pending() == 0).then_some(())).await;
        assert!(empty.is_some(), "{} insights wait; {:?}", self.pending(), sending.ear.heard().down);
    }

    /// Starts a thread that empties it.
    pub(crate) fn send(&self, spec: KafkaSpec, limits: Limits) -> Sending {
        let ear = Arc::new(Ear::default());
        let shortened = ear.clone();
        let output = KafkaOutput::new(spec, Arc::new(move || shortened.lock().shortened += 1));
        let (stop, shutdown) = watch::channel(None);
        let dead = self.folder.path().join("data");
        let ordered = Ordered {
            name: SINK.to_owned(),
            output: Box::new(output),
            owner: Clock::System.now().unsigned_abs(),
            outbox: Arc::new(self.journal.outbox()),
            dead_letters: Arc::new(DeadLetters::open(&dead, 1 << 20)),
            clock: Clock::System,
            observer: ear.clone(),
            limits,
            shutdown,
        };
        let runtime = Handle::current();
        let thread = std::thread::spawn(move || ordered.run(&runtime));
        Sending { ear, stop, thread, dead: dead.join("dead-letter/insights.ndjson") }
    }
}

/// A thread that empties a desk.
pub(crate) struct Sending {
    pub(crate) ear: Arc<Ear>,
    stop: watch::Sender<Option<i64>>,
    thread: JoinHandle<()>,
    dead: PathBuf,
}

impl Sending {
    /// Ends it.
    pub(crate) fn stop(self) {
        self.stop.send_replace(Some(0));
        self.thread.join().expect("no panic");
    }

    /// Lines of the dead letter.
    pub(crate) fn dead_letters(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.dead).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("json")).collect()
    }
}

/// Bounds with units of so many rows, and no long pauses.
pub(crate) fn units_of(rows: usize) -> Limits {
    Limits { in_flight: rows, backoff_cap: Duration::from_secs(1), ..Limits::default() }
}

/// A topic of the cluster that has to be there already.
pub(crate) fn spec(cluster: &Cluster, topic: &str) -> KafkaSpec {
    let brokers = cluster.bootstrap().split(',').map(str::to_owned).collect();
    KafkaSpec {
        topic: Topic {
            cluster: kafka::Cluster { brokers, tls: None, sasl: None },
            name: topic.to_owned(),
            create: None,
        },
        format: InsightFormat::Full,
        transactional_id: format!("trailsight-of-{topic}"),
        transaction_timeout: Duration::from_secs(120),
        message_bytes: 1 << 20,
    }
}

/// The story of an incident in four records: two levels of its Start, a third, and its End. `callers` are attributed.
pub(crate) fn incident(number: u128, callers: &[String]) -> Vec<InsightEvent> {
    let record = |state, revision| insight(number, state, revision, callers);
    vec![record(State::Start, 0), record(State::Start, 1), record(State::Start, 2), record(State::End, 3)]
}

fn insight(number: u128, state: State, revision: u32, callers: &[String]) -> InsightEvent {
    let minute = if state == State::End { 9 } else { 0 };
    let value = |value: &String| ValueAverage { value: value.clone(), average: 3.0 };
    InsightEvent {
        event_version: EVENT_VERSION.into(),
        event_time: 1_772_694_660 + minute * 60,
        aws_region: "eu-west-1".into(),
        event_id: Uuid::from_u128(number << 8 | u128::from(revision)),
        recipient_account_id: "111122223333".into(),
        shared_event_id: Uuid::from_u128(number << 8),
        details: InsightDetails {
            state,
            event_source: "iam.amazonaws.com".into(),
            event_name: format!("Name{number}"),
            insight_type: InsightType::ApiCallRate,
            error_code: None,
            source_event_category: Some(SourceEventCategory::Management),
            statistics: Statistics { baseline: 0.0, insight: 6.0, insight_duration: 1, baseline_duration: 10_511 },
            attributions: vec![Attributed {
                attribute: Attribute::UserIdentityArn,
                insight: callers.iter().map(value).collect(),
                baseline: Vec::new(),
            }],
            insight_source: None,
        },
        addendum: None,
        trailsight: Some(Extension {
            sensitivity: [Sensitivity::High, Sensitivity::Medium, Sensitivity::Low, Sensitivity::Low]
                [revision as usize % 4],
            direction: Direction::Above,
            test: Test::FirstUse,
            expected: 0.0,
            observed: 6.0,
            chance_per_week: 0.01,
            series: format!("111122223333/eu-west-1/iam.amazonaws.com/Name{number}"),
            thresholds: [None; 3],
            principals: Vec::new(),
            members: Vec::new(),
            members_omitted: 0,
            recommendations: Vec::new(),
            leader: None,
            detected_at: 1_772_694_700_000,
            data_through: 1_772_694_690,
            end_reason: (state == State::End).then_some(EndReason::Returned),
            revision,
            url: None,
        }),
    }
}
