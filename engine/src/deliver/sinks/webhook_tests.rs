use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::deliver::receiver::{Answer, Receiver, raw};

const KEY: [u8; 32] = *b"an example key of thirty-two byt";
const ID: Uuid = Uuid::from_u128(7);

fn spec(url: &str) -> WebhookSpec {
    let secrets = vec![format!("whsec_{}", STANDARD.encode(KEY)).into()];
    WebhookSpec {
        url: url.into(),
        secrets,
        headers: Vec::new(),
        timeout: Duration::from_secs(20),
        deny_private_networks: false,
    }
}

fn webhook(url: &str) -> Webhook {
    Webhook::new(&spec(url)).expect("a valid webhook")
}

async fn post(url: &str) -> Result<(), SendError> {
    webhook(url).post(ID, "application/json", b"{\"a\":{}}".to_vec(), 1_772_694_660_999).await
}

/// HMAC-SHA256 by RFC 2104, from the hash alone.
fn hmac(key: &[u8; 32], message: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let pad = |byte: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ byte).collect() };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[tokio::test]
async fn a_request_is_signed_over_what_arrives() {
    let receiver = Receiver::start(&[]).await;
    post(&receiver.url).await.expect("accepted");
    let seen = receiver.seen().remove(0);
    assert_eq!(seen.header("webhook-id"), ID.to_string());
    assert_eq!(seen.header("webhook-timestamp"), "1772694660");
    assert_eq!(seen.header("content-type"), "application/json");
    assert!(seen.header("user-agent").starts_with("trailsight/"));
    let signed = [seen.header("webhook-id"), ".", seen.header("webhook-timestamp"), "."].concat();
    let expected = hmac(&KEY, &[signed.as_bytes(), &seen.body].concat());
    assert_eq!(seen.header("webhook-signature"), format!("v1,{}", STANDARD.encode(expected)));
    assert_eq!(seen.body, b"{\"a\":{}}"[..]);
}

#[tokio::test]
async fn configured_headers_are_sent_and_ours_cannot_be_replaced() {
    let receiver = Receiver::start(&[]).await;
    let with = |name: &str, value: &str| {
        Webhook::new(&WebhookSpec { headers: vec![(name.into(), value.into())], ..spec(&receiver.url) })
    };
    let webhook = with("Authorization", "Bearer s3cret").expect("a header");
    webhook.post(ID, "application/json", b"{}".to_vec(), 0).await.expect("accepted");
    assert_eq!(receiver.seen()[0].header("authorization"), "Bearer s3cret");
    assert!(matches!(with("Webhook-Id", "x"), Err(WebhookError::Reserved(_))));
    assert!(matches!(with("Content-Length", "9"), Err(WebhookError::Reserved(_))));
    assert!(matches!(with("a b", "x"), Err(WebhookError::Header(_))));
    let error = with("X-Token", "s3cret\n").expect_err("a line end").to_string();
    assert_eq!(error, "header `X-Token` is not a valid header");
}

