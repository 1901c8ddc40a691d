//! Mutes: what the configuration keeps from people, and what operators do while the service runs.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::App;
use super::filter::VALUE_LENGTH;
use super::guard::Caller;
use super::problem::Problem;
use super::query::QueryError;
use super::server::BODY_BYTES;
use crate::config::written::Role;

/// Most mutes made by hand that hold at one time.
pub const MUTES: usize = 200;
/// Longest time that one may hold, seconds: what is to be silent for longer belongs into the configuration.
pub const LONGEST: i64 = 366 * 86_400;
/// Most patterns of a key, and most characters of a reason or an owner.
const PATTERNS: usize = 16;

/// Who keeps mutes.
pub trait Mutes {
    /// Those of the configuration, and those made by hand that hold, newest first.
    fn mutes(&self) -> Result<Vec<MuteView>, QueryError>;

    /// Makes one; it holds when this returns.
    fn mute(&self, mute: NewMute, by: Role) -> Result<MuteView, QueryError>;

    /// Ends one that was made by hand; `false` where there is none.
    fn unmute(&self, key: &str, by: Role) -> Result<bool, QueryError>;
}

/// Which insights a mute is for: lists of globs, all of which must agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MuteMatch {
    /// `recipientAccountId`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub account: Vec<String>,
    /// `awsRegion`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub region: Vec<String>,
    /// `eventSource`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<String>,
    /// `eventName`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub name: Vec<String>,
    /// `insightType`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub r#type: Vec<String>,
    /// Who called: it holds while they explain four fifths of the excess.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub principal: Vec<String>,
}

/// A mute as somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMute {
    /// Which insights; one list at least.
    pub r#match: MuteMatch,
    /// Why, for whoever finds it.
    pub reason: String,
    /// Whom to ask.
    pub owner: String,
    /// When it ends, RFC 3339; at most a year ahead.
    #[schemars(extend("format" = "date-time"))]
    pub until: String,
}

/// A mute as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MuteView {
    /// Names it in the history.
    pub key: String,
    /// Whether the configuration has it; such a one ends there alone.
    pub configured: bool,
    /// Which insights.
    pub r#match: MuteMatch,
    /// Why.
    pub reason: String,
    /// Whom to ask.
    pub owner: String,
    /// When it ends, RFC 3339.
    pub until: Option<String>,
    /// When it was made, RFC 3339; by hand only.
    pub made: Option<String>,
}

/// All mutes.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MuteList {
    /// Newest first.
    mutes: Vec<MuteView>,
    /// Whether who asks may change them.
    may_change: bool,
}

pub(super) async fn list(
    State(app): State<App>,
    Extension(Caller(role)): Extension<Caller>,
) -> Result<Json<MuteList>, Problem> {
    let mutes = app.ask(|queries| queries.mutes()).await?;
    Ok(Json(MuteList { mutes, may_change: role == Some(Role::Operator) }))
}

pub(super) async fn make(
    State(app): State<App>,
    Extension(Caller(role)): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let role = operator(role)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"));
    }
    let large = |_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("bodies have at most {BODY_BYTES} bytes"));
    let bytes = axum::body::to_bytes(body, BODY_BYTES as usize).await.map_err(large)?;
    // What was sent is not sent back: serde's message would quote it.
    let wrong = |_| Problem::new(StatusCode::BAD_REQUEST, "the body is not a mute: match, reason, owner, until");
    let mute: NewMute = serde_json::from_slice(&bytes).map_err(wrong)?;
    check(&mute).map_err(|allowed| Problem::new(StatusCode::BAD_REQUEST, allowed))?;
    let made = app.ask(move |queries| queries.mute(mute, role)).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

pub(super) async fn end(
    State(app): State<App>,
    Extension(Caller(role)): Extension<Caller>,
    key: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<StatusCode, Problem> {
    let role = operator(role)?;
    let Path(key) = key.map_err(|_| Problem::not_found())?;
    let ended = app.ask(move |queries| queries.unmute(&key, role)).await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}

fn operator(role: Option<Role>) -> Result<Role, Problem> {
    let detail = "this needs a token of role operator (http.tokens)";
    role.filter(|role| *role == Role::Operator).ok_or_else(|| Problem::new(StatusCode::FORBIDDEN, detail))
}

/// What does not depend on time or on what is there already.
fn check(mute: &NewMute) -> Result<(), &'static str> {
    let MuteMatch { account, region, source, name, r#type, principal } = &mute.r#match;
    let lists = [account, region, source, name, r#type, principal];
    if lists.iter().all(|list| list.is_empty()) {
        return Err("`match` must have one list at least: an empty one would mute everything");
    }
    let plain = |text: &String, most: usize| {
        !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
    };
    if lists.iter().any(|list| list.len() > PATTERNS || !list.iter().all(|text| plain(text, VALUE_LENGTH))) {
        return Err(
            "lists of `match` have at most 16 patterns of 1 to 256 characters, none of them control characters",
        );
    }
    if !plain(&mute.reason, VALUE_LENGTH) || !plain(&mute.owner, VALUE_LENGTH) {
        return Err("`reason` and `owner` must have 1 to 256 characters, none of them control characters");
    }
    Ok(())
}
