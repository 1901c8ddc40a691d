//! Filters as they arrive: names and values that anybody may have written.

use trailsight_schemas::insight::{InsightType, Sensitivity};
use trailsight_schemas::time::parse_rfc3339;

use super::query::{Filter, IncidentState};
use crate::config::nearest;

/// Incidents in a page: the default, and the most.
pub const LIMIT: (usize, usize) = (50, 500);
/// Most characters of a value.
const VALUE_LENGTH: usize = 256;

/// What may be given.
pub const PARAMETERS: &[&str] =
    &["since", "until", "account", "region", "source", "name", "type", "sensitivity", "state", "limit", "cursor"];

/// What is wrong with a filter. Values are not repeated: they may be anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No such parameter.
    #[error("there is no such parameter{}; there are: {}", suggestion(.nearest), PARAMETERS.join(", "))]
    Unknown {
        /// The one that is most like it.
        nearest: Option<&'static str>,
    },
    /// Given twice.
    #[error("`{0}` is given more than once")]
    Repeated(&'static str),
    /// Given and not usable.
    #[error("`{parameter}` must be {allowed}")]
    Value {
        /// Which one.
        parameter: &'static str,
        /// What would be right.
        allowed: &'static str,
    },
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest.map(|name| format!("; the nearest is `{name}`")).unwrap_or_default()
}

/// A filter, the length of a page, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Which incidents.
    pub filter: Filter,
    /// How many.
    pub limit: usize,
    /// From where on.
    pub cursor: Option<String>,
}

/// Reads the parameters of a request: each at most once, none unknown, every value of its form.
pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Parsed, FilterError> {
    let mut parsed = Parsed { filter: Filter::default(), limit: LIMIT.0, cursor: None };
    let mut seen = [false; PARAMETERS.len()];
    for (name, value) in pairs {
        let Some(position) = PARAMETERS.iter().position(|known| *known == name) else {
            return Err(FilterError::Unknown { nearest: nearest(name, PARAMETERS.iter().copied()) });
        };
        let parameter = PARAMETERS[position];
        if std::mem::replace(&mut seen[position], true) {
            return Err(FilterError::Repeated(parameter));
        }
        set(&mut parsed, parameter, value).map_err(|allowed| FilterError::Value { parameter, allowed })?;
    }
    if let (Some(since), Some(until)) = (parsed.filter.since, parsed.filter.until)
        && since >= until
    {
        return Err(FilterError::Value { parameter: "until", allowed: "after `since`" });
    }
    Ok(parsed)
}

/// Sets one parameter, or says what would be right.
fn set(parsed: &mut Parsed, parameter: &str, value: &str) -> Result<(), &'static str> {
    let filter = &mut parsed.filter;
    match parameter {
        "since" => filter.since = Some(time(value)?),
        "until" => filter.until = Some(time(value)?),
        "account" => filter.account = Some(text(value)?),
        "region" => filter.region = Some(text(value)?),
        "source" => filter.source = Some(text(value)?),
        "name" => filter.name = Some(text(value)?),
        "type" => filter.kind = Some(kind(value)?),
        "sensitivity" => filter.sensitivity = Some(sensitivity(value)?),
        "state" => filter.state = Some(state(value)?),
        "limit" => {
            let limit = value.parse().ok().filter(|limit| (1..=LIMIT.1).contains(limit));
            parsed.limit = limit.ok_or("a whole number from 1 to 500")?;
        }
        _ => parsed.cursor = Some(text(value)?),
    }
    Ok(())
}

fn time(value: &str) -> Result<i64, &'static str> {
    parse_rfc3339(value).ok_or("a time of RFC 3339, such as 2026-01-31T00:00:00Z (a + is written %2B)")
}

fn text(value: &str) -> Result<String, &'static str> {
    let plain = |found: char| !found.is_control() && found != '\u{fffd}';
    let fits = !value.is_empty() && value.chars().count() <= VALUE_LENGTH && value.chars().all(plain);
    fits.then(|| value.to_owned()).ok_or("1 to 256 characters, none of them control characters")
}

fn kind(value: &str) -> Result<InsightType, &'static str> {
    match value {
        "ApiCallRateInsight" => Ok(InsightType::ApiCallRate),
        "ApiErrorRateInsight" => Ok(InsightType::ApiErrorRate),
        _ => Err("ApiCallRateInsight or ApiErrorRateInsight"),
    }
}

fn sensitivity(value: &str) -> Result<Sensitivity, &'static str> {
    match value {
        "low" => Ok(Sensitivity::Low),
        "medium" => Ok(Sensitivity::Medium),
        "high" => Ok(Sensitivity::High),
        _ => Err("low, medium or high"),
    }
}

fn state(value: &str) -> Result<IncidentState, &'static str> {
    match value {
        "open" => Ok(IncidentState::Open),
        "ended" => Ok(IncidentState::Ended),
        _ => Err("open or ended"),
    }
}
