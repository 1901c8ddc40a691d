//! A body to an HTTP server, by Standard Webhooks.
//!
//! `webhook-id` is the record's `eventID`: a receiver that remembers ids sees each insight once, however often it
//! is delivered. Redirects are not followed; of an answer at most [`MAX_ANSWER`] bytes are read.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::addresses::{PublicAddresses, is_public};
use super::signature::{KeyError, Signer};
use crate::deliver::retry::{Retry, SendError, of_status, retry_after};

/// Most bytes of an answer that are read.
pub(super) const MAX_ANSWER: usize = 1024;

/// A webhook as configured.
#[derive(Clone, Debug)]
pub struct WebhookSpec {
    /// Where to; may hold a token in its path, its query or its user part.
    pub url: SecretString,
    /// Signing keys, `whsec_<base64>`: none, one, or two while they are rotated.
    pub secrets: Vec<SecretString>,
    /// Further headers.
    pub headers: Vec<(String, SecretString)>,
    /// Limit of one attempt, from connecting to the end of the answer's headers and body.
    pub timeout: Duration,
    /// Refuses addresses that are not public, also those that a name resolves to; proxies are not used then, because
    /// they would resolve the name themselves.
    pub deny_private_networks: bool,
}

/// Why a webhook cannot be used; never says what is secret.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Not an address.
    #[error("the url is not an http or https address")]
    Url,
    /// An address of this host or network, where those are denied.
    #[error("the url leads to an address that is not public, and deny_private_networks is on")]
    Private,
    /// A header's name or value is not one.
    #[error("header `{0}` is not a valid header")]
    Header(String),
    /// A header that is ours to set.
    #[error("header `{0}` is set by the webhook itself")]
    Reserved(String),
    /// A signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

/// A compiled [`WebhookSpec`].
pub struct Webhook {
    url: Url,
    signer: Signer,
    headers: HeaderMap,
    client: Client,
}

impl Webhook {
    /// Checks everything that can be checked without connecting.
    pub fn new(spec: &WebhookSpec) -> Result<Webhook, WebhookError> {
        let url = Url::parse(spec.url.expose_secret()).map_err(|_| WebhookError::Url)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(WebhookError::Url);
        }
        let mut client = Client::builder()
            .timeout(spec.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("trailsight/", env!("CARGO_PKG_VERSION")));
        if spec.deny_private_networks {
            if literal(&url).is_some_and(|address| !is_public(address)) {
                return Err(WebhookError::Private);
            }
            client = client.no_proxy().dns_resolver(Arc::new(PublicAddresses));
        }
        let client = client.build().map_err(|error| WebhookError::Client(error.without_url().to_string()))?;
        Ok(Webhook { url, signer: Signer::new(&spec.secrets)?, headers: headers(&spec.headers)?, client })
    }

    /// Where it goes, without anything that may be secret: scheme, host and port.
    pub fn address(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }

    /// One attempt at a body of the type `kind`. `Ok` once the receiver answered with 2xx.
    pub(super) async fn post(&self, id: Uuid, kind: &str, body: Vec<u8>, now_ms: i64) -> Result<(), SendError> {
        let (id, timestamp) = (id.to_string(), now_ms.div_euclid(1000));
        let mut request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, kind)
            .header("webhook-timestamp", timestamp.to_string());
        if let Some(signature) = self.signer.sign(&id, timestamp, &body) {
            request = request.header("webhook-signature", signature);
        }
        let answer = request.header("webhook-id", id).body(body).send().await.map_err(|error| self.transport(error))?;
        self.judge(answer, now_ms).await
    }

    async fn judge(&self, answer: Response, now_ms: i64) -> Result<(), SendError> {
        let status = answer.status();
        let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let verdict = of_status(status.as_u16(), asked.and_then(|text| retry_after(text, now_ms)));
        let beginning = beginning(answer).await;
        verdict.map_err(|retry| {
            let redirect = if status.is_redirection() { " (redirects are not followed)" } else { "" };
            SendError::new(retry, &format!("{} answered {status}{redirect}: {beginning}", self.address()))
        })
    }

    fn transport(&self, error: reqwest::Error) -> SendError {
        let retry = if error.is_builder() { Retry::Never } else { Retry::Now };
        let error = error.without_url();
        let mut text = format!("{}: {error}", self.address());
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        SendError::new(retry, &text)
    }
}

/// The address itself, where the URL holds one instead of a name.
fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// The first [`MAX_ANSWER`] bytes of an answer. A body that breaks off changes nothing: the status was said.
async fn beginning(mut answer: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_ANSWER {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - bytes.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn headers(given: &[(String, SecretString)]) -> Result<HeaderMap, WebhookError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let bad = || WebhookError::Header(name.clone());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let ours = ["content-type", "content-length", "host", "transfer-encoding"];
        if key.as_str().starts_with("webhook-") || ours.contains(&key.as_str()) {
            return Err(WebhookError::Reserved(name.clone()));
        }
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("Webhook")
            .field("address", &self.address())
            .field("signer", &self.signer)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
