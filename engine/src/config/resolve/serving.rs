//! `[http]` and `[log]`.

use std::net::SocketAddr;

use reqwest::Url;
use secrecy::ExposeSecret;
use tracing_subscriber::EnvFilter;

use super::{Context, HttpConfig, LogConfig, TokenConfig};
use crate::config::secret::REDACTED;
use crate::config::written::{Http, Log};

/// Fewest characters of a token.
const TOKEN_LENGTH: usize = 16;

pub(super) fn http(context: &mut Context<'_>, http: &Http) -> HttpConfig {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 8470));
    let listen = match http.listen.parse::<SocketAddr>() {
        Ok(address) => address,
        Err(_) => {
            context.problem("http.listen", &http.listen, "is not an address and a port", "127.0.0.1:8470, [::]:8470");
            loopback
        }
    };
    let tokens = tokens(context, http);
    if !listen.ip().is_loopback() && http.tokens.is_empty() {
        let allowed = "a loopback address, or [[http.tokens]]";
        context.problem("http.listen", listen, "would be open to everybody who reaches it", allowed);
    }
    HttpConfig { listen, public_url: public_url(context, http), tokens }
}

fn tokens(context: &mut Context<'_>, http: &Http) -> Vec<TokenConfig> {
    let mut tokens: Vec<TokenConfig> = Vec::new();
    for (position, written) in http.tokens.iter().enumerate() {
        let key = format!("http.tokens[{position}].token");
        let Some(token) = context.secret(&key, &written.token) else { continue };
        let text = token.expose_secret();
        if text.len() < TOKEN_LENGTH || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let allowed = format!("{TOKEN_LENGTH} or more visible ASCII characters");
            context.problem(key, REDACTED, "is not a token", &allowed);
            continue;
        }
        if tokens.iter().any(|other| other.token.expose_secret() == text) {
            context.problem(key, REDACTED, "is the same as another token", "tokens that differ");
        }
        tokens.push(TokenConfig { role: written.role, token });
    }
    tokens
}

fn public_url(context: &mut Context<'_>, http: &Http) -> Option<String> {
    let text = http.public_url.as_deref()?;
    let fits = Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    if !fits {
        let allowed = "https://HOST[:PORT][/PATH], without query or credentials";
        // A URL with credentials is not repeated.
        let shown = if text.contains('@') { REDACTED } else { text };
        context.problem("http.public_url", shown, "is not a URL to show to people", allowed);
    }
    Some(text.trim_end_matches('/').to_owned())
}

pub(super) fn log(context: &mut Context<'_>, log: &Log) -> LogConfig {
    if let Err(error) = EnvFilter::builder().parse(&log.level) {
        let allowed = "error, warn, info, debug, trace, or directives such as info,trailsight::source=debug";
        context.problem("log.level", &log.level, &format!("is not understood: {error}"), allowed);
    }
    LogConfig { format: log.format, level: log.level.clone() }
}
