//! When a series says that something began, rose or ended: the incident is kept and the record made.
//!
//! What begins with one minute (or with one entry, where it is told early) is put in order first, the strictest
//! level before the others: so whoever leads is told before those who follow, whatever the order of the series.

use std::collections::BTreeMap;

use trailsight_detectors::{Finding, Level};
use trailsight_schemas::insight::InsightEvent;

use super::account::sensitivity;
use super::cell::Cell;
use super::folding::Place;
use super::incident::Incident;
use super::partition::{Partition, Share, counted, exposed};
use super::report::{self, Moment};
use super::tracked::{Cells, Kind};
use super::{Found, Rules};
use crate::journal::Detected;

/// An incident that begins, or one that passed a stricter level.
pub(super) struct Opening {
    pub(super) index: u32,
    /// The minute that decided.
    pub(super) minute: u32,
    pub(super) finding: Finding,
}

impl Partition {
    /// Judges a minute that is still open.
    pub(super) fn probe(
        &mut self,
        minute: u32,
        index: u32,
        share: &Share<'_>,
        rules: &Rules,
        openings: &mut BTreeMap<u32, Opening>,
    ) {
        if self.closed.is_some_and(|closed| minute <= closed) {
            return;
        }
        let mut recent = [0u64; 5];
        for (slot, at) in recent.iter_mut().zip(minute.saturating_sub(4)..=minute) {
            *slot = self.cells.get(&at).and_then(|of_series| of_series.get(&index)).map_or(0, |cell| cell.calls);
        }
        let Some(tracked) = self.series[index as usize].as_mut() else { return };
        let Some(account) = self.accounts.get(&tracked.key.account) else { return };
        if !tracked.key.is_api() {
            return;
        }
        let learn = share.taken_at >= tracked.unlearned_until;
        let mut context = account.context(&tracked.key, minute, learn, &self.fleet, &rules.settings);
        // How many calls there were is known once the minute is complete. What is told before must stay unusual with
        // many more of them.
        let calls = |minutes: u32| {
            let [window, hour] = [minutes, 60].map(|minutes| exposed(&self.exposed, index, minute, minutes));
            window.saturating_mul(4).saturating_add(hour.saturating_mul(10 * u64::from(minutes)) / 60)
        };
        let errors = || counted(&self.cells, index, minute, 60);
        context.exposure = tracked.exposure(&calls, &errors, &rules.settings);
        let Some(finding) = tracked.series.probe(minute, &recent, &context) else { return };
        if tracked.incident.as_ref().is_some_and(|incident| finding.level >= incident.level) {
            return;
        }
        tracked.series.open_early(&finding);
        self.awake.insert(index);
        let earlier = openings.get(&index).map_or(finding.start, |earlier| earlier.finding.start);
        let finding = Finding { start: earlier.min(finding.start), ..finding };
        openings.insert(index, Opening { index, minute, finding });
    }

    pub(super) fn is_open(&self, index: u32) -> bool {
        self.series[index as usize].as_ref().is_some_and(|tracked| tracked.incident.is_some())
    }

    /// Tells everything that begins or rises together, once it is known who belongs to whom.
    pub(super) fn open(&mut self, openings: Vec<Opening>, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        let ranked = openings.into_iter().filter_map(|opening| Some((self.rank(&opening)?, opening)));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_by(|a, b| a.0.cmp(&b.0));
        let known = ranked.into_iter().filter_map(|(_, opening)| {
            if self.is_open(opening.index) { self.raise(opening) } else { Some((self.begin_incident(opening)?, None)) }
        });
        let known: Vec<(Opening, Option<Level>)> = known.collect();
        for (opening, told) in known {
            if told.is_none() {
                self.supersede(opening.index, opening.minute, share, rules, found);
            }
            self.tell(&opening, told, share, rules, found);
        }
    }

    /// The strictest first, then what speaks of the whole account, calls, errors, and by name.
    fn rank(&self, opening: &Opening) -> Option<(Level, u8, String)> {
        let key = &self.series[opening.index as usize].as_ref()?.key;
        let of = match key.kind {
            Kind::Sweep | Kind::Total => 0,
            Kind::Calls => 1,
            Kind::Denied => 2,
            Kind::Errors => 3,
        };
        Some((opening.finding.level, of, key.path(&self.strings)))
    }

    /// Keeps the incident; `None` where it is only counted, by a lead that has folded enough.
    fn begin_incident(&mut self, opening: Opening) -> Option<Opening> {
        let (index, closed) = (opening.index, self.closed);
        let tracked = self.series[index as usize].as_ref()?;
        let finding = after(tracked.ended, &opening, &self.cells);
        let path = tracked.key.path(&self.strings);
        let shared = report::shared_id(&path, &tracked.key, finding.test, finding.start);
        let account = self.accounts.get_mut(&tracked.key.account)?;
        account.leads.pass(opening.minute);
        let leader = match account.leads.place(finding.start, finding.level) {
            Place::Leads => {
                account.leads.lead(shared, index, finding.start, finding.level);
                None
            }
            Place::Folded(leader, series) => {
                self.add_member(leader, series, path);
                Some(leader)
            }
            Place::Counted(leader, series) => {
                self.omitted = self.omitted.saturating_add(1);
                self.add_member(leader, series, path);
                return None;
            }
        };
        let tracked = self.series[index as usize].as_mut()?;
        let baseline = tracked.baseline(index, finding.start, &self.cells, closed);
        let mut incident = Box::new(Incident::new(shared, finding.start, baseline));
        (incident.leader, incident.level) = (leader, finding.level);
        for (at, of_series) in self.cells.range(finding.start..=closed.unwrap_or(0).max(finding.start)) {
            if let Some(cell) = of_series.get(&index).filter(|_| closed.is_some_and(|closed| *at <= closed)) {
                incident.pending.insert(*at, cell.clone());
            }
        }
        tracked.incident = Some(incident);
        self.list_members(index, finding.start);
        Some(Opening { finding, ..opening })
    }

