//! An operator mutes the like of an insight from its page; others cannot, from wherever they ask.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use trailsight::clock::Clock;

use super::browser::{Page, Scheme};
use super::looks::{accessible, keep};
use super::{axe, chromium};
use crate::records::{Envelope, Made, wrapped};
use crate::service::{Service, eventually, setup};

const OPERATOR: &str = "operator-0123456789";
const VIEWER: &str = "viewer-0123456789";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_mutes_from_the_page_and_it_holds_over_a_restart() {
    let Some(chromium) = chromium() else { return };
    let folder = TempDir::new().expect("a folder");
    let inbox = folder.path().join("inbox");
    fs::create_dir(&inbox).expect("the folder can be written");
    let tokens = format!(
        "[[http.tokens]]\nrole = \"operator\"\ntoken = \"{OPERATOR}\"\n[[http.tokens]]\nrole = \"viewer\"\ntoken = \"{VIEWER}\"\n"
    );
    let setup = setup(
        folder.path(),
        &inbox,
        &folder.path().join("data"),
        &format!("{tokens}[sinks.console]\ntype = \"stdout\"\n"),
    );
    let feed = |name: &str, made: Vec<Made>| {
        let records: Vec<Value> = made.iter().map(Made::json).collect();
        fs::write(inbox.join(name), wrapped(Envelope::Delivered, &records)).expect("written");
    };
    let began = this_minute() - 1470;
    let mut day: Vec<Made> =
        (began..began + 1440).map(|minute| Made::write(minute, "ec2", "CreateTags", "ci", 1)).collect();
    day.extend(burst(began + 700));
    feed("1.json", day);
    let service = Service::run(&setup);
    let first = found(&service, "DeleteTrail").await;
    assert!(first["muted_by"].is_null(), "{first:#}");
    let id = first["sharedEventID"].as_str().expect("an id").to_owned();

    let mut page = Page::open(&chromium);
    page.dress(Scheme::Light, 1280, 900);
    identify(&mut page, VIEWER);
    page.go(&format!("{}/insights/{id}", service.url));
    page.wait("document.querySelector('main').innerText.includes('token of role operator')");
    identify(&mut page, OPERATOR);
    page.go(&format!("{}/insights/{id}", service.url));
    page.wait("document.querySelector('#mute-reason')");
    looked_at(&mut page, "mute");
    page.eval("document.querySelector('#mute-what').focus()");
    page.tab_to("at.id === 'mute-reason'", 3);
    page.type_text("the trail is rebuilt");
    page.tab_to("at.id === 'mute-owner'", 2);
    page.type_text("platform@example.com");
    page.press("Enter");
    page.wait("document.querySelector('main').innerText.includes('kept from people')");
    page.go(&format!("{}/status", service.url));
    page.wait("document.querySelector('main').innerText.includes('the trail is rebuilt')");
    looked_at(&mut page, "mutes");
    refused(&service).await;
    service.stop();

    // The entry is in the journal: another process knows it.
    let service = Service::run(&setup);
    feed("2.json", burst(this_minute() - 2));
    let muted = eventually(async || {
        let list = asked(&service, "/api/v1/insights?name=DeleteTrail", OPERATOR).await?;
        list["insights"].as_array()?.iter().find(|one| one["muted_by"].is_string()).cloned()
    });
    let muted = muted.await.unwrap_or_else(|| panic!("the second is not muted\n{}", service.log()));
    let key = muted["muted_by"].as_str().expect("a key").to_owned();
    assert!(key.starts_with("by-hand-"), "{key}");
    page.go(&format!("{}/status", service.url));
    page.wait(&format!("document.querySelector('[aria-label=\"End {key}\"]')"));
    page.eval(&format!("document.querySelector('[aria-label=\"End {key}\"]').click()"));
    page.wait("!document.querySelector('main').innerText.includes('the trail is rebuilt')");
    let left = asked(&service, "/api/v1/mutes", OPERATOR).await.expect("a list");
    assert_eq!(left, json!({ "mutes": [], "may_change": true }));
    service.stop();
}

/// What only operators see is as accessible as the rest.
fn looked_at(page: &mut Page, name: &str) {
    let Some(axe) = axe() else { return };
    page.eval(&axe);
    for (scheme, width) in [(Scheme::Dark, 400), (Scheme::Light, 1280)] {
        page.dress(scheme, width, 900);
        page.eval("document.querySelector('[aria-label=\"Mute\"], [aria-label=\"Mutes\"]').scrollIntoView({ block: 'center' })");
        assert_eq!(page.eval("document.documentElement.scrollWidth <= innerWidth"), true, "{name} overflows");
        accessible(page, name);
        keep(page, &format!("{name}-{}-{width}", scheme.as_str()));
    }
}

fn this_minute() -> i64 {
    Clock::System.now() / 60_000
}

fn burst(minute: i64) -> Vec<Made> {
    (0..400).map(|number| Made::write(minute, "cloudtrail", "DeleteTrail", "mallory", number)).collect()
}

fn identify(page: &mut Page, token: &str) {
    page.call("Network.setExtraHTTPHeaders", json!({ "headers": { "Authorization": format!("Bearer {token}") } }));
}

async fn asked(service: &Service, path: &str, token: &str) -> Option<Value> {
    let answer = reqwest::Client::new().get(format!("{}{path}", service.url)).bearer_auth(token).send().await.ok()?;
    serde_json::from_str(&answer.text().await.ok()?).ok()
}

async fn found(service: &Service, name: &str) -> Value {
    let path = format!("/api/v1/insights?name={name}&state=ended");
    let found = eventually(async || asked(service, &path, OPERATOR).await?["insights"].get(0).cloned()).await;
    found.unwrap_or_else(|| panic!("{name} was not found\n{}", service.log()))
}

/// Who may not, how one may not, and what makes no sense.
async fn refused(service: &Service) {
    let client = reqwest::Client::new();
    let good = json!({ "match": { "name": ["X"] }, "reason": "r", "owner": "o", "until": "2999-01-01T00:00:00Z" });
    let post = |token: Option<&str>, header: (&'static str, &'static str), body: String| {
        let mut request = client.post(format!("{}/api/v1/mutes", service.url)).body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.header("content-type", "application/json").header(header.0, header.1).send()
    };
    let none = ("x-nothing", "1");
    let everything = json!({ "match": {}, "reason": "r", "owner": "o", "until": "2999-01-01T00:00:00Z" });
    for (token, header, body, code) in [
        (None, none, good.to_string(), 401),
        (Some(VIEWER), none, good.to_string(), 403),
        (Some(OPERATOR), ("origin", "https://evil.example"), good.to_string(), 403),
        (Some(OPERATOR), ("sec-fetch-site", "cross-site"), good.to_string(), 403),
        (Some(OPERATOR), none, good.to_string(), 400),
        (Some(OPERATOR), none, everything.to_string(), 400),
        (Some(OPERATOR), none, "{\"match\": <script>".to_owned(), 400),
    ] {
        let answer = post(token, header, body.clone()).await.expect("an answer");
        assert_eq!(answer.status(), code, "{token:?} {header:?} {body}");
        assert!(!answer.text().await.expect("a text").contains("script"), "what was sent is not sent back");
    }
}
