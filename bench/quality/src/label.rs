//! What an account's table holds, as the scorer needs it.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::account::Personality;
use crate::anomaly::Kind;
use crate::change::ChangeKind;

/// A series by its names; no code: calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) region: String,
    pub(crate) source: String,
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) code: String,
}

/// Which way calls went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    Above,
    Below,
}

/// An anomaly that should be found. Times are minutes since the epoch; `end` is the first minute behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Truth {
    pub(crate) kind: Kind,
    /// 1 (undetectable) to 4.
    pub(crate) strength: u8,
    /// Whether whoever looks at the picture would see it at once.
    pub(crate) obvious: bool,
    pub(crate) direction: Direction,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) principal: String,
    /// An insight on one of these finds it; of a sweep, its members.
    pub(crate) series: Vec<Name>,
    /// An insight on one of these is explained by it, but does not find it.
    pub(crate) companions: Vec<Name>,
    /// Calls a minute that the series had in the days before, and has in it at most: what a reader needs to judge a miss.
    pub(crate) usual: f64,
    pub(crate) peak: u32,
}

/// A benign change: what is told of it is false, and counted for each change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// None: the whole account.
    pub(crate) series: Vec<Name>,
}

/// Everything that is known of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Labels {
    pub(crate) account: String,
    pub(crate) personality: Personality,
    pub(crate) zone: String,
    /// Whether anomalies were put in.
    pub(crate) attacked: bool,
    pub(crate) first: i64,
    pub(crate) scored: i64,
    pub(crate) end: i64,
    /// Series with at least one call.
    pub(crate) series: usize,
    pub(crate) truths: Vec<Truth>,
    pub(crate) changes: Vec<Change>,
}

impl Labels {
    pub(crate) fn read(path: &Path) -> Result<Labels> {
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        std::fs::write(path, text).with_context(|| path.display().to_string())
    }

    /// Weeks that are scored.
    pub(crate) fn weeks(&self) -> f64 {
        (self.end - self.scored) as f64 / (7.0 * 1440.0)
    }
}
