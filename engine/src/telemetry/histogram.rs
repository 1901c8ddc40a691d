//! Durations, recorded in an HDR histogram and shown as a Prometheus histogram with fixed bounds.
//!
//! The HDR histogram keeps two significant figures, so a count may stand one bound too low when its value is
//! less than one percent above that bound. Count and sum are exact.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use prometheus::core::{Collector, Desc};
use prometheus::proto;

use super::definitions::Definition;

/// Longest duration that is told apart, microseconds: eight days. Longer ones count as that in the bounds.
const LONGEST: u64 = 8 * 86_400 * 1_000_000;

/// Upper bounds for what takes the machine its time, seconds.
pub(super) const WORK: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Upper bounds for how long events are under way, seconds.
pub(super) const DELAY: &[f64] =
    &[1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 21_600.0, 86_400.0, 604_800.0];

/// Durations of one kind.
#[derive(Debug)]
pub struct Latency {
    bounds: &'static [f64],
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    histogram: Histogram<u64>,
    /// Microseconds.
    sum: u128,
}

impl Latency {
    pub(super) fn new(bounds: &'static [f64]) -> Result<Latency, prometheus::Error> {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 2)
            .map_err(|error| prometheus::Error::Msg(format!("histogram: {error}")))?;
        Ok(Latency { bounds, state: Mutex::new(State { histogram, sum: 0 }) })
    }

    /// Adds one duration.
    pub fn record(&self, duration: Duration) {
        self.record_many(duration, 1);
    }

    /// Adds one duration that `count` things took.
    pub fn record_many(&self, duration: Duration, count: u64) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let mut state = self.state();
        state.histogram.saturating_record_n(microseconds.min(LONGEST), count);
        state.sum = state.sum.saturating_add(u128::from(microseconds) * u128::from(count));
    }

    /// Numbers are whole at every instruction, so a panic elsewhere does not spoil them.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect(&self) -> proto::Histogram {
        let state = self.state();
        let mut counts = vec![0u64; self.bounds.len()];
        for step in state.histogram.iter_recorded() {
            let seconds = state.histogram.lowest_equivalent(step.value_iterated_to()) as f64 / 1e6;
            let place = self.bounds.partition_point(|bound| *bound < seconds);
            if let Some(count) = counts.get_mut(place) {
                *count += step.count_since_last_iteration();
            }
        }
        let mut below = 0;
        let buckets = self.bounds.iter().zip(counts).map(|(bound, count)| {
            below += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(below);
            bucket
        });
        let mut shown = proto::Histogram::default();
        shown.set_bucket(buckets.collect());
        shown.set_sample_count(state.histogram.len());
        shown.set_sample_sum(state.sum as f64 / 1e6);
        shown
    }
}

/// A family of histograms with at most one label.
pub(super) struct Family {
    definition: Definition,
    description: Desc,
    children: Vec<(String, std::sync::Arc<Latency>)>,
}

impl Family {
    /// `children`: value of the one label, and what is recorded there; one child with an empty value where there
    /// is no label.
    pub(super) fn new(
        definition: Definition,
        children: Vec<(String, std::sync::Arc<Latency>)>,
    ) -> Result<Family, prometheus::Error> {
        let labels = definition.labels.iter().map(|label| (*label).to_owned()).collect();
        let description = Desc::new(definition.full_name(), definition.help.to_owned(), labels, HashMap::new())?;
        Ok(Family { definition, description, children })
    }
}

impl Collector for Family {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let metrics = self.children.iter().map(|(value, latency)| {
            let labels = self.definition.labels.iter().map(|name| {
                let mut pair = proto::LabelPair::default();
                pair.set_name((*name).to_owned());
                pair.set_value(value.clone());
                pair
            });
            let mut metric = proto::Metric::from_label(labels.collect());
            metric.set_histogram(latency.collect());
            metric
        });
        let mut family = proto::MetricFamily::default();
        family.set_name(self.definition.full_name());
        family.set_help(self.definition.help.to_owned());
        family.set_field_type(proto::MetricType::HISTOGRAM);
        family.set_metric(metrics.collect());
        vec![family]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_at_a_bound_stand_within_it() {
        let latency = Latency::new(WORK).unwrap();
        for bound in WORK {
            latency.record(Duration::from_secs_f64(*bound));
        }
        let shown = latency.collect();
        for (position, bucket) in shown.get_bucket().iter().enumerate() {
            assert_eq!(bucket.cumulative_count(), position as u64 + 1, "{}", bucket.upper_bound());
        }
    }

    proptest! {
        #[test]
        fn counts_are_exact_and_bounds_within_a_percent(
            values in proptest::collection::vec(prop_oneof![0u64..100_000_000, any::<u64>()], 0..200),
        ) {
            let latency = Latency::new(WORK).unwrap();
            values.iter().for_each(|value| latency.record(Duration::from_micros(*value)));
            let shown = latency.collect();
            prop_assert_eq!(shown.get_sample_count(), values.len() as u64);
            let sum: f64 = values.iter().map(|value| *value as f64 / 1e6).sum();
            prop_assert!((shown.get_sample_sum() - sum).abs() <= 1e-9 * sum.max(1.0));
            for bucket in shown.get_bucket() {
                let within = |bound: f64| values.iter().filter(|value| **value as f64 / 1e6 <= bound).count() as u64;
                let count = bucket.cumulative_count();
                prop_assert!(within(bucket.upper_bound()) <= count && count <= within(bucket.upper_bound() * 1.01));
            }
        }
    }
}
