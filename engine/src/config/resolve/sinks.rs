//! `[sinks.NAME]`.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::Context;
use crate::config::secret::{REDACTED, Secret};
use crate::config::written::{CreateTopic, DeadLetter, InsightFormat, KafkaSink, Sink, Webhook};
use crate::kafka;

/// Headers that the sink sets itself.
const OWN_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// A sink and its name.
#[derive(Clone, Debug)]
pub struct SinkConfig {
    /// Label of metrics, key of the outbox.
    pub name: String,
    /// With or without the `trailsight` key.
    pub insight_format: InsightFormat,
    /// Where to.
    pub kind: SinkKind,
}

/// Where a sink writes.
#[derive(Clone, Debug)]
pub enum SinkKind {
    /// Standard output.
    Stdout,
    /// An HTTP receiver.
    Webhook(Box<WebhookConfig>),
    /// A Kafka topic.
    Kafka(Box<KafkaSinkConfig>),
}

impl SinkKind {
    /// Whether programs read it, and not people: what was folded into a lead is sent there too.
    pub fn is_for_machines(&self) -> bool {
        match self {
            SinkKind::Stdout => false,
            SinkKind::Webhook(_) | SinkKind::Kafka(_) => true,
        }
    }
}

/// An HTTP receiver.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// An `http` or `https` URL.
    pub url: SecretString,
    /// Header names, lower case, and their values.
    pub headers: Vec<(String, SecretString)>,
    /// Signing keys, decoded; at most two; empty: not signed.
    pub secrets: Vec<SecretSlice<u8>>,
    /// For one attempt.
    pub timeout: Duration,
    /// For all attempts of one insight.
    pub deadline: Duration,
    /// Most requests at one time.
    pub max_in_flight: usize,
}

/// A Kafka topic.
#[derive(Clone, Debug)]
pub struct KafkaSinkConfig {
    /// Where to.
    pub topic: kafka::Topic,
    /// `None`: one made of the data directory's identity and the sink's name.
    pub transactional_id: Option<String>,
    /// When the broker aborts what was left open.
    pub transaction_timeout: Duration,
    /// Largest message.
    pub message_bytes: usize,
    /// Most insights in a transaction.
    pub batch: usize,
    /// For all attempts of one insight.
    pub deadline: Duration,
}

impl SinkKind {
    /// The word in the configuration.
    pub fn as_str(&self) -> &'static str {
        match self {
            SinkKind::Stdout => "stdout",
            SinkKind::Webhook(_) => "webhook",
            SinkKind::Kafka(_) => "kafka",
        }
    }
}

pub(super) fn resolve(context: &mut Context<'_>, sinks: &BTreeMap<String, Sink>) -> Vec<SinkConfig> {
    let mut resolved = Vec::with_capacity(sinks.len());
    for (name, sink) in sinks {
        context.name("sinks", name);
        let (insight_format, kind) = match sink {
            Sink::Stdout(stdout) => (stdout.insight_format, Some(SinkKind::Stdout)),
            Sink::Kafka(sink) => {
                let kind = kafka(context, &format!("sinks.{name}"), sink);
                (sink.insight_format, kind.map(|kind| SinkKind::Kafka(Box::new(kind))))
            }
            Sink::Webhook(hook) => {
                let kind = webhook(context, &format!("sinks.{name}"), hook);
                (hook.insight_format, kind.map(|kind| SinkKind::Webhook(Box::new(kind))))
            }
        };
        resolved.extend(kind.map(|kind| SinkConfig { name: name.clone(), insight_format, kind }));
    }
    resolved
}

fn webhook(context: &mut Context<'_>, key: &str, hook: &Webhook) -> Option<WebhookConfig> {
    let url = url(context, &format!("{key}.url"), &hook.url);
    let mut headers = Vec::new();
    for (name, value) in &hook.headers {
        let key = format!("{key}.headers.{name}");
        headers.extend(header(context, &key, name, value));
    }
    let mut secrets = Vec::new();
    for (position, secret) in hook.secrets.iter().enumerate() {
        secrets.extend(signing_key(context, &format!("{key}.secrets[{position}]"), secret));
    }
    Some(WebhookConfig {
        url: url?,
        headers,
        secrets,
        timeout: hook.timeout.duration(),
        deadline: hook.deadline.duration(),
        max_in_flight: hook.max_in_flight,
    })
}

