//! Figures over accounts.

use std::collections::BTreeMap;

use super::account::Scored;
use crate::anomaly::Kind;
use crate::change::ChangeKind;
use crate::insight::Gate;

/// What an engine did at one gate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) weeks: f64,
    /// False leads in an account in a week.
    pub(crate) false_rate: f64,
    /// Those of them that tell of no benign change.
    pub(crate) unprovoked_rate: f64,
    /// Mean of the recall of all cells.
    pub(crate) macro_recall: f64,
    pub(crate) obvious_recall: f64,
    /// Minutes, over the obvious anomalies that were found: median and 90th percentile.
    pub(crate) obvious_delay: (f64, f64),
    /// The same over all that were found and do not last for days.
    pub(crate) delay: (f64, f64),
    pub(crate) insights_per_truth: f64,
    pub(crate) end_error: f64,
    /// Found anomalies of all leads, if there were one anomaly in an account in a week.
    pub(crate) precision: f64,
    /// Surges of which an error insight was told too.
    pub(crate) repeated_surges: f64,
    /// Changes of the share of errors inside surges that were found.
    pub(crate) ratio_in_surge: f64,
    /// Sweeps over at least 30 APIs that were told as such, or as denials of the account, within ten minutes.
    pub(crate) sweeps: f64,
    /// Outages to 0 of series with at least two calls a minute that were found within 15 minutes.
    pub(crate) outages: f64,
}

/// The value below which a share of the values lies; not a number where there are none.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (share * (values.len() as f64 - 1.0)).round().max(0.0) as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

fn share(of: usize, all: usize) -> f64 {
    if all == 0 { f64::NAN } else { of as f64 / all as f64 }
}

/// Kind and strength: how many anomalies there were, and how many of them were found.
pub(crate) type Cells = BTreeMap<(Kind, u8), (usize, usize)>;

/// What was found of every kind and strength.
pub(crate) fn cells(accounts: &[&Scored], gate: Gate) -> Cells {
    let mut cells = Cells::new();
    for finding in accounts.iter().flat_map(|account| account.truths(gate)) {
        let cell: &mut (usize, usize) = cells.entry((finding.truth.kind, finding.truth.strength)).or_default();
        cell.0 += 1;
        cell.1 += usize::from(finding.delay.is_some());
    }
    cells
}

/// Mean of the recalls of cells, of which each account brings some.
pub(crate) fn macro_recall(accounts: &[&Cells]) -> f64 {
    let mut all = Cells::new();
    for (cell, (there, found)) in accounts.iter().flat_map(|cells| cells.iter()) {
        let sum = all.entry(*cell).or_default();
        *sum = (sum.0 + there, sum.1 + found);
    }
    all.values().map(|cell| share(cell.1, cell.0)).sum::<f64>() / all.len() as f64
}

/// How many benign changes of a kind there were, and how many leads told of them.
pub(crate) fn changes(accounts: &[&Scored], gate: Gate) -> BTreeMap<ChangeKind, (usize, usize)> {
    let mut kinds = BTreeMap::new();
    for account in accounts {
        for (place, alarms) in account.alarms_of_changes(gate) {
            let kind: &mut (usize, usize) = kinds.entry(account.labels.changes[place].kind).or_default();
            kind.0 += 1;
            kind.1 += alarms;
        }
    }
    kinds
}

/// All figures of an engine at a gate.
pub(crate) fn figures(accounts: &[&Scored], gate: Gate) -> Figures {
    let weeks: f64 = accounts.iter().map(|account| account.labels.weeks()).sum();
    let wrong: usize = accounts.iter().map(|account| account.false_leads(gate).count()).sum();
    let provoked: usize = accounts.iter().map(|account| account.about_changes(gate)).sum();
    let cells = cells(accounts, gate);
    let macro_recall = macro_recall(&[&cells]);
    let false_rate = wrong as f64 / weeks;
    Figures {
        weeks,
        false_rate,
        unprovoked_rate: (wrong - provoked) as f64 / weeks,
        macro_recall,
        precision: macro_recall / (macro_recall + false_rate),
        ..of_truths(accounts, gate)
    }
}

