//! What was written: the configuration file, key by key, before anything is made of it.
//!
//! These types are the only list of keys. The JSON Schema comes from them, and the schema is what the reader
//! walks to find unknown keys, wrong types and values out of range (`x-min` and `x-max` hold the range of a
//! duration or size). Doc comments here are what users read in the schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Span;

mod accounts;
mod kafka;
mod dead_letter;
mod limits;
mod rules;
mod serving;
mod sinks;
mod sources;

pub use accounts::{Account, OwnBudgets};
pub use dead_letter::{DeadLetter, DeadLetterTopic};
pub use kafka::{GroupProtocol, KafkaSource, Mechanism, OnGap, Sasl, Tls};
pub use limits::Limits;
pub use rules::{Hours, Match, Mute, QuietHours, Route};
pub use serving::{Http, Log, LogFormat, Metrics, Role, Token};
pub use sinks::{CreateTopic, FileSink, InsightFormat, KafkaSink, Sink, Stdout, Webhook, WebhookFormat};
pub use sources::{Files, Simulated, Source};

/// Most accounts of which a configuration may say something: an AWS organization has up to 10,000.
pub const MOST_ACCOUNTS: usize = 10_000;

/// The whole file. Every key has a default.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Written {
    /// Directory of the journal, the snapshots, the history and the dead letters. One process holds it.
    pub data_dir: String,
    /// How long `run` goes on delivering what is due after it was asked to stop.
    #[schemars(extend("x-min" = "0s", "x-max" = "10m"))]
    pub shutdown_grace: Span,
    /// How often a snapshot of every partition is taken; a restart replays what came after.
    #[schemars(extend("x-min" = "10s", "x-max" = "6h"))]
    pub snapshot_interval: Span,
    /// Where records come from: any number, any mix; the key is the source's name.
    pub sources: BTreeMap<String, Source>,
    /// What is unusual.
    pub detection: Detection,
    /// What is known of single accounts; the key is the account's id.
    #[schemars(extend("maxProperties" = MOST_ACCOUNTS))]
    pub accounts: BTreeMap<String, Account>,
    /// Where insights go; the key is the sink's name.
    pub sinks: BTreeMap<String, Sink>,
    /// Where dead letters go besides the files in the data directory.
    pub dead_letter: DeadLetter,
    /// The page, the API, the metrics.
    pub http: Http,
    /// The opt-in gauges of single series.
    pub metrics: Metrics,
    /// What bounds memory, disk and input. Each says what happens at the limit.
    pub limits: Limits,
    /// The log, on standard error.
    pub log: Log,
    /// Which insights go to which sinks, first match first. None: every sink gets everything at `detection.sensitivity`.
    pub routes: Vec<Route>,
    /// What is known and need not be told.
    pub mutes: Vec<Mute>,
}

/// What is unusual.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Detection {
    /// The level of a route that names none. What is recorded is always everything down to `high`.
    pub sensitivity: Level,
    /// How far the watermark stays behind the newest event time; whole minutes.
    #[schemars(extend("x-min" = "1m", "x-max" = "24h"))]
    pub allowed_lateness: Span,
    /// Judge from the first minute, without a learning period: tests and exercises.
    pub assume_history: bool,
    /// Judge the call rate of read management events too.
    pub read_call_rate: bool,
    /// Event sources whose data events are analysed, for instance `s3.amazonaws.com`.
    #[schemars(length(max = 64))]
    pub data_events: Vec<String>,
    /// Partitions that accounts are spread over; fixed when the data directory is created.
    #[schemars(range(min = 1, max = 1024))]
    pub partitions: u32,
    /// Expected false insights an account-week at each level.
    pub budgets: Budgets,
}

/// Expected false insights an account-week.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budgets {
    /// At `low`.
    #[schemars(range(min = 0.001, max = 1000))]
    pub low: f64,
    /// At `medium`; not below `low`.
    #[schemars(range(min = 0.001, max = 1000))]
    pub medium: f64,
    /// At `high`; not below `medium`.
    #[schemars(range(min = 0.001, max = 1000))]
    pub high: f64,
}

/// How little it takes to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Only what is unusual even for the least sensitive listener.
    Low,
    /// The usual choice.
    Medium,
    /// Everything that is recorded.
    High,
}

impl Default for Written {
    fn default() -> Written {
        Written {
            data_dir: "/var/lib/trailsight".to_owned(),
            shutdown_grace: Span::seconds(20),
            snapshot_interval: Span::minutes(10),
            sources: BTreeMap::new(),
            detection: Detection::default(),
            accounts: BTreeMap::new(),
            sinks: BTreeMap::new(),
            dead_letter: DeadLetter::default(),
            http: Http::default(),
            metrics: Metrics::default(),
            limits: Limits::default(),
            log: Log::default(),
            routes: Vec::new(),
            mutes: Vec::new(),
        }
    }
}

impl Default for Detection {
    fn default() -> Detection {
        let settings = crate::detect::settings::Settings::default();
        Detection {
            sensitivity: Level::Medium,
            allowed_lateness: Span::minutes(settings.allowed_lateness.into()),
            assume_history: settings.assume_history,
            read_call_rate: settings.read_call_rate,
            data_events: settings.data_events,
            partitions: settings.partitions,
            budgets: Budgets::default(),
        }
    }
}

impl Default for Budgets {
    fn default() -> Budgets {
        let [low, medium, high] = crate::detect::settings::Settings::default().budgets;
        Budgets { low, medium, high }
    }
}
