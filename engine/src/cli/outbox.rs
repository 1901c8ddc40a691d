//! `outbox`: what waits for its sink, and what was given up: looked through, sent again, forgotten.

use std::io::Write;

use trailsight_schemas::time::format_rfc3339;

use super::args::{OutboxAction, OutboxArgs, OutboxListArgs, OutboxRowsArgs, OutputFormat, RowState};
use super::exit::{self, Exit, Failure};
use super::table::Table;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::journal::waiting::{Chosen, Undelivered, Waiting};

pub(super) fn run(args: &OutboxArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    match &args.action {
        OutboxAction::List(args) => list(args, out),
        OutboxAction::Retry(args) => {
            let (mut waiting, chosen) = rows(args)?;
            let count = waiting.retry(&chosen, Clock::System.now()).map_err(anyhow::Error::new)?;
            exit::written(writeln!(out, "{count} to be sent again"))
        }
        OutboxAction::Drop(args) => {
            let (mut waiting, chosen) = rows(args)?;
            let count = waiting.forget(&chosen).map_err(anyhow::Error::new)?;
            exit::written(writeln!(out, "{count} forgotten"))
        }
    }
}

fn open(config: &Config) -> Result<Waiting, Failure> {
    let wrong = |error| Failure::Usage(format!("{}: {error}", config.data_dir.display()));
    Waiting::open(&config.data_dir).map_err(wrong)
}

fn rows(args: &OutboxRowsArgs) -> Result<(Waiting, Chosen), Failure> {
    if args.ids.is_empty() && args.sink.is_none() && !args.all {
        return Err(Failure::Usage("which: ids, --sink NAME, or --all".to_owned()));
    }
    let dead = args.state.map(|state| state == RowState::Dead);
    let chosen = Chosen { ids: args.ids.clone(), sink: args.sink.clone(), dead };
    Ok((open(&config::load(&args.location.inputs())?)?, chosen))
}

fn list(args: &OutboxListArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let dead = args.state.map(|state| state == RowState::Dead);
    let chosen = Chosen { ids: Vec::new(), sink: args.sink.clone(), dead };
    let waiting = open(&config::load(&args.location.inputs())?)?;
    let rows = waiting.list(&chosen, args.limit as usize).map_err(anyhow::Error::new)?;
    exit::written(match OutputFormat::or_suited(args.output_format) {
        OutputFormat::Ndjson => rows.iter().try_for_each(|row| writeln!(out, "{}", json(row))),
        OutputFormat::Human if rows.is_empty() => writeln!(out, "nothing waits"),
        OutputFormat::Human => table(&rows).write(None, out),
    })
}

fn time(milliseconds: i64) -> String {
    format_rfc3339(milliseconds.div_euclid(1000))
}

fn json(row: &Undelivered) -> serde_json::Value {
    serde_json::json!({
        "id": row.id, "sink": row.sink, "sharedEventID": row.incident, "insight": row.state,
        "state": if row.dead { "dead" } else { "pending" }, "attempts": row.attempts, "created": time(row.created_ms),
        "due": time(row.due_ms), "last_error": row.last_error,
    })
}

fn table(rows: &[Undelivered]) -> Table {
    let mut table =
        Table::new(&["ID", "SINK", "STATE", "INSIGHT", "INCIDENT", "ATTEMPTS", "CREATED", "DUE", "LAST ERROR"]);
    for row in rows {
        let state = if row.dead { "dead" } else { "pending" };
        table.row([
            row.id.to_string().as_str(),
            &row.sink,
            state,
            &row.state,
            &row.incident,
            &row.attempts.to_string(),
            &time(row.created_ms),
            &time(row.due_ms),
            row.last_error.as_deref().unwrap_or(""),
        ]);
    }
    table
}
