//! The same minutes, told in different ways, are the same series.

use alloc::vec::Vec;
use proptest::prelude::*;

use super::traffic::{BEGIN, Budget, Run};
use crate::{Context, FORGET, Judge, Minute, Series};

fn packed(series: &Series) -> Vec<u8> {
    let mut bytes = Vec::new();
    series.pack(&mut bytes);
    bytes
}

/// Gaps and counts of minutes with calls.
fn sparse() -> impl Strategy<Value = Vec<(u32, u64)>> {
    let gap = prop_oneof![8 => 0_u32..90, 3 => 0_u32..3000, 1 => 0_u32..30_000];
    let count = prop_oneof![8 => 1_u64..4, 2 => 1_u64..400, 1 => 1_u64..1_000_000];
    proptest::collection::vec((gap, count), 1..40)
}

fn minutes(gaps: &[(u32, u64)]) -> Vec<(Minute, u64)> {
    let mut at = BEGIN;
    let place = |(gap, calls): &(u32, u64)| {
        at += gap + 1;
        (at, *calls)
    };
    gaps.iter().map(place).collect()
}

fn by_hand(run: &mut Run, calls: &[(Minute, u64)], context: &Context<'_>) {
    for (minute, count) in calls {
        for empty in run.series.last_closed() + 1..*minute {
            run.close(empty, 0, context);
        }
        run.close(*minute, *count, context);
    }
}

/// Closes empty minutes as long as the series wants to see them.
fn lazily(run: &mut Run, until: Minute, context: &Context<'_>) {
    let mut awake = run.awake;
    while awake && run.series.last_closed() + 1 < until {
        awake = run.close(run.series.last_closed() + 1, 0, context).awake;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn zeros_left_out_are_zeros_closed_by_hand(gaps in sparse(), watched in 0_u32..40_000) {
        let budget = Budget::new(30.0);
        let calls = minutes(&gaps);
        let (mut dense, mut lazy) = (Run::since(BEGIN - watched, BEGIN), Run::since(BEGIN - watched, BEGIN));
        by_hand(&mut dense, &calls, &budget.context());
        for (minute, count) in &calls {
            lazily(&mut lazy, *minute, &budget.context());
            lazy.close(*minute, *count, &budget.context());
        }
        prop_assert!(dense.series == lazy.series);
        prop_assert_eq!(&dense.bursts, &lazy.bursts);
        let said = |run: &Run| run.said.iter().map(|said| said.1).collect::<Vec<_>>();
        prop_assert_eq!(said(&dense), said(&lazy));
    }

    #[test]
    fn packed_and_unpacked_it_behaves_to_the_bit(gaps in sparse(), cut in 0_usize..40) {
        let budget = Budget::new(30.0);
        let calls = minutes(&gaps);
        let mut run = Run::since(BEGIN - 20_000, BEGIN);
        let mut copy = Run::since(BEGIN - 20_000, BEGIN);
        for (at, (minute, count)) in calls.iter().enumerate() {
            if at == cut {
                copy.series = Series::unpack(&packed(&run.series)).unwrap();
            }
            prop_assert_eq!(run.close(*minute, *count, &budget.context()), copy.close(*minute, *count, &budget.context()));
        }
        prop_assert_eq!(packed(&run.series), packed(&copy.series));
    }

    #[test]
    fn a_minute_told_twice_or_backwards_changes_nothing(gaps in sparse(), back in 0_u32..500) {
        let budget = Budget::new(30.0);
        let mut run = Run::since(BEGIN - 20_000, BEGIN);
        for (minute, count) in minutes(&gaps) {
            run.close(minute, count, &budget.context());
            let before = packed(&run.series);
            let step = run.series.close(minute - back, 77, &budget.context());
            prop_assert!(step.transition.is_none() && step.before.is_none() && step.first_burst.is_none());
            prop_assert_eq!(before, packed(&run.series));
        }
    }
}

#[test]
fn a_series_silent_for_eight_weeks_is_a_new_one_whichever_way_the_silence_is_told() {
    let budget = Budget::new(30.0);
    let context = Context { judge: Judge::Nothing, ..budget.context() };
    for (gap, forgotten) in [(FORGET - 1, false), (FORGET, true), (FORGET + 1, true), (40 * FORGET, true)] {
        let mut lazy = Run::since(BEGIN, BEGIN);
        lazy.feed(BEGIN, 3000, &context, |minute| u64::from(minute % 7 == 0) * 5);
        let last = lazy.series.last_call().unwrap();
        let mut by_hours = lazy.series.clone();
        lazy.close(last + gap, 1, &context);
        (last + 1..last + gap).filter(|minute| minute % 59 == 0).for_each(|minute| {
            by_hours.close(minute, 0, &context);
        });
        by_hours.close(last + gap, 1, &context);
        assert!(lazy.series == by_hours);
        let mut fresh = Series::new(BEGIN, last + gap);
        fresh.close(last + gap, 1, &context);
        assert_eq!(lazy.series == fresh, forgotten, "{gap}");
    }
}

#[test]
fn a_probe_that_opens_early_agrees_with_the_close_that_follows() {
    let budget = Budget::new(100.0);
    let mut dice = super::traffic::Dice(4);
    let mut early = Run::new();
    early.feed(BEGIN, 3 * 10_080, &budget.learning(), |_| dice.poisson(2.0));
    let mut late = Run { series: early.series.clone(), said: Vec::new(), bursts: Vec::new(), awake: false };
    let (from, burst) = (BEGIN + 3 * 10_080, BEGIN + 3 * 10_080 + 6);
    let calls = |minute: Minute| if (burst..burst + 9).contains(&minute) { 200 } else { 2 };
    let recent = [4, 3, 2, 1, 0].map(|ago| calls(burst - ago));
    let finding = early.series.probe(burst, &recent, &budget.context()).unwrap();
    assert_eq!(finding.start, burst);
    early.series.open_early(&finding);
    assert!(early.series.probe(burst, &recent, &budget.context()).is_none(), "told once");
    early.feed(from, 200, &budget.context(), calls);
    late.feed(from, 200, &budget.context(), calls);
    let [(_, crate::Transition::Opened(opened)), ended] = late.said[..] else { panic!("{:?}", late.said) };
    assert_eq!((opened.level, opened.start), (finding.level, finding.start));
    assert_eq!(early.said, [ended]);
}
