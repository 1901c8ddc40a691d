//! The APIs that the simulated organisation calls, under the names that AWS gives them.

/// One API.
#[derive(Clone, Debug)]
pub(super) struct Api {
    /// Service prefix, for instance `ec2`; `eventSource` is this and `.amazonaws.com`.
    pub(super) service: &'static str,
    /// `eventName`.
    pub(super) name: &'static str,
    /// `readOnly`.
    pub(super) read_only: bool,
}

impl Api {
    /// Services without a Region log in us-east-1.
    pub(super) fn is_global(&self) -> bool {
        matches!(self.service, "iam" | "organizations" | "route53" | "cloudfront" | "signin")
    }

    /// The error that this API returns in ordinary operation, how often, and what it says.
    pub(super) fn ordinary_error(&self) -> Option<(f64, &'static str, &'static str)> {
        ORDINARY_ERRORS
            .iter()
            .find(|(service, name, ..)| (*service, *name) == (self.service, self.name))
            .map(|(_, _, share, code, message)| (*share, *code, *message))
    }
}

/// (service, reads, writes).
const SERVICES: &[(&str, &str, &str)] = &[
    (
        "ec2",
        "DescribeInstances DescribeInstanceStatus DescribeVolumes DescribeSnapshots DescribeSecurityGroups \
         DescribeSubnets DescribeVpcs DescribeImages DescribeNetworkInterfaces DescribeRouteTables \
         DescribeAddresses DescribeTags DescribeLaunchTemplates DescribeKeyPairs DescribeAvailabilityZones \
         DescribeRegions DescribeInternetGateways DescribeFlowLogs GetPasswordData",
        "RunInstances TerminateInstances StartInstances StopInstances CreateTags CreateSnapshot DeleteSnapshot \
         CreateVolume AttachVolume AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress CreateSecurityGroup \
         ModifyInstanceAttribute CreateNetworkInterface DeleteNetworkInterface CreateLaunchTemplateVersion \
         AssociateAddress ModifySnapshotAttribute CreateKeyPair",
    ),
    (
        "iam",
        "GetRole GetRolePolicy GetUser GetPolicy GetPolicyVersion ListRoles ListUsers ListPolicies \
         ListAttachedRolePolicies ListAccessKeys ListGroups GetAccountSummary GetInstanceProfile \
         GetAccountAuthorizationDetails SimulatePrincipalPolicy",
        "CreateRole DeleteRole AttachRolePolicy DetachRolePolicy PutRolePolicy CreateAccessKey DeleteAccessKey \
         UpdateAccessKey CreateUser AttachUserPolicy PassRole TagRole CreatePolicyVersion CreateLoginProfile",
    ),
    ("sts", "AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity GetCallerIdentity GetSessionToken", ""),
    (
        "s3",
        "ListBuckets GetBucketPolicy GetBucketAcl GetBucketLocation GetBucketVersioning GetBucketEncryption \
         GetBucketTagging GetBucketReplication GetBucketPolicyStatus GetBucketPublicAccessBlock GetBucketCors \
         GetBucketLifecycle",
        "CreateBucket DeleteBucket PutBucketPolicy PutBucketLifecycle PutBucketTagging PutBucketEncryption \
         DeleteBucketPolicy",
    ),
    (
        "lambda",
        "GetFunction20150331v2 ListFunctions20150331 GetFunctionConfiguration20150331v2 ListTags20170331 \
         GetPolicy20150331v2",
        "UpdateFunctionCode20150331v2 UpdateFunctionConfiguration20150331v2 PublishVersion20150331 \
         UpdateAlias20150331 CreateFunction20150331 AddPermission20150331v2 TagResource20170331v2",
    ),
    (
        "ecs",
        "DescribeServices DescribeTasks DescribeClusters DescribeTaskDefinition ListServices ListTasks",
        "RegisterTaskDefinition UpdateService RunTask StopTask DeregisterTaskDefinition \
         SubmitTaskStateChange SubmitContainerStateChange",
    ),
    (
        "ecr",
        "GetAuthorizationToken BatchGetImage DescribeImages DescribeRepositories BatchCheckLayerAvailability \
         GetDownloadUrlForLayer",
        "PutImage InitiateLayerUpload UploadLayerPart CompleteLayerUpload CreateRepository BatchDeleteImage",
    ),
    (
        "cloudformation",
        "DescribeStacks DescribeStackEvents DescribeStackResources GetTemplate ListStacks DescribeChangeSet",
        "CreateChangeSet ExecuteChangeSet CreateStack UpdateStack DeleteStack",
    ),
    ("kms", "Decrypt GenerateDataKey DescribeKey ListKeys ListAliases GetKeyRotationStatus", "CreateGrant RotateKey"),
    (
        "logs",
        "DescribeLogGroups DescribeLogStreams FilterLogEvents GetQueryResults",
        "CreateLogStream CreateLogGroup PutRetentionPolicy StartQuery",
    ),
    ("monitoring", "DescribeAlarms DescribeAlarmHistory ListDashboards", "PutMetricAlarm SetAlarmState PutDashboard"),
    (
        "rds",
        "DescribeDBInstances DescribeDBClusters DescribeDBSnapshots DescribeEvents ListTagsForResource",
        "CreateDBSnapshot DeleteDBSnapshot ModifyDBInstance ModifyDBSnapshotAttribute",
    ),
    (
        "ssm",
        "GetParameter GetParameters GetParametersByPath DescribeInstanceInformation DescribeParameters \
         ListCommandInvocations",
        "UpdateInstanceInformation SendCommand PutParameter DeleteParameter PutInventory StartSession \
         UpdateInstanceAssociationStatus OpenDataChannel",
    ),
    (
        "secretsmanager",
        "GetSecretValue DescribeSecret ListSecrets",
        "PutSecretValue RotateSecret UpdateSecret CreateSecret",
    ),
    ("dynamodb", "DescribeTable ListTables DescribeContinuousBackups", "UpdateTable CreateTable CreateBackup"),
    (
        "autoscaling",
        "DescribeAutoScalingGroups DescribeScalingActivities DescribePolicies",
        "SetDesiredCapacity UpdateAutoScalingGroup CompleteLifecycleAction PutScalingPolicy",
    ),
    (
        "elasticloadbalancing",
        "DescribeLoadBalancers DescribeTargetHealth DescribeTargetGroups DescribeListeners",
        "RegisterTargets DeregisterTargets ModifyListener ModifyRule",
    ),
    ("cloudtrail", "LookupEvents DescribeTrails GetTrailStatus GetEventSelectors", "StopLogging UpdateTrail"),
    (
        "config",
        "DescribeConfigRules DescribeComplianceByConfigRule SelectResourceConfig",
        "PutEvaluations StartConfigRulesEvaluation",
    ),
    ("guardduty", "ListDetectors GetFindings ListFindings", "UpdateFindingsFeedback"),
    ("securityhub", "GetFindings DescribeHub", "BatchImportFindings BatchUpdateFindings"),
    ("athena", "GetQueryExecution GetQueryResults ListWorkGroups", "StartQueryExecution StopQueryExecution"),
    (
        "glue",
        "GetTable GetTables GetDatabases GetPartitions GetJobRun",
        "StartJobRun UpdateTable BatchCreatePartition StartCrawler",
    ),
    ("sagemaker", "DescribeTrainingJob ListTrainingJobs DescribeEndpoint", "CreateTrainingJob UpdateEndpoint"),
    ("sns", "ListTopics GetTopicAttributes", "CreateTopic Subscribe SetTopicAttributes"),
    ("sqs", "GetQueueAttributes ListQueues", "CreateQueue SetQueueAttributes PurgeQueue"),
    ("route53", "ListHostedZones ListResourceRecordSets GetChange", "ChangeResourceRecordSets"),
    ("cloudfront", "GetDistribution ListDistributions", "CreateInvalidation UpdateDistribution"),
    ("eks", "DescribeCluster ListClusters DescribeNodegroup", "UpdateNodegroupConfig"),
    ("backup", "DescribeBackupJob ListBackupJobs", "StartBackupJob DeleteRecoveryPoint"),
    ("states", "DescribeExecution ListExecutions", "StartExecution"),
    ("organizations", "ListAccounts DescribeOrganization", ""),
    ("ce", "GetCostAndUsage GetCostForecast", ""),
    ("signin", "", "ConsoleLogin"),
];

