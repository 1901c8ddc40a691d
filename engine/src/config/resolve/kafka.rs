//! What sources and sinks of Kafka share: brokers, TLS, SASL.

use std::path::PathBuf;

use secrecy::SecretString;

use super::Context;
use crate::config::secret::Secret;
use crate::config::written::{GroupProtocol, KafkaSource, Mechanism, OnGap, Sasl, Tls};
use crate::kafka;

/// Topics of a Kafka cluster, read as a member of a consumer group.
#[derive(Clone, Debug)]
pub struct KafkaSourceConfig {
    /// Where and how.
    pub cluster: kafka::Cluster,
    /// Names, and patterns that begin with `^`.
    pub topics: Vec<String>,
    /// The consumer group.
    pub group_id: String,
    /// Static membership.
    pub instance_id: Option<String>,
    /// How the group agrees.
    pub group_protocol: GroupProtocol,
    /// Where a partition is begun.
    pub start: Start,
    /// Where reading goes on behind a gap.
    pub on_gap: OnGap,
    /// How long an instance may be silent, milliseconds.
    pub session_timeout: u64,
    /// Bytes fetched ahead.
    pub fetch_memory: u64,
}

/// Where a partition is begun that nobody of the group has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record there is.
    Earliest,
    /// With what comes from now on.
    Latest,
    /// With the first record at or after this, milliseconds since the epoch.
    At(i64),
}

pub(super) fn source(context: &mut Context<'_>, key: &str, source: &KafkaSource) -> Option<KafkaSourceConfig> {
    let cluster = cluster(context, key, &source.brokers, source.tls.as_ref(), source.sasl.as_ref());
    for (position, topic) in source.topics.iter().enumerate() {
        topic_name(context, &format!("{key}.topics[{position}]"), topic);
    }
    if source.group_protocol == GroupProtocol::Consumer && source.instance_id.is_some() {
        let problem = "cannot be had with group_protocol = \"consumer\": after a crash the broker keeps the place for \
                       the dead instance until its session ends";
        context.problem(format!("{key}.instance_id"), "", problem, "group_protocol = \"classic\", or no instance_id");
    }
    let start = match source.start.as_str() {
        "earliest" => Some(Start::Earliest),
        "latest" => Some(Start::Latest),
        time => trailsight_schemas::time::parse_rfc3339(time).map(|seconds| Start::At(seconds.saturating_mul(1000))),
    };
    if start.is_none() {
        let allowed = "\"earliest\", \"latest\", or RFC 3339, such as \"2027-01-31T00:00:00Z\"";
        context.problem(format!("{key}.start"), &source.start, "is not where a topic can be begun", allowed);
    }
    Some(KafkaSourceConfig {
        cluster: cluster?,
        topics: source.topics.clone(),
        group_id: source.group_id.clone(),
        instance_id: source.instance_id.clone(),
        group_protocol: source.group_protocol,
        start: start?,
        on_gap: source.on_gap,
        session_timeout: source.session_timeout.0,
        fetch_memory: source.fetch_memory.0,
    })
}

/// Brokers, TLS and SASL of a source or sink whose keys begin with `key`.
pub(super) fn cluster(
    context: &mut Context<'_>,
    key: &str,
    brokers: &[String],
    tls: Option<&Tls>,
    sasl: Option<&Sasl>,
) -> Option<kafka::Cluster> {
    let mut whole = true;
    for (position, broker) in brokers.iter().enumerate() {
        let port = broker.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if broker.contains([',', '/', ' ']) || !matches!(port, Some(Ok(1..))) {
            context.problem(format!("{key}.brokers[{position}]"), broker, "is not an address", "HOST:PORT");
            whole = false;
        }
    }
    let tls = tls.map(|tls| tls_of(context, &format!("{key}.tls"), tls));
    let sasl = sasl.map(|sasl| sasl_of(context, &format!("{key}.sasl"), sasl));
    whole &= !matches!(tls, Some(None)) && !matches!(sasl, Some(None));
    if whole && tls.is_none() && matches!(&sasl, Some(Some(kafka::Sasl::Plain(_) | kafka::Sasl::OAuthBearer(_)))) {
        context.warn(format!("{key}.sasl"), "the password or token goes over the network unencrypted; [tls] hides it");
    }
    whole.then(|| kafka::Cluster { brokers: brokers.to_vec(), tls: tls.flatten(), sasl: sasl.flatten() })
}

