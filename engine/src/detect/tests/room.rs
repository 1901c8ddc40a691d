//! What is held open, at ten times its limit.

use super::*;
use crate::detect::settings::LEAST_OPEN_BYTES;

const APIS: usize = 40;
const CALLERS: usize = 20;

fn settings() -> Settings {
    Settings { open_bytes: 0, partitions: 1, assume_history: true, ..Settings::default() }
}

/// A source partition that stands still, so that nothing may close.
fn standing() -> Progress {
    Progress { partition: "0".into(), newest: Some(i64::from(T0) * 60), ..Progress::default() }
}

fn ahead(minute: u32) -> Progress {
    Progress { partition: "1".into(), newest: Some(i64::from(minute) * 60 + 59), ..Progress::default() }
}

/// A minute of many APIs, each called by many callers that nobody has seen before.
fn minted(minute: u32) -> Vec<(u32, String, u64, String, &'static str)> {
    let pairs = (0..APIS).flat_map(|api| (0..CALLERS).map(move |caller| (api, caller)));
    pairs.map(|(api, caller)| (minute, format!("Api{api:02}"), 1, format!("role/{minute}-{caller}"), "")).collect()
}

fn lines<'a>(owned: &'a [(u32, String, u64, String, &'static str)]) -> Vec<Line<'a>> {
    owned.iter().map(|line| (line.0, line.1.as_str(), line.2, line.3.as_str(), line.4)).collect()
}

/// A partition of a source that stands still kept two days of everything else in memory.
#[test]
fn minutes_held_open_stay_within_their_share_and_are_judged_early() {
    let mut bench = Bench { detect: Detect::new(settings()), seq: 0 };
    let mut told = bench.take(&[(T0, "Api00", 1, "role/a", "")], standing(), i64::from(T0) * 60_000);
    let one_minute = APIS * (128 + CALLERS * 32);
    let minutes = (10 * LEAST_OPEN_BYTES / one_minute) as u32;
    assert!(minutes > 40, "{minutes}");
    for minute in T0 + 1..T0 + minutes {
        let owned = minted(minute);
        let mut all = lines(&owned);
        if minute == T0 + 20 {
            all.push((minute, "DeleteTrail", 500, "user/mallory", ""));
        }
        told.extend(bench.take(&all, ahead(minute), i64::from(minute) * 60_000));
        let sizes = bench.detect.sizes();
        assert!(sizes.open_bytes <= LEAST_OPEN_BYTES + one_minute, "minute {minute}: {sizes:?}");
    }
    let sizes = bench.detect.sizes();
    assert!(sizes.closed_early > 20 && sizes.late == 0, "{sizes:?}");
    let names: Vec<_> = told.iter().map(|event| event.details.event_name.as_str()).collect();
    assert!(names.contains(&"DeleteTrail"), "what happens meanwhile is told: {names:?}");

    let late = bench.take(&[(T0 + 1, "Api00", 7, "role/a", "")], standing(), i64::from(T0 + minutes) * 60_000);
    assert_eq!((late, bench.detect.sizes().late), (Vec::new(), 7), "what the other partition has is late then");
}

#[test]
fn a_partition_that_was_stored_has_as_much_room_as_before() {
    let mut bench = Bench { detect: Detect::new(settings()), seq: 0 };
    bench.take(&[], standing(), 0);
    for minute in T0 + 1..T0 + 25 {
        let owned = minted(minute);
        bench.take(&lines(&owned), ahead(minute), i64::from(minute) * 60_000);
    }
    let mut again = Bench { detect: Detect::restore(vec![bench.detect.part(0)], settings()).unwrap(), seq: bench.seq };
    for minute in T0 + 25..T0 + 40 {
        let owned = minted(minute);
        let (before, after) = [&mut bench, &mut again]
            .map(|bench| bench.take(&lines(&owned), ahead(minute), i64::from(minute) * 60_000))
            .into();
        assert_eq!(before, after);
        assert_eq!(bench.detect.sizes().open_bytes, again.detect.sizes().open_bytes);
        assert_eq!(bench.detect.part(0), again.detect.part(0));
    }
    let partition = &bench.detect.parts[0].partition;
    assert_eq!(partition.held, partition.held_by_cells());
}

/// The limit on series is a number; what they weigh is looked at too.
#[test]
fn series_that_name_too_many_strings_are_evicted_before_they_are_too_many() {
    let mut detect = Detect::new(Settings { series: 1, partitions: 2, assume_history: true, ..Settings::default() });
    let sizes = |bytes| super::super::Sizes { bytes, ..super::super::Sizes::default() };
    let most = detect.settings().series_bytes();
    assert_eq!(detect.overweight(&sizes(most + 1)), None, "there is nothing to give up");
    let names: Vec<String> = (0..1).map(|name| format!("Api{name}")).collect();
    let all: Vec<Line<'_>> = names.iter().map(|name| (T0, name.as_str(), 1, "role/ci", "")).collect();
    let progress = Progress { complete_through: Some(Minute(T0)), ..Progress::default() };
    detect.apply(1, &Entry { taken_at: 0, body: Body::Batch(batch(&all, progress)) });
    assert_eq!(detect.overweight(&sizes(most)), None);
    let Some(body) = detect.overweight(&sizes(most + 1)) else { panic!("one can go") };
    detect.apply(2, &Entry { taken_at: 0, body });
    assert_eq!((detect.sizes().series, detect.sizes().evicted), (0, 1));
}
