//! What a series is told whenever it closes or judges a minute.

use core::ops::Range;

use crate::calendar::Minute;
use crate::finding::Level;
use crate::firstuse::FirstUsePool;
use crate::tailpool::TailPool;

/// What the counts are counts of: it chooses floors, and which tests run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Calls of one API, or those of them that failed with one code.
    #[default]
    Api,
    /// Pairs of API and error code that were silent for a week and woke up in this minute, in an account or by one
    /// principal.
    Sweep,
    /// Denied calls of a whole account.
    Denied,
}

/// How far learning is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// Learning only: nothing opens.
    Nothing,
    /// Only the strictest level may open.
    Provisional,
    /// Every level.
    Full,
}

impl Judge {
    pub(crate) fn allows(self, level: Level) -> bool {
        match self {
            Self::Nothing => false,
            Self::Provisional => level == Level::Low,
            Self::Full => true,
        }
    }
}

/// For a series of errors: how many calls they are of, and how many of those usually fail. Where it is given, a rise
/// is only found where the share of failures rose too, in its window and in the last hour.
#[derive(Clone, Copy)]
pub struct Exposure<'a> {
    /// Calls of the API, failed or not, in the given number of minutes (1 to 60) that end with the one judged. Asked
    /// only where a count is unusual. Never less than the errors of those minutes.
    pub calls: &'a dyn Fn(u32) -> u64,
    /// Failures with this code in the hour that ends with the minute judged.
    pub errors_of_hour: &'a dyn Fn() -> u64,
    /// π, failures with this code a call over the last seven days, discounted; from 0 to 1.
    pub ratio: f64,
    /// φ = Σ(e − nπ)²/Σnπ(1 − π) over the minutes of those days; 1 where failures are independent.
    pub overdispersion: f64,
    /// Whether the calls are judged themselves. Where they are not, failures that are most of the calls need no
    /// confirmation, because nothing else would tell of them.
    pub calls_judged: bool,
}

/// How much of a minute was made by principals that did not call this API in the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Novelty {
    /// Share of the judged minute's calls, from 0 to 1.
    pub share: f64,
    /// Share of this account's minutes with calls in which at least half were by such principals, as measured.
    pub base: f64,
}

/// The tails of other series, pooled; see [`TailPool`].
#[derive(Clone, Copy)]
pub struct Tails<'a> {
    /// Of this account.
    pub account: &'a TailPool,
    /// Of all accounts.
    pub all: &'a TailPool,
}

impl Tails<'static> {
    /// What is shipped, before anything was pooled.
    pub const SHIPPED: Self = Self { account: &TailPool::SHIPPED, all: &TailPool::SHIPPED };
}

/// What a series is told whenever it judges.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What is counted.
    pub kind: Kind,
    /// Alarm episodes per minute this series may raise by chance, all its tests but first use together, by
    /// [`Level::ALL`].
    pub alpha: [f64; 3],
    /// The account's first bursts, calls or errors apart.
    pub pool: &'a FirstUsePool,
    /// First-use alarms per minute allowed to the whole account (to this pool of it), by [`Level::ALL`].
    pub pool_alpha: [f64; 3],
    /// What other series' tails look like.
    pub tails: Tails<'a>,
    /// Which levels may open.
    pub judge: Judge,
    /// False: the calls of the minute being closed are kept out of what is learned (muted); silence still teaches.
    pub learn: bool,
    /// Minutes that are missing, not without calls, in order and apart from each other: nothing is learned from them
    /// or judged in them. All that were not closed before must be here; what was closed already is passed over.
    pub gaps: &'a [Range<Minute>],
    /// Minutes after an End within which what flares up again continues the incident: 15 unless set otherwise.
    pub merge: u32,
    /// Only for errors.
    pub exposure: Option<Exposure<'a>>,
    /// Where it is known.
    pub novelty: Option<Novelty>,
}
