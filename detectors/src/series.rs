//! One series: counts a minute in, what is unusual out; kept small while it is quiet.
//!
//! A series that hardly ever has a call is kept packed ([`crate::pack`]) between its calls, in at most
//! [`MOST_COMPACT`] bytes; with a call it is unpacked, and stays so while anything is open, while drops are looked
//! for, or once it no longer packs that small. Which form it has shows nowhere: packing loses not a bit.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::calendar::{Minute, WEEK};
use crate::context::Context;
use crate::dense::{Dense, NEVER};
use crate::finding::{Finding, Step};
use crate::judge::WINDOW;
use crate::pack::UnpackError;

/// Minutes of silence after which nothing of a series is remembered: eight weeks.
pub const FORGET: u32 = 8 * WEEK;

/// Calls a minute above this count as this: four thousand million.
pub const MOST_CALLS: u64 = u32::MAX as u64;

/// Bytes that a packed series may have to be kept so.
pub(crate) const MOST_COMPACT: usize = 176;

/// The state of one series; see the crate's documentation for what it is told and says.
#[derive(Clone, PartialEq)]
pub struct Series(Form);

#[derive(Clone, PartialEq)]
enum Form {
    Dense(Box<Dense>),
    Compact(Compact),
}

/// What is asked of every series, beside the rest as it was packed.
#[derive(Clone, PartialEq)]
struct Compact {
    since: Minute,
    next: Minute,
    last_call: Minute,
    packed: Box<[u8]>,
}

impl core::fmt::Debug for Series {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Series")
            .field("since", &self.watched_since())
            .field("last_closed", &self.last_closed())
            .finish_non_exhaustive()
    }
}

impl Series {
    /// A series of an account that has been watched since `watched_since`, without a call until `first` (exclusive).
    pub fn new(watched_since: Minute, first: Minute) -> Self {
        Self::of(Dense::new(watched_since, first))
    }

    /// In the form that suits it.
    fn of(dense: Dense) -> Self {
        if dense.is_awake() || !dense.model.coarse.is_thin() {
            return Self(Form::Dense(Box::new(dense)));
        }
        let mut packed = Vec::with_capacity(MOST_COMPACT);
        dense.pack(&mut packed);
        if packed.len() > MOST_COMPACT {
            return Self(Form::Dense(Box::new(dense)));
        }
        let (since, next, last_call) = (dense.since, dense.next, dense.last_call().unwrap_or(NEVER));
        Self(Form::Compact(Compact { since, next, last_call, packed: packed.into_boxed_slice() }))
    }

    /// What was packed here is read here; should it ever not be, the series begins anew rather than stop everything.
    fn dense(&self) -> Dense {
        match &self.0 {
            Form::Dense(dense) => (**dense).clone(),
            Form::Compact(Compact { since, next, packed, .. }) => {
                Dense::unpack(packed).unwrap_or_else(|_| Dense::new(*since, *next))
            }
        }
    }

    fn with<T>(&self, ask: impl FnOnce(&Dense) -> T) -> T {
        match &self.0 {
            Form::Dense(dense) => ask(dense),
            Form::Compact(_) => ask(&self.dense()),
        }
    }

    /// Does something to the unpacked series and packs it again if that suits it.
    fn work<T>(&mut self, work: impl FnOnce(&mut Dense) -> T) -> T {
        if let Form::Dense(dense) = &mut self.0 {
            let answer = work(dense);
            if dense.is_awake() || !dense.model.coarse.is_thin() {
                return answer;
            }
            *self = Self::of(self.dense());
            return answer;
        }
        let mut dense = self.dense();
        let answer = work(&mut dense);
        *self = Self::of(dense);
        answer
    }

    /// Closes `minute` with `calls`, and every minute since the last closed one with none, but for those that are
    /// missing. A minute that is closed already, or that lies beyond [`crate::LAST_MINUTE`], changes nothing.
    pub fn close(&mut self, minute: Minute, calls: u64, context: &Context<'_>) -> Step {
        if minute < self.next() {
            return Step { awake: self.with(Dense::is_awake), ..Step::default() };
        }
        self.work(|dense| dense.close(minute, calls, context))
    }

    /// Judges a minute that is still open: `recent` holds the calls so far of the five minutes that end with it. Its
    /// counts can only grow, and with them the severity of what is found. None where an incident is open and nothing
    /// stricter is found, and for closed minutes.
    pub fn probe(&self, minute: Minute, recent: &[u64; WINDOW], context: &Context<'_>) -> Option<Finding> {
        self.with(|dense| dense.probe(minute, recent, context))
    }

    /// The caller told of what [`Self::probe`] found: an incident is open from `finding.start` on. Minutes before it
    /// that close later still teach; a later minute may raise it.
    pub fn open_early(&mut self, finding: &Finding) {
        self.work(|dense| dense.open_early(finding));
    }

    /// Appends the state's bytes: about a thousand for a dense series, two hundred for a sparse one.
    pub fn pack(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Form::Dense(dense) => dense.pack(out),
            Form::Compact(compact) => out.extend_from_slice(&compact.packed),
        }
    }

    /// Reads what [`Self::pack`] wrote: the same series to the bit, or an error.
    pub fn unpack(bytes: &[u8]) -> Result<Self, UnpackError> {
        Dense::unpack(bytes).map(Self::of)
    }

    /// Bytes of memory that it takes, this value included.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.0 {
                Form::Dense(dense) => dense.bytes(),
                Form::Compact(compact) => compact.packed.len(),
            }
    }

    fn next(&self) -> Minute {
        match &self.0 {
            Form::Dense(dense) => dense.next,
            Form::Compact(compact) => compact.next,
        }
    }

    /// Whether an incident is open.
    pub fn is_active(&self) -> bool {
        matches!(&self.0, Form::Dense(dense) if dense.episode.is_some())
    }

    /// The first minute of the current quiet run of an open incident.
    pub fn quiet_since(&self) -> Option<Minute> {
        self.with(Dense::quiet_since)
    }

    /// Calls expected in `minute`.
    pub fn expected(&self, minute: Minute) -> f64 {
        self.with(|dense| dense.expected(minute))
    }

    /// The least calls in `minute` that the one-minute test finds unusual, by [`crate::Level::ALL`]; `u64::MAX` if none
    /// are.
    pub fn thresholds(&self, minute: Minute, context: &Context<'_>) -> [u64; 3] {
        self.with(|dense| dense.thresholds(minute, context))
    }

    /// The last closed minute; the one before the first if none is.
    pub fn last_closed(&self) -> Minute {
        self.next().saturating_sub(1)
    }

    /// The last closed minute with calls.
    pub fn last_call(&self) -> Option<Minute> {
        match &self.0 {
            Form::Dense(dense) => dense.last_call(),
            Form::Compact(compact) => (compact.last_call != NEVER).then_some(compact.last_call),
        }
    }

    /// The first minute since which the account has been watched, as this series counts it.
    pub fn watched_since(&self) -> Minute {
        match &self.0 {
            Form::Dense(dense) => dense.since,
            Form::Compact(compact) => compact.since,
        }
    }

    /// The largest minute of the last seven days and today, in calls, rounded up by at most 1/1024.
    pub fn largest_of_week(&self) -> f64 {
        self.with(Dense::largest_of_week)
    }
}
