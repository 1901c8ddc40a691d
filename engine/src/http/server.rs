//! The thread that serves: an accept loop with a bound on connections, each with a bound on its headers, its
//! silence and its age.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::api::{App, QUERIES, router};
use super::guard::Guard;
use super::places::{Place, Places};
use super::query::Queries;
use crate::config::{Config, TokenConfig};
use crate::telemetry::Metrics;

/// Largest request line and headers together, bytes; 431 beyond.
pub const HEADER_BYTES: usize = 16 * 1024;
/// Largest body of a request, bytes; 413 beyond.
pub const BODY_BYTES: u64 = 64 * 1024;
/// How long a connection may say nothing before or between requests.
const SILENCE: Duration = Duration::from_secs(10);
/// How old a connection may become: one that never takes its answer would keep its place otherwise.
pub const CONNECTION_AGE: Duration = Duration::from_secs(600);
/// How long requests that have begun may take to end once the server is asked to stop.
const CLOSING: Duration = Duration::from_secs(2);
/// Pause after an accept that failed: file descriptors may be out, and come back.
const RECOVERY: Duration = Duration::from_millis(100);

/// What the server needs of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where people reach it; its host is accepted on loopback too.
    pub public_url: Option<String>,
    /// Who may read; empty: everybody.
    pub tokens: Vec<TokenConfig>,
    /// Most connections; beyond, the one that has asked for nothing the longest is closed.
    pub connections: usize,
    /// For one request.
    pub timeout: Duration,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Settings {
        Settings {
            listen: config.http.listen,
            public_url: config.http.public_url.clone(),
            tokens: config.http.tokens.clone(),
            connections: config.limits.http_connections,
            timeout: config.limits.http_timeout.duration(),
        }
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("http.listen: {address}: {reason}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        reason: std::io::Error,
    },
    /// No thread or runtime.
    #[error("the HTTP server cannot start: {0}")]
    Runtime(std::io::Error),
}

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds, and serves on a thread of its own from then on.
    pub fn start(settings: &Settings, queries: Arc<dyn Queries>, metrics: Arc<Metrics>) -> Result<Server, StartError> {
        let bind = |reason| StartError::Bind { address: settings.listen, reason };
        let listener = std::net::TcpListener::bind(settings.listen).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(QUERIES)
            .thread_name("http-query")
            .build()
            .map_err(StartError::Runtime)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).map_err(bind)?
        };
        let connections = settings.connections.max(1);
        let streams = Arc::new(Semaphore::new((connections / 2).clamp(1, Semaphore::MAX_PERMITS)));
        let running = Arc::new(Semaphore::new(QUERIES));
        let app = App { queries, metrics: Arc::clone(&metrics), running, streams };
        let router = router(app, Guard::new(settings, Arc::clone(&metrics)));
        let (stop, stopped) = watch::channel(false);
        let serve = move || {
            runtime.block_on(accept(listener, router, Places::new(connections), metrics, stopped));
            // A query that hangs must not hang the process.
            runtime.shutdown_timeout(CLOSING);
        };
        let thread = std::thread::Builder::new().name("http".to_owned()).spawn(serve).map_err(StartError::Runtime)?;
        Ok(Server { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets requests end for a moment, and returns.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the HTTP server failed");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    places: Arc<Places>,
    metrics: Arc<Metrics>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let accepted = async {
            let accepted = listener.accept().await;
            (accepted, places.take(|| metrics.http_crowded_out.inc()).await)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, router.clone(), place, stopped.clone()))),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(RECOVERY).await;
            }
        }
    }
    drop(listener);
    // Requests that are still running after that are cut off with the runtime.
    let _ = tokio::time::timeout(CLOSING, places.all_free()).await;
}

async fn serve(stream: TcpStream, router: Router, place: Place, mut stopped: watch::Receiver<bool>) {
    let router = TowerToHyperService::new(router);
    let (asking, place) = (place.clone(), place);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let answer = asking.answer();
        request.extensions_mut().insert(asking.clone());
        let answering = router.call(request);
        async move {
            let answered = answering.await;
            drop(answer);
            answered
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        // What has come is read before the place is given away.
        biased;
        served = connection.as_mut() => Some(served),
        () = place.wanted() => return,
        () = tokio::time::sleep(CONNECTION_AGE) => None,
        _ = stopped.wait_for(|stop| *stop) => None,
    };
    let served = match served {
        Some(served) => served,
        None => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(SILENCE, connection).await {
                Ok(served) => served,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}
