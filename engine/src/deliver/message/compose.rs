//! An insight becomes a headline and facts.

use trailsight_schemas::insight::{Attribute, Direction, InsightEvent, InsightType, Principal, State};
use trailsight_schemas::time::format_rfc3339;

use super::words::{ended, figure, length, plain, sensitivity, service, who};
use super::{FACT_CHARS, Fact, HEADLINE_CHARS, Known, Message, Names};

/// Most characters of one name in a line: role names have 64, and a path before them.
const NAME_CHARS: usize = 96;
/// Principals, user agents and error codes that are named, each.
const NAMED: usize = 3;
/// Members that are named.
const MEMBERS: usize = 12;

pub(super) fn message(event: &InsightEvent, names: &Names) -> Message {
    let number = plain(&event.recipient_account_id, 16);
    let known = names.0.get(&event.recipient_account_id);
    let account = match known.and_then(|known| known.alias.as_ref()) {
        Some(alias) => format!("{} ({number})", plain(alias, NAME_CHARS)),
        None => number,
    };
    let told = Told { event, account: &account, known };
    Message {
        headline: plain(&told.headline(), HEADLINE_CHARS),
        facts: told.facts(),
        url: event.trailsight.as_ref().and_then(|own| own.url.clone()),
        event: event.clone(),
        account,
    }
}

/// An insight with what its account is called.
struct Told<'a> {
    event: &'a InsightEvent,
    account: &'a str,
    known: Option<&'a Known>,
}

