//! Reading the same thing twice.

use super::*;

#[tokio::test]
async fn what_the_reader_has_is_not_sent_again() {
    let (server, _) = start(&settings(), Fake::default());
    let client = Client::new();
    let ask = |path: &str, known: &str| {
        client.get(format!("http://{}{path}", server.address())).header("if-none-match", known).send()
    };
    for path in ["/", "/page/page.css", "/api/v1/status", "/api/v1/insights", &format!("/api/v1/insights/{}", id())] {
        let first = get(&server, path).await;
        assert_eq!(first.headers()["cache-control"], "private, no-cache", "{path}");
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        assert!(tag.len() == 34 && tag.starts_with('"'), "{tag}");
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let again = ask(path, &known).await.unwrap();
            assert_eq!(again.status(), 304, "{path}: {known}");
            assert_eq!(again.headers()["etag"], tag.as_str());
            assert_eq!(again.headers()["x-content-type-options"], "nosniff");
            assert_eq!(again.text().await.unwrap(), "");
        }
        for unknown in ["\"other\"", &tag[1..], "nonsense"] {
            let again = ask(path, unknown).await.unwrap();
            assert_eq!(again.status(), 200, "{path}: {unknown}");
            assert!(!again.text().await.unwrap().is_empty());
        }
    }
    for path in ["/metrics", "/healthz", "/readyz", "/nowhere"] {
        let response = get(&server, path).await;
        assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
        assert!(response.headers().get("etag").is_none());
    }
}

#[tokio::test]
async fn what_is_asked_of_series_is_read_strictly() {
    let (server, fake) = start(&settings(), Fake::default());
    let good = "/api/v1/series?account=1&region=eu-west-1&source=ssm.amazonaws.com&name=It&search=t%27s&recent=300&sort=unusual&limit=7&cursor=abc";
    assert_eq!(get(&server, good).await.status(), 200);
    let (filter, limit, cursor) = fake.watched.lock().unwrap().pop().unwrap();
    assert_eq!((filter.sort, limit, cursor.as_deref()), (Sort::Unusual, 7, Some("abc")));
    assert_eq!((filter.search.as_deref(), filter.recent), (Some("t's"), Some(300)));
    assert_eq!([filter.account, filter.name].map(Option::unwrap), ["1", "It"]);
    for (path, code, said) in [
        ("/api/v1/series?sort=size", 400, "`sort` must be name, unusual or calls"),
        (
            "/api/v1/series?since=2026-01-01T00:00:00Z",
            400,
            "there are: account, region, source, name, search, recent, sort",
        ),
        ("/api/v1/series?recent=61", 400, "60, 300 or 3600"),
        ("/api/v1/series?search=", 400, "1 to 256 characters"),
        ("/api/v1/series?limit=0", 400, "`limit` must be"),
        ("/api/v1/series?cursor=bad", 400, "not one of ours"),
        ("/api/v1/series/known/minutes?period=61", 400, "60, 300 or 3600"),
        ("/api/v1/series/known/minutes?period=300", 400, "at most 1500"),
        ("/api/v1/series/known/minutes?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", 400, "after `since`"),
        ("/api/v1/series/known/minutes", 503, "busy"),
        ("/api/v1/series/unknown/minutes", 404, "nothing here"),
        ("/api/v1/series/%ff/minutes", 404, "nothing here"),
    ] {
        let (status, detail) = problem(get(&server, path).await).await;
        assert_eq!(status, code, "{path}: {detail}");
        assert!(detail.contains(said), "{path}: {detail}");
    }
    let long = "a".repeat(4097);
    assert_eq!(problem(get(&server, &format!("/api/v1/series?cursor={long}")).await).await.0, 400);
}

/// Every path of the document is answered, with the keys it promises and no others.
#[tokio::test]
async fn the_openapi_document_says_what_is_answered() {
    let (server, _) = start(&settings(), Fake::default());
    let document: Value =
        serde_json::from_str(&get(&server, "/api/v1/openapi.json").await.text().await.unwrap()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let resolve = |schema: &Value| {
        let name =
            schema["$ref"].as_str().expect("a named type").trim_start_matches("#/components/schemas/").to_owned();
        document["components"]["schemas"][&name].clone()
    };
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 12, "{:?}", paths.keys());
    for (path, operation) in paths {
        let asked = path.replace("{id}", &id().to_string());
        let answers = &operation["get"]["responses"];
        if path == "/api/v1/stream" || path.starts_with("/api/v1/series/") || path.starts_with("/api/v1/mutes/") {
            continue;
        }
        let response = get(&server, &asked).await;
        let code = response.status().as_u16().to_string();
        let kind = response.headers()["content-type"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let promised = &answers[&code]["content"][&kind]["schema"];
        assert!(promised.is_object(), "{path}: {code} {kind}");
        if kind == "application/json" {
            let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
            let schema = resolve(promised);
            let properties = schema["properties"].as_object().unwrap();
            assert!(keys.iter().all(|key| properties.contains_key(*key)), "{path}: {keys:?}");
        }
    }
}
