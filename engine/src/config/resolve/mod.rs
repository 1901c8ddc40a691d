//! What was written becomes what it means: names resolved, secrets read, choices held against each other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::error::{Problem, Warning};
use super::layer::Layers;
use super::memory::MemoryBound;
use super::secret::{REDACTED, Secret};
use super::units::Span;
use super::written::{Level, Limits, LogFormat, Role, Written};

mod accounts;
mod kafka;
mod rules;
mod serving;
mod settings;
mod sinks;
mod sources;
mod webhook;

pub use accounts::AccountConfig;
pub use kafka::{KafkaSourceConfig, Start};
pub use rules::{MatchConfig, MuteConfig, RouteConfig};
pub use sinks::{KafkaSinkConfig, SinkConfig, SinkKind};
pub use sources::{SourceConfig, SourceKind};
pub use webhook::WebhookConfig;

/// A configuration that holds together.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of everything that lasts.
    pub data_dir: PathBuf,
    /// How long delivery goes on after a request to stop.
    pub shutdown_grace: Duration,
    /// Between two snapshots of a partition.
    pub snapshot_interval: Duration,
    /// In the order of their names.
    pub sources: Vec<SourceConfig>,
    /// What is unusual.
    pub detection: Detection,
    /// By id.
    pub accounts: BTreeMap<String, AccountConfig>,
    /// In the order of their names.
    pub sinks: Vec<SinkConfig>,
    /// In the order of the file; empty: every sink gets everything at `detection.sensitivity`.
    pub routes: Vec<RouteConfig>,
    /// In the order of the file.
    pub mutes: Vec<MuteConfig>,
    /// The topic that gets a copy of every dead letter.
    pub dead_letter_topic: Option<crate::kafka::Topic>,
    /// The page, the API, the metrics.
    pub http: HttpConfig,
    /// What bounds memory, disk and input.
    pub limits: Limits,
    /// Most series whose gauges are shown; 0: none.
    pub metrics_series_limit: usize,
    /// The log.
    pub log: LogConfig,
    /// What works and is probably not wanted.
    pub warnings: Vec<Warning>,
    written: Written,
}

/// What is unusual.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// The level of a route that names none.
    pub sensitivity: Level,
    /// Minutes that the watermark stays behind.
    pub allowed_lateness: u32,
    /// Judge from the first minute.
    pub assume_history: bool,
    /// Judge reads too.
    pub read_call_rate: bool,
    /// Event sources whose data events are analysed.
    pub data_events: Vec<String>,
    /// Partitions of accounts.
    pub partitions: u32,
    /// Expected false insights an account-week at low, medium, high.
    pub budgets: [f64; 3],
}

/// The page, the API, the metrics.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where people reach the page, without a slash at its end.
    pub public_url: Option<String>,
    /// Who may read; empty: everybody who reaches the address, which is loopback.
    pub tokens: Vec<TokenConfig>,
}

/// A token and what it allows.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// What it allows.
    pub role: Role,
    /// What is presented.
    pub token: SecretString,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// For whom.
    pub format: LogFormat,
    /// A level, or directives of `tracing_subscriber::EnvFilter`.
    pub level: String,
}

impl Config {
    /// The effective configuration as TOML, every key, literal secrets redacted.
    pub fn effective(&self) -> String {
        match toml::Table::try_from(&self.written).and_then(|table| toml::to_string(&table)) {
            Ok(text) => text,
            Err(error) => format!("# cannot be written as TOML: {error}\n"),
        }
    }

    /// What people call an account.
    pub fn alias(&self, account: &str) -> Option<&str> {
        self.accounts.get(account)?.alias.as_deref()
    }

    /// What memory this configuration can come to need.
    pub fn memory_bound(&self) -> MemoryBound {
        let fetched = |source: &SourceConfig| match &source.kind {
            SourceKind::Kafka(kafka) => kafka.fetch_memory,
            _ => 0,
        };
        let (partitions, sources) = (self.detection.partitions, self.sources.len());
        let fetched = self.sources.iter().map(fetched).sum();
        let batched = |sink: &SinkConfig| match &sink.kind {
            SinkKind::Kafka(kafka) => kafka.batch,
            _ => 0,
        };
        let batched = self.sinks.iter().map(batched).sum();
        MemoryBound::of(&self.limits, partitions, sources, crate::ingest::jobs(), fetched)
            .with_outputs(batched, self.dead_letter_topic.is_some())
    }

