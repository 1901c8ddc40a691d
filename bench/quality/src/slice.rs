//! The benchmark in a minute: does the promise still hold on a few fixed development accounts? Eighteen accounts
//! cannot measure a rate of 0.2 a week to better than a factor of two; the bars are where a broken promise is certain.

use crate::insight::{BUDGETS, Gate, LEVELS};
use crate::score::{Scored, figures};
use crate::seeds::{Member, Set};

/// Most false leads, as a multiple of each level's budget. Two is the promise; at low, 14 leads are expected and
/// three times as many are out of what chance does to them.
const MOST: [f64; 3] = [3.0, 2.0, 2.0];
/// Least macro recall at each level, a sixth to a fifth below what was found (.35, .55, .75): so that silence does not
/// keep the promise.
const LEAST: [f64; 3] = [0.28, 0.45, 0.62];
/// Least share of obvious anomalies found at every level, and most minutes to their median decision.
const OBVIOUS: (f64, f64) = (0.98, 1.0);

/// Which accounts: each personality once with anomalies and twice without.
pub(crate) fn members() -> Vec<Member> {
    Member::of(Set::Development, 6, 12)
}

fn attacked<'a>(accounts: &[&'a Scored]) -> Vec<&'a Scored> {
    accounts.iter().copied().filter(|account| account.labels.attacked).collect()
}

/// What is broken, in words.
pub(crate) fn broken(accounts: &[&Scored]) -> Vec<String> {
    let mut broken = Vec::new();
    for (level, name) in LEVELS.iter().enumerate() {
        let gate = Gate::Level(level);
        let (all, found) = (figures(accounts, gate), figures(&attacked(accounts), gate));
        if all.false_rate > MOST[level] * BUDGETS[level] {
            broken.push(format!("{name}: {:.2} false leads in an account in a week", all.false_rate));
        }
        if found.macro_recall.is_nan() || found.macro_recall < LEAST[level] {
            broken.push(format!("{name}: macro recall {:.3}", found.macro_recall));
        }
        if found.obvious_recall.is_nan() || found.obvious_recall < OBVIOUS.0 || found.obvious_delay.0 > OBVIOUS.1 {
            broken.push(format!(
                "{name}: obvious recall {:.3}, median delay {} min",
                found.obvious_recall, found.obvious_delay.0
            ));
        }
    }
    broken
}

/// The figures, one line a level.
pub(crate) fn summary(accounts: &[&Scored]) -> String {
    let line = |(level, name): (usize, &&str)| {
        let gate = Gate::Level(level);
        let (all, found) = (figures(accounts, gate), figures(&attacked(accounts), gate));
        format!(
            "{name}: {:.2} false leads a week (nominal {}), macro recall {:.3}, obvious {:.3} within {} min\n",
            all.false_rate, BUDGETS[level], found.macro_recall, found.obvious_recall, found.obvious_delay.1
        )
    };
    LEVELS.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{broken, members};
    use crate::account::Account;
    use crate::insight::{About, Incident, Start};
    use crate::label::{Direction, Labels};
    use crate::score::Scored;

    fn labels() -> Vec<Labels> {
        members().into_iter().take(6).map(|member| Account::generate(&member).unwrap().labels).collect()
    }

    fn told(labels: &Labels, name: &crate::label::Name, direction: Direction, at: i64) -> Incident {
        Incident {
            account: labels.account.clone(),
            name: name.clone(),
            about: About::Calls,
            direction,
            start: at,
            end: None,
            starts: vec![Start { level: 0, decided: at, chance: None, folded: false }],
            members: String::new(),
            test: String::new(),
        }
    }

    #[test]
    fn silence_and_noise_break_the_promise_and_knowing_everything_does_not() {
        let labels = labels();
        let score = |tell: &dyn Fn(&Labels) -> Vec<Incident>| {
            let accounts: Vec<Scored> = labels.iter().map(|labels| Scored::new(labels.clone(), tell(labels))).collect();
            broken(&accounts.iter().collect::<Vec<_>>())
        };
        let all_knowing = |labels: &Labels| -> Vec<Incident> {
            labels.truths.iter().map(|truth| told(labels, &truth.series[0], truth.direction, truth.start)).collect()
        };
        assert!(score(&all_knowing).is_empty(), "{:?}", score(&all_knowing));
        assert_eq!(score(&|_| Vec::new()).len(), 6, "silence finds nothing at three levels");
        let noisy = |labels: &Labels| -> Vec<Incident> {
            let noise = (0..45).map(|hour| {
                let name = crate::label::Name {
                    region: "nowhere".into(),
                    source: String::new(),
                    name: String::new(),
                    code: String::new(),
                };
                told(labels, &name, Direction::Above, labels.scored + hour * 60)
            });
            noise.chain(all_knowing(labels)).collect()
        };
        assert_eq!(score(&noisy).len(), 3, "{:?}", score(&noisy));
    }
}
