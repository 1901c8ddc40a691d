//! `routes test FILE`: where insights would go by this configuration, and why.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};

use trailsight_schemas::insight::{InsightEvent, State};

use super::args::{RoutesAction, RoutesArgs};
use super::exit::{Exit, Failure};
use super::line::printable;
use crate::clock::Clock;
use crate::config;
use crate::deliver::trace::{Said, Trace};
use crate::service::router_of;

/// Longest line that is read, bytes.
const LINE_BYTES: u64 = 1 << 20;

pub(super) fn run(args: &RoutesArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let RoutesAction::Test(args) = &args.action;
    let config = config::load(&args.location.inputs())?;
    let router = router_of(&config)?;
    let wrong = |what: String| Failure::Usage(format!("{}: {what}", args.file.display()));
    let mut lines = BufReader::new(File::open(&args.file).map_err(|error| wrong(error.to_string()))?);
    let now = Clock::System.now();
    for number in 1.. {
        let mut line = Vec::new();
        let read = lines.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line);
        if read.map_err(|error| wrong(error.to_string()))? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let event = InsightEvent::parse(&line).map_err(|error| wrong(format!("line {number}: {error}")))?;
        if event.details.state == State::End {
            continue;
        }
        write(&event, &router.trace(&event, now), config.routes.is_empty(), out).map_err(anyhow::Error::new)?;
    }
    Ok(Exit::Done)
}

/// A line an insight, and one a route.
fn write(event: &InsightEvent, trace: &Trace, no_routes: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let series = event.trailsight.as_ref().map_or("", |own| own.series.as_str());
    let told = match (&trace.muted_by, trace.sinks.is_empty()) {
        (Some(mute), _) => format!("nobody: muted by {mute}"),
        (None, true) => "nobody".to_owned(),
        (None, false) => trace.sinks.join(", "),
    };
    writeln!(out, "{}", printable(&format!("{} {series} -> {told}", event.shared_event_id)))?;
    for (at, said) in trace.routes.iter().enumerate() {
        let route = if no_routes { "no routes".to_owned() } else { format!("routes[{at}]") };
        let text = match said {
            Said::Other => "does not match".to_owned(),
            Said::TooLoose { level, wants } => {
                format!("matches; it is told from {} on, and this is {}", wants.as_str(), level.as_str())
            }
            Said::Tells(sinks) => format!("matches, tells {}", sinks.join(", ")),
            Said::NotAsked => "is not asked: a route before it matches and does not say continue".to_owned(),
        };
        writeln!(out, "  {route}: {text}")?;
    }
    Ok(())
}
