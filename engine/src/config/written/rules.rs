//! `[[routes]]` and `[[mutes]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Level;

/// Sends what matches to sinks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Names of sinks.
    #[schemars(length(min = 1, max = 64))]
    pub sinks: Vec<String>,
    /// The loosest level that is told; `detection.sensitivity` where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Level>,
    /// Go on to the next route after a match.
    #[serde(default, rename = "continue")]
    pub continues: bool,
    /// What it is for; nothing given: everything.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// Hours in which its sinks are not told: what comes in them is told when they are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<QuietHours>,
}

/// Hours that come back every week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// When they begin, `22:00`.
    pub from: String,
    /// When they end, `07:00`; where that is not after `from`, on the next day.
    pub to: String,
    /// Days on which they begin, `mon` to `sun`; none: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    pub days: Vec<String>,
    /// Name of a time zone, for instance `Europe/Berlin`.
    #[serde(default = "utc")]
    pub time_zone: String,
}

/// Hours in which nobody is told. The keys of [`Hours`] stand here again: serde cannot flatten and refuse unknown keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// When they begin, `22:00`.
    pub from: String,
    /// When they end, `07:00`; where that is not after `from`, on the next day.
    pub to: String,
    /// Days on which they begin, `mon` to `sun`; none: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    pub days: Vec<String>,
    /// Name of a time zone, for instance `Europe/Berlin`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// What is at this level or a stricter one is told all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub except: Option<Level>,
}

impl QuietHours {
    /// The hours alone.
    pub fn hours(&self) -> Hours {
        let QuietHours { from, to, days, time_zone, .. } = self.clone();
        Hours { from, to, days, time_zone }
    }
}

/// Keeps what matches from people. It is recorded all the same.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// A short name, for the `mute` label of the metric; `mute-1` and so on where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub name: Option<String>,
    /// Who can say whether it is still needed.
    #[schemars(length(min = 1, max = 256))]
    pub owner: String,
    /// Why it is muted.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// Time after which it does nothing, RFC 3339; none: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kind" = "time"))]
    pub until: Option<String>,
    /// Hours in which alone it does something: maintenance that comes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub during: Option<Hours>,
    /// Muted traffic teaches the baselines.
    #[serde(default = "yes")]
    pub learn: bool,
    /// People are told all the same (only `learn = false` is wanted).
    #[serde(default)]
    pub alert: bool,
    /// What it is for.
    #[serde(rename = "match")]
    pub matches: Match,
}

/// Lists of globs (`*`, `?`, `[a-z]`, `{a,b}`). An empty list matches everything; all lists must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// Accounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub account: Vec<String>,
    /// Regions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub region: Vec<String>,
    /// Event sources, for instance `iam.amazonaws.com`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub source: Vec<String>,
    /// API names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub name: Vec<String>,
    /// Insight types, for instance `ApiCallRateInsight`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub r#type: Vec<String>,
    /// Error codes; what has none matches no pattern.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub error_code: Vec<String>,
    /// ARNs of principals, session names stripped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub principal: Vec<String>,
    /// User agents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub user_agent: Vec<String>,
    /// Tools that are recognised by the principal or the user agent, for instance `terraform`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub automation: Vec<String>,
    /// Whether somebody calls who never called this API before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_principal: Option<bool>,
    /// `above`, `below`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub direction: Vec<String>,
    /// `low`, `medium`, `high`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub sensitivity: Vec<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}