fn kafka(context: &mut Context<'_>, key: &str, sink: &KafkaSink) -> Option<KafkaSinkConfig> {
    let cluster = super::kafka::cluster(context, key, &sink.brokers, sink.tls.as_ref(), sink.sasl.as_ref());
    Some(KafkaSinkConfig {
        topic: topic(context, key, cluster, &sink.topic, sink.create_topic)?,
        transactional_id: sink.transactional_id.clone(),
        transaction_timeout: sink.transaction_timeout.duration(),
        message_bytes: usize::try_from(sink.message_bytes.0).unwrap_or(usize::MAX),
        batch: sink.batch,
        deadline: sink.deadline.duration(),
    })
}

pub(super) fn dead_letter(context: &mut Context<'_>, written: &DeadLetter) -> Option<kafka::Topic> {
    let written = written.kafka.as_ref()?;
    let (key, tls, sasl) = ("dead_letter.kafka", written.tls.as_ref(), written.sasl.as_ref());
    let cluster = super::kafka::cluster(context, key, &written.brokers, tls, sasl);
    topic(context, key, cluster, &written.topic, written.create_topic)
}

/// A topic that is written to.
fn topic(
    context: &mut Context<'_>,
    key: &str,
    cluster: Option<kafka::Cluster>,
    name: &str,
    create: Option<CreateTopic>,
) -> Option<kafka::Topic> {
    let key = format!("{key}.topic");
    super::kafka::topic_name(context, &key, name);
    if name.starts_with('^') {
        context.problem(key, name, "is a pattern", "the name of one topic");
    }
    let create = create.map(|wanted| kafka::NewTopic {
        partitions: wanted.partitions,
        replication: wanted.replication,
        retention: wanted.retention.map(|span| span.duration()),
    });
    Some(kafka::Topic { cluster: cluster?, name: name.to_owned(), create })
}

fn url(context: &mut Context<'_>, key: &str, secret: &Secret) -> Option<SecretString> {
    let text = context.secret(key, secret)?;
    let allowed = "https://HOST/PATH, or http://";
    let Some(parsed) = Url::parse(text.expose_secret()).ok().filter(|url| url.host().is_some()) else {
        context.problem(key, REDACTED, "is not a URL", allowed);
        return None;
    };
    match parsed.scheme() {
        "https" => {}
        "http" if loopback(&parsed) => {}
        "http" => context.warn(key, "insights go over the network unencrypted"),
        _ => {
            context.problem(key, REDACTED, "is not a URL of HTTP", allowed);
            return None;
        }
    }
    Some(text)
}

fn loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn header(context: &mut Context<'_>, key: &str, name: &str, value: &Secret) -> Option<(String, SecretString)> {
    let secret = context.secret(key, value);
    let Ok(parsed) = HeaderName::try_from(name) else {
        context.problem(key, "", "is not the name of a header", "letters, digits and -");
        return None;
    };
    if OWN_HEADERS.contains(&parsed.as_str()) {
        context.problem(key, "", "is set by the sink itself", "another header");
        return None;
    }
    let secret = secret?;
    if HeaderValue::try_from(secret.expose_secret()).is_err() {
        context.problem(key, REDACTED, "is not the value of a header", "visible characters in one line");
        return None;
    }
    Some((parsed.as_str().to_owned(), secret))
}

/// `whsec_` and the base64 of 24 to 64 bytes, as Standard Webhooks says.
fn signing_key(context: &mut Context<'_>, key: &str, secret: &Secret) -> Option<SecretSlice<u8>> {
    let text = context.secret(key, secret)?;
    let decoded = text.expose_secret().strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
    let Some(bytes) = decoded.filter(|bytes| (24..=64).contains(&bytes.len())) else {
        context.problem(key, REDACTED, "is not a signing key", "whsec_ and the base64 of 24 to 64 bytes");
        return None;
    };
    Some(bytes.into())
}
