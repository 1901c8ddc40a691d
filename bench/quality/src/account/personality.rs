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

/// Medians: regions, services, people, sessions, pipelines, runs, stack, schedules, autoscalers, scaling, scanners,
/// agents, calls a minute of an agent.
type Medians = (usize, usize, f64, f64, f64, f64, f64, f64, f64, f64, f64, f64, f64);

const fn medians(personality: Personality) -> Medians {
    match personality {
        Personality::Quiet => (1, 8, 2.2, 0.7, 0.6, 0.12, 14.0, 1.0, 0.0, 0.0, 0.5, 0.0, 0.0),
        Personality::Office => (2, 14, 12.0, 1.6, 1.5, 0.8, 24.0, 6.0, 0.5, 0.5, 1.0, 1.0, 0.5),
        Personality::Ci => (2, 14, 5.0, 1.0, 5.0, 4.0, 40.0, 5.0, 0.5, 0.8, 1.0, 1.0, 1.0),
        Personality::Autoscaling => (2, 12, 4.0, 0.8, 1.5, 1.5, 30.0, 5.0, 3.0, 6.0, 1.0, 3.0, 12.0),
        Personality::Scanner => (3, 12, 4.0, 0.8, 1.2, 0.6, 24.0, 6.0, 0.6, 1.0, 4.0, 3.0, 4.0),
        Personality::Batch => (1, 12, 4.0, 0.8, 1.5, 0.8, 24.0, 24.0, 0.6, 1.0, 1.0, 1.0, 1.5),
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
            regions: of.0,
            services: of.1,
            people: whole(many(of.2, 0.35).max(1.0), 30.0),
            sessions: many(of.3, 0.35),
            burst: many(tail, 0.12).clamp(1.4, 2.6),
            novelty: many(novelty, 0.5).min(0.25),
            pipelines: whole(many(of.4, 0.4), 9.0),
            runs: many(of.5, 0.6),
            stack: whole(many(of.6, 0.3), 90.0),
            run_sigma: many(runs, 0.3).min(1.6),
            schedules: whole(many(of.7, 0.35), 40.0),
            autoscalers: whole(many(of.8, 0.35), 6.0),
            scaling: many(of.9, 0.6).min(25.0),
            scanners: whole(many(of.10, 0.3), 8.0),
            agents: whole(many(of.11, 0.3), 3.0),
            agent_rate: many(of.12, 0.9).min(400.0),
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
