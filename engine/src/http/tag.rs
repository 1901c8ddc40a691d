//! Entity tags: a reader that asks again and has the answer already gets 304 and no body.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// Stands before handlers whose answers are whole in memory.
pub(super) async fn tag(request: Request, next: Next) -> Response {
    let (known, get) = (request.headers().clone(), request.method() == Method::GET);
    let response = next.run(request).await;
    if response.status() != StatusCode::OK || !get {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if let Ok(tag) = HeaderValue::from_str(&entity_tag(&bytes)) {
        if has(&known, &tag) {
            parts.status = StatusCode::NOT_MODIFIED;
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        parts.headers.insert(header::ETAG, tag);
    }
    // May be kept by its reader alone, and is asked for again every time.
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let body = if parts.status == StatusCode::OK { Body::from(bytes) } else { Body::empty() };
    Response::from_parts(parts, body)
}

/// Half of a SHA-256: the same bytes have the same tag, over restarts too.
fn entity_tag(bytes: &Bytes) -> String {
    let hash: String = Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hash}\"")
}

/// `If-None-Match` compares weakly (RFC 9110, 13.1.2): `W/` before a tag does not matter.
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let listed = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = listed.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|each| each == "*" || each.trim_start_matches("W/").as_bytes() == tag.as_bytes())
}