impl Told<'_> {
    fn headline(&self) -> String {
        match self.event.details.state {
            State::Start => self.start(),
            State::End => self.end(),
        }
    }

    fn start(&self) -> String {
        let (observed, expected) = self.rates();
        let (observed, normal) = (figure(observed), figure(expected));
        let (what, by, place) = (self.what(), self.by(), self.place());
        match (self.event.details.insight_type, self.direction()) {
            (InsightType::AccountSilence, _) => {
                format!("{place} went quiet: {observed} calls/min; normal is {normal}")
            }
            (InsightType::AccountSweep, _) => format!("{what} woke up together{by} in {place}"),
            (InsightType::AccountDenied, _) => {
                format!("calls denied {observed}×/min{by} in {place}; normal is {normal}")
            }
            (InsightType::ApiErrorRate, Direction::Above) => {
                format!("{what} {observed}×/min{by} in {place}; normal is {normal}")
            }
            (InsightType::ApiErrorRate, Direction::Below) => {
                format!("{what} only {observed}×/min in {place}; normal is {normal}")
            }
            (InsightType::ApiCallRate, Direction::Above) => {
                format!("{what} called {observed}×/min{by} in {place}; normal is {normal}")
            }
            (InsightType::ApiCallRate, Direction::Below) => {
                format!("{what} called only {observed}×/min in {place}; normal is {normal}")
            }
        }
    }

    fn end(&self) -> String {
        let own = self.event.trailsight.as_ref();
        let why = ended(own.and_then(|own| own.end_reason));
        format!("Over after {}: {} in {}, {}; {why}", self.lasted(), self.what(), self.place(), self.count())
    }

    fn lasted(&self) -> String {
        length(self.event.details.statistics.insight_duration)
    }

    /// How many there were in the whole incident.
    fn count(&self) -> String {
        let statistics = &self.event.details.statistics;
        let count = (statistics.insight * f64::from(statistics.insight_duration)).round();
        let what = match self.event.details.insight_type {
            InsightType::ApiErrorRate => "errors",
            InsightType::AccountDenied => "denied calls",
            InsightType::ApiCallRate | InsightType::AccountSweep | InsightType::AccountSilence => "calls",
        };
        format!("{count:.0} {}", if count == 1.0 { what.trim_end_matches('s') } else { what })
    }

    /// The API and how it failed, or what stands for many of them.
    fn what(&self) -> String {
        let details = &self.event.details;
        let name = |text: &str| plain(text, NAME_CHARS);
        match (details.insight_type, &details.error_code) {
            (InsightType::AccountSweep, _) => format!("{} APIs", self.members()),
            (InsightType::AccountDenied, _) => "denied calls".to_owned(),
            (InsightType::AccountSilence, _) => "silence".to_owned(),
            (_, Some(code)) => {
                format!(
                    "{}:{} failed with {}",
                    name(service(&details.event_source)),
                    name(&details.event_name),
                    name(code)
                )
            }
            (_, None) => format!("{}:{}", name(service(&details.event_source)), name(&details.event_name)),
        }
    }

    fn members(&self) -> u64 {
        self.event.trailsight.as_ref().map_or(0, |own| own.members.len() as u64 + u64::from(own.members_omitted))
    }

    fn place(&self) -> String {
        format!("{} {}", self.account, plain(&self.event.aws_region, NAME_CHARS))
    }

    /// Who made the most of it, and how many others had a part.
    fn by(&self) -> String {
        let ranked = self.principals();
        let Some(first) = ranked.first() else { return String::new() };
        let others = ranked.len() - 1;
        let others = match others {
            0 => String::new(),
            1 => " and 1 other".to_owned(),
            others => format!(" and {others} others"),
        };
        format!(" by {}{others}", plain(who(&first.value), NAME_CHARS))
    }

    /// Those above their baseline (in a drop: below it), by how much.
    fn principals(&self) -> Vec<&Principal> {
        let sign = if self.direction() == Direction::Above { 1.0 } else { -1.0 };
        let excess = |one: &Principal| sign * (one.average - one.baseline);
        let mut ranked: Vec<&Principal> =
            self.event.trailsight.iter().flat_map(|own| &own.principals).filter(|one| excess(one) > 0.0).collect();
        ranked.sort_by(|a, b| excess(b).total_cmp(&excess(a)));
        ranked
    }

    fn direction(&self) -> Direction {
        self.event.trailsight.as_ref().map_or(Direction::Above, |own| own.direction)
    }

    /// Observed and expected where we judged, AWS's two averages where we did not.
    fn rates(&self) -> (f64, f64) {
        let statistics = &self.event.details.statistics;
        self.event
            .trailsight
            .as_ref()
            .map_or((statistics.insight, statistics.baseline), |own| (own.observed, own.expected))
    }

    fn facts(&self) -> Vec<Fact> {
        let mut facts = Facts(Vec::new());
        facts.add("Who", self.who());
        facts.add("With", self.attributed(Attribute::UserAgent));
        facts.add("Outcome", self.attributed(Attribute::ErrorCode));
        facts.add("Numbers", self.numbers());
        facts.add("Since", format_rfc3339(self.began()));
        if let Some(own) = &self.event.trailsight {
            facts.add("Sensitivity", sensitivity(own.sensitivity, own.chance_per_week));
        }
        facts.add("With it", self.company());
        facts.add("Account", self.whose());
        for step in self.event.trailsight.iter().flat_map(|own| &own.recommendations) {
            facts.add("Next", step.text.clone());
            facts.command(step.command.as_deref());
        }
        facts.0
    }

    fn began(&self) -> i64 {
        match self.event.details.state {
            State::Start => self.event.event_time,
            State::End => self.event.event_time - i64::from(self.event.details.statistics.insight_duration) * 60,
        }
    }

    fn who(&self) -> String {
        let ranked = self.principals();
        let shown: Vec<String> = ranked
            .iter()
            .take(NAMED)
            .map(|one| {
                let rate = format!("{}/min, before {}", figure(one.average), figure(one.baseline));
                let new = if one.new { ", new to it" } else { "" };
                format!("{} ({rate}{new})", plain(who(&one.value), NAME_CHARS))
            })
            .collect();
        with_rest(shown, ranked.len())
    }

    fn attributed(&self, attribute: Attribute) -> String {
        let Some(found) = self.event.details.attributions.iter().find(|one| one.attribute == attribute) else {
            return String::new();
        };
        let shown = found.insight.iter().take(NAMED).map(|pair| {
            let value = if attribute == Attribute::ErrorCode && pair.value == "null" { "success" } else { &pair.value };
            format!("{} ({}/min)", plain(value, NAME_CHARS), figure(pair.average))
        });
        with_rest(shown.collect(), found.insight.len())
    }

    fn numbers(&self) -> String {
        let statistics = &self.event.details.statistics;
        let days = f64::from(statistics.baseline_duration) / 1440.0;
        let week = format!("{}/min on average in the {} days before", figure(statistics.baseline), figure(days));
        match (self.event.details.state, &self.event.trailsight) {
            (State::End, _) => {
                format!("{} in {}, {}/min; {week}", self.count(), self.lasted(), figure(statistics.insight))
            }
            (State::Start, Some(own)) => {
                format!("{}/min where {} was expected; {week}", figure(own.observed), figure(own.expected))
            }
            (State::Start, None) => format!("{}/min; {week}", figure(statistics.insight)),
        }
    }

    fn whose(&self) -> String {
        let environment = self.known.and_then(|known| known.environment.clone());
        let owner = self.known.and_then(|known| known.owner.as_ref()).map(|owner| format!("owned by {owner}"));
        environment.into_iter().chain(owner).collect::<Vec<_>>().join(", ")
    }

    fn company(&self) -> String {
        let Some(own) = &self.event.trailsight else { return String::new() };
        let shown: Vec<String> = own.members.iter().take(MEMBERS).map(|member| plain(member, NAME_CHARS)).collect();
        with_rest(shown, usize::try_from(self.members()).unwrap_or(usize::MAX))
    }
}

fn with_rest(shown: Vec<String>, all: usize) -> String {
    let rest = all.saturating_sub(shown.len());
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

struct Facts(Vec<Fact>);

impl Facts {
    /// What there is nothing of is left out.
    fn add(&mut self, label: &'static str, text: String) {
        if !text.is_empty() {
            self.0.push(Fact { label, text: plain(&text, FACT_CHARS), command: false });
        }
    }

    /// A command that is too long to be shown whole is not shown: half of one does something else.
    fn command(&mut self, text: Option<&str>) {
        if let Some(text) = text.filter(|text| text.chars().count() <= FACT_CHARS) {
            self.0.push(Fact { label: "Command", text: plain(text, FACT_CHARS), command: true });
        }
    }
}
