//! Who made the calls of an insight, and how much of what is unusual in it.

use trailsight_schemas::insight::{Attribute, Attributed, Direction, InsightEvent};

/// Principals and user agents with their part in the excess over the baseline (in a drop: in what is missing).
pub(super) struct Callers<'a> {
    principals: Vec<Share<'a>>,
    agents: Vec<Share<'a>>,
    /// The excess of the insight itself, calls a minute.
    whole: f64,
}

struct Share<'a> {
    value: &'a str,
    excess: f64,
}

impl<'a> Callers<'a> {
    pub(super) fn of(event: &'a InsightEvent) -> Callers<'a> {
        let own = event.trailsight.as_ref();
        let direction = own.map_or(Direction::Above, |own| own.direction);
        let excess = |average: f64, baseline: f64| match direction {
            Direction::Above => (average - baseline).max(0.0),
            Direction::Below => (baseline - average).max(0.0),
        };
        let listed = own.into_iter().flat_map(|own| &own.principals);
        let principals =
            listed.map(|one| Share { value: &one.value, excess: excess(one.average, one.baseline) }).collect();
        let attributed = |wanted: Attribute| event.details.attributions.iter().find(move |one| one.attribute == wanted);
        let agents = attributed(Attribute::UserAgent).map(|list| shares(list, excess)).unwrap_or_default();
        let statistics = &event.details.statistics;
        Callers { principals, agents, whole: excess(statistics.insight, statistics.baseline) }
    }

    /// Share (0 to 1) of the excess that the principals account for that `means` agrees with.
    pub(super) fn explained_by_principals(&self, means: impl Fn(&str) -> bool) -> f64 {
        explained(&self.principals, self.whole, means)
    }

    /// The same for user agents.
    pub(super) fn explained_by_agents(&self, means: impl Fn(&str) -> bool) -> f64 {
        explained(&self.agents, self.whole, means)
    }
}

/// Values of one attribute in the incident against themselves in the baseline.
fn shares(list: &Attributed, excess: impl Fn(f64, f64) -> f64) -> Vec<Share<'_>> {
    let before = |value: &str| list.baseline.iter().find(|pair| pair.value == value).map_or(0.0, |pair| pair.average);
    let during =
        list.insight.iter().map(|pair| Share { value: &pair.value, excess: excess(pair.average, before(&pair.value)) });
    // In a drop the one that went away is in the baseline alone.
    let gone = list.baseline.iter().filter(|pair| !list.insight.iter().any(|other| other.value == pair.value));
    let gone = gone.map(|pair| Share { value: &pair.value, excess: excess(0.0, pair.average) });
    during.chain(gone).filter(|share| share.excess > 0.0).collect()
}

/// 0 where there is nothing to explain. The whole is at least the insight's own excess, so that what is beyond the five
/// values that are listed counts as unexplained.
fn explained(shares: &[Share<'_>], whole: f64, means: impl Fn(&str) -> bool) -> f64 {
    let listed: f64 = shares.iter().map(|share| share.excess).sum();
    let meant: f64 = shares.iter().filter(|share| means(share.value)).map(|share| share.excess).sum();
    let whole = whole.max(listed);
    if whole > 0.0 { meant / whole } else { 0.0 }
}
