//! The page: files that are compiled in. The scripts ask the API that everybody else asks; nothing here reads the state.
//!
//! [`BYTES`] is the bound on all of them together, as they are sent.

use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Most bytes of all files together.
#[cfg(test)]
pub(super) const BYTES: usize = 200_000;

/// Only our own files and our own API, no script or style in the markup, and no text that becomes markup: with the
/// last two even a mistake in a script cannot turn a name into an element.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const INDEX: &str = include_str!("page/index.html");

macro_rules! files {
    ($($kind:ident $folder:literal: $($name:literal),+;)+) => {
        /// Name, media type, content.
        pub(super) const FILES: &[(&str, &str, &str)] =
            &[$($(($name, $kind, include_str!(concat!("page/", $folder, $name)))),+),+];
    };
}

const PICTURE: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

files! {
    SCRIPT "": "main.js", "api.js", "dom.js", "words.js", "filters.js", "insights.js", "insight.js", "evidence.js", "mute.js",
        "plot.js", "series.js", "watched.js", "status.js";
    STYLE "": "page.css", "parts.css";
    PICTURE "": "icon.svg";
    SCRIPT "vendor/": "uPlot.iife.min.js";
    STYLE "vendor/": "uPlot.min.css";
    TEXT "vendor/": "uPlot.LICENSE.txt";
}

/// The page at the root, and one level below it.
pub(super) async fn top() -> Response {
    html("./")
}

/// The page two levels below the root. Addresses are relative, so that a proxy may put a path before them.
pub(super) async fn below() -> Response {
    html("../")
}

fn html(root: &str) -> Response {
    let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    ([kind, policy], INDEX.replace("{{root}}", root)).into_response()
}

/// One of the files.
pub(super) async fn file(
    name: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::not_found())?;
    let (_, kind, content) = FILES.iter().find(|(known, ..)| *known == name).ok_or_else(Problem::not_found)?;
    let headers: [(HeaderName, HeaderValue); 1] = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    Ok((headers, *content).into_response())
}
