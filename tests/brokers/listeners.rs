//! Where brokers listen, and their properties.

use std::fmt::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::certificates::Certificates;
use super::{ENGINE, PASSWORD, STRANGER};

/// Any base64 of 16 bytes; all brokers of a cluster have the same.
pub(super) const CLUSTER_ID: &str = "dHJhaWxzaWdodC10ZXN0cw";

/// Ports of one broker, the same over its restarts.
#[derive(Clone, Debug)]
pub(super) struct Listeners {
    pub(super) plain: u16,
    pub(super) sasl_tls: u16,
    pub(super) mutual_tls: u16,
    pub(super) tokens: u16,
    pub(super) expired_tls: u16,
    pub(super) controller: u16,
}

impl Listeners {
    /// Six ports that nobody listens on.
    pub(super) fn choose() -> Listeners {
        let [plain, sasl_tls, mutual_tls, tokens, expired_tls, controller] = std::array::from_fn(|_| free_port());
        Listeners { plain, sasl_tls, mutual_tls, tokens, expired_tls, controller }
    }
}

/// A port below those that the kernel gives to connections, and to whoever asks for any: a broker that is down
/// finds its own still free when it comes back. Each is given out once; test processes begin at different ones.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 12_000;
    const PORTS: u32 = 20_000;
    let begin = std::process::id().wrapping_mul(97);
    let candidates = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed)).take(PORTS as usize);
    let ports = candidates.map(|next| (FIRST + begin.wrapping_add(next) % PORTS) as u16);
    ports.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// `server.properties` of one broker of a cluster.
pub(super) fn properties(folder: &Path, certificates: &Certificates, all: &[Listeners], index: usize) -> String {
    let own = &all[index];
    let replicas = all.len().min(3);
    let least = if replicas == 3 { 2 } else { 1 };
    let voters: Vec<String> =
        all.iter().enumerate().map(|(node, of)| format!("{}@127.0.0.1:{}", node + 1, of.controller)).collect();
    let mut text = String::new();
    let mut set = |key: &str, value: &str| writeln!(text, "{key}={value}").expect("writing to memory");
    set("node.id", &(index + 1).to_string());
    set("process.roles", "broker,controller");
    set("controller.quorum.voters", &voters.join(","));
    set("controller.listener.names", "CONTROLLER");
    set("inter.broker.listener.name", "PLAINTEXT");
    set("log.dirs", &folder.join(format!("broker-{index}-data")).display().to_string());
    let listeners = [
        ("PLAINTEXT", "PLAINTEXT", own.plain),
        ("SASL_SSL", "SASL_SSL", own.sasl_tls),
        ("MUTUAL", "SSL", own.mutual_tls),
        ("TOKENS", "SASL_PLAINTEXT", own.tokens),
        ("EXPIRED", "SSL", own.expired_tls),
        ("CONTROLLER", "PLAINTEXT", own.controller),
    ];
    let joined = |each: &dyn Fn(&(&str, &str, u16)) -> String| listeners.iter().map(each).collect::<Vec<_>>().join(",");
    set("listeners", &joined(&|(name, _, port)| format!("{name}://127.0.0.1:{port}")));
    set("listener.security.protocol.map", &joined(&|(name, protocol, _)| format!("{name}:{protocol}")));
    for (key, value) in sasl(certificates) {
        set(&key, &value);
    }
    for (key, value) in [
        // Whoever comes without a name, as all tests without security do, may do everything.
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("super.users", &format!("User:ANONYMOUS;User:{ENGINE};User:CN={ENGINE}")),
        ("auto.create.topics.enable", "false"),
        ("offsets.topic.replication.factor", &replicas.to_string()),
        ("transaction.state.log.replication.factor", &replicas.to_string()),
        ("transaction.state.log.min.isr", &least.to_string()),
        ("default.replication.factor", &replicas.to_string()),
        ("min.insync.replicas", &least.to_string()),
        ("unclean.leader.election.enable", "false"),
        // Fewer logs to recover after a kill than by default.
        ("offsets.topic.num.partitions", "3"),
        ("transaction.state.log.num.partitions", "3"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("group.consumer.min.session.timeout.ms", "6000"),
        ("group.consumer.session.timeout.ms", "6000"),
        ("group.consumer.heartbeat.interval.ms", "1000"),
        ("group.consumer.min.heartbeat.interval.ms", "1000"),
        ("log.retention.check.interval.ms", "1000"),
        ("message.max.bytes", "16777216"),
        ("replica.fetch.max.bytes", "16777216"),
    ] {
        set(key, value);
    }
    text
}

fn sasl(certificates: &Certificates) -> Vec<(String, String)> {
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    let plain = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required user_{ENGINE}=\"{PASSWORD}\" \
         user_{STRANGER}=\"{PASSWORD}\";"
    );
    let token = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
                 unsecuredLoginStringClaim_sub=\"broker\";";
    let path = |path: &Path| path.display().to_string();
    let mut pairs = vec![
        ("sasl.enabled.mechanisms", "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN".to_owned()),
        ("listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config", scram.to_owned()),
        ("listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config", scram.to_owned()),
        ("listener.name.sasl_ssl.plain.sasl.jaas.config", plain),
        ("listener.name.tokens.sasl.enabled.mechanisms", "OAUTHBEARER".to_owned()),
        ("listener.name.tokens.oauthbearer.sasl.jaas.config", token.to_owned()),
        ("listener.name.mutual.ssl.client.auth", "required".to_owned()),
    ];
    pairs.extend([
        ("ssl.keystore.type", "PEM".to_owned()),
        ("ssl.keystore.location", path(&certificates.broker)),
        ("ssl.truststore.type", "PEM".to_owned()),
        ("ssl.truststore.location", path(&certificates.ca)),
        ("listener.name.expired.ssl.keystore.type", "PEM".to_owned()),
        ("listener.name.expired.ssl.keystore.location", path(&certificates.expired_broker)),
    ]);
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
