//! Filters as they arrive: names and values that anybody may have written.

use trailsight_schemas::insight::{InsightType, Sensitivity};
use trailsight_schemas::time::parse_rfc3339;

use super::watched::{SeriesFilter, Sort, Span};
use crate::config::nearest;
use crate::journal::history::{Filter, IncidentState};

/// Incidents in a page: the default, and the most.
pub const LIMIT: (usize, usize) = (50, 500);
/// Most characters of a value.
pub(super) const VALUE_LENGTH: usize = 256;
/// Most characters of a place in the list of series: it holds the whole name of one.
const CURSOR_LENGTH: usize = 4096;

/// What may be given.
pub const PARAMETERS: &[&str] =
    &["since", "until", "account", "region", "source", "name", "type", "sensitivity", "state", "limit", "cursor"];

/// What is wrong with a filter. Values are not repeated: they may be anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No such parameter.
    #[error("there is no such parameter{}; there are: {}", suggestion(.nearest), .known.join(", "))]
    Unknown {
        /// The one that is most like it.
        nearest: Option<&'static str>,
        /// All there are.
        known: &'static [&'static str],
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
    read(pairs, PARAMETERS, |parameter, value| set(&mut parsed, parameter, value))?;
    if let (Some(since), Some(until)) = (parsed.filter.since, parsed.filter.until)
        && since >= until
    {
        return Err(FilterError::Value { parameter: "until", allowed: "after `since`" });
    }
    Ok(parsed)
}

/// What may be asked of the list of series.
pub(super) const OF_SERIES: &[&str] =
    &["account", "region", "source", "name", "search", "recent", "sort", "limit", "cursor"];
/// What may be asked of one series.
pub(super) const OF_MINUTES: &[&str] = &["since", "until", "period"];

/// Reads the parameters of the list of series.
pub(super) fn series<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(SeriesFilter, usize, Option<String>), FilterError> {
    let (mut filter, mut most, mut cursor) = (SeriesFilter::default(), LIMIT.0, None);
    read(pairs, OF_SERIES, |parameter, value| {
        match parameter {
            "account" => filter.account = Some(text(value)?),
            "region" => filter.region = Some(text(value)?),
            "source" => filter.source = Some(text(value)?),
            "name" => filter.name = Some(text(value)?),
            "search" => filter.search = Some(text(value)?),
            "recent" => filter.recent = Some(period(value)?),
            "sort" => filter.sort = sort(value)?,
            "limit" => most = limit(value)?,
            _ => cursor = Some(long(value, CURSOR_LENGTH)?),
        }
        Ok(())
    })?;
    Ok((filter, most, cursor))
}

/// Reads the parameters of one series.
pub(super) fn span<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Span, FilterError> {
    let mut span = Span { since: None, until: None, period: 60 };
    read(pairs, OF_MINUTES, |parameter, value| {
        match parameter {
            "since" => span.since = Some(time(value)?),
            "until" => span.until = Some(time(value)?),
            _ => span.period = period(value)?,
        }
        Ok(())
    })?;
    if let (Some(since), Some(until)) = (span.since, span.until)
        && since >= until
    {
        return Err(FilterError::Value { parameter: "until", allowed: "after `since`" });
    }
    Ok(span)
}

/// Hands each parameter to `set`: known ones, each at most once.
fn read<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    known: &'static [&'static str],
    mut set: impl FnMut(&'static str, &str) -> Result<(), &'static str>,
) -> Result<(), FilterError> {
    let mut seen = vec![false; known.len()];
    for (name, value) in pairs {
        let Some(position) = known.iter().position(|known| *known == name) else {
            return Err(FilterError::Unknown { nearest: nearest(name, known.iter().copied()), known });
        };
        let parameter = known[position];
        if std::mem::replace(&mut seen[position], true) {
            return Err(FilterError::Repeated(parameter));
        }
        set(parameter, value).map_err(|allowed| FilterError::Value { parameter, allowed })?;
    }
    Ok(())
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
        "limit" => parsed.limit = limit(value)?,
        _ => parsed.cursor = Some(text(value)?),
    }
    Ok(())
}

fn time(value: &str) -> Result<i64, &'static str> {
    parse_rfc3339(value).ok_or("a time of RFC 3339, such as 2026-01-31T00:00:00Z (a + is written %2B)")
}

fn text(value: &str) -> Result<String, &'static str> {
    long(value, VALUE_LENGTH).map_err(|_| "1 to 256 characters, none of them control characters")
}

fn long(value: &str, most: usize) -> Result<String, &'static str> {
    let plain = |found: char| !found.is_control() && found != '\u{fffd}';
    let fits = !value.is_empty() && value.chars().count() <= most && value.chars().all(plain);
    fits.then(|| value.to_owned()).ok_or("what `next` of the page before said")
}

fn limit(value: &str) -> Result<usize, &'static str> {
    let limit = value.parse().ok().filter(|limit| (1..=LIMIT.1).contains(limit));
    limit.ok_or("a whole number from 1 to 500")
}

fn sort(value: &str) -> Result<Sort, &'static str> {
    match value {
        "name" => Ok(Sort::Name),
        "unusual" => Ok(Sort::Unusual),
        "calls" => Ok(Sort::Calls),
        _ => Err("name, unusual or calls"),
    }
}

fn period(value: &str) -> Result<u32, &'static str> {
    let period = value.parse().ok().filter(|period| [60, 300, 3600].contains(period));
    period.ok_or("60, 300 or 3600, in seconds")
}

fn kind(value: &str) -> Result<InsightType, &'static str> {
    let allowed = "ApiCallRateInsight, ApiErrorRateInsight, AccountSweepInsight, AccountDeniedInsight or \
                   AccountSilenceInsight";
    value.parse().map_err(|_| allowed)
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
