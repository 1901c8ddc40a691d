//! An organisation of three accounts and those who work in it. Series are not drawn: they are what comes of
//! what these people and machines do.

use super::caller::{Caller, Principal};
use super::catalog::Api;
use super::random::Dice;
use super::rhythm::Rhythm;

/// `production`, `development` and `data`, under account ids that AWS reserves for examples.
pub(super) const ACCOUNTS: [(&str, &str); 3] =
    [("111122223333", "eu-west-1"), ("444455556666", "eu-west-1"), ("777788889999", "us-east-1")];

const PRODUCTION: usize = 0;
const DEVELOPMENT: usize = 1;
const DATA: usize = 2;

const BERLIN: i32 = 60;
const NEW_YORK: i32 = -300;
const BENGALURU: i32 = 330;

/// Somebody or something that makes calls.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) caller: Caller,
    pub(super) rhythm: Rhythm,
    pub(super) palette: Palette,
}

/// Which APIs an actor calls, with weights.
#[derive(Clone, Debug)]
pub(super) struct Palette {
    /// (index into the catalog, sum of the weights up to and including this one).
    steps: Vec<(usize, u64)>,
}

impl Palette {
    /// Reads `service:Name=weight` separated by spaces; names that the catalog does not have are left out,
    /// and a test holds that there are none.
    pub(super) fn new(apis: &[Api], text: &str) -> Palette {
        let mut total = 0;
        let steps = text
            .split_whitespace()
            .filter_map(|item| {
                let (name, weight) = item.split_once('=').unwrap_or((item, "1"));
                let (service, name) = name.split_once(':')?;
                let api = apis.iter().position(|api| api.service == service && api.name == name)?;
                total += weight.parse::<u64>().ok()?;
                Some((api, total))
            })
            .collect();
        Palette { steps }
    }

    /// The APIs, those with the largest weight first.
    pub(super) fn by_weight(&self) -> Vec<usize> {
        let mut before = 0;
        let mut weighed: Vec<(u64, usize)> = Vec::with_capacity(self.steps.len());
        for (api, sum) in &self.steps {
            weighed.push((sum - before, *api));
            before = *sum;
        }
        weighed.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        weighed.into_iter().map(|(_, api)| api).collect()
    }

    /// Draws one; `None` from an empty palette.
    pub(super) fn draw(&self, dice: &mut Dice) -> Option<usize> {
        let total = self.steps.last()?.1;
        let point = dice.below(total);
        self.steps.iter().find(|(_, sum)| point < *sum).map(|(api, _)| *api)
    }
}

/// Name, zone, account at work in, and which of [`PERSONAS`].
const PEOPLE: &[(&str, i32, usize, usize)] = &[
    ("anna", BERLIN, PRODUCTION, 0),
    ("ben", BERLIN, DEVELOPMENT, 1),
    ("carla", BERLIN, DEVELOPMENT, 1),
    ("david", BERLIN, PRODUCTION, 0),
    ("elif", BERLIN, DATA, 2),
    ("felix", BERLIN, DEVELOPMENT, 1),
    ("grace", NEW_YORK, PRODUCTION, 0),
    ("hiro", NEW_YORK, DATA, 2),
    ("ines", NEW_YORK, DEVELOPMENT, 1),
    ("jamal", NEW_YORK, DEVELOPMENT, 1),
    ("katya", NEW_YORK, DATA, 2),
    ("luis", NEW_YORK, PRODUCTION, 3),
    ("meera", BENGALURU, DEVELOPMENT, 1),
    ("nikhil", BENGALURU, DEVELOPMENT, 1),
    ("olga", BERLIN, PRODUCTION, 3),
    ("priya", BENGALURU, DATA, 2),
    ("quentin", BERLIN, DATA, 2),
    ("ravi", BENGALURU, PRODUCTION, 0),
    ("sofia", NEW_YORK, DEVELOPMENT, 1),
    ("tomas", BERLIN, DEVELOPMENT, 1),
];

