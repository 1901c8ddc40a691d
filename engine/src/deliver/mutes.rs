//! What is kept from people, and why.
//!
//! A mute that names callers (principals, user agents, automation) holds only while they explain the excess: with a
//! deployer muted, somebody else who uses the same API at the same time is still heard of.

use trailsight_schemas::insight::InsightEvent;

use super::calendar::Weekly;
use super::matching::{MatchSpec, Matcher, RuleError};

/// Share of the excess that muted callers must explain for a mute by callers to hold.
pub const EXPLAINED: f64 = 0.8;

/// A mute as written.
#[derive(Clone, Debug, PartialEq)]
pub struct MuteSpec {
    /// Names the mute in history and in the metric `muted_total`; unique.
    pub key: String,
    /// What it means.
    pub matches: MatchSpec,
    /// Why, for whoever finds it.
    pub reason: String,
    /// Whom to ask.
    pub owner: String,
    /// When it begins, milliseconds since the epoch: an insight of that very instant is still told. `None`: always.
    pub since: Option<i64>,
    /// When it ends, milliseconds since the epoch; it does nothing from that instant on.
    pub until: Option<i64>,
    /// Hours in which alone it does something: maintenance that comes back.
    pub during: Option<Weekly>,
    /// Whether the traffic it means still teaches the baselines. Detection reads it, delivery does not.
    pub learn: bool,
    /// Whether people are alerted all the same; `true` makes it a mute of learning only.
    pub alert: bool,
}

/// A compiled mute.
#[derive(Clone, Debug)]
pub(super) struct Mute {
    pub(super) key: String,
    matcher: Matcher,
    since: Option<i64>,
    until: Option<i64>,
    during: Option<Weekly>,
    alert: bool,
}

impl Mute {
    pub(super) fn new(at: usize, spec: &MuteSpec, problems: &mut Vec<RuleError>) -> Mute {
        let matcher = Matcher::new(&format!("mutes[{at}]"), &spec.matches, problems);
        let MuteSpec { key, since, until, during, alert, .. } = spec.clone();
        Mute { key, matcher, since, until, during, alert }
    }

    /// Whether this insight is kept from people at `now_ms`.
    pub(super) fn holds(&self, event: &InsightEvent, now_ms: i64) -> bool {
        !self.alert
            && self.since.is_none_or(|since| since < now_ms)
            && self.until.is_none_or(|until| now_ms < until)
            && self.during.as_ref().is_none_or(|hours| hours.over(now_ms).is_some())
            && self.matcher.agrees_apart_from_callers(event)
            && self.matcher.explained(event) >= EXPLAINED
    }
}

#[cfg(test)]
mod tests {
    use trailsight_schemas::insight::{Attribute, Direction, ValueAverage};

    use super::*;
    use crate::deliver::fixtures::{insight, mute, principal};

    fn holds(event: &InsightEvent, spec: &MuteSpec, now_ms: i64) -> bool {
        let mut problems = Vec::new();
        let mute = Mute::new(0, spec, &mut problems);
        assert_eq!(problems, []);
        mute.holds(event, now_ms)
    }

    fn by_ci() -> MuteSpec {
        mute("ci", MatchSpec { principal: vec!["*role/ci-*".into()], ..MatchSpec::default() })
    }

    /// An insight of 10 calls a minute over a baseline of 0, made by these principals.
    fn made_by(principals: &[(&str, f64, f64)]) -> InsightEvent {
        let mut event = insight();
        event.details.statistics.insight = 10.0;
        event.details.statistics.baseline = 0.0;
        let own = event.trailsight.as_mut().expect("ours");
        own.principals =
            principals.iter().map(|(who, average, baseline)| principal(who, *average, *baseline)).collect();
        event
    }

    #[test]
    fn a_mute_by_principal_holds_while_it_explains_four_fifths_of_the_excess() {
        for (principals, held) in [
            (&[("arn:aws:sts::1:assumed-role/ci-a", 0.0, 0.0)][..], false),
            (&[("x:role/ci-a", 10.0, 0.0)], true),
            (&[("x:role/ci-a", 8.0, 0.0), ("mallory", 2.0, 0.0)], true),
            (&[("x:role/ci-a", 7.9, 0.0), ("mallory", 2.1, 0.0)], false),
            (&[("x:role/ci-a", 5.0, 0.0), ("x:role/ci-b", 4.0, 0.0), ("mallory", 1.0, 0.0)], true),
            (&[("x:role/ci-a", 10.0, 0.0), ("mallory", 4.0, 4.0)], true),
            // Its usual traffic is not part of the excess.
            (&[("x:role/ci-a", 8.0, 7.0), ("mallory", 9.0, 0.0)], false),
            // Five are listed, the rest of the excess belongs to people nobody named.
            (&[("x:role/ci-a", 2.0, 0.0)], false),
            (&[], false),
        ] {
            assert_eq!(holds(&made_by(principals), &by_ci(), 0), held, "{principals:?}");
        }
    }

