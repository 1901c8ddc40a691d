//! Which insights a route or a mute means.
//!
//! Every key of a rule must agree (and); within a key any pattern may (or); a key that is not given agrees with
//! everything. Patterns are globs: `*` stands for any text, `/` and `:` included, `?` for one character; upper
//! and lower case differ, as they do in ARNs.

use super::automation::{Tool, tools};
use super::callers::Callers;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use trailsight_schemas::insight::{Attribute, Direction, InsightEvent, InsightType, Sensitivity};

/// The `match` table of a rule, as written. An empty list is a key that was not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatchSpec {
    /// Globs over `recipientAccountId`.
    pub account: Vec<String>,
    /// Globs over `awsRegion`.
    pub region: Vec<String>,
    /// Globs over `eventSource`.
    pub source: Vec<String>,
    /// Globs over `eventName`.
    pub name: Vec<String>,
    /// Globs over `insightType`; the key `type`.
    pub insight_type: Vec<String>,
    /// Globs over `errorCode`; what has none agrees with no pattern.
    pub error_code: Vec<String>,
    /// Globs over who called.
    pub principal: Vec<String>,
    /// Globs over user agents.
    pub user_agent: Vec<String>,
    /// Globs over the names of tools that are recognised by the principal or the user agent.
    pub automation: Vec<String>,
    /// Whether somebody called who never called this API before; `None`: either.
    pub new_principal: Option<bool>,
    /// Directions.
    pub direction: Vec<Direction>,
    /// Levels.
    pub sensitivity: Vec<Sensitivity>,
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not a glob.
    #[error("{rule}: {key}: `{pattern}` is not a pattern: {reason}")]
    Pattern {
        /// The rule, as in `routes[0]`.
        rule: String,
        /// The key in its `match` table.
        key: &'static str,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A pattern of the key `type` that no insight type agrees with.
    #[error("{rule}: type: `{pattern}` matches none of {known}")]
    NoSuchType {
        /// The rule.
        rule: String,
        /// The pattern.
        pattern: String,
        /// Every type there is.
        known: String,
    },
    /// A pattern of the key `automation` that no tool agrees with.
    #[error("{rule}: automation: `{pattern}` matches none of {known}")]
    NoSuchTool {
        /// The rule.
        rule: String,
        /// The pattern.
        pattern: String,
        /// Every tool there is.
        known: String,
    },
    /// A sink that is not configured.
    #[error("{rule}: sinks: `{sink}` is not one of the sinks {known}")]
    NoSuchSink {
        /// The rule.
        rule: String,
        /// The name.
        sink: String,
        /// Every sink there is.
        known: String,
    },
    /// A route that leads nowhere.
    #[error("{rule}: sinks: at least one is needed")]
    NoSinks {
        /// The rule.
        rule: String,
    },
}

/// A compiled [`MatchSpec`].
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    account: Globs,
    region: Globs,
    source: Globs,
    name: Globs,
    insight_type: Globs,
    error_code: Globs,
    principal: Globs,
    user_agent: Globs,
    /// Tools that are meant; `None`: the key was not given.
    automation: Option<Vec<&'static Tool>>,
    new_principal: Option<bool>,
    direction: Vec<Direction>,
    sensitivity: Vec<Sensitivity>,
}

impl Matcher {
    /// Compiles a rule, adding everything wrong with it to `problems`.
    pub(super) fn new(rule: &str, spec: &MatchSpec, problems: &mut Vec<RuleError>) -> Matcher {
        let mut globs = |key, patterns: &[String]| Globs::new(rule, key, patterns, problems);
        let matcher = Matcher {
            account: globs("account", &spec.account),
            region: globs("region", &spec.region),
            source: globs("source", &spec.source),
            name: globs("name", &spec.name),
            insight_type: globs("type", &spec.insight_type),
            error_code: globs("error_code", &spec.error_code),
            principal: globs("principal", &spec.principal),
            user_agent: globs("user_agent", &spec.user_agent),
            automation: (!spec.automation.is_empty()).then(|| tools_of(rule, &spec.automation, problems)),
            new_principal: spec.new_principal,
            direction: spec.direction.clone(),
            sensitivity: spec.sensitivity.clone(),
        };
        for pattern in &spec.insight_type {
            let alone = Globs::new(rule, "type", std::slice::from_ref(pattern), &mut Vec::new());
            if !InsightType::ALL.iter().any(|known| alone.agree(known.as_str())) {
                let known = InsightType::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ");
                problems.push(RuleError::NoSuchType { rule: rule.into(), pattern: pattern.clone(), known });
            }
        }
        matcher
    }

