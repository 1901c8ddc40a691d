//! Who is told of an insight.
//!
//! A route *owns* what its `match` agrees with: the first such route takes an insight, and later routes see it
//! only when that route says `continue`. Its `sensitivity` then decides when its sinks are told: at the first
//! Start at that level or a stricter one. A sink is told of an incident once, and of its End when it was told of
//! the Start. Who was told is read from the outbox, not guessed from levels: an incident that was muted while a
//! deployer explained it is told when somebody else joins in, and one that opens while a sink is being added is
//! not told by halves. What was folded into a lead goes to machines, and to those people who were not told of the
//! lead: a route of their own or a mute may have kept it from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use trailsight_schemas::insight::{InsightEvent, InsightFormat, Sensitivity, State};
use uuid::Uuid;

use super::calendar::Weekly;
use super::matching::{MatchSpec, Matcher, RuleError};
use super::mutes::{Mute, MuteSpec};
use crate::journal::{Addressed, Detected};

/// A route as written.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSpec {
    /// Names of sinks.
    pub sinks: Vec<String>,
    /// Loosest level that its sinks are told of; none: that of [`Levels`].
    pub sensitivity: Option<Sensitivity>,
    /// What it owns.
    pub matches: MatchSpec,
    /// Whether later routes see what it owns; the key `continue`.
    pub continue_: bool,
    /// Hours in which its sinks are not told.
    pub quiet: Option<Quiet>,
}

/// Hours in which nobody is told; what comes in them is told when they are over.
#[derive(Clone, Debug, PartialEq)]
pub struct Quiet {
    /// When.
    pub hours: Weekly,
    /// What is at this level or a stricter one is told all the same.
    pub except: Option<Sensitivity>,
}

/// The loosest level that is told where a route names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Of most accounts.
    pub usual: Sensitivity,
    /// Of accounts that have one of their own, by id.
    pub of_accounts: BTreeMap<String, Sensitivity>,
}

impl Levels {
    pub(super) fn of(&self, account: &str) -> Sensitivity {
        self.of_accounts.get(account).copied().unwrap_or(self.usual)
    }
}

/// What routing needs to know of a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSpec {
    /// Its name in the configuration.
    pub name: String,
    /// What it is sent; types that the format cannot carry are not routed to it.
    pub format: InsightFormat,
    /// Whether programs read it: they are sent what was folded into a lead, which people hear of from the lead.
    pub machine: bool,
}

/// Routes, mutes and sinks, compiled.
#[derive(Clone, Debug)]
pub struct Router {
    pub(super) routes: Vec<Route>,
    mutes: Vec<Mute>,
    /// Mutes made while the service runs.
    by_hand: Arc<RwLock<Vec<Mute>>>,
    sinks: Vec<SinkSpec>,
    pub(super) levels: Levels,
}

#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) sinks: Vec<String>,
    pub(super) sensitivity: Option<Sensitivity>,
    pub(super) matcher: Matcher,
    pub(super) continue_: bool,
    quiet: Option<Quiet>,
}

