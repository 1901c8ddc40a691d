//! `traffic` lines, unfolded into single calls.

use std::collections::BTreeMap;

use trailsight_tests::reference::{Call, Kind, stamp};

use super::Feed;
use super::clauses::{Said, api, caller, clock, day, duration, minute};
use crate::records::{ACCOUNT, DAY_0, Made, id};
use crate::scale::Dice;

/// One line: so many calls a period, while some windows last.
#[derive(Debug)]
pub(super) struct Traffic {
    /// Tells apart the dice and ids of lines.
    line: usize,
    calls: u64,
    period: i64,
    /// `~`: about so many, at random instants of the period.
    about: bool,
    call: Call,
    by: String,
    sessions: u64,
    copies: usize,
    /// Minutes since the epoch, each window [from, to).
    windows: Vec<(i64, i64)>,
}

/// `[~]N per PERIOD of API by CALLER, CLAUSE, …`
pub(super) fn parse(text: &str, line: usize) -> Said<Traffic> {
    let mut clauses = text.split(',').map(str::trim);
    let words: Vec<&str> = clauses.next().unwrap_or_default().split_whitespace().collect();
    let [rate, "per", period, "of", name, "by", who] = words.as_slice() else {
        return Err("traffic reads: 3 per hour of iam:CreateUser by role/ci, days 0 to 8".to_owned());
    };
    let (source, name) = api(name)?;
    let call = Call {
        calls: 1,
        minute: 0,
        account: ACCOUNT.to_owned(),
        region: "eu-west-1".to_owned(),
        source,
        name,
        kind: Kind::Write,
        error: None,
        identity: None,
        agent: Some("aws-cli/2.15".to_owned()),
    };
    let bare = rate.strip_prefix('~');
    let calls = bare.unwrap_or(rate).parse().map_err(|_| format!("{rate:?} is not a number of calls"))?;
    let period = period_of(period)?;
    let mut traffic = Traffic {
        line,
        calls,
        period,
        about: bare.is_some(),
        call,
        by: (*who).to_owned(),
        sessions: 1,
        copies: 1,
        windows: Vec::new(),
    };
    for clause in clauses {
        traffic.add(&clause.split_whitespace().collect::<Vec<_>>())?;
    }
    if traffic.windows.is_empty() {
        return Err("no clause says when: days 0 to 8, or: day 9 at 03:10 for 5m".to_owned());
    }
    traffic.call.identity = Some(caller(&traffic.by, &traffic.call.account)?);
    Ok(traffic)
}

fn period_of(text: &str) -> Said<i64> {
    match text {
        "minute" => Ok(1),
        "hour" => Ok(60),
        "day" => Ok(1440),
        "week" => Ok(7 * 1440),
        other => {
            duration(other).map_err(|_| format!("{other:?} is not minute, hour, day, week or a duration such as 5m"))
        }
    }
}

impl Traffic {
    /// Sessions and repeated records do not exist in a counts table.
    pub(super) fn needs_records(&self) -> bool {
        self.sessions > 1 || self.copies > 1
    }

    fn add(&mut self, words: &[&str]) -> Said<()> {
        match words {
            [which @ ("days" | "weekdays" | "weekends"), first, "to", last, rest @ ..] => {
                return self.add_days(which, day(first)?, day(last)?, rest);
            }
            ["day", only, "at", at, "for", length] => {
                let from = minute(only, at)?;
                self.windows.push((from, from + duration(length)?));
            }
            ["failing", "with", code] => self.call.error = Some((*code).to_owned()),
            ["in", region] => self.call.region = (*region).to_owned(),
            ["account", account] => self.call.account = (*account).to_owned(),
            ["agent", agent] => self.call.agent = Some((*agent).to_owned()),
            ["reading"] => self.call.kind = Kind::Read,
            ["data"] => self.call.kind = Kind::Data,
            ["sessions", count] => self.sessions = count.parse().map_err(|_| format!("{count:?} is not a number"))?,
            ["delivered", "twice"] => self.copies = 2,
            _ => return Err(format!("{:?} says nothing about traffic", words.join(" "))),
        }
        Ok(())
    }

    fn add_days(&mut self, which: &str, first: i64, last: i64, rest: &[&str]) -> Said<()> {
        let (from, to) = match rest {
            [] => (0, 1440),
            ["from", from, "to", to] => (clock(from)?, clock(to)?),
            ["at", at, "for", length] => (clock(at)?, clock(at)? + duration(length)?),
            _ => return Err(format!("after the days comes `from 08:00 to 18:00` or `at 02:00 for 5m`, not {rest:?}")),
        };
        if first > last || from >= to {
            return Err("it ends before it begins".to_owned());
        }
        let chosen = |day: &i64| match which {
            "weekdays" => day % 7 < 5,
            "weekends" => day % 7 >= 5,
            _ => true,
        };
        let whole = (from, to) == (0, 1440) && which == "days";
        if whole {
            self.windows.push((DAY_0 + first * 1440, DAY_0 + (last + 1) * 1440));
        } else {
            let each = (first..=last).filter(chosen).map(|day| DAY_0 + day * 1440);
            self.windows.extend(each.map(|midnight| (midnight + from, midnight + to)));
        }
        Ok(())
    }