    /// Whether every key agrees that does not name callers.
    pub(super) fn agrees_apart_from_callers(&self, event: &InsightEvent) -> bool {
        let (own, details) = (event.trailsight.as_ref(), &event.details);
        let listed = |empty: bool, holds: Option<bool>| empty || holds.unwrap_or(false);
        let new = || own.is_some_and(|own| own.principals.iter().any(|one| one.new && one.average > one.baseline));
        self.account.agree(&event.recipient_account_id)
            && self.region.agree(&event.aws_region)
            && self.source.agree(&details.event_source)
            && self.name.agree(&details.event_name)
            && self.insight_type.agree(details.insight_type.as_str())
            && listed(self.error_code.is_open(), details.error_code.as_ref().map(|code| self.error_code.agree(code)))
            && self.new_principal.is_none_or(|wanted| wanted == new())
            && listed(self.direction.is_empty(), own.map(|own| self.direction.contains(&own.direction)))
            && listed(self.sensitivity.is_empty(), own.map(|own| self.sensitivity.contains(&own.sensitivity)))
    }

    /// Whether every key agrees; one that names callers when any of the insight's callers does.
    pub(super) fn agrees(&self, event: &InsightEvent) -> bool {
        let tools = |tools: &Vec<&Tool>| {
            tools.iter().any(|tool| {
                principals(event).any(|one| tool.is_principal(one)) || agents(event).any(|one| tool.is_user_agent(one))
            })
        };
        self.agrees_apart_from_callers(event)
            && (self.principal.is_open() || principals(event).any(|principal| self.principal.agree(principal)))
            && (self.user_agent.is_open() || agents(event).any(|agent| self.user_agent.agree(agent)))
            && self.automation.as_ref().is_none_or(tools)
    }

    /// The least share (0 to 1) of the excess that the callers of one key account for; 1 where no key names callers.
    pub(super) fn explained(&self, event: &InsightEvent) -> f64 {
        let callers = Callers::of(event);
        let mut least: f64 = 1.0;
        if !self.principal.is_open() {
            least = least.min(callers.explained_by_principals(|one| self.principal.agree(one)));
        }
        if !self.user_agent.is_open() {
            least = least.min(callers.explained_by_agents(|one| self.user_agent.agree(one)));
        }
        if let Some(tools) = &self.automation {
            let by_principal = callers.explained_by_principals(|one| tools.iter().any(|tool| tool.is_principal(one)));
            let by_agent = callers.explained_by_agents(|one| tools.iter().any(|tool| tool.is_user_agent(one)));
            least = least.min(by_principal.max(by_agent));
        }
        least
    }
}

/// The tools that are meant.
fn tools_of(rule: &str, patterns: &[String], problems: &mut Vec<RuleError>) -> Vec<&'static Tool> {
    let mut meant = Vec::new();
    for pattern in patterns {
        let alone = Globs::new(rule, "automation", std::slice::from_ref(pattern), problems);
        let before = meant.len();
        meant.extend(tools().iter().filter(|tool| alone.agree(&tool.name)));
        if meant.len() == before {
            let known = tools().iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>().join(", ");
            problems.push(RuleError::NoSuchTool { rule: rule.into(), pattern: pattern.clone(), known });
        }
    }
    meant
}

/// The user agents that are listed.
fn agents(event: &InsightEvent) -> impl Iterator<Item = &str> {
    let attributed = event.details.attributions.iter().filter(|one| one.attribute == Attribute::UserAgent);
    attributed.flat_map(|one| one.insight.iter().map(|pair| pair.value.as_str()))
}

/// Who called: our own list, or AWS's attribution where a record has no list of ours.
fn principals(event: &InsightEvent) -> impl Iterator<Item = &str> {
    let own = event.trailsight.iter().flat_map(|own| own.principals.iter().map(|one| one.value.as_str()));
    let attributed = event.details.attributions.iter().filter(|one| one.attribute == Attribute::UserIdentityArn);
    own.chain(attributed.flat_map(|one| one.insight.iter().map(|pair| pair.value.as_str())))
}

/// Patterns of one key; `None` agrees with everything.
#[derive(Clone, Debug)]
struct Globs(Option<GlobSet>);

