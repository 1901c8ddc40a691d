//! `/api/v1/stream`: insights as they are recorded, as server-sent events.
//!
//! A reader that is too slow is told how many it has missed (`event: missed`) and goes on; nobody waits for it. At most
//! half of the connections are streams. A stream ends with its connection, after [`super::CONNECTION_AGE`] at the
//! latest; browsers connect again by themselves.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::api::App;
use super::places::{Answer, Place};
use super::problem::Problem;

/// Silence after which a comment is sent, so that nobody between takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// An insight as the stream tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// `eventID`.
    pub id: String,
    /// The record as JSON, in one line.
    pub record: Arc<str>,
}

/// What one reader holds: gone with its connection.
struct Reader {
    news: Receiver<News>,
    begun: bool,
    _place: (Answer, OwnedSemaphorePermit),
}

pub(super) async fn stream(State(app): State<App>, Extension(place): Extension<Place>) -> Result<Response, Problem> {
    let full = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "there are as many readers as there may be");
    let permit = Arc::clone(&app.streams).try_acquire_owned().map_err(full)?;
    let reader = Reader { news: app.queries.news(), begun: false, _place: (place.answer(), permit) };
    let events = futures_util::stream::unfold(reader, |mut reader| async {
        let event = reader.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(event.into()), reader))
    });
    let kind = HeaderValue::from_static("text/event-stream");
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(events)).into_response())
}

impl Reader {
    /// The next event as text; `None` when the service ends.
    async fn next(&mut self) -> Option<String> {
        // At once, so that its reader knows that it is connected.
        if !std::mem::replace(&mut self.begun, true) {
            return Some("retry: 2000\n\n".to_owned());
        }
        match tokio::time::timeout(HEARTBEAT, self.news.recv()).await {
            Err(_) => Some(":\n\n".to_owned()),
            Ok(Ok(News { id, record })) => Some(format!("event: insight\nid: {id}\ndata: {record}\n\n")),
            Ok(Err(RecvError::Lagged(missed))) => Some(format!("event: missed\ndata: {missed}\n\n")),
            Ok(Err(RecvError::Closed)) => None,
        }
    }
}