/// Role that the single sign-on gives, and what such a person calls.
const PERSONAS: [(&str, &str); 4] = [
    (
        "AWSReservedSSO_Operator_3f2a",
        "ec2:DescribeInstances=8 ec2:DescribeVolumes=3 ec2:DescribeSecurityGroups=4 ec2:StartInstances ec2:StopInstances \
         ec2:AuthorizeSecurityGroupIngress ec2:ModifyInstanceAttribute monitoring:DescribeAlarms=6 logs:FilterLogEvents=6 \
         logs:StartQuery=2 logs:GetQueryResults=4 ssm:StartSession=2 rds:DescribeDBInstances=3 rds:ModifyDBInstance \
         autoscaling:DescribeAutoScalingGroups=3 autoscaling:UpdateAutoScalingGroup ecs:DescribeServices=4 \
         ecs:UpdateService elasticloadbalancing:DescribeTargetHealth=3 elasticloadbalancing:ModifyRule signin:ConsoleLogin \
         monitoring:PutMetricAlarm route53:ChangeResourceRecordSets route53:ListResourceRecordSets=2",
    ),
    (
        "AWSReservedSSO_Developer_91bc",
        "lambda:GetFunction20150331v2=6 lambda:ListFunctions20150331=4 lambda:UpdateFunctionConfiguration20150331v2=2 \
         lambda:UpdateFunctionCode20150331v2=2 logs:FilterLogEvents=8 logs:DescribeLogGroups=5 cloudformation:DescribeStacks=6 \
         cloudformation:DescribeStackEvents=3 dynamodb:DescribeTable=3 dynamodb:UpdateTable sqs:GetQueueAttributes=2 \
         sqs:CreateQueue sns:CreateTopic ssm:GetParameter=4 ssm:PutParameter=2 ecs:DescribeTasks=3 ecs:RunTask=2 \
         s3:ListBuckets=3 s3:CreateBucket s3:PutBucketTagging iam:GetRole=3 iam:PassRole signin:ConsoleLogin \
         secretsmanager:DescribeSecret=2 ecr:DescribeImages=3 ec2:DescribeInstances=3 ec2:CreateTags",
    ),
    (
        "AWSReservedSSO_Analyst_70de",
        "athena:StartQueryExecution=8 athena:GetQueryExecution=12 athena:GetQueryResults=8 athena:ListWorkGroups=2 \
         glue:GetTable=6 glue:GetDatabases=4 glue:GetPartitions=4 glue:UpdateTable glue:StartCrawler s3:ListBuckets=2 \
         s3:GetBucketLocation=3 sagemaker:DescribeTrainingJob=3 sagemaker:CreateTrainingJob sagemaker:ListTrainingJobs=2 \
         sagemaker:UpdateEndpoint signin:ConsoleLogin states:StartExecution states:DescribeExecution=3",
    ),
    (
        "AWSReservedSSO_Security_c44e",
        "guardduty:GetFindings=5 guardduty:ListDetectors=2 securityhub:GetFindings=6 securityhub:BatchUpdateFindings=2 \
         cloudtrail:LookupEvents=8 cloudtrail:DescribeTrails=2 iam:ListUsers=3 iam:ListRoles=3 iam:GetPolicyVersion=3 \
         iam:ListAccessKeys=3 iam:UpdateAccessKey iam:DeleteAccessKey iam:CreatePolicyVersion config:SelectResourceConfig=3 \
         organizations:ListAccounts=2 ce:GetCostAndUsage=2 signin:ConsoleLogin iam:SimulatePrincipalPolicy=2 kms:ListKeys",
    ),
];

