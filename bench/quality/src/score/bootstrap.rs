//! How sure a figure is: accounts are drawn again, with repetition.

use crate::dice::Dice;

const DRAWS: usize = 200;

/// The middle 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The interval of a figure over accounts, of which `accounts` holds what the figure needs; the same for the same.
pub(crate) fn interval<T>(accounts: &[T], figure: impl Fn(&[&T]) -> f64) -> Interval {
    let mut dice = Dice::named("bootstrap");
    let mut figures: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let again: Vec<&T> = accounts.iter().map(|_| dice.pick(accounts)).collect();
            figure(&again)
        })
        .filter(|figure| figure.is_finite())
        .collect();
    Interval { low: super::quantile(&mut figures, 0.025), high: super::quantile(&mut figures, 0.975) }
}

#[cfg(test)]
mod tests {
    use super::interval;

    #[test]
    fn what_does_not_vary_is_sure_and_what_varies_is_not() {
        let mean = |values: &[&f64]| values.iter().copied().sum::<f64>() / values.len() as f64;
        let sure = interval(&[2.0; 30], mean);
        assert_eq!((sure.low, sure.high), (2.0, 2.0));
        let values: Vec<f64> = (0..100).map(|value| f64::from(value % 2)).collect();
        let half = interval(&values, mean);
        // A mean of a hundred coins: 0.5 with a deviation of 0.05.
        assert!((0.36..0.45).contains(&half.low) && (0.55..0.64).contains(&half.high), "{half:?}");
        assert_eq!(half, interval(&values, mean));
    }
}
