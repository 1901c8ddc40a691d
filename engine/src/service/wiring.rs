//! From what the configuration means to what the delivery room is made of.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use trailsight_schemas::insight::{Direction, InsightFormat, Sensitivity};

use crate::config::written::{InsightFormat as Format, Level};
use crate::config::{AccountConfig, Config, KafkaSinkConfig, MatchConfig, SinkConfig, SinkKind, WebhookConfig};
use crate::deliver::matching::MatchSpec;
use crate::deliver::message::{Known, Names};
use crate::deliver::mutes::MuteSpec;
use crate::deliver::ordered::Output;
use crate::deliver::outbox::Row;
use crate::deliver::routes::{Levels, Quiet, RouteSpec, Router, SinkSpec};
use crate::deliver::scheduler::Limits;
use crate::deliver::sinks::{
    Body, FileSink, KafkaOutput, KafkaSpec, Kind, Sink, Stdout, Webhook, WebhookSpec, send_alone,
};

use super::shared::Shared;

/// Longest wait between two attempts at a broker that does not answer: brokers come back within a minute.
const BROKER_BACKOFF: Duration = Duration::from_secs(15);

/// The rules that say who is told.
pub(super) fn router(config: &Config) -> anyhow::Result<Router> {
    let routes: Vec<RouteSpec> = config
        .routes
        .iter()
        .map(|route| RouteSpec {
            sinks: route.sinks.clone(),
            sensitivity: route.sensitivity.map(sensitivity),
            matches: matches(&route.matches),
            continue_: route.continues,
            quiet: route.quiet.clone().map(|(hours, except)| Quiet { hours, except: except.map(sensitivity) }),
        })
        .collect();
    let mutes: Vec<MuteSpec> = config
        .mutes
        .iter()
        .map(|mute| MuteSpec {
            key: mute.name.clone(),
            matches: matches(&mute.matches),
            since: None,
            reason: mute.reason.clone(),
            owner: mute.owner.clone(),
            until: mute.until,
            during: mute.during.clone(),
            learn: mute.learn,
            alert: mute.alert,
        })
        .collect();
    let sinks: Vec<SinkSpec> = config
        .sinks
        .iter()
        .map(|sink| SinkSpec {
            name: sink.name.clone(),
            format: format(sink.insight_format),
            machine: sink.kind.is_for_machines(),
        })
        .collect();
    let own = config.accounts.iter().filter_map(|(id, account)| Some((id.clone(), sensitivity(account.sensitivity?))));
    let levels = Levels { usual: sensitivity(config.detection.sensitivity), of_accounts: own.collect() };
    Router::new(&routes, &mutes, &sinks, levels).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(all.join("\n"))
    })
}

/// How the outbox of a sink is emptied.
pub(super) enum Outlet {
    /// Row by row.
    Worker(Arc<Sink>),
    /// In order, many rows as one unit, by a thread of its own; the name of the sink.
    Ordered(String, Box<dyn Output>),
}

/// Every sink with its bounds. `identity` is the data directory's.
pub(super) fn outlets(config: &Config, identity: u64, shared: &Arc<Shared>) -> anyhow::Result<Vec<(Outlet, Limits)>> {
    let bounded = |(outlet, limits)| (outlet, Limits { outbox_rows: config.limits.outbox_rows, ..limits });
    let names = account_names(config);
    config.sinks.iter().map(|sink| outlet(sink, identity, &names, shared).map(bounded)).collect()
}

fn outlet(sink: &SinkConfig, identity: u64, names: &Names, shared: &Arc<Shared>) -> anyhow::Result<(Outlet, Limits)> {
    let (kind, limits) = match &sink.kind {
        // Lines of one stream are in order; nothing is gained by writing several at once.
        SinkKind::Stdout => (Kind::Stdout(Stdout::open()?), Limits { in_flight: 1, ..Limits::default() }),
        SinkKind::File(path) => (Kind::File(FileSink::new(path.clone())), Limits { in_flight: 1, ..Limits::default() }),
        SinkKind::Webhook(hook) => {
            let limits = Limits { in_flight: hook.max_in_flight, deadline: hook.deadline, ..Limits::default() };
            (Kind::Webhook(Box::new(Webhook::new(&spec(hook))?), body(hook, names)), limits)
        }
        SinkKind::Kafka(topic) => {
            let (shared, name) = (shared.clone(), sink.name.clone());
            let shortened = move || shared.metrics.sink(&name).shortened.inc();
            let output = KafkaOutput::new(kafka(sink, topic, identity), Arc::new(shortened));
            let limits = Limits {
                in_flight: topic.batch,
                deadline: topic.deadline,
                backoff_cap: BROKER_BACKOFF,
                ..Limits::default()
            };
            return Ok((Outlet::Ordered(sink.name.clone(), Box::new(output)), limits));
        }
    };
    let sink = Sink { name: sink.name.clone(), format: format(sink.insight_format), kind };
    Ok((Outlet::Worker(Arc::new(sink)), limits))
}

