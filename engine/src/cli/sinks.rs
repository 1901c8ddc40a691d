//! `sinks test NAME`: a marked insight through one sink, and what came back.

use std::io::Write;

use super::args::{SinksAction, SinksArgs, TestArgs};
use super::exit::{self, Exit, Failure};
use crate::clock::Clock;
use crate::config::{self, Config, SinkConfig, nearest};
use crate::deliver::sample;
use crate::service::try_sink;

pub(super) fn run(args: &SinksArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let SinksAction::Test(args) = &args.action;
    let config = config::load(&args.location.inputs())?;
    let sink = named(&config, args)?;
    let row = sample::sample(&sink.name, Clock::System.now());
    match try_sink(sink, &row, Clock::System.now()) {
        Ok(said) => exit::written(writeln!(out, "sinks.{}: {said} (insight {})", sink.name, row.event_id)),
        Err(why) => {
            exit::written(writeln!(out, "sinks.{}: FAILED: {why}", sink.name))?;
            Ok(Exit::Failed)
        }
    }
}

fn named<'a>(config: &'a Config, args: &TestArgs) -> Result<&'a SinkConfig, Failure> {
    let found = config.sinks.iter().find(|sink| sink.name == args.name);
    found.ok_or_else(|| {
        let names = || config.sinks.iter().map(|sink| sink.name.as_str());
        let near = nearest(&args.name, names()).map(|near| format!("; the nearest is {near}")).unwrap_or_default();
        let all: Vec<&str> = names().collect();
        let all = if all.is_empty() { "there is none".to_owned() } else { all.join(", ") };
        Failure::Usage(format!("there is no sink {:?}{near} (configured: {all})", args.name))
    })
}
