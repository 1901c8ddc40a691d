//! `expect` lines, and what came instead.

use std::collections::BTreeMap;

use serde_json::Value;
use trailsight_tests::reference::{Key, key_of, minute_of, stamp};

use super::clauses::{Said, api, caller, duration, minute};
use crate::records::ACCOUNT;
use crate::relations::level;

/// One incident that must come.
#[derive(Debug)]
pub(super) struct Expected {
    text: String,
    /// Somebody who listens at this level hears of it: 0 low, 1 medium, 2 high.
    level: usize,
    source: String,
    name: String,
    error: Option<String>,
    account: Option<String>,
    region: Option<String>,
    below: bool,
    start: Option<i64>,
    end: Option<i64>,
    tolerance: i64,
    by: Option<String>,
    test: Option<String>,
    folded: bool,
    /// It ended because its level is the normal one.
    accepted: bool,
    /// `insightType` of an insight about a whole account.
    of_account: Option<&'static str>,
    /// An API that it lists.
    member: Option<String>,
}

/// What must not come beside the expected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet {
    /// A line said so.
    pub(super) said: bool,
    level: usize,
}

impl Default for Quiet {
    fn default() -> Quiet {
        Quiet { said: false, level: 1 }
    }
}

fn level_of(text: &str) -> Said<usize> {
    let at = ["low", "medium", "high"].iter().position(|level| *level == text);
    at.ok_or_else(|| format!("a level is low, medium or high, not {text:?}"))
}

/// `nothing [else] [at LEVEL]`
pub(super) fn parse_quiet(text: &str) -> Said<Quiet> {
    let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "else").collect();
    match words.as_slice() {
        ["nothing"] => Ok(Quiet { said: true, level: 1 }),
        ["nothing", "at", level] => Ok(Quiet { said: true, level: level_of(level)? }),
        _ => Err("it reads: expect nothing else at medium".to_owned()),
    }
}

/// `LEVEL call rate of API, CLAUSE, …` or `LEVEL error rate of API CODE, CLAUSE, …`
pub(super) fn parse(text: &str) -> Said<Expected> {
    let mut clauses = text.split(',').map(str::trim);
    let words: Vec<&str> = clauses.next().unwrap_or_default().split_whitespace().collect();
    let (level, of, error) = match words.as_slice() {
        [level, "call", "rate", "of", name] => (level, Ok(*name), None),
        [level, "error", "rate", "of", name, code] => (level, Ok(*name), Some((*code).to_owned())),
        [level, "sweep"] => (level, Err("AccountSweepInsight"), None),
        [level, "denied", "calls"] => (level, Err("AccountDeniedInsight"), None),
        [level, "silence"] => (level, Err("AccountSilenceInsight"), None),
        _ => return Err("it reads: expect low call rate of iam:CreateUser, start day 9 03:10".to_owned()),
    };
    let (source, name) = of.map_or(Ok(("*".to_owned(), "*".to_owned())), api)?;
    let mut expected = Expected {
        text: text.to_owned(),
        level: level_of(level)?,
        source,
        name,
        error,
        account: None,
        region: None,
        below: false,
        start: None,
        end: None,
        tolerance: 0,
        by: None,
        test: None,
        folded: false,
        accepted: false,
        of_account: of.err(),
        member: None,
    };
    for clause in clauses {
        expected.add(&clause.split_whitespace().collect::<Vec<_>>())?;
    }
    Ok(expected)
}

impl Expected {
    fn add(&mut self, words: &[&str]) -> Said<()> {
        match words {
            ["start", "day", day, clock] => self.start = Some(minute(day, clock)?),
            ["end", "day", day, clock] => self.end = Some(minute(day, clock)?),
            ["give", "or", "take", length] => self.tolerance = duration(length)?,
            ["by", who] => self.by = Some((*who).to_owned()),
            ["in", region] => self.region = Some((*region).to_owned()),
            ["account", account] => self.account = Some((*account).to_owned()),
            ["found", "by", test] => self.test = Some((*test).to_owned()),
            ["below"] => self.below = true,
            ["member", name] => self.member = Some(api(name).map(|(source, name)| format!("/{source}/{name}"))?),
            ["folded"] => self.folded = true,
            ["accepted"] => self.accepted = true,
            _ => return Err(format!("{:?} says nothing about an insight", words.join(" "))),
        }
        Ok(())
    }

