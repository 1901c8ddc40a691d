//! What a series says: levels, tests, findings, transitions.

use crate::calendar::Minute;
use crate::tailpool::Peaks;

/// How loud an alarm is allowed to be: the strictest level first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The fewest false alarms.
    Low,
    /// The default.
    Medium,
    /// Everything worth a look.
    High,
}

impl Level {
    /// All levels, strictest first: the order of every array of three in this crate.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];
}

/// The question that answered yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Test {
    /// Too many calls in one minute.
    Minute,
    /// Too many calls in five minutes.
    FiveMinutes,
    /// Far more than any minute of the last seven days.
    Record,
    /// Too many calls in the first hour of a series that was silent.
    FirstUse,
    /// Too many calls for minutes or hours, though no minute need be unusual.
    Sustained,
    /// Too many calls in a clock hour.
    Hour,
    /// Too few calls.
    Drop,
}

/// Which side of the expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// More than expected.
    Above,
    /// Less.
    Below,
}

impl Test {
    /// All tests; a test's place here is its code in what is stored.
    pub const ALL: [Self; 7] =
        [Self::Minute, Self::FiveMinutes, Self::Record, Self::FirstUse, Self::Sustained, Self::Hour, Self::Drop];

    /// The side this test looks at.
    pub fn direction(self) -> Direction {
        if self == Self::Drop { Direction::Below } else { Direction::Above }
    }
}

/// One answer, in calls per minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// The strictest level at which it fires.
    pub level: Level,
    /// Which question answered yes.
    pub test: Test,
    /// The likely change point: the first minute of the incident.
    pub start: Minute,
    /// The last minute of the evaluation window.
    pub decided: Minute,
    /// Minutes of the evaluation window, which ends with `decided`.
    pub window: u32,
    /// Expected calls per minute in the window.
    pub expected: f64,
    /// Observed calls per minute in the window.
    pub observed: f64,
    /// Calls per minute in the window from which (for a drop: down to which) each level would have fired, by
    /// [`Level::ALL`]; infinite (for a drop: negative) where none would.
    pub thresholds: [f64; 3],
    /// The alarm budget a minute at which this would just have fired, in the unit of [`crate::Context::alpha`], or of
    /// [`crate::Context::pool_alpha`] for [`Test::FirstUse`].
    pub rate: f64,
}

/// Why an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The calls came back to what is expected.
    Returned,
    /// The new level lasted and is the expected one from now on.
    Accepted,
}

/// What changed with a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transition {
    /// An incident began.
    Opened(Finding),
    /// The open incident passed a stricter level; `start` is that of the incident.
    Raised(Finding),
    /// The open incident is over.
    Ended {
        /// The first minute of the incident.
        start: Minute,
        /// The first minute after it, back-dated.
        end: Minute,
        /// Why.
        reason: EndReason,
    },
}

/// What closing a minute led to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// What happened with the minute itself.
    pub transition: Option<Transition>,
    /// What happened before that: an End in the empty minutes closed first (only a caller that skips minutes while
    /// `awake` sees it), or a Raise of an incident that this minute ended.
    pub before: Option<Transition>,
    /// Size of a first burst whose hour is over, for [`crate::FirstUsePool::observe`].
    pub first_burst: Option<u64>,
    /// Peaks that are over, for [`crate::TailPool::observe`].
    pub peaks: Peaks,
    /// Wants the next minute closed even if nothing happens in it.
    pub awake: bool,
}

impl Step {
    /// Puts a transition where there is room, in the order in which they came.
    pub(crate) fn put(&mut self, transition: Option<Transition>) {
        if let Some(new) = transition {
            if self.transition.is_some() {
                self.before = self.transition.take();
            }
            self.transition = Some(new);
        }
    }

    /// Whether a transition more would lose one: then nothing opens, and what lasts opens a minute later.
    pub(crate) fn is_full(&self) -> bool {
        self.before.is_some()
    }
}
