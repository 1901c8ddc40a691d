//! Records of one message or document into a tally.

use std::cell::RefCell;

use trailsight_schemas::decode::{self, Inflated, Limits, ObjectRef, Rejection, Skip, Visitor};
use trailsight_schemas::object_key::ObjectKey;
use trailsight_schemas::record::Record;

use super::classify::{Kind, class};
use super::identity::{NULL, caller};
use super::settings::{OBJECT_TOO_LARGE, Origin, Reject};
use super::tally::{Call, Tally};

/// Account or Region of a record that does not say, and whose file's name does not say either.
const UNKNOWN: &str = "unknown";
/// Inflated bytes whose memory is kept from one message to the next.
const SCRATCH: usize = 32 << 20;

thread_local! {
    /// Memory to inflate into. What it holds means nothing between two calls.
    static INTO: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends memory to inflate into.
pub(super) fn with_scratch<T>(lent: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut scratch = INTO.take();
    let result = lent(&mut scratch);
    if scratch.capacity() <= SCRATCH {
        INTO.replace(scratch);
    }
    result
}

impl Tally {
    /// Adds every record in one message or object, whatever its shape.
    ///
    /// A message over [`super::Settings::object_bytes`] is dead-lettered whole. Objects that a notification names
    /// are `not_analysed`: fetching them is the source's.
    pub fn read(&mut self, bytes: &[u8], origin: Origin<'_>, dead: &mut dyn FnMut(Reject)) {
        let limits = self.settings.limits();
        if bytes.len() as u64 > self.settings.object_bytes {
            self.outcomes.dead_letter += 1;
            return dead(origin.reject(0, OBJECT_TOO_LARGE, bytes, &limits));
        }
        with_scratch(|scratch| decode::read(bytes, &limits, scratch, &mut Reading::new(self, 0, origin, dead)));
    }

    /// Adds the records in a piece of text that begins at `offset` of the whole.
    pub(super) fn read_text(
        &mut self,
        text: Inflated<'_>,
        offset: u64,
        limits: &Limits,
        origin: Origin<'_>,
        dead: &mut dyn FnMut(Reject),
    ) {
        decode::decode(text, limits, &mut Reading::new(self, offset, origin, dead));
    }
}

/// Puts what the decoder finds into a tally.
struct Reading<'a> {
    tally: &'a mut Tally,
    /// Where the text begins in the whole.
    base: u64,
    origin: Origin<'a>,
    key: Option<ObjectKey<'a>>,
    dead: &'a mut dyn FnMut(Reject),
}

impl<'a> Reading<'a> {
    fn new(tally: &'a mut Tally, base: u64, origin: Origin<'a>, dead: &'a mut dyn FnMut(Reject)) -> Reading<'a> {
        Reading { tally, base, origin, key: ObjectKey::parse(origin.path), dead }
    }

    /// The account that the record was delivered to: what it says itself, else the caller's, else that in the
    /// object key.
    fn account<'r>(&self, record: &'r Record<'_>) -> &'r str
    where
        'a: 'r,
    {
        let own = [&record.recipient_account_id, &record.identity.account_id];
        let own = own.into_iter().flatten().find(|account| !account.is_empty());
        own.map_or(self.key.map_or(UNKNOWN, |key| key.account), |account| account)
    }

    /// The Region of the record, which wins over that of the object key: global services are delivered from
    /// elsewhere.
    fn region<'r>(&self, record: &'r Record<'_>) -> &'r str
    where
        'a: 'r,
    {
        if record.aws_region.is_empty() { self.key.map_or(UNKNOWN, |key| key.region) } else { &record.aws_region }
    }

    fn out_of_range(&mut self, offset: u64, record: &Record<'_>) {
        let id = record.event_id.as_deref().unwrap_or(NULL);
        let what = format!("{} {} {id}", record.event_source, record.event_name);
        let limits = self.tally.settings.limits();
        self.tally.outcomes.dead_letter += 1;
        (self.dead)(self.origin.out_of_range(self.base + offset, record.event_time, &what, &limits));
    }
}

impl Visitor for Reading<'_> {
    fn record(&mut self, offset: u64, record: &Record<'_>) {
        let Some(second) = self.tally.settings.event_second(record.event_time) else {
            return self.out_of_range(offset, record);
        };
        let kind = Kind {
            category: record.event_category.as_deref(),
            management: record.management_event,
            read_only: record.read_only,
            source: &record.event_source,
            name: &record.event_name,
        };
        let Some(class) = class(kind, &self.tally.settings.data_events) else {
            self.tally.outcomes.not_analysed += 1;
            return;
        };
        let call = Call {
            second,
            account: self.account(record),
            region: self.region(record),
            source: &record.event_source,
            name: &record.event_name,
            class,
            identity: caller(&record.identity),
            agent: record.user_agent.as_deref().filter(|agent| !agent.is_empty()).unwrap_or(NULL),
            error: record.error_code.as_deref().unwrap_or_default(),
        };
        match record.event_id.as_deref().filter(|id| !id.is_empty()) {
            Some(id) => self.tally.sample(call, id),
            None => self.tally.row(call, 1),
        }
    }

    fn object(&mut self, _offset: u64, _object: &ObjectRef<'_>) {
        self.tally.outcomes.not_analysed += 1;
    }

    fn skipped(&mut self, _offset: u64, skip: Skip) {
        // Nothing at all is not a record, and a stream may be cut so that a piece of it is blank.
        if skip != Skip::Empty {
            self.tally.outcomes.not_analysed += 1;
        }
    }

    fn rejected(&mut self, rejection: Rejection) {
        let Rejection { offset, reason, excerpt } = rejection;
        self.tally.outcomes.dead_letter += 1;
        (self.dead)(self.origin.rejected(self.base + offset, reason.name(), excerpt));
    }
}
