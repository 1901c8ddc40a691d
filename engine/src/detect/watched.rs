//! What is watched, for people: each series with what came, what was expected, and what would be unusual.
//!
//! Reading costs the thread that owns the state one pass over the series. Nothing here changes it.

use trailsight_detectors::Level;
use trailsight_schemas::insight::{InsightType, Sensitivity};
use trailsight_schemas::time::Minute;

use super::account::sensitivity;
use super::partition::Partition;
use super::strings::Strings;
use super::tracked::{Key, Tracked};
use super::{Detect, Rules};

/// One series at the newest closed minute of its account.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// `account/region/source/name[/errorCode]`.
    pub path: String,
    /// Account, Region, source, name, error code; the last is empty for the call rate.
    pub parts: [String; 5],
    /// What it may raise.
    pub kind: InsightType,
    /// The minute.
    pub minute: Minute,
    /// What came in it and would have been unusual.
    pub outlook: Outlook,
    /// Calls in it.
    pub observed: u64,
    /// The last minute with calls.
    pub last_call: Option<Minute>,
    /// The strictest level of its open incident.
    pub open: Option<Sensitivity>,
}

/// Spans of some minutes, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// Where the first begins.
    pub since: Minute,
    /// How long each is.
    pub minutes: u32,
    /// How many.
    pub count: u32,
}

/// What the baseline of now says of a minute, or of several together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// Calls expected.
    pub expected: f64,
    /// The least calls that the one-minute test finds unusual, by level, strictest first; `None` where none are, and for
    /// several minutes together.
    pub thresholds: [Option<u64>; 3],
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By path.
    #[default]
    Name,
    /// What lies farthest above its expectation, in standard deviations of a Poisson count.
    Unusual,
    /// What most calls are expected of.
    Calls,
}

/// Which series. Everything given must match whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Account, Region, source, name.
    pub parts: [Option<String>; 4],
    /// Stands somewhere in one of the five parts, whatever the case of its letters A to Z.
    pub search: Option<String>,
    /// What comes first.
    pub order: Order,
    /// Behind this rank and path.
    pub after: Option<(f64, String)>,
}

impl Detect {
    /// The first `most` series that are wanted, each with its rank, and whether there are more.
    pub fn watched(&self, wanted: &Wanted, most: usize) -> (Vec<(f64, Watched)>, bool) {
        let mut ranked = Vec::new();
        for (part, partition) in self.parts.iter().map(|slot| &slot.partition).enumerate() {
            let Some(closed) = partition.closed else { continue };
            for (index, tracked) in partition.series.iter().enumerate() {
                let Some(tracked) = tracked.as_ref().filter(|tracked| wanted.matches(&tracked.key, &partition.strings))
                else {
                    continue;
                };
                let rank = wanted.order.rank(tracked, partition.calls(index, closed), closed);
                let path = tracked.key.path(&partition.strings);
                if wanted
                    .after
                    .as_ref()
                    .is_none_or(|(last, at)| rank.total_cmp(last).reverse().then_with(|| path.cmp(at)).is_gt())
                {
                    ranked.push((rank, path, part, index));
                }
            }
        }
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let more = ranked.len() > most;
        ranked.truncate(most);
        let shown = ranked.into_iter().filter_map(|(rank, path, part, index)| {
            Some((rank, self.parts[part].partition.watched(index, path, &self.rules)?))
        });
        (shown.collect(), more)
    }

