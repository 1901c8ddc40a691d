//! The arithmetic that every published Insights record obeys, as one predicate.
//!
//! A value read from a record is within half of the tenth decimal of the exact one, so a rate times its
//! minutes is within `minutes × 0.5e-10` of a whole count; floating point adds a few parts in 2^52.

use super::round_average;
use super::{Attribute, Attributed, InsightEvent, InsightType, State, Statistics, TOP_VALUES, ValueAverage};
use crate::time::{Minute, WEEK};

/// Every relation that does not hold, as one sentence each; none for a record AWS could have written.
///
/// 1. `baseline.average × baselineDuration` and `insight.average × insightDuration` are whole counts, each
///    attributed average likewise; the values of one attribute add up to the whole when fewer than
///    [`TOP_VALUES`] are listed, and never exceed it; they are listed highest first, each once.
/// 2. `baselineDuration` = 10080 + minutes since 00:00 UTC of the Start.
/// 3. An End is at Start + `insightDuration`, repeats the Start's baseline and identity, has its own `eventID`.
/// 4. Error-rate records have an `errorCode` and no attribution by it; call-rate records have no `errorCode`,
///    and attribute calls that did not fail to the string `null`.
///
/// Durations that are absent (0) are not judged. `start` is the Start of the same incident, where at hand.
pub fn check_relations(event: &InsightEvent, start: Option<&InsightEvent>) -> Vec<String> {
    let mut broken = Vec::new();
    form(event, &mut broken);
    counts(&event.details.statistics, &event.details.attributions, &mut broken);
    baseline_window(event, start, &mut broken);
    if let Some(start) = start {
        pair(event, start, &mut broken);
    }
    error_code(event, &mut broken);
    broken
}

fn form(event: &InsightEvent, broken: &mut Vec<String>) {
    if event.event_time.rem_euclid(60) != 0 {
        broken.push(format!("eventTime {} is not a whole minute", event.event_time));
    }
    let own = &event.details.attributions;
    if !own.windows(2).all(|pair| pair[0].attribute < pair[1].attribute) {
        broken.push("attributions are not in the order userIdentityArn, userAgent, errorCode, each once".into());
    }
    let identities = own.iter().filter(|one| one.attribute == Attribute::UserIdentityArn);
    for pair in identities.flat_map(|one| one.insight.iter().chain(&one.baseline)) {
        if pair.value.split_once(":assumed-role/").is_some_and(|(_, role)| role.contains('/')) {
            broken.push(format!("userIdentityArn `{}` carries a session name", pair.value));
        }
    }
}

fn counts(statistics: &Statistics, attributions: &[Attributed], broken: &mut Vec<String>) {
    let rates = [
        ("baseline", statistics.baseline, statistics.baseline_duration),
        ("insight", statistics.insight, statistics.insight_duration),
    ];
    for (which, average, minutes) in rates {
        if minutes == 0 {
            continue;
        }
        whole(&format!("{which}.average"), average, minutes, broken);
        for attributed in attributions {
            let values = if which == "baseline" { &attributed.baseline } else { &attributed.insight };
            let name = format!("{which} values of {}", attributed.attribute);
            listed(&name, values, average, minutes, broken);
        }
    }
}

fn whole(name: &str, average: f64, minutes: u32, broken: &mut Vec<String>) {
    let count = average * f64::from(minutes);
    if !average.is_finite() || average < 0.0 {
        broken.push(format!("{name} is {average}"));
    } else if (count - count.round()).abs() > tolerance(average, minutes) {
        broken.push(format!("{name} × minutes = {average} × {minutes} = {count} is not a whole count"));
    }
    if average.is_finite() && round_average(average) != average {
        broken.push(format!("{name} {average} has more than ten decimals"));
    }
}

