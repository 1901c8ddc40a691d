//! What sources and sinks of Kafka share, and `[sources.NAME]` of type `kafka`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::secret::Secret;
use crate::config::units::{Size, Span};

/// Topics of a Kafka cluster, read as a member of a consumer group.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaSource {
    /// `host:port` of the brokers that are asked first.
    #[schemars(length(min = 1, max = 64))]
    pub brokers: Vec<String>,
    /// Topics to read. One that begins with `^` is a pattern, and new topics that match it are read too.
    #[schemars(length(min = 1, max = 256))]
    pub topics: Vec<String>,
    /// The consumer group. Instances of one group share the partitions.
    #[serde(default = "group_id")]
    #[schemars(length(min = 1, max = 255))]
    pub group_id: String,
    /// A name of this instance that outlives it (static membership): a restart takes its partitions up at once.
    /// Two instances must not have the same.
    #[schemars(length(min = 1, max = 249))]
    pub instance_id: Option<String>,
    /// How the group agrees on who reads what.
    #[serde(default)]
    pub group_protocol: GroupProtocol,
    /// Where a partition is begun that nobody of the group has read: `earliest`, `latest`, or a time in RFC 3339.
    #[serde(default = "earliest")]
    #[schemars(length(min = 1, max = 64))]
    pub start: String,
    /// Where reading goes on when what comes next has been deleted by the topic's retention.
    #[serde(default)]
    pub on_gap: OnGap,
    /// How long an instance may be silent before its partitions go to others. Not with `group_protocol = "consumer"`,
    /// where it is a setting of the brokers.
    #[serde(default = "session_timeout")]
    #[schemars(extend("x-min" = "6s", "x-max" = "5m"))]
    pub session_timeout: Span,
    /// Messages fetched ahead.
    #[serde(default = "fetch_memory")]
    #[schemars(extend("x-min" = "1MiB", "x-max" = "1GiB"))]
    pub fetch_memory: Size,
    /// TLS; with it alone, even empty, the connection is encrypted.
    pub tls: Option<Tls>,
    /// Who we are.
    pub sasl: Option<Sasl>,
}

/// How a group agrees on who reads what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// Cooperative rebalancing, with `instance_id` or without.
    #[default]
    Classic,
    /// The protocol of Kafka 4 (KIP-848), without `instance_id`.
    Consumer,
}

/// Where reading goes on behind a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnGap {
    /// With the oldest record that is still there.
    #[default]
    Earliest,
    /// With what comes from now on.
    Latest,
}

/// TLS towards the brokers. Files are PEM.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Authorities that the brokers' certificates are signed by. None: those of the system.
    #[schemars(length(min = 1, max = 4096))]
    pub ca_file: Option<String>,
    /// Our certificate, where the brokers ask for one.
    #[schemars(length(min = 1, max = 4096))]
    pub certificate_file: Option<String>,
    /// The key of our certificate.
    #[schemars(length(min = 1, max = 4096))]
    pub key_file: Option<String>,
    /// What the key is encrypted with.
    pub key_password: Option<Secret>,
    /// Whether a broker's certificate must be for the name that was dialled.
    #[serde(default = "yes")]
    pub verify_hostname: bool,
}

/// Who we are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// How it is said.
    pub mechanism: Mechanism,
    /// With plain and scram.
    #[schemars(length(min = 1, max = 1024))]
    pub username: Option<String>,
    /// With plain and scram.
    pub password: Option<Secret>,
    /// With oauthbearer: where the identity provider gives tokens.
    #[schemars(length(min = 1, max = 2048))]
    pub token_url: Option<String>,
    /// With oauthbearer.
    #[schemars(length(min = 1, max = 1024))]
    pub client_id: Option<String>,
    /// With oauthbearer.
    pub client_secret: Option<Secret>,
    /// With oauthbearer: what the token is for.
    #[schemars(length(min = 1, max = 1024))]
    pub scope: Option<String>,
}

/// How we say who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// Name and password.
    Plain,
    /// Name and a proof of the password.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// Name and a proof of the password.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
    /// A token of an identity provider (OIDC, client credentials).
    #[serde(rename = "oauthbearer")]
    OAuthBearer,
}

fn group_id() -> String {
    "trailsight".to_owned()
}

fn earliest() -> String {
    "earliest".to_owned()
}

fn session_timeout() -> Span {
    Span::seconds(45)
}

fn fetch_memory() -> Size {
    Size::mebibytes(64)
}

fn yes() -> bool {
    true
}