    /// One series by its path, and what its baseline says of the spans that `spans` makes of its newest closed minute;
    /// `None` where it is not watched.
    pub fn outlook(&self, path: &str, spans: impl Fn(Minute) -> Spans) -> Option<(Watched, Spans, Vec<Outlook>)> {
        self.parts.iter().map(|slot| &slot.partition).find_map(|partition| {
            let is = |key: &Key| is_path(key, &partition.strings, path);
            let index = partition.series.iter().position(|slot| slot.as_ref().is_some_and(|one| is(&one.key)))?;
            let tracked = partition.series[index].as_ref()?;
            let watched = partition.watched(index, path.to_owned(), &self.rules)?;
            let spans = spans(watched.minute);
            let starts = (0..spans.count).map(|nth| spans.since.0.saturating_add(nth * spans.minutes));
            let outlooks = starts.map(|minute| match spans.minutes {
                0 | 1 => partition.outlook(tracked, minute, &self.rules),
                minutes => Outlook {
                    expected: (minute..minute.saturating_add(minutes)).map(|each| tracked.series.expected(each)).sum(),
                    thresholds: [None; 3],
                },
            });
            Some((watched, spans, outlooks.collect()))
        })
    }
}

impl Partition {
    fn calls(&self, index: usize, minute: u32) -> u64 {
        self.cells.get(&minute).and_then(|cells| cells.get(&(index as u32))).map_or(0, |cell| cell.calls)
    }

    fn outlook(&self, tracked: &Tracked, minute: u32, rules: &Rules) -> Outlook {
        let expected = tracked.series.expected(minute);
        let thresholds = self.accounts.get(&tracked.key.account).map(|account| {
            let context = account.context(&tracked.key, minute, false, &self.fleet, &rules.settings);
            tracked.series.thresholds(minute, &context).map(|least| (least != u64::MAX).then_some(least))
        });
        Outlook { expected, thresholds: thresholds.unwrap_or_default() }
    }

    fn watched(&self, index: usize, path: String, rules: &Rules) -> Option<Watched> {
        let (tracked, closed) = (self.series.get(index)?.as_ref()?, self.closed?);
        Some(Watched {
            path,
            parts: tracked.key.ids().map(|id| self.strings.text(id).to_owned()),
            kind: tracked.key.insight_type(),
            minute: Minute(closed),
            outlook: self.outlook(tracked, closed, rules),
            observed: self.calls(index, closed),
            last_call: tracked.series.last_call().map(Minute),
            open: tracked.incident.as_ref().map(|incident| sensitivity(incident.level)),
        })
    }
}

impl Wanted {
    fn matches(&self, key: &Key, strings: &Strings) -> bool {
        let parts = self.parts.iter().zip(key.ids());
        key.is_api()
            && parts.into_iter().all(|(wanted, id)| wanted.as_ref().is_none_or(|wanted| strings.text(id) == wanted))
            && self.search.as_ref().is_none_or(|words| key.ids().iter().any(|id| holds(strings.text(*id), words)))
    }
}

impl Order {
    /// Larger comes first; equal ones by path.
    fn rank(self, tracked: &Tracked, observed: u64, minute: u32) -> f64 {
        match self {
            Order::Name => 0.0,
            Order::Calls => tracked.series.expected(minute),
            Order::Unusual => {
                let expected = tracked.series.expected(minute);
                (observed as f64 - expected) / (expected + 1.0).sqrt()
            }
        }
    }
}

/// Whether `words` stand in `text`, whatever the case of letters A to Z.
fn holds(text: &str, words: &str) -> bool {
    let (text, words) = (text.as_bytes(), words.as_bytes());
    words.is_empty() || text.windows(words.len()).any(|window| window.eq_ignore_ascii_case(words))
}

/// Whether `path` is the path of `key`, without making it.
fn is_path(key: &Key, strings: &Strings, path: &str) -> bool {
    let ids = key.ids();
    let parts = if key.is_error() { &ids[..] } else { &ids[..4] };
    let mut rest = Some(path);
    for (place, id) in parts.iter().enumerate() {
        let separated = if place == 0 { rest } else { rest.and_then(|rest| rest.strip_prefix('/')) };
        rest = separated.and_then(|rest| rest.strip_prefix(strings.text(*id)));
    }
    key.is_api() && rest == Some("")
}

/// The levels in the order of [`Outlook::thresholds`].
pub fn levels() -> [Sensitivity; 3] {
    Level::ALL.map(sensitivity)
}
