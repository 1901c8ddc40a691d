//! Many connections, slow ones, and paths that mean something else than they say.

use std::net::TcpStream;

use super::*;

/// Connects and sends this much of a request.
fn connected(server: &Server, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(sent).unwrap();
    stream
}

/// What comes next; nothing where the server has closed.
fn next(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = [0; 4096];
    // A connection that is closed with something unread is reset.
    let read = stream.read(&mut bytes).unwrap_or(0);
    (read > 0).then(|| String::from_utf8_lossy(&bytes[..read]).into_owned())
}

fn ask(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

#[test]
fn a_silent_connection_gives_way_to_one_that_asks() {
    let (server, _) = start(&Settings { connections: 2, ..settings() }, Fake::default());
    let mut silent = connected(&server, b"");
    let mut slow = connected(&server, b"GET /healthz HTTP/1.1\r\nHost: loc");
    for _ in 0..10 {
        let mut asking = connected(&server, &ask("/healthz"));
        assert!(next(&mut asking).is_some_and(|answer| answer.starts_with("HTTP/1.1 200")));
    }
    assert_eq!((next(&mut silent), next(&mut slow)), (None, None));
}

#[test]
fn a_connection_that_is_being_answered_keeps_its_place() {
    let (server, fake) =
        start(&Settings { connections: 1, ..settings() }, Fake { held: Mutex::new(true), ..Fake::default() });
    let mut first = connected(&server, &ask("/api/v1/insights"));
    let mut second = connected(&server, &ask("/healthz"));
    second.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert_eq!(next(&mut second), None, "the only place is taken");
    *fake.held.lock().unwrap() = false;
    fake.released.notify_all();
    assert!(next(&mut first).is_some_and(|answer| answer.starts_with("HTTP/1.1 200")));
    second.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(next(&mut second).is_some_and(|answer| answer.starts_with("HTTP/1.1 200")));
}

#[tokio::test]
async fn paths_are_what_they_say() {
    let (server, _) = start(&settings(), Fake::default());
    let id = "00000000-0000-0000-0000-000000000007";
    for path in [
        "/api/v1/insights/../status",
        "/api/v1/./status",
        "//api/v1/status",
        "/api/v1//status",
        "/api/v1/status/",
        "/API/v1/status",
        "/%61pi/v1/status",
        "/api/v1/status%00",
        "/api/v1/status;a=b",
        "/api/v1/insights/..%2fstatus",
        "/api/v1/insights/%2e%2e",
        "/api/v1/insights/%00",
        "/page.css/../../etc/passwd",
        "/metrics\\..",
        "*",
        "evil",
    ] {
        let answer =
            raw(&server, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    }
    for (target, code) in [
        ("http://evil.example/api/v1/status".to_owned(), 421),
        ("http://localhost/api/v1/status".to_owned(), 200),
        (format!("/api/v1/insights/{id}?account=1"), 200),
    ] {
        let answer =
            raw(&server, format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{target}: {answer}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"] {
        let answer = raw(
            &server,
            format!("{method} /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 405"), "{method}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control"), "{answer}");
    }
    let text = get(&server, "/metrics").await.text().await.unwrap();
    assert!(
        text.contains("trailsight_http_requests_total{route=\"/api/v1/insights/{id}\",status=\"400\"} 3"),
        "{text}"
    );
    assert!(!text.contains("evil") && !text.contains("passwd"), "no label is what was asked for: {text}");
}

/// The next event of a stream that is not empty, as it was sent.
fn event(stream: &mut TcpStream, seen: &mut String) -> String {
    loop {
        if let Some((event, rest)) = seen.split_once("\n\n") {
            let (event, rest) = (event.to_owned(), rest.to_owned());
            *seen = rest;
            if !event.trim().is_empty() {
                return event;
            }
        } else {
            // Chunks are framed by a line with their length before and an empty one behind.
            let more = next(stream).expect("the stream goes on");
            let lines = more.split("\r\n").filter(|line| u32::from_str_radix(line, 16).is_err());
            seen.push_str(&lines.collect::<String>());
        }
    }
}

#[test]
fn the_stream_tells_what_is_recorded_and_who_is_slow_what_was_missed() {
    let (server, fake) = start(&Settings { connections: 4, ..settings() }, Fake::default());
    let news = |number: u32| News { id: number.to_string(), record: format!("{{\"n\":{number}}}").into() };
    let begin = || {
        let mut stream = connected(&server, &ask("/api/v1/stream"));
        let mut head = String::new();
        while !head.contains("retry:") {
            head.push_str(&next(&mut stream).expect("a head"));
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        stream
    };
    let (mut first, mut second) = (begin(), begin());
    fake.told().send(news(1)).unwrap();
    for stream in [&mut first, &mut second] {
        assert_eq!(event(stream, &mut String::new()), "event: insight\nid: 1\ndata: {\"n\":1}");
    }
    // Half of the connections are streams at most; the others are still answered, and streams keep their places.
    let mut third = connected(&server, &ask("/api/v1/stream"));
    assert!(next(&mut third).is_some_and(|answer| answer.starts_with("HTTP/1.1 503")));
    for _ in 0..10 {
        let mut asking = connected(&server, &ask("/healthz"));
        assert!(next(&mut asking).is_some_and(|answer| answer.starts_with("HTTP/1.1 200")));
    }
    // A reader that was away for more than may wait for it goes on behind the gap.
    let long: Arc<str> = "x".repeat(1 << 20).into();
    for number in 2..40 {
        fake.told().send(News { record: Arc::clone(&long), ..news(number) }).unwrap();
    }
    let mut seen = String::new();
    let told: Vec<String> = std::iter::from_fn(|| Some(event(&mut first, &mut seen)))
        .map(|event| event.chars().take(40).collect())
        .take_while(|event: &String| !event.contains("id: 39"))
        .collect();
    assert!(told.iter().any(|event| event.starts_with("event: missed\ndata: ")), "{told:?}");
}
