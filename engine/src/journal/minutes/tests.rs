use std::collections::BTreeMap;

use proptest::prelude::*;
use trailsight_schemas::entry::{ApiMinute, Attribution, Class, ErrorMinute};
use trailsight_schemas::time::Minute;

use super::*;

const T: u32 = 28_333_320;
const KEY: &str = "000000000000/eu-west-1/iam.amazonaws.com/CreateUser";

fn batch(rows: &[(u32, u64, u64)]) -> Batch {
    named("CreateUser", rows)
}

/// Rows of (minute, calls, of them denied).
fn named(name: &str, rows: &[(u32, u64, u64)]) -> Batch {
    let strings = ["000000000000", "AccessDenied", name, "eu-west-1", "iam.amazonaws.com"];
    let plain = Attribution::default;
    let minutes = rows.iter().map(|&(minute, calls, denied)| ApiMinute {
        api: 0,
        minute: Minute(minute),
        calls,
        identities: plain(),
        agents: plain(),
        errors: (denied > 0)
            .then(|| ErrorMinute { code: 1, calls: denied, identities: plain(), agents: plain() })
            .into_iter()
            .collect(),
    });
    Batch {
        strings: strings.iter().map(|s| s.to_string()).collect(),
        apis: vec![Api { account: 0, region: 3, source: 4, name: 2, class: Class::ManagementWrite }],
        minutes: minutes.collect(),
        ..Batch::default()
    }
}

fn points(directory: &Path, key: &str, period: Period) -> Vec<(u32, u32, u64)> {
    let reader = MinuteReader::open_read_only(directory).unwrap();
    let points = reader.minutes(key, Minute(0), Minute(u32::MAX), period).unwrap();
    points.iter().map(|point| (point.minute.0, point.minutes, point.calls)).collect()
}

fn count(minutes: &Minutes, table: &str) -> i64 {
    minutes.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn an_entry_is_added_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut minutes = Minutes::open(directory.path(), Limits::default()).unwrap();
    minutes.apply(5, &batch(&[(T, 3, 0), (T + 1, 2, 2)])).unwrap();
    minutes.apply(5, &batch(&[(T, 100, 0)])).unwrap();
    drop(minutes);
    let mut minutes = Minutes::open(directory.path(), Limits::default()).unwrap();
    assert_eq!(minutes.through(), 5);
    minutes.apply(4, &batch(&[(T, 100, 0)])).unwrap();
    minutes.apply(9, &batch(&[(T, 4, 1)])).unwrap();
    assert_eq!(points(directory.path(), KEY, Period::Minute), [(T, 1, 7), (T + 1, 1, 2)]);
    assert_eq!(points(directory.path(), &format!("{KEY}/AccessDenied"), Period::Hour), [(T, 60, 3)]);
    assert_eq!(points(directory.path(), "no/such/series", Period::Minute), []);
    minutes.apply(10, &batch(&[(T, u64::MAX, 0)])).unwrap();
    assert_eq!(points(directory.path(), KEY, Period::Minute)[0], (T, 1, i64::MAX as u64), "held, not wrapped");
}

#[test]
fn a_range_begins_on_a_whole_period() {
    let directory = tempfile::tempdir().unwrap();
    let mut minutes = Minutes::open(directory.path(), Limits::default()).unwrap();
    minutes.apply(1, &batch(&[(T, 1, 0), (T + 4, 2, 0), (T + 5, 4, 0), (T + 10, 8, 0)])).unwrap();
    let reader = MinuteReader::open_read_only(directory.path()).unwrap();
    let found = reader.minutes(KEY, Minute(T + 3), Minute(T + 10), Period::FiveMinutes).unwrap();
    let found: Vec<_> = found.iter().map(|point| (point.minute.0 - T, point.calls)).collect();
    assert_eq!(found, [(0, 3), (5, 4)]);
    assert_eq!([60, 300, 3600].map(|s| Period::of_seconds(s).unwrap().minutes()), [1, 5, 60]);
    assert_eq!(Period::of_seconds(120), None);
}

#[test]
fn minutes_become_coarser_with_age_and_then_go() {
    let directory = tempfile::tempdir().unwrap();
    let mut minutes = Minutes::open(directory.path(), Limits::default()).unwrap();
    minutes.apply(1, &batch(&[(T, 1, 0), (T + 3, 2, 0), (T + 7, 4, 0)])).unwrap();
    for (days, expected) in [
        (MINUTE_DAYS, vec![(T, 1, 1), (T + 3, 1, 2), (T + 7, 1, 4)]),
        (MINUTE_DAYS + 1, vec![(T, 5, 3), (T + 5, 5, 4)]),
        (FIVE_MINUTE_DAYS + 1, vec![(T, 60, 7)]),
        (HOUR_DAYS + 1, vec![]),
    ] {
        minutes.apply(u64::from(days), &named("Other", &[(T + days * DAY, 1, 0)])).unwrap();
        assert_eq!(points(directory.path(), KEY, Period::Minute), expected, "{days}");
    }
    assert_eq!(minutes.counters(), Counters::default());
    // A series that has no minutes left is forgotten, and a record that comes far too late is counted.
    minutes.apply(1000, &batch(&[(T, 1, 0)])).unwrap();
    assert_eq!(minutes.counters(), Counters { evicted: 0, too_old: 1 });
    assert_eq!(count(&minutes, "series"), 1);
}

