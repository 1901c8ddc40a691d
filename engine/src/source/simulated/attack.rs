//! What goes wrong in the simulated organisation, and when. The detector never sees this file's plans; the
//! tests and the demo's narration do.

use super::caller::{Caller, Principal};
use super::catalog::Api;
use super::random::Dice;
use super::world::{ACCOUNTS, Palette};

/// What an attacker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttackKind {
    /// Many instances are launched at once.
    InstanceLaunch,
    /// Snapshots are deleted so that nothing can be restored.
    SnapshotDeletion,
    /// Access keys are made for other users, to stay.
    AccessKeys,
    /// Somebody looks at everything, much of which is denied.
    Enumeration,
    /// One API is tried again and again and denied.
    DeniedBurst,
    /// Secrets are read one after the other.
    SecretReads,
    /// Large instances are launched until the quota says no.
    Mining,
}

/// Ground truth: what the simulation will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedAttack {
    /// First second, since the epoch.
    pub start: i64,
    /// How long it lasts.
    pub minutes: u32,
    /// What is done.
    pub kind: AttackKind,
    /// To which account.
    pub account: &'static str,
    /// In which Region (IAM's own records are in `us-east-1`).
    pub region: &'static str,
    /// By whom, session name stripped.
    pub principal: String,
    /// (`eventSource`, `eventName`) of what is called, most frequent first.
    pub apis: Vec<(String, &'static str)>,
}

struct Script {
    kind: AttackKind,
    minutes: u32,
    /// Calls a second.
    rate: f64,
    /// Share of the calls that is denied, and the code; EC2's own form of it is filled in by [`denied`].
    denied: Option<(f64, &'static str, &'static str)>,
    palette: &'static str,
}

const DENIED: &str = "AccessDenied";

const SCRIPTS: [Script; 7] = [
    Script {
        kind: AttackKind::InstanceLaunch,
        minutes: 4,
        rate: 1.5,
        denied: None,
        palette: "ec2:RunInstances=6 ec2:CreateKeyPair=1 ec2:DescribeImages=1",
    },
    Script {
        kind: AttackKind::SnapshotDeletion,
        minutes: 5,
        rate: 1.2,
        denied: None,
        palette: "ec2:DeleteSnapshot=6 rds:DeleteDBSnapshot=2 backup:DeleteRecoveryPoint=2 ec2:DescribeSnapshots=1",
    },
    Script {
        kind: AttackKind::AccessKeys,
        minutes: 3,
        rate: 0.5,
        denied: None,
        palette: "iam:CreateAccessKey=6 iam:ListUsers=1 iam:AttachUserPolicy=2 iam:CreateLoginProfile=2",
    },
    Script {
        kind: AttackKind::Enumeration,
        minutes: 6,
        rate: 2.0,
        denied: Some((0.55, DENIED, "User is not authorized to perform this action")),
        palette: "iam:ListRoles=3 iam:ListUsers=3 iam:GetAccountAuthorizationDetails=4 ec2:DescribeInstances=3 \
                  s3:ListBuckets=2 s3:GetBucketPolicy=4 lambda:ListFunctions20150331=3 secretsmanager:ListSecrets=2 \
                  dynamodb:ListTables=2 organizations:DescribeOrganization=2 rds:DescribeDBInstances=2 kms:ListKeys=2",
    },
    Script {
        kind: AttackKind::DeniedBurst,
        minutes: 5,
        rate: 0.9,
        denied: Some((1.0, DENIED, "User is not authorized to perform: sts:AssumeRole")),
        palette: "sts:AssumeRole=5 kms:Decrypt=1",
    },
    Script {
        kind: AttackKind::SecretReads,
        minutes: 5,
        rate: 1.0,
        denied: Some((0.4, DENIED, "User is not authorized to perform: secretsmanager:GetSecretValue")),
        palette: "secretsmanager:GetSecretValue=8 secretsmanager:ListSecrets=1 ssm:GetParametersByPath=2",
    },
    Script {
        kind: AttackKind::Mining,
        minutes: 8,
        rate: 0.8,
        denied: Some((
            0.6,
            "Client.VcpuLimitExceeded",
            "You have requested more vCPU capacity than your current limit",
        )),
        palette: "ec2:RunInstances=8 ec2:CreateSecurityGroup=1 ec2:AuthorizeSecurityGroupIngress=1",
    },
];

/// Longest attack, minutes.
pub(super) const LONGEST: i64 = 8;

/// An attack ready to be carried out.
pub(super) struct Attack {
    pub(super) number: u64,
    pub(super) plan: PlannedAttack,
    pub(super) caller: Caller,
    pub(super) palette: Palette,
    rate: f64,
    denied: Option<(f64, &'static str, &'static str)>,
}

impl Attack {
    /// The calls made in one second, each with the error it meets.
    pub(super) fn calls(&self, seed: u64, second: i64) -> u64 {
        let end = self.plan.start + i64::from(self.plan.minutes) * 60;
        if !(self.plan.start..end).contains(&second) {
            return 0;
        }
        Dice::of(&[seed, SALT, self.number, second as u64]).poisson(self.rate)
    }

    /// `errorCode` and `errorMessage` of one call.
    pub(super) fn error(&self, api: &Api, dice: &mut Dice) -> Option<(&'static str, &'static str)> {
        let (share, code, message) = self.denied?;
        let denied = dice.chance(share);
        let launched = code.starts_with("Client.") && api.name != "RunInstances";
        let code = if api.service == "ec2" && code == DENIED { "Client.UnauthorizedOperation" } else { code };
        (denied && !launched).then_some((code, message))
    }
}

