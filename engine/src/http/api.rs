//! The paths and what they answer.

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router, middleware};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::filter;
use super::guard::{Caller, Guard, guard};
use super::mutes;
use super::openapi;
use super::page;
use super::problem::Problem;
use super::query::{Alive, IncidentView, Page, Queries, QueryError, Readiness, Status};
use super::stream;
use super::tag::tag;
use super::watched::{SeriesMinutes, SeriesPage};
use crate::telemetry::Metrics;

/// Most queries at one time: each may hold a connection to the store.
pub(super) const QUERIES: usize = 8;

/// What handlers share.
#[derive(Clone)]
pub(super) struct App {
    pub queries: Arc<dyn Queries>,
    pub metrics: Arc<Metrics>,
    pub running: Arc<Semaphore>,
    /// Places for readers of the stream.
    pub streams: Arc<Semaphore>,
}

impl App {
    /// Runs a query beside the reactor; the permit goes with it, so that a query whose reader is gone still counts.
    pub(super) async fn ask<T, F>(&self, ask: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Queries) -> Result<T, QueryError> + Send + 'static,
    {
        let closing = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is closing");
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(closing)?;
        let queries = Arc::clone(&self.queries);
        let asked = tokio::task::spawn_blocking(move || {
            let answer = ask(queries.as_ref());
            drop(permit);
            answer
        });
        match asked.await {
            Ok(answer) => Ok(answer?),
            Err(error) => {
                tracing::error!(%error, "a query failed");
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the query failed"))
            }
        }
    }
}

pub(super) fn router(app: App, guarding: Guard) -> Router {
    let tagged = Router::new()
        .route("/", get(page::top))
        .route("/watched", get(page::top))
        .route("/status", get(page::top))
        .route("/insights/{id}", get(page::below))
        .route("/watched/{id}", get(page::below))
        .route("/page/{file}", get(page::file))
        .route("/api/v1/openapi.json", get(openapi::openapi))
        .route("/api/v1/status", get(status))
        .route("/api/v1/insights", get(insights))
        .route("/api/v1/insights/{id}", get(insight))
        .route("/api/v1/mutes", get(mutes::list).post(mutes::make))
        .route("/api/v1/series", get(series))
        .route("/api/v1/series/{id}/minutes", get(series_minutes))
        .route_layer(middleware::from_fn(tag));
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/stream", get(stream::stream))
        .route("/api/v1/mutes/{key}", delete(mutes::end))
        .merge(tagged)
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "there is something here, and it is not asked for like this")
        })
        .layer(middleware::from_fn_with_state(Arc::new(guarding), guard))
        .with_state(app)
}

async fn healthz(State(app): State<App>) -> Response {
    if app.queries.alive() {
        return Json(Alive { alive: true }).into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(Alive { alive: false })).into_response()
}

/// Without a token the answer is yes or no: reasons may name paths and hosts.
async fn readyz(State(app): State<App>, Extension(Caller(role)): Extension<Caller>) -> Result<Response, Problem> {
    let reasons = app.ask(|queries| Ok(queries.ready())).await?;
    let ready = reasons.is_empty();
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((code, Json(Readiness { ready, reasons: role.map(|_| reasons) })).into_response())
}

async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    match app.metrics.text() {
        Ok(text) => {
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written"))
        }
    }
}

async fn status(State(app): State<App>) -> Result<Json<Status>, Problem> {
    Ok(Json(app.ask(|queries| queries.status()).await?))
}

/// Parameters as they were written; what is not in the form of a query is given to nobody.
type Pairs = Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>;

fn pairs(query: &Pairs) -> Result<impl Iterator<Item = (&str, &str)>, Problem> {
    let wrong = |_| Problem::new(StatusCode::BAD_REQUEST, "the query is not of the form name=value&name=value");
    let Query(pairs) = query.as_ref().map_err(wrong)?;
    Ok(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

async fn insights(State(app): State<App>, query: Pairs) -> Result<Json<Page>, Problem> {
    let parsed = filter::parse(pairs(&query)?)?;
    let page = app.ask(move |queries| queries.insights(&parsed.filter, parsed.limit, parsed.cursor.as_deref())).await?;
    Ok(Json(page))
}

async fn series(State(app): State<App>, query: Pairs) -> Result<Json<SeriesPage>, Problem> {
    let (filter, limit, cursor) = filter::series(pairs(&query)?)?;
    Ok(Json(app.ask(move |queries| queries.series(&filter, limit, cursor.as_deref())).await?))
}

async fn series_minutes(
    State(app): State<App>,
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
    query: Pairs,
) -> Result<Json<SeriesMinutes>, Problem> {
    let span = filter::span(pairs(&query)?)?;
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    app.ask(move |queries| queries.series_minutes(&id, &span)).await?.map(Json).ok_or_else(Problem::not_found)
}

async fn insight(
    State(app): State<App>,
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Json<IncidentView>, Problem> {
    let id = id.ok().and_then(|Path(id)| Uuid::parse_str(&id).ok());
    let Some(id) = id else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "a sharedEventID is a UUID"));
    };
    app.ask(move |queries| queries.insight(&id)).await?.map(Json).ok_or_else(Problem::not_found)
}
