//! Tokens for OAUTHBEARER: librdkafka asks for one when it connects and again before it expires.
//!
//! librdkafka is built without an HTTP client, so tokens are fetched here. It asks on the thread that polls the
//! client, so the answer has a bound in time.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::cluster::{Cluster, Sasl};
use crate::clock::Clock;

/// How long an identity provider may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lifetime of a token that does not say, milliseconds: the shortest that is common.
const LIFETIME: i64 = 300_000;
/// Longest answer that is read, bytes.
const ANSWER: usize = 1 << 20;

/// An identity provider that gives tokens for a client's own credentials (RFC 6749, 4.4).
#[derive(Clone, Debug)]
pub struct Oidc {
    /// Where tokens are given.
    pub token_url: reqwest::Url,
    /// Who asks.
    pub client_id: String,
    /// The proof of it.
    pub client_secret: SecretString,
    /// What for; `None`: what the provider thinks fit.
    pub scope: Option<String>,
}

/// A token and how long it holds.
#[derive(Clone)]
pub struct Token {
    /// What the broker is shown.
    pub token: String,
    /// Whom it names.
    pub principal: String,
    /// When it ends, milliseconds since the epoch.
    pub expires: i64,
}

/// Why there is no token. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The provider did not answer.
    #[error("no token from {host}: {why}")]
    Unreachable {
        /// Whom we asked.
        host: String,
        /// What happened.
        why: String,
    },
    /// The provider said no.
    #[error("{host} gives no token: it answers {status}; client_id, client_secret or scope is wrong")]
    Refused {
        /// Whom we asked.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer holds no token.
    #[error("what {host} answers holds no access_token")]
    NotUnderstood {
        /// Whom we asked.
        host: String,
    },
    /// Nothing here gives tokens.
    #[error("no tokens are configured")]
    NotConfigured,
    /// The machine has no room for the question.
    #[error("no token can be asked for: {0}")]
    NotAsked(String),
}

/// Fetches a token as the cluster wants it. Blocks for at most [`PATIENCE`].
pub(super) fn fetch(cluster: &Cluster) -> Result<Token, TokenError> {
    match &cluster.sasl {
        Some(Sasl::OAuthBearer(oidc)) => blocking(oidc.fetch(Clock::System.now())),
        _ => Err(TokenError::NotConfigured),
    }
}

/// Runs to the end on a runtime of its own: the caller is a thread of librdkafka's client, which has none.
fn blocking(fetched: impl Future<Output = Result<Token, TokenError>>) -> Result<Token, TokenError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| TokenError::NotAsked(error.to_string()))?;
    runtime.block_on(fetched)
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<i64>,
}

impl Oidc {
    async fn fetch(&self, now: i64) -> Result<Token, TokenError> {
        let host = self.token_url.host_str().unwrap_or_default().to_owned();
        let unreachable =
            |error: reqwest::Error| TokenError::Unreachable { host: host.clone(), why: chain(&error.without_url()) };
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let body = form.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect::<Vec<_>>().join("&");
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(unreachable)?;
        let answer = client
            .post(self.token_url.clone())
            .basic_auth(escaped(&self.client_id), Some(escaped(self.client_secret.expose_secret())))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(TokenError::Refused { host, status: answer.status().as_u16() });
        }
        let bytes = answer.bytes().await.map_err(unreachable)?;
        let answer = (bytes.len() <= ANSWER).then(|| serde_json::from_slice::<Answer>(&bytes).ok()).flatten();
        let Some(answer) = answer else { return Err(TokenError::NotUnderstood { host }) };
        let lifetime = answer.expires_in.map_or(LIFETIME, |seconds| seconds.saturating_mul(1000));
        let principal = subject(&answer.access_token).unwrap_or_else(|| self.client_id.clone());
        Ok(Token { token: answer.access_token, principal, expires: now.saturating_add(lifetime) })
    }
}

/// The `sub` of a JWT. It is not verified: the broker does that, and the name is for its log.
fn subject(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    Some(serde_json::from_slice::<Claims>(&claims).ok()?.sub)
}

/// `application/x-www-form-urlencoded`, as RFC 6749 wants it for the name and the secret too.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut into, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
        into
    })
}

/// An error and what caused it, outermost first.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_tokens_that_have_one() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"engine","exp":1}"#);
        assert_eq!(subject(&format!("e30.{claims}.sig")), Some("engine".to_owned()));
        for opaque in ["", "opaque", "a.b.c", "e30.e30."] {
            assert_eq!(subject(opaque), None, "{opaque}");
        }
    }

    #[test]
    fn what_is_sent_is_escaped() {
        assert_eq!(escaped("a b&c=d/é"), "a%20b%26c%3Dd%2F%C3%A9");
    }

    #[test]
    fn a_provider_that_is_not_there_is_named_without_its_secret() {
        let oidc = Oidc {
            token_url: "http://127.0.0.1:1/token".parse().unwrap(),
            client_id: "engine".into(),
            client_secret: "hunter2".into(),
            scope: None,
        };
        let cluster = Cluster { brokers: Vec::new(), tls: None, sasl: Some(Sasl::OAuthBearer(oidc)) };
        let error = fetch(&cluster).err().unwrap();
        assert!(matches!(error, TokenError::Unreachable { .. }), "{error}");
        assert!(!format!("{error} {cluster:?}").contains("hunter2"));
    }
}
