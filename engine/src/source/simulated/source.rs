//! The simulation as a source: weeks of history first, then second by second with the clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use trailsight_schemas::entry::Progress;
use trailsight_schemas::time::Minute;

use super::Simulation;
use crate::clock::{self, Clock};
use crate::ingest::{Origin, Settings, Tally};
use crate::source::{Intake, Load, settings_at};

/// Resume mark: the first second that was not yet released, seconds since the epoch, little endian.
const NEXT: &str = "next";
/// Most traffic in one load, seconds of event time.
const LOAD_SECONDS: i64 = 4 * 3600;
/// Shortest pause between two loads once the source has caught up with the clock.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// Simulated traffic as a source.
pub struct SimulatedSource {
    /// Name of the source in the configuration.
    pub name: String,
    /// What is simulated.
    pub simulation: Simulation,
    /// What is counted.
    pub settings: Arc<Settings>,
    /// History that is released at once on the first start, minutes.
    pub history: u32,
}

impl SimulatedSource {
    /// Releases traffic until the process is to stop. Blocks; run it on a thread of its own.
    ///
    /// With a resume mark it goes on where it left off, otherwise [`SimulatedSource::history`] before now.
    /// A minute whose last second was released is complete by the source's own word.
    pub fn run(self, intake: Intake, marks: BTreeMap<String, Vec<u8>>, clock: Clock) {
        let mut timeline = Timeline::new(self, &marks, clock.now());
        let pause = clock.machine_time(1000).max(SHORTEST_PAUSE);
        while !intake.stop.requested() {
            match timeline.load(clock.now()) {
                Some(load) => {
                    let caught_up = load.progress.iter().all(|progress| progress.caught_up);
                    if !intake.send(load) || (caught_up && intake.stop.wait(pause)) {
                        return;
                    }
                }
                None => {
                    intake.stop.wait(pause);
                }
            }
        }
    }
}

/// The seconds that are still to be released.
struct Timeline {
    source: SimulatedSource,
    /// First second that was not yet released.
    next: i64,
}

impl Timeline {
    fn new(source: SimulatedSource, marks: &BTreeMap<String, Vec<u8>>, now: i64) -> Timeline {
        let marked = marks.get(NEXT).and_then(|mark| <[u8; 8]>::try_from(mark.as_slice()).ok()).map(i64::from_le_bytes);
        let begin = now.div_euclid(60_000) * 60 - i64::from(source.history) * 60;
        Timeline { next: marked.unwrap_or(begin).max(0), source }
    }

    /// What is due at `now` (milliseconds since the epoch), at most [`LOAD_SECONDS`] of it; `None` when
    /// nothing is.
    fn load(&mut self, now: i64) -> Option<Load> {
        let due = now.div_euclid(1000) + 1;
        let until = due.min(self.next + LOAD_SECONDS);
        if until <= self.next {
            return None;
        }
        let received = clock::instant();
        let tally = self.tally(until, now);
        self.next = until;
        let progress = Progress {
            source: self.source.name.clone(),
            marks: vec![(NEXT.to_string(), until.to_le_bytes().to_vec())],
            newest: tally.newest(),
            caught_up: until == due,
            complete_through: Minute::of_seconds(until - 60),
            ..Progress::default()
        };
        Some(Load { tally, progress: vec![progress], acknowledge: None, received })
    }

