//! One series of the table: its arithmetic, its ledger, its open incident.

use std::collections::BTreeMap;

use trailsight_detectors::{Exposure, Series};
use trailsight_schemas::entry::Class;
use trailsight_schemas::insight::InsightType;
use trailsight_schemas::time::{DAY, WEEK};

use super::cell::Cell;
use super::exposure::Share;
use super::incident::Incident;
use super::ledger::Ledger;
use super::settings::Settings;
use super::strings::{Id, NONE, Strings};

/// Cells by minute, then by series.
pub(super) type Cells = BTreeMap<u32, BTreeMap<u32, Cell>>;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Calls of an API.
    Calls,
    /// Those of them that failed with one code.
    Errors,
    /// Denied calls of a whole account.
    Denied,
    /// Pairs of API and outcome, or of API and principal, that wake up in an account.
    Sweep,
    /// All calls of an account, or of one Region of it: whether it is silent.
    Total,
}

impl Kind {
    /// All kinds; a kind's place here is its code in what is stored.
    pub(super) const ALL: [Kind; 5] = [Kind::Calls, Kind::Errors, Kind::Denied, Kind::Sweep, Kind::Total];
}

/// Stands for all Regions, sources and names in the key of an account-level series.
pub(super) const ALL: &str = "*";

/// What a series is the series of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) account: Id,
    pub(super) region: Id,
    pub(super) source: Id,
    pub(super) name: Id,
    /// [`NONE`] for the call rate.
    pub(super) code: Id,
    pub(super) class: Class,
}

impl Key {
    /// The key of an account-level series; `all` is the id of [`ALL`].
    pub(super) fn of_account(kind: Kind, account: Id, region: Id, all: Id) -> Key {
        Key { kind, account, region, source: all, name: all, code: NONE, class: Class::ManagementWrite }
    }

    /// The key of the calls whose errors these are.
    pub(super) fn api(&self) -> Key {
        Key { kind: Kind::Calls, code: NONE, ..*self }
    }

    /// Whether the records name an error code.
    pub(super) fn is_error(&self) -> bool {
        self.kind == Kind::Errors
    }

    /// Whether it is of one API, and not of a whole account.
    pub(super) fn is_api(&self) -> bool {
        matches!(self.kind, Kind::Calls | Kind::Errors)
    }

    pub(super) fn insight_type(&self) -> InsightType {
        match self.kind {
            Kind::Calls => InsightType::ApiCallRate,
            Kind::Errors => InsightType::ApiErrorRate,
            Kind::Denied => InsightType::AccountDenied,
            Kind::Sweep => InsightType::AccountSweep,
            Kind::Total => InsightType::AccountSilence,
        }
    }

    pub(super) fn ids(&self) -> [Id; 5] {
        [self.account, self.region, self.source, self.name, self.code]
    }

    /// `account/region/source/name[/errorCode]`.
    pub(super) fn path(&self, strings: &Strings) -> String {
        let ids = self.ids();
        let parts = if self.is_error() { &ids[..] } else { &ids[..4] };
        parts.iter().map(|id| strings.text(*id)).collect::<Vec<_>>().join("/")
    }
}

pub(super) struct Tracked {
    pub(super) key: Key,
    pub(super) series: Series,
    pub(super) ledger: Ledger,
    /// Of errors: of how many calls they usually are.
    pub(super) share: Share,
    pub(super) incident: Option<Box<Incident>>,
    /// First minute after the newest incident that ended: the next one begins no earlier.
    pub(super) ended: u32,
    /// UTC day of the newest call that was closed.
    pub(super) last_day: Option<u32>,
    /// Its traffic does not teach before this wall time, milliseconds since the epoch.
    pub(super) unlearned_until: i64,
}

impl Tracked {
    /// Of how many calls its errors are: `calls` of its API in so many minutes, `errors` in the last hour. `None` where it
    /// is not of errors, or too little is known.
    pub(super) fn exposure<'a>(
        &self,
        calls: &'a dyn Fn(u32) -> u64,
        errors: &'a dyn Fn() -> u64,
        settings: &Settings,
    ) -> Option<Exposure<'a>> {
        let (ratio, overdispersion) = self.share.ratio().filter(|_| self.key.is_error())?;
        let calls_judged = self.key.class != Class::ManagementRead || settings.read_call_rate;
        Some(Exposure { calls, errors_of_hour: errors, ratio, overdispersion, calls_judged })
    }

    /// Calls and attributes in the baseline window of a Start at `start`: midnight UTC seven days before its
    /// day, up to it. `cells` are those of the newest minutes, `closed` the newest that is in the ledger.
    pub(super) fn baseline(&self, index: u32, start: u32, cells: &Cells, closed: Option<u32>) -> Cell {
        let day = start / DAY;
        let mut sum = self.ledger.sum(day.saturating_sub(7), day);
        for (minute, of_series) in cells {
            let Some(cell) = of_series.get(&index) else { continue };
            let in_ledger = closed.is_some_and(|closed| *minute <= closed);
            let same_days = *minute / DAY <= day;
            if in_ledger && same_days && *minute >= start {
                subtract(&mut sum, cell);
            } else if !in_ledger && *minute < start {
                sum.merge(cell);
            }
        }
        sum
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Tracked>() - size_of::<Series>() + self.series.bytes() + self.ledger.bytes() - size_of::<Ledger>()
            + self.incident.as_ref().map_or(0, |incident| incident.bytes())
    }
}

/// Length of the baseline window of a Start, minutes.
pub(super) fn baseline_minutes(start: u32) -> u32 {
    WEEK + start % DAY
}

fn subtract(sum: &mut Cell, cell: &Cell) {
    sum.calls = sum.calls.saturating_sub(cell.calls);
    for (sums, values) in sum.values.iter_mut().zip(&cell.values) {
        for (id, calls) in values.iter() {
            sums.subtract(id, calls);
        }
    }
}
