//! Whatever comes: no panic, no NaN, no storm, no growth.

use alloc::vec::Vec;
use proptest::prelude::*;

use super::traffic::{BEGIN, Budget, Dice, Run};
use crate::{Level, MOST_CALLS, Series, UnpackError, WEEK};

#[test]
fn a_series_fits_its_size_in_memory_and_packed() {
    let budget = Budget::new(100.0);
    let (mut run, mut dice) = (Run::new(), Dice(8));
    run.feed(BEGIN, 3 * WEEK, &budget.context(), |_| dice.poisson(9.0));
    assert!(run.series.bytes() <= 1024 + size_of::<Series>(), "{}", run.series.bytes());
    let mut bytes = Vec::new();
    run.series.pack(&mut bytes);
    assert!(bytes.len() <= 1024, "{}", bytes.len());
    let mut sparse = Run::new();
    sparse.feed(BEGIN, 3 * WEEK, &budget.context(), |minute| u64::from(minute % 3000 == 7));
    assert!(sparse.series.bytes() <= 200, "{}", sparse.series.bytes());
    sparse.feed(BEGIN + 3 * WEEK, 2 * 1440, &budget.context(), |_| dice.poisson(2.0));
    assert!(sparse.series.bytes() > 1000, "promoted");
}

#[test]
fn a_change_of_scale_by_a_million_is_told_and_accepted() {
    let budget = Budget::new(50.0);
    let (mut run, mut dice) = (Run::new(), Dice(7));
    run.feed(BEGIN, 2 * WEEK, &budget.learning(), |_| dice.poisson(2.0));
    run.feed(BEGIN + 2 * WEEK, WEEK, &budget.context(), |_| 2_000_000);
    assert!((2..=6).contains(&run.said.len()), "{:?}", run.said);
    run.feed(BEGIN + 3 * WEEK, WEEK, &budget.context(), |_| 2);
    assert!(run.said.len() <= 8, "back down is no rise: {:?}", run.said);
    assert!(run.series.expected(BEGIN + 4 * WEEK).is_finite());
}

#[test]
fn counts_above_the_limit_count_as_the_limit() {
    let budget = Budget::new(50.0);
    let mut runs = [Run::new(), Run::new()];
    for (run, calls) in runs.iter_mut().zip([MOST_CALLS, u64::MAX]) {
        run.feed(BEGIN, 3000, &budget.context(), |_| calls);
    }
    assert!(runs[0].series == runs[1].series);
}

#[test]
fn every_prefix_and_every_flipped_bit_is_read_or_refused() {
    let budget = Budget::new(20.0);
    let (mut run, mut dice) = (Run::new(), Dice(11));
    run.feed(BEGIN, 9000, &budget.context(), |_| dice.poisson(0.4));
    run.close(BEGIN + 9000, 900, &budget.context());
    let mut bytes = Vec::new();
    run.series.pack(&mut bytes);
    assert!(run.series.is_active());
    (0..bytes.len()).for_each(|length| assert!(Series::unpack(&bytes[..length]).is_err()));
    for at in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        if let Ok(mut series) = Series::unpack(&damaged) {
            let next = series.last_closed().saturating_add(1);
            series.close(next, 5, &budget.context());
            series.close(next.saturating_add(100), 5, &budget.context());
            assert!(series.expected(next).is_finite());
        }
    }
    assert_eq!(Series::unpack(&[9, 1, 2]), Err(UnpackError::Version(9)));
    bytes.push(1);
    assert_eq!(Series::unpack(&bytes), Err(UnpackError::Trailing));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_minutes_and_any_counts(
        since: u32, first: u32,
        calls in proptest::collection::vec((any::<u32>(), prop_oneof![any::<u64>(), 0_u64..10]), 1..12),
    ) {
        let budget = Budget::new(1.0);
        let mut run = Run::since(since, first);
        for (minute, count) in calls {
            run.close(minute, count, &budget.context());
            if let Some(finding) = run.series.probe(minute.saturating_add(3), &[count; 5], &budget.context()) {
                run.series.open_early(&finding);
            }
            prop_assert!(run.series.expected(minute).is_finite());
            let mut bytes = Vec::new();
            run.series.pack(&mut bytes);
            prop_assert!(Series::unpack(&bytes) == Ok(run.series.clone()));
        }
    }

    #[test]
    fn garbage_is_refused_or_sound(mut bytes in proptest::collection::vec(any::<u8>(), 0..900)) {
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        let budget = Budget::new(1.0);
        if let Ok(mut series) = Series::unpack(&bytes) {
            series.close(series.last_closed().saturating_add(1), 9, &budget.context());
            prop_assert!(series.expected(0).is_finite());
        }
    }

    #[test]
    fn more_calls_are_never_less_severe(
        seed: u64, mean in 0.0_f64..6.0, job in 0_u64..60, minute in 0_u32..1600,
        recent in proptest::array::uniform5(0_u64..80), more in 1_u64..60,
    ) {
        let budget = Budget::new(5.0);
        let (mut run, mut dice) = (Run::since(BEGIN - WEEK, BEGIN), Dice(seed));
        run.feed(BEGIN, 4 * 1440, &budget.learning(), |m| dice.poisson(mean) + u64::from(m % 1440 == 700) * job);
        let at = BEGIN + 4 * 1440 + minute;
        let severity = |calls| run.series.probe(at, &calls, &budget.context()).map(|finding| finding.level);
        let rank = |level: Option<Level>| level.map_or(3, |level| level as u8);
        let [a, b, c, d, e] = recent;
        prop_assert!(rank(severity([a, b, c, d, e + more])) <= rank(severity(recent)));
    }

    #[test]
    fn thresholds_are_where_the_minute_test_begins(seed: u64, mean in 0.1_f64..20.0) {
        let budget = Budget::new(100.0);
        let (mut run, mut dice) = (Run::new(), Dice(seed));
        run.feed(BEGIN, 8 * 1440, &budget.learning(), |_| dice.poisson(mean));
        let next = BEGIN + 8 * 1440;
        let thresholds = run.series.thresholds(next, &budget.context());
        prop_assert!(thresholds[0] >= thresholds[1] && thresholds[1] >= thresholds[2]);
        let finding = run.series.probe(next, &[0, 0, 0, 0, thresholds[0]], &budget.context());
        prop_assert_eq!(finding.map(|finding| finding.level), Some(Level::Low));
    }
}
