//! From an incident's figures to the record that leaves: AWS's form, and our own facts beside it.

use crate::advice::recommend;
use trailsight_detectors::{self as detectors, Finding, Test};
use trailsight_schemas::entry::Class;
use trailsight_schemas::insight::{
    self, Attribute, Attributed, Direction, Extension, InsightDetails, InsightEvent, Principal, SourceEventCategory,
    State, Statistics, TOP_VALUES, ValueAverage,
};
use uuid::Uuid;

use super::account::sensitivity;
use super::cell::{Cell, ERROR, IDENTITY, Values};
use super::incident::Incident;
use super::strings::Strings;
use super::tracked::{Key, Kind, baseline_minutes};

/// Namespace of our insight ids: UUID v5 of the DNS name `trailsight.insights`.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f2b_0d4e_93c1_5b7a_8e55_1f0c_74a9_d2e3);

/// AWS's word for calls that did not fail, among error codes.
const SUCCESS: &str = "null";

/// What every record of one minute shares.
pub(super) struct Moment<'a> {
    /// Wall time of the entry that decided, milliseconds since the epoch.
    pub(super) detected_at: i64,
    /// Newest event time seen, seconds since the epoch.
    pub(super) data_through: i64,
    /// Where pictures are, without the id.
    pub(super) public_url: Option<&'a str>,
}

/// The incident's id: the same wherever and however often the same incident is found.
pub(super) fn shared_id(series: &str, key: &Key, test: Test, start: u32) -> Uuid {
    let (of, side) = (key.insight_type().as_str(), direction(test).as_str());
    Uuid::new_v5(&NAMESPACE, format!("{series}\n{of}\n{side}\n{start}").as_bytes())
}

/// The Start: figures of the deciding window, whose calls are `window`.
pub(super) fn start(
    key: &Key,
    incident: &Incident,
    finding: &Finding,
    window: &Cell,
    strings: &Strings,
    moment: &Moment<'_>,
) -> InsightEvent {
    event(key, incident, State::Start, window, finding.window.max(1), None, strings, moment)
}

/// The End at minute `end`: figures of the whole incident.
pub(super) fn end(
    key: &Key,
    incident: &Incident,
    end: u32,
    reason: insight::EndReason,
    strings: &Strings,
    moment: &Moment<'_>,
) -> InsightEvent {
    let minutes = end.saturating_sub(incident.start).max(1);
    let total = incident.total(incident.start + minutes);
    event(key, incident, State::End, &total, minutes, Some(reason), strings, moment)
}

#[allow(clippy::too_many_arguments)]
fn event(
    key: &Key,
    incident: &Incident,
    state: State,
    seen: &Cell,
    minutes: u32,
    reason: Option<insight::EndReason>,
    strings: &Strings,
    moment: &Moment<'_>,
) -> InsightEvent {
    let baseline_duration = baseline_minutes(incident.start);
    let at = if state == State::Start { incident.start } else { incident.start + minutes };
    let identity = format!("{}\n{state:?}\n{}", incident.shared, incident.revision);
    let mut event = InsightEvent {
        event_version: insight::EVENT_VERSION.to_owned(),
        event_time: i64::from(at) * 60,
        aws_region: strings.text(key.region).to_owned(),
        event_id: Uuid::new_v5(&NAMESPACE, identity.as_bytes()),
        recipient_account_id: strings.text(key.account).to_owned(),
        shared_event_id: incident.shared,
        details: InsightDetails {
            state,
            event_source: strings.text(key.source).to_owned(),
            event_name: strings.text(key.name).to_owned(),
            insight_type: key.insight_type(),
            error_code: key.is_error().then(|| strings.text(key.code).to_owned()),
            source_event_category: key.is_api().then_some(match key.class {
                Class::Data => SourceEventCategory::Data,
                Class::ManagementRead | Class::ManagementWrite => SourceEventCategory::Management,
            }),
            statistics: Statistics {
                baseline: average(incident.baseline.calls, baseline_duration),
                insight: average(seen.calls, minutes),
                insight_duration: minutes,
                baseline_duration,
            },
            attributions: attributions(key, seen, minutes, &incident.baseline, baseline_duration, strings),
            insight_source: None,
        },
        addendum: None,
        trailsight: Some(Extension {
            sensitivity: sensitivity(incident.level),
            direction: direction(incident.test),
            test: if key.kind == Kind::Sweep { insight::Test::Sweep } else { test(incident.test) },
            expected: incident.expected,
            observed: incident.observed,
            chance_per_week: incident.chance_per_week,
            series: key.path(strings),
            thresholds: incident.thresholds,
            principals: principals(seen, minutes, &incident.baseline, baseline_duration, strings),
            members: incident.members.clone(),
            members_omitted: incident.members_omitted,
            recommendations: Vec::new(),
            leader: incident.leader,
            detected_at: moment.detected_at,
            data_through: moment.data_through,
            end_reason: reason,
            revision: incident.revision,
            url: moment.public_url.map(|url| format!("{}/insights/{}", url.trim_end_matches('/'), incident.shared)),
        }),
    };
    let recommendations = recommend(&event);
    if let Some(own) = &mut event.trailsight {
        own.recommendations = recommendations;
    }
    event
}

