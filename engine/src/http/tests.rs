//! A real server on a free port of loopback, asked by a real client.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::*;
use crate::config::TokenConfig;
use crate::config::written::Role;
use crate::telemetry::{Metrics, Names};

mod crowd;
mod muting;
mod page;
mod reading;

const START: &str = r#"{"eventTime":"2026-01-31T00:00:00Z","awsRegion":"eu-west-1","recipientAccountId":"111122223333","insightDetails":{"state":"Start","eventSource":"ssm.amazonaws.com","eventName":"<script>alert(1)</script>","insightType":"ApiCallRateInsight","insightContext":{"statistics":{"baseline":{"average":0.0000882},"insight":{"average":0.6}}}},"trailsight":{"sensitivity":"low"}}"#;

/// Answers from memory; remembers what it was asked.
#[derive(Default)]
struct Fake {
    dead: AtomicBool,
    reasons: Vec<Reason>,
    asked: Mutex<Vec<(Filter, usize, Option<String>)>>,
    watched: Mutex<Vec<(SeriesFilter, usize, Option<String>)>>,
    mutes: Mutex<Vec<MuteView>>,
    failing: bool,
    panicking: bool,
    /// While set, queries wait.
    held: Mutex<bool>,
    released: Condvar,
    told: OnceLock<broadcast::Sender<News>>,
}

/// News that a reader of the stream may be behind before it misses some.
const BEHIND: usize = 4;

impl Fake {
    fn told(&self) -> &broadcast::Sender<News> {
        self.told.get_or_init(|| broadcast::Sender::new(BEHIND))
    }
}

fn id() -> Uuid {
    Uuid::from_u128(7)
}

fn incident() -> Insight {
    let start = Some(RawValue::from_string(START.to_owned()).unwrap());
    Insight { shared_event_id: id(), start, end: None, revision: 0, muted_by: None, alias: None }
}

impl InsightReader for Fake {
    fn insights(&self, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page, QueryError> {
        assert!(!self.panicking, "asked to fail");
        drop(self.released.wait_while(self.held.lock().unwrap(), |held| *held).unwrap());
        if self.failing {
            return Err(QueryError::Store("/secret/path is gone".into()));
        }
        if cursor == Some("bad") {
            return Err(QueryError::Cursor);
        }
        self.asked.lock().unwrap().push((filter.clone(), limit, cursor.map(str::to_owned)));
        Ok(Page { insights: vec![incident()], next: Some("further".into()) })
    }

    fn insight(&self, shared_event_id: &Uuid) -> Result<Option<IncidentView>, QueryError> {
        let records = vec![RawValue::from_string(START.to_owned()).unwrap()];
        let view = IncidentView {
            insight: incident(),
            explanation: Vec::new(),
            records,
            minutes: Vec::new(),
            deliveries: Vec::new(),
        };
        Ok((*shared_event_id == id()).then_some(view))
    }
}

impl Watch for Fake {
    fn series(&self, filter: &SeriesFilter, limit: usize, cursor: Option<&str>) -> Result<SeriesPage, QueryError> {
        if cursor == Some("bad") {
            return Err(QueryError::Cursor);
        }
        self.watched.lock().unwrap().push((filter.clone(), limit, cursor.map(str::to_owned)));
        Ok(SeriesPage::default())
    }

    fn series_minutes(&self, id: &str, span: &Span) -> Result<Option<SeriesMinutes>, QueryError> {
        match (id, span.period) {
            ("known", 60) => Err(QueryError::Busy),
            ("known", _) => Err(QueryError::Span),
            _ => Ok(None),
        }
    }
}

impl Mutes for Fake {
    fn mutes(&self) -> Result<Vec<MuteView>, QueryError> {
        Ok(self.mutes.lock().unwrap().clone())
    }

    fn mute(&self, mute: NewMute, by: Role) -> Result<MuteView, QueryError> {
        assert_eq!(by, Role::Operator);
        let made = MuteView {
            key: "by-hand-1".into(),
            configured: false,
            r#match: mute.r#match,
            reason: mute.reason,
            owner: mute.owner,
            until: Some(mute.until),
            made: None,
        };
        self.mutes.lock().unwrap().push(made.clone());
        Ok(made)
    }

