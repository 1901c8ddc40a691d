//! A multiset of records, as small as it can be while duplicates can still be told apart.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trailsight_schemas::entry::{Api, Class, Outcomes};
use trailsight_schemas::time::Minute;

use super::fingerprint::{bounded, fingerprint};
use super::intern::{Attributes, Remap, Tables};
use super::settings::{ATTRIBUTE_BYTES, NAME_BYTES, Settings};

/// A record that has an eventID: one call, unless the eventID was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Hash of the eventID.
    pub(super) fingerprint: u64,
    /// Event time, seconds since the epoch.
    pub(super) second: u32,
    pub(super) api: u32,
    pub(super) attributes: u32,
}

impl Sample {
    pub(super) fn minute(&self) -> Minute {
        Minute(self.second / 60)
    }
}

/// Calls that nobody can tell from duplicates: a row of a counts table, or a record without an eventID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) calls: u64,
    /// Event time, seconds since the epoch.
    pub(super) second: u32,
    pub(super) api: u32,
    pub(super) attributes: u32,
}

impl Row {
    pub(super) fn minute(&self) -> Minute {
        Minute(self.second / 60)
    }
}

/// What is kept of a record or row, in words. Nothing of it is trusted: strings may have any length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) second: u32,
    pub(super) account: &'a str,
    pub(super) region: &'a str,
    pub(super) source: &'a str,
    pub(super) name: &'a str,
    pub(super) class: Class,
    pub(super) identity: &'a str,
    pub(super) agent: &'a str,
    /// Empty for none.
    pub(super) error: &'a str,
}

/// Bytes that a record in a load may take on the average, the strings that only it has included. Without strings of its
/// own it takes 24.
pub const LOADED_RECORD: usize = 256;
/// Bytes of a load that are nobody's fault: tables have room to grow.
const SMALL_LOAD: usize = 1 << 20;

/// A commutative multiset of the records seen: the same records in any order, cut in any way, make the
/// same tally.
///
/// A record takes 24 bytes, and each distinct string, API and caller some more, once. Whoever fills a tally
/// watches [`Tally::memory`].
pub struct Tally {
    pub(super) settings: Arc<Settings>,
    pub(super) tables: Tables,
    pub(super) samples: Vec<Sample>,
    pub(super) rows: Vec<Row>,
    pub(super) newest: Option<i64>,
    pub(super) outcomes: Outcomes,
}

impl Tally {
    /// An empty tally.
    pub fn new(settings: Arc<Settings>) -> Tally {
        Tally {
            settings,
            tables: Tables::default(),
            samples: Vec::new(),
            rows: Vec::new(),
            newest: None,
            outcomes: Outcomes::default(),
        }
    }

    /// The settings it counts by.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Adds all that another tally holds. This one's settings stay.
    pub fn merge(&mut self, mut other: Tally) {
        if other.len() > self.len() {
            std::mem::swap(&mut self.tables, &mut other.tables);
            std::mem::swap(&mut self.samples, &mut other.samples);
            std::mem::swap(&mut self.rows, &mut other.rows);
        }
        let mut remap = Remap::default();
        self.extend(&other.tables, &other.samples, &other.rows, &mut remap);
        self.newest = self.newest.max(other.newest);
        self.outcomes += other.outcomes;
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.rows.is_empty()
    }

    /// Records held, duplicates included. A row of a counts table is one, however many calls it says.
    pub fn len(&self) -> usize {
        self.samples.len() + self.rows.len()
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.samples.capacity() * size_of::<Sample>() + self.rows.capacity() * size_of::<Row>() + self.tables.memory()
    }

    /// Whether this is enough for a load of so many records: there are as many, or they take the room of as many.
    pub fn fills(&self, records: usize) -> bool {
        self.len() >= records || self.memory() >= records.saturating_mul(LOADED_RECORD).max(SMALL_LOAD)
    }

    /// Newest event time held, seconds since the epoch. A row of a counts table has that of its minute's
    /// beginning.
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Newest event time of what `add` adds, apart from what was there before: a tally of several partitions has
    /// one for each.
    pub fn newest_of(&mut self, add: impl FnOnce(&mut Tally)) -> Option<i64> {
        let before = self.newest.take();
        add(self);
        let added = self.newest;
        self.newest = before.max(added);
        added
    }

    /// Records passed over and dead-lettered so far (`counted` and `duplicate` are known only in
    /// [`super::Dedup::batch`]).
    pub fn outcomes(&self) -> Outcomes {
        self.outcomes
    }

    /// Adds one call with an eventID.
    pub(super) fn sample(&mut self, call: Call<'_>, event_id: &str) {
        let (api, attributes) = self.intern(call);
        self.samples.push(Sample { fingerprint: fingerprint(event_id), second: call.second, api, attributes });
    }

    /// Adds calls without one. No calls are nothing.
    pub(super) fn row(&mut self, call: Call<'_>, calls: u64) {
        if calls > 0 {
            let (api, attributes) = self.intern(call);
            self.rows.push(Row { calls, second: call.second, api, attributes });
        }
    }

    /// Adds samples and rows whose numbers are those of `from`.
    pub(super) fn extend(&mut self, from: &Tables, samples: &[Sample], rows: &[Row], remap: &mut Remap) {
        self.samples.extend(samples.iter().map(|sample| Sample {
            api: remap.api(from, &mut self.tables, sample.api),
            attributes: remap.attributes(from, &mut self.tables, sample.attributes),
            ..*sample
        }));
        self.rows.extend(rows.iter().map(|row| Row {
            api: remap.api(from, &mut self.tables, row.api),
            attributes: remap.attributes(from, &mut self.tables, row.attributes),
            ..*row
        }));
        let seconds = samples.iter().map(|sample| sample.second).chain(rows.iter().map(|row| row.second));
        self.newest = self.newest.max(seconds.max().map(i64::from));
    }

    fn intern(&mut self, call: Call<'_>) -> (u32, u32) {
        self.newest = self.newest.max(Some(i64::from(call.second)));
        let tables = &mut self.tables;
        let mut name = |text| tables.string(&bounded(text, NAME_BYTES));
        let api = Api {
            account: name(call.account),
            region: name(call.region),
            source: name(call.source),
            name: name(call.name),
            class: call.class,
        };
        let error = (!call.error.is_empty()).then(|| name(call.error));
        let mut attribute = |text| tables.string(&bounded(text, ATTRIBUTE_BYTES));
        let attributes = Attributes { error, identity: attribute(call.identity), agent: attribute(call.agent) };
        (tables.api(api), tables.attributes(attributes))
    }
}
