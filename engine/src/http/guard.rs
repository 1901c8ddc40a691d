//! Who may ask: the `Host` header on loopback, tokens once configured; and what every answer carries.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::server::{BODY_BYTES, Settings};
use crate::config::TokenConfig;
use crate::config::written::Role;
use crate::telemetry::Metrics;

/// What every answer carries that does not say otherwise itself.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
];

/// Probes must get an answer without a token and whatever name they use.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// What decides who may ask.
pub(super) struct Guard {
    loopback: bool,
    public_host: Option<String>,
    /// SHA-256 of each token, so that all have one length.
    tokens: Vec<(Role, [u8; 32])>,
    timeout: std::time::Duration,
    metrics: Arc<Metrics>,
}

/// Who asks, for the handlers behind the guard; `None` for a probe without a token where tokens are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller(pub(super) Option<Role>);

impl Guard {
    pub(super) fn new(settings: &Settings, metrics: Arc<Metrics>) -> Guard {
        let public = settings.public_url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
        let hash = |token: &TokenConfig| (token.role, digest(token.token.expose_secret()));
        Guard {
            loopback: settings.listen.ip().is_loopback(),
            public_host: public.and_then(|url| url.host_str().map(str::to_owned)),
            tokens: settings.tokens.iter().map(hash).collect(),
            timeout: settings.timeout,
            metrics,
        }
    }

    /// On loopback a foreign name means that a page elsewhere had its own name resolved to this address.
    /// A request whose target is a whole URL means that one's host (RFC 9112, 3.2.2).
    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        if !self.loopback {
            return Ok(());
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(Ok(host)), None) = (hosts.next().map(HeaderValue::to_str), hosts.next()) else {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "one Host header is needed"));
        };
        let authority: Option<Authority> = uri.authority().cloned().or_else(|| host.parse().ok());
        let name = authority.as_ref().map(|authority| authority.host().trim_matches(['[', ']']));
        let own = name.is_some_and(|name| {
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
                || self.public_host.as_deref().is_some_and(|public| public.eq_ignore_ascii_case(name))
        });
        let detail = "this server listens on loopback and is not known by that name (http.public_url)";
        if own { Ok(()) } else { Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail)) }
    }

    /// A page elsewhere may make a browser send a change with the reader's own token: browsers say where it comes from.
    fn origin(&self, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        if request.method().is_safe() {
            return Ok(());
        }
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let site = text(HeaderName::from_static("sec-fetch-site"));
        let host = text(header::HOST).and_then(|host| host.parse::<Authority>().ok());
        let own = |origin: &str| {
            let authority = origin.parse::<Uri>().ok().and_then(|uri| uri.authority().cloned());
            let public = self.public_host.as_deref();
            authority.is_some_and(|from| Some(&from) == host.as_ref() || public == Some(from.host()))
        };
        let foreign = site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
            || text(header::ORIGIN).is_some_and(|origin| !own(origin));
        let detail = "changes are taken from our own page and from programs, not from other pages";
        if foreign { Err(Problem::new(StatusCode::FORBIDDEN, detail)) } else { Ok(()) }
    }

    fn caller(&self, headers: &HeaderMap, probe: bool) -> Result<Caller, Problem> {
        if self.tokens.is_empty() {
            return Ok(Caller(Some(Role::Viewer)));
        }
        let role = presented(headers).and_then(|token| self.role(&token));
        if role.is_none() && !probe {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "a token is needed"));
        }
        Ok(Caller(role))
    }

    /// Every token is compared, every byte of it, whatever the outcome: time tells nothing.
    fn role(&self, token: &str) -> Option<Role> {
        let given = digest(token);
        self.tokens.iter().fold(None, |found, (role, expected)| {
            let difference = given.iter().zip(expected).fold(0u8, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
            if difference == 0 { found.max(Some(*role)) } else { found }
        })
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// `Bearer TOKEN`, or `Basic` with the token as password, which is what browsers can do.
fn presented(headers: &HeaderMap) -> Option<String> {
    let (scheme, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

/// A body is of no use to any request here; one that is announced as large is not even begun.
fn body(headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).map(|value| value.to_str().ok()?.parse::<u64>().ok());
    let large = length.is_some_and(|length| length.is_none_or(|length| length > BODY_BYTES));
    if large || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("bodies have at most {BODY_BYTES} bytes")));
    }
    Ok(())
}

/// Stands before every handler.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let probe = PROBES.contains(&request.uri().path());
    let host = if probe { Ok(()) } else { guard.host(request.uri(), request.headers()) };
    let checked = host
        .and_then(|()| body(request.headers()))
        .and_then(|()| guard.origin(&request))
        .and_then(|()| guard.caller(request.headers(), probe));
    let mut response = match checked {
        Err(problem) => problem.into_response(),
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let late = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "there was no answer in time").into_response();
            tokio::time::timeout(guard.timeout, next.run(request)).await.unwrap_or_else(|_| late())
        }
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    guard.metrics.http_requests(route, response.status().as_u16()).inc();
    response
}
