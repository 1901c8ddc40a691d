//! Of how many calls are these the errors? Kept for every error series.
//!
//! π = Σe/Σn and φ = Σ(e − nπ)²/(π(1 − π)Σn) over the minutes in which the API was called, discounted with a half-life of
//! three and a half days; Σ(e − nπ)² = Σe² − 2πΣen + π²Σn², so five sums are enough.
//! A code that is new begins with the calls that its API had in the week before, none of which failed with it: otherwise
//! its first burst would be what is usual. Source: section 2.5 of the detection
//! notes. Assumes that the share of failures changes over days, not hours. Cost: five additions a minute with calls.

/// What is left of a sum after a day: half after three and a half.
const KEEP: f64 = 0.820_335_356_007_637_3;
/// Days after which nothing is left that could matter.
const MOST_DAYS: u32 = 200;
/// Calls below which nothing is said of the share: every share of ten calls is possible.
const LEAST_CALLS: f64 = 50.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Share {
    pub(super) day: u32,
    /// Σn, Σn², Σe, Σe², Σen.
    pub(super) sums: [f64; 5],
}

impl Share {
    /// A minute of `day` in which `errors` of `calls` failed with the code.
    pub(super) fn learn(&mut self, day: u32, calls: u64, errors: u64) {
        if day > self.day {
            // Multiplied out: the same bits on every machine.
            let keep = (0..(day - self.day).min(MOST_DAYS)).fold(1.0, |keep, _| keep * KEEP);
            self.sums = self.sums.map(|sum| sum * keep);
            self.day = day;
        }
        let (n, e) = (calls.max(errors) as f64, errors as f64);
        for (sum, more) in self.sums.iter_mut().zip([n, n * n, e, e * e, e * n]) {
            *sum = (*sum + more).min(1e30);
        }
    }

    /// Calls of `day` from before there was an error of this code: each in a minute of its own, as far as is known.
    pub(super) fn begin(&mut self, day: u32, calls: u64) {
        self.learn(day, 0, 0);
        let calls = calls as f64;
        self.sums[0] = (self.sums[0] + calls).min(1e30);
        self.sums[1] = (self.sums[1] + calls).min(1e30);
    }

    /// (π, φ); `None` while too few calls were seen.
    pub(super) fn ratio(&self) -> Option<(f64, f64)> {
        let [n, nn, e, ee, en] = self.sums;
        if n < LEAST_CALLS {
            return None;
        }
        // Half a failure and half a success more: a share is never 0 or 1.
        let ratio = (e + 0.5) / (n + 1.0);
        let squares = ee - 2.0 * ratio * en + ratio * ratio * nn;
        Some((ratio, (squares / (ratio * (1.0 - ratio) * n)).max(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_share_is_not_overdispersed_and_a_wild_one_is() {
        let (mut steady, mut wild) = (Share::default(), Share::default());
        for minute in 0..1000 {
            steady.learn(1, 20, 1);
            wild.learn(1, 20, if minute % 20 == 0 { 20 } else { 0 });
        }
        let ((ratio, phi), (same, wide)) = (steady.ratio().unwrap(), wild.ratio().unwrap());
        assert!((ratio - 0.05).abs() < 1e-4 && (same - 0.05).abs() < 1e-4);
        assert!(phi == 1.0 && (wide - 20.0).abs() < 0.1, "{phi} {wide}");
    }

    #[test]
    fn the_calls_of_a_week_without_an_error_count() {
        let mut share = Share::default();
        (10..17).for_each(|day| share.begin(day, 100));
        share.learn(17, 20, 10);
        let (ratio, _) = share.ratio().unwrap();
        assert!((0.02..0.04).contains(&ratio), "{ratio}");
    }

    #[test]
    fn it_forgets_by_days_and_says_nothing_of_little() {
        let mut share = Share::default();
        share.learn(10, 40, 4);
        assert_eq!(share.ratio(), None);
        share.learn(10, 360, 36);
        share.learn(17, 100, 0);
        assert!((share.ratio().unwrap().0 - 10.5 / 201.0).abs() < 1e-9);
    }
}
