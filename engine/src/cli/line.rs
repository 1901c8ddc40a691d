//! An insight as one line for a person, and what follows from it in a second.
//!
//! Names come from records: every character that a terminal would obey is replaced.

use trailsight_schemas::insight::{EndReason, Extension, InsightEvent, InsightType, Sensitivity, State};
use trailsight_schemas::time::format_rfc3339;

pub(super) use crate::explain::printable;

/// One line: when, how unusual, what, how much against how much before, where, by whom. `alias` is what people call
/// the account.
pub(super) fn line(event: &InsightEvent, alias: Option<&str>) -> String {
    let details = &event.details;
    let statistics = &details.statistics;
    let time = format_rfc3339(event.event_time);
    let time = time.get(..16).unwrap_or(&time).replace('T', " ");
    let ours = event.trailsight.as_ref();
    let level = ours.map_or("", |ours| ours.sensitivity.as_str());
    let service = details.event_source.strip_suffix(".amazonaws.com").unwrap_or(&details.event_source);
    let what = match (details.insight_type, &details.error_code) {
        (InsightType::ApiErrorRate, Some(code)) => format!("{service}:{} {code}", details.event_name),
        _ => format!("{service}:{}", details.event_name),
    };
    let place = format!("{} {}", named(&event.recipient_account_id, alias), event.aws_region);
    let text = match details.state {
        State::Start => {
            let by = ours.and_then(|ours| ours.principals.first()).map(|principal| {
                format!(" by {}{}", short(&principal.value), if principal.new { " (new here)" } else { "" })
            });
            format!(
                "{time}  {level:<6}  {what}  {}/min, normal is {}  {place}{}{}",
                figure(statistics.insight),
                figure(statistics.baseline),
                by.unwrap_or_default(),
                ours.map(company).unwrap_or_default(),
            )
        }
        State::End => {
            let minutes = statistics.insight_duration;
            let why = match ours.and_then(|ours| ours.end_reason) {
                Some(EndReason::Accepted) => "this level is the normal one now",
                Some(EndReason::Superseded) => "told by another insight",
                Some(EndReason::Returned) | None => "back to normal",
            };
            let calls = statistics.insight * f64::from(minutes);
            let company = ours.map(company).unwrap_or_default();
            format!("{time}  ended   {what}  after {minutes} min, {calls:.0} calls: {why}  {place}{company}")
        }
    };
    printable(&text)
}

/// `payments-production (111122223333)`, or the id alone.
pub(super) fn named(account: &str, alias: Option<&str>) -> String {
    alias.map_or_else(|| account.to_owned(), |alias| format!("{alias} ({account})"))
}

/// That it is told by another, or how many it tells.
fn company(ours: &Extension) -> String {
    let members = ours.members.len() as u64 + u64::from(ours.members_omitted);
    match (ours.leader, members) {
        (Some(lead), _) => format!("  (part of {lead})"),
        (None, 0) => String::new(),
        (None, members) => format!("  (and {members} more)"),
    }
}

/// Whether an insight of this level is told to somebody who listens at `loosest`.
pub(super) fn told(event: &InsightEvent, loosest: Sensitivity) -> bool {
    event.trailsight.as_ref().is_none_or(|ours| ours.sensitivity <= loosest)
}

/// Enough digits to compare, no more.
fn figure(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value if value >= 0.001 => format!("{value:.3}"),
        _ => "<0.001".to_owned(),
    }
}

/// `role/ci` of `arn:aws:sts::111122223333:assumed-role/ci`: the account is told beside it.
fn short(identity: &str) -> &str {
    identity.strip_prefix("arn:").and_then(|arn| arn.splitn(5, ':').nth(4)).unwrap_or(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(short("arn:aws:sts::111122223333:assumed-role/ci"), "assumed-role/ci");
        assert_eq!(short("cloudtrail.amazonaws.com"), "cloudtrail.amazonaws.com");
    }

    #[test]
    fn figures_are_short() {
        let figures: Vec<String> = [0.0, 0.00001, 0.0123, 1.26, 99.96, 12345.6].into_iter().map(figure).collect();
        assert_eq!(figures, ["0", "<0.001", "0.012", "1.3", "100.0", "12346"]);
    }
}
