//! The series table, the clock of event time, incidents: what the journal's entries mean.
//!
//! [`Detect`] is a pure function of the entries applied to it, in order: the same entries give the same
//! insights, the same ids and the same bytes of state. It reads no clock; the only wall time is the one an
//! entry carries. Accounts are spread over partitions that share nothing.

pub mod settings;
pub mod watermark;
mod strings;
mod cell;
mod corrections;
mod ledger;
mod folding;
mod pairs;
mod waking;
mod hush;
mod denied;
mod exposure;
mod account;
mod incident;
mod tracked;
mod report;
mod partition;
mod intake;
mod room;
mod holdings;
mod telling;
pub mod watched;
mod scopes;
mod pack_account;
mod pack;
#[cfg(test)]
mod tests;

pub use pack::{PackError, Part};
pub use settings::Settings;

use std::collections::BTreeMap;

use globset::GlobSet;
use trailsight_schemas::entry::{Batch, Body, Entry};
use trailsight_schemas::insight::{InsightType, Sensitivity};

use crate::journal::{Detected, Seq};
use partition::{Partition, Share};
use strings::Strings;
use tracked::Key;
use watermark::Watermark;

/// Minutes above the watermark that are kept open; calls further ahead are counted as `overflowed`.
const OPEN_MINUTES: u32 = 2 * trailsight_schemas::time::DAY;

/// Detection over all partitions.
pub struct Detect {
    rules: Rules,
    parts: Vec<Slot>,
}

/// A partition with what it needs to go on from its own position: parts are snapshotted one at a time.
struct Slot {
    applied: Seq,
    watermark: Watermark,
    partition: Partition,
}

/// Settings, and what is compiled from them.
struct Rules {
    settings: Settings,
    open_minutes: u32,
    /// Bytes of minutes that one partition holds.
    room: usize,
    unlearned: Vec<(Vec<GlobSet>, i64)>,
}

/// An insight and the minute that decided it.
struct Found {
    minute: u32,
    detected: Detected,
}

/// How far learning is in one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learning {
    /// The account.
    pub account: String,
    /// First minute watched, seconds since the epoch.
    pub since: i64,
    /// Newest minute closed with calls, seconds since the epoch.
    pub through: i64,
    /// When everything is judged at every level, seconds since the epoch.
    pub full_at: i64,
    /// Whether judging has begun (low only until `full_at`).
    pub provisional: bool,
    /// Whether judging is full.
    pub full: bool,
    /// Series with a call on the last seven days.
    pub active_series: u32,
}

/// A series with what came and what was expected in the newest closed minute.
#[derive(Clone, Debug, PartialEq)]
pub struct Busy {
    /// Account, Region, source, name, error code.
    pub parts: [String; 5],
    /// Calls in that minute.
    pub observed: u64,
    /// Calls expected in it.
    pub expected: f64,
}

/// Sizes and counters over all partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Series held.
    pub series: usize,
    /// Of these, call rates.
    pub call_series: usize,
    /// Series evicted since the state was new.
    pub evicted: u64,
    /// Incidents open.
    pub incidents: usize,
    /// Approximate bytes of series, with the strings that they name.
    pub bytes: usize,
    /// Bytes of minutes that are open, or were closed a short while ago.
    pub open_bytes: usize,
    /// Minutes of a partition that were closed before their time, since the process began.
    pub closed_early: u64,
    /// Calls that came for a minute already closed.
    pub late: u64,
    /// Calls too far ahead of the watermark to be kept open.
    pub overflowed: u64,
    /// Insights that were counted by a lead that had folded enough, and not recorded.
    pub omitted: u64,
}

impl Detect {
    /// Empty state.
    pub fn new(settings: Settings) -> Detect {
        let parts = (0..settings.partitions.max(1))
            .map(|_| Slot { applied: 0, watermark: Watermark::default(), partition: Partition::new() })
            .collect();
        Detect { rules: Rules::new(settings), parts }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.rules.settings
    }

    /// Takes in one entry. Insights come in the order of the minute that decided them. A partition that has
    /// this entry already (its snapshot was newer) passes it over.
    pub fn apply(&mut self, seq: Seq, entry: &Entry) -> Vec<Detected> {
        match &entry.body {
            Body::Batch(batch) => self.apply_batch(seq, entry.taken_at, batch),
            Body::Evict { partition, series } => {
                self.evict(seq, *partition as usize, *series as usize);
                Vec::new()
            }
            Body::Mute(_) => Vec::new(),
            Body::Epoch(epoch) => {
                if let Ok(settings) = serde_json::from_str::<Settings>(&epoch.settings) {
                    self.enter(seq, settings);
                } else {
                    tracing::error!(seq, version = %epoch.version, "an epoch entry cannot be read; its settings are not in force");
                }
                Vec::new()
            }
        }
    }

    fn enter(&mut self, seq: Seq, settings: Settings) {
        let partitions = self.rules.settings.partitions;
        self.rules = Rules::new(Settings { partitions, ..settings });
        for slot in &mut self.parts {
            slot.partition.refresh(&self.rules);
            slot.applied = slot.applied.max(seq);
        }
    }

