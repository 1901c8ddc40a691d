use proptest::prelude::*;

use super::*;
use crate::deliver::fixtures::row;
use State::{End, Start};

const HOUR_MS: i64 = 3_600_000;

fn scheduler(in_flight: usize) -> Scheduler {
    Scheduler::new(Limits { in_flight, deadline: Duration::from_secs(3600), ..Limits::default() })
}

fn failure(retry: Retry) -> Result<(), SendError> {
    Err(SendError::new(retry, "no"))
}

fn ids(steps: &[Step]) -> Vec<i64> {
    let id = |step: &Step| match step {
        Step::Send(row) | Step::GiveUp(row, _) => row.id,
    };
    steps.iter().map(id).collect()
}

#[test]
fn no_more_rows_are_in_flight_than_allowed() {
    let mut scheduler = scheduler(2);
    let rows = || (1..=5).map(|id| row(id, id.unsigned_abs().into(), Start)).collect::<Vec<_>>();
    assert_eq!(ids(&scheduler.admit(rows(), 0)), [1, 2]);
    assert_eq!(ids(&scheduler.admit(rows(), 0)), [0i64; 0]);
    assert_eq!(scheduler.settle(&row(1, 1, Start), 0, Ok(())), Verdict::Delivered);
    assert_eq!(scheduler.room(0), 0, "its fate is not written yet");
    scheduler.written(1);
    assert_eq!(ids(&scheduler.admit(rows()[1..].to_vec(), 0)), [3]);
}

#[test]
fn an_end_waits_for_its_start_and_nobody_else() {
    let mut scheduler = scheduler(8);
    let rows = vec![row(1, 7, Start), row(2, 7, End), row(3, 8, Start)];
    assert_eq!(ids(&scheduler.admit(rows, 0)), [1, 3]);
    assert_eq!(ids(&scheduler.admit(vec![row(2, 7, End)], 0)), [0i64; 0]);
    scheduler.written(1);
    assert_eq!(ids(&scheduler.admit(vec![row(2, 7, End)], 0)), [2]);
}

#[test]
fn a_failure_is_postponed_within_its_backoff_and_its_deadline() {
    let mut scheduler = scheduler(8);
    for attempts in 0..12 {
        let mut row = row(1, 1, Start);
        row.attempts = attempts;
        let Verdict::Postpone { until_ms, error } = scheduler.settle(&row, 1000, failure(Retry::Now)) else {
            panic!("not old")
        };
        let ceiling = (1000i64 << attempts).min(300_000);
        assert!((1001..=1001 + ceiling).contains(&until_ms), "{attempts}: {until_ms}");
        assert_eq!(error, "no");
    }
    let late = scheduler.settle(&row(1, 1, Start), HOUR_MS - 5, failure(Retry::After(Duration::from_secs(60))));
    assert_eq!(late, Verdict::Postpone { until_ms: HOUR_MS, error: "no".into() });
}

#[test]
fn a_refusal_is_final_and_so_is_the_deadline() {
    let mut scheduler = scheduler(8);
    assert_eq!(scheduler.settle(&row(1, 1, Start), 0, failure(Retry::Never)), Verdict::Dead { error: "no".into() });
    let error = "deadline of 3600 s passed: no".into();
    assert_eq!(scheduler.settle(&row(1, 1, Start), HOUR_MS, failure(Retry::Now)), Verdict::Dead { error });
    let mut old = row(2, 2, Start);
    old.attempts = 3;
    let expected = Step::GiveUp(old.clone(), "deadline of 3600 s passed".into());
    assert_eq!(scheduler.admit(vec![old], HOUR_MS), [expected]);
}

#[test]
fn after_a_long_stop_of_the_service_every_row_is_tried_once() {
    let mut scheduler = scheduler(8);
    assert_eq!(scheduler.admit(vec![row(1, 1, Start)], 100 * HOUR_MS), [Step::Send(row(1, 1, Start))]);
}

#[test]
fn an_end_shares_the_fate_of_its_start() {
    let mut scheduler = scheduler(8);
    let mut end = row(2, 1, End);
    end.start_died = true;
    let reason = "its Start ended in the dead letter".to_owned();
    assert_eq!(scheduler.admit(vec![end.clone()], 0), [Step::GiveUp(end, reason)]);
}

#[test]
fn a_receiver_that_asks_for_time_gets_it_for_every_row() {
    let mut scheduler = scheduler(8);
    let verdict = scheduler.settle(&row(1, 1, Start), 0, failure(Retry::After(Duration::from_secs(90))));
    assert_eq!(verdict, Verdict::Postpone { until_ms: 90_000, error: "no".into() });
    assert_eq!((scheduler.room(89_999), scheduler.held_until(89_999)), (0, Some(90_000)));
    assert_eq!((scheduler.room(90_000), scheduler.held_until(90_000)), (8, None));
}