    fn tally(&self, until: i64, now: i64) -> Tally {
        let mut tally = Tally::new(settings_at(&self.source.settings, now));
        let mut bytes = Vec::new();
        let mut second = self.next;
        while let Some(minute) = Minute::of_seconds(second).filter(|_| second < until) {
            let end = until.min(minute.seconds() + 60);
            bytes.clear();
            let range = (second - minute.seconds()) as u8..(end - minute.seconds()) as u8;
            if self.source.simulation.seconds(minute, range, &mut bytes) > 0 {
                let origin = Origin { source: &self.source.name, path: "simulation" };
                // What the simulation writes is readable: a test counts every record of it.
                tally.read(&bytes, origin, &mut |_| {});
            }
            second = end;
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Calls, MIDNIGHT, calls, intake, remember, settings, standing};
    use super::*;

    /// The clock at the first start, seconds: a Monday morning, in the middle of a minute.
    const START: i64 = MIDNIGHT + 8 * 3600 + 25;

    fn timeline(marks: &BTreeMap<String, Vec<u8>>, now: i64) -> Timeline {
        let simulation = Simulation::new(3, Minute(0)).with_attacks(START + 40, 5);
        let source = SimulatedSource { name: "simulated".into(), simulation, settings: settings(), history: 360 };
        Timeline::new(source, marks, now * 1000)
    }

    fn drain(timeline: &mut Timeline, now: i64) -> Vec<Load> {
        std::iter::from_fn(|| timeline.load(now * 1000)).collect()
    }

    fn expected(from: i64, until: i64) -> Calls {
        let simulation = Simulation::new(3, Minute(0)).with_attacks(START + 40, 5);
        let mut expected = Calls::new();
        for second in from..until {
            let minute = Minute::of_seconds(second).unwrap();
            let (at, mut bytes) = ((second % 60) as u8, Vec::new());
            simulation.seconds(minute, at..at + 1, &mut bytes);
            for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let record: serde_json::Value = serde_json::from_slice(line).unwrap();
                let name = record["eventName"].as_str().unwrap().to_string();
                *expected.entry((minute.0, name)).or_default() += 1;
            }
        }
        expected
    }

    /// However the clock ticks and wherever the process dies, every second is released once.
    #[test]
    fn every_second_is_released_once_over_ticks_and_restarts() {
        let (mut marks, mut durable, mut now) = (BTreeMap::new(), Vec::new(), START);
        for (ticks, survive) in [(3, 1), (1, 9), (4, 3), (2, 9)] {
            let mut timeline = timeline(&marks, now);
            let mut loads = Vec::new();
            for tick in 0..ticks {
                now += [1, 7, 61, 200][tick];
                loads.extend(drain(&mut timeline, now));
            }
            loads.truncate(survive);
            remember(&mut marks, &loads);
            durable.extend(loads);
        }
        durable.extend(drain(&mut timeline(&marks, now), now));
        let begin = (START / 60 - 360) * 60;
        assert_eq!(calls(&mut durable), expected(begin, now + 1));
    }

    #[test]
    fn history_is_complete_and_the_present_only_up_to_the_last_whole_minute() {
        let mut timeline = timeline(&BTreeMap::new(), START);
        let loads = drain(&mut timeline, START);
        assert_eq!(loads.len(), 2, "six hours in loads of four");
        let progress: Vec<&Progress> = loads.iter().flat_map(|load| &load.progress).collect();
        assert_eq!(progress.iter().map(|progress| progress.caught_up).collect::<Vec<_>>(), [false, true]);
        let last_whole = Minute::of_seconds(START).map(|minute| Minute(minute.0 - 1));
        assert_eq!(progress[1].complete_through, last_whole);
        assert!(timeline.load(START * 1000).is_none(), "nothing twice within a second");
        assert!(timeline.load((START - 90) * 1000).is_none(), "a clock that goes back releases nothing");
        let to_the_end = drain(&mut timeline, START + 34);
        assert_eq!(to_the_end[0].progress[0].complete_through, Minute::of_seconds(START), "its last second is out");
    }

    #[test]
    fn running_ends_when_asked() {
        let (intake, loads) = intake(1000);
        let stop = intake.stop.clone();
        let source = timeline(&BTreeMap::new(), START).source;
        let running = std::thread::spawn(move || source.run(intake, BTreeMap::new(), standing(START * 1000)));
        assert!(loads.recv().is_ok_and(|load| !load.tally.is_empty()));
        stop.request();
        running.join().unwrap();
    }
}
