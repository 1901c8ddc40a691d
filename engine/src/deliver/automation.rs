//! Whether somebody's keyboard is behind a call: tools recognised by what they call themselves and the roles they have.
//!
//! One reviewed data file, `automation.toml`, holds the patterns. What is recognised is an attribute that rules match,
//! not a judgement: anybody can send the user agent of Terraform.

use std::sync::OnceLock;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;

const TEXT: &str = include_str!("automation.toml");

/// A tool.
#[derive(Debug)]
pub struct Tool {
    /// What rules call it.
    pub name: String,
    principal: GlobSet,
    user_agent: GlobSet,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tool: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    principal: Vec<String>,
    #[serde(default)]
    user_agent: Vec<String>,
}

impl Tool {
    /// Whether this principal is one of its.
    pub fn is_principal(&self, value: &str) -> bool {
        self.principal.is_match(value)
    }

    /// Whether it calls itself so. CloudTrail puts some user agents into brackets.
    pub fn is_user_agent(&self, value: &str) -> bool {
        self.user_agent.is_match(value.trim_start_matches('[').trim_end_matches(']'))
    }
}

/// Every tool that is known, in the order of the file, which is ours: a test reads it as strictly as can be.
pub fn tools() -> &'static [Tool] {
    static TOOLS: OnceLock<Vec<Tool>> = OnceLock::new();
    TOOLS.get_or_init(|| parse().unwrap_or_default())
}

fn parse() -> Result<Vec<Tool>, String> {
    let file: File = toml::from_str(TEXT).map_err(|error| error.to_string())?;
    file.tool.into_iter().map(compiled).collect()
}

fn compiled(written: Written) -> Result<Tool, String> {
    let set = |globs: &[String]| -> Result<GlobSet, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(GlobBuilder::new(glob).literal_separator(false).build()?);
        }
        set.build()
    };
    let wrong = |error: globset::Error| format!("{}: {error}", written.name);
    let (principal, user_agent) = (set(&written.principal).map_err(wrong)?, set(&written.user_agent).map_err(wrong)?);
    Ok(Tool { name: written.name, principal, user_agent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(test: impl Fn(&Tool) -> bool) -> Vec<&'static str> {
        tools().iter().filter(|tool| test(tool)).map(|tool| tool.name.as_str()).collect()
    }

    #[test]
    fn the_file_is_whole() {
        let tools = parse().expect("the file is TOML of the right form");
        let mut known: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        assert!(known.len() == tools.len() && known.len() > 20, "{known:?}");
        assert!(tools.iter().all(|tool| tool.principal.len() + tool.user_agent.len() > 0));
    }

    #[test]
    fn tools_are_known_by_what_they_call_themselves() {
        for (agent, expected) in [
            (
                "APN/1.0 HashiCorp/1.0 Terraform/1.9.5 (+https://www.terraform.io) terraform-provider-aws/5.70.0",
                &["terraform"][..],
            ),
            ("[cloudformation.amazonaws.com]", &["aws-service", "cloudformation"]),
            ("autoscaling.amazonaws.com", &["aws-service"]),
            ("configure-aws-credentials-for-github-actions aws-sdk-nodejs/2", &["github-actions"]),
            ("APN/1.0 Pulumi/1.0 PulumiAWS/6", &["pulumi"]),
            ("aws-sdk-go/1.44 karpenter.sh-v0.37", &["kubernetes-controller"]),
            ("aws-cli/2.15.0 Python/3.11 Linux/6.1 exe/x86_64 prompt/off command/iam.create-user", &[]),
            ("console.amazonaws.com.evil.example", &[]),
            ("Mozilla/5.0 (X11; Linux x86_64)", &[]),
        ] {
            assert_eq!(names(|tool| tool.is_user_agent(agent)), expected, "{agent}");
        }
    }

    #[test]
    fn tools_are_known_by_their_roles() {
        for (principal, expected) in [
            ("arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForAutoScaling", &["service-linked-role"][..]),
            ("arn:aws:sts::111122223333:assumed-role/prod-terraform-apply", &["terraform"]),
            ("arn:aws:sts::111122223333:assumed-role/ci-deployer", &["ci"]),
            ("arn:aws:sts::111122223333:assumed-role/cdk-hnb659fds-deploy-role-111122223333-eu-west-1", &["cdk"]),
            ("delivery.logs.amazonaws.com", &["aws-service"]),
            ("arn:aws:iam::111122223333:user/alice", &[]),
            ("arn:aws:sts::111122223333:assumed-role/Admin", &[]),
            ("arn:aws:iam::111122223333:root", &[]),
        ] {
            assert_eq!(names(|tool| tool.is_principal(principal)), expected, "{principal}");
        }
    }
}
