//! Reads an Insights event, AWS's or ours.
//!
//! Unknown keys are passed over, numbers may have any JSON form (`6`, `1.2`, `9.82222E-5`), and what AWS
//! calls optional may be absent: see [`InsightEvent::parse`].

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::ValueAverage;
use super::{
    Attribute, Attributed, Extension, InsightDetails, InsightEvent, Principal, Recommendation, Statistics, UnknownName,
};
use crate::time::parse_rfc3339;

/// Why bytes are not an Insights event.
#[derive(Debug, thiserror::Error)]
pub enum InsightParseError {
    /// Not JSON, a key is missing, or a value has the wrong type.
    #[error("not an Insights event: {0}")]
    Shape(#[from] serde_json::Error),
    /// A record of another kind.
    #[error("eventType is `{0}`, not AwsCloudTrailInsight")]
    OtherKind(String),
    /// A word outside its list.
    #[error(transparent)]
    Name(#[from] UnknownName),
    /// A time, an id or a duration that cannot be one.
    #[error("{key} is `{value}`: expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What stood there, at most 64 characters.
        value: String,
        /// What may stand there.
        expected: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    event_version: String,
    event_time: String,
    aws_region: String,
    #[serde(rename = "eventID")]
    event_id: String,
    event_type: String,
    recipient_account_id: Option<String>,
    #[serde(rename = "sharedEventID")]
    shared_event_id: String,
    insight_details: WireDetails,
    addendum: Option<Box<RawValue>>,
    trailsight: Option<WireExtension>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDetails {
    state: String,
    event_source: String,
    event_name: String,
    insight_type: String,
    error_code: Option<String>,
    source_event_category: Option<String>,
    insight_context: WireContext,
    insight_source: Option<String>,
}

#[derive(Deserialize)]
struct WireContext {
    statistics: WireStatistics,
    attributions: Option<Vec<WireAttributed>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireStatistics {
    baseline: WireAverage,
    insight: WireAverage,
    insight_duration: Option<f64>,
    baseline_duration: Option<f64>,
}

#[derive(Deserialize)]
struct WireAverage {
    average: f64,
}

#[derive(Deserialize)]
struct WireAttributed {
    attribute: String,
    insight: Option<Vec<WireValue>>,
    baseline: Option<Vec<WireValue>>,
}

#[derive(Deserialize)]
struct WireValue {
    value: Option<String>,
    average: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireExtension {
    sensitivity: String,
    direction: String,
    test: String,
    expected: f64,
    observed: f64,
    chance_per_week: f64,
    series: String,
    #[serde(default)]
    thresholds: WireThresholds,
    principals: Vec<WirePrincipal>,
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    members_omitted: u32,
    #[serde(default)]
    recommendations: Vec<WireRecommendation>,
    leader: Option<String>,
    detected_at: String,
    data_through: String,
    end_reason: Option<String>,
    revision: u32,
    url: Option<String>,
}

#[derive(Default, Deserialize)]
struct WireThresholds {
    low: Option<f64>,
    medium: Option<f64>,
    high: Option<f64>,
}

#[derive(Deserialize)]
struct WireRecommendation {
    text: String,
    command: Option<String>,
}

#[derive(Deserialize)]
struct WirePrincipal {
    value: String,
    average: f64,
    baseline: f64,
    new: bool,
}

impl InsightEvent {
    /// Reads one record.
    ///
    /// An absent `recipientAccountId` reads as empty, absent durations as 0 and absent attributions as an empty
    /// list, and each is left out again when written. A JSON `null` among attributed values reads as the
    /// string `null`, an attribution by something unknown is passed over. Numbers are kept by value: an average
    /// in exponent form, or with a fraction of zero, is written in the form of [`super::round_average`].
    pub fn parse(bytes: &[u8]) -> Result<InsightEvent, InsightParseError> {
        let wire: Wire = serde_json::from_slice(bytes)?;
        if wire.event_type != "AwsCloudTrailInsight" {
            return Err(InsightParseError::OtherKind(bounded(&wire.event_type)));
        }
        Ok(InsightEvent {
            event_version: wire.event_version,
            event_time: seconds("eventTime", &wire.event_time)?,
            aws_region: wire.aws_region,
            event_id: id("eventID", &wire.event_id)?,
            recipient_account_id: wire.recipient_account_id.unwrap_or_default(),
            shared_event_id: id("sharedEventID", &wire.shared_event_id)?,
            details: details(wire.insight_details)?,
            addendum: wire.addendum.map(|raw| on_one_line(raw.get())),
            trailsight: wire.trailsight.map(extension).transpose()?,
        })
    }
}

fn details(wire: WireDetails) -> Result<InsightDetails, InsightParseError> {
    let statistics = wire.insight_context.statistics;
    Ok(InsightDetails {
        state: wire.state.parse()?,
        event_source: wire.event_source,
        event_name: wire.event_name,
        insight_type: wire.insight_type.parse()?,
        error_code: wire.error_code,
        source_event_category: wire.source_event_category.map(|word| word.parse()).transpose()?,
        statistics: Statistics {
            baseline: statistics.baseline.average,
            insight: statistics.insight.average,
            insight_duration: minutes("insightDuration", statistics.insight_duration)?,
            baseline_duration: minutes("baselineDuration", statistics.baseline_duration)?,
        },
        attributions: wire
            .insight_context
            .attributions
            .unwrap_or_default()
            .into_iter()
            .filter_map(attributed)
            .collect(),
        insight_source: wire.insight_source,
    })
}

/// A JSON text without the white space between its tokens; strings hold no bare line end.
fn on_one_line(json: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let token = |character: &char| {
        let is_token = quoted || !character.is_ascii_whitespace();
        (quoted, escaped) = match (*character, escaped) {
            ('"', false) => (!quoted, false),
            ('\\', false) => (quoted, quoted),
            _ => (quoted, false),
        };
        is_token
    };
    json.chars().filter(token).collect()
}

fn attributed(wire: WireAttributed) -> Option<Attributed> {
    let attribute: Attribute = wire.attribute.parse().ok()?;
    let values = |wire: Option<Vec<WireValue>>| {
        let value = |pair: WireValue| pair.value.unwrap_or_else(|| "null".into());
        wire.unwrap_or_default()
            .into_iter()
            .map(|pair| ValueAverage { average: pair.average, value: value(pair) })
            .collect()
    };
    Some(Attributed { attribute, insight: values(wire.insight), baseline: values(wire.baseline) })
}

fn extension(wire: WireExtension) -> Result<Extension, InsightParseError> {
    let principal = |wire: WirePrincipal| Principal {
        value: wire.value,
        average: wire.average,
        baseline: wire.baseline,
        new: wire.new,
    };
    Ok(Extension {
        sensitivity: wire.sensitivity.parse()?,
        direction: wire.direction.parse()?,
        test: wire.test.parse()?,
        expected: wire.expected,
        observed: wire.observed,
        chance_per_week: wire.chance_per_week,
        series: wire.series,
        thresholds: [wire.thresholds.low, wire.thresholds.medium, wire.thresholds.high],
        principals: wire.principals.into_iter().map(principal).collect(),
        members: wire.members,
        members_omitted: wire.members_omitted,
        detected_at: milliseconds("detectedAt", &wire.detected_at)?,
        data_through: seconds("dataThrough", &wire.data_through)?,
        end_reason: wire.end_reason.map(|word| word.parse()).transpose()?,
        recommendations: wire.recommendations.into_iter().map(recommendation).collect(),
        leader: wire.leader.map(|lead| id("leader", &lead)).transpose()?,
        revision: wire.revision,
        url: wire.url,
    })
}

fn recommendation(wire: WireRecommendation) -> Recommendation {
    Recommendation { text: wire.text, command: wire.command }
}

fn seconds(key: &'static str, text: &str) -> Result<i64, InsightParseError> {
    parse_rfc3339(text).ok_or_else(|| InsightParseError::Value {
        key,
        value: bounded(text),
        expected: "an RFC 3339 time",
    })
}

/// The time with the first three decimals of its second.
fn milliseconds(key: &'static str, text: &str) -> Result<i64, InsightParseError> {
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).chain(std::iter::repeat(b'0')).take(3);
    let fraction = digits.fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Ok(seconds(key, text)? * 1000 + fraction)
}

fn id(key: &'static str, text: &str) -> Result<Uuid, InsightParseError> {
    Uuid::parse_str(text).map_err(|_| InsightParseError::Value { key, value: bounded(text), expected: "a UUID" })
}

fn minutes(key: &'static str, value: Option<f64>) -> Result<u32, InsightParseError> {
    let value = value.unwrap_or(0.0);
    if value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value) {
        return Ok(value as u32);
    }
    Err(InsightParseError::Value { key, value: value.to_string(), expected: "whole minutes" })
}

fn bounded(text: &str) -> String {
    text.chars().take(64).collect()
}
