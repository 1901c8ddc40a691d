//! Which of the insights of one account speak to people, and which are told by another.
//!
//! Alarms come in company: one cause moves many series. An insight that starts within [`FOLD_MINUTES`] of a lead of
//! its account, at no stricter level, is folded: recorded, sent to machines, and told to people by its lead. Only
//! leads fold, and only by their Start, so that a storm of hours is told anew every quarter of an hour; a stricter
//! level is never folded, so that nothing serious hides behind something harmless.
//!
//! A lead folds [`MOST_FOLDED`] insights with records of their own; what comes beyond is counted by it and not
//! recorded alone.

use trailsight_detectors::Level;
use uuid::Uuid;

/// Minutes between the Starts of a lead and of what is folded into it, at most.
pub(super) const FOLD_MINUTES: u32 = 15;
/// Folded insights of one lead that are recorded.
pub(super) const MOST_FOLDED: u32 = 100;
/// Minutes that a lead is remembered after its Start: a Start may be dated back by little more than an hour.
const REMEMBERED: u32 = 120;

/// The leads of one account whose company may still come, oldest first. Within [`FOLD_MINUTES`] there is at most
/// one a level, so the list is short.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Leads(Vec<Lead>);

/// An insight that people are told of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lead {
    pub(super) shared: Uuid,
    /// The series of its incident.
    pub(super) series: u32,
    pub(super) start: u32,
    pub(super) level: Level,
    /// Insights folded into it: the first [`MOST_FOLDED`] were recorded, the others counted.
    pub(super) folded: u32,
}

/// What becomes of an insight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// It speaks for itself.
    Leads,
    /// Recorded, and told by this lead.
    Folded(Uuid, u32),
    /// Counted by the lead of this series, which has folded as many as it may.
    Counted(Uuid, u32),
}

impl Leads {
    /// Where an insight that begins at `start` belongs. The strictest lead in reach takes it, the oldest of equals.
    pub(super) fn place(&mut self, start: u32, level: Level) -> Place {
        let reach = |lead: &&mut Lead| lead.level <= level && lead.start.abs_diff(start) <= FOLD_MINUTES;
        let Some(lead) = self.0.iter_mut().filter(reach).min_by_key(|lead| lead.level) else { return Place::Leads };
        lead.folded = lead.folded.saturating_add(1);
        if lead.folded > MOST_FOLDED {
            return Place::Counted(lead.shared, lead.series);
        }
        Place::Folded(lead.shared, lead.series)
    }

    /// Insights that a lead speaks for, recorded or not.
    pub(super) fn folded(&self, leader: &Uuid) -> u32 {
        self.0.iter().find(|lead| lead.shared == *leader).map_or(0, |lead| lead.folded)
    }

    /// Whether an insight told by `leader` still is at `level`: its lead may have been overtaken.
    pub(super) fn covers(&self, leader: &Uuid, level: Level) -> bool {
        self.0.iter().any(|lead| lead.shared == *leader && lead.level <= level)
    }

    /// An insight speaks for itself from now on, at this level.
    pub(super) fn lead(&mut self, shared: Uuid, series: u32, start: u32, level: Level) {
        match self.0.iter_mut().find(|lead| lead.shared == shared) {
            Some(lead) => lead.level = lead.level.min(level),
            None => self.0.push(Lead { shared, series, start, level, folded: 0 }),
        }
    }

    /// Forgets leads that are out of everybody's reach.
    pub(super) fn pass(&mut self, minute: u32) {
        self.0.retain(|lead| lead.start.saturating_add(REMEMBERED) >= minute);
    }

    pub(super) fn as_slice(&self) -> &[Lead] {
        &self.0
    }

    pub(super) fn from_vec(leads: Vec<Lead>) -> Leads {
        Leads(leads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(leads: &mut Leads, id: u128, start: u32, level: Level) {
        assert_eq!(leads.place(start, level), Place::Leads);
        leads.lead(Uuid::from_u128(id), id as u32, start, level);
    }

    #[test]
    fn company_is_folded_by_its_leads_start_and_never_when_it_is_stricter() {
        let mut leads = Leads::default();
        lead(&mut leads, 1, 1000, Level::Medium);
        let folded = Place::Folded(Uuid::from_u128(1), 1);
        assert_eq!(leads.place(1015, Level::Medium), folded);
        assert_eq!(leads.place(985, Level::High), folded, "dated back");
        assert_eq!(leads.place(1014, Level::Low), Place::Leads);
        lead(&mut leads, 2, 1014, Level::Low);
        lead(&mut leads, 3, 1030, Level::Low);
        assert_eq!(leads.place(1031, Level::Medium), Place::Folded(Uuid::from_u128(3), 3), "no chain over 15 minutes");
    }

    #[test]
    fn a_lead_that_was_overtaken_covers_no_more() {
        let mut leads = Leads::default();
        lead(&mut leads, 1, 1000, Level::High);
        let one = Uuid::from_u128(1);
        assert!(leads.covers(&one, Level::High) && !leads.covers(&one, Level::Medium));
        leads.lead(one, 1, 1000, Level::Low);
        assert!(leads.covers(&one, Level::Medium));
        leads.pass(1000 + REMEMBERED + 1);
        assert!(!leads.covers(&one, Level::High));
    }

    #[test]
    fn a_lead_folds_so_many_and_counts_the_rest() {
        let mut leads = Leads::default();
        lead(&mut leads, 1, 1000, Level::Medium);
        let counted =
            (0..10 * MOST_FOLDED).filter(|n| matches!(leads.place(1000 + n % 15, Level::High), Place::Counted(..)));
        assert_eq!(counted.count() as u32, 9 * MOST_FOLDED);
    }
}