    fn unmute(&self, key: &str, _by: Role) -> Result<bool, QueryError> {
        let mut mutes = self.mutes.lock().unwrap();
        let before = mutes.len();
        mutes.retain(|mute| mute.key != key);
        Ok(mutes.len() < before)
    }
}

impl Queries for Fake {
    fn status(&self) -> Result<Status, QueryError> {
        Ok(Status {
            records: RecordTotals { counted: 3, not_analysed: 1, ..RecordTotals::default() },
            ..Status::default()
        })
    }

    fn ready(&self) -> Vec<Reason> {
        self.reasons.clone()
    }

    fn alive(&self) -> bool {
        !self.dead.load(Ordering::Relaxed)
    }

    fn news(&self) -> broadcast::Receiver<News> {
        self.told().subscribe()
    }
}

fn settings() -> Settings {
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        public_url: Some("https://trail.example/x".into()),
        tokens: Vec::new(),
        connections: 16,
        timeout: Duration::from_secs(20),
    }
}

fn start(settings: &Settings, fake: Fake) -> (Server, Arc<Fake>) {
    let fake = Arc::new(fake);
    let metrics = Arc::new(Metrics::new(&Names::default()).unwrap());
    (Server::start(settings, Arc::clone(&fake) as Arc<dyn Queries>, metrics).unwrap(), fake)
}

async fn get(server: &Server, path: &str) -> Response {
    Client::new().get(format!("http://{}{path}", server.address())).send().await.unwrap()
}

/// The problem document of an answer, checked to be one.
async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(body["status"], status);
    assert!(body["title"].is_string() && body["type"] == "about:blank");
    (status, body["detail"].as_str().unwrap().to_owned())
}