impl Router {
    /// Compiles the rules. Without routes every sink is told of everything at the level of its account or
    /// stricter. All that is wrong is reported at once.
    pub fn new(
        routes: &[RouteSpec],
        mutes: &[MuteSpec],
        sinks: &[SinkSpec],
        levels: Levels,
    ) -> Result<Router, Vec<RuleError>> {
        let mut problems = Vec::new();
        let everything = RouteSpec {
            sinks: sinks.iter().map(|sink| sink.name.clone()).collect(),
            sensitivity: None,
            matches: MatchSpec::default(),
            continue_: false,
            quiet: None,
        };
        let compiled = if routes.is_empty() {
            vec![Route::new("routes", &everything, &mut problems)]
        } else {
            let rules = routes.iter().enumerate();
            rules.map(|(at, spec)| Route::checked(at, spec, sinks, &mut problems)).collect()
        };
        let mutes = mutes.iter().enumerate().map(|(at, spec)| Mute::new(at, spec, &mut problems)).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Router { routes: compiled, mutes, by_hand: Arc::default(), sinks: sinks.to_vec(), levels })
    }

    /// Addresses insights in the order in which they were found. `now_ms` is the wall time of the entry that
    /// raised them; `told` gives the sinks that were told of an incident in what was committed before, and is
    /// asked only where an incident has a history.
    pub fn address<E>(
        &self,
        insights: Vec<Detected>,
        now_ms: i64,
        mut told: impl FnMut(&Uuid) -> Result<Vec<String>, E>,
    ) -> Result<Vec<Addressed>, E> {
        let mut batch: BTreeMap<Uuid, BTreeSet<String>> = BTreeMap::new();
        let mut addressed = Vec::with_capacity(insights.len());
        for detected in insights {
            let incident = detected.event.shared_event_id;
            let mut before = batch.remove(&incident).unwrap_or_default();
            if detected.event.details.state == State::End || detected.told.is_some() {
                before.extend(told(&incident)?);
            }
            let leader = detected.event.trailsight.as_ref().and_then(|own| own.leader);
            let mut by_lead = BTreeSet::new();
            if let Some(leader) = leader.filter(|_| detected.event.details.state == State::Start) {
                by_lead.extend(batch.get(&leader).into_iter().flatten().cloned());
                by_lead.extend(told(&leader)?);
            }
            let one = self.address_one(detected, now_ms, &before, &by_lead);
            before.extend(one.sinks.iter().cloned());
            batch.insert(incident, before);
            addressed.push(one);
        }
        Ok(addressed)
    }

    /// `told` heard of the incident before, `by_lead` of the lead that it was folded into.
    fn address_one(
        &self,
        detected: Detected,
        now_ms: i64,
        told: &BTreeSet<String>,
        by_lead: &BTreeSet<String>,
    ) -> Addressed {
        let event = &detected.event;
        let ends_what_was_told = event.details.state == State::End && !told.is_empty();
        let muted_by = self.muted_by(event, now_ms).filter(|_| !ends_what_was_told);
        let sinks = match (event.details.state, &muted_by) {
            (State::End, _) => self.known(told),
            (State::Start, Some(_)) => Vec::new(),
            (State::Start, None) => self.first_told(event, told, by_lead),
        };
        let later = |sink: &String| Some((sink.clone(), self.quiet_until(sink, event, now_ms)?));
        let not_before = sinks.iter().filter_map(later).collect();
        Addressed { sinks, not_before, muted_by, detected }
    }

    /// The key of the first mute that holds, configured ones first.
    fn muted_by(&self, event: &InsightEvent, now_ms: i64) -> Option<String> {
        let by_hand = self.by_hand.read().unwrap_or_else(PoisonError::into_inner);
        self.mutes.iter().chain(by_hand.iter()).find(|mute| mute.holds(event, now_ms)).map(|mute| mute.key.clone())
    }

    /// Puts these mutes in the place of those made by hand before. Where one cannot be used nothing changes.
    pub fn mute_by_hand(&self, specs: &[MuteSpec]) -> Result<(), Vec<RuleError>> {
        let mut problems = Vec::new();
        let mutes = specs.iter().enumerate().map(|(at, spec)| Mute::new(at, spec, &mut problems)).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        *self.by_hand.write().unwrap_or_else(PoisonError::into_inner) = mutes;
        Ok(())
    }

    /// Sinks that hear of the incident for the first time at this Start, in the order of their routes. Where people
    /// were told of its lead, the lead tells it.
    fn first_told(&self, event: &InsightEvent, told: &BTreeSet<String>, by_lead: &BTreeSet<String>) -> Vec<String> {
        let level = event.trailsight.as_ref().map_or(Sensitivity::High, |own| own.sensitivity);
        let usual = self.levels.of(&event.recipient_account_id);
        let mut sinks: Vec<String> = Vec::new();
        for route in self.routes.iter().filter(|route| route.matcher.agrees(event)) {
            for sink in route.sinks.iter().filter(|_| level <= route.sensitivity.unwrap_or(usual)) {
                let from_lead = by_lead.contains(sink) && !self.is_for_machines(sink);
                if !told.contains(sink) && !from_lead && !sinks.contains(sink) && self.carries(sink, event) {
                    sinks.push(sink.clone());
                }
            }
            if !route.continue_ {
                break;
            }
        }
        sinks
    }

    /// When the quiet hours are over of the first route that leads an insight to this sink.
    fn quiet_until(&self, sink: &String, event: &InsightEvent, now_ms: i64) -> Option<i64> {
        let level = event.trailsight.as_ref().map_or(Sensitivity::High, |own| own.sensitivity);
        let route = self.routes.iter().find(|route| route.sinks.contains(sink) && route.matcher.agrees(event))?;
        let quiet = route.quiet.as_ref().filter(|quiet| quiet.except.is_none_or(|except| level > except))?;
        quiet.hours.over(now_ms)
    }

    fn carries(&self, sink: &str, event: &InsightEvent) -> bool {
        let format = self.sinks.iter().find(|known| known.name == sink).map(|known| known.format);
        format.is_some_and(|format| format.carries(event.details.insight_type))
    }

    fn is_for_machines(&self, sink: &str) -> bool {
        self.sinks.iter().any(|known| known.name == sink && known.machine)
    }

    /// Those of the told that are still configured: a row for another would lie in the outbox for ever.
    fn known(&self, told: &BTreeSet<String>) -> Vec<String> {
        told.iter().filter(|sink| self.sinks.iter().any(|known| known.name == **sink)).cloned().collect()
    }
}

impl Route {
    fn new(rule: &str, spec: &RouteSpec, problems: &mut Vec<RuleError>) -> Route {
        Route {
            sinks: spec.sinks.clone(),
            sensitivity: spec.sensitivity,
            matcher: Matcher::new(rule, &spec.matches, problems),
            continue_: spec.continue_,
            quiet: spec.quiet.clone(),
        }
    }

    fn checked(at: usize, spec: &RouteSpec, sinks: &[SinkSpec], problems: &mut Vec<RuleError>) -> Route {
        let rule = format!("routes[{at}]");
        if spec.sinks.is_empty() {
            problems.push(RuleError::NoSinks { rule: rule.clone() });
        }
        for sink in spec.sinks.iter().filter(|sink| !sinks.iter().any(|known| known.name == **sink)) {
            let known = sinks.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ");
            problems.push(RuleError::NoSuchSink { rule: rule.clone(), sink: sink.clone(), known });
        }
        Route::new(&rule, spec, problems)
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
