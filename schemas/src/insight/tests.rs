//! Fixtures hold AWS's documented keys, order and number forms, with invented accounts, times and counts.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const CALL_START: &str = include_str!("fixtures/call-rate-start.json");
const CALL_END: &str = include_str!("fixtures/call-rate-end.json");
const ERROR_START: &str = include_str!("fixtures/error-rate-start.json");
const FULL_END: &str = include_str!("fixtures/full-end.json");
const DATA_EVENT: &str = include_str!("fixtures/data-event-end.json");
const WITHOUT_DURATIONS: &str = include_str!("fixtures/without-durations.json");

fn read(text: &str) -> InsightEvent {
    InsightEvent::parse(text.as_bytes()).expect("a fixture")
}

#[test]
fn a_record_read_and_written_again_keeps_every_byte() {
    for text in [CALL_START, CALL_END, ERROR_START] {
        assert_eq!(read(text).to_json(InsightFormat::Aws), text.trim_end());
        assert_eq!(read(text).to_json(InsightFormat::Full), text.trim_end());
    }
    assert_eq!(read(FULL_END).to_json(InsightFormat::Full), FULL_END.trim_end());
}

/// Every field that AWS lists or has shown, over its versions; in number forms that it gives today.
#[test]
fn an_earlier_version_and_what_follows_the_context_are_kept() {
    assert_eq!(read(DATA_EVENT).to_json(InsightFormat::Aws), DATA_EVENT.trim_end());
    assert_eq!(read(DATA_EVENT).to_json(InsightFormat::Full), DATA_EVENT.trim_end());
    let wide = DATA_EVENT.replace(r#"{"reason":"SERVICE_OUTAGE","#, "{\n  \"reason\" :\t\"SERVICE_OUTAGE\" ,\r\n  ");
    assert_ne!(wide, DATA_EVENT);
    assert_eq!(read(&wide).to_json(InsightFormat::Aws), DATA_EVENT.trim_end(), "one line, whatever stood there");
    assert_eq!(read(CALL_START).event_version, EVENT_VERSION);
}

#[test]
fn aws_format_is_the_record_without_our_own_key() {
    assert_eq!(read(FULL_END).to_json(InsightFormat::Aws), CALL_END.trim_end());
    assert!(InsightFormat::Aws.carries(InsightType::ApiErrorRate));
    assert!(!InsightFormat::Aws.carries(InsightType::AccountSweep));
    assert!(InsightFormat::Full.carries(InsightType::AccountSilence));
}

#[test]
fn the_keys_of_the_extension_are_those_of_the_interface() {
    let value: serde_json::Value = serde_json::from_str(&read(FULL_END).to_json(InsightFormat::Full)).expect("json");
    let mut keys: Vec<_> = value["trailsight"].as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    let mut expected = [
        "sensitivity",
        "direction",
        "test",
        "expected",
        "observed",
        "chancePerWeek",
        "series",
        "principals",
        "detectedAt",
        "dataThrough",
        "endReason",
        "revision",
        "url",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    let own = read(FULL_END).trailsight.expect("ours");
    assert_eq!(own.detected_at, 1_772_695_471_007);
    assert_eq!(own.end_reason, Some(EndReason::Returned));
}

#[test]
fn records_of_2019_lack_durations_and_use_exponents() {
    let event = read(WITHOUT_DURATIONS);
    assert_eq!(event.details.statistics.baseline, 0.000294637);
    assert_eq!(event.details.statistics.insight, 9.0);
    assert_eq!((event.details.statistics.insight_duration, event.details.statistics.baseline_duration), (0, 0));
    assert_eq!(check_relations(&event, None), Vec::<String>::new());
    let written = event.to_json(InsightFormat::Aws);
    assert!(
        written.contains(r#""statistics":{"baseline":{"average":0.000294637},"insight":{"average":9}}}"#),
        "{written}"
    );
    assert!(written.contains(r#"{"eventVersion":"1.07","#), "{written}");
    assert!(written.ends_with(r#""addendum":{"reason":"DELIVERY_DELAY","updatedFields":null}}"#), "{written}");
    assert_eq!(read(&written), event);
}

#[test]
fn what_is_optional_may_be_null_or_absent() {
    let without = CALL_START.replace(r#""recipientAccountId":"111122223333","#, "");
    assert_eq!(read(&without).recipient_account_id, "");
    assert_eq!(read(&without).to_json(InsightFormat::Aws), without.trim_end());
    let null = ERROR_START.replace(r#""baseline":[]"#, r#""baseline":null"#);
    assert_eq!(read(&null), read(ERROR_START));
    let unnamed = CALL_START.replace(r#""value":"null""#, r#""value":null"#);
    assert_eq!(read(&unnamed), read(CALL_START));
    let unknown = CALL_START.replace(r#""attribute":"userAgent""#, r#""attribute":"sourceIPAddress""#);
    assert_eq!(read(&unknown).details.attributions.len(), 2);
}

#[test]
fn what_is_not_an_insight_is_refused_with_the_reason() {
    for (from, to, reason) in [
        ("AwsCloudTrailInsight", "AwsApiCall", "eventType is `AwsApiCall`, not AwsCloudTrailInsight"),
        ("2026-03-05T07:11:00Z", "yesterday", "eventTime is `yesterday`: expected an RFC 3339 time"),
        ("4d0f6c0e-93b5", "4d0f6c0e-93bg", "expected a UUID"),
        (r#""Start""#, r#""Begin""#, "`Begin` is not a state: expected one of Start, End"),
        (r#""insightDuration":5"#, r#""insightDuration":5.5"#, "insightDuration is `5.5`: expected whole minutes"),
        (r#""insightDuration":5"#, r#""insightDuration":-1"#, "insightDuration is `-1`: expected whole minutes"),
        (r#""average":3.4"#, r#""average":null"#, "not an Insights event: invalid type: null, expected f64"),
        (r#""sharedEventID""#, r#""sharedEventId""#, "missing field `sharedEventID`"),
        (r#""eventVersion":"1.09","#, "", "missing field `eventVersion`"),
    ] {
        let text = CALL_START.replacen(from, to, 1);
        let error = InsightEvent::parse(text.as_bytes()).expect_err(to).to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn the_fixtures_obey_the_relations() {
    let (start, end) = (read(CALL_START), read(CALL_END));
    for (event, start) in [(&start, None), (&end, None), (&end, Some(&start)), (&read(ERROR_START), None)] {
        assert_eq!(check_relations(event, start), Vec::<String>::new());
    }
}

#[test]
fn each_relation_is_seen_to_break() {
    let broken = |change: &dyn Fn(&mut InsightEvent), expected: &str| {
        let mut event = read(CALL_END);
        change(&mut event);
        let found = check_relations(&event, Some(&read(CALL_START))).join("; ");
        assert!(found.contains(expected), "expected `{expected}` in `{found}`");
    };
    let mut early = read(CALL_START);
    early.details.statistics.baseline_duration = 10_080;
    assert!(check_relations(&early, None).join("; ").contains("baselineDuration is 10080, and Some(10511)"));
    broken(&|event| event.event_time += 1, "not a whole minute");
    broken(&|event| event.event_time += 60, "End − Start is 600 s, insightDuration 9 min");
    broken(&|event| event.details.statistics.insight += 0.01, "is not a whole count");
    broken(&|event| event.details.statistics.insight += 1e-12, "more than ten decimals");
    broken(&|event| event.details.statistics.baseline = f64::NAN, "baseline.average is NaN");
    broken(&|event| event.details.statistics.baseline_duration -= 1, "baselineDuration is 10510");
    broken(&|event| event.details.statistics.baseline_duration -= 1, "baselineDuration differs from the Start's");
    broken(&|event| event.event_id = read(CALL_START).event_id, "the End has the Start's eventID");
    broken(&|event| event.shared_event_id = Uuid::nil(), "sharedEventID differs");
    broken(&|event| event.details.error_code = Some("X".into()), "a call-rate record with errorCode");
    broken(&|event| event.details.insight_type = InsightType::ApiErrorRate, "without errorCode");
    broken(&|event| event.details.insight_type = InsightType::ApiErrorRate, "with an attribution by errorCode");
    broken(&|event| event.details.attributions.swap(0, 1), "not in the order");
    broken(&|event| event.details.attributions[0].insight.reverse(), "not listed highest first");
    broken(
        &|event| drop(event.details.attributions[2].insight.pop()),
        "insight values of errorCode add up to 42 of 47",
    );
    broken(
        &|event| drop(event.details.attributions[1].baseline.pop()),
        "baseline values of userAgent add up to 30 of 37",
    );
    broken(&|event| event.details.attributions[0].insight[0].value.push_str("/session"), "carries a session name");
    broken(
        &|event| {
            event.details.attributions[0].insight[1].value = event.details.attributions[0].insight[0].value.clone()
        },
        "listed twice",
    );
}

/// An event whose figures are what counting gives: each average a count over its minutes.
fn arbitrary() -> impl Strategy<Value = InsightEvent> {
    let text = "\\PC{0,20}|[\\x00-\\x1f\"\\\\]{0,6}";
    let pairs = |text| prop::collection::vec((text, 0u32..1_000_000), 0..6);
    (
        (0i64..4_000_000_000, any::<u128>(), any::<u128>(), text, text, text),
        (0usize..5, any::<bool>(), prop::option::of(text), 0usize..3),
        (0u32..2_000_000_000, 0u32..100_000, 0u32..20_000, 0u32..12_000),
        prop::collection::vec((0usize..3, pairs(text), pairs(text)), 0..4),
        prop::option::of((
            0usize..3,
            0usize..8,
            any::<bool>(),
            0f64..1e9,
            -300i32..300,
            text,
            any::<u32>(),
            pairs(text),
        )),
    )
        .prop_map(|(top, kind, figures, attributions, own)| {
            let average = |count: u32, minutes: u32| round_average(f64::from(count) / f64::from(minutes.max(1)));
            let list = |pairs: Vec<(String, u32)>, minutes| {
                pairs
                    .into_iter()
                    .map(|(value, count)| ValueAverage { value, average: average(count, minutes) })
                    .collect::<Vec<_>>()
            };
            let (count, baseline, minutes, window) = figures;
            InsightEvent {
                event_version: format!("1.{}", kind.3 + 7),
                event_time: top.0 - top.0 % 60,
                aws_region: top.3,
                event_id: Uuid::from_u128(top.1),
                recipient_account_id: top.4,
                shared_event_id: Uuid::from_u128(top.2),
                details: InsightDetails {
                    state: if kind.1 { State::Start } else { State::End },
                    event_source: top.5.clone(),
                    event_name: top.5,
                    insight_type: InsightType::ALL[kind.0],
                    error_code: kind.2,
                    source_event_category: SourceEventCategory::ALL.get(kind.3).copied(),
                    statistics: Statistics {
                        baseline: average(baseline, window),
                        insight: average(count, minutes),
                        insight_duration: minutes,
                        baseline_duration: window,
                    },
                    attributions: attributions
                        .into_iter()
                        .map(|(attribute, insight, baseline)| Attributed {
                            attribute: Attribute::ALL[attribute],
                            insight: list(insight, minutes),
                            baseline: list(baseline, window),
                        })
                        .collect(),
                    insight_source: kind.1.then(|| "arn:aws:cloudtrail:eu-west-1:111122223333:trail/\"all\"".into()),
                },
                addendum: (kind.3 == 1).then(|| r#"{"reason":"a \\\" b","updatedFields":null}"#.into()),
                trailsight: own.map(|(level, test, above, rate, magnitude, text, revision, pairs)| Extension {
                    sensitivity: Sensitivity::ALL[level],
                    direction: if above { Direction::Above } else { Direction::Below },
                    test: Test::ALL[test],
                    expected: round_average(rate),
                    observed: round_average(rate / 7.0),
                    chance_per_week: rate * 10f64.powi(magnitude),
                    series: text.clone(),
                    thresholds: [Some(round_average(rate)), None, above.then_some(1.0)],
                    members: vec![text.clone(); test % 3],
                    members_omitted: revision % 2,
                    leader: above.then_some(Uuid::from_u128(u128::from(revision))),
                    principals: list(pairs, minutes)
                        .into_iter()
                        .map(|pair| Principal { value: pair.value, average: pair.average, baseline: 0.0, new: above })
                        .collect(),
                    detected_at: i64::from(revision) * 997,
                    data_through: i64::from(revision),
                    end_reason: EndReason::ALL.get(test).copied(),
                    recommendations: vec![
                        Recommendation { text: text.clone(), command: above.then(|| text.clone()) };
                        test % 3
                    ],
                    revision,
                    url: above.then_some(text),
                }),
            }
        })
}

proptest! {
    #[test]
    fn writing_and_reading_is_the_identity(event in arbitrary()) {
        let written = event.to_json(InsightFormat::Full);
        prop_assert!(!written.contains('\n'));
        let read = InsightEvent::parse(written.as_bytes()).expect("what was written");
        prop_assert_eq!(&read, &event);
        prop_assert_eq!(read.to_json(InsightFormat::Full), written);
    }

    #[test]
    fn a_damaged_record_is_an_error_or_an_event_but_no_panic(event in arbitrary(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = event.to_json(InsightFormat::Full).into_bytes();
        let at = cut.index(bytes.len());
        let _ = InsightEvent::parse(&bytes[..at]);
        bytes[at] = byte;
        if let Ok(event) = InsightEvent::parse(&bytes) {
            let _ = check_relations(&event, Some(&event));
            let _ = event.to_json(InsightFormat::Full);
        }
    }

    #[test]
    fn counts_over_minutes_are_whole_after_rounding(count in 0u32..=u32::MAX, minutes in 1u32..200_000) {
        let mut event = read(CALL_START);
        event.details.attributions.clear();
        event.details.statistics.insight = round_average(f64::from(count) / f64::from(minutes));
        event.details.statistics.insight_duration = minutes;
        prop_assert_eq!(check_relations(&event, None), Vec::<String>::new());
    }
}
