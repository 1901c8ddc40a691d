//! From the start of the process to its first answer over HTTP, with a full data directory.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use trailsight::clock::instant;

use crate::Size;
use crate::answer::{Answer, hash, median};
use crate::process::{binary, run};
use crate::workload::counts;

const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn ask(size: Size) -> Result<Answer> {
    let folder = TempDir::new()?;
    let series = size.of(1_000, 100_000);
    let table = counts(&folder.path().join("history.tsv.gz"), series, 1, 1)?;
    let config = configured(folder.path(), "")?;
    run(["backfill".as_ref(), "--config".as_ref(), config.as_os_str(), table.as_os_str()], None)?;
    let mut took = Vec::new();
    let mut active = 0;
    for _ in 0..size.of(1, 5) {
        let began = instant();
        let mut service = Service::start(&config)?;
        let status = service.ask("/api/v1/status")?;
        took.push(began.elapsed().as_secs_f64());
        service.end();
        active = number(&status, ["series", "active"])?;
    }
    ensure!(active >= series, "only {active} series came back");
    Ok(Answer {
        question: "How long does a restart take?",
        workload: format!(
            "a day of {series} series taught by `backfill`, then `run` until it answers `/api/v1/status`; median."
        ),
        non_goals: "a cold page cache; entries after the newest snapshot, of which there are none.",
        figures: vec![
            ("seconds to the first answer (target < 3)".into(), format!("{:.2}", median(took))),
            ("series back".into(), active.to_string()),
        ],
        hash: hash(&active.to_le_bytes()),
    })
}

/// Bytes of state that a service with this configuration holds, and its series.
pub(crate) fn held(config: &Path) -> Result<(u64, u64)> {
    let mut service = Service::start(config)?;
    let status = service.ask("/api/v1/status")?;
    service.end();
    Ok((number(&status, ["memory", "state_bytes"])?, number(&status, ["series", "active"])?))
}

fn number(status: &str, [part, name]: [&str; 2]) -> Result<u64> {
    let status: serde_json::Value = serde_json::from_str(status)?;
    status[part][name].as_u64().with_context(|| format!("status has no {part}.{name}"))
}

/// A configuration that reads an empty folder.
pub(crate) fn configured(folder: &Path, more: &str) -> Result<std::path::PathBuf> {
    let (inbox, data) = (folder.join("inbox"), folder.join("data"));
    fs::create_dir_all(&inbox)?;
    let text = format!(
        "data_dir = {data:?}\n[sources.inbox]\ntype = \"files\"\npath = {inbox:?}\n[detection]\nassume_history = true\n\
         [http]\nlisten = \"127.0.0.1:0\"\n{more}"
    );
    let file = folder.join("trailsight.toml");
    fs::write(&file, text)?;
    Ok(file)
}

/// A running service, killed when dropped.
struct Service {
    child: Child,
    lines: Receiver<String>,
}

impl Service {
    fn start(config: &Path) -> Result<Service> {
        let mut command = Command::new(binary()?);
        command
            .arg("run")
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (sender, lines) = mpsc::channel();
        let stderr = child.stderr.take().context("piped")?;
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _nobody_waits = sender.send(line);
            }
        });
        Ok(Service { child, lines })
    }

    fn ask(&mut self, path: &str) -> Result<String> {
        let port = loop {
            let line = self.lines.recv_timeout(PATIENCE).context("it never said where it listens")?;
            let digits = line
                .split_once("127.0.0.1:")
                .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
            if let Some(port) = digits.and_then(|digits| digits.parse::<u16>().ok()).filter(|port| *port != 0) {
                break port;
            }
        };
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        Ok(body.to_owned())
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}
