//! Detection over whole entries: what is told, when, and with which figures.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trailsight_schemas::entry::{Api, ApiMinute, Attribution, Batch, Body, Class, Entry, ErrorMinute, Progress};
use trailsight_schemas::insight::{Attribute, InsightEvent, InsightType, State};
use trailsight_schemas::snapshot;
use trailsight_schemas::time::{DAY, Minute, WEEK};

use super::{Detect, Settings};

mod corrections;
mod folding;
mod hostile;
mod stored;
mod watched;
mod room;

/// Midnight UTC of a Monday.
const T0: u32 = 28_000_000 / DAY * DAY + 4 * DAY;

/// One line of traffic: minute, API name, calls, caller, error code ("" for none).
type Line<'a> = (u32, &'a str, u64, &'a str, &'a str);

struct Bench {
    detect: Detect,
    seq: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench { detect: Detect::new(Settings { assume_history: true, partitions: 4, ..Settings::default() }), seq: 0 }
    }

    fn take(&mut self, lines: &[Line<'_>], progress: Progress, taken_at: i64) -> Vec<InsightEvent> {
        self.seq += 1;
        let entry = Entry { taken_at, body: Body::Batch(batch(lines, progress)) };
        self.detect.apply(self.seq, &entry).into_iter().map(|detected| detected.event).collect()
    }

    /// Minutes complete up to `through`, as in a replay.
    fn complete(&mut self, lines: &[Line<'_>], through: u32) -> Vec<InsightEvent> {
        let progress = Progress { complete_through: Some(Minute(through)), ..Progress::default() };
        self.take(lines, progress, i64::from(through) * 60_000)
    }

    /// A live batch whose newest record is as old as the newest line.
    fn live(&mut self, lines: &[Line<'_>]) -> Vec<InsightEvent> {
        let newest = lines.iter().map(|line| line.0).max().unwrap_or(0);
        let progress = Progress { newest: Some(i64::from(newest) * 60 + 30), ..Progress::default() };
        self.take(lines, progress, i64::from(newest) * 60_000 + 45_000)
    }

    /// Nothing came, and it is `minute`.
    fn idle(&mut self, minute: u32) -> Vec<InsightEvent> {
        self.take(&[], Progress { caught_up: true, ..Progress::default() }, i64::from(minute) * 60_000)
    }
}

fn batch(lines: &[Line<'_>], progress: Progress) -> Batch {
    let mut strings = vec!["111122223333", "eu-west-1", "iam.amazonaws.com", "agent", ""];
    strings.extend(lines.iter().flat_map(|line| [line.1, line.3, line.4]));
    strings.sort_unstable();
    strings.dedup();
    let id = |text: &str| strings.binary_search(&text).unwrap() as u32;
    let mut rolled: BTreeMap<(u32, &str), ApiMinute> = BTreeMap::new();
    let mut names: Vec<&str> = lines.iter().map(|line| line.1).collect();
    names.sort_unstable();
    names.dedup();
    for (minute, name, calls, caller, code) in lines {
        let attribution = Attribution { values: vec![(id(caller), *calls)], other: 0 };
        let entry = rolled.entry((*minute, name)).or_insert_with(|| ApiMinute {
            api: names.binary_search(name).unwrap() as u32,
            minute: Minute(*minute),
            calls: 0,
            identities: Attribution::default(),
            agents: Attribution::default(),
            errors: Vec::new(),
        });
        entry.calls += calls;
        match entry.identities.values.iter_mut().find(|value| value.0 == id(caller)) {
            Some(value) => value.1 += calls,
            None => entry.identities.values.push((id(caller), *calls)),
        }
        match entry.agents.values.first_mut() {
            Some(value) => value.1 += calls,
            None => entry.agents.values.push((id("agent"), *calls)),
        }
        if !code.is_empty() {
            let agents = Attribution { values: vec![(id("agent"), *calls)], other: 0 };
            entry.errors.push(ErrorMinute { code: id(code), calls: *calls, identities: attribution, agents });
        }
    }
    Batch {
        apis: names
            .iter()
            .map(|name| Api {
                account: id("111122223333"),
                region: id("eu-west-1"),
                source: id("iam.amazonaws.com"),
                name: id(name),
                class: Class::ManagementWrite,
            })
            .collect(),
        minutes: rolled.into_values().collect(),
        strings: strings.iter().map(|text| text.to_string()).collect(),
        fingerprints: Vec::new(),
        progress: vec![progress],
    }
}

/// Values and averages, in order.
type Averages = Vec<(String, f64)>;

fn attribution(event: &InsightEvent, attribute: Attribute) -> (Averages, Averages) {
    let block = event.details.attributions.iter().find(|block| block.attribute == attribute).expect("attribute");
    let list = |values: &[trailsight_schemas::insight::ValueAverage]| {
        values.iter().map(|value| (value.value.clone(), value.average)).collect()
    };
    (list(&block.insight), list(&block.baseline))
}

#[test]
fn a_burst_is_told_with_its_window_its_callers_and_the_baseline_of_eight_days() {
    let mut bench = Bench::new();
    for day in 0..8 {
        assert_eq!(bench.complete(&[(T0 + day * DAY + 600, "CreateUser", 1, "role/ci", "")], T0 + day * DAY + 900), []);
    }
    let at = T0 + 8 * DAY + 100;
    let mut told = bench.complete(
        &[(at, "CreateUser", 400, "user/mallory", ""), (at, "CreateUser", 10, "role/ci", "AccessDenied")],
        at,
    );
    told.retain(|event| event.details.insight_type == InsightType::ApiCallRate);
    assert_eq!(told.len(), 1, "{told:?}");
    let start = &told[0];
    let statistics = start.details.statistics;
    assert_eq!((start.details.state, start.event_time), (State::Start, i64::from(at) * 60));
    assert_eq!((statistics.insight_duration, statistics.insight), (1, 410.0));
    assert_eq!(statistics.baseline_duration, WEEK + 100);
    assert_eq!((statistics.baseline * f64::from(WEEK + 100)).round(), 7.0, "one call on each of seven days");
    let (insight, baseline) = attribution(start, Attribute::UserIdentityArn);
    assert_eq!(insight, [("user/mallory".to_owned(), 400.0), ("role/ci".to_owned(), 10.0)]);
    assert_eq!(baseline.len(), 1);
    let (codes, _) = attribution(start, Attribute::ErrorCode);
    assert_eq!(codes, [("null".to_owned(), 400.0), ("AccessDenied".to_owned(), 10.0)]);
    let ours = start.trailsight.as_ref().expect("ours");
    assert!(ours.principals[0].new && !ours.principals[1].new);

    let ended = bench.complete(&[], at + 120);
    let end = ended.iter().find(|event| event.details.insight_type == InsightType::ApiCallRate).expect("an End");
    assert_eq!((end.details.state, end.event_time), (State::End, i64::from(at + 1) * 60));
    assert_eq!((end.details.statistics.insight_duration, end.details.statistics.insight), (1, 410.0));
    assert_eq!(end.details.statistics.baseline, statistics.baseline);
    assert_eq!(end.shared_event_id, start.shared_event_id);
    assert_ne!(end.event_id, start.event_id);
}

#[test]
fn a_spike_does_not_wait_for_the_watermark_but_its_end_does() {
    let mut bench = Bench::new();
    bench.live(&[(T0, "CreateUser", 1, "role/ci", "")]);
    let told = bench.live(&[(T0 + 600, "CreateUser", 500, "user/mallory", "")]);
    assert_eq!(told.len(), 1, "told with the record that tips it");
    assert_eq!(bench.live(&[(T0 + 600, "CreateUser", 100, "user/mallory", "")]).len(), 0, "told once");
    assert_eq!(bench.idle(T0 + 610), []);
    let ended = bench.idle(T0 + 700);
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].details.state, State::End);
    assert_eq!(ended[0].event_time, i64::from(T0 + 601) * 60);
    assert_eq!(ended[0].details.statistics.insight, 600.0, "the End counts what came after the Start was told");
}

#[test]
fn calls_later_than_the_watermark_count_in_history_and_in_the_open_incident() {
    let mut bench = Bench::new();
    bench.live(&[(T0, "CreateUser", 1, "role/ci", "")]);
    bench.live(&[(T0 + 600, "CreateUser", 500, "user/mallory", "")]);
    bench.live(&[(T0 + 601, "CreateUser", 500, "user/mallory", "")]);
    bench.idle(T0 + 618);
    bench.live(&[(T0 + 600, "CreateUser", 44, "user/mallory", "")]);
    assert_eq!(bench.detect.sizes().late, 44);
    let ended = bench.idle(T0 + 720);
    assert_eq!(ended[0].details.statistics.insight, 522.0, "1044 calls in two minutes");
}

#[test]
fn reads_are_not_judged_but_their_errors_are() {
    let mut bench = Bench::new();
    let read = |lines: &[Line<'_>], through| {
        let mut read = batch(lines, Progress { complete_through: Some(Minute(through)), ..Progress::default() });
        read.apis.iter_mut().for_each(|api| api.class = Class::ManagementRead);
        Entry { taken_at: 0, body: Body::Batch(read) }
    };
    let entry =
        read(&[(T0, "ListUsers", 5000, "user/mallory", ""), (T0, "GetUser", 300, "user/mallory", "NoSuchEntity")], T0);
    let told = bench.detect.apply(1, &entry);
    let series: Vec<String> =
        told.iter().map(|found| found.event.trailsight.as_ref().unwrap().series.clone()).collect();
    assert_eq!(series, ["111122223333/eu-west-1/iam.amazonaws.com/GetUser/NoSuchEntity"]);
    assert!(told[0].event.details.attributions.iter().all(|block| block.attribute != Attribute::ErrorCode));
}

#[test]
fn nothing_is_judged_before_a_day_and_a_half() {
    let mut bench = Bench { detect: Detect::new(Settings { partitions: 1, ..Settings::default() }), seq: 0 };
    bench.complete(&[(T0, "CreateUser", 1, "role/ci", "")], T0);
    assert_eq!(bench.complete(&[(T0 + 600, "CreateUser", 900, "user/mallory", "")], T0 + 600), []);
    let learning = bench.detect.learning();
    assert_eq!((learning[0].since, learning[0].full_at), (i64::from(T0) * 60, i64::from(T0 + WEEK) * 60));
    assert!(!learning[0].full && !learning[0].provisional);
    bench.complete(&[], T0 + 37 * 60);
    assert!(bench.detect.learning()[0].provisional);
    bench.complete(&[], T0 + WEEK);
    assert!(bench.detect.learning()[0].full);
}

#[test]
fn the_limit_of_series_holds_and_evicts_the_longest_silent() {
    let mut detect = Detect::new(Settings { series: 100, partitions: 1, assume_history: true, ..Settings::default() });
    let mut seq = 0;
    for round in 0..40u32 {
        let names: Vec<String> = (0..50).map(|name| format!("Api{round}x{name}")).collect();
        let lines: Vec<Line<'_>> = names.iter().map(|name| (T0 + round, name.as_str(), 1, "role/ci", "")).collect();
        seq += 1;
        let progress = Progress { complete_through: Some(Minute(T0 + round)), ..Progress::default() };
        detect.apply(seq, &Entry { taken_at: 0, body: Body::Batch(batch(&lines, progress)) });
        if let Some(body) = detect.excess() {
            seq += 1;
            detect.apply(seq, &Entry { taken_at: 0, body });
        }
        assert!(detect.sizes().series <= 100, "round {round}");
    }
    assert_eq!(detect.sizes().evicted + detect.sizes().series as u64, 2000);
}

/// Two thousand APIs in one minute where a hundred series fit: the rest is counted and not kept, and the same
/// entry later finds room again.
#[test]
fn more_series_in_one_minute_than_the_limit_are_counted_and_not_kept() {
    let mut detect = Detect::new(Settings { series: 100, partitions: 1, assume_history: true, ..Settings::default() });
    let names: Vec<String> = (0..2000).map(|name| format!("Api{name:04}")).collect();
    for minute in 0..3 {
        let lines: Vec<Line<'_>> = names.iter().map(|name| (T0 + minute, name.as_str(), 1, "role/ci", "")).collect();
        let progress = Progress { complete_through: Some(Minute(T0 + minute)), ..Progress::default() };
        let entry = Entry { taken_at: 0, body: Body::Batch(batch(&lines, progress)) };
        detect.apply(u64::from(minute) + 1, &entry);
        assert!(detect.sizes().series <= 100, "{:?}", detect.sizes());
    }
    assert!(detect.sizes().overflowed >= 3 * 1900, "{:?}", detect.sizes());
}

/// Lines of made-up traffic: a few APIs over a few hours, now and then a burst.
fn traffic() -> impl Strategy<Value = Vec<(u32, u8, u64, u8, bool)>> {
    let calls = prop_oneof![8 => 1..4u64, 1 => 50..500u64];
    prop::collection::vec((0..400u32, 0..3u8, calls, 0..3u8, prop::bool::weighted(0.2)), 1..120)
}

fn names(lines: &[(u32, u8, u64, u8, bool)]) -> Vec<Line<'static>> {
    const NAMES: [&str; 3] = ["CreateUser", "DeleteUser", "PutRolePolicy"];
    const CALLERS: [&str; 3] = ["role/ci", "user/alice", "user/bob"];
    let mut lines: Vec<Line<'static>> = lines
        .iter()
        .map(|line| {
            let code = if line.4 { "AccessDenied" } else { "" };
            (T0 + line.0, NAMES[line.1 as usize], line.2, CALLERS[line.3 as usize], code)
        })
        .collect();
    lines.sort_unstable();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Invariant 2: a state that was stored and brought back goes on as if nothing had happened, and is stored
    /// as the same bytes.
    #[test]
    fn stored_state_goes_on_the_same(lines in traffic(), cut in 0usize..120) {
        let lines = names(&lines);
        let (before, after) = lines.split_at(cut.min(lines.len()));
        let mut bench = Bench::new();
        for line in before {
            bench.live(&[*line]);
        }
        let parts: Vec<_> = (0..bench.detect.partitions()).map(|at| bench.detect.part(at)).collect();
        let restored = Detect::restore(parts.clone(), Settings::default()).unwrap();
        let again: Vec<_> = (0..restored.partitions()).map(|at| restored.part(at)).collect();
        prop_assert_eq!(&parts, &again);
        let mut other = Bench { detect: restored, seq: bench.seq };
        for line in after {
            prop_assert_eq!(bench.live(&[*line]), other.live(&[*line]));
        }
        prop_assert_eq!(bench.idle(T0 + 2000), other.idle(T0 + 2000));
    }

    /// A Start is followed by at most one End, of the same incident, with more calls than any Start told and
    /// the Start's baseline; levels only rise.
    #[test]
    fn incidents_are_told_in_order(lines in traffic()) {
        let mut bench = Bench::new();
        let mut told: BTreeMap<uuid::Uuid, Vec<InsightEvent>> = BTreeMap::new();
        let mut all = Vec::new();
        for line in names(&lines) {
            all.extend(bench.live(&[line]));
        }
        all.extend(bench.idle(T0 + 3000));
        for event in all {
            told.entry(event.shared_event_id).or_default().push(event);
        }
        for events in told.values() {
            let (last, starts) = events.split_last().unwrap();
            prop_assert_eq!(last.details.state, State::End);
            prop_assert!(!starts.is_empty());
            for (revision, start) in starts.iter().enumerate() {
                prop_assert_eq!(start.details.state, State::Start);
                prop_assert_eq!(start.trailsight.as_ref().unwrap().revision, revision as u32);
                prop_assert_eq!(start.event_time, starts[0].event_time);
                prop_assert_eq!(start.details.statistics.baseline, last.details.statistics.baseline);
            }
            for pair in starts.windows(2) {
                let level = |event: &InsightEvent| event.trailsight.as_ref().unwrap().sensitivity;
                prop_assert!(level(&pair[1]) < level(&pair[0]));
            }
            let minutes = last.details.statistics.insight_duration;
            prop_assert_eq!(last.event_time - starts[0].event_time, i64::from(minutes) * 60);
        }
    }
}