#[tokio::test]
async fn answers_decide_about_the_next_attempt() {
    let seconds = |count| Retry::After(Duration::from_secs(count));
    for (answer, expected) in [
        (Answer::Status(202), None),
        (Answer::Status(500), Some(Retry::Now)),
        (Answer::Status(410), Some(Retry::Never)),
        (Answer::Status(400), Some(Retry::Never)),
        (Answer::WithHeader(429, "retry-after", "7"), Some(seconds(7))),
        (
            Answer::WithHeader(503, "retry-after", "Thu, 05 Mar 2026 07:12:00 GMT"),
            Some(Retry::After(Duration::from_millis(59_001))),
        ),
        (Answer::WithHeader(429, "retry-after", "86400"), Some(seconds(3600))),
        (Answer::WithHeader(429, "retry-after", "later"), Some(Retry::Now)),
    ] {
        let receiver = Receiver::start(&[answer]).await;
        assert_eq!(post(&receiver.url).await.err().map(|error| error.retry), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_refused_and_not_followed() {
    let target = Receiver::start(&[]).await;
    let location: &'static str = target.url.clone().leak();
    let receiver = Receiver::start(&[Answer::WithHeader(307, "location", location)]).await;
    let error = post(&receiver.url).await.expect_err("redirected");
    assert_eq!(error.retry, Retry::Never);
    assert!(error.message.contains("redirects are not followed"), "{error}");
    assert_eq!((receiver.seen().len(), target.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again_unless_the_answer_was_yes() {
    let silent = raw(vec![b""]).await;
    assert_eq!(post(&silent).await.expect_err("no answer").retry, Retry::Now);
    let garbage = raw(vec![b"I am not HTTP\r\n\r\n"]).await;
    assert_eq!(post(&garbage).await.expect_err("no answer").retry, Retry::Now);
    let half_yes = raw(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"]).await;
    assert_eq!(post(&half_yes).await, Ok(()));
    let half_no = raw(vec![b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 100\r\n\r\nhalf"]).await;
    let error = post(&half_no).await.expect_err("refused");
    assert_eq!(error.retry, Retry::Now);
    assert!(error.message.ends_with("answered 502 Bad Gateway: half"), "{error}");
}

#[tokio::test]
async fn a_receiver_that_is_silent_runs_into_the_timeout() {
    let receiver = Receiver::start(&[Answer::Never]).await;
    let webhook = Webhook::new(&WebhookSpec { timeout: Duration::from_millis(50), ..spec(&receiver.url) });
    let error = webhook.expect("valid").post(ID, "application/json", b"{}".to_vec(), 0).await.expect_err("silent");
    assert_eq!(error.retry, Retry::Now);
    assert!(error.message.contains("timed out"), "{error}");
}

#[tokio::test]
async fn nothing_secret_is_said() {
    let receiver = Receiver::start(&[Answer::Status(401)]).await;
    let secret_url = receiver.url.replace("http://", "http://user:p4ss@");
    let closed = "http://user:p4ss@127.0.0.1:1/path-secret?token=t0ps3cret".to_owned();
    for url in [secret_url, closed] {
        let headers = vec![("X-Token".to_owned(), SecretString::from("s3cret"))];
        let webhook = Webhook::new(&WebhookSpec { headers, ..spec(&url) }).expect("valid");
        let error = webhook.post(ID, "application/json", b"{}".to_vec(), 0).await.expect_err("fails");
        for text in [format!("{webhook:?}"), error.to_string(), format!("{error:?}")] {
            for secret in ["p4ss", "t0ps3cret", "path-secret", "s3cret", &STANDARD.encode(KEY)] {
                assert!(!text.contains(secret), "{text}");
            }
            assert!(text.contains("http://127.0.0.1:"), "{text}");
        }
    }
}

#[test]
fn what_is_not_a_web_address_is_refused_without_being_shown() {
    for url in ["", "hook", "ftp://host/", "file:///etc/passwd", "http://", "mailto:s3cret@host"] {
        let error = Webhook::new(&spec(url)).expect_err(url).to_string();
        assert_eq!(error, "the url is not an http or https address");
    }
}

#[tokio::test]
async fn private_networks_are_denied_by_address_and_by_name() {
    let receiver = Receiver::start(&[]).await;
    let denied = |url: &str| Webhook::new(&WebhookSpec { deny_private_networks: true, ..spec(url) });
    for url in
        [&receiver.url, "http://0x7f.1/", "http://2130706433/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/"]
    {
        assert!(matches!(denied(url), Err(WebhookError::Private)), "{url}");
    }
    let by_name = receiver.url.replace("127.0.0.1", "localhost");
    post(&by_name).await.expect("accepted where it is allowed");
    let webhook = denied(&by_name).expect("a name is resolved when it is connected to");
    let error = webhook.post(ID, "application/json", b"{}".to_vec(), 0).await.expect_err("it leads home");
    assert_eq!(error.retry, Retry::Now);
    assert!(error.message.contains("localhost has no public address"), "{error}");
    assert_eq!(receiver.seen().len(), 1);
}
