//! How a command ended.

use std::io;
use std::process::ExitCode;

use crate::config::ConfigError;

/// Exit status: part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed while running.
    Failed,
    /// 2: wrong usage, configuration, or input that cannot be opened.
    Usage,
    /// 3: finished, but records were left in the dead letter.
    DeadLetters,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::DeadLetters => 3,
        })
    }
}

/// Why a command did not end well, as its user reads it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration: every problem of it.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// What was asked for makes no sense, or an input cannot be opened.
    #[error("{0}")]
    Usage(String),
    /// It failed while running; the whole chain of causes is shown.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

impl Failure {
    /// The exit status that says so.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Config(_) | Failure::Usage(_) => Exit::Usage,
            Failure::Failed(_) => Exit::Failed,
        }
    }
}

/// What writing to standard output came to; a reader that has seen enough (`| head`) is no failure.
pub(super) fn written(result: io::Result<()>) -> Result<Exit, Failure> {
    match result {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::Failed(anyhow::Error::new(error).context("standard output"))),
    }
}
