//! `[http]`, `[metrics]`, `[log]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::secret::Secret;

/// The page, the API, the metrics.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port. Anything but loopback needs `tokens`.
    pub listen: String,
    /// Where people reach the page, `https://…`; insights carry it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Who may read. None: everybody who reaches a loopback address.
    #[schemars(length(max = 64))]
    pub tokens: Vec<Token>,
}

/// A token and what it allows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What it allows.
    pub role: Role,
    /// At least 16 characters.
    pub token: Secret,
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// To read.
    Viewer,
    /// To change what can be changed, and to read.
    Operator,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
        }
    }
}

/// The opt-in gauges of single series.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Most series of which `series_observed` and `series_expected` are shown; 0: none.
    #[schemars(range(min = 0, max = 10_000))]
    pub series_limit: usize,
}

/// The log, on standard error.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// For whom.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,trailsight::source=debug`.
    #[schemars(length(min = 1, max = 1024))]
    pub level: String,
}

/// For whom the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `human` on a terminal, `json` otherwise.
    #[default]
    Auto,
    /// Lines to read.
    Human,
    /// One JSON object a line.
    Json,
}

impl Default for Http {
    fn default() -> Http {
        Http { listen: "127.0.0.1:8470".to_owned(), public_url: None, tokens: Vec::new() }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::Auto, level: "info".to_owned() }
    }
}
