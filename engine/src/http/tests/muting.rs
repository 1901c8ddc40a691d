//! Changes: who may make them, from where, and in what form.

use serde_json::json;

use super::*;

const OPERATOR: &str = "operator-0123456789";
const VIEWER: &str = "viewer-0123456789";

fn guarded() -> (Server, Arc<Fake>) {
    let token = |role, text: &str| TokenConfig { role, token: text.to_owned().into() };
    let tokens = vec![token(Role::Viewer, VIEWER), token(Role::Operator, OPERATOR)];
    start(&Settings { tokens, ..settings() }, Fake::default())
}

fn good() -> Value {
    json!({ "match": { "name": ["DeleteTrail"] }, "reason": "rebuilt", "owner": "us", "until": "2026-02-01T00:00:00Z" })
}

async fn post(server: &Server, token: &str, headers: &[(&str, &str)], body: String) -> Response {
    let url = format!("http://{}/api/v1/mutes", server.address());
    let mut request = Client::new().post(url).bearer_auth(token).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn an_operator_makes_and_ends_a_mute_and_others_do_not() {
    let (server, fake) = guarded();
    let refused = post(&server, VIEWER, &[JSON], good().to_string()).await;
    assert_eq!(problem(refused).await.0, 403);
    assert_eq!(problem(post(&server, "nobody", &[JSON], good().to_string()).await).await.0, 401);
    assert!(fake.mutes.lock().unwrap().is_empty());
    let own = format!("http://{}", server.address());
    for site in [&[JSON][..], &[JSON, ("origin", &own)], &[JSON, ("sec-fetch-site", "same-origin")]] {
        assert_eq!(post(&server, OPERATOR, site, good().to_string()).await.status(), 201, "{site:?}");
    }
    let url = format!("http://{}/api/v1/mutes", server.address());
    for (token, may_change) in [(VIEWER, false), (OPERATOR, true)] {
        let list = Client::new().get(&url).bearer_auth(token).send().await.unwrap().text().await.unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list["may_change"], may_change);
        assert_eq!(list["mutes"][0]["match"], json!({ "name": ["DeleteTrail"] }));
    }
    for (token, key, code) in [(VIEWER, "by-hand-1", 403), (OPERATOR, "none", 404), (OPERATOR, "by-hand-1", 204)] {
        let ended = Client::new().delete(format!("{url}/{key}")).bearer_auth(token).send().await.unwrap();
        assert_eq!(ended.status(), code, "{key}");
    }
}

#[tokio::test]
async fn other_pages_cannot_make_a_browser_change_anything() {
    let (server, fake) = guarded();
    for site in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:1"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let (status, _) = problem(post(&server, OPERATOR, &[JSON, site], good().to_string()).await).await;
        assert_eq!(status, 403, "{site:?}");
    }
    // What a form can send without asking first is no JSON.
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let (status, _) = problem(post(&server, OPERATOR, &[("content-type", kind)], good().to_string()).await).await;
        assert_eq!(status, 415, "{kind}");
    }
    assert!(fake.mutes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn without_tokens_nobody_is_an_operator() {
    let (server, _) = start(&settings(), Fake::default());
    assert_eq!(problem(post(&server, "", &[JSON], good().to_string()).await).await.0, 403);
}

#[tokio::test]
async fn a_mute_that_makes_no_sense_is_refused() {
    let (server, fake) = guarded();
    let with = |key: &str, value: Value| {
        let mut mute = good();
        mute[key] = value;
        mute.to_string()
    };
    for (body, said) in [
        ("<script>".to_owned(), "the body is not a mute"),
        ("{}".to_owned(), "the body is not a mute"),
        (with("colour", json!("red")), "the body is not a mute"),
        (with("match", json!({})), "one list at least"),
        (with("match", json!({ "nam": ["X"] })), "the body is not a mute"),
        (with("match", json!({ "name": [""] })), "1 to 256 characters"),
        (with("match", json!({ "name": vec!["X"; 17] })), "at most 16 patterns"),
        (with("reason", json!(" ")), "`reason` and `owner`"),
        (with("owner", json!("a\nb")), "`reason` and `owner`"),
        (with("reason", json!("a".repeat(257))), "`reason` and `owner`"),
    ] {
        let (status, detail) = problem(post(&server, OPERATOR, &[JSON], body.clone()).await).await;
        assert_eq!(status, 400, "{body}");
        assert!(detail.contains(said) && !detail.contains("script"), "{body}: {detail}");
    }
    assert!(fake.mutes.lock().unwrap().is_empty());
}