/// Sends bytes as they are and reads all that comes.
fn raw(server: &Server, request: &[u8]) -> String {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may close before all of it is taken.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_is_answered() {
    let (server, fake) = start(&settings(), Fake::default());
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/watched", "text/html; charset=utf-8"),
        ("/insights/anything", "text/html; charset=utf-8"),
        ("/page/page.css", "text/css; charset=utf-8"),
        ("/page/main.js", "text/javascript; charset=utf-8"),
        ("/healthz", "application/json"),
        ("/readyz", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/api/v1/status", "application/json"),
        ("/api/v1/insights", "application/json"),
        ("/api/v1/insights/00000000-0000-0000-0000-000000000007", "application/json"),
    ] {
        let response = get(&server, path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], kind, "{path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    }
    let status: Value = serde_json::from_str(&get(&server, "/api/v1/status").await.text().await.unwrap()).unwrap();
    assert_eq!(status["records"]["counted"], 3);
    let page: Value = serde_json::from_str(&get(&server, "/api/v1/insights").await.text().await.unwrap()).unwrap();
    assert_eq!(page["next"], "further");
    assert_eq!(page["insights"][0]["start"]["awsRegion"], "eu-west-1");
    assert_eq!(page["insights"][0]["sharedEventID"], id().to_string());
    let metrics = get(&server, "/metrics").await.text().await.unwrap();
    assert!(metrics.contains("trailsight_build_info{"), "{metrics}");

    fake.dead.store(true, Ordering::Relaxed);
    assert_eq!(get(&server, "/healthz").await.status(), 503);
}

#[tokio::test]
async fn what_is_not_there() {
    let (server, _) = start(&settings(), Fake::default());
    assert_eq!(problem(get(&server, "/nowhere").await).await.0, 404);
    assert_eq!(problem(get(&server, "/api/v1/insights/7").await).await.0, 400);
    assert_eq!(problem(get(&server, "/api/v1/insights/%ff").await).await.0, 400);
    assert_eq!(problem(get(&server, &format!("/api/v1/insights/{}", Uuid::nil())).await).await.0, 404);
    let posted = Client::new().post(format!("http://{}/api/v1/status", server.address())).send().await.unwrap();
    assert_eq!(posted.headers()["allow"], "GET,HEAD");
    assert_eq!(problem(posted).await.0, 405);
}

#[tokio::test]
async fn readiness_says_why_not() {
    let reasons = vec![Reason { code: "disk_full", text: "/data has no space".into() }];
    let (server, _) = start(&settings(), Fake { reasons, ..Fake::default() });
    let response = get(&server, "/readyz").await;
    assert_eq!(response.status(), 503);
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(body["reasons"][0]["code"], "disk_full");
    assert_eq!(get(&server, "/healthz").await.status(), 200);
}

#[tokio::test]
async fn filters_are_read_strictly() {
    let (server, fake) = start(&settings(), Fake::default());
    let good = "/api/v1/insights?since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z&account=111122223333&region=eu-west-1\
                &source=ssm.amazonaws.com&name=Delete%20It&type=ApiErrorRateInsight&sensitivity=medium&state=open&limit=7&cursor=abc";
    assert_eq!(get(&server, good).await.status(), 200);
    let (filter, limit, cursor) = fake.asked.lock().unwrap().pop().unwrap();
    assert_eq!((limit, cursor.as_deref()), (7, Some("abc")));
    assert_eq!(filter.since, Some(1_767_225_600));
    assert_eq!(filter.name.as_deref(), Some("Delete It"));
    assert_eq!(filter.state, Some(IncidentState::Open));

    for (query, said) in [
        ("acount=1", "nearest is `account`"),
        ("account=1&account=2", "`account` is given more than once"),
        ("account=", "`account` must be 1 to 256 characters"),
        ("account=%00", "`account` must be"),
        ("name=%ff%fe", "`name` must be"),
        ("since=yesterday", "`since` must be a time"),
        ("since=2026-01-01T00:00:00+02:00", "%2B"),
        ("since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", "`until` must be after"),
        ("limit=0", "`limit` must be"),
        ("limit=501", "`limit` must be"),
        ("limit=-1", "`limit` must be"),
        ("limit=1e2", "`limit` must be"),
        ("sensitivity=HIGH", "`sensitivity` must be low, medium or high"),
        ("type=*", "`type` must be"),
        ("state=Start", "`state` must be open or ended"),
        ("cursor=bad", "the cursor is not one of ours"),
        ("%3Cscript%3E=1", "there is no such parameter"),
    ] {
        let (status, detail) = problem(get(&server, &format!("/api/v1/insights?{query}")).await).await;
        assert_eq!(status, 400, "{query}");
        assert!(detail.contains(said), "{query}: {detail}");
        assert!(!detail.contains("script"), "what was sent is not sent back");
    }
    let long = format!("/api/v1/insights?name={}", "a".repeat(257));
    assert_eq!(problem(get(&server, &long).await).await.0, 400);
    assert!(fake.asked.lock().unwrap().is_empty(), "none of them reached the store");
}

#[tokio::test]
async fn a_store_that_fails_is_not_told_in_detail() {
    let (server, _) = start(&settings(), Fake { failing: true, ..Fake::default() });
    let response = get(&server, "/api/v1/insights").await;
    assert_eq!(response.headers()["retry-after"], "5");
    let (status, detail) = problem(response).await;
    assert_eq!(status, 503);
    assert!(!detail.contains("/secret"), "{detail}");
    let (server, _) = start(&settings(), Fake { panicking: true, ..Fake::default() });
    assert_eq!(problem(get(&server, "/api/v1/insights").await).await.0, 500);
    assert_eq!(get(&server, "/healthz").await.status(), 200);
}

#[tokio::test]
async fn tokens_once_configured() {
    let token = |role, text: &str| TokenConfig { role, token: text.to_owned().into() };
    let tokens = vec![token(Role::Viewer, "viewer-0123456789"), token(Role::Operator, "operator-0123456789")];
    let reasons = vec![Reason { code: "starting", text: "reading /data".into() }];
    let (server, _) = start(&Settings { tokens, ..settings() }, Fake { reasons, ..Fake::default() });
    let ask = |path: &str, header: Option<String>| {
        let request = Client::new().get(format!("http://{}{path}", server.address()));
        match header {
            Some(value) => request.header("authorization", value),
            None => request,
        }
        .send()
    };
    let basic = |pair: &str| {
        use base64::Engine;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    };
    for path in ["/", "/metrics", "/api/v1/status", "/api/v1/insights", "/nowhere", "/page/page.css"] {
        for header in [
            None,
            Some("Bearer viewer-012345678".to_owned()),
            Some("Bearer ".to_owned()),
            Some("viewer-0123456789".to_owned()),
            Some("Digest viewer-0123456789".to_owned()),
            Some("Basic !".to_owned()),
            Some(basic("viewer-0123456789")),
            Some(basic("viewer-0123456789:wrong")),
        ] {
            let response = ask(path, header).await.unwrap();
            assert_eq!(response.headers().get_all("www-authenticate").iter().count(), 2);
            assert_eq!(problem(response).await.0, 401, "{path}");
        }
    }
    for good in ["Bearer viewer-0123456789", "bearer operator-0123456789", &basic("anybody:viewer-0123456789")] {
        assert_eq!(ask("/api/v1/status", Some(good.to_owned())).await.unwrap().status(), 200, "{good}");
    }
    // Probes have no token; they learn yes or no and nothing else.
    assert_eq!(ask("/healthz", None).await.unwrap().status(), 200);
    let body = ask("/readyz", None).await.unwrap().text().await.unwrap();
    assert_eq!(body, "{\"ready\":false}");
    let body = ask("/readyz", Some("Bearer viewer-0123456789".to_owned())).await.unwrap().text().await.unwrap();
    assert!(body.contains("starting"), "{body}");
}

#[test]
fn only_its_own_names_on_loopback() {
    let (server, _) = start(&settings(), Fake::default());
    let ask =
        |host: &str| raw(&server, format!("GET /api/v1/status HTTP/1.1\r\nConnection: close\r\n{host}\r\n").as_bytes());
    for own in ["localhost", "LocalHost:8470", "127.0.0.1:1", "[::1]:8470", "trail.example"] {
        let answer = ask(&format!("Host: {own}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{own}: {answer}");
    }
    for foreign in
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "trail.example.evil"]
    {
        let answer = ask(&format!("Host: {foreign}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 421"), "{foreign}: {answer}");
    }
    assert!(ask("").starts_with("HTTP/1.1 400"));
    assert!(ask("Host: localhost\r\nHost: evil.example\r\n").starts_with("HTTP/1.1 400"));
    let probe = raw(&server, b"GET /healthz HTTP/1.1\r\nHost: pod.cluster\r\nConnection: close\r\n\r\n");
    assert!(probe.starts_with("HTTP/1.1 200"), "{probe}");
}

#[test]
fn what_is_too_large_or_not_http() {
    let (server, _) = start(&settings(), Fake::default());
    let head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let padded = |bytes: usize| raw(&server, format!("{head}X: {}\r\n\r\n", "a".repeat(bytes)).as_bytes());
    assert!(padded(HEADER_BYTES / 2).starts_with("HTTP/1.1 200"));
    assert!(padded(HEADER_BYTES * 2).starts_with("HTTP/1.1 431"));
    let line = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(HEADER_BYTES * 2));
    let answer = raw(&server, line.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 414") || answer.starts_with("HTTP/1.1 431"), "{answer}");
    for body in ["Content-Length: 65537", "Content-Length: 9999999999999", "Transfer-Encoding: chunked"] {
        let answer = raw(&server, format!("{head}{body}\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 413"), "{body}: {answer}");
    }
    assert!(raw(&server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").starts_with("HTTP/1.1 400"));
    assert!(raw(&server, format!("{head}\r\n").as_bytes()).starts_with("HTTP/1.1 200"), "it goes on");
}

#[tokio::test]
async fn a_query_that_hangs_is_answered_and_holds_up_nobody() {
    let settings = Settings { timeout: Duration::from_millis(50), ..settings() };
    let (server, fake) = start(&settings, Fake { held: Mutex::new(true), ..Fake::default() });
    let (status, detail) = problem(get(&server, "/api/v1/insights").await).await;
    assert_eq!((status, detail.as_str()), (503, "there was no answer in time"));
    assert_eq!(get(&server, "/healthz").await.status(), 200);
    *fake.held.lock().unwrap() = false;
    fake.released.notify_all();
}

#[test]
fn it_stops_with_idle_connections_open_and_frees_its_port() {
    let (server, _) = start(&settings(), Fake::default());
    let address = server.address();
    let _idle = std::net::TcpStream::connect(address).unwrap();
    server.stop();
    assert!(std::net::TcpStream::connect(address).is_err());
    let (taken, _) = start(&settings(), Fake::default());
    let again = Settings { listen: taken.address(), ..settings() };
    let metrics = Arc::new(Metrics::new(&Names::default()).unwrap());
    let refused = Server::start(&again, Arc::new(Fake::default()), metrics);
    assert!(matches!(refused, Err(StartError::Bind { .. })));
}
