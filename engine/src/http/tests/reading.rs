//! Reading the same thing twice.

use super::*;

#[tokio::test]
async fn what_the_reader_has_is_not_sent_again() {
    let (server, _) = start(&settings(), Fake::default());
    let client = Client::new();
    let ask = |path: &str, known: &str| {
        client.get(format!("http://{}{path}", server.address())).header("if-none-match", known).send()
    };
    for path in ["/", "/page.css", "/api/v1/status", "/api/v1/insights", &format!("/api/v1/insights/{}", id())] {
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
