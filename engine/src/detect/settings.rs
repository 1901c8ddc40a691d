//! Settings that decide what is detected. They are written into the journal as an epoch entry, so that what
//! follows from the journal follows from it alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything that changes which insights follow from the same entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Minutes that the watermark stays behind the newest event time.
    pub allowed_lateness: u32,
    /// Judge from the first minute.
    pub assume_history: bool,
    /// Judge the call rate of read management events too.
    pub read_call_rate: bool,
    /// Event sources whose data events are judged.
    pub data_events: Vec<String>,
    /// Expected false insights an account-week at low, medium, high.
    pub budgets: [f64; 3],
    /// Most series held; the coldest is evicted.
    pub series: usize,
    /// Bytes of minutes held open, over all partitions, each of which has an equal share.
    pub open_bytes: usize,
    /// Partitions of accounts; fixed when the data directory is created.
    pub partitions: u32,
    /// Mutes that keep matched traffic from teaching.
    pub unlearned: Vec<Unlearned>,
    /// Where the picture of an insight is, without the id.
    pub public_url: Option<String>,
    /// Accounts that are judged by budgets of their own: expected false insights a week at low, medium, high.
    pub account_budgets: BTreeMap<String, [f64; 3]>,
}

impl Settings {
    /// Expected false insights a week of an account at low, medium, high.
    pub fn budgets_of(&self, account: &str) -> [f64; 3] {
        self.account_budgets.get(account).copied().unwrap_or(self.budgets)
    }
}

/// Bytes that a series may take on the average, its share of strings included.
pub const SERIES_BYTES: usize = 1024;
/// Bytes of strings and of empty slots that no limit on series explains: each partition lets some thousand strings lie
/// before it looks which are in use.
pub const SERIES_FLOOR: usize = 64 << 20;

/// Bytes of open minutes that a partition has at the least.
pub const LEAST_OPEN_BYTES: usize = 256 << 10;

impl Settings {
    /// Bytes of open minutes that one partition has.
    pub(super) fn open_bytes_of_one(&self) -> usize {
        (self.open_bytes / self.partitions.max(1) as usize).max(LEAST_OPEN_BYTES)
    }

    /// Most bytes of series, beyond which the coldest are evicted even if they are not too many.
    pub fn series_bytes(&self) -> usize {
        self.series.saturating_mul(SERIES_BYTES).saturating_add(SERIES_FLOOR)
    }
}

/// Series whose traffic does not teach: the series side of a mute with `learn = false`. Globs; an empty
/// list matches all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unlearned {
    /// Accounts.
    pub account: Vec<String>,
    /// Regions.
    pub region: Vec<String>,
    /// Event sources.
    pub source: Vec<String>,
    /// API names.
    pub name: Vec<String>,
    /// Wall time after which it no longer holds, milliseconds since the epoch.
    pub until: Option<i64>,
}

/// A set that matches any of the patterns; a pattern that is no glob matches itself only.
pub(super) fn globs(patterns: &[String]) -> globset::GlobSet {
    let mut set = globset::GlobSetBuilder::new();
    for pattern in patterns {
        match globset::Glob::new(pattern).or_else(|_| globset::Glob::new(&globset::escape(pattern))) {
            Ok(glob) => {
                set.add(glob);
            }
            Err(error) => tracing::warn!(%pattern, %error, "a pattern cannot be matched"),
        }
    }
    set.build().unwrap_or_default()
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            allowed_lateness: 15,
            assume_history: false,
            read_call_rate: false,
            data_events: Vec::new(),
            budgets: [0.2, 1.0, 5.0],
            series: 1_000_000,
            open_bytes: 1 << 30,
            partitions: 64,
            unlearned: Vec::new(),
            public_url: None,
            account_budgets: BTreeMap::new(),
        }
    }
}