/// Repository, account deployed to, zone of those who push, runs in a busy hour, calls of a run, APIs.
const PIPELINES: &[(&str, usize, i32, f64, f64, &str)] = &[
    ("shop-web", PRODUCTION, BERLIN, 1.2, 70.0, CONTAINERS),
    ("shop-web", DEVELOPMENT, BERLIN, 2.5, 60.0, CONTAINERS),
    ("billing", DEVELOPMENT, NEW_YORK, 2.0, 50.0, FUNCTIONS),
    ("billing", PRODUCTION, NEW_YORK, 0.7, 50.0, FUNCTIONS),
    ("platform-terraform", PRODUCTION, BERLIN, 0.6, 120.0, INFRASTRUCTURE),
    ("platform-terraform", DEVELOPMENT, BENGALURU, 1.2, 120.0, INFRASTRUCTURE),
    ("warehouse", DATA, NEW_YORK, 0.8, 60.0, FUNCTIONS),
];

const CONTAINERS: &str = "sts:AssumeRoleWithWebIdentity=2 ecr:GetAuthorizationToken=3 ecr:BatchCheckLayerAvailability=12 \
     ecr:InitiateLayerUpload=6 ecr:UploadLayerPart=8 ecr:CompleteLayerUpload=6 ecr:PutImage=3 ecr:CreateRepository \
     ecs:RegisterTaskDefinition=2 ecs:UpdateService=2 ecs:DescribeServices=14 ecs:DeregisterTaskDefinition iam:PassRole=2 \
     logs:CreateLogGroup";
const FUNCTIONS: &str = "sts:AssumeRoleWithWebIdentity=2 cloudformation:CreateChangeSet=2 cloudformation:DescribeChangeSet=6 \
     cloudformation:ExecuteChangeSet=2 cloudformation:DescribeStacks=8 cloudformation:DescribeStackEvents=10 \
     lambda:UpdateFunctionCode20150331v2=5 lambda:PublishVersion20150331=4 lambda:UpdateAlias20150331=4 \
     lambda:GetFunction20150331v2=6 lambda:AddPermission20150331v2 iam:GetRole=3 iam:PutRolePolicy lambda:TagResource20170331v2";
const INFRASTRUCTURE: &str = "sts:GetCallerIdentity=2 ec2:DescribeVpcs=6 ec2:DescribeSubnets=6 ec2:DescribeSecurityGroups=10 \
     ec2:DescribeRouteTables=5 ec2:DescribeLaunchTemplates=3 ec2:CreateLaunchTemplateVersion iam:GetRole=12 iam:GetRolePolicy=10 \
     iam:ListAttachedRolePolicies=10 iam:GetPolicy=6 iam:GetPolicyVersion=6 iam:AttachRolePolicy iam:TagRole s3:GetBucketPolicy=5 \
     s3:GetBucketVersioning=4 s3:GetBucketCors=4 s3:GetBucketReplication=4 s3:GetBucketTagging=4 s3:PutBucketPolicy \
     s3:PutBucketEncryption kms:DescribeKey=4 kms:GetKeyRotationStatus=3 rds:DescribeDBClusters=3 rds:ListTagsForResource=3 \
     lambda:GetPolicy20150331v2=4 lambda:ListTags20170331=3 ec2:AuthorizeSecurityGroupIngress ec2:RevokeSecurityGroupIngress \
     eks:DescribeCluster=2 sns:GetTopicAttributes=2 sqs:GetQueueAttributes=2 cloudfront:GetDistribution route53:GetChange";

