//! Records that come after the End of their incident was told: its figures are corrected.
//!
//! An incident that has ended is remembered for a day of event time. Calls that come late for one of its minutes are
//! added to it, and a quarter of an hour of event time after the first of them one further End tells the figures as
//! they are now: same `sharedEventID`, same times, same baseline, the next `revision`. So a file that was late is one
//! correction and not hundreds. Nothing opens again and nothing is judged anew: what would have been found had the
//! records come in time is found by `replay`.
//!
//! What follows is a function of the entries alone, as all else here: a record is late by the watermark of its entry,
//! and a correction is told with the minute that closes it.

use std::collections::{BTreeMap, BTreeSet};

use trailsight_schemas::insight::EndReason;
use trailsight_schemas::time::DAY;

use super::cell::Cell;
use super::incident::Incident;
use super::partition::{Partition, Share};
use super::telling::moment;
use super::{Found, Rules, account, report};
use crate::journal::Detected;

/// How long after its End was told an incident can be corrected, minutes of event time.
const CORRECTABLE: u32 = DAY;
/// How long late records are gathered, minutes of event time.
const GATHERED: u32 = 15;
/// Most incidents that a partition remembers; beyond, the one that ended first is corrected no more.
pub(super) const MOST_ENDED: usize = 256;

/// An incident whose End was told.
pub(super) struct Ended {
    /// With all its calls settled.
    pub(super) incident: Box<Incident>,
    /// First minute after it.
    pub(super) end: u32,
    pub(super) reason: EndReason,
    /// Minute with whose closing it is forgotten.
    pub(super) until: u32,
    /// Minute with whose closing a correction is told.
    pub(super) due: Option<u32>,
}

/// Incidents that ended lately: by series and first minute.
#[derive(Default)]
pub(super) struct Corrections {
    ended: BTreeMap<(u32, u32), Ended>,
    /// When something is to be done with each, by the minute.
    agenda: BTreeSet<(u32, u32, u32)>,
}

impl Ended {
    fn next(&self) -> u32 {
        self.due.unwrap_or(self.until)
    }
}

impl Corrections {
    /// An End was told, at the closing of `minute`.
    pub(super) fn remember(
        &mut self,
        series: u32,
        mut incident: Box<Incident>,
        end: u32,
        reason: EndReason,
        minute: u32,
    ) {
        let end = end.max(incident.start + 1);
        incident.settled = incident.total(end);
        incident.pending.clear();
        let until = minute.saturating_add(CORRECTABLE);
        self.put(series, Ended { incident, end, reason, until, due: None });
    }

    /// One that was stored, or that goes on.
    pub(super) fn put(&mut self, series: u32, ended: Ended) {
        let key = (series, ended.incident.start);
        self.forget(key);
        if self.ended.len() >= MOST_ENDED {
            let first = self.ended.iter().min_by_key(|(key, ended)| (ended.until, **key)).map(|(key, _)| *key);
            first.into_iter().for_each(|key| self.forget(key));
        }
        self.agenda.insert((ended.next(), key.0, key.1));
        self.ended.insert(key, ended);
    }

    fn forget(&mut self, key: (u32, u32)) {
        if let Some(ended) = self.ended.remove(&key) {
            self.agenda.remove(&(ended.next(), key.0, key.1));
        }
    }

    /// The series is given up.
    pub(super) fn forget_series(&mut self, series: u32) {
        let keys: Vec<(u32, u32)> = self.ended.range((series, 0)..=(series, u32::MAX)).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.forget(key));
    }

    /// Calls of a minute that is closed; `closed` is the newest that is.
    pub(super) fn add_late(&mut self, series: u32, minute: u32, cell: &Cell, closed: u32) {
        let before = self.ended.range_mut((series, 0)..=(series, minute));
        let Some((key, ended)) = before.last().filter(|(_, ended)| minute < ended.end) else { return };
        ended.incident.settled.merge(cell);
        if ended.due.is_none() {
            self.agenda.remove(&(ended.next(), key.0, key.1));
            ended.due = Some(closed.saturating_add(GATHERED));
            self.agenda.insert((ended.next(), key.0, key.1));
        }
    }

    /// The next minute with whose closing something is to be done.
    pub(super) fn next(&self) -> Option<u32> {
        self.agenda.first().map(|(minute, ..)| *minute)
    }

    /// Takes out one of which something is to be done by `minute`; `None` where there is none.
    fn take_due(&mut self, minute: u32) -> Option<(u32, Ended)> {
        let key = self.agenda.first().filter(|(at, ..)| *at <= minute).map(|(_, series, start)| (*series, *start))?;
        self.agenda.pop_first();
        Some((key.0, self.ended.remove(&key)?))
    }

    /// With the series of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Ended)> {
        self.ended.iter().map(|((series, _), ended)| (*series, ended))
    }

    /// Approximate bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.ended.values().map(|ended| size_of::<(Ended, [u32; 5])>() + ended.incident.bytes()).sum()
    }
}

impl Partition {
    /// Tells the corrections that closing `minute` makes due, and forgets what can be corrected no more.
    pub(super) fn tell_corrections(&mut self, minute: u32, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        while let Some((series, mut ended)) = self.corrections.take_due(minute) {
            let Some(tracked) = self.series.get(series as usize).and_then(Option::as_ref) else { continue };
            if ended.due.take().is_some() {
                ended.incident.revision = ended.incident.revision.saturating_add(1);
                let moment = moment(minute, share, rules);
                let event = report::end(&tracked.key, &ended.incident, ended.end, ended.reason, &self.strings, &moment);
                let told = Some(account::sensitivity(ended.incident.level));
                found.push(Found { minute, detected: Detected { event, told } });
            }
            if ended.until > minute {
                self.corrections.put(series, ended);
            }
        }
    }
}