#[test]
fn beyond_the_size_limit_the_oldest_go_first() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 200_000 };
    let mut minutes = Minutes::open(directory.path(), limits).unwrap();
    for seq in 1..=400u32 {
        let rows: Vec<_> = (0..50).map(|n| (T + seq * 50 + n, 1, 0)).collect();
        minutes.apply(u64::from(seq), &batch(&rows)).unwrap();
        assert!(store::used_bytes(&minutes.connection).unwrap() <= limits.bytes);
    }
    let left = points(directory.path(), KEY, Period::Minute);
    let newest = T + 400 * 50 + 49;
    assert_eq!(left.last().unwrap().0, newest);
    assert!(left.len() > 1000, "{} of what fits", left.len());
    assert_eq!(left.first().unwrap().0, newest + 1 - left.len() as u32, "no hole");
    assert_eq!(minutes.counters().evicted, 400 * 50 - left.len() as u64);
}

/// Somebody who calls APIs that do not exist mints names, not memory: at ten times what fits the file is no larger.
#[test]
fn minted_names_do_not_grow_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 400_000 };
    let mut minutes = Minutes::open(directory.path(), limits).unwrap();
    for seq in 1..=20_000u32 {
        minutes.apply(u64::from(seq), &named(&format!("Minted{seq}"), &[(T + seq, 1, 0)])).unwrap();
    }
    let used = store::used_bytes(&minutes.connection).unwrap();
    assert!(used <= limits.bytes, "{used}");
    assert_eq!(count(&minutes, "series"), count(&minutes, "minutes"));
    assert!(count(&minutes, "series") > 1000);
}

#[test]
fn a_damaged_history_is_begun_again_and_a_later_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    fs::write(&path, [b'x'; 5000]).unwrap();
    let mut minutes = Minutes::open(directory.path(), Limits::default()).unwrap();
    assert_eq!(minutes.through(), 0);
    assert_eq!(fs::read(directory.path().join("history.db.damaged")).unwrap(), [b'x'; 5000]);
    minutes.apply(1, &batch(&[(T, 1, 0)])).unwrap();
    drop(minutes);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
    let later = Minutes::open(directory.path(), Limits::default()).err().unwrap();
    assert!(matches!(later, JournalError::Later { found: 2, known: 1 }));
    assert!(MinuteReader::open_read_only(directory.path()).is_err());
}

#[test]
fn an_entry_that_points_outside_itself_adds_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut minutes = Minutes::open(directory.path(), Limits::default()).unwrap();
    let mut wrong = batch(&[(T, 1, 0), (T + 1, 1, 1)]);
    wrong.minutes[1].errors[0].code = 99;
    assert!(matches!(minutes.apply(1, &wrong), Err(JournalError::Damaged(_))));
    assert_eq!((minutes.through(), count(&minutes, "minutes")), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Against a model that keeps every minute: folding moves calls and loses none, whatever the order of minutes,
    /// with restarts and repeats between.
    #[test]
    fn folding_loses_no_call(
        batches in prop::collection::vec(
            (prop::collection::vec((0u32..80 * DAY, 1u64..9), 0..6), any::<bool>()), 1..12),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut minutes = Minutes::open(directory.path(), Limits::default()).unwrap();
        let (mut model, mut newest) = (BTreeMap::<u32, u64>::new(), 0);
        for (seq, (rows, restart)) in (1..).zip(batches) {
            let rows: Vec<_> = rows.into_iter().map(|(after, calls)| (T + after, calls, 0)).collect();
            minutes.apply(seq, &batch(&rows)).unwrap();
            for (minute, calls, _) in rows {
                *model.entry(minute).or_default() += calls;
                newest = newest.max(minute);
            }
            if restart {
                drop(minutes);
                minutes = Minutes::open(directory.path(), Limits::default()).unwrap();
                minutes.apply(seq, &batch(&[(T, 1000, 0)])).unwrap();
            }
        }
        for period in [Period::Minute, Period::FiveMinutes, Period::Hour] {
            let mut expected = BTreeMap::<u32, (u32, u64)>::new();
            for (&minute, &calls) in &model {
                let age = period_at(minute, newest).unwrap_or(60);
                let together = age.max(period.minutes());
                let point = expected.entry(minute / together * together).or_insert((together, 0));
                point.1 += calls;
            }
            let expected: Vec<_> = expected.into_iter().map(|(m, (together, calls))| (m, together, calls)).collect();
            prop_assert_eq!(points(directory.path(), KEY, period), expected);
        }
    }
}
