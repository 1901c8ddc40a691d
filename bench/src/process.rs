//! The product as a process: what it printed, how long it took, how much CPU and memory.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use trailsight::clock::instant;

/// Linux's unit of CPU times in /proc; it is 100 on every architecture Rust's tier 1 names.
const TICKS_PER_SECOND: f64 = 100.0;
/// How often the peak of memory is looked at; it only grows, so little is missed at the end.
const LOOK: Duration = Duration::from_millis(3);

/// What a finished process took.
#[derive(Debug)]
pub(crate) struct Took {
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// From start to end.
    pub(crate) wall: Duration,
    /// User and system time, seconds, in steps of 10 ms.
    pub(crate) cpu: f64,
    /// Largest resident set seen, bytes.
    pub(crate) peak: u64,
}

/// The binary beside this one, or `TRAILSIGHT_BIN`.
pub(crate) fn binary() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("TRAILSIGHT_BIN") {
        return Ok(given.into());
    }
    let binary = std::env::current_exe()?.with_file_name("trailsight");
    ensure!(binary.is_file(), "{} is not there: cargo build --release --bin trailsight", binary.display());
    Ok(binary)
}

/// Runs it to its end, with this file as standard input.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>, stdin: Option<&Path>) -> Result<Took> {
    let mut command = Command::new(binary()?);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(match stdin {
        Some(path) => Stdio::from(fs::File::open(path)?),
        None => Stdio::null(),
    });
    let (began, cpu_before) = (instant(), cpu_of_children()?);
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    let (done, ended) = mpsc::channel();
    let mut stdout = child.stdout.take().context("piped")?;
    let mut stderr = child.stderr.take().context("piped")?;
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        let _ = done.send(bytes);
    });
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let mut peak = 0;
    let stdout = loop {
        match ended.recv_timeout(LOOK) {
            Ok(bytes) => break bytes,
            Err(RecvTimeoutError::Timeout) => peak = peak.max(peak_of(child.id())),
            Err(RecvTimeoutError::Disconnected) => break Vec::new(),
        }
    };
    let status = child.wait()?;
    let wall = began.elapsed();
    let said = said.join().unwrap_or_default();
    ensure!(status.success(), "{command:?}: {status}\n{said}");
    Ok(Took { stdout, wall, cpu: cpu_of_children()? - cpu_before, peak })
}

/// CPU seconds of this process so far.
pub(crate) fn own_cpu() -> Result<f64> {
    Ok((stat(11)? + stat(12)?) / TICKS_PER_SECOND)
}

fn cpu_of_children() -> Result<f64> {
    Ok((stat(13)? + stat(14)?) / TICKS_PER_SECOND)
}

/// A field of /proc/self/stat, counted from 0 behind the name in parentheses.
fn stat(field: usize) -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(')').context("a name in parentheses")?;
    fields.split_whitespace().nth(field).context("a field")?.parse().context("a number")
}

/// `VmHWM` in bytes; 0 once the process has gone.
pub(crate) fn peak_of(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
