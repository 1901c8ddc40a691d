//! An insight that nobody can take for a finding, to try a sink with.

use trailsight_schemas::insight::{
    Direction, EVENT_VERSION, Extension, InsightDetails, InsightEvent, InsightFormat, InsightType, Sensitivity,
    SourceEventCategory, State, Statistics, Test,
};
use uuid::Uuid;

use super::outbox::Row;

/// Its event source: no service of AWS is called so.
pub const SOURCE: &str = "test.trailsight.invalid";
/// Its event name.
pub const NAME: &str = "TestInsight";
/// Its account: none.
pub const ACCOUNT: &str = "000000000000";

/// A Start at `now_ms` (milliseconds since the epoch). Every millisecond has its own ids.
pub fn event(now_ms: i64) -> InsightEvent {
    let id = |what: &str| Uuid::new_v5(&Uuid::NAMESPACE_DNS, format!("{SOURCE} {what} {now_ms}").as_bytes());
    let (week, today) = (7 * 24 * 60, now_ms.div_euclid(60_000).rem_euclid(24 * 60) as u32);
    InsightEvent {
        event_version: EVENT_VERSION.into(),
        event_time: now_ms.div_euclid(60_000) * 60,
        aws_region: "us-east-1".into(),
        event_id: id("record"),
        recipient_account_id: ACCOUNT.into(),
        shared_event_id: id("incident"),
        details: InsightDetails {
            state: State::Start,
            event_source: SOURCE.into(),
            event_name: NAME.into(),
            insight_type: InsightType::ApiCallRate,
            error_code: None,
            source_event_category: Some(SourceEventCategory::Management),
            statistics: Statistics {
                baseline: 0.0,
                insight: 1.0,
                insight_duration: 1,
                baseline_duration: week + today,
            },
            attributions: Vec::new(),
            insight_source: None,
        },
        addendum: None,
        trailsight: Some(Extension {
            sensitivity: Sensitivity::High,
            direction: Direction::Above,
            test: Test::Minute,
            expected: 0.0,
            observed: 1.0,
            chance_per_week: 1.0,
            series: format!("{ACCOUNT}/us-east-1/{SOURCE}/{NAME}"),
            thresholds: [None; 3],
            principals: Vec::new(),
            members: Vec::new(),
            members_omitted: 0,
            recommendations: Vec::new(),
            leader: None,
            detected_at: now_ms,
            data_through: now_ms.div_euclid(1000),
            end_reason: None,
            revision: 0,
            url: None,
        }),
    }
}

/// The same as a row for this sink.
pub fn sample(sink: &str, now_ms: i64) -> Row {
    row(sink, &event(now_ms), now_ms)
}

/// An insight as a row for this sink.
pub fn row(sink: &str, event: &InsightEvent, now_ms: i64) -> Row {
    Row {
        id: 0,
        sink: sink.into(),
        shared_event_id: event.shared_event_id,
        event_id: event.event_id,
        state: event.details.state,
        insight_json: event.to_json(InsightFormat::Full).into_bytes(),
        attempts: 0,
        created_ms: now_ms,
        start_died: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trailsight_schemas::insight::check_relations;

    #[test]
    fn it_is_an_insight_and_marked() {
        let (one, next) = (sample("chat", 1_772_694_660_123), sample("chat", 1_772_694_660_124));
        let event = InsightEvent::parse(&one.insight_json).expect("an insight");
        assert_eq!(check_relations(&event, None), Vec::<String>::new());
        assert_eq!(event.details.event_source, SOURCE);
        assert_ne!((one.event_id, one.shared_event_id), (next.event_id, next.shared_event_id));
    }
}