impl Globs {
    fn new(rule: &str, key: &'static str, patterns: &[String], problems: &mut Vec<RuleError>) -> Globs {
        if patterns.is_empty() {
            return Globs(None);
        }
        let mut bad = |pattern: &str, error: &globset::Error| {
            let reason = error.kind().to_string();
            problems.push(RuleError::Pattern { rule: rule.into(), key, pattern: pattern.into(), reason });
        };
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            match GlobBuilder::new(pattern).literal_separator(false).backslash_escape(true).build() {
                Ok(glob) => drop(set.add(glob)),
                Err(error) => bad(pattern, &error),
            }
        }
        match set.build() {
            Ok(set) => Globs(Some(set)),
            Err(error) => {
                bad(&patterns.join(", "), &error);
                Globs(Some(GlobSet::empty()))
            }
        }
    }

    fn agree(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|set| set.is_match(text))
    }

    fn is_open(&self) -> bool {
        self.0.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::fixtures::insight;

    fn agrees(change: impl FnOnce(&mut MatchSpec)) -> bool {
        let mut spec = MatchSpec::default();
        change(&mut spec);
        let mut problems = Vec::new();
        let matcher = Matcher::new("routes[0]", &spec, &mut problems);
        assert_eq!(problems, []);
        matcher.agrees(&insight())
    }

    fn list(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|pattern| (*pattern).into()).collect()
    }

    #[test]
    fn each_key_decides() {
        assert!(agrees(|_| {}));
        assert!(agrees(|spec| spec.account = list(&["9*", "1111*"])));
        assert!(!agrees(|spec| spec.account = list(&["9*"])));
        assert!(!agrees(|spec| spec.account = list(&["1111"])));
        assert!(agrees(|spec| spec.region = list(&["eu-*"])));
        assert!(!agrees(|spec| spec.region = list(&["us-*"])));
        assert!(agrees(|spec| spec.source = list(&["iam.amazonaws.com"])));
        assert!(!agrees(|spec| spec.source = list(&["IAM.amazonaws.com"])));
        assert!(agrees(|spec| spec.name = list(&["CreateAccess?ey"])));
        assert!(!agrees(|spec| spec.name = list(&["Delete*"])));
        assert!(agrees(|spec| spec.insight_type = list(&["ApiCallRateInsight"])));
        assert!(!agrees(|spec| spec.insight_type = list(&["Account*"])));
        assert!(agrees(|spec| spec.principal = list(&["*role/ci-*"])));
        assert!(!agrees(|spec| spec.principal = list(&["*role/app-*"])));
        assert!(agrees(|spec| spec.user_agent = list(&["aws-cli/*"])));
        assert!(!agrees(|spec| spec.user_agent = list(&["*Terraform*"])));
        assert!(agrees(|spec| spec.automation = list(&["terraform", "ci"])));
        assert!(!agrees(|spec| spec.automation = list(&["terraform"])));
        assert!(agrees(|spec| spec.new_principal = Some(true)));
        assert!(!agrees(|spec| spec.new_principal = Some(false)));
        assert!(!agrees(|spec| spec.error_code = list(&["*"])), "it has none");
        assert!(agrees(|spec| spec.direction = vec![Direction::Above]));
        assert!(!agrees(|spec| spec.direction = vec![Direction::Below]));
        assert!(agrees(|spec| spec.sensitivity = vec![Sensitivity::Medium]));
        assert!(!agrees(|spec| spec.sensitivity = vec![Sensitivity::Low, Sensitivity::High]));
        assert!(!agrees(|spec| {
            spec.account = list(&["1111*"]);
            spec.region = list(&["us-*"]);
        }));
    }

    #[test]
    fn an_error_code_is_matched_where_there_is_one() {
        let mut denied = insight();
        denied.details.error_code = Some("Client.UnauthorizedOperation".into());
        for (pattern, expected) in [("*Unauthorized*", true), ("AccessDenied", false)] {
            let spec = MatchSpec { error_code: list(&[pattern]), ..MatchSpec::default() };
            assert_eq!(Matcher::new("routes[0]", &spec, &mut Vec::new()).agrees(&denied), expected);
        }
    }

    #[test]
    fn every_bad_pattern_is_named() {
        let spec = MatchSpec {
            account: list(&["[1", "2*", "{a"]),
            insight_type: list(&["ApiCalRateInsight"]),
            automation: list(&["terrafrom", "aws-*"]),
            ..MatchSpec::default()
        };
        let mut problems = Vec::new();
        Matcher::new("mutes[3]", &spec, &mut problems);
        let texts: Vec<String> = problems.iter().map(RuleError::to_string).collect();
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert!(texts[0].starts_with("mutes[3]: account: `[1` is not a pattern: "), "{texts:?}");
        assert!(texts[1].contains("`{a`"), "{texts:?}");
        assert!(
            texts[2].starts_with("mutes[3]: automation: `terrafrom` matches none of service-linked-role, "),
            "{texts:?}"
        );
        assert!(texts[3].starts_with("mutes[3]: type: `ApiCalRateInsight` matches none of ApiCallRate"), "{texts:?}");
    }
}
