//! Strings, APIs and callers held once and named by number.
//!
//! Tables belong to one tally and live as long as it does: nothing that a caller of AWS can mint outlives the
//! batch that it came in. Their numbers depend on the order of arrival and never leave the tally, see
//! [`super::rollup::Canonical`].

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use trailsight_schemas::entry::{Api, StringId};

/// Values numbered in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Table<K> {
    numbers: HashMap<K, u32, RandomState>,
    keys: Vec<K>,
}

impl<K> Default for Table<K> {
    fn default() -> Table<K> {
        Table { numbers: HashMap::default(), keys: Vec::new() }
    }
}

impl<K: Clone + Eq + Hash> Table<K> {
    /// The number of `key`, which `make` turns into a value when it is new.
    fn number<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, make: impl FnOnce(&Q) -> K) -> u32
    where
        K: Borrow<Q>,
    {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        // A value takes 32 bytes and more: memory ends before the numbers do.
        let number = self.keys.len() as u32;
        let key = make(key);
        self.keys.push(key.clone());
        self.numbers.insert(key, number);
        number
    }

    /// All values, by number.
    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    /// The value of a number that this table gave.
    fn get(&self, number: u32) -> &K {
        &self.keys[number as usize]
    }

    /// Bytes held, without what the values point to.
    fn memory(&self) -> usize {
        // One byte of control for each slot, and one slot in eight stays free.
        let slot = size_of::<(K, u32)>() + 1;
        self.numbers.capacity() * slot / 7 * 8 + self.keys.capacity() * size_of::<K>()
    }
}

/// What is attributed to a call, strings by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Attributes {
    /// `errorCode`; `None` for a call that succeeded.
    pub(super) error: Option<StringId>,
    /// Who called.
    pub(super) identity: StringId,
    /// With which user agent.
    pub(super) agent: StringId,
}

/// Everything that the samples of one tally name by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    strings: Table<Arc<str>>,
    apis: Table<Api>,
    attributes: Table<Attributes>,
    text: usize,
}

/// Bytes of one string beside its text: the two counts of an `Arc`, and what an allocator rounds up to.
const STRING_OVERHEAD: usize = 16 + 16;

impl Tables {
    pub(super) fn string(&mut self, text: &str) -> StringId {
        let count = self.strings.keys().len();
        let number = self.strings.number(text, |text| Arc::from(text));
        if self.strings.keys().len() > count {
            self.text += text.len() + STRING_OVERHEAD;
        }
        number
    }

    pub(super) fn api(&mut self, api: Api) -> u32 {
        self.apis.number(&api, |api| *api)
    }

    pub(super) fn attributes(&mut self, attributes: Attributes) -> u32 {
        self.attributes.number(&attributes, |attributes| *attributes)
    }

    pub(super) fn strings(&self) -> &[Arc<str>] {
        self.strings.keys()
    }

    pub(super) fn apis(&self) -> &[Api] {
        self.apis.keys()
    }

    pub(super) fn all_attributes(&self) -> &[Attributes] {
        self.attributes.keys()
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> usize {
        self.strings.memory() + self.apis.memory() + self.attributes.memory() + self.text
    }
}

/// Numbers of one set of tables as numbers of another, each looked up once.
#[derive(Debug, Default)]
pub(super) struct Remap {
    strings: HashMap<u32, u32, RandomState>,
    apis: HashMap<u32, u32, RandomState>,
    attributes: HashMap<u32, u32, RandomState>,
}

impl Remap {
    pub(super) fn api(&mut self, from: &Tables, into: &mut Tables, number: u32) -> u32 {
        if let Some(known) = self.apis.get(&number) {
            return *known;
        }
        let api = from.apis.get(number);
        let api = Api {
            account: self.string(from, into, api.account),
            region: self.string(from, into, api.region),
            source: self.string(from, into, api.source),
            name: self.string(from, into, api.name),
            class: api.class,
        };
        let new = into.api(api);
        self.apis.insert(number, new);
        new
    }

    pub(super) fn attributes(&mut self, from: &Tables, into: &mut Tables, number: u32) -> u32 {
        if let Some(known) = self.attributes.get(&number) {
            return *known;
        }
        let attributes = from.attributes.get(number);
        let attributes = Attributes {
            error: attributes.error.map(|code| self.string(from, into, code)),
            identity: self.string(from, into, attributes.identity),
            agent: self.string(from, into, attributes.agent),
        };
        let new = into.attributes(attributes);
        self.attributes.insert(number, new);
        new
    }

    fn string(&mut self, from: &Tables, into: &mut Tables, number: u32) -> u32 {
        *self.strings.entry(number).or_insert_with(|| into.string(from.strings.get(number)))
    }
}
