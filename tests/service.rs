//! `trailsight run` and `demo` as processes: started, asked over HTTP, killed, stopped.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use trailsight::clock::instant;

use crate::product;

/// No wait of a test is longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A configuration in a folder of its own: `files` are read, the data lies in `data`.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Where the configuration lies.
    pub(crate) file: PathBuf,
}

/// Writes a configuration that reads `inbox`, keeps its data in `data`, and listens wherever there is room.
/// `more` is appended.
pub(crate) fn setup(folder: &Path, inbox: &Path, data: &Path, more: &str) -> Setup {
    let file = folder.join("trailsight.toml");
    let text = format!(
        "data_dir = {data:?}\nsnapshot_interval = \"10s\"\n\n[sources.inbox]\ntype = \"files\"\npath = {inbox:?}\n\n\
         [detection]\nsensitivity = \"high\"\nassume_history = true\n\n[http]\nlisten = \"127.0.0.1:0\"\n\n{more}"
    );
    std::fs::write(&file, text).expect("the folder can be written");
    Setup { file }
}

/// A running service. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
    /// `http://127.0.0.1:PORT`, once it is known.
    pub(crate) url: String,
}

impl Service {
    /// `trailsight run` on this configuration, from the line on that says where it listens.
    pub(crate) fn run(setup: &Setup) -> Service {
        let mut service = Service::begin(setup);
        service.listening();
        service
    }

    /// The same, without waiting for anything.
    pub(crate) fn begin(setup: &Setup) -> Service {
        let mut command = product::command(["run", "--config"]);
        command.arg(&setup.file);
        Service::spawn(command)
    }

    /// Any command that serves.
    pub(crate) fn spawn(mut command: Command) -> Service {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = mpsc::channel();
        let log = Arc::new(Mutex::new(String::new()));
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        for stream in streams.into_iter().flatten() {
            let (sender, log) = (sender.clone(), log.clone());
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&format!("{line}\n"));
                    let _nobody_waits = sender.send(line);
                }
            });
        }
        Service { child, lines, log, url: String::new() }
    }

    /// Waits for the address of the page.
    pub(crate) fn listening(&mut self) {
        self.listening_where("page");
    }

    /// Waits for an address on a line with this word: what a delivery that failed says has the receiver's address in
    /// it, and may come first.
    pub(crate) fn listening_where(&mut self, word: &str) {
        let line = self.line(&format!("an address and {word:?}"), |line| line.contains(word) && port(line).is_some());
        self.url = format!("http://127.0.0.1:{}", port(&line).expect("the line has one"));
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed so far, both streams.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line on either stream.
    pub(crate) fn line(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let began = instant();
        while let Some(left) = LIMIT.checked_sub(began.elapsed()) {
            match self.lines.recv_timeout(left) {
                Ok(line) if wanted(&line) => return line,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        panic!("no line with {what} came:\n{}", self.log());
    }

    /// Waits until the process has ended by itself, at most this long; its exit status (`None`: a signal).
    /// Without an end in that time there is nothing.
    pub(crate) fn ended_within(&mut self, time: Duration) -> Option<Option<i32>> {
        let began = instant();
        while let Some(left) = time.checked_sub(began.elapsed()) {
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return None,
                // Both streams are closed.
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().ok().map(|status| status.code()),
            }
        }
        None
    }

    /// SIGKILL, now.
    pub(crate) fn kill(&mut self) {
        let _ended_before = self.child.kill();
        let _ = self.child.wait();
    }

    /// A signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill is there");
        assert!(sent.success(), "the process is gone already:\n{}", self.log());
    }

    /// SIGTERM, and the exit status that follows.
    pub(crate) fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.ended_within(LIMIT);
        assert_eq!(status, Some(Some(0)), "after SIGTERM:\n{}", self.log());
        self.log()
    }

    /// A page as text, with its status code.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, String)> {
        let response =
            reqwest::Client::new().get(format!("{}{path}", self.url)).timeout(LIMIT / 4).send().await.ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    }

    /// A page as JSON, whatever its status.
    pub(crate) async fn json(&self, path: &str) -> Option<Value> {
        serde_json::from_str(&self.get(path).await?.1).ok()
    }

    /// Polls a page until it says what is wanted.
    pub(crate) async fn until(&self, path: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let last = Mutex::new(Value::Null);
        let found = eventually(async || {
            let value = self.json(path).await?;
            *last.lock().unwrap_or_else(PoisonError::into_inner) = value.clone();
            wanted(&value).then_some(value)
        });
        match found.await {
            Some(value) => value,
            None => {
                panic!("{path} never said {what}; last:\n{:#}\n{}", last.into_inner().unwrap_or_default(), self.log())
            }
        }
    }

    /// Every incident in the history, newest first.
    pub(crate) async fn incidents(&self) -> Vec<Value> {
        let mut incidents = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/insights?sensitivity=high&limit=100{cursor}");
            let page = self.json(&path).await.unwrap_or_else(|| panic!("no page of insights:\n{}", self.log()));
            incidents.extend(page["insights"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return incidents,
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The one place where a test waits for something that tells nobody when it is done: asked again, a bounded
/// number of times.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let asking = async {
        loop {
            tick.tick().await;
            if let Some(found) = ask().await {
                return found;
            }
        }
    };
    tokio::time::timeout(LIMIT, asking).await.ok()
}

fn port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|port| *port != 0)
}