/// Role, account, APIs, and when: every, at, over (minutes), calls in a minute.
const JOBS: &[(&str, usize, &str, [u32; 4])] = &[
    (
        "nightly-snapshots",
        PRODUCTION,
        "ec2:CreateSnapshot=8 ec2:DeleteSnapshot=7 ec2:CreateTags=4 ec2:DescribeVolumes=3",
        [1440, 130, 6, 8],
    ),
    (
        "nightly-snapshots",
        DATA,
        "ec2:CreateSnapshot=4 ec2:DeleteSnapshot=4 rds:CreateDBSnapshot=2 rds:DeleteDBSnapshot=2",
        [1440, 190, 4, 6],
    ),
    (
        "backup-plan",
        PRODUCTION,
        "backup:StartBackupJob=2 backup:DescribeBackupJob=6 backup:ListBackupJobs dynamodb:CreateBackup",
        [1440, 300, 10, 3],
    ),
    (
        "secret-rotation",
        PRODUCTION,
        "secretsmanager:RotateSecret=2 secretsmanager:PutSecretValue=3 secretsmanager:DescribeSecret=3",
        [10_080, 3120, 8, 4],
    ),
    (
        "patching",
        PRODUCTION,
        "ssm:SendCommand=2 ssm:ListCommandInvocations=8 ssm:DescribeInstanceInformation=3",
        [10_080, 4500, 25, 5],
    ),
    (
        "office-hours",
        DEVELOPMENT,
        "ec2:StartInstances=3 ec2:DescribeInstances=3 autoscaling:SetDesiredCapacity=2",
        [1440, 360, 2, 7],
    ),
    (
        "office-hours",
        DEVELOPMENT,
        "ec2:StopInstances=3 ec2:DescribeInstances=3 autoscaling:SetDesiredCapacity=2",
        [1440, 1200, 2, 7],
    ),
    (
        "hourly-etl",
        DATA,
        "glue:StartJobRun=2 glue:GetJobRun=10 glue:BatchCreatePartition=3 states:StartExecution athena:StartQueryExecution=2 athena:GetQueryExecution=6",
        [60, 5, 9, 8],
    ),
    (
        "quarter-hour-metrics",
        PRODUCTION,
        "monitoring:DescribeAlarms=3 ce:GetCostAndUsage sqs:GetQueueAttributes=3 sqs:ListQueues",
        [15, 3, 1, 6],
    ),
    (
        "certificate-check",
        PRODUCTION,
        "route53:ListHostedZones route53:ListResourceRecordSets=2 cloudfront:ListDistributions",
        [360, 40, 3, 4],
    ),
    (
        "cleanup",
        DEVELOPMENT,
        "ec2:DeleteSnapshot=3 ec2:DescribeSnapshots=2 ecr:BatchDeleteImage=3 cloudformation:DeleteStack ec2:DeleteNetworkInterface=2",
        [1440, 75, 5, 9],
    ),
    ("cdn-purge", PRODUCTION, "cloudfront:CreateInvalidation=2 cloudfront:GetDistribution", [240, 17, 1, 3]),
];

/// Role, account, calls a minute, agent, APIs: they ask all day long.
const SCANNERS: &[(&str, usize, f64, &str, &str)] = &[
    ("posture-scanner", PRODUCTION, 2.4, SDK, POSTURE),
    ("posture-scanner", DEVELOPMENT, 1.4, SDK, POSTURE),
    ("posture-scanner", DATA, 1.2, SDK, POSTURE),
    (
        "metrics-integration",
        PRODUCTION,
        2.0,
        "Boto3/1.35.20 md/Botocore#1.35.20",
        "ec2:DescribeInstances=4 ec2:DescribeInstanceStatus=3 rds:DescribeDBInstances=3 elasticloadbalancing:DescribeLoadBalancers=3 \
         elasticloadbalancing:DescribeTargetGroups=2 autoscaling:DescribeAutoScalingGroups=3 ecs:ListServices=2 ecs:DescribeClusters=2 \
         lambda:ListFunctions20150331=2 sqs:ListQueues=2 sns:ListTopics dynamodb:ListTables=2 ec2:DescribeVolumes=2 eks:ListClusters",
    ),
    (
        "cluster-controller",
        PRODUCTION,
        1.6,
        "aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5",
        "ec2:DescribeInstances=3 ec2:DescribeNetworkInterfaces=3 ec2:DescribeSubnets=2 elasticloadbalancing:DescribeTargetHealth=5 \
         elasticloadbalancing:DescribeListeners=2 eks:DescribeNodegroup sts:AssumeRoleWithWebIdentity=2 ec2:DescribeAvailabilityZones",
    ),
];

