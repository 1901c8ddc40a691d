//! `[sinks.NAME]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::secret::Secret;
use crate::config::units::Span;

/// Where insights go.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Sink {
    /// One JSON object a line on standard output.
    Stdout(Stdout),
    /// An HTTP POST for each insight.
    Webhook(Webhook),
}

/// One JSON object a line on standard output.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stdout {
    /// With or without the `trailsight` key.
    #[serde(default)]
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
}

/// What the body of a webhook is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// The Insights event itself.
    #[default]
    Insight,
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

fn timeout() -> Span {
    Span::seconds(10)
}

fn deadline() -> Span {
    Span::minutes(24 * 60)
}

fn max_in_flight() -> usize {
    4
}
