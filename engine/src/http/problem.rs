//! Errors as problem documents (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::filter::FilterError;
use super::query::QueryError;

/// An error as its reader gets it.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub status: StatusCode,
    pub detail: String,
}

/// A problem document.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ProblemDocument<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into() }
    }

    pub(super) fn not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "there is nothing here")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = ProblemDocument {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("error"),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let body = serde_json::to_string(&document).unwrap_or_default();
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let mut response = (self.status, [kind], body).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                // Basic beside Bearer, so that a browser asks: the token is the password.
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"trailsight\""));
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"trailsight\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}

impl From<FilterError> for Problem {
    fn from(error: FilterError) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Problem {
        match error {
            QueryError::Cursor | QueryError::Span | QueryError::Refused(_) => {
                Problem::new(StatusCode::BAD_REQUEST, error.to_string())
            }
            QueryError::Busy => Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            QueryError::Store(reason) => {
                tracing::error!(%reason, "the history cannot be read");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the history cannot be read at the moment")
            }
        }
    }
}