    fn apply_batch(&mut self, seq: Seq, taken_at: i64, batch: &Batch) -> Vec<Detected> {
        let shares = self.shares(batch);
        let ordered = batch.progress.iter().any(|progress| progress.complete_through.is_some());
        let prints = scopes::prints(&batch.strings);
        let print = |id: u32| prints[id as usize];
        let api_prints: Vec<u64> = batch
            .apis
            .iter()
            .map(|api| scopes::api_print(print(api.region), print(api.source), print(api.name)))
            .collect();
        let mut pulse: BTreeMap<u32, u64> = BTreeMap::new();
        for rolled in &batch.minutes {
            let calls = pulse.entry(rolled.minute.0).or_default();
            *calls = calls.saturating_add(rolled.calls);
        }
        let source = batch.progress.first().map_or("", |progress| progress.source.as_str());
        let mut found = Vec::new();
        for (slot, minutes) in self.parts.iter_mut().zip(&shares) {
            if slot.applied >= seq {
                continue;
            }
            slot.applied = seq;
            let open_from = slot.watermark.advance(&batch.progress, taken_at, self.rules.settings.allowed_lateness);
            let newest = slot.watermark.newest().unwrap_or(0);
            let share = Share {
                batch,
                minutes,
                open_from: open_from.map(|minute| minute.0),
                ordered,
                taken_at,
                newest,
                prints: &prints,
                api_prints: &api_prints,
                source,
                pulse: &pulse,
            };
            slot.partition.apply(&share, &self.rules, &mut found);
        }
        found.sort_by(|a, b| (a.minute, place(a)).cmp(&(b.minute, place(b))));
        found.into_iter().map(|found| found.detected).collect()
    }

    /// Which rollups belong to which partition.
    fn shares(&self, batch: &Batch) -> Vec<Vec<u32>> {
        let mut shares = vec![Vec::new(); self.parts.len()];
        let of_api: Vec<usize> =
            batch.apis.iter().map(|api| partition_of(&batch.strings[api.account as usize], self.parts.len())).collect();
        for (at, rolled) in batch.minutes.iter().enumerate() {
            shares[of_api[rolled.api as usize]].push(at as u32);
        }
        shares
    }

    fn evict(&mut self, seq: Seq, partition: usize, series: usize) {
        for (at, slot) in self.parts.iter_mut().enumerate().filter(|(_, slot)| slot.applied < seq) {
            slot.applied = seq;
            if at == partition {
                slot.partition.evict(series);
                slot.partition.sweep();
            }
        }
    }

    /// What to append to the journal when more series are held than the limit allows: the largest partition
    /// gives up the excess and a tenth of the limit more, so that eviction does not run at every entry.
    pub fn excess(&self) -> Option<Body> {
        let limit = self.rules.settings.series;
        let held: usize = self.parts.iter().map(|slot| slot.partition.len()).sum();
        let over = held.checked_sub(limit + 1)? + 1;
        let idle = self.parts.iter().map(|slot| slot.partition.idle().len()).enumerate();
        let (partition, idle) = idle.max_by_key(|(_, idle)| *idle).filter(|(_, idle)| *idle > 0)?;
        let series = (over + limit / 10).min(idle);
        Some(Body::Evict { partition: partition as u32, series: series as u32 })
    }

    /// What to append when series take more than [`Settings::series_bytes`], which counting them does not tell: each
    /// may name many strings. The heaviest partition gives up a tenth of its series.
    pub fn overweight(&self, sizes: &Sizes) -> Option<Body> {
        if sizes.bytes <= self.rules.settings.series_bytes() {
            return None;
        }
        let idle =
            self.parts.iter().map(|slot| (slot.partition.state_bytes(), slot.partition.idle().len())).enumerate();
        let (partition, (_, idle)) = idle.filter(|(_, (_, idle))| *idle > 0).max_by_key(|(_, (bytes, _))| *bytes)?;
        Some(Body::Evict { partition: partition as u32, series: idle.div_ceil(10) as u32 })
    }

    /// Newest event time of each source, seconds since the epoch.
    pub fn newest_by_source(&self) -> BTreeMap<String, i64> {
        self.parts.first().map(|slot| slot.watermark.newest_by_source()).unwrap_or_default()
    }

    /// Least watermark over the partitions: minutes below it are complete.
    pub fn open_from(&self) -> Option<trailsight_schemas::time::Minute> {
        self.parts.iter().filter_map(|slot| slot.watermark.open_from()).min()
    }

    /// Source partitions known to the clock.
    pub fn known_sources(&self) -> Vec<(String, String)> {
        self.parts.first().map(|slot| slot.watermark.known()).unwrap_or_default()
    }

    /// Newest event time seen, seconds since the epoch.
    pub fn newest(&self) -> Option<i64> {
        self.parts.iter().filter_map(|slot| slot.watermark.newest()).max()
    }

    /// Least position that every partition has applied.
    pub fn applied(&self) -> Seq {
        self.parts.iter().map(|slot| slot.applied).min().unwrap_or(0)
    }