/// Keeps the dice of attacks apart from those of actors, which are numbered from 0.
const SALT: u64 = 0xA77A_C4ED;

/// When attacks happen.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Start of the first, seconds since the epoch.
    pub(super) first: i64,
    /// One in every interval from there on, minutes, at least [`LONGEST`].
    pub(super) interval: u32,
}

impl Plan {
    /// Attacks that are under way at some second of `[from, to)`, in order of their start.
    pub(super) fn between(&self, seed: u64, apis: &[Api], from: i64, to: i64) -> Vec<Attack> {
        let step = i64::from(self.interval) * 60;
        let slot = |second: i64| second.saturating_sub(self.first).div_euclid(step);
        if to <= self.first {
            return Vec::new();
        }
        // An attack starts in the first half of its slot and ends at the latest LONGEST minutes later.
        let earliest = slot(from.saturating_sub(LONGEST * 60 + step)).max(0);
        (earliest..=slot(to - 1).max(0))
            .filter_map(|number| u64::try_from(number).ok())
            .map(|number| self.attack(seed, apis, number))
            .filter(|attack| attack.plan.start < to && attack.plan.start + i64::from(attack.plan.minutes) * 60 > from)
            .collect()
    }

    fn attack(&self, seed: u64, apis: &[Api], number: u64) -> Attack {
        let step = i64::from(self.interval) * 60;
        let mut dice = Dice::of(&[seed, SALT, number]);
        let delay = dice.below(step as u64 / 2) as i64;
        let start = self.first + number as i64 * step + if number == 0 { 0 } else { delay };
        let script = &SCRIPTS[order(seed, number)];
        let (account, region) = ACCOUNTS[dice.below(ACCOUNTS.len() as u64) as usize];
        let (principal, agent) = intruder(&mut dice);
        let caller = Caller::new(&principal, account, region, agent);
        let palette = Palette::new(apis, script.palette);
        let named = palette.by_weight().into_iter().filter_map(|api| apis.get(api));
        let plan = PlannedAttack {
            start,
            minutes: script.minutes,
            kind: script.kind,
            account,
            region,
            principal: caller.arn.clone(),
            apis: named.map(|api| (format!("{}.amazonaws.com", api.service), api.name)).collect(),
        };
        Attack { number, plan, caller, palette, rate: script.rate, denied: script.denied }
    }
}

/// Which script the attack follows: each once in every seven, shuffled; the very first is one of the three
/// that only write, so that a demonstration does not open with the subtlest.
fn order(seed: u64, number: u64) -> usize {
    let count = SCRIPTS.len();
    let round = number / count as u64;
    let mut scripts: Vec<usize> = (0..count).collect();
    let mut dice = Dice::of(&[seed, SALT, u64::MAX, round]);
    for last in (1..count).rev() {
        scripts.swap(last, dice.below(last as u64 + 1) as usize);
    }
    if round == 0
        && let Some(writes) = scripts.iter().position(|script| *script < 3)
    {
        scripts.swap(0, writes);
    }
    scripts[(number % count as u64) as usize]
}

/// Stolen keys of a user, or the role of a machine that was broken into.
fn intruder(dice: &mut Dice) -> (Principal, &'static str) {
    let agents = [
        "aws-cli/2.17.9 md/awscrt#0.20.11 ua/2.0 os/linux#6.6 lang/python#3.11",
        "Boto3/1.34.69 md/Botocore#1.34.69 ua/2.0 os/windows#10 lang/python#3.10",
        "python-requests/2.31.0",
    ];
    let agent = agents[dice.below(agents.len() as u64) as usize];
    let principal = if dice.chance(0.5) {
        Principal::User(["backup-admin", "contractor-7", "legacy-uploader"][dice.below(3) as usize].to_string())
    } else {
        Principal::Role(
            ["orders-service", "instance-fleet"][dice.below(2) as usize].to_string(),
            "i-0aa17c2f9d3b4e815".to_string(),
        )
    };
    (principal, agent)
}

#[cfg(test)]
mod tests {
    use super::super::catalog;
    use super::*;

    #[test]
    fn seven_attacks_use_every_script_and_the_first_writes() {
        for seed in 0..50 {
            let mut used: Vec<usize> = (0..7).map(|number| order(seed, number)).collect();
            assert!(used[0] < 3);
            used.sort_unstable();
            assert_eq!(used, [0, 1, 2, 3, 4, 5, 6]);
        }
    }

    #[test]
    fn a_window_sees_what_overlaps_it_whoever_asks() {
        let apis = catalog::apis();
        let plan = Plan { first: 1_700_000_000, interval: 10 };
        let all = plan.between(3, &apis, 0, plan.first + 100 * 600);
        assert_eq!(all.len(), 100);
        assert_eq!(all[0].plan.start, plan.first);
        for second in (plan.first - 100..plan.first + 100 * 600).step_by(61) {
            let found: Vec<u64> =
                plan.between(3, &apis, second, second + 1).iter().map(|attack| attack.number).collect();
            let expected: Vec<u64> = all
                .iter()
                .filter(|attack| {
                    (attack.plan.start..attack.plan.start + i64::from(attack.plan.minutes) * 60).contains(&second)
                })
                .map(|attack| attack.number)
                .collect();
            assert_eq!(found, expected, "{second}");
        }
    }

    #[test]
    fn every_script_names_apis_of_the_catalog_and_fits_the_longest() {
        for script in &SCRIPTS {
            let named = Palette::new(&catalog::apis(), script.palette).by_weight().len();
            assert_eq!(named, script.palette.split_whitespace().count(), "{:?}", script.kind);
            assert!(i64::from(script.minutes) <= LONGEST);
        }
    }
}
