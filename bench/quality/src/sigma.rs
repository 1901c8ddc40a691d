//! Mean + 3σ, the rule that is written first everywhere: a minute alarms when it holds more than the mean and three
//! standard deviations of the seven days before it, and at least as many calls as its level asks for. Known to be
//! wrong by orders of magnitude on counts that come in bursts. Cost: two additions a minute.

use crate::account::World;
use crate::calendar::WEEK;
use crate::insight::{About, Incident, LEVELS, Start};
use crate::label::Direction;
use crate::series::judged;
use crate::traffic::Series;

/// Calls that a minute needs at low, medium, high: the floors of the comparators.
const FLOORS: [u32; 3] = [25, 10, 2];
/// Minutes without an alarm that end an incident.
const QUIET: i64 = 10;

/// What the rule tells of an account.
pub(crate) fn told(world: &World) -> Vec<Incident> {
    judged(world).iter().flat_map(|(series, minutes)| incidents(world, series, minutes)).collect()
}

/// The minutes that are over the rule, whatever their level.
fn alarms(minutes: &[u32]) -> Vec<usize> {
    let week = WEEK as usize;
    let (mut sum, mut squares) = (0.0, 0.0);
    let mut over = Vec::new();
    for (minute, calls) in minutes.iter().enumerate() {
        let calls = f64::from(*calls);
        if minute >= week {
            let mean = sum / week as f64;
            let deviation = libm::sqrt((squares / week as f64 - mean * mean).max(0.0));
            if calls >= f64::from(FLOORS[LEVELS.len() - 1]) && calls > mean + 3.0 * deviation {
                over.push(minute);
            }
            let gone = f64::from(minutes[minute - week]);
            sum -= gone;
            squares -= gone * gone;
        }
        sum += calls;
        squares += calls * calls;
    }
    over
}

fn incidents(world: &World, series: &Series, minutes: &[u32]) -> Vec<Incident> {
    let mut all: Vec<Incident> = Vec::new();
    for minute in alarms(minutes) {
        let at = world.calendar.first + minute as i64;
        let level = FLOORS.iter().position(|floor| minutes[minute] >= *floor).unwrap_or(LEVELS.len() - 1);
        match all.last_mut().filter(|incident| incident.end.is_some_and(|end| at - end < QUIET)) {
            Some(open) => {
                open.end = Some(at + 1);
                if open.starts.iter().all(|start| start.level > level) {
                    open.starts.push(Start { level, decided: at, chance: None, folded: false });
                }
            }
            None => all.push(opened(world, series, at, level)),
        }
    }
    all
}

fn opened(world: &World, series: &Series, at: i64, level: usize) -> Incident {
    let name = world.name(series);
    Incident {
        account: world.id.clone(),
        about: if name.code.is_empty() { About::Calls } else { About::Errors },
        name,
        direction: Direction::Above,
        start: at,
        end: Some(at + 1),
        starts: vec![Start { level, decided: at, chance: None, folded: false }],
        members: String::new(),
        test: "sigma".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::alarms;
    use crate::calendar::WEEK;

    #[test]
    fn three_deviations_are_counted_over_the_week_before() {
        let mut minutes: Vec<u32> = (0..2 * WEEK as usize).map(|minute| 10 + (minute % 2) as u32).collect();
        // Mean 10.5, deviation .5: 12 is on the line, 13 over it.
        (minutes[12_000], minutes[12_100], minutes[100]) = (12, 13, 99);
        assert_eq!(alarms(&minutes), [12_100], "what is over in the first week teaches");
    }
}
