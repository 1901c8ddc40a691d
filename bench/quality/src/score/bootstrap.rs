//! How sure a figure is: accounts are drawn again, with repetition.

use super::account::Scored;
use crate::dice::Dice;

const DRAWS: usize = 200;

/// The middle 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The interval of a figure over accounts; the same for the same accounts.
pub(crate) fn interval(accounts: &[&Scored], figure: impl Fn(&[&Scored]) -> f64) -> Interval {
    let mut dice = Dice::named("bootstrap");
    let mut figures: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let again: Vec<&Scored> = accounts.iter().map(|_| *dice.pick(accounts)).collect();
            figure(&again)
        })
        .filter(|figure| figure.is_finite())
        .collect();
    Interval { low: super::quantile(&mut figures, 0.025), high: super::quantile(&mut figures, 0.975) }
}