    /// That there is something to read: `run` asks, the other commands need none.
    pub fn require_source(&self) -> Result<(), super::ConfigError> {
        if !self.sources.is_empty() {
            return Ok(());
        }
        let problem = Problem::new("sources", "", "nothing to read", "one [sources.NAME] or more");
        Err(super::ConfigError { problems: vec![problem] })
    }
}

/// What one stage of resolving sees and says.
pub(super) struct Context<'a> {
    layers: &'a Layers,
    variables: &'a BTreeMap<String, String>,
    problems: &'a mut Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Context<'_> {
    fn problem(&mut self, key: impl Into<String>, value: impl std::fmt::Display, problem: &str, allowed: &str) {
        self.problems.push(Problem::new(key, value, problem, allowed));
    }

    fn warn(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.warnings.push(Warning { key: key.into(), text: text.into() });
    }

    /// The secret itself; what is wrong with it has been said where it is `None`.
    fn secret(&mut self, key: &str, secret: &Secret) -> Option<SecretString> {
        let given = self.layers.environment.keys().any(|name| key.starts_with(name.as_str()));
        if matches!(secret, Secret::Literal(_)) && !given {
            self.warn(
                key,
                "a secret stands in the file itself; { env = \"NAME\" } or { file = \"PATH\" } keeps it out",
            );
        }
        self.open(key, secret)
    }

    /// The same for what is a secret in some of its uses, and not in this one.
    fn open(&mut self, key: &str, secret: &Secret) -> Option<SecretString> {
        match secret.resolve(&|name| self.variables.get(name).cloned()) {
            Ok(secret) => Some(secret),
            Err(error) => {
                let allowed = "{ env = \"NAME\" }, { file = \"PATH\" }";
                self.problem(key, REDACTED, &error.to_string(), allowed);
                None
            }
        }
    }

    /// A name becomes a label, a key and a part of variables: keep it plain.
    fn name(&mut self, section: &str, name: &str) {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) || name.contains("__") {
            let allowed = "1 to 64 of a-z, 0-9, - and single _";
            self.problem(format!("{section}.{name}"), "", "is not a name", allowed);
        }
    }

    /// Whole minutes; the schema has held it within its range.
    fn minutes(&mut self, key: &str, span: Span) -> u32 {
        if !span.0.is_multiple_of(60_000) {
            self.problem(key, span, "is not whole minutes", "whole minutes");
        }
        u32::try_from(span.0 / 60_000).unwrap_or(u32::MAX)
    }
}

/// Makes a [`Config`] of what was written; it is whole only when no problem was added.
pub(super) fn resolve(
    mut written: Written,
    layers: &Layers,
    variables: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Config {
    let mut context = Context { layers, variables, problems, warnings: Vec::new() };
    if written.data_dir.is_empty() {
        context.problem("data_dir", "\"\"", "is empty", "a directory");
    }
    let sources = sources::resolve(&mut context, &written.sources);
    let sinks = sinks::resolve(&mut context, &written.sinks);
    let dead_letter_topic = sinks::dead_letter(&mut context, &written.dead_letter);
    let (routes, mutes) = rules::resolve(&mut context, &written);
    let detection = settings::detection(&mut context, &written.detection);
    let accounts = accounts::resolve(&mut context, &written.accounts, &written.detection);
    accounts::effective(&mut written.accounts, &accounts);
    let http = serving::http(&mut context, &written.http);
    let log = serving::log(&mut context, &written.log);
    settings::limits(&mut context, &written.limits);
    Config {
        data_dir: PathBuf::from(&written.data_dir),
        shutdown_grace: written.shutdown_grace.duration(),
        snapshot_interval: written.snapshot_interval.duration(),
        sources,
        detection,
        accounts,
        sinks,
        routes,
        mutes,
        dead_letter_topic,
        http,
        limits: written.limits.clone(),
        metrics_series_limit: written.metrics.series_limit,
        log,
        warnings: context.warnings,
        written,
    }
}
