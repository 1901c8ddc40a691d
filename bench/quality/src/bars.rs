//! What is asked of the detector, in one table: the bar, the figure, and whether it is met.

use std::fmt::Write;

use crate::account::Personality;
use crate::change::ChangeKind;
use crate::insight::{BUDGETS, Gate, LEVELS};
use crate::planted::Outcome;
use crate::report::{Column, number, rate};
use crate::score::{Figures, Scored, changes, figures, rate_at};

/// One row: what is asked, the bar in words, the figure in words, whether it is met (none: could not be measured).
struct Bar {
    what: String,
    bar: &'static str,
    figure: String,
    met: Option<bool>,
}

/// Places of medium and high in [`LEVELS`].
const MEDIUM: usize = 1;
const HIGH: usize = 2;

/// The table of the first column; the others are what it is compared with.
pub(crate) fn table(columns: &[Column], positives: &[Vec<Outcome>], records: &[Vec<Outcome>]) -> String {
    let Some(product) = columns.first() else { return String::new() };
    let mut bars = promise(product);
    bars.extend(comparisons(product, columns));
    bars.extend(found(product));
    bars.extend(told_of_changes(product));
    bars.push(at_least("known positives of the real service told at high", positives, HIGH));
    bars.push(at_least("real records in made-up accounts told at medium", records, MEDIUM));
    let mut text = String::from("## What is asked\n\n| what | bar | figure | met |\n|---|---|---|---|\n");
    for Bar { what, bar, figure, met } in bars {
        let met = match met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not measured",
        };
        // Writing into a string does not fail.
        let _ = writeln!(text, "| {what} | {bar} | {figure} | {met} |");
    }
    text.push('\n');
    text
}

fn within(value: f64, least: f64, most: f64) -> Option<bool> {
    value.is_finite().then_some((least..=most).contains(&value))
}

fn promise(product: &Column) -> Vec<Bar> {
    let all = product.all();
    let ratio = |accounts: &[&Scored], level: usize| rate(accounts, Gate::Level(level)) / BUDGETS[level];
    let realised = |level: usize| {
        let value = ratio(&all, level);
        Bar {
            what: format!("realised over nominal at {}", LEVELS[level]),
            bar: "0.5 to 2",
            figure: number(value),
            met: within(value, 0.5, 2.0),
        }
    };
    let worst = |level: usize| {
        let ratios = Personality::ALL.map(|personality| {
            let of = |account: &&&Scored| account.labels.personality == personality;
            let accounts: Vec<&Scored> = all.iter().filter(of).copied().collect();
            (ratio(&accounts, level), personality.name())
        });
        let of_least = ratios.iter().min_by(|a, b| a.0.total_cmp(&b.0)).copied().unwrap_or_default();
        let of_most = ratios.iter().max_by(|a, b| a.0.total_cmp(&b.0)).copied().unwrap_or_default();
        Bar {
            what: format!("the same at {}, least and most of a personality", LEVELS[level]),
            bar: "0.25 to 4",
            figure: format!("{} ({}), {} ({})", number(of_least.0), of_least.1, number(of_most.0), of_most.1),
            met: within(of_least.0, 0.25, 4.0).zip(within(of_most.0, 0.25, 4.0)).map(|(least, most)| least && most),
        }
    };
    (0..LEVELS.len()).map(realised).chain((0..LEVELS.len()).map(worst)).collect()
}

