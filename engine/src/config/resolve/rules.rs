//! `[[routes]]` and `[[mutes]]`.

use std::collections::BTreeSet;

use globset::Glob;
use trailsight_schemas::insight::InsightType;
use trailsight_schemas::time::parse_rfc3339;

use super::Context;
use crate::config::check::nearest;
use crate::config::written::{Hours, Level, Match, Mute, Route, Written};
use crate::deliver::automation::tools;
use crate::deliver::calendar::Weekly;

/// What a route or mute is for: lists of globs, all of which must match; an empty list matches everything.
pub type MatchConfig = Match;

/// Insights that go to sinks.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    /// Names of configured sinks.
    pub sinks: Vec<String>,
    /// The loosest level that is told; none: that of the account, or of `detection`.
    pub sensitivity: Option<Level>,
    /// Go on to the next route after a match.
    pub continues: bool,
    /// What it is for.
    pub matches: MatchConfig,
    /// Hours in which its sinks are not told, and the level that is told all the same.
    pub quiet: Option<(Weekly, Option<Level>)>,
}

/// Insights that people are not told of.
#[derive(Clone, Debug, PartialEq)]
pub struct MuteConfig {
    /// Its key: the label of the metric.
    pub name: String,
    /// What it is for.
    pub matches: MatchConfig,
    /// Why.
    pub reason: String,
    /// Who can say whether it is still needed.
    pub owner: String,
    /// Milliseconds since the epoch after which it does nothing.
    pub until: Option<i64>,
    /// Hours in which alone it does something.
    pub during: Option<Weekly>,
    /// Muted traffic teaches the baselines.
    pub learn: bool,
    /// People are told all the same.
    pub alert: bool,
}

pub(super) fn resolve(context: &mut Context<'_>, written: &Written) -> (Vec<RouteConfig>, Vec<MuteConfig>) {
    // A sink that was written wrongly was left out; a route that names it is not wrong for that.
    let named = context.layers.tree["sinks"].as_object();
    let sinks: BTreeSet<String> = named.into_iter().flat_map(|sinks| sinks.keys().cloned()).collect();
    let routes = written.routes.iter().enumerate();
    let routes = routes.map(|(position, route)| self::route(context, position, route, &sinks));
    let routes = routes.collect();
    let mut names = BTreeSet::new();
    let mutes = written.mutes.iter().enumerate();
    let mutes = mutes.map(|(position, mute)| self::mute(context, position, mute, &mut names)).collect();
    (routes, mutes)
}

fn route(context: &mut Context<'_>, position: usize, route: &Route, sinks: &BTreeSet<String>) -> RouteConfig {
    let key = format!("routes[{position}]");
    for sink in route.sinks.iter().filter(|sink| !sinks.contains(*sink)) {
        let problem = match nearest(sink, sinks.iter().map(String::as_str)) {
            Some(near) => format!("names no sink; the nearest is \"{near}\""),
            None => "names no sink".to_owned(),
        };
        let known: Vec<&str> = sinks.iter().map(String::as_str).collect();
        context.problem(format!("{key}.sinks"), sink, &problem, &known.join(", "));
    }
    matches(context, &format!("{key}.match"), &route.matches);
    let quiet = route.quiet.as_ref();
    let quiet = quiet.and_then(|quiet| Some((hours(context, &format!("{key}.quiet"), &quiet.hours())?, quiet.except)));
    RouteConfig {
        sinks: route.sinks.clone(),
        sensitivity: route.sensitivity,
        continues: route.continues,
        matches: route.matches.clone(),
        quiet,
    }
}

fn hours(context: &mut Context<'_>, key: &str, hours: &Hours) -> Option<Weekly> {
    let made = Weekly::new(&hours.days, &hours.from, &hours.to, &hours.time_zone);
    made.inspect_err(|error| context.problem(key, "", &error.to_string(), "")).ok()
}

fn mute(context: &mut Context<'_>, position: usize, mute: &Mute, names: &mut BTreeSet<String>) -> MuteConfig {
    let key = format!("mutes[{position}]");
    let name = mute.name.clone().unwrap_or_else(|| format!("mute-{}", position + 1));
    if !names.insert(name.clone()) {
        context.problem(format!("{key}.name"), &name, "is the name of another mute", "a name of its own");
    }
    if mute.matches == Match::default() {
        let allowed = "one list or more; [\"*\"] to mean everything";
        context.problem(format!("{key}.match"), "", "would mute everything", allowed);
    }
    if mute.alert && mute.learn {
        context.warn(&key, "does nothing: it neither keeps insights from people nor traffic from the baselines");
    }
    let Match { principal, user_agent, automation, error_code, r#type, direction, sensitivity, .. } = &mute.matches;
    let per_insight = [principal, user_agent, automation, error_code, r#type, direction, sensitivity];
    let per_insight = per_insight.iter().any(|list| !list.is_empty()) || mute.matches.new_principal.is_some();
    if principal.is_empty() && !(user_agent.is_empty() && automation.is_empty()) {
        context
            .warn(&key, "anybody can call themselves so: a user agent is what the caller says; name the principal too");
    }
    if !mute.learn && per_insight {
        let allowed = "account, region, source, name; or learn = true";
        context.problem(
            format!("{key}.learn"),
            "false",
            "cannot depend on callers, error code, type, direction or sensitivity: baselines are of whole series",
            allowed,
        );
    }
    matches(context, &format!("{key}.match"), &mute.matches);
    let during = mute.during.as_ref().and_then(|during| hours(context, &format!("{key}.during"), during));
    if mute.during.is_some() && !mute.learn {
        context.problem(format!("{key}.learn"), "false", "cannot depend on hours", "learn = true");
    }
    MuteConfig {
        name,
        matches: mute.matches.clone(),
        reason: mute.reason.clone(),
        owner: mute.owner.clone(),
        until: mute.until.as_deref().and_then(parse_rfc3339).map(|seconds| seconds * 1000),
        during,
        learn: mute.learn,
        alert: mute.alert,
    }
}

/// Globs that compile; words of a closed list that exist.
fn matches(context: &mut Context<'_>, key: &str, matches: &Match) {
    let types: Vec<&str> = InsightType::ALL.iter().map(|known| known.as_str()).collect();
    let tools: Vec<&str> = tools().iter().map(|tool| tool.name.as_str()).collect();
    let lists: [(&str, &[String], &[&str]); 11] = [
        ("account", &matches.account, &[]),
        ("region", &matches.region, &[]),
        ("source", &matches.source, &[]),
        ("name", &matches.name, &[]),
        ("type", &matches.r#type, &types),
        ("error_code", &matches.error_code, &[]),
        ("principal", &matches.principal, &[]),
        ("user_agent", &matches.user_agent, &[]),
        ("automation", &matches.automation, &tools),
        ("direction", &matches.direction, &["above", "below"]),
        ("sensitivity", &matches.sensitivity, &["low", "medium", "high"]),
    ];
    for (name, patterns, words) in lists {
        for (position, pattern) in patterns.iter().enumerate() {
            let key = format!("{key}.{name}[{position}]");
            match Glob::new(pattern) {
                Err(error) => context.problem(key, pattern, &format!("is not a glob: {}", error.kind()), ""),
                Ok(glob) if !words.is_empty() => {
                    let matcher = glob.compile_matcher();
                    if !words.iter().any(|word| matcher.is_match(word)) {
                        context.problem(key, pattern, "matches nothing there is", &words.join(", "));
                    }
                }
                Ok(_) => {}
            }
        }
    }
}