    fn unfold(&self, feed: Feed, into: &mut Vec<Made>) {
        let mut dice = Dice(0x7452_4149_4c00 + self.line as u64);
        let mut calls_at: BTreeMap<i64, u64> = BTreeMap::new();
        for &(from, to) in &self.windows {
            for period in (from..to).step_by(self.period as usize) {
                let calls = if self.about { poisson(&mut dice, self.calls as f64) } else { self.calls };
                for _ in 0..calls {
                    let offset = if self.about { dice.below(self.period as u64) as i64 } else { 0 };
                    *calls_at.entry((period + offset).min(to - 1)).or_default() += 1;
                }
            }
        }
        let mut number = 0;
        for (minute, calls) in calls_at {
            // A row of a table is many calls; a record is one.
            let (records, each) = if feed == Feed::Counts { (1, calls) } else { (calls, 1) };
            for _ in 0..records {
                number += 1;
                let made = self.one(minute, number, each, &mut dice);
                into.extend(std::iter::repeat_n(made, self.copies));
            }
        }
    }

    fn one(&self, minute: i64, number: u64, calls: u64, dice: &mut Dice) -> Made {
        let call = Call { minute, calls, ..self.call.clone() };
        Made {
            call,
            second: dice.below(60) as i64,
            session: format!("session-{}", number % self.sessions.max(1)),
            id: id(&["scenario", &self.line.to_string(), &number.to_string()]),
        }
    }
}

/// Knuth's product of uniforms; above 500 the rate itself, whose relative scatter is small.
fn poisson(dice: &mut Dice, mean: f64) -> u64 {
    if mean > 500.0 {
        return mean as u64;
    }
    let (limit, mut product, mut count) = ((-mean).exp(), 1.0, 0);
    loop {
        product *= (dice.next() >> 11) as f64 / (1u64 << 53) as f64;
        if product <= limit {
            return count;
        }
        count += 1;
    }
}

/// Every call of every line, as records or as rows of a table; copies beside each other.
pub(super) fn unfold(lines: &[Traffic], feed: Feed) -> Vec<Made> {
    let mut made = Vec::new();
    lines.iter().for_each(|line| line.unfold(feed, &mut made));
    made
}

/// The counts table of these calls.
pub(super) fn table(made: &[Made]) -> String {
    let mut rows: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for made in made {
        let call = &made.call;
        let category = if call.kind == Kind::Data { "Data" } else { "Management" };
        let row = vec![
            stamp(call.minute, 0),
            call.account.clone(),
            call.region.clone(),
            call.source.clone(),
            call.name.clone(),
            category.to_owned(),
            (call.kind == Kind::Read).to_string(),
            call.error.clone().unwrap_or_default(),
            call.identity.clone().unwrap_or_default(),
            call.agent.clone().unwrap_or_default(),
        ];
        *rows.entry(row).or_default() += call.calls;
    }
    let mut table =
        "minute\taccount\tregion\tsource\tname\tcategory\treadOnly\terrorCode\tprincipal\tuserAgent\tcalls\n"
            .to_owned();
    for (row, calls) in rows {
        table.push_str(&format!("{}\t{calls}\n", row.join("\t")));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{Feed, parse, table, unfold};
    use crate::records::DAY_0;

    fn minutes(line: &str) -> Vec<i64> {
        unfold(&[parse(line, 1).expect(line)], Feed::Records).iter().map(|made| made.call.minute - DAY_0).collect()
    }

    #[test]
    fn a_line_unfolds_into_its_calls() {
        assert_eq!(minutes("2 per hour of iam:A by root, day 1 at 03:00 for 2h"), [1620, 1620, 1680, 1680]);
        assert_eq!(
            minutes("1 per day of iam:A by root, weekdays 3 to 8 at 02:00 for 1m"),
            [4440, 5880, 10_200, 11_640]
        );
        assert_eq!(minutes("1 per minute of iam:A by root, delivered twice, day 0 at 00:00 for 1m"), [0, 0]);
        let about = minutes("~300 per hour of iam:A by root, days 0 to 1");
        assert!((13_500..15_300).contains(&about.len()), "{}", about.len());
    }

    #[test]
    fn the_table_adds_up_to_the_calls() {
        let traffic = parse("3 per minute of iam:A by user/a, failing with No, days 0 to 0", 1).expect("right");
        let made = unfold(&[traffic], Feed::Counts);
        let table = table(&made);
        assert_eq!(table.lines().count(), 1441);
        let sum: u64 = table.lines().skip(1).filter_map(|line| line.rsplit('\t').next()?.parse::<u64>().ok()).sum();
        assert_eq!(sum, 3 * 1440);
        assert_eq!(made.len(), 1440);
    }
}
