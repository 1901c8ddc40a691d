//! Lines to a scenario, or every mistake with its line.

use std::fmt;

use super::expect::{self, Quiet};
use super::{Feed, Scenario, traffic};

/// What is wrong with one line.
#[derive(Debug, PartialEq)]
pub(super) struct Mistake {
    line: usize,
    what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Reads a scenario. Empty lines and lines that begin with `#` say nothing.
pub(super) fn parse(text: &str) -> Result<Scenario, Vec<Mistake>> {
    let mut scenario = Scenario {
        title: String::new(),
        feed: Feed::Counts,
        arguments: Vec::new(),
        configuration: Vec::new(),
        traffic: Vec::new(),
        expected: Vec::new(),
        quiet: Quiet::default(),
    };
    let mut mistakes = Vec::new();
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        if let Err(what) = add(&mut scenario, line, number) {
            mistakes.push(Mistake { line: number, what });
        }
    }
    let last = text.lines().count();
    if scenario.feed == Feed::Counts && scenario.traffic.iter().any(traffic::Traffic::needs_records) {
        let what = "sessions and repeated records need the line `feed records`".to_owned();
        mistakes.push(Mistake { line: last, what });
    }
    for (missing, what) in [
        (scenario.title.is_empty(), "no `scenario` line says what it is about"),
        (scenario.traffic.is_empty(), "no `traffic` line"),
        (!scenario.quiet.said && scenario.expected.is_empty(), "no `expect` line"),
    ] {
        // A line that could not be read is not a line that is not there.
        if missing && mistakes.is_empty() {
            mistakes.push(Mistake { line: last, what: what.to_owned() });
        }
    }
    if mistakes.is_empty() { Ok(scenario) } else { Err(mistakes) }
}

fn add(scenario: &mut Scenario, line: &str, number: usize) -> Result<(), String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "scenario" => scenario.title = rest.to_owned(),
        "feed" => {
            scenario.feed = match rest {
                "counts" => Feed::Counts,
                "records" => Feed::Records,
                _ => return Err(format!("the feed is counts or records, not {rest:?}")),
            }
        }
        "replay" => scenario.arguments.extend(rest.split_whitespace().map(str::to_owned)),
        "config" => scenario.configuration.push(rest.to_owned()),
        "traffic" => scenario.traffic.push(traffic::parse(rest, number)?),
        "expect" if rest.starts_with("nothing") => scenario.quiet = expect::parse_quiet(rest)?,
        "expect" => scenario.expected.push(expect::parse(rest)?),
        _ => return Err(format!("a line begins with scenario, feed, replay, config, traffic or expect, not {word:?}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let text = "scenario a burst\n\
            traffic 3 per hour of iam:CreateUser by role/ci, days 0 to 8\n\
            traffic 3 per fortnight of iam:CreateUser by role/ci, days 0 to 8\n\
            traffic 3 per hour of CreateUser by role/ci, days 0 to 8\n\
            traffic 3 per hour of iam:CreateUser by ci, days 0 to 8\n\
            traffic 3 per hour of iam:CreateUser by role/ci\n\
            traffic 3 per hour of iam:CreateUser by role/ci, day 9 at 25:00 for 5m\n\
            traffic 3 per hour of iam:CreateUser by role/ci, day 9 at 03:00 for 5s\n\
            feed telepathy\n\
            expect loud call rate of iam:CreateUser\n\
            expect low call rate of iam:CreateUser, ended early\n\
            hope for the best";
        let mistakes = parse(text).expect_err("there are mistakes");
        let said: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let lines: Vec<usize> = mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12], "{said:#?}");
    }

    #[test]
    fn a_table_has_no_sessions() {
        let text =
            "scenario a\ntraffic 1 per hour of iam:CreateUser by role/a, sessions 9, days 0 to 8\nexpect nothing";
        assert_eq!(parse(text).expect_err("it cannot be").len(), 1);
        parse(&format!("feed records\n{text}")).expect("records have sessions");
    }

    #[test]
    fn a_scenario_says_what_goes_in_and_what_comes_out() {
        let mistakes = parse("# nothing\n\n").expect_err("it says nothing");
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        parse("scenario a\ntraffic 1 per hour of iam:CreateUser by root, days 0 to 8\nexpect nothing").expect("enough");
    }
}
