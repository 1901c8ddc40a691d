//! A Java process that ends with the test process, however that ends.
//!
//! A shell holds it: the shell waits for the end of its standard input, a pipe that closes with the test process,
//! kills the process then and removes its folder. So a test that is killed leaves no broker behind.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use trailsight::clock::instant;

use super::tools;

/// Standard error is the log; the first line of standard output is the process id of Java. When it ends, standard
/// output closes, because the shell has closed its own.
const SHELL: &str = r#"
folder=$1; shift
exec 3<&0
java "$@" </dev/null 3<&- &
pid=$!
echo "$pid"
exec >&- 2>&-
cat <&3 >/dev/null
kill -KILL "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
rm -rf "$folder"
"#;

/// A Java process.
#[derive(Debug)]
pub(super) struct Leash {
    shell: Child,
    pid: u32,
    lines: Receiver<String>,
}

impl Leash {
    /// Starts `java CLASS ARGUMENTS`; what it says is also in `log`.
    pub(super) fn java(class: &str, arguments: &[&Path], log: &Path) -> Leash {
        let folder = log.with_extension("leash");
        std::fs::create_dir_all(&folder).expect("the folder can be written");
        let mut command = Command::new("sh");
        command.args([OsStr::new("-c"), SHELL.as_ref(), "leash".as_ref(), folder.as_os_str()]);
        command.args(tools::java_options("256m")).arg("-cp").arg(tools::classpath()).arg(class).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut shell = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut first = String::new();
        let mut stdout = BufReader::new(shell.stdout.take().expect("piped"));
        stdout.read_line(&mut first).expect("the shell says the process id");
        let pid = first.trim().parse().expect("a process id");
        let (sender, lines) = mpsc::channel();
        let stderr = shell.stderr.take().expect("piped");
        let mut log = File::options().create(true).append(true).open(log).expect("the log can be written");
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = writeln!(log, "{line}");
                let _nobody_waits = sender.send(line);
            }
        });
        // Java's own standard output: read, so that it never waits for a reader.
        std::thread::spawn(move || for _ in stdout.lines().map_while(Result::ok) {});
        Leash { shell, pid, lines }
    }

    /// Waits for a line that holds `words`; false when there was none in time, or the process ended.
    pub(super) fn line(&mut self, words: &str, time: Duration) -> bool {
        let began = instant();
        while let Some(left) = time.checked_sub(began.elapsed()) {
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(words) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// Sends a signal to the Java process.
    pub(super) fn signal(&self, name: &str) {
        let signal = format!("-{name}");
        // One that has ended by itself cannot be signalled; whoever needs it alive will notice.
        let _ = Command::new("kill").args([signal.as_str(), &self.pid.to_string()]).status();
    }

    /// Waits until it has ended: its log is closed then.
    pub(super) fn ended(&self, time: Duration) -> bool {
        let began = instant();
        while let Some(left) = time.checked_sub(began.elapsed()) {
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
        false
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
