//! From what the configuration means to what the delivery room is made of.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use trailsight_schemas::insight::{Direction, InsightFormat, Sensitivity};

use crate::config::written::{InsightFormat as Format, Level};
use crate::config::{Config, MatchConfig, SinkConfig, SinkKind};
use crate::deliver::matching::MatchSpec;
use crate::deliver::mutes::MuteSpec;
use crate::deliver::routes::{RouteSpec, Router, SinkSpec};
use crate::deliver::scheduler::Limits;
use crate::deliver::sinks::{Kind, Sink, Stdout, Webhook, WebhookSpec};

/// The rules that say who is told.
pub(super) fn router(config: &Config) -> anyhow::Result<Router> {
    let routes: Vec<RouteSpec> = config
        .routes
        .iter()
        .map(|route| RouteSpec {
            sinks: route.sinks.clone(),
            sensitivity: sensitivity(route.sensitivity),
            matches: matches(&route.matches),
            continue_: route.continues,
        })
        .collect();
    let mutes: Vec<MuteSpec> = config
        .mutes
        .iter()
        .map(|mute| MuteSpec {
            key: mute.name.clone(),
            matches: matches(&mute.matches),
            reason: mute.reason.clone(),
            owner: mute.owner.clone(),
            until: mute.until,
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
    Router::new(&routes, &mutes, &sinks, sensitivity(config.detection.sensitivity)).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(all.join("\n"))
    })
}

/// Every sink with its bounds.
pub(super) fn sinks(config: &Config) -> anyhow::Result<Vec<(Arc<Sink>, Limits)>> {
    config.sinks.iter().map(sink).collect()
}

fn sink(config: &SinkConfig) -> anyhow::Result<(Arc<Sink>, Limits)> {
    let (kind, limits) = match &config.kind {
        // Lines of one stream are in order; nothing is gained by writing several at once.
        SinkKind::Stdout => (Kind::Stdout(Stdout::open()?), Limits { in_flight: 1, ..Limits::default() }),
        SinkKind::Webhook(hook) => {
            let spec = WebhookSpec {
                url: hook.url.clone(),
                secrets: hook.secrets.iter().map(key).collect(),
                headers: hook.headers.clone(),
                timeout: hook.timeout,
            };
            let limits = Limits { in_flight: hook.max_in_flight, deadline: hook.deadline, ..Limits::default() };
            (Kind::Webhook(Box::new(Webhook::new(&spec)?)), limits)
        }
    };
    Ok((Arc::new(Sink { name: config.name.clone(), format: format(config.insight_format), kind }), limits))
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
        principal: matches.principal.clone(),
        direction: directions.collect(),
        sensitivity: sensitivities.collect(),
    }
}

fn any(patterns: &[String], word: &str) -> bool {
    patterns.iter().any(|pattern| globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(word)))
}
