//! A real HTTP receiver on loopback that answers by a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Status(u16),
    WithHeader(u16, &'static str, &'static str),
    /// No answer, ever.
    Never,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ascii"))
    }
}

#[derive(Clone)]
pub(super) struct Receiver {
    script: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    arrived: Arc<Semaphore>,
    pub(super) url: String,
}

impl Receiver {
    /// Answers in the order of the script, then always 204.
    pub(super) async fn start(script: &[Answer]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook?token=t0ps3cret", listener.local_addr().expect("an address"));
        let script = Arc::new(Mutex::new(script.iter().copied().collect()));
        let receiver = Receiver { url, script, seen: Arc::default(), arrived: Arc::new(Semaphore::new(0)) };
        let app = Router::new().route("/{*path}", post(answer)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
        receiver
    }

    /// Waits for one more request.
    pub(super) async fn arrived(&self) {
        self.arrived.acquire().await.expect("open").forget();
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

async fn answer(State(receiver): State<Receiver>, uri: axum::http::Uri, headers: HeaderMap, body: Bytes) -> Response {
    receiver.seen.lock().expect("not poisoned").push(Seen { path: uri.path().into(), headers, body });
    receiver.arrived.add_permits(1);
    let next = receiver.script.lock().expect("not poisoned").pop_front();
    let status = |code| axum::http::StatusCode::from_u16(code).expect("a status");
    match next.unwrap_or(Answer::Status(204)) {
        Answer::Status(code) => (status(code), "an explanation").into_response(),
        Answer::WithHeader(code, name, value) => (status(code), [(name, value)]).into_response(),
        Answer::Never => std::future::pending().await,
    }
}

/// A server that reads one request, says these bytes and hangs up, once for each element.
pub(super) async fn raw(answers: Vec<&'static [u8]>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"}}") {
                stream.read_buf(&mut request).await.expect("a request");
            }
            stream.write_all(answer).await.expect("a reader");
        }
    });
    url
}
