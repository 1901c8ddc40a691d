//! An insight in sentences: what came, what was expected, which test decided, from what it would have fired at each
//! level, and how often chance does this.
//!
//! Everything is read off the record, so that the sentences are true of the moment that decided, whatever was
//! configured or learned since. Names come from whoever called AWS: what a terminal would obey is replaced.

use trailsight_schemas::insight::{
    Direction, EndReason, Extension, InsightEvent, InsightType, Sensitivity, State, Test,
};
use trailsight_schemas::time::format_rfc3339;

mod figures;
#[cfg(test)]
mod tests;

pub(crate) use figures::printable;
use figures::{chance, count, named, rate, span};

/// Members that are named; the others are counted.
const NAMED: usize = 5;

/// What a record says, a sentence an element. AWS's own records, which lack the `trailsight` key, say less.
pub fn explain(event: &InsightEvent) -> Vec<String> {
    let sentences = match (event.details.state, &event.trailsight) {
        (State::Start, Some(ours)) => started(event, ours),
        (State::Start, None) => vec![before(event)],
        (State::End, ours) => ended(event, ours.as_ref()),
    };
    sentences.iter().map(|sentence| printable(sentence)).collect()
}

fn started(event: &InsightEvent, ours: &Extension) -> Vec<String> {
    let mut said = vec![what_came(event, ours), question(event, ours).to_owned()];
    said.extend(thresholds(event, ours));
    said.push(chance(ours.chance_per_week, &event.recipient_account_id));
    said.push(before(event));
    said.extend(who(ours));
    said.extend(company(ours));
    said
}

/// What is counted: `calls of ssm:DeleteParameter`.
fn noun(event: &InsightEvent) -> String {
    let details = &event.details;
    let source = details.event_source.strip_suffix(".amazonaws.com").unwrap_or(&details.event_source);
    let api = format!("{}:{}", named(source), named(&details.event_name));
    match details.insight_type {
        InsightType::ApiCallRate => format!("calls of {api}"),
        InsightType::ApiErrorRate => {
            format!("calls of {api} that failed with {}", named(details.error_code.as_deref().unwrap_or("an error")))
        }
        InsightType::AccountDenied => "denied calls in the whole account".to_owned(),
        InsightType::AccountSweep => "pairs of API and caller that had been silent for a week".to_owned(),
        InsightType::AccountSilence => "calls".to_owned(),
    }
}

fn what_came(event: &InsightEvent, ours: &Extension) -> String {
    let minutes = event.details.statistics.insight_duration.max(1);
    let window = f64::from(minutes);
    let (came, expected) = (count(ours.observed * window), count(ours.expected * window));
    let (noun, within) = (noun(event), span(minutes));
    match event.details.insight_type {
        InsightType::AccountSilence => {
            let whose = if event.aws_region == "*" { "The account" } else { "A Region of the account" };
            return format!("{whose} has been silent for {within}, while others that are read beside it went on.");
        }
        InsightType::AccountSweep => {
            return format!(
                "{came} {noun} woke up within {within}; {} a week is usual.",
                count(ours.expected * 10_080.0)
            );
        }
        _ => {}
    }
    match ours.direction {
        Direction::Below => format!("Only {came} {noun} came in {within}, where {expected} were expected."),
        Direction::Above => format!("{came} {noun} came in {within}; {expected} were expected."),
    }
}