    fn met_by(&self, incident: &Incident) -> bool {
        let [account, region, source, name] = &incident.key.api;
        let near = |wanted: Option<i64>, came: Option<i64>| {
            wanted.is_none_or(|wanted| came.is_some_and(|came| (came - wanted).abs() <= self.tolerance))
        };
        let caller = self.by.as_ref().and_then(|by| caller(by, account).ok());
        self.level >= incident.level
            && (source, name, &self.error) == (&self.source, &self.name, &incident.key.error)
            && account == self.account.as_deref().unwrap_or(ACCOUNT)
            && self.region.as_ref().is_none_or(|wanted| wanted == region)
            && self.below == incident.below
            && self.folded == incident.folded
            && (!self.accepted || incident.accepted)
            && self.of_account == incident.key.of_account.as_deref()
            && self.member.as_ref().is_none_or(|member| incident.members.iter().any(|one| one.contains(member)))
            && near(self.start, Some(incident.start))
            && near(self.end, incident.end)
            && (self.by.is_none() || incident.first_caller == caller)
            && self.test.as_ref().is_none_or(|test| incident.tests.contains(test))
    }
}

/// The records of one `sharedEventID`.
#[derive(Debug)]
struct Incident {
    key: Key,
    level: usize,
    below: bool,
    start: i64,
    end: Option<i64>,
    first_caller: Option<String>,
    tests: Vec<String>,
    members: Vec<String>,
    /// Every Start named a lead.
    folded: bool,
    accepted: bool,
}

fn incidents(insights: &[Value]) -> Vec<Incident> {
    let mut found: BTreeMap<(i64, String), Incident> = BTreeMap::new();
    let minute = |insight: &Value| insight["eventTime"].as_str().and_then(minute_of);
    let starts = insights.iter().filter(|insight| insight["insightDetails"]["state"] == "Start");
    for start in starts {
        let id = start["sharedEventID"].as_str().unwrap_or_default();
        let begun = minute(start).unwrap_or(0);
        let context = &start["insightDetails"]["insightContext"];
        let incident = found.entry((begun, id.to_owned())).or_insert_with(|| Incident {
            key: key_of(start),
            level: 2,
            below: start["trailsight"]["direction"] == "below",
            start: begun,
            end: None,
            first_caller: None,
            tests: Vec::new(),
            members: Vec::new(),
            folded: true,
            accepted: false,
        });
        incident.folded &= start["trailsight"]["leader"].is_string();
        incident.level = incident.level.min(level(start).unwrap_or(2));
        incident.first_caller = context["attributions"][0]["insight"][0]["value"].as_str().map(str::to_owned);
        incident.tests.extend(start["trailsight"]["test"].as_str().map(str::to_owned));
        let listed = start["trailsight"]["members"].as_array().into_iter().flatten();
        incident.members.extend(listed.filter_map(|member| member.as_str().map(str::to_owned)));
        let ends = |each: &&Value| each["sharedEventID"] == id && each["insightDetails"]["state"] == "End";
        let end = insights.iter().find(ends);
        let listed = end.and_then(|end| end["trailsight"]["members"].as_array()).into_iter().flatten();
        incident.members.extend(listed.filter_map(|member| member.as_str().map(str::to_owned)));
        incident.end = end.and_then(minute);
        incident.accepted = end.is_some_and(|end| end["trailsight"]["endReason"] == "accepted");
    }
    found.into_values().collect()
}

/// What was expected and did not come, and what came and was not expected.
pub(super) fn compare(expected: &[Expected], quiet: Quiet, insights: &[Value]) -> Vec<String> {
    let mut left = incidents(insights);
    let mut broken = Vec::new();
    for each in expected {
        match left.iter().position(|incident| each.met_by(incident)) {
            Some(place) => drop(left.remove(place)),
            None => broken.push(format!("did not come: {}", each.text)),
        }
    }
    // People hear of what was folded from its lead.
    let loud = |incident: &&Incident| incident.level <= quiet.level && !incident.folded;
    broken.extend(left.iter().filter(loud).map(|incident| format!("came unasked: {}", told(incident))));
    if !broken.is_empty() {
        broken
            .extend(left.iter().filter(|incident| !loud(incident)).map(|each| format!("(also came: {})", told(each))));
    }
    broken
}

fn told(incident: &Incident) -> String {
    let level = ["low", "medium", "high"].get(incident.level).unwrap_or(&"?");
    let calls = incident.key.of_account.clone().unwrap_or("call rate".to_owned());
    let rate = incident.key.error.as_ref().map_or(calls, |code| format!("error rate {code}"));
    let end = incident.end.map_or("no end".to_owned(), |end| stamp(end, 0));
    let (place, start) = (incident.key.api.join("/"), stamp(incident.start, 0));
    let day = (incident.start - crate::records::DAY_0).div_euclid(1440);
    let by = incident.first_caller.as_deref().unwrap_or("nobody named");
    let folded = if incident.folded { "folded " } else { "" };
    format!("{folded}{level} {rate} of {place}, day {day}, {start} to {end}, by {by}, {:?}", incident.tests)
}
