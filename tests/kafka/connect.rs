//! Security of Kafka clients: each way in, and each reason for staying outside, as `check --connect` says it.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use tempfile::TempDir;
use trailsight::clock::{Clock, instant};

use crate::brokers::{self, Cluster, ENGINE, PASSWORD, STRANGER};
use crate::product::{self, run};

/// The promise of `check --connect`, seconds, and what a loaded machine takes to start and end a process.
const PROMISE: u64 = 10 + 3;

/// One way to connect: the address, what stands under the source, and what the answer must hold.
struct Way {
    name: &'static str,
    broker: String,
    more: String,
    topic: &'static str,
    /// `Ok`: it is let in.
    expected: Result<(), &'static str>,
}

fn tls(ca: &Path) -> String {
    format!("[sources.t.tls]\nca_file = {ca:?}\n")
}

fn client_tls(ca: &Path, (key, certificate): &(std::path::PathBuf, std::path::PathBuf)) -> String {
    format!("{}certificate_file = {certificate:?}\nkey_file = {key:?}\n", tls(ca))
}

fn sasl(mechanism: &str, user: &str, password: &str) -> String {
    format!("[sources.t.sasl]\nmechanism = \"{mechanism}\"\nusername = \"{user}\"\npassword = \"{password}\"\n")
}

/// What `check --connect` says about a way, and whether that is what it should.
fn try_way(way: &Way) -> Result<(), String> {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("trailsight.toml");
    let text = format!(
        "data_dir = {:?}\n[sources.t]\ntype = \"kafka\"\nbrokers = [{:?}]\ntopics = [{:?}]\n{}",
        folder.path().join("data"),
        way.broker,
        way.topic,
        way.more
    );
    std::fs::write(&file, text).expect("the folder can be written");
    let mut command = product::command(["check", "--connect", "--config"]);
    command.arg(&file);
    let began = instant();
    let finished = run(command);
    let took = began.elapsed();
    let said = finished.stdout.lines().find(|line| line.starts_with("# sources.t: ")).unwrap_or_default().to_owned();
    let right = match way.expected {
        Ok(()) => finished.status == Some(0) && said.contains(" answers: 1 broker(s), ") && !said.contains("FAILED"),
        Err(words) => finished.status == Some(1) && said.contains("FAILED") && said.contains(words),
    };
    let secret = finished.stdout.contains(PASSWORD) || finished.stderr.contains(PASSWORD);
    if right && took.as_secs() <= PROMISE && !secret {
        return Ok(());
    }
    Err(format!("{} ({took:?}, status {:?}): {said}\n{}", way.name, finished.status, finished.stderr))
}

/// Tries all ways, a few at a time: most wait for an answer that does not come.
fn try_all(ways: Vec<Way>) {
    let ways = std::sync::Mutex::new(ways.into_iter());
    let wrong = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut wrong = Vec::new();
                    loop {
                        let next = ways.lock().expect("no test has failed inside").next();
                        let Some(way) = next else { return wrong };
                        wrong.extend(try_way(&way).err());
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("it does not panic")).collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_way_in_is_open_and_every_closed_one_says_why() {
    let cluster = brokers::shared();
    cluster.topic("connect", 3, &[]).await;
    let tokens = token_server().await;
    let ways = ways(&cluster, &tokens);
    tokio::task::spawn_blocking(move || try_all(ways)).await.expect("all ways are tried");
}

fn ways(cluster: &Arc<Cluster>, tokens: &str) -> Vec<Way> {
    let files = &cluster.certificates;
    let ca = &files.ca;
    let way = |name, broker: &str, more: String, expected| Way {
        name,
        broker: broker.to_owned(),
        more,
        topic: "connect",
        expected,
    };
    let (plain, sasl_tls, mutual) = (cluster.bootstrap(), cluster.sasl_tls(), cluster.mutual_tls());
    let oidc = |secret: &str| {
        format!(
            "[sources.t.sasl]\nmechanism = \"oauthbearer\"\ntoken_url = \"{tokens}\"\nclient_id = \"{ENGINE}\"\n\
             client_secret = \"{secret}\"\nscope = \"kafka\"\n"
        )
    };
    let mut ways = vec![
        way("plain text", &plain, String::new(), Ok(())),
        way("client certificate", &mutual, client_tls(ca, &files.client), Ok(())),
        way("a token", &cluster.tokens(), oidc(PASSWORD), Ok(())),
        way("a token that is refused", &cluster.tokens(), oidc("wrong"), Err("gives no token: it answers 401")),
        way("wrong password", &sasl_tls, tls(ca) + &sasl("plain", ENGINE, "wrong"), Err("sasl.password")),
        way("wrong password", &sasl_tls, tls(ca) + &sasl("scram-sha-512", ENGINE, "wrong"), Err("sasl.password")),
        way("no client certificate", &mutual, tls(ca), Err("does not accept our certificate")),
        way(
            "an old client certificate",
            &mutual,
            client_tls(ca, &files.expired_client),
            Err("does not accept our certificate"),
        ),
        way("an old certificate", &cluster.expired_tls(), tls(ca), Err("is not accepted: it has expired")),
        way("another authority", &mutual, "[sources.t.tls]\n".to_owned(), Err("no authority that we trust")),
        way("no TLS where there is some", &sasl_tls, String::new(), Err("speaks TLS and we do not")),
        way("TLS where there is none", &plain, tls(ca), Err("does not speak TLS and we do")),
        way("nobody there", "127.0.0.1:1", String::new(), Err("127.0.0.1:1 cannot be reached: Connection refused")),
        way("no such name", "broker.invalid:9092", String::new(), Err("broker.invalid:9092 cannot be reached")),
        way("missing ACL", &sasl_tls, tls(ca) + &sasl("plain", STRANGER, PASSWORD), Err("an ACL for")),
    ];
    for mechanism in ["plain", "scram-sha-256", "scram-sha-512"] {
        ways.push(way("a password", &sasl_tls, tls(ca) + &sasl(mechanism, ENGINE, PASSWORD), Ok(())));
    }
    ways.push(Way { topic: "no-such-topic", ..way("no topic", &plain, String::new(), Err("does not exist")) });
    ways
}

/// An identity provider for one client. Its tokens are not signed: the broker of the tests takes them so.
async fn token_server() -> String {
    async fn token(State(()): State<()>, headers: HeaderMap, body: String) -> Result<String, StatusCode> {
        let secret = PASSWORD.replace(' ', "%20");
        let wanted = format!("Basic {}", STANDARD.encode(format!("{ENGINE}:{secret}")));
        if headers.get("authorization").is_none_or(|given| given.as_bytes() != wanted.as_bytes()) {
            return Err(StatusCode::UNAUTHORIZED);
        }
        if body != "grant_type=client_credentials&scope=kafka" {
            return Err(StatusCode::BAD_REQUEST);
        }
        let now = Clock::System.now() / 1000;
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({"sub": ENGINE, "iat": now, "exp": now + 600, "scope": "kafka"});
        let token = format!("{}.{}.", part(json!({"alg": "none"})), part(claims));
        Ok(json!({"access_token": token, "token_type": "Bearer", "expires_in": 600}).to_string())
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/token", listener.local_addr().expect("an address"));
    let router = Router::new().route("/token", post(token)).with_state(());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}
