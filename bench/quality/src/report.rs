//! The report: every engine in the same tables, on the same accounts.

use std::fmt::Write;

use crate::account::Personality;
use crate::anomaly::Kind;
use crate::change::ChangeKind;
use crate::engine::Engine;
use crate::insight::{BUDGETS, Gate, LEVELS};
use crate::planted::Outcome;
use crate::score::{Cells, Figures, Interval, Scored, cells, changes, figures, interval, macro_recall, rate_at};
use crate::seeds::{Member, Population, Set};

/// An engine's name and what it told of every account it was run on.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) accounts: Vec<Scored>,
}

impl Column {
    pub(crate) fn all(&self) -> Vec<&Scored> {
        self.accounts.iter().collect()
    }

    pub(crate) fn attacked(&self) -> Vec<&Scored> {
        self.accounts.iter().filter(|account| account.labels.attacked).collect()
    }

    fn peaceful(&self) -> Vec<&Scored> {
        self.accounts.iter().filter(|account| !account.labels.attacked).collect()
    }
}

/// A heading and what stands under it.
type Row = (&'static str, fn(&Figures) -> String);

/// Rates of false leads at which engines are compared.
const EQUAL: [f64; 6] = [0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// What was measured on what, and what was not and why.
pub(crate) fn opening(
    set: Set,
    attacked: u32,
    peaceful: u32,
    columns: &[Column],
    absent: &[(Engine, Option<String>)],
) -> String {
    let mut text = format!(
        "Accounts of the set `{}`: numbers 0 to {attacked} (exclusive) with anomalies, 0 to {peaceful} without; five \
         weeks each, the last four scored. Seeds: `{}` and so on.\n\n",
        set.name(),
        Member { set, population: Population::Attacked, number: 0 }.seed()
    );
    text.push_str("| engine | account-weeks with anomalies | without | series an account |\n|---|---|---|---|\n");
    let weeks = |accounts: &[&Scored]| {
        accounts.iter().map(|account| account.labels.weeks()).fold(0.0, |sum, weeks| sum + weeks)
    };
    for column in columns {
        let series: usize = column.accounts.iter().map(|account| account.labels.series).sum();
        text.push_str(&format!(
            "| {} | {:.0} | {:.0} | {} |\n",
            column.name,
            weeks(&column.attacked()),
            weeks(&column.peaceful()),
            series / column.accounts.len().max(1)
        ));
    }
    for (engine, why) in absent {
        text.push_str(&format!("| {} | not run: {} | | |\n", engine.name(), why.as_deref().unwrap_or_default()));
    }
    text.push_str(FOREST);
    text
}

/// The row of a comparator that is too slow to be run: measured with the crate krcf 0.4.0 (AWS's Rust code), 50 trees of
/// 256 points, shingle 4, one core: 78 microseconds for score and update of a series-minute.
const FOREST: &str = "| AWS's Random Cut Forest | not run on this set: 78 µs a series-minute (crate krcf 0.4.0), a quarter of an hour an \
     account. Published on another, easier set: macro recall .19 and .34 at .01 and .05 false alarms a series-week (2 \
     and 10 in an account of 200 series) | | |\n";

/// What was told of what is known to have been unusual: the strictest level and the delay in minutes, for each account.
pub(crate) fn planted(heading: &str, accounts: &[Vec<Outcome>]) -> String {
    let mut text =
        format!("\n## {heading}\n\n| what | observed | strictest level, and minutes until then |\n|---|---|---|\n");
    for place in 0..accounts.first().map_or(0, Vec::len) {
        let wanted = &accounts[0][place].wanted;
        let told = accounts.iter().map(|outcomes| match (outcomes[place].level, outcomes[place].delay) {
            (Some(level), Some(delay)) => format!("{level} {delay}"),
            _ => "not told".to_owned(),
        });
        let code = if wanted.name.code.is_empty() { String::new() } else { format!(" {}", wanted.name.code) };
        text.push_str(&format!(
            "| {}{code} | {} | {} |\n",
            wanted.name.name,
            wanted.what,
            told.collect::<Vec<_>>().join("; ")
        ));
    }
    text
}

/// All tables.
pub(crate) fn tables(columns: &[Column]) -> String {
    let mut text = String::new();
    let sections: [fn(&mut String, &[Column]) -> std::fmt::Result; 7] =
        [promise, personalities, recall, equal_rates, bars, every_cell, every_change];
    for section in sections {
        // Writing into a string does not fail.
        let _ = section(&mut text, columns);
        text.push('\n');
    }
    text
}

/// Two decimals, one from 10 on.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if !value.is_finite() => "—".to_owned(),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn sure(value: f64, interval: Interval) -> String {
    format!("{} [{}, {}]", number(value), number(interval.low), number(interval.high))
}

fn levels(
    text: &mut String,
    columns: &[Column],
    heading: &str,
    cell: impl Fn(&Column, Gate) -> String,
) -> std::fmt::Result {
    writeln!(text, "| {heading} | {} |\n|---|---|---|---|", LEVELS.join(" | "))?;
    for column in columns {
        let row: Vec<String> = (0..LEVELS.len()).map(|level| cell(column, Gate::Level(level))).collect();
        writeln!(text, "| {} | {} |", column.name, row.join(" | "))?;
    }
    Ok(())
}

/// False leads in an account in a week.
pub(crate) fn rate(accounts: &[&Scored], gate: Gate) -> f64 {
    let each: Vec<(f64, f64)> = accounts.iter().map(|account| leads_in_weeks(account, gate)).collect();
    ratio(&each.iter().collect::<Vec<_>>())
}

fn leads_in_weeks(account: &Scored, gate: Gate) -> (f64, f64) {
    (account.false_leads(gate).count() as f64, account.labels.weeks())
}

fn ratio(each: &[&(f64, f64)]) -> f64 {
    each.iter().map(|each| each.0).sum::<f64>() / each.iter().map(|each| each.1).sum::<f64>()
}

fn promise(text: &mut String, columns: &[Column]) -> std::fmt::Result {
    writeln!(
        text,
        "## False leads in an account in a week (nominal {} / {} / {})\n",
        BUDGETS[0], BUDGETS[1], BUDGETS[2]
    )?;
    for (what, pick) in [
        ("all accounts", Column::all as fn(&Column) -> Vec<&Scored>),
        ("without anomalies", Column::peaceful),
        ("with anomalies", Column::attacked),
    ] {
        levels(text, columns, what, |column, gate| {
            let accounts = pick(column);
            if accounts.is_empty() {
                return "—".to_owned();
            }
            let each: Vec<(f64, f64)> = accounts.iter().map(|account| leads_in_weeks(account, gate)).collect();
            sure(rate(&accounts, gate), interval(&each, ratio))
        })?;
        writeln!(text)?;
    }
    levels(text, columns, "outside of benign changes", |column, gate| {
        number(figures(&column.all(), gate).unprovoked_rate)
    })
}

fn personalities(text: &mut String, columns: &[Column]) -> std::fmt::Result {
    writeln!(text, "## Realised over nominal, by personality\n")?;
    for column in columns {
        writeln!(text, "| {} | {} |\n|---|---|---|---|", column.name, LEVELS.join(" | "))?;
        for personality in Personality::ALL {
            let accounts: Vec<&Scored> =
                column.accounts.iter().filter(|account| account.labels.personality == personality).collect();
            let ratio = |level: usize| number(rate(&accounts, Gate::Level(level)) / BUDGETS[level]);
            writeln!(
                text,
                "| {} ({}) | {} | {} | {} |",
                personality.name(),
                accounts.len(),
                ratio(0),
                ratio(1),
                ratio(2)
            )?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn recall(text: &mut String, columns: &[Column]) -> std::fmt::Result {
    writeln!(text, "## What is found at each level\n")?;
    levels(text, columns, "macro recall", |column, gate| {
        let each: Vec<Cells> = column.attacked().iter().map(|account| cells(&[*account], gate)).collect();
        sure(macro_recall(&each.iter().collect::<Vec<_>>()), interval(&each, macro_recall))
    })?;
    writeln!(text)?;
    let rows: [Row; 3] = [
        ("obvious: recall; median and p90 delay in minutes", |at| {
            format!("{}; {:.0}, {:.0}", number(at.obvious_recall), at.obvious_delay.0, at.obvious_delay.1)
        }),
        ("all that last for hours: median and p90 delay", |at| format!("{:.0}, {:.0}", at.delay.0, at.delay.1)),
        ("precision with one anomaly a week", |at| number(at.precision)),
    ];
    for (heading, cell) in rows {
        levels(text, columns, heading, |column, gate| cell(&figures(&column.attacked(), gate)))?;
        writeln!(text)?;
    }
    Ok(())
}

fn equal_rates(text: &mut String, columns: &[Column]) -> std::fmt::Result {
    writeln!(
        text,
        "## Macro recall at an equal rate of false leads in the accounts with anomalies\n\n\
         By the chance that the engine prints where it does; else between its levels. *: outside of what it was run at.\n"
    )?;
    let heads: Vec<String> = EQUAL.iter().map(|rate| format!("{rate} a week")).collect();
    writeln!(text, "| engine | {} |\n|---|{}", heads.join(" | "), "---|".repeat(EQUAL.len()))?;
    for column in columns {
        let accounts = column.attacked();
        let cells = EQUAL.map(|wanted| {
            let (recall, outside) = rate_at(&accounts, wanted);
            format!("{}{}", number(recall), if outside { "*" } else { "" })
        });
        writeln!(text, "| {} | {} |", column.name, cells.join(" | "))?;
    }
    Ok(())
}

fn bars(text: &mut String, columns: &[Column]) -> std::fmt::Result {
    writeln!(text, "## What else was promised\n")?;
    let rows: [Row; 6] = [
        ("sweeps over at least 30 APIs found within 10 minutes", |at| number(at.sweeps)),
        ("outages to 0 of at least 2 calls a minute found within 15 minutes", |at| number(at.outages)),
        ("insights a found anomaly", |at| number(at.insights_per_truth)),
        ("median distance of End from the end of an obvious anomaly, minutes", |at| format!("{:.0}", at.end_error)),
        ("surges whose errors were told of too", |at| number(at.repeated_surges)),
        ("changes of the share of errors inside surges that were found", |at| number(at.ratio_in_surge)),
    ];
    for (heading, cell) in rows {
        levels(text, columns, heading, |column, gate| cell(&figures(&column.attacked(), gate)))?;
        writeln!(text)?;
    }
    Ok(())
}

fn every_cell(text: &mut String, columns: &[Column]) -> std::fmt::Result {
    writeln!(text, "## Recall of every cell, low / medium / high (o: obvious)\n")?;
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    writeln!(
        text,
        "| kind | strength | anomalies | {} |\n|---|---|---|{}",
        names.join(" | "),
        "---|".repeat(names.len())
    )?;
    let found: Vec<Vec<_>> = columns
        .iter()
        .map(|column| (0..LEVELS.len()).map(|level| cells(&column.attacked(), Gate::Level(level))).collect())
        .collect();
    for kind in Kind::ALL {
        for strength in 1..=4_u8 {
            let Some((all, _)) = found.first().and_then(|column| column[0].get(&(kind, strength))) else { continue };
            let cells = found.iter().map(|column: &Vec<std::collections::BTreeMap<_, (usize, usize)>>| {
                let of = |level: usize| {
                    column[level].get(&(kind, strength)).map_or(f64::NAN, |cell| cell.1 as f64 / cell.0 as f64)
                };
                format!("{} / {} / {}", number(of(0)), number(of(1)), number(of(2)))
            });
            let mark = if kind.obvious(strength) { " o" } else { "" };
            writeln!(
                text,
                "| {} | {strength}{mark} | {all} | {} |",
                kind.name(),
                cells.collect::<Vec<_>>().join(" | ")
            )?;
        }
    }
    Ok(())
}

fn every_change(text: &mut String, columns: &[Column]) -> std::fmt::Result {
    writeln!(text, "## Leads told of each benign change, low / medium / high\n")?;
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    writeln!(text, "| change | of them | {} |\n|---|---|{}", names.join(" | "), "---|".repeat(names.len()))?;
    let told: Vec<Vec<_>> = columns
        .iter()
        .map(|column| (0..LEVELS.len()).map(|level| changes(&column.all(), Gate::Level(level))).collect())
        .collect();
    for kind in ChangeKind::ALL {
        let Some((all, _)) = told.first().and_then(|column| column[0].get(&kind)) else { continue };
        let cells = told.iter().map(|column: &Vec<std::collections::BTreeMap<_, (usize, usize)>>| {
            let of =
                |level: usize| column[level].get(&kind).map_or(f64::NAN, |change| change.1 as f64 / change.0 as f64);
            format!("{} / {} / {}", number(of(0)), number(of(1)), number(of(2)))
        });
        let name =
            serde_json::to_value(kind).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        writeln!(text, "| {name} | {all} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
    }
    Ok(())
}

/// Every anomaly with its delay at each level, tab-separated.
pub(crate) fn truths(column: &Column) -> String {
    let mut text = String::from("account\tkind\tstrength\tobvious\tusual\tpeak\tminutes\tlow\tmedium\thigh\tseries\n");
    for account in column.attacked() {
        let at: Vec<Vec<Option<i64>>> = (0..LEVELS.len())
            .map(|level| account.truths(Gate::Level(level)).map(|finding| finding.delay).collect())
            .collect();
        for (place, truth) in account.labels.truths.iter().enumerate() {
            let delay = |level: usize| at[level][place].map_or("-".to_owned(), |delay| delay.to_string());
            let name = truth
                .series
                .first()
                .map(|name| format!("{}/{}/{}", name.source, name.name, name.code))
                .unwrap_or_default();
            text.push_str(&format!(
                "{}\t{}\t{}\t{}\t{:.4}\t{}\t{}\t{}\t{}\t{}\t{name}\n",
                account.labels.account,
                truth.kind.name(),
                truth.strength,
                truth.obvious,
                truth.usual,
                truth.peak,
                truth.end - truth.start,
                delay(0),
                delay(1),
                delay(2)
            ));
        }
    }
    text
}

/// Every false lead, tab-separated.
pub(crate) fn false_leads(column: &Column) -> String {
    let mut text = String::from("account\tpersonality\tstart\tlevel\tdirection\ttest\tchance\tseries\n");
    for account in column.all() {
        for incident in account.false_leads(Gate::Level(LEVELS.len() - 1)) {
            let strictest = incident.starts.iter().map(|start| start.level).min().unwrap_or_default();
            text.push_str(&format!(
                "{}\t{}\t{}\t{}\t{:?}\t{}\t{}\t{}/{}/{}\n",
                account.labels.account,
                account.labels.personality.name(),
                crate::calendar::stamp(incident.start),
                LEVELS[strictest],
                incident.direction,
                incident.test,
                incident.chance().map_or("-".to_owned(), |chance| format!("{chance:.4}")),
                incident.name.source,
                incident.name.name,
                incident.name.code
            ));
        }
    }
    text
}
