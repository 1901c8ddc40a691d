//! What a client's error means, in one sentence that says what to do.

use rdkafka::types::RDKafkaErrorCode as Code;

use super::cluster::Cluster;

/// Longest part of librdkafka's own words that is shown, characters.
const QUOTED: usize = 300;

/// What is wrong between us and a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of thing it is.
    pub cause: Cause,
    /// What it is and what to do, for people.
    pub sentence: String,
}

/// What kind of thing is wrong: the label of a metric, hence a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nobody answers, or not in time.
    Unreachable,
    /// Names, passwords, tokens.
    Authentication,
    /// Certificates, ours or theirs, and one side without TLS.
    Tls,
    /// We are known and may not.
    Authorization,
    /// The topic is not there.
    UnknownTopic,
    /// Another process has our place in the group.
    Fenced,
    /// All else.
    Other,
}

impl Cause {
    /// Every one.
    pub const ALL: [Cause; 7] = [
        Cause::Unreachable,
        Cause::Authentication,
        Cause::Tls,
        Cause::Authorization,
        Cause::UnknownTopic,
        Cause::Fenced,
        Cause::Other,
    ];

    /// The word for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Unreachable => "unreachable",
            Cause::Authentication => "authentication",
            Cause::Tls => "tls",
            Cause::Authorization => "authorization",
            Cause::UnknownTopic => "unknown_topic",
            Cause::Fenced => "fenced",
            Cause::Other => "other",
        }
    }
}

impl Trouble {
    /// Of two, one after the other, the one that says more: that nobody answers is mostly the consequence.
    pub fn after(self, before: Option<Trouble>) -> Trouble {
        match before {
            Some(before) if self.cause == Cause::Unreachable => before,
            _ => self,
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

/// What librdkafka's error `code` with its `reason` means for a client of `cluster`.
///
/// The codes are few and the reasons are prose of librdkafka 2.12 and OpenSSL 3; what neither tells ends as
/// [`Cause::Other`] with the words themselves.
pub fn diagnose(cluster: &Cluster, code: Option<Code>, reason: &str) -> Trouble {
    let brokers = cluster.named();
    let said = quoted(reason);
    let has = |word: &str| reason.contains(word);
    let (cause, sentence) = match code {
        _ if has("certificate verify failed") => {
            let advice = "it is not signed by an authority of tls.ca_file, has expired, or is for another name";
            (Cause::Tls, format!("the certificate of {brokers} is not accepted: {advice} ({said})"))
        }
        _ if has("alert") && (has("certificate") || has("unknown ca")) => {
            let advice =
                "tls.certificate_file is missing, expired, or not signed by an authority that the broker knows";
            (Cause::Tls, format!("{brokers} does not accept our certificate: {advice} ({said})"))
        }
        Some(Code::SSL) => (Cause::Tls, format!("TLS with {brokers} fails: {said}")),
        _ if has("PLAINTEXT broker listener") || has("security.protocol") => {
            (Cause::Tls, format!("one side of the connection to {brokers} uses TLS and the other does not ({said})"))
        }
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
            let advice = "sasl.username, sasl.password or sasl.mechanism is wrong";
            (Cause::Authentication, format!("{brokers} does not accept who we are: {advice} ({said})"))
        }
        Some(Code::TopicAuthorizationFailed) => {
            let advice = "an ACL for Read and Describe (sources) or Write and Describe (sinks) is missing";
            (Cause::Authorization, format!("we may not use the topic: {advice} ({said})"))
        }
        Some(Code::GroupAuthorizationFailed) => {
            (Cause::Authorization, format!("we may not use the group: an ACL for Read on group_id is missing ({said})"))
        }
        Some(Code::ClusterAuthorizationFailed | Code::TransactionalIdAuthorizationFailed) => {
            let advice = "an ACL for IdempotentWrite, or for Write on the transactional id, is missing";
            (Cause::Authorization, format!("we may not write with transactions: {advice} ({said})"))
        }
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
            (Cause::UnknownTopic, format!("the topic does not exist at {brokers}, or we may not see it ({said})"))
        }
        Some(Code::FencedInstanceId | Code::UnreleasedInstanceId | Code::Fenced | Code::InvalidProducerEpoch) => {
            (Cause::Fenced, format!("another process has taken our place ({said})"))
        }
        Some(
            Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut,
        ) => (Cause::Unreachable, format!("{brokers} cannot be reached: {said}")),
        _ => (Cause::Other, format!("{brokers}: {said}")),
    };
    Trouble { cause, sentence }
}

/// A reason in one line of bounded length, without the file names and numbers of OpenSSL's own source.
fn quoted(reason: &str) -> String {
    let line: String = reason.chars().map(|each| if each.is_control() { ' ' } else { each }).take(QUOTED).collect();
    let line = line.trim();
    if line.is_empty() { "no reason given".to_owned() } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_a_cause_and_a_sentence() {
        let cluster = Cluster { brokers: vec!["k:9092".into()], tls: None, sasl: None };
        for (code, reason, cause, words) in [
            (Code::SSL, "ssl://k:9092/1: SSL handshake failed: certificate verify failed", Cause::Tls, "tls.ca_file"),
            (Code::SSL, "sslv3 alert bad certificate", Cause::Tls, "does not accept our certificate"),
            (Code::SSL, "Disconnected: connecting to a PLAINTEXT broker listener?", Cause::Tls, "TLS with k:9092"),
            (Code::Authentication, "invalid credentials", Cause::Authentication, "sasl.password"),
            (Code::TopicAuthorizationFailed, "x", Cause::Authorization, "ACL"),
            (Code::GroupAuthorizationFailed, "x", Cause::Authorization, "group_id"),
            (Code::UnknownTopicOrPartition, "x", Cause::UnknownTopic, "does not exist"),
            (Code::FencedInstanceId, "x", Cause::Fenced, "another process"),
            (Code::AllBrokersDown, "1/1 brokers are down", Cause::Unreachable, "cannot be reached"),
            (Code::InvalidMessage, "", Cause::Other, "no reason given"),
        ] {
            let trouble = diagnose(&cluster, Some(code), reason);
            assert_eq!(trouble.cause, cause, "{trouble}");
            assert!(trouble.sentence.contains(words) && !trouble.sentence.contains('\n'), "{trouble}");
        }
        let long = diagnose(&cluster, None, &"x\n".repeat(10_000));
        assert!(long.sentence.len() < 1000);
    }

    #[test]
    fn causes_have_words_of_their_own() {
        let words: std::collections::BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
        assert_eq!(words.len(), Cause::ALL.len());
    }
}
