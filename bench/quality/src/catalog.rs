//! The APIs that made-up accounts call: real services, and names of the form that theirs have.

/// One API of the catalog: a place in the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Api(pub(crate) u16);

/// An error code: a place in [`CODES`]; 0 is success.
pub(crate) type Code = u8;

pub(crate) const CODES: [&str; 12] = [
    "",
    "AccessDenied",
    "ThrottlingException",
    "NoSuchEntityException",
    "ValidationException",
    "Client.UnauthorizedOperation",
    "ResourceNotFoundException",
    "NoSuchBucketPolicy",
    "NoSuchCORSConfiguration",
    "ConflictException",
    "MalformedPolicyDocumentException",
    "Client.RequestLimitExceeded",
];
pub(crate) const SUCCESS: Code = 0;
pub(crate) const DENIED: Code = 1;
pub(crate) const THROTTLED: Code = 2;
pub(crate) const NO_ENTITY: Code = 3;
pub(crate) const INVALID: Code = 4;
pub(crate) const NOT_FOUND: Code = 6;
pub(crate) const NO_POLICY: Code = 7;
pub(crate) const NO_CORS: Code = 8;
pub(crate) const CONFLICT: Code = 9;
pub(crate) const MALFORMED: Code = 10;
/// What people run into.
pub(crate) const MISTAKES: [Code; 5] = [DENIED, INVALID, NO_ENTITY, NOT_FOUND, CONFLICT];

const WRITES: [&str; 4] = ["Create", "Delete", "Update", "Put"];
const READS: [&str; 3] = ["Get", "List", "Describe"];
const VERBS: usize = WRITES.len() + READS.len();
const NOUNS: usize = 8;

const SERVICES: [(&str, [&str; NOUNS]); 24] = [
    ("ec2", ["Volume", "SecurityGroup", "Subnet", "Vpc", "LaunchTemplate", "Image", "RouteTable", "NetworkInterface"]),
    ("iam", ["Role", "User", "AccessKey", "Policy", "LoginProfile", "InstanceProfile", "Group", "PolicyVersion"]),
    (
        "s3",
        [
            "Bucket",
            "BucketPolicy",
            "BucketAcl",
            "BucketCors",
            "BucketTagging",
            "BucketLogging",
            "BucketWebsite",
            "AccessPoint",
        ],
    ),
    (
        "lambda",
        [
            "Function",
            "Alias",
            "EventSourceMapping",
            "LayerVersion",
            "FunctionConcurrency",
            "FunctionUrlConfig",
            "CodeSigningConfig",
            "Permission",
        ],
    ),
    (
        "rds",
        [
            "DBInstance",
            "DBCluster",
            "DBSnapshot",
            "DBParameterGroup",
            "DBSubnetGroup",
            "OptionGroup",
            "DBProxy",
            "EventSubscription",
        ],
    ),
    (
        "dynamodb",
        [
            "Table",
            "Backup",
            "GlobalTable",
            "TimeToLive",
            "ContinuousBackups",
            "ResourcePolicy",
            "TableReplica",
            "Export",
        ],
    ),
    (
        "ssm",
        [
            "Parameter",
            "Document",
            "Association",
            "MaintenanceWindow",
            "PatchBaseline",
            "OpsItem",
            "Activation",
            "ResourceDataSync",
        ],
    ),
    (
        "secretsmanager",
        [
            "Secret",
            "SecretValue",
            "SecretPolicy",
            "SecretVersion",
            "RandomSecret",
            "Rotation",
            "ReplicaRegion",
            "SecretTag",
        ],
    ),
    ("kms", ["Key", "KeyAlias", "Grant", "KeyPolicy", "CustomKeyStore", "ImportedKey", "KeyRotation", "ReplicaKey"]),
    (
        "ecs",
        [
            "Service",
            "Cluster",
            "TaskSet",
            "CapacityProvider",
            "TaskDefinition",
            "Attributes",
            "AccountSetting",
            "TaskProtection",
        ],
    ),
    (
        "eks",
        [
            "Cluster",
            "Nodegroup",
            "Addon",
            "FargateProfile",
            "AccessEntry",
            "PodIdentityAssociation",
            "Insight",
            "Subscription",
        ],
    ),
    (
        "ecr",
        [
            "Repository",
            "LifecyclePolicy",
            "RegistryPolicy",
            "Image",
            "PullThroughCacheRule",
            "RepositoryPolicy",
            "ScanConfig",
            "Replication",
        ],
    ),
    (
        "sns",
        [
            "Topic",
            "Subscription",
            "PlatformApplication",
            "Endpoint",
            "DataProtectionPolicy",
            "SMSPreference",
            "TopicAttribute",
            "OptIn",
        ],
    ),
    (
        "sqs",
        [
            "Queue",
            "QueueTag",
            "QueueAttribute",
            "QueuePermission",
            "MoveTask",
            "QueuePolicy",
            "DeadLetter",
            "MessageMove",
        ],
    ),
    (
        "logs",
        [
            "LogGroup",
            "LogAnomalyDetector",
            "SubscriptionFilter",
            "AccountPolicy",
            "MetricFilter",
            "Destination",
            "QueryDefinition",
            "LogDelivery",
        ],
    ),
    (
        "monitoring",
        [
            "Alarm",
            "Dashboard",
            "AnomalyDetector",
            "InsightRule",
            "MetricStream",
            "CompositeAlarm",
            "ManagedRule",
            "MetricTag",
        ],
    ),
    (
        "cloudformation",
        [
            "Stack",
            "ChangeSet",
            "StackSet",
            "StackInstances",
            "TypeConfiguration",
            "StackPolicy",
            "Resource",
            "Template",
        ],
    ),
    (
        "route53",
        [
            "HostedZone",
            "HealthCheck",
            "TrafficPolicy",
            "QueryLoggingConfig",
            "KeySigningKey",
            "RecordSet",
            "CidrCollection",
            "ReusableSet",
        ],
    ),
    (
        "elasticloadbalancing",
        [
            "LoadBalancer",
            "TargetGroup",
            "Listener",
            "Rule",
            "TrustStore",
            "ListenerCertificate",
            "TargetHealth",
            "Attribute",
        ],
    ),
    (
        "autoscaling",
        [
            "AutoScalingGroup",
            "LaunchConfiguration",
            "ScalingPolicy",
            "LifecycleHook",
            "ScheduledAction",
            "WarmPool",
            "NotificationConfiguration",
            "TrafficSource",
        ],
    ),
    (
        "states",
        [
            "StateMachine",
            "Activity",
            "StateMachineAlias",
            "StateMachineVersion",
            "MapRun",
            "Execution",
            "ActivityTask",
            "MachineTag",
        ],
    ),
    ("events", ["Rule", "EventBus", "ApiDestination", "Connection", "Archive", "Replay", "Targets", "Endpoint"]),
    (
        "athena",
        [
            "WorkGroup",
            "NamedQuery",
            "DataCatalog",
            "PreparedStatement",
            "Notebook",
            "CapacityReservation",
            "Session",
            "QueryResult",
        ],
    ),
    ("glue", ["Job", "Crawler", "Database", "Trigger", "DevEndpoint", "Workflow", "SchemaVersion", "Partition"]),
];

