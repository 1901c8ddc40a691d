//! The product as its users meet it: a process with arguments, streams and an exit status.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::relations;

/// No command of a test may take longer; it is killed and the test fails.
const LIMIT: Duration = Duration::from_secs(300);

/// What source files end with, those of the page among them.
const COMPILED: [&str; 5] = [".rs", ".js", ".css", ".html", ".svg"];

/// The binary under test. One that is older than its sources would show something else than these sources.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = env::var_os("TRAILSIGHT_BIN") {
            return PathBuf::from(given);
        }
        built("trailsight")
    })
}

/// An executable of this workspace that Cargo has put beside this test's own.
pub(crate) fn built(name: &str) -> PathBuf {
    let test = env::current_exe().expect("this test has a path");
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/all-HASH");
    let binary = profile.join(name);
    let of_profile = if profile.ends_with("release") { " --release" } else { "" };
    let build = format!("cargo build{of_profile} --bin {name}");
    let made = fs::metadata(&binary).and_then(|meta| meta.modified());
    let made = made.unwrap_or_else(|error| panic!("{}: {error}; first {build}", binary.display()));
    let sources = fs::read_to_string(profile.join(format!("{name}.d"))).unwrap_or_default();
    for source in sources.split_whitespace().filter(|path| COMPILED.iter().any(|ending| path.ends_with(ending))) {
        if let Ok(changed) = fs::metadata(source).and_then(|meta| meta.modified()) {
            assert!(changed <= made, "{source} changed after {} was built; first {build}", binary.display());
        }
    }
    binary
}

/// The binary with arguments, nothing of this process's own configuration in its environment.
pub(crate) fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRAILSIGHT__")) {
        command.env_remove(name);
    }
    command.args(arguments).env("NO_COLOR", "1").env("RUST_BACKTRACE", "0");
    command
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
    /// Exit status; `None` after a signal.
    pub(crate) status: Option<i32>,
}

impl Finished {
    /// Fails unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Finished {
        assert_eq!(self.status, Some(status), "exit status; standard error:\n{}", self.stderr);
        assert!(!self.stderr.contains("panicked at"), "it panicked:\n{}", self.stderr);
        self
    }

    /// The insights on standard output, held against every relation that must hold.
    #[track_caller]
    pub(crate) fn insights(&self) -> Vec<Value> {
        relations::check(&self.stdout)
    }

    /// The number in front of `words` in the closing summary on standard error.
    #[track_caller]
    pub(crate) fn summary(&self, words: &str) -> u64 {
        let found = self.stderr.lines().rev().find_map(|line| number_before(line, words));
        found.unwrap_or_else(|| panic!("no number of {words} in the summary:\n{}", self.stderr))
    }
}

/// `2,900` of `2,900 records counted`, however thousands are separated.
fn number_before(line: &str, words: &str) -> Option<u64> {
    let (head, _) = line.split_once(words)?;
    let separates = |each: char| matches!(each, ',' | '_' | '\'' | '\u{202f}' | '\u{2009}');
    let number: String =
        head.trim_end().chars().rev().take_while(|each| each.is_ascii_digit() || separates(*each)).collect();
    number.chars().rev().filter(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// Runs a command to its end with nothing on standard input.
pub(crate) fn run(command: Command) -> Finished {
    run_with(command, |_| Ok(()))
}

/// Runs a command to its end; `feed` writes its standard input. A command that stops reading early is
/// judged by its exit status, not by the broken pipe.
pub(crate) fn run_with(mut command: Command, feed: impl FnOnce(&mut ChildStdin) -> std::io::Result<()>) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (done, closed) = mpsc::channel();
    read_to_end(child.stdout.take(), 0, done.clone());
    read_to_end(child.stderr.take(), 1, done);
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let _broken_pipe = feed(&mut stdin);
    drop(stdin);
    let [stdout, stderr] = collect(&mut child, &closed, &command);
    let status = child.wait().expect("a child can be waited for").code();
    Finished { stdout, stderr, status }
}

fn read_to_end(stream: Option<impl Read + Send + 'static>, which: usize, done: Sender<(usize, Vec<u8>)>) {
    let mut stream = stream.expect("the stream is piped");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _killed = stream.read_to_end(&mut bytes);
        let _ = done.send((which, bytes));
    });
}

fn collect(child: &mut Child, closed: &Receiver<(usize, Vec<u8>)>, command: &Command) -> [String; 2] {
    let mut streams = [String::new(), String::new()];
    for _ in 0..2 {
        match closed.recv_timeout(LIMIT) {
            Ok((which, bytes)) => streams[which] = String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{command:?} took longer than {LIMIT:?}");
            }
        }
    }
    streams
}

/// `trailsight replay ARGUMENTS` with this on standard input.
pub(crate) fn replay<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>, input: &[u8]) -> Finished {
    let mut command = command(["replay", "--output-format", "ndjson"]);
    command.args(arguments);
    run_with(command, |stdin| stdin.write_all(input))
}

#[cfg(test)]
mod tests {
    use super::number_before;

    #[test]
    fn numbers_of_a_summary_are_read_however_thousands_are_separated() {
        let line = "2,900 records counted, 1 duplicates, 12\u{202f}000 not read (5 records/s)";
        for (words, number) in
            [("records counted", Some(2900)), ("duplicates", Some(1)), ("not read", Some(12_000)), ("lost", None)]
        {
            assert_eq!(number_before(line, words), number, "{words}");
        }
    }
}
