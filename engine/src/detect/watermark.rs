//! The clock of event time.
//!
//! Question: up to which minute is what came complete enough to be judged? Each source partition has its own
//! newest event time, and the least of them counts, less the allowed lateness: a backlog in one partition
//! must not look like silence. A partition that is caught up moves with the wall clock written in the
//! journal entry, so that a silent source does not stop the clock. Only entries move it, so a replay of the
//! journal moves it the same way.

use std::collections::BTreeMap;

use trailsight_schemas::entry::Progress;
use trailsight_schemas::snapshot::SourceClock;
use trailsight_schemas::time::Minute;

/// An event time further ahead of the wall than this moves nothing, seconds.
pub const MOST_AHEAD: i64 = 300;

/// How far event time has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watermark {
    partitions: BTreeMap<(String, String), Partition>,
    /// Minutes below this are complete.
    open_from: Option<Minute>,
    /// Newest event time seen in any partition, seconds since the epoch.
    newest: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Partition {
    newest: Option<i64>,
    caught_up: bool,
    complete_through: Option<Minute>,
}

impl Watermark {
    /// Takes in what an entry says about its source partitions. `taken_at` is in milliseconds, `lateness`
    /// in minutes. Minutes below the returned one are complete.
    pub fn advance(&mut self, progress: &[Progress], taken_at: i64, lateness: u32) -> Option<Minute> {
        let wall = taken_at.div_euclid(1000);
        for moved in progress {
            let partition = self.partitions.entry((moved.source.clone(), moved.partition.clone())).or_default();
            let believable = moved.newest.filter(|newest| *newest <= wall.saturating_add(MOST_AHEAD));
            partition.newest = partition.newest.max(believable);
            partition.caught_up = moved.caught_up;
            partition.complete_through = partition.complete_through.max(moved.complete_through);
            self.newest = self.newest.max(believable);
        }
        let lateness = i64::from(lateness) * 60;
        let least = self.partitions.values().filter_map(|partition| partition.open_from(wall, lateness)).min();
        self.open_from = self.open_from.max(least);
        self.open_from
    }

    /// Minutes below this are complete; `None` before anything was read.
    pub fn open_from(&self) -> Option<Minute> {
        self.open_from
    }

    /// The (source, partition) pairs that it knows.
    pub fn known(&self) -> Vec<(String, String)> {
        self.partitions.keys().cloned().collect()
    }

    /// Newest event time of each source over its partitions, seconds since the epoch.
    pub fn newest_by_source(&self) -> BTreeMap<String, i64> {
        let mut newest = BTreeMap::new();
        for ((source, _), partition) in &self.partitions {
            if let Some(seen) = partition.newest {
                newest.entry(source.clone()).and_modify(|known: &mut i64| *known = seen.max(*known)).or_insert(seen);
            }
        }
        newest
    }

    pub(super) fn to_parts(&self) -> (Vec<SourceClock>, Option<u32>, Option<i64>) {
        let clocks = self.partitions.iter().map(|((source, partition), clock)| SourceClock {
            source: source.clone(),
            partition: partition.clone(),
            newest: clock.newest,
            caught_up: clock.caught_up,
            complete_through: clock.complete_through.map(|minute| minute.0),
        });
        (clocks.collect(), self.open_from.map(|minute| minute.0), self.newest)
    }

    pub(super) fn from_parts(clocks: Vec<SourceClock>, open_from: Option<u32>, newest: Option<i64>) -> Watermark {
        let partitions = clocks.into_iter().map(|clock| {
            let complete_through = clock.complete_through.map(Minute);
            let partition = Partition { newest: clock.newest, caught_up: clock.caught_up, complete_through };
            ((clock.source, clock.partition), partition)
        });
        Watermark { partitions: partitions.collect(), open_from: open_from.map(Minute), newest }
    }

    /// Newest event time seen, seconds since the epoch.
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }
}

impl Partition {
    fn open_from(&self, wall: i64, lateness: i64) -> Option<Minute> {
        let seen = if self.caught_up { Some(self.newest.unwrap_or(wall).max(wall)) } else { self.newest };
        let late = seen.and_then(|seconds| Minute::of_seconds(seconds - lateness));
        late.max(self.complete_through.map(|minute| Minute(minute.0.saturating_add(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(partition: &str, newest: Option<i64>, caught_up: bool) -> Progress {
        Progress { source: "s".into(), partition: partition.into(), newest, caught_up, ..Progress::default() }
    }

    #[test]
    fn a_lagging_partition_holds_the_clock_and_an_idle_one_does_not() {
        let mut watermark = Watermark::default();
        let wall = 100_000 * 60;
        let at = |minutes: i64| Some(minutes * 60);
        assert_eq!(watermark.advance(&[progress("0", at(99_990), false)], wall * 1000, 15), Some(Minute(99_975)));
        assert_eq!(
            watermark.advance(&[progress("1", at(90_000), false)], wall * 1000, 15),
            Some(Minute(99_975)),
            "never back"
        );
        assert_eq!(
            watermark.advance(&[progress("0", at(99_999), false)], wall * 1000, 15),
            Some(Minute(99_975)),
            "held by 1"
        );
        assert_eq!(watermark.advance(&[progress("1", None, true)], wall * 1000, 15), Some(Minute(99_984)), "1 idles");
        assert_eq!(
            watermark.advance(&[progress("0", None, true)], (wall + 600) * 1000, 15),
            Some(Minute(99_995)),
            "wall moves it"
        );
    }

    #[test]
    fn a_time_ahead_of_the_wall_moves_nothing() {
        let mut watermark = Watermark::default();
        let wall = 100_000 * 60;
        assert_eq!(watermark.advance(&[progress("", Some(wall + 301), false)], wall * 1000, 15), None);
        assert_eq!(watermark.newest(), None);
        assert_eq!(watermark.advance(&[progress("", Some(wall + 300), false)], wall * 1000, 15), Some(Minute(99_990)));
    }

    #[test]
    fn complete_minutes_need_no_lateness() {
        let mut watermark = Watermark::default();
        let complete =
            Progress { complete_through: Some(Minute(500)), newest: Some(500 * 60), ..progress("", None, false) };
        assert_eq!(watermark.advance(&[complete], 501 * 60_000, 15), Some(Minute(501)));
    }

    #[test]
    fn nothing_read_is_no_time() {
        assert_eq!(Watermark::default().advance(&[], 1_000_000, 15), None);
    }
}