/// APIs that stand out by what they do; (service, name, whether it reads).
const SPECIAL: [(&str, &str, bool); 22] = [
    ("ec2", "RunInstances", false),
    ("ec2", "TerminateInstances", false),
    ("ec2", "CreateTags", false),
    ("ec2", "DeleteSnapshot", false),
    ("ec2", "CreateSnapshot", false),
    ("elasticloadbalancing", "RegisterTargets", false),
    ("elasticloadbalancing", "DeregisterTargets", false),
    ("autoscaling", "CompleteLifecycleAction", false),
    ("ssm", "UpdateInstanceInformation", false),
    ("ssm", "UpdateInstanceAssociationStatus", false),
    ("ssm", "SendCommand", false),
    ("iam", "UpdateAssumeRolePolicy", false),
    ("iam", "AttachUserPolicy", false),
    ("sts", "GetCallerIdentity", true),
    ("s3", "PutObjectLockConfiguration", false),
    ("s3", "DeleteObjects", false),
    ("logs", "CreateLogStream", false),
    ("logs", "PutRetentionPolicy", false),
    ("ecs", "RunTask", false),
    ("ecr", "BatchDeleteImage", false),
    ("signin", "ConsoleLogin", false),
    ("rds", "ModifyDBInstance", false),
];

const REGULAR: usize = SERVICES.len() * NOUNS * VERBS;

impl Api {
    /// Every API there is.
    pub(crate) fn all() -> impl Iterator<Item = Api> {
        (0..(REGULAR + SPECIAL.len()) as u16).map(Api)
    }

    /// All APIs of a service of the catalog.
    pub(crate) fn of_service(service: usize) -> Vec<Api> {
        let first = (service % SERVICES.len()) * NOUNS * VERBS;
        (first..first + NOUNS * VERBS).map(|place| Api(place as u16)).collect()
    }

    pub(crate) const fn services() -> usize {
        SERVICES.len()
    }

    /// One of those that stand out; a name that is not there is the first of them.
    pub(crate) fn special(name: &str) -> Api {
        let place = SPECIAL.iter().position(|each| each.1 == name).unwrap_or_default();
        Api((REGULAR + place) as u16)
    }

    pub(crate) fn source(self) -> String {
        let place = usize::from(self.0);
        let service =
            SPECIAL.get(place.wrapping_sub(REGULAR)).map_or_else(|| SERVICES[place / NOUNS / VERBS].0, |each| each.0);
        format!("{service}.amazonaws.com")
    }

    pub(crate) fn name(self) -> String {
        let place = usize::from(self.0);
        if let Some(special) = SPECIAL.get(place.wrapping_sub(REGULAR)) {
            return special.1.to_owned();
        }
        let (noun, verb) = (SERVICES[place / NOUNS / VERBS].1[place / VERBS % NOUNS], place % VERBS);
        let verb = WRITES.get(verb).copied().unwrap_or_else(|| READS[verb - WRITES.len()]);
        format!("{verb}{noun}")
    }

    pub(crate) fn reads(self) -> bool {
        let place = usize::from(self.0);
        SPECIAL.get(place.wrapping_sub(REGULAR)).map_or(place % VERBS >= WRITES.len(), |special| special.2)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Api;

    #[test]
    fn every_api_has_a_name_of_its_own() {
        let names: BTreeSet<(String, String)> = Api::all().map(|api| (api.source(), api.name())).collect();
        assert_eq!(names.len(), Api::all().count());
    }

    #[test]
    fn reading_apis_are_known_by_their_names() {
        for api in Api::all() {
            let name = api.name();
            let reads = ["Get", "List", "Describe"].iter().any(|verb| name.starts_with(verb));
            assert_eq!(api.reads(), reads, "{name}");
        }
        assert_eq!(Api::special("SendCommand").name(), "SendCommand");
        assert_eq!(Api::special("SendCommand").source(), "ssm.amazonaws.com");
    }
}
