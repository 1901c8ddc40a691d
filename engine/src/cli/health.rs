//! `health`: asks a running service whether it is alive, as container health checks need it.
//!
//! An image without a shell has no `curl`; the question is one request over one connection.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

use super::args::HealthArgs;
use super::exit::{self, Exit, Failure};
use crate::config;

/// For connecting, and for each read and write. Health checks of containers give up after 30 seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most of an answer that is looked at, bytes; the first line is enough.
const ANSWER_BYTES: u64 = 1024;

pub(super) fn run(args: &HealthArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let address = match args.address {
        Some(address) => address,
        None => reachable(config::load(&args.location.inputs())?.http.listen),
    };
    if address.port() == 0 {
        return Err(Failure::Usage("http.listen leaves the port open; give --address".to_owned()));
    }
    let (path, word) = if args.ready { ("/readyz", "ready") } else { ("/healthz", "alive") };
    let status = ask(address, path).with_context(|| format!("http://{address}{path}"))?;
    if status == 200 {
        return exit::written(writeln!(out, "{word}"));
    }
    Err(Failure::Failed(anyhow::anyhow!("not {word}: http://{address}{path} answers {status}")))
}

/// A service that listens on every address is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The status code of a GET.
fn ask(address: SocketAddr, path: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer)?;
    status(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

/// `200` of `HTTP/1.1 200 OK`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next().filter(|code| code.len() == 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::cli::args::Location;

    /// Answers one request with these bytes.
    fn answering(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request).unwrap();
            let _ = stream.write_all(answer);
        });
        address
    }

    fn asked(address: SocketAddr, ready: bool) -> (Result<Exit, Failure>, String) {
        let args = HealthArgs { location: Location::default(), address: Some(address), ready };
        let mut out = Vec::new();
        let result = run(&args, &mut out);
        (result, String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_it_says_of_each_answer() {
        let (result, said) = asked(answering(b"HTTP/1.1 200 OK\r\n\r\n{}"), true);
        assert_eq!((result.unwrap(), said.as_str()), (Exit::Done, "ready\n"));
        let (result, _) = asked(answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), false);
        let failure = result.unwrap_err();
        assert_eq!(failure.exit(), Exit::Failed);
        assert!(failure.to_string().contains("not alive") && failure.to_string().contains("503"), "{failure}");
        for nonsense in [&b""[..], b"220 mail\r\n", b"HTTP/1.1 20\xff\r\n", b"HTTP/1.1 2000 OK\r\n", b"HTTP/2 200\r\n"]
        {
            let (result, said) = asked(answering(nonsense), false);
            assert_eq!(result.unwrap_err().exit(), Exit::Failed);
            assert!(said.is_empty());
        }
    }

    #[test]
    fn nobody_there_is_a_failure_and_an_open_port_wrong_usage() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(asked(address, false).0.unwrap_err().exit(), Exit::Failed);
        assert_eq!(asked("127.0.0.1:0".parse().unwrap(), false).0.unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn every_address_is_asked_on_loopback() {
        for (listen, asked) in
            [("0.0.0.0:8470", "127.0.0.1:8470"), ("[::]:1", "[::1]:1"), ("10.0.0.1:8470", "10.0.0.1:8470")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