const SDK: &str = "aws-sdk-java/2.26.7 Linux/6.1 OpenJDK_64-Bit_Server_VM/21";
const POSTURE: &str = "s3:GetBucketAcl=3 s3:GetBucketPolicy=3 s3:GetBucketPolicyStatus=2 s3:GetBucketPublicAccessBlock=3 \
     s3:GetBucketEncryption=3 s3:GetBucketLifecycle=2 s3:GetBucketTagging=2 iam:GetAccountSummary iam:ListUsers=2 \
     iam:ListPolicies=2 iam:GetPolicyVersion=3 iam:GetInstanceProfile ec2:DescribeSecurityGroups=3 ec2:DescribeSnapshots=2 \
     ec2:DescribeImages=2 ec2:DescribeInternetGateways ec2:DescribeFlowLogs kms:ListAliases kms:GetKeyRotationStatus=2 \
     rds:DescribeDBSnapshots=2 cloudtrail:GetTrailStatus cloudtrail:GetEventSelectors lambda:GetPolicy20150331v2=2 \
     config:DescribeConfigRules=2 config:DescribeComplianceByConfigRule=2 secretsmanager:ListSecrets guardduty:ListFindings";

/// Service or role (a role has no dot), account, calls a minute, APIs: they follow the customers' load.
const MACHINES: &[(&str, usize, f64, &str)] = &[
    ("ec2.amazonaws.com", PRODUCTION, 0.8, "sts:AssumeRole"),
    ("lambda.amazonaws.com", PRODUCTION, 1.6, "sts:AssumeRole"),
    ("ecs-tasks.amazonaws.com", PRODUCTION, 0.6, "sts:AssumeRole"),
    ("lambda.amazonaws.com", DATA, 0.5, "sts:AssumeRole"),
    (
        "autoscaling.amazonaws.com",
        PRODUCTION,
        0.5,
        "ec2:RunInstances=3 ec2:TerminateInstances=3 elasticloadbalancing:RegisterTargets=3 elasticloadbalancing:DeregisterTargets=3 autoscaling:CompleteLifecycleAction=2",
    ),
    ("autoscaling.amazonaws.com", DATA, 0.15, "ec2:RunInstances=2 ec2:TerminateInstances=2"),
    ("secretsmanager.amazonaws.com", PRODUCTION, 0.1, "kms:GenerateDataKey kms:Decrypt=2"),
    ("config.amazonaws.com", PRODUCTION, 0.25, "config:PutEvaluations"),
    (
        "orders-service",
        PRODUCTION,
        2.2,
        "kms:Decrypt=8 kms:GenerateDataKey=4 logs:CreateLogStream=4 secretsmanager:GetSecretValue=3 ssm:GetParameters=3",
    ),
    (
        "payments-service",
        PRODUCTION,
        1.2,
        "kms:Decrypt=8 kms:GenerateDataKey=3 logs:CreateLogStream=2 secretsmanager:GetSecretValue=2",
    ),
    (
        "ingest-service",
        DATA,
        1.5,
        "kms:GenerateDataKey=6 kms:Decrypt=4 logs:CreateLogStream=3 glue:GetTable=2 glue:BatchCreatePartition",
    ),
    (
        "instance-fleet",
        PRODUCTION,
        1.6,
        "ssm:UpdateInstanceInformation=8 ssm:UpdateInstanceAssociationStatus ssm:PutInventory ssm:OpenDataChannel",
    ),
    (
        "container-agent",
        PRODUCTION,
        0.7,
        "ecs:SubmitTaskStateChange=2 ecs:SubmitContainerStateChange=2 ecr:GetAuthorizationToken=2 ecr:BatchGetImage=2 ecr:GetDownloadUrlForLayer=3",
    ),
    (
        "review-apps",
        DEVELOPMENT,
        0.8,
        "logs:CreateLogStream=3 ssm:GetParametersByPath=3 secretsmanager:GetSecretValue=2 sqs:GetQueueAttributes",
    ),
];

