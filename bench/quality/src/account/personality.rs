//! What kinds of accounts there are, and how their casts are drawn: medians by personality, spread by lognormal priors.

use serde::{Deserialize, Serialize};

use crate::dice::Dice;

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Personality {
    /// A small real account: about forty busy five-minute cells of writing APIs a week.
    Quiet,
    /// Many people at the console and the command line.
    Office,
    /// Deploys all day, with the heavy tails of builds.
    Ci,
    /// Production that grows and shrinks with its load.
    Autoscaling,
    /// Watched by scanners and agents.
    Scanner,
    /// Jobs by the clock.
    Batch,
}

impl Personality {
    pub(crate) const ALL: [Personality; 6] = [
        Personality::Quiet,
        Personality::Office,
        Personality::Ci,
        Personality::Autoscaling,
        Personality::Scanner,
        Personality::Batch,
    ];

    /// Accounts take turns, so that any number of them is a fair mixture.
    pub(crate) fn of(number: u32) -> Personality {
        Personality::ALL[number as usize % Personality::ALL.len()]
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Personality::Quiet => "quiet",
            Personality::Office => "office",
            Personality::Ci => "ci",
            Personality::Autoscaling => "autoscaling",
            Personality::Scanner => "scanner",
            Personality::Batch => "batch",
        }
    }
}

/// Who acts in an account, and how.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    pub(crate) regions: usize,
    pub(crate) services: usize,
    pub(crate) people: usize,
    /// Sessions of a person on a working day.
    pub(crate) sessions: f64,
    /// Tail exponent of what a person does at once.
    pub(crate) burst: f64,
    /// Share of a person's tasks that are none of their usual ones.
    pub(crate) novelty: f64,
    pub(crate) pipelines: usize,
    /// Runs of a pipeline on a working day.
    pub(crate) runs: f64,
    /// APIs that a pipeline may touch.
    pub(crate) stack: usize,
    /// Spread (of the logarithm) of the sizes of runs.
    pub(crate) run_sigma: f64,
    pub(crate) schedules: usize,
    pub(crate) autoscalers: usize,
    /// Scaling actions of an autoscaler in an hour, at the middle of the day.
    pub(crate) scaling: f64,
    pub(crate) scanners: usize,
    /// Agents and service-linked callers, and calls a minute of the busiest.
    pub(crate) agents: usize,
    pub(crate) agent_rate: f64,
    /// Probability of each kind of benign change, relative to the usual one.
    pub(crate) unrest: f64,
}

/// What the members of a personality have in the middle.
#[derive(Clone, Copy)]
struct Medians {
    regions: usize,
    services: usize,
    people: f64,
    /// Sessions of a person on a working day.
    sessions: f64,
    pipelines: f64,
    /// Runs of a pipeline on a working day.
    runs: f64,
    /// APIs that a pipeline may touch.
    stack: f64,
    schedules: f64,
    autoscalers: f64,
    /// Scaling actions an hour.
    scaling: f64,
    scanners: f64,
    agents: f64,
    /// Calls a minute of the busiest agent.
    agent_rate: f64,
}

const TYPICAL: Medians = Medians {
    regions: 2,
    services: 12,
    people: 4.0,
    sessions: 0.8,
    pipelines: 1.5,
    runs: 0.8,
    stack: 24.0,
    schedules: 6.0,
    autoscalers: 0.6,
    scaling: 1.0,
    scanners: 1.0,
    agents: 1.0,
    agent_rate: 1.0,
};

const fn medians(personality: Personality) -> Medians {
    match personality {
        Personality::Quiet => Medians {
            regions: 1,
            services: 8,
            people: 2.2,
            sessions: 0.7,
            pipelines: 0.6,
            runs: 0.12,
            stack: 14.0,
            schedules: 1.0,
            autoscalers: 0.0,
            scaling: 0.0,
            scanners: 0.5,
            agents: 0.0,
            agent_rate: 0.0,
        },
        Personality::Office => Medians {
            services: 14,
            people: 12.0,
            sessions: 1.6,
            autoscalers: 0.5,
            scaling: 0.5,
            agent_rate: 0.5,
            ..TYPICAL
        },
        Personality::Ci => Medians {
            services: 14,
            people: 5.0,
            sessions: 1.0,
            pipelines: 5.0,
            runs: 4.0,
            stack: 40.0,
            schedules: 5.0,
            autoscalers: 0.5,
            scaling: 0.8,
            ..TYPICAL
        },
        Personality::Autoscaling => Medians {
            runs: 1.5,
            stack: 30.0,
            schedules: 5.0,
            autoscalers: 3.0,
            scaling: 6.0,
            agents: 3.0,
            agent_rate: 12.0,
            ..TYPICAL
        },
        Personality::Scanner => {
            Medians { regions: 3, pipelines: 1.2, runs: 0.6, scanners: 4.0, agents: 3.0, agent_rate: 4.0, ..TYPICAL }
        }
        Personality::Batch => Medians { regions: 1, schedules: 24.0, agent_rate: 1.5, ..TYPICAL },
    }
}

impl Cast {
    pub(crate) fn draw(personality: Personality, dice: &mut Dice) -> Cast {
        let of = medians(personality);
        let mut many = |median: f64, sigma: f64| if median > 0.0 { dice.lognormal(median, sigma) } else { 0.0 };
        let whole = |value: f64, most: f64| value.round().min(most) as usize;
        // Small accounts change less, and what is done in them is done by hand.
        let quiet = personality == Personality::Quiet;
        let (tail, unrest, novelty, runs) = if quiet { (2.15, 0.4, 0.11, 0.35) } else { (1.85, 1.0, 0.06, 0.68) };
        Cast {
            regions: of.regions,
            services: of.services,
            people: whole(many(of.people, 0.35).max(1.0), 30.0),
            sessions: many(of.sessions, 0.35),
            burst: many(tail, 0.12).clamp(1.4, 2.6),
            novelty: many(novelty, 0.5).min(0.25),
            pipelines: whole(many(of.pipelines, 0.4), 9.0),
            runs: many(of.runs, 0.6),
            stack: whole(many(of.stack, 0.3), 90.0),
            run_sigma: many(runs, 0.3).min(1.6),
            schedules: whole(many(of.schedules, 0.35), 40.0),
            autoscalers: whole(many(of.autoscalers, 0.35), 6.0),
            scaling: many(of.scaling, 0.6).min(25.0),
            scanners: whole(many(of.scanners, 0.3), 8.0),
            agents: whole(many(of.agents, 0.3), 3.0),
            agent_rate: many(of.agent_rate, 0.9).min(400.0),
            unrest: many(unrest, 0.5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cast, Personality};
    use crate::dice::Dice;

    #[test]
    fn any_number_of_accounts_is_a_fair_mixture() {
        for personality in Personality::ALL {
            assert_eq!((0..12).filter(|number| Personality::of(*number) == personality).count(), 2);
        }
    }

    #[test]
    fn priors_are_wide_and_bounded() {
        let mut dice = Dice::named("casts");
        let casts: Vec<Cast> = (0..500).map(|_| Cast::draw(Personality::Ci, &mut dice)).collect();
        let runs: Vec<f64> = casts.iter().map(|cast| cast.runs).collect();
        let (least, most) = (runs.iter().cloned().fold(f64::MAX, f64::min), runs.iter().cloned().fold(0.0, f64::max));
        assert!(most / least > 10.0, "{least} to {most}");
        assert!(casts.iter().all(|cast| cast.people >= 1 && cast.stack <= 90 && cast.burst >= 1.4));
    }
}
