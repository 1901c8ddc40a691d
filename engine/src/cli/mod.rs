//! The commands: what was asked on the command line, and which exit status says how it went.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

pub mod args;
pub mod backfill;
pub mod demo;
pub mod replay;
pub mod run;

mod check;
mod configuration;
mod exit;
mod health;
mod history;
mod insights;
mod line;
mod outbox;
mod reading;
mod routes;
mod simulate;
mod sinks;
mod table;

pub use exit::{Exit, Failure};

use args::{Cli, Command};

/// Parses the arguments of the process and does what they say.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; a closed standard output is nobody's mistake.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    match dispatch(&cli.command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("trailsight: {failure}");
            failure.exit().into()
        }
    }
}

fn dispatch(command: &Command) -> Result<Exit, Failure> {
    // Those that run for long write from other threads too, which a lock held here would keep waiting.
    match command {
        Command::Run(args) => return run::run(args),
        Command::Demo(args) => return demo::run(args),
        Command::Simulate(args) => return simulate::run(args),
        Command::Replay(args) => return replay::run(args),
        Command::Backfill(args) => return backfill::run(args),
        _ => {}
    }
    let stdout = &mut std::io::stdout().lock();
    match command {
        Command::Run(_) | Command::Demo(_) | Command::Simulate(_) | Command::Replay(_) | Command::Backfill(_) => {
            Ok(Exit::Done)
        }
        Command::Check(args) => check::run(args, stdout),
        Command::Insights(args) => {
            insights::run(args, crate::clock::Clock::System.now(), &mut |directory| history::open(directory), stdout)
        }
        Command::Health(args) => health::run(args, stdout),
        Command::Sinks(args) => sinks::run(args, stdout),
        Command::Routes(args) => routes::run(args, stdout),
        Command::Outbox(args) => outbox::run(args, stdout),
        Command::Config(args) => configuration::run(args, stdout),
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "trailsight", &mut script);
            exit::written(std::io::Write::write_all(stdout, &script))
        }
    }
}

#[cfg(test)]
mod tests;
