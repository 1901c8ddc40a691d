//! The words of the insight record, as they stand in columns.

use serde_json::{Value, json};
use trailsight_schemas::insight::{
    Attribute, Attributed, Direction, EndReason, InsightEvent, InsightType, Sensitivity, SourceEventCategory, State,
    Test, ValueAverage,
};
use trailsight_schemas::time::format_rfc3339;

pub(in crate::journal) fn state_of(text: &str) -> Option<State> {
    [State::Start, State::End].into_iter().find(|&of| state(of) == text)
}

pub(super) fn state(of: State) -> &'static str {
    match of {
        State::Start => "Start",
        State::End => "End",
    }
}

pub(super) fn type_name(of: InsightType) -> &'static str {
    match of {
        InsightType::ApiCallRate => "ApiCallRateInsight",
        InsightType::ApiErrorRate => "ApiErrorRateInsight",
        InsightType::AccountSweep => "AccountSweepInsight",
        InsightType::AccountDenied => "AccountDeniedInsight",
        InsightType::AccountSilence => "AccountSilenceInsight",
    }
}

/// The levels that a listener at `loosest` hears of.
pub(in crate::journal) fn sensitivities_to(loosest: Sensitivity) -> [&'static str; 3] {
    [Sensitivity::Low, Sensitivity::Medium, Sensitivity::High].map(|level| sensitivity(level.min(loosest)))
}

pub(super) fn sensitivity(of: Sensitivity) -> &'static str {
    match of {
        Sensitivity::Low => "low",
        Sensitivity::Medium => "medium",
        Sensitivity::High => "high",
    }
}

pub(super) fn direction(of: Direction) -> &'static str {
    match of {
        Direction::Above => "above",
        Direction::Below => "below",
    }
}

pub(super) fn test(of: Test) -> &'static str {
    match of {
        Test::Minute => "minute",
        Test::FiveMinutes => "fiveMinutes",
        Test::Sustained => "sustained",
        Test::Hour => "hour",
        Test::Record => "record",
        Test::Drop => "drop",
        Test::FirstUse => "firstUse",
        Test::Sweep => "sweep",
    }
}

fn end_reason(of: EndReason) -> &'static str {
    match of {
        EndReason::Returned => "returned",
        EndReason::Accepted => "accepted",
        EndReason::Superseded => "superseded",
    }
}

/// The record in its full form, on one line.
pub(super) fn json_of(event: &InsightEvent) -> String {
    let details = &event.details;
    let statistics = &details.statistics;
    let mut record = json!({
        "eventVersion": trailsight_schemas::insight::EVENT_VERSION,
        "eventTime": format_rfc3339(event.event_time),
        "awsRegion": event.aws_region,
        "eventID": event.event_id,
        "eventType": "AwsCloudTrailInsight",
        "recipientAccountId": event.recipient_account_id,
        "sharedEventID": event.shared_event_id,
        "insightDetails": {
            "state": state(details.state),
            "eventSource": details.event_source,
            "eventName": details.event_name,
            "insightType": type_name(details.insight_type),
            "errorCode": details.error_code,
            "sourceEventCategory": details.source_event_category.map(|category| match category {
                SourceEventCategory::Management => "Management",
                SourceEventCategory::Data => "Data",
            }),
            "insightContext": {
                "statistics": {
                    "baseline": {"average": statistics.baseline},
                    "insight": {"average": statistics.insight},
                    "insightDuration": statistics.insight_duration,
                    "baselineDuration": statistics.baseline_duration,
                },
                "attributions": details.attributions.iter().map(attributed).collect::<Vec<_>>(),
            },
        },
        "eventCategory": "Insight",
    });
    if let (Some(ours), Some(record)) = (&event.trailsight, record.as_object_mut()) {
        let principals = ours
            .principals
            .iter()
            .map(|of| json!({"value": of.value, "average": of.average, "baseline": of.baseline, "new": of.new}));
        let ours = json!({
            "sensitivity": sensitivity(ours.sensitivity),
            "direction": direction(ours.direction),
            "test": test(ours.test),
            "expected": ours.expected,
            "observed": ours.observed,
            "chancePerWeek": ours.chance_per_week,
            "series": ours.series,
            "principals": principals.collect::<Vec<_>>(),
            "detectedAt": format_rfc3339(ours.detected_at.div_euclid(1000)),
            "dataThrough": format_rfc3339(ours.data_through),
            "endReason": ours.end_reason.map(end_reason),
            "revision": ours.revision,
            "url": ours.url,
        });
        record.insert("trailsight".into(), ours);
    }
    record.to_string()
}

fn attributed(of: &Attributed) -> Value {
    let values = |list: &[ValueAverage]| -> Vec<Value> {
        list.iter().map(|of| json!({"value": of.value, "average": of.average})).collect()
    };
    let attribute = match of.attribute {
        Attribute::UserIdentityArn => "userIdentityArn",
        Attribute::UserAgent => "userAgent",
        Attribute::ErrorCode => "errorCode",
    };
    json!({"attribute": attribute, "insight": values(&of.insight), "baseline": values(&of.baseline)})
}