fn of_truths(accounts: &[&Scored], gate: Gate) -> Figures {
    let findings: Vec<_> = accounts.iter().flat_map(|account| account.truths(gate)).collect();
    let within = |limit: i64, which: &dyn Fn(Kind, u8) -> bool| {
        let asked = findings.iter().filter(|finding| which(finding.truth.kind, finding.truth.strength));
        let found = |finding: &&super::account::Finding<'_>| finding.delay.is_some_and(|delay| delay <= limit);
        share(asked.clone().filter(found).count(), asked.count())
    };
    let delays = |which: &dyn Fn(&super::account::Finding<'_>) -> bool| {
        let mut delays: Vec<f64> = findings
            .iter()
            .filter(|finding| which(finding))
            .filter_map(|finding| finding.delay)
            .map(|delay| delay as f64)
            .collect();
        (quantile(&mut delays, 0.5), quantile(&mut delays, 0.9))
    };
    let found: Vec<_> = findings.iter().filter(|finding| finding.delay.is_some()).collect();
    let mut ends: Vec<f64> = found
        .iter()
        .filter(|finding| finding.truth.obvious)
        .filter_map(|finding| finding.end_error)
        .map(|error| error as f64)
        .collect();
    let surges = findings.iter().filter(|finding| finding.truth.kind == Kind::Surge);
    let sweeps = findings.iter().filter(|finding| finding.truth.kind == Kind::Sweep && finding.truth.strength >= 2);
    Figures {
        obvious_recall: within(i64::MAX, &Kind::obvious),
        obvious_delay: delays(&|finding| finding.truth.obvious),
        delay: delays(&|finding| !matches!(finding.truth.kind, Kind::Ramp | Kind::Poisoning)),
        insights_per_truth: share(found.iter().map(|finding| finding.leads).sum(), found.len()),
        end_error: quantile(&mut ends, 0.5),
        repeated_surges: share(surges.clone().filter(|finding| finding.repeats > 0).count(), surges.count()),
        ratio_in_surge: within(i64::MAX, &|kind, strength| kind == Kind::ErrorRatio && strength >= 3),
        sweeps: share(
            sweeps.clone().filter(|finding| finding.as_account.is_some_and(|delay| delay <= 10)).count(),
            sweeps.count(),
        ),
        outages: within(15, &|kind, strength| kind == Kind::Outage && strength == 4),
        ..Figures::default()
    }
}

/// The chance at which an engine raises `wanted` false leads in an account in a week, at most; none where it does
/// not print chances, or raises fewer at its loosest.
pub(crate) fn threshold_for(accounts: &[&Scored], wanted: f64) -> Option<f64> {
    let weeks: f64 = accounts.iter().map(|account| account.labels.weeks()).sum();
    let loosest = Gate::Level(crate::insight::LEVELS.len() - 1);
    let leads = accounts.iter().flat_map(|account| account.false_leads(loosest));
    let mut chances: Vec<f64> = leads.filter_map(|incident| incident.chance()).collect();
    chances.sort_by(f64::total_cmp);
    let first_too_many = (wanted * weeks).floor() as usize;
    // Just below the first that would be one too many.
    chances.get(first_too_many).map(|chance| chance * (1.0 - 1e-12))
}

/// Macro recall at a rate of false leads: by chance where the engine prints it, else between its levels (linear in
/// the logarithm of the rate; at the ends, the nearest level). The second value says whether it lies outside of what
/// the engine was run at.
pub(crate) fn rate_at(accounts: &[&Scored], wanted: f64) -> (f64, bool) {
    if let Some(chance) = threshold_for(accounts, wanted) {
        return (figures(accounts, Gate::Chance(chance)).macro_recall, false);
    }
    let mut points: Vec<(f64, f64)> = (0..crate::insight::LEVELS.len())
        .map(|level| figures(accounts, Gate::Level(level)))
        .map(|at| (at.false_rate.max(1e-3), at.macro_recall))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    between(&points, wanted)
}

fn between(points: &[(f64, f64)], wanted: f64) -> (f64, bool) {
    let (first, last) = (points[0], points[points.len() - 1]);
    if wanted <= first.0 {
        return (first.1, wanted < first.0);
    }
    for pair in points.windows(2) {
        let ((low, less), (high, more)) = (pair[0], pair[1]);
        if wanted <= high {
            let way = libm::log(wanted / low) / libm::log(high / low);
            return (less + way * (more - less), false);
        }
    }
    (last.1, true)
}
