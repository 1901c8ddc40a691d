//! What is kept from people, and why.
//!
//! A mute that names principals holds only while they explain the excess: with a deployer muted, somebody else
//! who uses the same API at the same time is still heard of.

use trailsight_schemas::insight::{Direction, InsightEvent};

use super::matching::{MatchSpec, Matcher, RuleError};

/// Share of the excess that muted principals must explain for a mute by principal to hold.
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
    /// When it ends, milliseconds since the epoch; it does nothing from that instant on.
    pub until: Option<i64>,
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
    until: Option<i64>,
    alert: bool,
}

impl Mute {
    pub(super) fn new(at: usize, spec: &MuteSpec, problems: &mut Vec<RuleError>) -> Mute {
        let matcher = Matcher::new(&format!("mutes[{at}]"), &spec.matches, problems);
        Mute { key: spec.key.clone(), matcher, until: spec.until, alert: spec.alert }
    }

    /// Whether this insight is kept from people at `now_ms`.
    pub(super) fn holds(&self, event: &InsightEvent, now_ms: i64) -> bool {
        !self.alert
            && self.until.is_none_or(|until| now_ms < until)
            && self.matcher.agrees_apart_from_principal(event)
            && (!self.matcher.names_principals() || self.explained(event) >= EXPLAINED)
    }

    /// Share (0 to 1) of the excess over the baseline that the mute's principals account for; 0 where there is
    /// no excess to explain. The whole is at least the insight's own excess, so that principals beyond the
    /// five that are listed count as unexplained.
    fn explained(&self, event: &InsightEvent) -> f64 {
        let Some(own) = &event.trailsight else { return 0.0 };
        let excess = |average: f64, baseline: f64| match own.direction {
            Direction::Above => (average - baseline).max(0.0),
            Direction::Below => (baseline - average).max(0.0),
        };
        let (mut listed, mut muted) = (0.0, 0.0);
        for principal in &own.principals {
            let share = excess(principal.average, principal.baseline);
            listed += share;
            if self.matcher.means_principal(&principal.value) {
                muted += share;
            }
        }
        let statistics = &event.details.statistics;
        let whole = excess(statistics.insight, statistics.baseline).max(listed);
        if whole > 0.0 { muted / whole } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
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
    fn a_mute_ends_at_its_instant() {
        let spec = MuteSpec { until: Some(1000), ..mute("all", MatchSpec::default()) };
        assert!(holds(&insight(), &spec, 999));
        assert!(!holds(&insight(), &spec, 1000));
    }

    #[test]
    fn a_mute_of_learning_only_keeps_nothing_from_people() {
        let spec = MuteSpec { alert: true, learn: false, ..mute("all", MatchSpec::default()) };
        assert!(!holds(&insight(), &spec, 0));
    }
}