/// Everybody, in a fixed order: an actor's place is its identity in the dice.
pub(super) fn actors(apis: &[Api]) -> Vec<Actor> {
    let actor = |principal: Principal, account: usize, agent: &str, rhythm: Rhythm, palette: &str| {
        let (id, region) = ACCOUNTS[account];
        Actor { caller: Caller::new(&principal, id, region, agent), rhythm, palette: Palette::new(apis, palette) }
    };
    let role = |name: &str, session: &str| Principal::Role(name.to_string(), session.to_string());
    let browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36";
    let people = PEOPLE.iter().map(|&(name, zone, account, persona)| {
        let (sso, palette) = PERSONAS[persona];
        let principal = role(sso, &format!("{name}@example.com"));
        actor(principal, account, browser, Rhythm::Person { zone, hourly: 26.0 }, palette)
    });
    let pipelines = PIPELINES.iter().map(|&(name, account, zone, hourly, calls, palette)| {
        let principal = role("ci-deployer", name);
        let agent = "APN/1.0 HashiCorp/1.0 Terraform/1.9.5 aws-sdk-go-v2/1.30.3";
        actor(principal, account, agent, Rhythm::Pipeline { zone, hourly, calls }, palette)
    });
    let jobs = JOBS.iter().map(|&(name, account, palette, [every, at, over, calls])| {
        let agent = "Boto3/1.34.131 md/Botocore#1.34.131 ua/2.0 os/linux#5.10 lang/python#3.12";
        actor(
            role(name, "scheduled"),
            account,
            agent,
            Rhythm::Cron { every, at, over, calls: u64::from(calls) },
            palette,
        )
    });
    let scanners = SCANNERS.iter().map(|&(name, account, rate, agent, palette)| {
        actor(role(name, "scan"), account, agent, Rhythm::Steady { rate }, palette)
    });
    let machines = MACHINES.iter().map(|&(name, account, rate, palette)| {
        let principal = if name.contains('.') { Principal::Service(name) } else { role(name, "i-0f3c9a7e5b21d4680") };
        actor(principal, account, SDK, Rhythm::Load { rate }, palette)
    });
    let yearly = [
        actor(
            Principal::Root,
            DEVELOPMENT,
            browser,
            Rhythm::Cron { every: 10_080, at: 5_230, over: 1, calls: 2 },
            "signin:ConsoleLogin ce:GetCostForecast",
        ),
        actor(
            Principal::Internal,
            PRODUCTION,
            "",
            Rhythm::Cron { every: 1440, at: 611, over: 1, calls: 1 },
            "kms:RotateKey",
        ),
        actor(
            Principal::User("legacy-uploader".to_string()),
            DATA,
            "aws-cli/1.18.147 Python/2.7.18 Linux/4.14",
            Rhythm::Cron { every: 30, at: 11, over: 1, calls: 2 },
            "s3:GetBucketLocation=2 sts:GetSessionToken",
        ),
    ];
    people.chain(pipelines).chain(jobs).chain(scanners).chain(machines).chain(yearly).collect()
}

#[cfg(test)]
mod tests {
    use super::super::catalog;
    use super::*;

    #[test]
    fn every_api_that_an_actor_names_is_in_the_catalog() {
        let apis = catalog::apis();
        let texts = PERSONAS.iter().map(|persona| persona.1).chain(PIPELINES.iter().map(|pipeline| pipeline.5));
        let texts = texts.chain(JOBS.iter().map(|job| job.2)).chain(SCANNERS.iter().map(|scanner| scanner.4));
        for text in texts.chain(MACHINES.iter().map(|machine| machine.3)) {
            assert_eq!(Palette::new(&apis, text).by_weight().len(), text.split_whitespace().count(), "{text}");
        }
    }

    #[test]
    fn a_palette_is_drawn_by_weight() {
        let palette = Palette::new(&catalog::apis(), "ec2:RunInstances=3 sts:AssumeRole=1");
        let mut dice = Dice::of(&[1]);
        let first = palette.by_weight().first().copied();
        let drawn = (0..4000).filter(|_| palette.draw(&mut dice) == first).count();
        assert!((2850..3150).contains(&drawn), "{drawn}");
        assert_eq!(Palette::new(&catalog::apis(), "").draw(&mut dice), None);
    }
}
