//! Insights, rules and rows for the tests of this room.

use trailsight_schemas::insight::{
    Attribute, Attributed, Direction, EVENT_VERSION, Extension, InsightDetails, InsightEvent, InsightFormat,
    InsightType, Principal, Sensitivity, SourceEventCategory, State, Statistics, Test, ValueAverage,
};
use uuid::Uuid;

use super::matching::MatchSpec;
use super::mutes::MuteSpec;
use super::outbox::Row;

const CI: &str = "arn:aws:sts::111122223333:assumed-role/ci-deployer";

/// A Start: 6 calls in one minute by a role, on a baseline of nothing, at medium.
pub(super) fn insight() -> InsightEvent {
    let only = |value: &str| vec![ValueAverage { value: value.into(), average: 6.0 }];
    let attributed = |attribute, value| Attributed { attribute, insight: only(value), baseline: Vec::new() };
    InsightEvent {
        event_version: EVENT_VERSION.into(),
        event_time: 1_772_694_660,
        aws_region: "eu-west-1".into(),
        event_id: Uuid::from_u128(1),
        recipient_account_id: "111122223333".into(),
        shared_event_id: Uuid::from_u128(100),
        details: InsightDetails {
            state: State::Start,
            event_source: "iam.amazonaws.com".into(),
            event_name: "CreateAccessKey".into(),
            insight_type: InsightType::ApiCallRate,
            error_code: None,
            source_event_category: Some(SourceEventCategory::Management),
            statistics: Statistics { baseline: 0.0, insight: 6.0, insight_duration: 1, baseline_duration: 10_511 },
            attributions: vec![
                attributed(Attribute::UserIdentityArn, "x:role/ci-deployer"),
                attributed(Attribute::UserAgent, "aws-cli/2"),
                attributed(Attribute::ErrorCode, "null"),
            ],
            insight_source: None,
        },
        addendum: None,
        trailsight: Some(Extension {
            sensitivity: Sensitivity::Medium,
            direction: Direction::Above,
            test: Test::FirstUse,
            expected: 0.0,
            observed: 6.0,
            chance_per_week: 0.01,
            series: "111122223333/eu-west-1/iam.amazonaws.com/CreateAccessKey".into(),
            thresholds: [None; 3],
            principals: vec![principal(CI, 6.0, 0.0)],
            members: Vec::new(),
            members_omitted: 0,
            recommendations: Vec::new(),
            leader: None,
            detected_at: 1_772_694_700_000,
            data_through: 1_772_694_690,
            end_reason: None,
            revision: 0,
            url: None,
        }),
    }
}

pub(super) fn principal(value: &str, average: f64, baseline: f64) -> Principal {
    Principal { value: value.into(), average, baseline, new: baseline == 0.0 }
}

pub(super) fn mute(key: &str, matches: MatchSpec) -> MuteSpec {
    MuteSpec {
        since: None,
        key: key.into(),
        matches,
        reason: "for a test".into(),
        owner: "tests@example.com".into(),
        until: None,
        during: None,
        learn: true,
        alert: false,
    }
}

/// A row of the sink `hook`, created at 0, of the incident with this number.
pub(super) fn row(id: i64, incident: u128, state: State) -> Row {
    let mut event = insight();
    event.event_id = Uuid::from_u128(1_000_000 + u128::try_from(id).unwrap_or(0));
    event.shared_event_id = Uuid::from_u128(incident);
    event.details.state = state;
    Row {
        id,
        sink: "hook".into(),
        shared_event_id: event.shared_event_id,
        event_id: event.event_id,
        state,
        insight_json: event.to_json(InsightFormat::Full).into_bytes(),
        attempts: 0,
        created_ms: 0,
        start_died: false,
    }
}
