//! When a series says that something began, rose or ended: the incident is kept and the record made.

use std::collections::BTreeMap;

use trailsight_detectors::Finding;
use trailsight_schemas::insight::InsightEvent;

use super::account::sensitivity;
use super::cell::Cell;
use super::incident::Incident;
use super::partition::{Partition, Share};
use super::report::{self, Moment};
use super::tracked::Cells;
use super::{Found, Rules};
use crate::journal::Detected;

impl Partition {
    pub(super) fn probe(&mut self, minute: u32, index: u32, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        if self.closed.is_some_and(|closed| minute <= closed) {
            return;
        }
        let mut recent = [0u64; 5];
        for (slot, at) in recent.iter_mut().zip(minute.saturating_sub(4)..=minute) {
            *slot = self.cells.get(&at).and_then(|of_series| of_series.get(&index)).map_or(0, |cell| cell.calls);
        }
        let Some(tracked) = self.series[index as usize].as_mut() else { return };
        let Some(account) = self.accounts.get(&tracked.key.account) else { return };
        let learn = share.taken_at >= tracked.unlearned_until;
        let context = account.context(tracked.key.is_error(), minute, learn, &rules.settings);
        let Some(finding) = tracked.series.probe(minute, &recent, &context) else { return };
        if tracked.incident.as_ref().is_some_and(|incident| finding.level >= incident.level) {
            return;
        }
        tracked.series.open_early(&finding);
        self.awake.insert(index);
        self.tell_start(index, minute, &finding, share, rules, found);
    }

    pub(super) fn tell_start(
        &mut self,
        index: u32,
        minute: u32,
        finding: &Finding,
        share: &Share<'_>,
        rules: &Rules,
        found: &mut Vec<Found>,
    ) {
        let closed = self.closed;
        let Some(tracked) = self.series[index as usize].as_mut() else { return };
        let told = tracked.incident.as_ref().map(|incident| incident.level);
        if told.is_some_and(|level| finding.level >= level) {
            return;
        }
        let mut finding = *finding;
        let first_use = finding.test == trailsight_detectors::Test::FirstUse;
        let chance = self
            .accounts
            .get(&tracked.key.account)
            .map_or(0.0, |account| account.chance_per_week(finding.rate, first_use));
        let mut incident = match tracked.incident.take() {
            Some(mut incident) => {
                incident.revision += 1;
                incident
            }
            None => {
                finding = after(tracked.ended, finding, index, minute, &self.cells);
                let series = tracked.key.path(&self.strings);
                let mut incident = Box::new(Incident {
                    shared: report::shared_id(&series, &tracked.key, finding.test, finding.start),
                    start: finding.start,
                    level: finding.level,
                    revision: 0,
                    test: finding.test,
                    expected: 0.0,
                    observed: 0.0,
                    chance_per_week: 0.0,
                    baseline: tracked.baseline(index, finding.start, &self.cells, closed),
                    settled: Cell::default(),
                    pending: BTreeMap::new(),
                });
                for (at, of_series) in self.cells.range(finding.start..=closed.unwrap_or(0).max(finding.start)) {
                    if let Some(cell) = of_series.get(&index).filter(|_| closed.is_some_and(|closed| *at <= closed)) {
                        incident.pending.insert(*at, cell.clone());
                    }
                }
                incident
            }
        };
        (incident.level, incident.test) = (finding.level, finding.test);
        (incident.expected, incident.observed, incident.chance_per_week) = (finding.expected, finding.observed, chance);
        let mut window = Cell::default();
        for (_, of_series) in self.cells.range(minute.saturating_sub(finding.window.max(1) - 1)..=minute) {
            if let Some(cell) = of_series.get(&index) {
                window.merge(cell);
            }
        }
        let event =
            report::start(&tracked.key, &incident, &finding, &window, &self.strings, &moment(minute, share, rules));
        tracked.incident = Some(incident);
        found.push(Found { minute, detected: Detected { event, told: told.map(sensitivity) } });
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn tell_end(
        &mut self,
        index: u32,
        minute: u32,
        end: u32,
        reason: trailsight_detectors::EndReason,
        share: &Share<'_>,
        rules: &Rules,
        found: &mut Vec<Found>,
    ) {
        let Some(tracked) = self.series[index as usize].as_mut() else { return };
        let Some(incident) = tracked.incident.take() else { return };
        tracked.ended = end.max(incident.start + 1);
        let event: InsightEvent =
            report::end(&tracked.key, &incident, end, reason, &self.strings, &moment(minute, share, rules));
        found.push(Found { minute, detected: Detected { event, told: Some(sensitivity(incident.level)) } });
    }
}

/// A finding whose window reaches back into an incident that has ended (a first burst that flared up again
/// within its hour) begins with the first call after it: each call belongs to one incident.
fn after(ended: u32, finding: Finding, index: u32, minute: u32, cells: &Cells) -> Finding {
    if finding.start >= ended {
        return finding;
    }
    let calls = cells.range(ended..=minute).find(|(_, of_series)| of_series.contains_key(&index));
    let start = calls.map_or(minute, |(at, _)| *at);
    Finding { start, window: minute - start + 1, ..finding }
}

fn moment<'a>(minute: u32, share: &Share<'_>, rules: &'a Rules) -> Moment<'a> {
    let over = i64::from(minute) * 60 + 60;
    Moment {
        detected_at: if share.ordered { over * 1000 } else { share.taken_at },
        data_through: if share.ordered { over } else { share.newest },
        public_url: rules.settings.public_url.as_deref(),
    }
}
