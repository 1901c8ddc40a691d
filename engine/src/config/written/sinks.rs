//! `[sinks.NAME]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kafka::{Sasl, Tls};
use crate::config::secret::Secret;
use crate::config::units::{Size, Span};

/// Where insights go.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Sink {
    /// One JSON object a line on standard output.
    Stdout(Stdout),
    /// Files in the layout in which CloudTrail delivers Insights events.
    File(FileSink),
    /// An HTTP POST for each insight.
    Webhook(Webhook),
    /// A message of a Kafka topic for each insight.
    Kafka(Box<KafkaSink>),
}

/// One JSON object a line on standard output.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stdout {
    /// With or without the `trailsight` key.
    #[serde(default)]
    pub insight_format: InsightFormat,
}

/// A file for each insight, in the layout in which CloudTrail delivers Insights events to a bucket.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSink {
    /// A directory that stands for the bucket; made where it is missing.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// With or without the `trailsight` key. AWS's record alone is what its own readers expect, and has no insights about
    /// whole accounts.
    #[serde(default = "aws")]
    pub insight_format: InsightFormat,
}

/// An HTTP POST for each insight, signed as Standard Webhooks says.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to: `https://…`. A secret, because chat services put their key in it.
    pub url: Secret,
    /// What the body is.
    #[serde(default)]
    pub format: WebhookFormat,
    /// With or without the `trailsight` key.
    #[serde(default)]
    pub insight_format: InsightFormat,
    /// How long one attempt may take.
    #[serde(default = "timeout")]
    #[schemars(extend("x-min" = "100ms", "x-max" = "2m"))]
    pub timeout: Span,
    /// How long attempts go on before the insight is put into the dead letter.
    #[serde(default = "deadline")]
    #[schemars(extend("x-min" = "1m", "x-max" = "7d"))]
    pub deadline: Span,
    /// Most requests at one time.
    #[serde(default = "max_in_flight")]
    #[schemars(range(min = 1, max = 64))]
    pub max_in_flight: usize,
    /// Signing keys, `whsec_` and base64; two while one replaces the other. None: not signed.
    #[serde(default)]
    #[schemars(length(max = 2))]
    pub secrets: Vec<Secret>,
    /// Further headers, each value a secret.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 32))]
    pub headers: BTreeMap<String, Secret>,
    /// With `pagerduty`: the integration key of the service.
    pub routing_key: Option<Secret>,
    /// With `template`: a file with the template of the body, in the language of Jinja.
    #[schemars(length(min = 1, max = 4096))]
    pub template: Option<String>,
    /// With `template`: what the body is. In JSON every value that is put in is written as one of JSON.
    #[serde(default = "content_type")]
    #[schemars(length(min = 1, max = 256))]
    pub content_type: String,
    /// Refuses addresses that are not public, also those that the host's name resolves to.
    #[serde(default)]
    pub deny_private_networks: bool,
}

/// A message of a Kafka topic for each insight, exactly once for who reads with `isolation.level=read_committed`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaSink {
    /// `host:port` of the brokers that are asked first.
    #[schemars(length(min = 1, max = 64))]
    pub brokers: Vec<String>,
    /// The topic.
    #[schemars(length(min = 1, max = 249))]
    pub topic: String,
    /// With or without the `trailsight` key.
    #[serde(default)]
    pub insight_format: InsightFormat,
    /// The name under which we write, and of the group that holds how far we have come; ACLs name it. Default:
    /// one that is fixed for the data directory and the sink.
    #[schemars(length(min = 1, max = 200))]
    pub transactional_id: Option<String>,
    /// After how long the broker aborts what a process that is gone left open; until then readers wait. The broker's
    /// own limit is `transaction.max.timeout.ms`.
    #[serde(default = "transaction_timeout")]
    #[schemars(extend("x-min" = "5s", "x-max" = "15m"))]
    pub transaction_timeout: Span,
    /// Largest message, where the topic's `max.message.bytes` is not lower. A larger insight loses attributions, and
    /// one that is too large even so goes to the dead letter.
    #[serde(default = "message_bytes")]
    #[schemars(extend("x-min" = "1KiB", "x-max" = "64MiB"))]
    pub message_bytes: Size,
    /// Most insights in one transaction.
    #[serde(default = "batch")]
    #[schemars(range(min = 1, max = 1000))]
    pub batch: usize,
    /// How long attempts go on before the insight is put into the dead letter.
    #[serde(default = "deadline")]
    #[schemars(extend("x-min" = "1m", "x-max" = "7d"))]
    pub deadline: Span,
    /// Creates the topic where it is missing. Without it the topic has to be there.
    pub create_topic: Option<CreateTopic>,
    /// TLS; with it alone, even empty, the connection is encrypted.
    pub tls: Option<Tls>,
    /// Who we are.
    pub sasl: Option<Sasl>,
}

/// How a topic is created.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTopic {
    /// Partitions.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: u16,
    /// Brokers that hold each partition.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub replication: u16,
    /// How long messages are kept. None: what the broker thinks fit.
    #[schemars(extend("x-min" = "1m", "x-max" = "3650d"))]
    pub retention: Option<Span>,
}

/// What the body of a webhook is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// The Insights event itself.
    #[default]
    Insight,
    /// A message of Slack.
    Slack,
    /// An adaptive card for a workflow of Microsoft Teams.
    Teams,
    /// A message of Discord.
    Discord,
    /// An event of PagerDuty (Events API v2).
    Pagerduty,
    /// Alerts of Alertmanager (API v2).
    Alertmanager,
    /// What `template` makes.
    Template,
}

/// Which form an Insights event has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InsightFormat {
    /// AWS's record and the `trailsight` key.
    #[default]
    Full,
    /// AWS's record alone.
    Aws,
}

fn aws() -> InsightFormat {
    InsightFormat::Aws
}

fn content_type() -> String {
    "application/json".to_owned()
}

fn timeout() -> Span {
    Span::seconds(10)
}

fn deadline() -> Span {
    Span::minutes(24 * 60)
}

fn max_in_flight() -> usize {
    4
}

fn transaction_timeout() -> Span {
    Span::minutes(2)
}

fn message_bytes() -> Size {
    Size::mebibytes(1)
}

fn batch() -> usize {
    100
}

fn one() -> u16 {
    1
}
