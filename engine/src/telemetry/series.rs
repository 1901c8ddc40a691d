//! The opt-in gauges of single series: the only labels that a caller of AWS can mint, and so bounded.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus::GaugeVec;

/// Most characters of a label value.
const LABEL_LENGTH: usize = 256;

/// Which series.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesName {
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// `eventSource`.
    pub source: String,
    /// `eventName`.
    pub name: String,
    /// `errorCode`; empty for call rate.
    pub error_code: String,
}

/// `series_observed` and `series_expected`.
pub struct SeriesGauges {
    observed: GaugeVec,
    expected: GaugeVec,
    limit: usize,
    shown: Mutex<BTreeSet<[String; 5]>>,
}

impl SeriesGauges {
    pub(super) fn new(observed: GaugeVec, expected: GaugeVec, limit: usize) -> SeriesGauges {
        SeriesGauges { observed, expected, limit, shown: Mutex::default() }
    }

    /// Shows a series; `false` when the limit keeps it from being shown.
    pub fn set(&self, series: &SeriesName, observed: f64, expected: f64) -> bool {
        let labels = labels(series);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !shown.contains(&labels) {
            if shown.len() >= self.limit {
                return false;
            }
            shown.insert(labels.clone());
        }
        self.observed.with_label_values(&labels).set(observed);
        self.expected.with_label_values(&labels).set(expected);
        true
    }

    /// Shows it no longer.
    pub fn remove(&self, series: &SeriesName) {
        let labels = labels(series);
        if self.shown.lock().unwrap_or_else(PoisonError::into_inner).remove(&labels) {
            // Both were made together; a missing one is as good as removed.
            let _ = (self.observed.remove_label_values(&labels), self.expected.remove_label_values(&labels));
        }
    }
}

fn labels(series: &SeriesName) -> [String; 5] {
    [&series.account, &series.region, &series.source, &series.name, &series.error_code].map(|value| clean(value))
}

/// Bounded, without control characters: label values end up on screens and in alerts.
pub(super) fn clean(value: &str) -> String {
    value.chars().take(LABEL_LENGTH).map(|found| if found.is_control() { '\u{fffd}' } else { found }).collect()
}