fn listed(name: &str, values: &[ValueAverage], average: f64, minutes: u32, broken: &mut Vec<String>) {
    for pair in values {
        whole(&format!("{name}, `{}`", pair.value), pair.average, minutes, broken);
    }
    if values.len() > TOP_VALUES {
        broken.push(format!("{name}: {} listed, at most {TOP_VALUES}", values.len()));
    }
    if !values.windows(2).all(|pair| pair[0].average >= pair[1].average) {
        broken.push(format!("{name} are not listed highest first"));
    }
    let repeated = |at: usize, pair: &ValueAverage| values.iter().take(at).any(|other| other.value == pair.value);
    if values.iter().enumerate().any(|(at, pair)| repeated(at, pair)) {
        broken.push(format!("{name}: a value is listed twice"));
    }
    let count = |average: f64| (average * f64::from(minutes)).round();
    let sum: f64 = values.iter().map(|pair| count(pair.average)).sum();
    if sum > count(average) || (values.len() < TOP_VALUES && sum < count(average)) {
        broken.push(format!("{name} add up to {sum} of {}", count(average)));
    }
}

/// How far from whole a count may lie: half of the tenth decimal for each minute, and float error.
fn tolerance(average: f64, minutes: u32) -> f64 {
    f64::from(minutes) * (0.5e-10 + average.abs() * 4.0 * f64::EPSILON) + 1e-12
}

fn baseline_window(event: &InsightEvent, start: Option<&InsightEvent>, broken: &mut Vec<String>) {
    let statistics = &event.details.statistics;
    let began = match (event.details.state, start) {
        (State::Start, _) => event.event_time,
        (State::End, Some(start)) => start.event_time,
        (State::End, None) => event.event_time - 60 * i64::from(statistics.insight_duration),
    };
    let unknown = event.details.state == State::End && start.is_none() && statistics.insight_duration == 0;
    if statistics.baseline_duration == 0 || unknown {
        return;
    }
    let expected = Minute::of_seconds(began).map(|minute| WEEK + minute.of_day());
    if expected != Some(statistics.baseline_duration) {
        broken.push(format!(
            "baselineDuration is {}, and {expected:?} by a Start at {began}",
            statistics.baseline_duration
        ));
    }
}

fn pair(event: &InsightEvent, start: &InsightEvent, broken: &mut Vec<String>) {
    let (own, first) = (&event.details, &start.details);
    let mut same = |name: &str, holds: bool| {
        if !holds {
            broken.push(format!("{name} differs from the Start's"));
        }
    };
    same("sharedEventID", event.shared_event_id == start.shared_event_id);
    same("awsRegion", event.aws_region == start.aws_region);
    same("recipientAccountId", event.recipient_account_id == start.recipient_account_id);
    same("eventSource", own.event_source == first.event_source);
    same("eventName", own.event_name == first.event_name);
    same("insightType", own.insight_type == first.insight_type);
    same("errorCode", own.error_code == first.error_code);
    same("sourceEventCategory", own.source_event_category == first.source_event_category);
    if own.state == State::Start {
        same("eventTime of a further Start", event.event_time == start.event_time);
        return;
    }
    same("baseline.average", own.statistics.baseline == first.statistics.baseline);
    same("baselineDuration", own.statistics.baseline_duration == first.statistics.baseline_duration);
    if event.event_id == start.event_id {
        broken.push("the End has the Start's eventID".into());
    }
    let length = event.event_time - start.event_time;
    if own.statistics.insight_duration > 0 && length != 60 * i64::from(own.statistics.insight_duration) {
        broken.push(format!("End − Start is {length} s, insightDuration {} min", own.statistics.insight_duration));
    }
}

fn error_code(event: &InsightEvent, broken: &mut Vec<String>) {
    let by_code = event.details.attributions.iter().find(|one| one.attribute == Attribute::ErrorCode);
    match event.details.insight_type {
        InsightType::ApiErrorRate => {
            if event.details.error_code.as_ref().is_none_or(String::is_empty) {
                broken.push("an error-rate record without errorCode".into());
            }
            if by_code.is_some() {
                broken.push("an error-rate record with an attribution by errorCode".into());
            }
        }
        InsightType::ApiCallRate => {
            if event.details.error_code.is_some() {
                broken.push("a call-rate record with errorCode".into());
            }
            let values = by_code.iter().flat_map(|one| one.insight.iter().chain(&one.baseline));
            if values.into_iter().any(|pair| pair.value.is_empty()) {
                broken.push("success is the string `null`, not an empty one".into());
            }
        }
        InsightType::AccountSweep | InsightType::AccountDenied | InsightType::AccountSilence => {}
    }
}
