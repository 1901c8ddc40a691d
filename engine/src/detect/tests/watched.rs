//! What is watched, as people are shown it.

use trailsight_schemas::time::Minute;

use super::*;
use crate::detect::watched::{Order, Spans, Wanted, Watched};

/// Three days of a busy API with some errors and of a calm one, and a minute in which the calm one is not.
fn watching() -> Bench {
    let mut bench = Bench::new();
    for minute in T0..T0 + 3 * DAY {
        let mut lines: Vec<Line<'_>> = vec![(minute, "Busy", 10, "ci", "")];
        if minute % 10 == 0 {
            lines.push((minute, "Calm", 1, "ops", ""));
            lines.push((minute, "Busy", 1, "ci", "AccessDenied"));
        }
        bench.complete(&lines, minute);
    }
    let last = T0 + 3 * DAY;
    bench.complete(&[(last, "Busy", 11, "ci", ""), (last, "Calm", 5, "ops", "")], last);
    bench
}

fn paths(found: &[(f64, Watched)]) -> Vec<&str> {
    found.iter().map(|(_, watched)| watched.path.rsplit_once("amazonaws.com/").unwrap().1).collect()
}

#[test]
fn series_come_in_the_order_that_was_asked_for_whole_or_page_by_page() {
    let bench = watching();
    for (order, expected) in [
        (Order::Name, ["Busy", "Busy/AccessDenied", "Calm"]),
        (Order::Calls, ["Busy", "Calm", "Busy/AccessDenied"]),
        (Order::Unusual, ["Calm", "Busy", "Busy/AccessDenied"]),
    ] {
        let wanted = Wanted { order, ..Wanted::default() };
        let (whole, more) = bench.detect.watched(&wanted, 10);
        if order != Order::Calls {
            assert_eq!(paths(&whole), expected, "{order:?}");
        }
        assert_eq!(paths(&whole)[0], expected[0], "{order:?}");
        assert!(!more);
        let mut paged = Vec::new();
        let mut after = None;
        loop {
            let (page, more) = bench.detect.watched(&Wanted { after, ..wanted.clone() }, 1);
            paged.extend(page);
            let (rank, last) = paged.last().unwrap();
            after = Some((*rank, last.path.clone()));
            if !more {
                break;
            }
        }
        assert_eq!(paged, whole, "{order:?}");
    }
    let only = |at: usize, text: &str| {
        let mut wanted = Wanted::default();
        wanted.parts[at] = Some(text.to_owned());
        bench.detect.watched(&wanted, 10).0.len()
    };
    assert_eq!([only(0, "111122223333"), only(3, "Busy"), only(3, "Cal"), only(1, "us-east-1")], [3, 2, 0, 0]);
}

#[test]
fn one_series_says_what_is_expected_and_unusual_in_each_minute() {
    let bench = watching();
    let last = T0 + 3 * DAY;
    let (found, _) = bench.detect.watched(&Wanted::default(), 10);
    for (_, watched) in &found {
        let hour = |newest: Minute| Spans { since: Minute(newest.0 - 59), minutes: 1, count: 60 };
        let (same, spans, outlooks) = bench.detect.outlook(&watched.path, hour).unwrap();
        assert_eq!((&same, spans.since, outlooks.len()), (watched, Minute(last - 59), 60));
        assert_eq!(outlooks[59], watched.outlook);
        for outlook in &outlooks {
            let [low, medium, high] = outlook.thresholds.map(|least| least.unwrap_or(u64::MAX));
            assert!(low >= medium && medium >= high, "{outlook:?}");
            assert!(high as f64 > outlook.expected, "{outlook:?}");
        }
        let whole = |newest: Minute| Spans { since: Minute(newest.0 - 59), minutes: 60, count: 1 };
        let (_, _, together) = bench.detect.outlook(&watched.path, whole).unwrap();
        let sum: f64 = outlooks.iter().map(|outlook| outlook.expected).sum();
        assert!((together[0].expected - sum).abs() <= 1e-9 * sum, "{together:?} {sum}");
    }
    let calm = &found[2].1;
    assert_eq!((calm.observed, calm.minute, calm.last_call), (5, Minute(last), Some(Minute(last))));
    assert!(calm.outlook.expected < 1.0, "{calm:?}");
    let nothing = |_| Spans { since: Minute(0), minutes: 1, count: 0 };
    for unknown in ["", "/", "111122223333/eu-west-1/iam.amazonaws.com/Cal", &format!("{}/", calm.path)] {
        assert_eq!(bench.detect.outlook(unknown, nothing), None, "{unknown}");
    }
}