fn average(calls: u64, minutes: u32) -> f64 {
    insight::round_average(calls as f64 / f64::from(minutes))
}

fn test(test: Test) -> insight::Test {
    match test {
        Test::Minute => insight::Test::Minute,
        Test::FiveMinutes => insight::Test::FiveMinutes,
        Test::Record => insight::Test::Record,
        Test::FirstUse => insight::Test::FirstUse,
        Test::Sustained => insight::Test::Sustained,
        Test::Hour => insight::Test::Hour,
        Test::Drop => insight::Test::Drop,
    }
}

fn direction(test: Test) -> Direction {
    match test.direction() {
        detectors::Direction::Above => Direction::Above,
        detectors::Direction::Below => Direction::Below,
    }
}

/// AWS's order; no errorCode block on an error rate, none for an attribute that nobody told.
fn attributions(
    key: &Key,
    seen: &Cell,
    minutes: u32,
    baseline: &Cell,
    baseline_minutes: u32,
    strings: &Strings,
) -> Vec<Attributed> {
    let mut blocks = Vec::new();
    for (index, attribute) in [Attribute::UserIdentityArn, Attribute::UserAgent].into_iter().enumerate() {
        let (insight, baseline) = (&seen.values[index], &baseline.values[index]);
        if !(insight.is_empty() && baseline.is_empty()) {
            blocks.push(Attributed {
                attribute,
                insight: averages(insight, minutes, strings),
                baseline: averages(baseline, baseline_minutes, strings),
            });
        }
    }
    if key.kind == Kind::Calls || key.kind == Kind::Denied {
        blocks.push(Attributed {
            attribute: Attribute::ErrorCode,
            insight: outcomes(seen, minutes, strings),
            baseline: outcomes(baseline, baseline_minutes, strings),
        });
    }
    blocks
}

fn averages(values: &Values, minutes: u32, strings: &Strings) -> Vec<ValueAverage> {
    values
        .top(TOP_VALUES, strings)
        .into_iter()
        .map(|(id, calls)| ValueAverage { value: strings.text(id).to_owned(), average: average(calls, minutes) })
        .collect()
}

/// Error codes and, for what did not fail, [`SUCCESS`].
fn outcomes(cell: &Cell, minutes: u32, strings: &Strings) -> Vec<ValueAverage> {
    let succeeded = cell.calls.saturating_sub(cell.values[ERROR].total());
    let mut all: Vec<(&str, u64)> = cell.values[ERROR].iter().map(|(id, calls)| (strings.text(id), calls)).collect();
    if succeeded > 0 {
        all.push((SUCCESS, succeeded));
    }
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    all.truncate(TOP_VALUES);
    all.into_iter()
        .map(|(value, calls)| ValueAverage { value: value.to_owned(), average: average(calls, minutes) })
        .collect()
}

fn principals(seen: &Cell, minutes: u32, baseline: &Cell, baseline_minutes: u32, strings: &Strings) -> Vec<Principal> {
    let top = seen.values[IDENTITY].top(TOP_VALUES, strings);
    top.into_iter()
        .map(|(id, calls)| {
            let before = baseline.values[IDENTITY].get(id);
            Principal {
                value: strings.text(id).to_owned(),
                average: average(calls, minutes),
                baseline: average(before, baseline_minutes),
                new: before == 0,
            }
        })
        .collect()
}
