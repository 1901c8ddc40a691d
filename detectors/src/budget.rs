//! Question: which budget must the arithmetic be given, so that chance really raises what a level promises?
//!
//! Formula: per level a table of (given, realised) false insights an account-week, interpolated between its points in
//! log-log and continued beyond them with the slope of its ends; [`given`] reads it backwards, [`realised`] forwards.
//! One map for the whole fleet, not a loop per account: an account's own near misses do not predict its false insights,
//! and a loop can be driven deaf by three of them a day.
//! Source: section 8.8 of the detection notes. The curves' slopes were fitted on the peaceful accounts 0 to 95 of the
//! development set of `bench/quality` (384 account-weeks, all six personalities, four scored weeks after one of
//! learning): each point is a run at the given budget, its false leads counted after folding. Their heights were fitted
//! anew on the whole engine, tests of whole accounts included, at the default budgets: 118 peaceful accounts and 48 with
//! anomalies (664 account-weeks) showed 1.41, 1.29 and 1.10 times what the slopes' fit had promised; low and medium were
//! raised by that, high was left, because accounts with anomalies (.96) and without (1.17) differ by more.
//! `trailsight-quality fit`, to be run whenever a test or a share changes, then measured on the peaceful accounts 0 to 215
//! (864 account-weeks a point) .203, 1.08 and 5.79 at the promised .2, 1 and 5; at .4 and 2.5 times that .086 and .56,
//! .43 and 2.7, 1.2 and 17: within an eighth at low and medium, high is steeper than its curve.
//! Assumes that accounts are like those. Known weakness: an account may differ from the fleet by a
//! factor of two or three in either way. Cost: two logarithms and an exponential.

use crate::finding::Level;

/// Share of an account's budget that first use may spend, calls and errors together, by [`Level::ALL`]: less where a
/// budget is small, because the sizes of first bursts have the heaviest tail of all.
pub const FIRST_USE_SHARE: [f64; 3] = [0.08, 0.1, 0.15];

/// (given, realised) false insights an account-week, by [`Level::ALL`].
const MAPS: [[(f64, f64); 4]; 3] = [
    [(0.05, 0.171), (0.15, 0.307), (0.5, 0.477), (1.5, 0.729)],
    [(0.5, 0.744), (1.9, 1.411), (6.0, 2.167), (15.0, 3.497)],
    [(3.0, 3.307), (10.0, 5.411), (30.0, 9.385), (80.0, 16.354)],
];
/// Budgets below this are this, so that logarithms are finite.
const LEAST: f64 = 1e-60;

/// What the arithmetic is to be given, in false insights an account-week, for chance to raise `promised` at a level.
pub fn given(level: Level, promised: f64) -> f64 {
    read(level, promised, |(given, realised)| (realised, given))
}

/// What chance raises at a level, in false insights an account-week, where the arithmetic is given `given`.
pub fn realised(level: Level, given: f64) -> f64 {
    read(level, given, |point| point)
}

fn read(level: Level, x: f64, turn: impl Fn((f64, f64)) -> (f64, f64)) -> f64 {
    let logs = MAPS[level as usize].map(|point| {
        let (from, to) = turn(point);
        (libm::log(from), libm::log(to))
    });
    let x = libm::log(if x > LEAST { x } else { LEAST });
    let inner = logs.iter().skip(1).take(logs.len() - 2).filter(|point| x > point.0).count();
    let ((x0, y0), (x1, y1)) = (logs[inner], logs[inner + 1]);
    libm::exp(y0 + (x - x0) * (y1 - y0) / (x1 - x0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_maps_rise() {
        for points in MAPS {
            assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1), "{points:?}");
        }
        for level in Level::ALL {
            for (x, y) in MAPS[level as usize] {
                assert!((realised(level, x) / y - 1.0).abs() < 1e-9);
            }
        }
        for (level, promised, least, most) in
            [(Level::Low, 0.2, 0.06, 0.075), (Level::Medium, 1.0, 0.85, 1.0), (Level::High, 5.0, 7.5, 9.0)]
        {
            let given = given(level, promised);
            assert!((least..most).contains(&given), "{level:?}: {given}");
        }
    }

    proptest! {
        #[test]
        fn one_direction_undoes_the_other(exponent in -18.0_f64..12.0, at in 0_usize..3) {
            let (level, promised) = (Level::ALL[at], libm::exp(exponent));
            prop_assert!((realised(level, given(level, promised)) / promised - 1.0).abs() < 1e-9);
            prop_assert!(given(level, 1.1 * promised) > given(level, promised));
        }

        #[test]
        fn whatever_is_promised_something_finite_is_given(promised: f64, at in 0_usize..3) {
            let given = given(Level::ALL[at], promised.clamp(-1e30, 1e30));
            prop_assert!(given >= 0.0 || promised.is_nan());
        }
    }
}
