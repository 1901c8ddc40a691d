//! One account: its labels, what an engine told, and which belongs to which.

use super::matching::{Relation, relation, tells_of};
use crate::insight::{About, Gate, Incident, Told};
use crate::label::{Labels, Truth};

/// Minutes after the end of an anomaly by which a level has to be reached for the anomaly to be found at it.
const LATEST: i64 = 60;

/// An account with an engine's incidents.
#[derive(Clone, Debug)]
pub(crate) struct Scored {
    pub(crate) labels: Labels,
    pub(crate) incidents: Vec<Incident>,
    /// Of each incident, the truth that it finds.
    finds: Vec<Option<usize>>,
    /// Of each incident, the truth that explains it.
    explained: Vec<Option<usize>>,
}

impl Scored {
    /// Incidents of other accounts and of the first week are left out.
    pub(crate) fn new(labels: Labels, incidents: Vec<Incident>) -> Scored {
        let here = |incident: &Incident| incident.account == labels.account && incident.start >= labels.scored;
        let incidents: Vec<Incident> = incidents.into_iter().filter(here).collect();
        let of = |incident: &Incident, wanted: Relation| {
            labels.truths.iter().position(|truth| relation(incident, truth) == wanted)
        };
        let finds: Vec<Option<usize>> = incidents.iter().map(|incident| of(incident, Relation::Finds)).collect();
        let explained = incidents.iter().map(|incident| of(incident, Relation::Explained)).collect();
        Scored { explained, finds, labels, incidents }
    }

    /// Leads that belong to no anomaly.
    pub(crate) fn false_leads(&self, gate: Gate) -> impl Iterator<Item = &Incident> {
        let told = move |incident: &Incident| incident.told(gate).is_some_and(|told| told.lead);
        let owners = self.finds.iter().zip(&self.explained).map(|(found, explained)| found.or(*explained));
        let pairs = self.incidents.iter().zip(owners);
        pairs.filter(move |(incident, owner)| owner.is_none() && told(incident)).map(|(incident, _)| incident)
    }

    /// False leads that tell of a benign change.
    pub(crate) fn about_changes(&self, gate: Gate) -> usize {
        self.false_leads(gate)
            .filter(|incident| self.labels.changes.iter().any(|change| tells_of(incident, change)))
            .count()
    }

    /// For each benign change, its place in the labels and how many leads tell of it.
    pub(crate) fn alarms_of_changes(&self, gate: Gate) -> Vec<(usize, usize)> {
        let leads: Vec<&Incident> = self.false_leads(gate).collect();
        let alarms = |change| leads.iter().filter(|incident| tells_of(incident, change)).count();
        let scored = self.labels.changes.iter().enumerate().filter(|(_, change)| change.end > self.labels.scored);
        scored.map(|(place, change)| (place, alarms(change))).collect()
    }

    /// What was told of each anomaly.
    pub(crate) fn truths(&self, gate: Gate) -> impl Iterator<Item = Finding<'_>> {
        self.labels.truths.iter().enumerate().map(move |(place, truth)| {
            let mine = self.incidents.iter().zip(&self.finds).filter(|(_, found)| **found == Some(place));
            let in_time = |told: &Told| told.decided <= truth.end + LATEST;
            let told: Vec<_> =
                mine.filter_map(|(incident, _)| Some((incident, incident.told(gate).filter(in_time)?))).collect();
            let as_account = told.iter().filter(|(incident, _)| matches!(incident.about, About::Sweep | About::Denied));
            let first = told.iter().min_by_key(|(_, told)| told.decided);
            Finding {
                truth,
                delay: first.map(|(_, told)| (told.decided - truth.start).max(0)),
                as_account: as_account.map(|(_, told)| (told.decided - truth.start).max(0)).min(),
                leads: told.iter().filter(|(_, told)| told.lead).count(),
                end_error: first.and_then(|(incident, _)| Some((incident.end? - truth.end).abs())),
                repeats: self.repetitions(place, gate),
            }
        })
    }

    /// Leads about the errors beside an anomaly.
    fn repetitions(&self, place: usize, gate: Gate) -> usize {
        let repeats = |(incident, explained): &(&Incident, &Option<usize>)| {
            **explained == Some(place)
                && !incident.name.code.is_empty()
                && incident.told(gate).is_some_and(|told| told.lead)
        };
        self.incidents.iter().zip(&self.explained).filter(repeats).count()
    }
}

/// What was told of one anomaly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finding<'a> {
    pub(crate) truth: &'a Truth,
    /// Minutes from the first anomalous minute to the one that decided; none: not found.
    pub(crate) delay: Option<i64>,
    /// The same, by an insight about the account rather than about one series.
    pub(crate) as_account: Option<i64>,
    /// Insights that somebody was told of it.
    pub(crate) leads: usize,
    /// Minutes between its end and the End.
    pub(crate) end_error: Option<i64>,
    /// Error insights that only repeat a surge of calls.
    pub(crate) repeats: usize,
}
