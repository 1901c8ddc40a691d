//! Entries made to break, to flood or to blind: no panic, no figure that is none, no storm, bounded memory.

use trailsight_schemas::insight::Extension;

use super::*;
use crate::detect::folding::MOST_FOLDED;
use crate::detect::settings::LEAST_OPEN_BYTES;

fn ours(event: &InsightEvent) -> &Extension {
    event.trailsight.as_ref().unwrap()
}

fn state(bench: &Bench) -> Vec<Option<super::super::Part>> {
    (0..bench.detect.partitions()).map(|at| bench.detect.part(at)).collect()
}

/// What must hold of everything that is said.
fn sound(told: &[InsightEvent]) -> Result<(), TestCaseError> {
    let mut starts = BTreeMap::new();
    for event in told {
        let statistics = event.details.statistics;
        let own = ours(event);
        let thresholds = own.thresholds.into_iter().flatten();
        let figures = [statistics.baseline, statistics.insight, own.expected, own.observed, own.chance_per_week];
        for figure in figures.into_iter().chain(thresholds) {
            prop_assert!(figure.is_finite() && figure >= 0.0, "{event:?}");
        }
        if event.details.state == State::Start {
            starts.insert(event.shared_event_id, event.event_time);
        } else {
            let start = starts.get(&event.shared_event_id);
            prop_assert!(start.is_some_and(|start| *start < event.event_time), "{event:?}");
        }
    }
    Ok(())
}

/// A week of two APIs, so that something is expected.
fn learned() -> Bench {
    let mut bench = Bench::new();
    for hour in 0..7 * 24 {
        let at = T0 + hour * 60;
        let lines: Vec<Line<'_>> = (0..60)
            .step_by(6)
            .flat_map(|minute| {
                let calls = 1 + u64::from((hour * 13 + minute) % 5);
                [(at + minute, "CreateUser", calls, "role/ci", ""), (at + minute, "PutRolePolicy", 1, "role/ci", "")]
            })
            .collect();
        bench.complete(&lines, at + 59);
    }
    bench
}

/// Accounts of 200,000 APIs that nobody ever called, all in one minute: one insight that says so, in bounded time
/// and memory, whether the minute is told while it is open or when it is complete (what is quadratic takes an hour).
#[test]
fn two_hundred_thousand_series_in_one_minute_are_one_insight() {
    const SERIES: usize = 200_000;
    let names: Vec<String> = (0..SERIES).map(|n| format!("Api{n:06}")).collect();
    let at = T0 + 9 * 60;
    let lines: Vec<Line<'_>> = names.iter().map(|name| (at, name.as_str(), 50, "user/bob", "")).collect();
    for live in [false, true] {
        let mut bench = Bench::new();
        bench.complete(&[(T0, "Old", 1, "user/alice", "")], T0 + 8 * 60);
        let mut told = if live { bench.live(&lines) } else { bench.complete(&lines, at) };
        let sizes = bench.detect.sizes();
        // Each is dense, and has attributions; where they are too many bytes, the coldest are evicted.
        assert!(sizes.series > SERIES && sizes.bytes / sizes.series <= 1536, "{sizes:?}");
        // One open minute is kept, whatever it takes.
        assert!(sizes.open_bytes <= LEAST_OPEN_BYTES.max(SERIES * 512), "{sizes:?}");
        told.extend(bench.idle(at + 40));
        let starts: Vec<&InsightEvent> = told.iter().filter(|event| event.details.state == State::Start).collect();
        let leads: Vec<_> = starts.iter().filter(|event| ours(event).leader.is_none()).collect();
        // Those that were told while the minute was open, and the sweep that is known when it is over.
        assert!(leads.len() <= 1 + usize::from(live), "{leads:?}");
        assert!(starts.len() <= 2 * (MOST_FOLDED as usize + 1), "{}", starts.len());
        assert!(
            leads.iter().any(|lead| ours(lead).members_omitted as usize + ours(lead).members.len() >= SERIES - 1),
            "{leads:?}"
        );
        assert!(bench.detect.sizes().omitted as usize >= SERIES - 2 * MOST_FOLDED as usize);
        bench.idle(at + 400);
        let sizes = bench.detect.sizes();
        assert!(sizes.incidents == 0 && sizes.bytes / sizes.series <= 1536, "{sizes:?}");
    }
}

