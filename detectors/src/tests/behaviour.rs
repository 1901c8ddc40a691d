use super::traffic::{BEGIN, Budget, Dice, Run};
use crate::{EndReason, FirstUsePool, Judge, Level, Test, Transition, WEEK};

#[test]
fn steady_traffic_raises_nothing_in_weeks_at_medium() {
    let budget = Budget::new(200.0);
    let mut alarms = 0;
    for (seed, mean) in [(1, 0.01), (2, 0.2), (3, 2.0), (4, 30.0)] {
        let (mut run, mut dice) = (Run::new(), Dice(seed));
        run.feed(BEGIN, WEEK, &budget.learning(), |_| dice.poisson(mean));
        run.feed(BEGIN + WEEK, 4 * WEEK, &budget.context(), |_| dice.poisson(mean));
        alarms += run.alarms(Level::Medium);
        let expected = run.series.expected(BEGIN + 5 * WEEK);
        assert!((0.5 * mean..2.0 * mean).contains(&expected), "{mean}: {expected}");
    }
    assert_eq!(alarms, 0);
}

#[test]
fn a_fifty_fold_burst_is_found_in_its_first_minute_at_low_and_ends_on_time() {
    let budget = Budget::new(200.0);
    for mean in [0.6, 2.0, 20.0] {
        let (mut run, mut dice) = (Run::new(), Dice(9));
        run.feed(BEGIN, 3 * WEEK, &budget.learning(), |_| dice.poisson(mean));
        let start = BEGIN + 3 * WEEK + 700;
        let burst = start..start + 12;
        let calls = |minute| if burst.contains(&minute) { (50.0 * mean) as u64 } else { dice.poisson(mean) };
        run.feed(BEGIN + 3 * WEEK, 2000, &budget.context(), calls);
        let [(first, Transition::Opened(finding)), (_, Transition::Ended { start: of, end, reason })] = run.said[..]
        else {
            panic!("{mean}: {:?}", run.said)
        };
        assert_eq!((first, finding.level, finding.start, of), (start, Level::Low, start, start), "{mean}: {finding:?}");
        assert!(end.abs_diff(burst.end) <= 1 && reason == EndReason::Returned, "{end} {}", burst.end);
    }
}

#[test]
fn a_daily_job_that_was_learned_does_not_alarm_and_its_double_does() {
    let budget = Budget::new(50.0);
    let (mut run, mut dice) = (Run::new(), Dice(5));
    let job = |minute: u32| if minute % 1440 == 185 { 400 } else { 0 };
    run.feed(BEGIN, 2 * WEEK, &budget.learning(), |minute| job(minute) + dice.poisson(0.05));
    run.feed(BEGIN + 2 * WEEK, 2 * WEEK, &budget.context(), |minute| job(minute) + dice.poisson(0.05));
    assert_eq!(run.alarms(Level::Medium), 0, "{:?}", run.said);
    let tomorrow = BEGIN + 4 * WEEK + 600;
    run.close(tomorrow, 400, &budget.context());
    assert_eq!(run.alarms(Level::Low), 1, "the same size at another time: {:?}", run.said);
}

#[test]
fn a_level_shift_is_accepted_after_hours_and_then_expected() {
    let budget = Budget::new(50.0);
    let (mut run, mut dice) = (Run::new(), Dice(6));
    run.feed(BEGIN, 3 * WEEK, &budget.learning(), |_| dice.poisson(2.0));
    run.feed(BEGIN + 3 * WEEK, WEEK, &budget.context(), |_| dice.poisson(20.0));
    let accepted =
        run.said.iter().filter(|said| matches!(said.1, Transition::Ended { reason: EndReason::Accepted, .. }));
    assert_eq!(accepted.count(), 1, "{:?}", run.said);
    assert!(run.alarms(Level::Medium) <= 2, "{:?}", run.said);
    assert!((15.0..25.0).contains(&run.series.expected(BEGIN + 4 * WEEK)));
}

#[test]
fn a_new_api_with_78_calls_a_minute_reaches_every_level_at_once_and_does_not_storm() {
    let budget = Budget { pool: FirstUsePool::new(BEGIN - 2 * WEEK), ..Budget::new(40.0) };
    let mut run = Run::since(BEGIN - 3 * WEEK, BEGIN);
    let step = run.close(BEGIN + 7, 78, &budget.context());
    let Some(Transition::Opened(finding)) = step.transition else { panic!("{step:?}") };
    assert_eq!((finding.level, finding.start), (Level::Low, BEGIN + 7));
    assert!(step.awake);
    run.feed(BEGIN + 8, 5 * 1440, &budget.context(), |_| 78);
    assert!(run.said.len() <= 4, "one shift, accepted once: {:?}", run.said);
}