#[test]
fn a_sink_that_is_down_is_probed_one_row_at_a_time() {
    let mut scheduler = scheduler(8);
    let mut now = 0;
    for failed in 1..=40 {
        scheduler.settle(&row(failed, failed.unsigned_abs().into(), Start), now, failure(Retry::Now));
        let held = scheduler.held_until(now);
        assert_eq!(held.is_some(), failed >= 5, "{failed}");
        if let Some(until) = held {
            assert!(until - now <= 300_001);
            assert_eq!(scheduler.room(now), 0);
            now = until;
            assert_eq!(scheduler.room(now), 1);
        }
    }
    assert!(now > 300_000, "the pauses grow");
    scheduler.settle(&row(99, 99, Start), now, Ok(()));
    assert_eq!(scheduler.room(now), 8);
}

#[test]
fn a_receiver_that_refuses_is_up() {
    let mut scheduler = scheduler(8);
    for id in 1..=5 {
        scheduler.settle(&row(id, 1, Start), 0, failure(Retry::Now));
    }
    scheduler.settle(&row(6, 2, Start), HOUR_MS / 2, failure(Retry::Never));
    assert_eq!(scheduler.room(HOUR_MS / 2), 8);
}

#[test]
fn settings_at_their_edges_do_not_stop_or_panic() {
    let zero = Duration::ZERO;
    let limits = Limits {
        in_flight: 0,
        deadline: zero,
        backoff_base: zero,
        backoff_cap: zero,
        breaker_failures: 0,
        outbox_rows: 0,
    };
    let mut scheduler = Scheduler::new(limits);
    assert_eq!(scheduler.room(0), 1);
    let steps = scheduler.admit(vec![row(1, 1, Start)], i64::MAX);
    assert_eq!(ids(&steps), [1]);
    assert!(matches!(scheduler.settle(&row(1, 1, Start), i64::MAX, failure(Retry::Now)), Verdict::Dead { .. }));
    let limits = Limits { deadline: Duration::MAX, ..limits };
    let mut scheduler = Scheduler::new(limits);
    let verdict = scheduler.settle(&row(1, 1, Start), i64::MAX, failure(Retry::After(Duration::MAX)));
    assert_eq!(verdict, Verdict::Postpone { until_ms: i64::MAX, error: "no".into() });
}

proptest! {
    /// Any sequence of outcomes: rows of an incident go one after the other and in order, nothing is tried after
    /// it was settled, and everything comes to an end.
    #[test]
    fn every_row_comes_to_an_end_in_order(
        incidents in prop::collection::vec(0u128..6, 1..40),
        outcomes in prop::collection::vec((0u8..6, 0usize..100), 0..400),
        in_flight in 1usize..5,
    ) {
        let mut scheduler = scheduler(in_flight);
        let mut pending: Vec<(i64, Row)> = incidents.iter().zip(1..).map(|(incident, id)| (0, row(id, *incident, Start))).collect();
        let mut flying: Vec<Row> = Vec::new();
        let mut outcomes = outcomes.into_iter();
        let mut ended: BTreeMap<Uuid, i64> = BTreeMap::new();
        let mut now = 0;
        for _ in 0..100_000 {
            if pending.is_empty() {
                break;
            }
            let heads = pending.iter().filter(|(due, row)| {
                *due <= now && !pending.iter().any(|(_, other)| other.id < row.id && other.shared_event_id == row.shared_event_id)
            });
            let due = heads.take(scheduler.ask_for(now)).map(|(_, row)| row.clone()).collect();
            for step in scheduler.admit(due, now) {
                let (Step::Send(row) | Step::GiveUp(row, _)) = &step;
                prop_assert!(flying.iter().all(|other| other.shared_event_id != row.shared_event_id));
                prop_assert!(ended.get(&row.shared_event_id).is_none_or(|last| *last < row.id));
                match step {
                    Step::Send(row) => flying.push(row),
                    Step::GiveUp(row, _) => {
                        scheduler.written(row.id);
                        pending.retain(|(_, other)| other.id != row.id);
                        ended.insert(row.shared_event_id, row.id);
                    }
                }
            }
            prop_assert!(flying.len() <= in_flight);
            if flying.is_empty() {
                now += 1000;
                continue;
            }
            let (kind, which) = outcomes.next().unwrap_or((0, 0));
            let row = flying.swap_remove(which % flying.len());
            let outcome = match kind {
                0 | 1 => Ok(()),
                2 => failure(Retry::Never),
                3 => failure(Retry::After(Duration::from_secs(30))),
                _ => failure(Retry::Now),
            };
            match scheduler.settle(&row, now, outcome) {
                Verdict::Postpone { until_ms, .. } => {
                    prop_assert!(until_ms > now && until_ms <= HOUR_MS.max(now + 1));
                    for (due, other) in pending.iter_mut().filter(|(_, other)| other.id == row.id) {
                        *due = until_ms;
                        other.attempts += 1;
                    }
                }
                Verdict::Delivered | Verdict::Dead { .. } => {
                    pending.retain(|(_, other)| other.id != row.id);
                    ended.insert(row.shared_event_id, row.id);
                }
            }
            scheduler.written(row.id);
        }
        prop_assert!(pending.is_empty());
    }
}