    /// The open incident passed a stricter level; `None` where it did not. What its lead does not cover any more speaks
    /// for itself. With the level told before.
    fn raise(&mut self, opening: Opening) -> Option<(Opening, Option<Level>)> {
        let level = opening.finding.level;
        let tracked = self.series[opening.index as usize].as_mut()?;
        let incident = tracked.incident.as_mut().filter(|incident| level < incident.level)?;
        let account = self.accounts.get_mut(&tracked.key.account)?;
        if incident.leader.is_none_or(|leader| !account.leads.covers(&leader, level)) {
            incident.leader = None;
            account.leads.lead(incident.shared, opening.index, incident.start, level);
        }
        let told = incident.level;
        incident.revision += 1;
        Some((opening, Some(told)))
    }

    /// Makes the record of a Start with the figures of the deciding window.
    fn tell(
        &mut self,
        opening: &Opening,
        told: Option<Level>,
        share: &Share<'_>,
        rules: &Rules,
        found: &mut Vec<Found>,
    ) {
        let Opening { index, minute, finding } = opening;
        let Some(tracked) = self.series[*index as usize].as_mut() else { return };
        let Some(incident) = tracked.incident.as_mut() else { return };
        let first_use = finding.test == trailsight_detectors::Test::FirstUse;
        let account = self.accounts.get(&tracked.key.account);
        let chance = account
            .map_or(0.0, |account| account.chance_per_week(finding.rate, finding.level, tracked.key.kind, first_use));
        (incident.level, incident.test) = (finding.level, finding.test);
        (incident.expected, incident.observed, incident.chance_per_week) = (finding.expected, finding.observed, chance);
        incident.thresholds = finding.thresholds.map(|rate| (rate.is_finite() && rate >= 0.0).then_some(rate));
        let mut window = Cell::default();
        for (_, of_series) in self.cells.range(minute.saturating_sub(finding.window.max(1) - 1)..=*minute) {
            if let Some(cell) = of_series.get(index) {
                window.merge(cell);
            }
        }
        let moment = moment(*minute, share, rules);
        let event = report::start(&tracked.key, incident, finding, &window, &self.strings, &moment);
        found.push(Found { minute: *minute, detected: Detected { event, told: told.map(sensitivity) } });
    }

    /// A lead speaks for one more series; its next record says so.
    fn add_member(&mut self, leader: uuid::Uuid, series: u32, path: String) {
        let Some(tracked) = self.series.get_mut(series as usize).and_then(Option::as_mut) else { return };
        let Some(incident) = tracked.incident.as_mut().filter(|incident| incident.shared == leader) else { return };
        // A sweep counts what wakes up, as far as it can be counted; a series that does is not one more.
        if tracked.key.kind != Kind::Sweep || incident.members_omitted == 0 {
            incident.add_member(path);
        } else if let Some(account) = self.accounts.get(&tracked.key.account) {
            let folded = account.leads.folded(&leader);
            let beyond = folded.saturating_sub(u32::try_from(incident.members.len()).unwrap_or(u32::MAX));
            incident.members_omitted = incident.members_omitted.max(beyond);
        }
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn tell_end(
        &mut self,
        index: u32,
        minute: u32,
        end: u32,
        reason: trailsight_schemas::insight::EndReason,
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
        self.corrections.remember(index, incident, end, reason, minute);
    }
}

/// A finding whose window reaches back into an incident that has ended (a first burst that flared up again
/// within its hour) begins with the first call after it: each call belongs to one incident.
fn after(ended: u32, opening: &Opening, cells: &Cells) -> Finding {
    let (minute, finding) = (opening.minute, opening.finding);
    if finding.start >= ended {
        return finding;
    }
    let calls = cells.range(ended..=minute).find(|(_, of_series)| of_series.contains_key(&opening.index));
    let start = calls.map_or(minute, |(at, _)| *at);
    Finding { start, window: minute - start + 1, ..finding }
}

pub(super) fn moment<'a>(minute: u32, share: &Share<'_>, rules: &'a Rules) -> Moment<'a> {
    let over = i64::from(minute) * 60 + 60;
    Moment {
        detected_at: if share.ordered { over * 1000 } else { share.taken_at },
        data_through: if share.ordered { over } else { share.newest },
        public_url: rules.settings.public_url.as_deref(),
    }
}
