//! `[sources.NAME]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kafka::KafkaSource;
use crate::config::units::Span;

/// Where records come from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Source {
    /// Topics of a Kafka cluster.
    Kafka(Box<KafkaSource>),
    /// Files of a directory, or standard input.
    Files(Files),
    /// Made-up traffic, for `demo` and tests.
    Simulated(Simulated),
}

/// Files of a directory that is followed, each read once; or `-` for standard input.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// A directory to follow, a file, a glob of either, or `-` for standard input.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// Follow the directories below it too.
    #[serde(default = "yes")]
    pub recursive: bool,
    /// How long a file must be unchanged before it is read.
    #[serde(default = "settle")]
    #[schemars(extend("x-min" = "0s", "x-max" = "1h"))]
    pub settle: Span,
    /// How often the directory is looked at.
    #[serde(default = "poll")]
    #[schemars(extend("x-min" = "100ms", "x-max" = "1h"))]
    pub poll: Span,
}

/// Made-up traffic of a few accounts, with made-up trouble.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Simulated {
    /// The same seed makes the same traffic.
    #[serde(default = "seed")]
    #[schemars(range(min = 0, max = 9_223_372_036_854_775_807u64))]
    pub seed: u64,
}

fn yes() -> bool {
    true
}

fn settle() -> Span {
    Span::seconds(2)
}

fn poll() -> Span {
    Span::seconds(1)
}

fn seed() -> u64 {
    1
}