/// Recall at an equal rate of false leads in the accounts with anomalies: at the budget, where a multiple of the record
/// ratio is asked; at the rate that the prototype really has at its levels, where it is to be surpassed.
fn comparisons(product: &Column, columns: &[Column]) -> Vec<Bar> {
    let asked: [(&str, usize, f64, &'static str); 5] = [
        ("R1", MEDIUM, 2.2, "at least 2.2 times"),
        ("R1", HIGH, 2.0, "at least 2 times"),
        ("amended", 0, 1.0, "above it"),
        ("amended", MEDIUM, 1.0, "above it"),
        ("amended", HIGH, 1.0, "above it"),
    ];
    asked
        .map(|(name, level, times, bar)| {
            let other = columns.iter().find(|column| column.name == name);
            compared(product, other, (name, level, times, bar))
        })
        .into()
}

fn compared(
    product: &Column,
    other: Option<&Column>,
    (name, level, times, bar): (&str, usize, f64, &'static str),
) -> Bar {
    let Some(other) = other else {
        let what = format!("macro recall against {name} at {}", LEVELS[level]);
        return Bar { what, bar, figure: format!("{name} was not run"), met: None };
    };
    let own_rate = rate(&other.attacked(), Gate::Level(level));
    let wanted = if times > 1.0 { BUDGETS[level] } else { own_rate };
    let (theirs, guessed) = rate_at(&other.attacked(), wanted);
    let (ours, outside) = rate_at(&product.attacked(), wanted);
    let remark = if outside || guessed { "; outside of what one of them was run at" } else { "" };
    Bar {
        what: format!("macro recall against {name} at an equal {} false leads a week", number(wanted)),
        bar,
        figure: format!("{} against {}, {} times{remark}", number(ours), number(theirs), number(ours / theirs)),
        met: Some(if times > 1.0 { ours >= times * theirs } else { ours > theirs }),
    }
}

fn found(product: &Column) -> Vec<Bar> {
    let at = [0, 1, 2].map(|level| figures(&product.attacked(), Gate::Level(level)));
    let each = |figure: fn(&Figures) -> f64| at.map(|at| number(figure(&at))).join(" / ");
    let all = |holds: &dyn Fn(&Figures) -> bool| Some(at.iter().all(holds));
    let bar = |what: &str, bar, figure, met| Bar { what: what.to_owned(), bar, figure, met };
    vec![
        bar(
            "obvious anomalies: recall at low / medium / high",
            "at least .98",
            each(|at| at.obvious_recall),
            all(&|at| at.obvious_recall >= 0.98),
        ),
        bar(
            "their median delay, minutes",
            "at most 1",
            each(|at| at.obvious_delay.0),
            all(&|at| at.obvious_delay.0 <= 1.0),
        ),
        bar("90th percentile", "at most 3", each(|at| at.obvious_delay.1), all(&|at| at.obvious_delay.1 <= 3.0)),
        bar(
            "sweeps over at least 30 APIs told as such within 10 minutes",
            ".8 at medium, .9 at high",
            each(|at| at.sweeps),
            within(at[MEDIUM].sweeps, 0.8, 1.0).zip(within(at[HIGH].sweeps, 0.9, 1.0)).map(|(a, b)| a && b),
        ),
        bar(
            "outages to 0 of at least 2 calls a minute within 15 minutes",
            "at least .9 at high",
            each(|at| at.outages),
            within(at[HIGH].outages, 0.9, 1.0),
        ),
        bar(
            "insights a found anomaly",
            "at most 1.1",
            each(|at| at.insights_per_truth),
            all(&|at| at.insights_per_truth <= 1.1),
        ),
        bar("median distance of End, minutes", "at most 1", each(|at| at.end_error), all(&|at| at.end_error <= 1.0)),
        bar(
            "surges whose errors were told of too",
            "at most .05",
            each(|at| at.repeated_surges),
            all(&|at| at.repeated_surges <= 0.05),
        ),
        bar(
            "changes of the share of errors inside surges",
            "at least .8 at high",
            each(|at| at.ratio_in_surge),
            within(at[HIGH].ratio_in_surge, 0.8, 1.0),
        ),
    ]
}

fn told_of_changes(product: &Column) -> Vec<Bar> {
    let asked: [(ChangeKind, &str, &str, f64); 3] = [
        (ChangeKind::ChangeOfClock, "leads told of a change of clock", "0", 0.0),
        (ChangeKind::DeliveryGap, "of a delivery gap", "0", 0.0),
        (ChangeKind::RegionFailover, "of a Region fail-over", "at most 2", 2.0),
    ];
    let told = [0, 1, 2].map(|level| changes(&product.all(), Gate::Level(level)));
    asked
        .map(|(kind, what, bar, most)| {
            let alarms = told
                .each_ref()
                .map(|kinds| kinds.get(&kind).map_or(f64::NAN, |(changes, alarms)| *alarms as f64 / *changes as f64));
            let happened = told[HIGH].get(&kind).map_or(0, |kind| kind.0);
            Bar {
                what: format!("{what}, low / medium / high"),
                bar,
                figure: format!("{} ({happened} of them)", alarms.map(number).join(" / ")),
                met: alarms[HIGH].is_finite().then_some(alarms[HIGH] <= most),
            }
        })
        .into()
}

fn at_least(what: &str, accounts: &[Vec<Outcome>], level: usize) -> Bar {
    let all: Vec<&Outcome> = accounts.iter().flatten().collect();
    let told = all.iter().filter(|outcome| outcome.level.is_some_and(|at| LEVELS[..=level].contains(&at))).count();
    Bar {
        what: what.to_owned(),
        bar: "all",
        figure: format!("{told} of {}", all.len()),
        met: (!all.is_empty()).then_some(told == all.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::{HIGH, MEDIUM, at_least, table, within};
    use crate::account::Account;
    use crate::label::{Direction, Name};
    use crate::planted::{Outcome, Wanted};
    use crate::report::Column;
    use crate::score::Scored;
    use crate::seeds::{Member, Set};

    fn outcome(level: Option<&'static str>) -> Outcome {
        let name = Name { region: String::new(), source: String::new(), name: String::new(), code: String::new() };
        let wanted = Wanted { what: String::new(), name, direction: Direction::Above, start: 0, end: 1 };
        Outcome { wanted, level, delay: level.map(|_| 0) }
    }

    #[test]
    fn a_stricter_level_is_enough_and_a_looser_one_is_not() {
        let told = [vec![outcome(Some("low")), outcome(Some("medium"))]];
        assert_eq!((at_least("", &told, MEDIUM).met, at_least("", &told, 0).met), (Some(true), Some(false)));
        assert_eq!(at_least("", &[vec![outcome(Some("high")), outcome(None)]], HIGH).figure, "1 of 2");
        assert_eq!(at_least("", &[], HIGH).met, None, "what was not looked at is not met");
        assert_eq!(within(f64::NAN, 0.0, 1.0), None);
    }

    #[test]
    fn silence_meets_no_bar_about_what_is_found() {
        let accounts = Member::of(Set::Development, 6, 0);
        let silent = accounts.iter().map(|member| Scored::new(Account::generate(member).unwrap().labels, Vec::new()));
        let text = table(&[Column { name: "silent".into(), accounts: silent.collect() }], &[], &[]);
        let row = |what: &str| text.lines().find(|line| line.contains(what)).unwrap();
        for what in ["realised over nominal at high", "recall at low", "sweeps over", "their median delay"] {
            assert!(row(what).ends_with("| **no** |"), "{}", row(what));
        }
        assert!(row("R1 at medium").ends_with("| not measured |"));
    }
}
