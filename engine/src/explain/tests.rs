//! Each kind of insight, and what is said of it.

use proptest::prelude::*;
use trailsight_schemas::insight::{EVENT_VERSION, InsightDetails, Principal, Statistics};
use uuid::Uuid;

use super::*;

/// 78 calls in one minute where 0.5 were expected, at low.
fn start() -> InsightEvent {
    InsightEvent {
        event_version: EVENT_VERSION.into(),
        event_time: 1_772_694_660,
        aws_region: "eu-west-1".into(),
        event_id: Uuid::nil(),
        recipient_account_id: "111122223333".into(),
        shared_event_id: Uuid::nil(),
        details: InsightDetails {
            state: State::Start,
            event_source: "ssm.amazonaws.com".into(),
            event_name: "DeleteParameter".into(),
            insight_type: InsightType::ApiCallRate,
            error_code: None,
            source_event_category: None,
            statistics: Statistics { baseline: 0.0123, insight: 78.0, insight_duration: 1, baseline_duration: 10_512 },
            attributions: Vec::new(),
            insight_source: None,
        },
        addendum: None,
        trailsight: Some(Extension {
            sensitivity: Sensitivity::Low,
            direction: Direction::Above,
            test: Test::Minute,
            expected: 0.5,
            observed: 78.0,
            chance_per_week: 0.004,
            series: "111122223333/eu-west-1/ssm.amazonaws.com/DeleteParameter".into(),
            thresholds: [Some(31.0), Some(19.0), Some(8.0)],
            principals: vec![Principal { value: "role/a".into(), average: 70.0, baseline: 0.0, new: true }],
            members: Vec::new(),
            members_omitted: 0,
            recommendations: Vec::new(),
            leader: None,
            detected_at: 0,
            data_through: 0,
            end_reason: None,
            revision: 0,
            url: None,
        }),
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut InsightDetails, &mut Extension), expected: &[&str]) {
    let mut event = start();
    let mut ours = event.trailsight.take().unwrap();
    change(&mut event.details, &mut ours);
    event.trailsight = Some(ours);
    let said = explain(&event);
    for sentence in expected {
        assert!(said.iter().any(|each| each == sentence), "{sentence:?} is not said: {said:#?}");
    }
}

#[test]
fn a_burst() {
    let said = explain(&start());
    let expected = [
        "78 calls of ssm:DeleteParameter came in one minute; 0.5 were expected.",
        "The test of one minute asks whether so many come in a minute of this hour of the week.",
        "What it takes in one minute: 31 or more at low, 19 or more at medium, 8 or more at high. Reached: low.",
        "Chance alone raises something as unusual in account 111122223333 about once in 4.8 years.",
        "Over the 7.3 days before it the plain mean was 0.0123 a minute.",
        "Most are by role/a, 70 a minute, who had not called this in those days.",
    ];
    assert_eq!(said, expected);
}

#[test]
fn what_is_short_of_the_expectation() {
    check(
        |details, ours| {
            (ours.direction, ours.test, ours.sensitivity) = (Direction::Below, Test::Drop, Sensitivity::Medium);
            (ours.expected, ours.observed, ours.thresholds) = (2.0, 0.1, [None, Some(0.5), Some(0.75)]);
            details.statistics.insight_duration = 20;
        },
        &[
            "Only 2 calls of ssm:DeleteParameter came in 20 minutes, where 40 were expected.",
            "What it takes in 20 minutes: no number is enough at low, 10 or fewer at medium, 15 or fewer at high. \
             Reached: medium.",
        ],
    );
}

#[test]
fn what_begins_and_what_fails() {
    check(
        |details, ours| {
            (ours.test, ours.expected, ours.observed) = (Test::FirstUse, 0.00002, 0.6);
            (ours.thresholds, details.statistics.insight_duration) = ([None, Some(2.0), Some(0.4)], 5);
        },
        &[
            "3 calls of ssm:DeleteParameter came in five minutes; 0.0001 were expected.",
            "What it takes in five minutes: no number is enough at low, 10 or more at medium, 2 or more at high. \
             Reached: low.",
        ],
    );
    check(
        |details, _| {
            details.insight_type = InsightType::ApiErrorRate;
            details.error_code = Some("ThrottlingException".into());
        },
        &[
            "78 calls of ssm:DeleteParameter that failed with ThrottlingException came in one minute; 0.5 were expected.",
        ],
    );
}