    #[test]
    fn a_drop_is_explained_by_those_who_fell_silent() {
        let mut event = made_by(&[("x:role/ci-a", 0.0, 9.0), ("app", 1.0, 2.0)]);
        event.details.statistics.insight = 1.0;
        event.details.statistics.baseline = 11.0;
        event.trailsight.as_mut().expect("ours").direction = Direction::Below;
        assert!(holds(&event, &by_ci(), 0));
    }

    #[test]
    fn every_kind_of_caller_that_is_named_has_to_explain_it() {
        let with_agents = |agents: &[(&str, f64, f64)]| {
            let mut event = made_by(&[("x:role/ci-a", 10.0, 0.0)]);
            let list = event.details.attributions.iter_mut().find(|one| one.attribute == Attribute::UserAgent);
            let list = list.expect("a list");
            let pair = |value: &str, average| ValueAverage { value: value.into(), average };
            list.insight = agents.iter().map(|(who, average, _)| pair(who, *average)).collect();
            list.baseline = agents.iter().map(|(who, _, baseline)| pair(who, *baseline)).collect();
            event
        };
        let list = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
        let by_agent = mute("tf", MatchSpec { user_agent: list(&["*Terraform/*"]), ..MatchSpec::default() });
        let by_tool = mute("tf", MatchSpec { automation: list(&["terraform"]), ..MatchSpec::default() });
        let by_both =
            MatchSpec { principal: list(&["*role/app"]), automation: list(&["terraform"]), ..MatchSpec::default() };
        for (agents, held) in [
            (&[("APN Terraform/1.9", 10.0, 0.0)][..], true),
            (&[("APN Terraform/1.9", 8.0, 0.0), ("aws-cli/2", 2.0, 0.0)], true),
            (&[("APN Terraform/1.9", 7.0, 0.0), ("aws-cli/2", 3.0, 0.0)], false),
            (&[("APN Terraform/1.9", 9.0, 8.0), ("aws-cli/2", 9.0, 0.0)], false),
            (&[("aws-cli/2", 10.0, 0.0)], false),
            (&[], false),
        ] {
            assert_eq!(holds(&with_agents(agents), &by_agent, 0), held, "{agents:?}");
            assert_eq!(holds(&with_agents(agents), &by_tool, 0), held, "{agents:?}");
            assert!(!holds(&with_agents(agents), &mute("both", by_both.clone()), 0), "another principal: {agents:?}");
        }
        let by_role = mute("ci", MatchSpec { automation: list(&["ci"]), ..MatchSpec::default() });
        assert!(holds(&with_agents(&[("aws-cli/2", 10.0, 0.0)]), &by_role, 0), "known by its role");
    }

    #[test]
    fn a_mute_ends_at_its_instant() {
        let spec = MuteSpec { until: Some(1000), ..mute("all", MatchSpec::default()) };
        assert!(holds(&insight(), &spec, 999));
        assert!(!holds(&insight(), &spec, 1000));
    }

    #[test]
    fn a_mute_made_by_hand_is_for_what_comes_behind_it() {
        let spec = MuteSpec { since: Some(1000), ..mute("all", MatchSpec::default()) };
        assert!(!holds(&insight(), &spec, 1000));
        assert!(holds(&insight(), &spec, 1001));
    }

    #[test]
    fn a_mute_for_maintenance_holds_in_its_hours() {
        let during = Some(Weekly::new(&["thu".into()], "01:00", "03:00", "UTC").expect("hours"));
        let spec = MuteSpec { during, ..mute("all", MatchSpec::default()) };
        let midnight = 1_772_668_800_000; // Thursday, 2026-03-05T00:00:00Z
        for (hour, held) in [(0, false), (1, true), (2, true), (3, false), (25, false), (7 * 24 + 1, true)] {
            assert_eq!(holds(&insight(), &spec, midnight + hour * 3_600_000), held, "{hour}");
        }
    }

    #[test]
    fn a_mute_of_learning_only_keeps_nothing_from_people() {
        let spec = MuteSpec { alert: true, learn: false, ..mute("all", MatchSpec::default()) };
        assert!(!holds(&insight(), &spec, 0));
    }
}