/// Sends one row through a sink of its own making, whatever a running service does meanwhile; says who has it, or
/// why nobody has.
pub(crate) fn try_sink(sink: &SinkConfig, names: &Names, row: &Row, now_ms: i64) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let (name, format) = (sink.name.clone(), format(sink.insight_format));
    let (kind, whose) = match &sink.kind {
        SinkKind::Kafka(topic) => return send_alone(&kafka(sink, topic, 0), row),
        SinkKind::Stdout => {
            (Kind::Stdout(Stdout::open().map_err(|error| error.to_string())?), "standard output".into())
        }
        SinkKind::File(path) => (Kind::File(FileSink::new(path.clone())), path.display().to_string()),
        SinkKind::Webhook(hook) => {
            let made = Webhook::new(&spec(hook)).map_err(|error| error.to_string())?;
            let address = made.address();
            (Kind::Webhook(Box::new(made), body(hook, names)), address)
        }
    };
    let sink = Sink { name, format, kind };
    runtime.block_on(sink.send(row, now_ms)).map_err(|error| error.message)?;
    Ok(format!("{whose} has it"))
}

/// What a sink would be sent for a row, without what is secret in it.
pub(crate) fn shown(sink: &SinkConfig, names: &Names, row: &Row) -> Result<String, String> {
    let message = match &sink.kind {
        SinkKind::Webhook(hook) => hook.message.as_ref(),
        SinkKind::Stdout | SinkKind::Kafka(_) | SinkKind::File(_) => None,
    };
    let body = match message {
        Some(message) => Body::Message(message.redacted(), names.clone()),
        None => Body::Record,
    };
    let (body, _) = body.of(row, format(sink.insight_format)).map_err(|error| error.message)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// A Kafka sink as its room sees it.
fn kafka(sink: &SinkConfig, topic: &KafkaSinkConfig, identity: u64) -> KafkaSpec {
    let name = || format!("trailsight-{identity:016x}-{}", sink.name);
    KafkaSpec {
        topic: topic.topic.clone(),
        format: format(sink.insight_format),
        transactional_id: topic.transactional_id.clone().unwrap_or_else(name),
        transaction_timeout: topic.transaction_timeout,
        message_bytes: topic.message_bytes,
    }
}

fn spec(hook: &WebhookConfig) -> WebhookSpec {
    WebhookSpec {
        url: hook.url.clone(),
        secrets: hook.secrets.iter().map(key).collect(),
        headers: hook.headers.clone(),
        timeout: hook.timeout,
        deny_private_networks: hook.deny_private_networks,
    }
}

fn body(hook: &WebhookConfig, names: &Names) -> Body {
    hook.message.clone().map_or(Body::Record, |format| Body::Message(format, names.clone()))
}

/// What people are told of accounts.
pub(crate) fn account_names(config: &Config) -> Names {
    let known = config.accounts.iter().map(|(id, account)| {
        let AccountConfig { alias, owner, environment, .. } = account.clone();
        (id.clone(), Known { alias, owner, environment })
    });
    Names(known.collect())
}

/// A signing key in the form of Standard Webhooks.
fn key(bytes: &SecretSlice<u8>) -> SecretString {
    SecretString::from(format!("whsec_{}", STANDARD.encode(bytes.expose_secret())))
}

fn format(format: Format) -> InsightFormat {
    match format {
        Format::Full => InsightFormat::Full,
        Format::Aws => InsightFormat::Aws,
    }
}

pub(crate) fn sensitivity(level: Level) -> Sensitivity {
    match level {
        Level::Low => Sensitivity::Low,
        Level::Medium => Sensitivity::Medium,
        Level::High => Sensitivity::High,
    }
}

/// Words of a closed list are globs too (`sensitivity = ["*"]`): those that match are taken.
fn matches(matches: &MatchConfig) -> MatchSpec {
    let directions = Direction::ALL.iter().copied().filter(|one| any(&matches.direction, one.as_str()));
    let sensitivities = Sensitivity::ALL.iter().copied().filter(|one| any(&matches.sensitivity, one.as_str()));
    MatchSpec {
        account: matches.account.clone(),
        region: matches.region.clone(),
        source: matches.source.clone(),
        name: matches.name.clone(),
        insight_type: matches.r#type.clone(),
        error_code: matches.error_code.clone(),
        principal: matches.principal.clone(),
        user_agent: matches.user_agent.clone(),
        automation: matches.automation.clone(),
        new_principal: matches.new_principal,
        direction: directions.collect(),
        sensitivity: sensitivities.collect(),
    }
}

fn any(patterns: &[String], word: &str) -> bool {
    patterns.iter().any(|pattern| globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(word)))
}