#[test]
fn known_positives_of_the_real_service_fire_at_high_and_their_neighbours_do_not() {
    let quiet = Budget { pool: FirstUsePool::new(BEGIN - 3 * WEEK), ..Budget::new(40.0) };
    let first_use = |baseline: u32, calls: &[u64]| {
        let mut run = Run::since(BEGIN - 4 * WEEK, BEGIN - 4 * WEEK);
        (0..baseline).for_each(|n| {
            run.close(BEGIN - 5000 + n * 100, 1, &quiet.learning());
        });
        for (minute, count) in (BEGIN..).zip(calls) {
            run.close(minute, *count, &quiet.context());
        }
        run.said
    };
    let fires = |said: &[(u32, Transition)]| matches!(said, [(_, Transition::Opened(_)), ..]);
    assert!(fires(&first_use(0, &[2])), "AttachUserPolicy: 2 in 1 minute on 0");
    let [(_, Transition::Opened(found)), ..] = first_use(0, &[2])[..] else { panic!() };
    assert_eq!((found.test, found.level, found.window), (Test::FirstUse, Level::High, 1));
    assert!(fires(&first_use(1, &[1, 0, 1, 0, 1])), "CompleteLifecycleAction: 3 in 5 minutes on 1");
    assert!(fires(&first_use(0, &[6])), "QueryIdNotFoundException: 6 in 1 minute on 0");
    assert!(first_use(0, &[1]).is_empty());
    assert!(first_use(3, &[2]).is_empty(), "three calls in the week before are a baseline");
    let mut busy = FirstUsePool::new(BEGIN - 3 * WEEK);
    (0..60).for_each(|n| busy.observe(BEGIN - 3 * WEEK + n * 500, 1 + u64::from(n % 3 == 0)));
    let busy = Budget { pool: busy, ..Budget::new(40.0) };
    let mut run = Run::since(BEGIN - 4 * WEEK, BEGIN);
    run.close(BEGIN, 2, &busy.context());
    assert!(run.said.is_empty(), "where first bursts are common the budget wins");
}

#[test]
fn busy_known_positives_fire_at_high() {
    let budget = Budget::new(60.0);
    for (per_week, during, minutes) in [(17_702.0, 50, 8), (861_036.0, 664, 5)] {
        let (mut run, mut dice) = (Run::new(), Dice(12));
        let mean = per_week / f64::from(WEEK);
        run.feed(BEGIN, 2 * WEEK, &budget.learning(), |_| dice.poisson(mean));
        run.feed(BEGIN + 2 * WEEK, minutes, &budget.context(), |_| during);
        assert!(run.alarms(Level::High) > 0, "{per_week}");
    }
}

#[test]
fn a_first_burst_is_told_to_the_pool_when_its_hour_is_over_and_alarms_once_a_level() {
    let budget = Budget { pool: FirstUsePool::new(BEGIN - 3 * WEEK), ..Budget::new(40.0) };
    let mut run = Run::since(BEGIN - 4 * WEEK, BEGIN);
    for minute in [0, 20, 40] {
        run.close(BEGIN + minute, 2, &budget.context());
        run.feed(BEGIN + minute + 1, 19, &budget.context(), |_| 0);
    }
    assert_eq!(run.bursts, [6]);
    assert_eq!(run.alarms(Level::High), 1 + run.alarms(Level::Medium), "{:?}", run.said);
    assert!(!run.close(BEGIN + 200, 0, &budget.context()).awake);
}

#[test]
fn learning_opens_nothing_and_provisional_only_low() {
    let budget = Budget::new(10.0);
    for (judge, most) in [(Judge::Nothing, 0), (Judge::Provisional, 1), (Judge::Full, 1)] {
        let (mut run, mut dice) = (Run::new(), Dice(2));
        run.feed(BEGIN, 2 * WEEK, &budget.learning(), |_| dice.poisson(3.0));
        let context = crate::Context { judge, ..budget.context() };
        run.close(BEGIN + 2 * WEEK, 22, &context);
        let medium = run.said.len();
        run.close(BEGIN + 2 * WEEK + 1, 5000, &context);
        assert_eq!(run.alarms(Level::Low), most);
        assert!(judge == Judge::Full || medium == 0);
    }
}

#[test]
fn muted_calls_teach_nothing() {
    let budget = Budget::new(50.0);
    let muted = crate::Context { learn: false, ..budget.context() };
    let (mut run, mut dice) = (Run::new(), Dice(3));
    run.feed(BEGIN, 2 * WEEK, &budget.learning(), |_| dice.poisson(3.0));
    let before = run.series.expected(BEGIN + 3 * WEEK);
    run.feed(BEGIN + 2 * WEEK, 1440, &muted, |_| 500);
    let after = run.series.expected(BEGIN + 3 * WEEK);
    assert!((after / before - 1.0).abs() < 0.2, "{before} {after}");
    assert!(run.series.largest_of_week() < 100.0);
}

/// Lognormal bursts, heavier than any shape allowed for: the realised rate of alarms stays within three times nominal.
#[test]
fn heavy_series_stay_near_their_budget() {
    let budget = Budget::new(200.0);
    let series = 60;
    let (mut medium, mut high) = (0, 0);
    for seed in 0..series {
        let (mut run, mut dice) = (Run::new(), Dice(1000 + seed));
        let traffic = |dice: &mut Dice| {
            if dice.uniform() < 0.01 { libm::exp(1.0 + 1.2 * dice.normal()) as u64 } else { dice.poisson(0.02) }
        };
        run.feed(BEGIN, WEEK, &budget.learning(), |_| traffic(&mut dice));
        run.feed(BEGIN + WEEK, 3 * WEEK, &budget.context(), |_| traffic(&mut dice));
        medium += run.alarms(Level::Medium);
        high += run.alarms(Level::High);
    }
    // 180 series-weeks at .005 and .025.
    assert!(medium <= 3, "{medium}");
    assert!(high <= 14, "{high}");
}