/// Kafka's own rule for names; what a pattern may be is for the client to say.
pub(super) fn topic_name(context: &mut Context<'_>, key: &str, topic: &str) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let named = (1..=249).contains(&topic.len()) && topic.bytes().all(plain) && topic != "." && topic != "..";
    if !named && !topic.starts_with('^') {
        let allowed = "1 to 249 of a-z, A-Z, 0-9, ., _ and -; a pattern begins with ^";
        context.problem(key, topic, "is not the name of a topic", allowed);
    }
}

fn tls_of(context: &mut Context<'_>, key: &str, tls: &Tls) -> Option<kafka::Tls> {
    let mut whole = true;
    let files = [("ca_file", &tls.ca_file), ("certificate_file", &tls.certificate_file), ("key_file", &tls.key_file)];
    for (name, path) in files {
        if let Some(path) = path
            && let Err(error) = std::fs::File::open(path)
        {
            context.problem(format!("{key}.{name}"), path, &format!("cannot be read: {error}"), "a file in PEM form");
            whole = false;
        }
    }
    if tls.certificate_file.is_some() != tls.key_file.is_some() {
        let missing = if tls.key_file.is_none() { "key_file" } else { "certificate_file" };
        context.problem(format!("{key}.{missing}"), "", "is missing: certificate and key go together", "both, or none");
        whole = false;
    }
    let password = tls.key_password.as_ref().map(|password| context.secret(&format!("{key}.key_password"), password));
    let path = |path: &Option<String>| path.as_ref().map(PathBuf::from);
    (whole && !matches!(password, Some(None))).then(|| kafka::Tls {
        ca_file: path(&tls.ca_file),
        certificate_file: path(&tls.certificate_file),
        key_file: path(&tls.key_file),
        key_password: password.flatten(),
        verify_hostname: tls.verify_hostname,
    })
}

/// Keys of [`Sasl`] that a mechanism needs, and the one that it may have.
fn keys_of(mechanism: Mechanism) -> (&'static [&'static str], &'static [&'static str]) {
    match mechanism {
        Mechanism::Plain | Mechanism::ScramSha256 | Mechanism::ScramSha512 => (&["username", "password"], &[]),
        Mechanism::OAuthBearer => (&["token_url", "client_id", "client_secret"], &["scope"]),
    }
}

fn sasl_of(context: &mut Context<'_>, key: &str, sasl: &Sasl) -> Option<kafka::Sasl> {
    let given = [
        ("username", sasl.username.is_some()),
        ("password", sasl.password.is_some()),
        ("token_url", sasl.token_url.is_some()),
        ("client_id", sasl.client_id.is_some()),
        ("client_secret", sasl.client_secret.is_some()),
        ("scope", sasl.scope.is_some()),
    ];
    let (needed, allowed) = keys_of(sasl.mechanism);
    for (name, given) in given {
        if given && !needed.contains(&name) && !allowed.contains(&name) {
            let allowed = [needed, allowed].concat().join(", ");
            context.problem(format!("{key}.{name}"), "", "is not a key of this mechanism", &allowed);
        } else if !given && needed.contains(&name) {
            context.problem(format!("{key}.{name}"), "", "is missing", "");
        }
    }
    let mut secret = |name: &str, secret: &Option<Secret>| context.secret(&format!("{key}.{name}"), secret.as_ref()?);
    let password = secret("password", &sasl.password);
    let client_secret = secret("client_secret", &sasl.client_secret);
    match sasl.mechanism {
        Mechanism::Plain => Some(kafka::Sasl::Plain(login(sasl, password?)?)),
        Mechanism::ScramSha256 => Some(kafka::Sasl::Scram(kafka::ScramHash::Sha256, login(sasl, password?)?)),
        Mechanism::ScramSha512 => Some(kafka::Sasl::Scram(kafka::ScramHash::Sha512, login(sasl, password?)?)),
        Mechanism::OAuthBearer => oidc(context, key, sasl, client_secret),
    }
}

fn login(sasl: &Sasl, password: SecretString) -> Option<kafka::Password> {
    Some(kafka::Password { username: sasl.username.clone()?, password })
}

fn oidc(context: &mut Context<'_>, key: &str, sasl: &Sasl, secret: Option<SecretString>) -> Option<kafka::Sasl> {
    let text = sasl.token_url.as_ref()?;
    let url = reqwest::Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.password().is_none());
    if url.is_none() {
        context.problem(format!("{key}.token_url"), text, "is not a URL", "https://HOST/PATH");
    }
    Some(kafka::Sasl::OAuthBearer(kafka::Oidc {
        token_url: url?,
        client_id: sasl.client_id.clone()?,
        client_secret: secret?,
        scope: sasl.scope.clone(),
    }))
}