#[test]
fn whole_accounts() {
    check(
        |details, ours| {
            details.insight_type = InsightType::AccountSweep;
            details.statistics.insight_duration = 4;
            (ours.test, ours.observed, ours.expected) = (Test::Sweep, 10.0, 3.0 / 10_080.0);
            ours.members = (0..7).map(|number| format!("a/r/s/N{number}")).collect();
            ours.members_omitted = 10;
        },
        &[
            "40 pairs of API and caller that had been silent for a week woke up within 4 minutes; 3 a week is usual.",
            "It speaks for a/r/s/N0, a/r/s/N1, a/r/s/N2, a/r/s/N3, a/r/s/N4 and 12 more.",
        ],
    );
    check(
        |details, _| details.insight_type = InsightType::AccountDenied,
        &["78 denied calls in the whole account came in one minute; 0.5 were expected."],
    );
    check(
        |details, ours| {
            details.insight_type = InsightType::AccountSilence;
            details.statistics.insight_duration = 25;
            (ours.test, ours.direction, ours.observed) = (Test::Drop, Direction::Below, 0.0);
        },
        &["A Region of the account has been silent for 25 minutes, while others that are read beside it went on."],
    );
}

#[test]
fn an_end() {
    let mut event = start();
    (event.details.state, event.event_time) = (State::End, 1_772_695_260);
    (event.details.statistics.insight, event.details.statistics.insight_duration) = (12.5, 10);
    event.trailsight.as_mut().unwrap().end_reason = Some(EndReason::Accepted);
    let expected = [
        "It ended at 2026-03-05T07:21:00Z after 10 minutes: 125 calls of ssm:DeleteParameter in all, 12.5 a minute.",
        "It lasted so long that this level is taken for the normal one from now on.",
    ];
    assert_eq!(explain(&event), expected);
    event.trailsight = None;
    assert_eq!(explain(&event), expected[..1]);
}

#[test]
fn how_often_chance_does_it() {
    for (per_week, often) in [
        (12.0, "12 times a week"),
        (1.0, "once a week"),
        (0.2, "once in 5 weeks"),
        (0.05, "once in 20 weeks"),
        (0.001, "once in 19 years"),
        (1e-9, "less than once in 1,000 years"),
        (0.0, "less than once in 1,000 years"),
    ] {
        let said = chance(per_week, "1");
        assert!(said.ends_with(&format!(" about {often}.")), "{per_week}: {said}");
    }
    assert_eq!(chance(f64::NAN, "1"), "How often chance does this is not known.");
    assert_eq!(
        (count(1_099_511_627_776.0), count(999.0), count(0.031)),
        ("1,099,511,627,776".into(), "999".into(), "0.031".into())
    );
}

proptest! {
    /// Whatever a caller of AWS calls things, a terminal obeys none of it, and a sentence stays a line of bounded length.
    #[test]
    fn names_are_inert(name in "[\\x00-\\x7f\u{200b}-\u{202e}\u{2066}\u{feff}é]{0,400}", figure in any::<f64>()) {
        let mut event = start();
        let ours = event.trailsight.as_mut().unwrap();
        (ours.principals[0].value, ours.members) = (name.clone(), vec![name.clone()]);
        (ours.observed, ours.expected, ours.chance_per_week, ours.thresholds) = (figure, figure, figure, [Some(figure); 3]);
        (event.recipient_account_id, event.details.event_source) = (name.clone(), name.clone());
        (event.details.event_name, event.details.error_code) = (name.clone(), Some(name));
        for (state, kind) in [(State::Start, InsightType::ApiErrorRate), (State::End, InsightType::ApiCallRate)] {
            (event.details.state, event.details.insight_type) = (state, kind);
            for sentence in explain(&event) {
                prop_assert!(sentence.chars().count() < 1500, "{}", sentence.len());
                prop_assert_eq!(printable(&sentence), sentence);
            }
        }
    }
}
