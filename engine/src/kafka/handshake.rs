//! Why a connection comes to nothing: what librdkafka does not say when it is let down before a request.
//!
//! A client without TLS on a port with TLS waits in silence, and OpenSSL says of a certificate only that it was
//! not accepted. A handshake of our own tells which it is.

use std::net::ToSocketAddrs;
use std::time::Duration;

use super::cluster::Tls;

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What answers at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Nobody: what the system says.
    Nobody(String),
    /// Something that does not speak TLS, or somebody who says nothing.
    NotTls,
    /// TLS, with a certificate that is accepted.
    Tls,
    /// TLS, with this wrong with it.
    Untrusted(String),
}

/// Looks at `host:port`; `tls` says which authorities are trusted.
pub(super) fn look(broker: &str, tls: Option<&Tls>) -> Answers {
    let addresses = match broker.to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return Answers::Nobody(error.to_string()),
    };
    let mut why = "its name has no address".to_owned();
    for address in addresses {
        match std::net::TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return greet(broker, tls),
            Err(error) => why = error.to_string(),
        }
    }
    Answers::Nobody(why)
}

fn greet(broker: &str, tls: Option<&Tls>) -> Answers {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Answers::NotTls };
    runtime.block_on(async {
        let Some(client) = client(tls) else { return Answers::Untrusted("tls.ca_file holds no certificate".into()) };
        // What comes after the handshake is not HTTP: only how it fails is looked at.
        match client.head(format!("https://{broker}/")).send().await {
            Ok(_) => Answers::Tls,
            Err(error) => judge(&words(&error)),
        }
    })
}

fn client(tls: Option<&Tls>) -> Option<reqwest::Client> {
    let mut builder = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
    if let Some((tls, path)) = tls.and_then(|tls| Some((tls, tls.ca_file.as_ref()?))) {
        let pem = std::fs::read(path).ok()?;
        builder = builder
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).ok()?)
            .tls_danger_accept_invalid_hostnames(!tls.verify_hostname);
    }
    builder.build().ok()
}

/// What the words of rustls mean: it names the fault of a certificate, and a peer that does not speak TLS sends
/// what is no record of it.
fn judge(words: &str) -> Answers {
    if let Some((_, fault)) = words.split_once("invalid peer certificate: ") {
        return Answers::Untrusted(fault.split(": ").next().unwrap_or(fault).to_owned());
    }
    if words.contains("corrupt message") || words.contains("handshake eof") || words.contains("timed out") {
        return Answers::NotTls;
    }
    Answers::Tls
}

fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_and_no_tls_are_told_apart() {
        assert!(matches!(look("127.0.0.1:1", None), Answers::Nobody(_)));
        assert!(matches!(look("no such host:1", None), Answers::Nobody(_)));
        // Closes at once, whatever it is sent.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let closing = std::thread::spawn(move || (0..2).for_each(|_| drop(listener.accept())));
        assert_eq!(look(&address, None), Answers::NotTls);
        closing.join().unwrap();
    }

    #[test]
    fn the_fault_of_a_certificate_is_named() {
        let words = "error sending request: client error (Connect): invalid peer certificate: Expired: 1 day ago";
        assert_eq!(judge(words), Answers::Untrusted("Expired".into()));
        assert_eq!(judge("received corrupt message of type InvalidContentType"), Answers::NotTls);
        assert_eq!(judge("invalid HTTP version parsed"), Answers::Tls);
    }
}