    /// Sizes and counters.
    pub fn sizes(&self) -> Sizes {
        self.parts.iter().map(|slot| &slot.partition).fold(Sizes::default(), |sum, partition| Sizes {
            series: sum.series + partition.len(),
            call_series: sum.call_series
                + partition.series.iter().flatten().filter(|tracked| tracked.key.kind == tracked::Kind::Calls).count(),
            evicted: sum.evicted + partition.evicted,
            incidents: sum.incidents
                + partition.series.iter().flatten().filter(|tracked| tracked.incident.is_some()).count(),
            bytes: sum.bytes + partition.state_bytes(),
            open_bytes: sum.open_bytes + partition.held,
            closed_early: sum.closed_early + partition.closed_early,
            late: sum.late + partition.late,
            overflowed: sum.overflowed + partition.overflowed,
            omitted: sum.omitted + partition.omitted,
        })
    }

    /// Open incidents by type and level.
    pub fn incidents(&self) -> BTreeMap<(InsightType, Sensitivity), usize> {
        let mut open = BTreeMap::new();
        for kind in InsightType::ALL.iter().copied() {
            for level in [Sensitivity::Low, Sensitivity::Medium, Sensitivity::High] {
                open.insert((kind, level), 0);
            }
        }
        for tracked in self.parts.iter().flat_map(|slot| slot.partition.series.iter().flatten()) {
            if let Some(incident) = &tracked.incident {
                *open.entry((tracked.key.insight_type(), account::sensitivity(incident.level))).or_insert(0) += 1;
            }
        }
        open
    }

    /// The `most` series of which most is expected, with calls in the newest closed minute beside it.
    pub fn busiest(&self, most: usize) -> Vec<Busy> {
        let mut all = Vec::new();
        for partition in self.parts.iter().map(|slot| &slot.partition) {
            let Some(closed) = partition.closed else { continue };
            let cells = partition.cells.get(&closed);
            for (index, tracked) in partition.series.iter().enumerate() {
                let Some(tracked) = tracked.as_ref().filter(|tracked| tracked.key.is_api()) else { continue };
                let observed = cells.and_then(|cells| cells.get(&(index as u32))).map_or(0, |cell| cell.calls);
                let parts = tracked.key.ids().map(|id| partition.strings.text(id).to_owned());
                all.push(Busy { parts, observed, expected: tracked.series.expected(closed) });
            }
        }
        all.sort_by(|a, b| b.expected.total_cmp(&a.expected).then_with(|| a.parts.cmp(&b.parts)));
        all.truncate(most);
        all
    }

    /// How far learning is, by account.
    pub fn learning(&self) -> Vec<Learning> {
        let settings = &self.rules.settings;
        let mut all: Vec<Learning> = self
            .parts
            .iter()
            .flat_map(|slot| {
                let partition = &slot.partition;
                let now = partition.closed.unwrap_or(0);
                partition.accounts.iter().map(move |(id, account)| {
                    let judge = account.judge(now, settings);
                    Learning {
                        account: partition.strings.text(*id).to_owned(),
                        since: i64::from(account.since) * 60,
                        through: i64::from(account.seen) * 60,
                        full_at: i64::from(account.full_at(settings)) * 60,
                        provisional: judge == trailsight_detectors::Judge::Provisional,
                        full: judge == trailsight_detectors::Judge::Full,
                        active_series: account.active.count(),
                    }
                })
            })
            .collect();
        all.sort_by(|a, b| a.account.cmp(&b.account));
        all
    }
}

/// Leads before what they tell; records of one series in the order of event time.
fn place(found: &Found) -> (bool, &str, i64) {
    let ours = found.detected.event.trailsight.as_ref();
    let series = ours.map_or("", |ours| ours.series.as_str());
    (ours.is_some_and(|ours| ours.leader.is_some()), series, found.detected.event.event_time)
}

/// FNV-1a over the account, so that the partition of an account never changes.
fn partition_of(account: &str, partitions: usize) -> usize {
    let hash = account
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    ((hash ^ hash >> 32) % partitions as u64) as usize
}

impl Rules {
    fn new(settings: Settings) -> Rules {
        let unlearned = settings.unlearned.iter().map(|rule| {
            let lists = [&rule.account, &rule.region, &rule.source, &rule.name];
            (lists.into_iter().map(|globs| settings::globs(globs)).collect(), rule.until.unwrap_or(i64::MAX))
        });
        let room = settings.open_bytes_of_one();
        Rules { unlearned: unlearned.collect(), open_minutes: OPEN_MINUTES, room, settings }
    }

    /// Wall time until which the series does not learn.
    fn unlearned_until(&self, key: &Key, strings: &Strings) -> i64 {
        let texts = [key.account, key.region, key.source, key.name].map(|id| strings.text(id));
        let matched = self
            .unlearned
            .iter()
            .filter(|(sets, _)| sets.iter().zip(texts).all(|(set, text)| set.is_empty() || set.is_match(text)));
        matched.map(|(_, until)| *until).max().unwrap_or(i64::MIN)
    }
}
