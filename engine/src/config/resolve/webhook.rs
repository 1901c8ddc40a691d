//! `[sinks.NAME]` of the type `webhook`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::Context;
use crate::config::secret::{REDACTED, Secret, read_regular};
use crate::config::written::{Webhook, WebhookFormat};
use crate::deliver::message::{Format, MAX_TEMPLATE, Message, Names, Template};
use crate::deliver::sample;
use crate::deliver::sinks::is_public;

/// Headers that the sink sets itself.
const OWN_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// Where Alertmanager takes alerts, below its address.
const ALERTS: &str = "/api/v2/alerts";

/// An HTTP receiver.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// An `http` or `https` URL.
    pub url: SecretString,
    /// What people are told; `None`: the record itself.
    pub message: Option<Format>,
    /// Header names, lower case, and their values.
    pub headers: Vec<(String, SecretString)>,
    /// Signing keys, decoded; at most two; empty: not signed.
    pub secrets: Vec<SecretSlice<u8>>,
    /// For one attempt.
    pub timeout: Duration,
    /// For all attempts of one insight.
    pub deadline: Duration,
    /// Most requests at one time.
    pub max_in_flight: usize,
    /// Only public addresses.
    pub deny_private_networks: bool,
}

pub(super) fn webhook(context: &mut Context<'_>, key: &str, hook: &Webhook) -> Option<WebhookConfig> {
    let url = url(context, &format!("{key}.url"), hook);
    let message = format(context, key, hook);
    let mut headers = Vec::new();
    for (name, value) in &hook.headers {
        let key = format!("{key}.headers.{name}");
        headers.extend(header(context, &key, name, value));
    }
    let mut secrets = Vec::new();
    for (position, secret) in hook.secrets.iter().enumerate() {
        secrets.extend(signing_key(context, &format!("{key}.secrets[{position}]"), secret));
    }
    Some(WebhookConfig {
        url: url?,
        message: message?,
        headers,
        secrets,
        timeout: hook.timeout.duration(),
        deadline: hook.deadline.duration(),
        max_in_flight: hook.max_in_flight,
        deny_private_networks: hook.deny_private_networks,
    })
}

/// What the body is: inside, `None` for the record itself; outside, where it could not be had.
fn format(context: &mut Context<'_>, key: &str, hook: &Webhook) -> Option<Option<Format>> {
    let belongs = [
        ("routing_key", hook.routing_key.is_some(), WebhookFormat::Pagerduty, "pagerduty"),
        ("template", hook.template.is_some(), WebhookFormat::Template, "template"),
    ];
    for (name, given, format, word) in belongs {
        let key = format!("{key}.{name}");
        if given && hook.format != format {
            context.problem(&key, "", "belongs to another format", &format!("format = \"{word}\""));
        }
        if !given && hook.format == format {
            context.problem(&key, "", &format!("is missing, and format is \"{word}\""), "");
        }
    }
    Some(match hook.format {
        WebhookFormat::Insight => None,
        WebhookFormat::Slack => Some(Format::Slack),
        WebhookFormat::Teams => Some(Format::Teams),
        WebhookFormat::Discord => Some(Format::Discord),
        WebhookFormat::Alertmanager => Some(Format::Alertmanager),
        WebhookFormat::Pagerduty => {
            let routing_key = context.secret(&format!("{key}.routing_key"), hook.routing_key.as_ref()?)?;
            Some(Format::PagerDuty { routing_key })
        }
        WebhookFormat::Template => Some(Format::Template(Box::new(template(context, key, hook)?))),
    })
}

/// Compiled, and tried on the sample: what a template asks for and is not there shows now.
fn template(context: &mut Context<'_>, key: &str, hook: &Webhook) -> Option<Template> {
    let path = hook.template.as_deref()?;
    let key = format!("{key}.template");
    let text = match read_regular(path, MAX_TEMPLATE as u64) {
        Ok(text) => text,
        Err(error) => {
            context.problem(key, path, &error.to_string(), "a file of UTF-8 with a template");
            return None;
        }
    };
    let made = Template::new(&text, &hook.content_type).and_then(|template| {
        template.body(&Message::of(&sample::event(0), &Names::default()))?;
        Ok(template)
    });
    made.inspect_err(|error| context.problem(key, path, &error.to_string(), "")).ok()
}

fn url(context: &mut Context<'_>, key: &str, hook: &Webhook) -> Option<SecretString> {
    // These receivers are told who we are by other means; chat services have their key in the address.
    let known = matches!(hook.format, WebhookFormat::Pagerduty | WebhookFormat::Alertmanager);
    let text = if known { context.open(key, &hook.url) } else { context.secret(key, &hook.url) }?;
    let allowed = "https://HOST/PATH, or http://";
    let Some(mut parsed) = Url::parse(text.expose_secret()).ok().filter(|url| url.host().is_some()) else {
        context.problem(key, REDACTED, "is not a URL", allowed);
        return None;
    };
    if hook.deny_private_networks && address(&parsed).is_some_and(|address| !is_public(address)) {
        context.problem(key, REDACTED, "leads to an address that is not public", "deny_private_networks = false");
        return None;
    }
    match parsed.scheme() {
        "https" => {}
        "http" if loopback(&parsed) => {}
        "http" => context.warn(key, "insights go over the network unencrypted"),
        _ => {
            context.problem(key, REDACTED, "is not a URL of HTTP", allowed);
            return None;
        }
    }
    if hook.format == WebhookFormat::Alertmanager && !parsed.path().ends_with(ALERTS) {
        parsed.set_path(&format!("{}{ALERTS}", parsed.path().trim_end_matches('/')));
        return Some(parsed.to_string().into());
    }
    Some(text)
}

fn loopback(url: &Url) -> bool {
    url.host_str() == Some("localhost") || address(url).is_some_and(|address| address.is_loopback())
}

/// The address itself, where the URL holds one instead of a name.
fn address(url: &Url) -> Option<std::net::IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

fn header(context: &mut Context<'_>, key: &str, name: &str, value: &Secret) -> Option<(String, SecretString)> {
    let secret = context.secret(key, value);
    let Ok(parsed) = HeaderName::try_from(name) else {
        context.problem(key, "", "is not the name of a header", "letters, digits and -");
        return None;
    };
    if OWN_HEADERS.contains(&parsed.as_str()) {
        context.problem(key, "", "is set by the sink itself", "another header");
        return None;
    }
    let secret = secret?;
    if HeaderValue::try_from(secret.expose_secret()).is_err() {
        context.problem(key, REDACTED, "is not the value of a header", "visible characters in one line");
        return None;
    }
    Some((parsed.as_str().to_owned(), secret))
}

/// `whsec_` and the base64 of 24 to 64 bytes, as Standard Webhooks says.
fn signing_key(context: &mut Context<'_>, key: &str, secret: &Secret) -> Option<SecretSlice<u8>> {
    let text = context.secret(key, secret)?;
    let decoded = text.expose_secret().strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
    let Some(bytes) = decoded.filter(|bytes| (24..=64).contains(&bytes.len())) else {
        context.problem(key, REDACTED, "is not a signing key", "whsec_ and the base64 of 24 to 64 bytes");
        return None;
    };
    Some(bytes.into())
}