/// What the test that decided asks.
fn question(event: &InsightEvent, ours: &Extension) -> &'static str {
    if event.details.insight_type == InsightType::AccountSilence {
        return "The test for silence asks whether minutes with calls fail to come that the account's own past lets \
                expect, and whether they come elsewhere.";
    }
    match ours.test {
        Test::Minute => "The test of one minute asks whether so many come in a minute of this hour of the week.",
        Test::FiveMinutes => {
            "The test of five minutes asks whether so many come in five minutes together, though none \
                              of them need be unusual alone."
        }
        Test::Sustained => {
            "The test for lasting change adds up what exceeds the expectation, minute by minute: no \
                            single minute need be unusual."
        }
        Test::Hour => "The test of a whole hour asks whether so many come in this hour of the week.",
        Test::Record => "The test for records asks by how much the largest minute of the last seven days is exceeded.",
        Test::FirstUse => {
            "It had been silent for a week: the test for first use asks whether so many come at once \
                           where something begins, by how this account's other APIs began."
        }
        Test::Drop => "The test for drops adds up what is missing, minute by minute, down to silence.",
        Test::Sweep => "The test for sweeps asks whether so many wake up together, by how often that happens here.",
    }
}

/// From how many in such a window each level fires.
fn thresholds(event: &InsightEvent, ours: &Extension) -> Option<String> {
    let minutes = event.details.statistics.insight_duration.max(1);
    let below = ours.direction == Direction::Below;
    let side = if below { "or fewer" } else { "or more" };
    if event.details.insight_type == InsightType::AccountSilence || ours.thresholds.iter().all(Option::is_none) {
        return None;
    }
    let levels = Sensitivity::ALL.iter().zip(ours.thresholds).map(|(level, threshold)| {
        // The least whole number of calls that is enough; for a drop the largest.
        let calls = threshold.map(|threshold| threshold * f64::from(minutes));
        let calls = calls.map(|calls| if below { (calls + 1e-6).floor() } else { (calls - 1e-6).ceil() });
        match calls {
            Some(calls) => format!("{} {side} at {}", count(calls), level.as_str()),
            None => format!("no number is enough at {}", level.as_str()),
        }
    });
    let levels: Vec<String> = levels.collect();
    let reached = ours.sensitivity.as_str();
    let within = span(minutes);
    Some(format!("What it takes in {within}: {}. Reached: {reached}.", levels.join(", ")))
}

/// The plain mean that AWS reports.
fn before(event: &InsightEvent) -> String {
    let statistics = &event.details.statistics;
    let days = f64::from(statistics.baseline_duration) / 1440.0;
    format!("Over the {days:.1} days before it the plain mean was {} a minute.", rate(statistics.baseline))
}

fn who(ours: &Extension) -> Option<String> {
    let first = ours.principals.first()?;
    let (name, average) = (named(&first.value), rate(first.average));
    Some(match (first.new, first.baseline) {
        (true, _) => format!("Most are by {name}, {average} a minute, who had not called this in those days."),
        (false, usual) => format!("Most are by {name}, {average} a minute, {} in those days.", rate(usual)),
    })
}

/// Whom it belongs to, and who belongs to it.
fn company(ours: &Extension) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(leader) = ours.leader {
        said.push(format!("Insight {leader} of the same account began within 15 minutes and tells it to people."));
    }
    if !ours.members.is_empty() {
        let shown = ours.members.iter().take(NAMED).map(|member| named(member)).collect::<Vec<_>>().join(", ");
        let rest = ours.members.len().saturating_sub(NAMED) as u64 + u64::from(ours.members_omitted);
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        said.push(format!("It speaks for {shown}{more}."));
    }
    said
}

fn ended(event: &InsightEvent, ours: Option<&Extension>) -> Vec<String> {
    let statistics = &event.details.statistics;
    let minutes = statistics.insight_duration;
    let at = format_rfc3339(event.event_time);
    let lasted = format!(
        "It ended at {at} after {}: {} {} in all, {} a minute.",
        span(minutes),
        count(statistics.insight * f64::from(minutes)),
        noun(event),
        rate(statistics.insight)
    );
    let mut said = vec![lasted];
    said.extend(ours.and_then(|ours| ours.end_reason).map(|reason| {
        let why = match reason {
            EndReason::Returned => "What comes is again what is expected.",
            EndReason::Accepted => "It lasted so long that this level is taken for the normal one from now on.",
            EndReason::Superseded => "Another insight tells it now.",
        };
        why.to_owned()
    }));
    said
}