#[test]
fn a_week_of_nothing_and_then_the_old_traffic_is_no_storm() {
    let mut bench = learned();
    let back = T0 + 14 * DAY;
    let mut told = bench.complete(&[], back - 1);
    for hour in 0..3 * 24 {
        let at = back + hour * 60;
        let lines: Vec<Line<'_>> =
            (0..60).step_by(6).map(|minute| (at + minute, "CreateUser", 3, "role/ci", "")).collect();
        told.extend(bench.complete(&lines, at + 59));
    }
    let starts: Vec<_> = told.iter().filter(|event| event.details.state == State::Start).collect();
    assert!(starts.len() <= 3, "{starts:?}");
    sound(&told).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Records, watermarks and the wall clock of a host that go back and forth by weeks; counts of any size.
    #[test]
    fn clocks_that_run_backwards_and_counts_without_bounds(
        steps in prop::collection::vec(
            (0..60 * DAY, 0..60 * DAY, 0..60 * DAY, prop_oneof![1..9u64, Just(1 << 40), any::<u64>()], 0..3u8), 1..40),
    ) {
        let mut bench = Bench::new();
        let mut told = Vec::new();
        for (minute, newest, wall, calls, api) in steps {
            let name = ["CreateUser", "DeleteUser", "PutRolePolicy"][usize::from(api)];
            let code = if api == 2 { "AccessDenied" } else { "" };
            let progress = Progress { newest: Some(i64::from(T0 + newest) * 60), caught_up: api == 1, ..Progress::default() };
            told.extend(bench.take(&[(T0 + minute, name, calls, "role/ci", code)], progress, i64::from(T0 + wall) * 60_000));
        }
        told.extend(bench.idle(T0 + 70 * DAY));
        sound(&told)?;
        prop_assert!(told.len() <= 400, "{}", told.len());
        let restored = Detect::restore(state(&bench), Settings::default()).unwrap();
        let again: Vec<_> = (0..restored.partitions()).map(|at| restored.part(at)).collect();
        prop_assert_eq!(again, state(&bench));
    }

    /// An entry that is applied again, because the journal was read again, changes nothing and says nothing.
    #[test]
    fn an_entry_twice_is_an_entry_once(lines in traffic()) {
        let mut bench = Bench::new();
        for line in names(&lines) {
            bench.live(&[line]);
            let before = state(&bench);
            bench.seq -= 1;
            prop_assert_eq!(bench.live(&[line]), vec![]);
            prop_assert_eq!(state(&bench), before);
        }
    }

    /// What APIs are called, and so in which order their series stand, changes nothing but the names: who of equals
    /// leads is the one thing that a name decides. The chance agrees to one in a million: the account's pool of tails takes
    /// the peaks of one minute in the order of the series, and bounds each by those before it.
    #[test]
    fn names_and_the_order_of_series_change_nothing(lines in traffic(), cut in 1usize..9) {
        type Said = (i64, String, State, trailsight_schemas::insight::Sensitivity, [f64; 4]);
        let run = |names: [&'static str; 3]| {
            let mut bench = Bench::new();
            let mut all: Vec<Line<'_>> = lines
                .iter()
                .map(|line| (T0 + line.0, names[line.1 as usize], line.2, ["role/ci", "user/a"][line.3 as usize % 2], if line.4 { "AccessDenied" } else { "" }))
                .collect();
            all.sort_unstable_by_key(|line| line.0);
            let mut told = Vec::new();
            for few in all.chunks(cut) {
                told.extend(bench.live(few));
            }
            told.extend(bench.idle(T0 + 2000));
            let of_one = told.iter().filter(|event| event.details.event_name != "*");
            let mut said: Vec<Said> = of_one
                .map(|event| {
                    let place = names.iter().position(|name| *name == event.details.event_name).unwrap();
                    let series = format!("{place}{:?}", event.details.error_code);
                    let statistics = event.details.statistics;
                    let figures = [statistics.insight, statistics.baseline, ours(event).expected, ours(event).chance_per_week];
                    (event.event_time, series, event.details.state, ours(event).sensitivity, figures)
                })
                .collect();
            said.sort_by(|a, b| (a.0, &a.1, a.2 as u8, a.3).cmp(&(b.0, &b.1, b.2 as u8, b.3)));
            said
        };
        let (one, other) = (run(["Aaa", "Bbb", "Ccc"]), run(["Zoo", "Yak", "Ant"]));
        prop_assert_eq!(one.len(), other.len());
        for (one, other) in one.iter().zip(&other) {
            prop_assert_eq!((one.0, &one.1, one.2, one.3), (other.0, &other.1, other.2, other.3));
            prop_assert_eq!(&one.4[..3], &other.4[..3]);
            prop_assert!((one.4[3] / other.4[3] - 1.0).abs() < 1e-6, "{one:?} {other:?}");
        }
    }

    /// More calls in a minute are never less unusual: the level of an API's Start only gets stricter.
    #[test]
    fn more_calls_are_never_less_unusual(calls in 2u64..200, more in 1u64..200) {
        let level = |calls| {
            let mut bench = learned();
            let told = bench.complete(&[(T0 + 7 * DAY + 600, "CreateUser", calls, "role/ci", "")], T0 + 7 * DAY + 600);
            told.iter().map(|event| ours(event).sensitivity as u8).min().unwrap_or(3)
        };
        prop_assert!(level(calls + more) <= level(calls));
    }
}