/// Errors that come up day by day although nothing is wrong: (service, name, share of calls, code, message).
const ORDINARY_ERRORS: &[(&str, &str, f64, &str, &str)] = &[
    ("s3", "GetBucketPolicy", 0.25, "NoSuchBucketPolicy", "The bucket policy does not exist"),
    ("s3", "GetBucketTagging", 0.2, "NoSuchTagSet", "The TagSet does not exist"),
    ("s3", "GetBucketCors", 0.5, "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    ("s3", "GetBucketLifecycle", 0.3, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
    (
        "s3",
        "GetBucketReplication",
        0.6,
        "ReplicationConfigurationNotFoundError",
        "The replication configuration was not found",
    ),
    ("iam", "GetRolePolicy", 0.05, "NoSuchEntityException", "The role policy cannot be found."),
    ("iam", "GetInstanceProfile", 0.05, "NoSuchEntityException", "Instance Profile cannot be found."),
    (
        "lambda",
        "GetPolicy20150331v2",
        0.2,
        "ResourceNotFoundException",
        "No policy is associated with the given resource.",
    ),
    ("ssm", "GetParameter", 0.02, "ParameterNotFound", ""),
    ("ecr", "BatchGetImage", 0.01, "ImageNotFoundException", "The image requested does not exist."),
    (
        "ecr",
        "CreateRepository",
        0.3,
        "RepositoryAlreadyExistsException",
        "The repository already exists in the registry.",
    ),
    ("cloudformation", "DescribeStacks", 0.04, "ValidationException", "Stack does not exist"),
    (
        "cloudformation",
        "ExecuteChangeSet",
        0.03,
        "InvalidChangeSetStatusException",
        "ChangeSet cannot be executed in its current status",
    ),
    ("logs", "CreateLogStream", 0.02, "ResourceAlreadyExistsException", "The specified log stream already exists"),
    ("logs", "CreateLogGroup", 0.4, "ResourceAlreadyExistsException", "The specified log group already exists"),
    ("ec2", "DescribeInstances", 0.004, "Client.RequestLimitExceeded", "Request limit exceeded."),
    (
        "ec2",
        "AuthorizeSecurityGroupIngress",
        0.1,
        "Client.InvalidPermission.Duplicate",
        "the specified rule already exists",
    ),
    ("ec2", "DeleteNetworkInterface", 0.06, "Client.InvalidParameterValue", "Network interface is currently in use."),
    ("kms", "Decrypt", 0.003, "AccessDenied", "User is not authorized to perform: kms:Decrypt"),
    ("sts", "AssumeRole", 0.01, "AccessDenied", "User is not authorized to perform: sts:AssumeRole"),
    ("ce", "GetCostAndUsage", 0.05, "AccessDenied", "User is not authorized to perform: ce:GetCostAndUsage"),
    (
        "rds",
        "CreateDBSnapshot",
        0.02,
        "DBSnapshotAlreadyExistsFault",
        "Cannot create the snapshot because it already exists",
    ),
];

/// Every API, sorted by service and then as listed.
pub(super) fn apis() -> Vec<Api> {
    let named = |service: &'static str, names: &'static str, read_only: bool| {
        names.split_whitespace().map(move |name| Api { service, name, read_only })
    };
    SERVICES
        .iter()
        .flat_map(|(service, reads, writes)| named(service, reads, true).chain(named(service, writes, false)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_is_listed_once_and_every_ordinary_error_names_one() {
        let apis = apis();
        let mut names: Vec<_> = apis.iter().map(|api| (api.service, api.name)).collect();
        names.sort_unstable();
        let listed = names.len();
        names.dedup();
        assert_eq!(names.len(), listed);
        assert!(listed >= 200, "{listed}");
        for (service, name, share, ..) in ORDINARY_ERRORS {
            assert!(names.binary_search(&(service, name)).is_ok(), "{service}:{name}");
            assert!((0.0..=1.0).contains(share));
        }
    }
}
