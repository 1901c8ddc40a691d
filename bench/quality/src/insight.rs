//! Insights as an engine printed them, put together to incidents.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::label::{Direction, Name};

/// Sensitivities, strictest first: an incident reaches a level when it reaches a stricter one.
pub(crate) const LEVELS: [&str; 3] = ["low", "medium", "high"];
/// Insights that chance alone should raise in an account in a week at each level.
pub(crate) const BUDGETS: [f64; 3] = [0.2, 1.0, 5.0];

/// What an insight is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Calls,
    Errors,
    /// Many APIs waking up together.
    Sweep,
    /// Denied calls over the whole account.
    Denied,
    /// An account that went quiet.
    Silence,
}

/// A Start: when it was decided, how strict, how rare by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Start {
    pub(crate) level: usize,
    /// The minute whose end (or middle) decided.
    pub(crate) decided: i64,
    pub(crate) chance: Option<f64>,
    pub(crate) folded: bool,
}

/// All records of one `sharedEventID`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Incident {
    pub(crate) account: String,
    pub(crate) name: Name,
    pub(crate) about: About,
    pub(crate) direction: Direction,
    /// Minutes since the epoch.
    pub(crate) start: i64,
    pub(crate) end: Option<i64>,
    pub(crate) starts: Vec<Start>,
    /// What an account's insight lists, as text.
    pub(crate) members: String,
    pub(crate) test: String,
}

/// What counts as told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Gate {
    /// Reaches this level: a place in [`LEVELS`].
    Level(usize),
    /// Is at most this likely by chance in an account-week.
    Chance(f64),
}

/// How an incident comes through a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) decided: i64,
    /// Whether it was told by itself rather than folded into another one.
    pub(crate) lead: bool,
}

impl Incident {
    /// When and how it is told by whoever listens at a gate; none where it is not.
    pub(crate) fn told(&self, gate: Gate) -> Option<Told> {
        let passes = |start: &&Start| match gate {
            Gate::Level(level) => start.level <= level,
            Gate::Chance(limit) => start.chance.is_some_and(|chance| chance <= limit),
        };
        let passing: Vec<&Start> = self.starts.iter().filter(passes).collect();
        let decided = passing.iter().map(|start| start.decided).min()?;
        Some(Told { decided, lead: passing.iter().any(|start| !start.folded) })
    }

    /// Its rarest chance.
    pub(crate) fn chance(&self) -> Option<f64> {
        self.starts.iter().filter_map(|start| start.chance).min_by(f64::total_cmp)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_time: String,
    #[serde(default)]
    aws_region: String,
    recipient_account_id: String,
    #[serde(rename = "sharedEventID")]
    shared_event_id: String,
    insight_details: Details,
    #[serde(default)]
    trailsight: Option<Extra>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    state: String,
    event_source: String,
    event_name: String,
    insight_type: String,
    #[serde(default)]
    error_code: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Extra {
    sensitivity: String,
    direction: String,
    test: String,
    detected_at: Option<String>,
    chance_per_week: Option<f64>,
    leader: Option<String>,
    members: Vec<Value>,
}

/// Whether `detectedAt` names the minute that decided by its end (as Trailsight does) or by its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecidedBy {
    End,
    Beginning,
}

/// Reads NDJSON of one or many accounts; incidents in the order of their first records.
pub(crate) fn read(input: &mut dyn BufRead, decided_by: DecidedBy) -> Result<Vec<Incident>> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut incidents: Vec<Incident> = Vec::new();
    for (number, line) in input.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let record: Record = serde_json::from_str(&line).with_context(|| format!("line {}", number + 1))?;
        let minute = second(&record.event_time)?.div_euclid(60);
        let place = *places.entry(record.shared_event_id.clone()).or_insert_with(|| {
            incidents.push(opened(&record, minute));
            incidents.len() - 1
        });
        add(&mut incidents[place], record, minute, decided_by)?;
    }
    Ok(incidents)
}

/// Reads a file of insights.
pub(crate) fn read_file(path: &Path, decided_by: DecidedBy) -> Result<Vec<Incident>> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    read(&mut std::io::BufReader::new(file), decided_by).with_context(|| path.display().to_string())
}

fn opened(record: &Record, minute: i64) -> Incident {
    let details = &record.insight_details;
    let extra = record.trailsight.as_ref();
    let below = extra.is_some_and(|extra| extra.direction == "below");
    Incident {
        account: record.recipient_account_id.clone(),
        name: Name {
            region: record.aws_region.clone(),
            source: details.event_source.clone(),
            name: details.event_name.clone(),
            code: details.error_code.clone(),
        },
        about: about(details),
        direction: if below { Direction::Below } else { Direction::Above },
        start: minute,
        end: None,
        starts: Vec::new(),
        members: String::new(),
        test: extra.map(|extra| extra.test.clone()).unwrap_or_default(),
    }
}

fn about(details: &Details) -> About {
    match details.insight_type.as_str() {
        "AccountSweepInsight" => About::Sweep,
        "AccountDeniedInsight" => About::Denied,
        "AccountSilenceInsight" => About::Silence,
        // The comparators' series of APIs that woke up has a name of its own.
        _ if details.event_source == "trailsight.sweep" => About::Sweep,
        "ApiErrorRateInsight" => About::Errors,
        _ => About::Calls,
    }
}

fn second(time: &str) -> Result<i64> {
    let time: jiff::Timestamp = time.parse().with_context(|| format!("{time} is no time"))?;
    Ok(time.as_second())
}

fn add(incident: &mut Incident, record: Record, minute: i64, decided_by: DecidedBy) -> Result<()> {
    if record.insight_details.state == "End" {
        incident.end = Some(minute);
        return Ok(());
    }
    let extra = record.trailsight.unwrap_or_default();
    let decided = match (&extra.detected_at, decided_by) {
        (None, _) => minute,
        (Some(at), DecidedBy::End) => (second(at)? - 1).div_euclid(60),
        (Some(at), DecidedBy::Beginning) => second(at)?.div_euclid(60),
    };
    incident.start = incident.start.min(minute);
    incident.members.extend(extra.members.iter().map(|member| format!("{member} ")));
    // A record that does not say how strict it is was asked for at the loosest level.
    let level = LEVELS.iter().position(|level| *level == extra.sensitivity).unwrap_or(LEVELS.len() - 1);
    incident.starts.push(Start { level, decided, chance: extra.chance_per_week, folded: extra.leader.is_some() });
    Ok(())
}
