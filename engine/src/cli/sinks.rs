//! `sinks test NAME`: a marked insight through one sink, and what came back; or what would be sent.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use trailsight_schemas::insight::InsightEvent;

use super::args::{SinksAction, SinksArgs, TestArgs};
use super::exit::{self, Exit, Failure};
use crate::clock::Clock;
use crate::config::{self, Config, SinkConfig, nearest};
use crate::deliver::sample;
use crate::service::{account_names, shown, try_sink};

/// Longest insight that is read, bytes: an order of magnitude above what is written.
const INSIGHT_BYTES: u64 = 1 << 20;

pub(super) fn run(args: &SinksArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let SinksAction::Test(args) = &args.action;
    let config = config::load(&args.location.inputs())?;
    let sink = named(&config, args)?;
    let row = match &args.insight {
        Some(file) => sample::row(&sink.name, &first(file)?, Clock::System.now()),
        None => sample::sample(&sink.name, Clock::System.now()),
    };
    if args.dry_run {
        let body = shown(sink, &account_names(&config), &row).map_err(|why| Failure::Failed(anyhow::anyhow!(why)))?;
        return exit::written(writeln!(out, "{body}"));
    }
    match try_sink(sink, &account_names(&config), &row, Clock::System.now()) {
        Ok(said) => exit::written(writeln!(out, "sinks.{}: {said} (insight {})", sink.name, row.event_id)),
        Err(why) => {
            exit::written(writeln!(out, "sinks.{}: FAILED: {why}", sink.name))?;
            Ok(Exit::Failed)
        }
    }
}

/// The insight on the first line of a file.
fn first(file: &Path) -> Result<InsightEvent, Failure> {
    let wrong = |what: String| Failure::Usage(format!("{}: {what}", file.display()));
    let opened = File::open(file).map_err(|error| wrong(error.to_string()))?;
    let mut line = Vec::new();
    let reading = BufReader::new(opened.take(INSIGHT_BYTES)).read_until(b'\n', &mut line);
    reading.map_err(|error| wrong(error.to_string()))?;
    InsightEvent::parse(&line).map_err(|error| wrong(error.to_string()))
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
