//! The context that every client of a cluster has: it renews tokens, and remembers what went wrong last.

use std::error::Error;
use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::cluster::Cluster;
use super::token;
use super::trouble::{Cause, Trouble, diagnose};

/// What the clients of one cluster share. Contexts of their own forward to it.
#[derive(Debug)]
pub struct Access {
    cluster: Cluster,
    last: Mutex<Option<Trouble>>,
}

impl Access {
    /// For a cluster.
    pub fn new(cluster: Cluster) -> Access {
        Access { cluster, last: Mutex::new(None) }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What went wrong last, since this was last asked.
    pub fn take_trouble(&self) -> Option<Trouble> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Remembers what a client said.
    pub fn note(&self, code: Option<RDKafkaErrorCode>, reason: &str) {
        let trouble = diagnose(&self.cluster, code, reason);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(trouble.after(last.take()));
    }
}

impl ClientContext for Access {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    /// librdkafka's own words go to the log's debug level: what matters of them comes as an error too.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Debug => tracing::trace!(target: "librdkafka", facility, "{message}"),
            _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        if code != Some(RDKafkaErrorCode::PartitionEOF) {
            self.note(code, reason);
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let token = token::fetch(&self.cluster).inspect_err(|error| {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(Trouble { cause: Cause::Authentication, sentence: error.to_string() });
        })?;
        Ok(OAuthToken { token: token.token, principal_name: token.principal, lifetime_ms: token.expires })
    }
}

impl ConsumerContext for Access {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_outlives_the_consequence() {
        let cluster = Cluster { brokers: vec!["k:9092".into()], tls: None, sasl: None };
        let access = Access::new(cluster);
        access.note(Some(RDKafkaErrorCode::Authentication), "SASL authentication error: invalid credentials");
        access.note(Some(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(access.take_trouble().map(|trouble| trouble.cause), Some(Cause::Authentication));
        assert_eq!(access.take_trouble(), None);
        access.note(Some(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(access.take_trouble().map(|trouble| trouble.cause), Some(Cause::Unreachable));
    }
}
