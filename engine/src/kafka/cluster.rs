//! Where a cluster is and how to be let in.

use std::path::PathBuf;

use rdkafka::ClientConfig;
use secrecy::{ExposeSecret, SecretString};

use super::token::Oidc;

/// Largest response that is accepted, bytes: all that the protocol allows. A fetch returns at least one batch
/// whatever its size, so a smaller bound would stop at a message that the broker took.
const RESPONSE_BYTES: i32 = i32::MAX;

/// A cluster as a client sees it.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// `host:port` of the brokers that are asked first.
    pub brokers: Vec<String>,
    /// TLS; `None`: plain text.
    pub tls: Option<Tls>,
    /// Who we are; `None`: the client certificate says it, or nobody asks.
    pub sasl: Option<Sasl>,
}

/// TLS towards the brokers.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificate authorities, PEM; `None`: those of the system.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and what signed it, PEM.
    pub certificate_file: Option<PathBuf>,
    /// The key of our certificate, PEM.
    pub key_file: Option<PathBuf>,
    /// What the key is encrypted with.
    pub key_password: Option<SecretString>,
    /// Whether the broker's certificate must be for the name that was dialled.
    pub verify_hostname: bool,
}

/// How a client says who it is.
#[derive(Clone, Debug)]
pub enum Sasl {
    /// The password goes over the wire.
    Plain(Password),
    /// It does not.
    Scram(ScramHash, Password),
    /// A token of an identity provider (client credentials).
    OAuthBearer(Oidc),
}

/// A name and its password.
#[derive(Clone, Debug)]
pub struct Password {
    /// Who.
    pub username: String,
    /// The secret.
    pub password: SecretString,
}

/// The hash of SCRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramHash {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Cluster {
    /// The properties of librdkafka that lead into this cluster. `client_id` is what the brokers' logs and quotas
    /// call us.
    pub fn client(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers.join(","));
        config.set("client.id", client_id);
        config.set("security.protocol", self.protocol());
        config.set("receive.message.max.bytes", RESPONSE_BYTES.to_string());
        // Reconnecting after a broker's restart must not take longer than the restart.
        config.set("reconnect.backoff.max.ms", "2000");
        // A topic that is created, or grows, is seen within this time.
        config.set("topic.metadata.refresh.interval.ms", "10000");
        config.set("socket.keepalive.enable", "true");
        if let Some(tls) = &self.tls {
            tls.set(&mut config);
        }
        match &self.sasl {
            None => {}
            Some(Sasl::Plain(password)) => password.set(&mut config, "PLAIN"),
            Some(Sasl::Scram(ScramHash::Sha256, password)) => password.set(&mut config, "SCRAM-SHA-256"),
            Some(Sasl::Scram(ScramHash::Sha512, password)) => password.set(&mut config, "SCRAM-SHA-512"),
            Some(Sasl::OAuthBearer(_)) => {
                config.set("sasl.mechanism", "OAUTHBEARER");
            }
        }
        config
    }

    fn protocol(&self) -> &'static str {
        match (&self.tls, &self.sasl) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }

    /// The brokers as people read them.
    pub fn named(&self) -> String {
        self.brokers.join(", ")
    }
}

impl Tls {
    fn set(&self, config: &mut ClientConfig) {
        let files = [
            ("ssl.ca.location", &self.ca_file),
            ("ssl.certificate.location", &self.certificate_file),
            ("ssl.key.location", &self.key_file),
        ];
        for (key, path) in files {
            if let Some(path) = path {
                config.set(key, path.to_string_lossy());
            }
        }
        if let Some(password) = &self.key_password {
            config.set("ssl.key.password", password.expose_secret());
        }
        config.set("ssl.endpoint.identification.algorithm", if self.verify_hostname { "https" } else { "none" });
    }
}

impl Password {
    fn set(&self, config: &mut ClientConfig, mechanism: &str) {
        config.set("sasl.mechanism", mechanism);
        config.set("sasl.username", &self.username);
        config.set("sasl.password", self.password.expose_secret());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(tls: bool, sasl: Option<Sasl>) -> Cluster {
        let tls = tls.then(|| Tls {
            ca_file: Some("/ca.pem".into()),
            certificate_file: None,
            key_file: None,
            key_password: Some("hunter2".into()),
            verify_hostname: false,
        });
        Cluster { brokers: vec!["a:1".into(), "b:2".into()], tls, sasl }
    }

    #[test]
    fn what_is_configured_decides_the_protocol() {
        let password = || Password { username: "engine".into(), password: "hunter2".into() };
        for (tls, sasl, protocol, mechanism) in [
            (false, None, "PLAINTEXT", None),
            (true, None, "SSL", None),
            (false, Some(Sasl::Plain(password())), "SASL_PLAINTEXT", Some("PLAIN")),
            (true, Some(Sasl::Scram(ScramHash::Sha256, password())), "SASL_SSL", Some("SCRAM-SHA-256")),
            (true, Some(Sasl::Scram(ScramHash::Sha512, password())), "SASL_SSL", Some("SCRAM-SHA-512")),
        ] {
            let config = cluster(tls, sasl).client("c");
            assert_eq!(config.get("security.protocol"), Some(protocol));
            assert_eq!(config.get("sasl.mechanism"), mechanism);
            assert_eq!(config.get("bootstrap.servers"), Some("a:1,b:2"));
            assert_eq!(config.get("ssl.ca.location"), tls.then_some("/ca.pem"));
        }
    }

    #[test]
    fn no_password_is_shown() {
        let sasl = Sasl::Plain(Password { username: "engine".into(), password: "hunter2".into() });
        assert!(!format!("{:?}", cluster(true, Some(sasl))).contains("hunter2"));
    }
}
