//! The command line.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};

use crate::account::Account;
use crate::insight::{self, DecidedBy};
use crate::label::Labels;
use crate::report::{self, Column};
use crate::score::Scored;
use crate::seeds::{Member, Set};
use crate::table;

/// Makes up labelled accounts and scores what an engine told of them.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Writes accounts: ACCOUNT.tsv.gz (a counts table) and ACCOUNT.labels.json.
    Generate(Generate),
    /// Scores ACCOUNT.ENGINE.ndjson beside the labels; several engines in one table.
    Score(Score),
}

#[derive(Debug, Parser)]
struct Generate {
    #[arg(long, value_enum, default_value_t = Set::Development)]
    set: Set,
    /// Accounts with anomalies.
    #[arg(long, default_value_t = 6)]
    attacked: u32,
    /// Accounts without.
    #[arg(long, default_value_t = 6)]
    peaceful: u32,
    folder: PathBuf,
}

#[derive(Debug, Parser)]
struct Score {
    /// Which engines; the first is the one in question.
    #[arg(long, value_delimiter = ',', default_value = "trailsight")]
    engines: Vec<String>,
    /// Prints every anomaly with the delay at each level, and every false lead, of the first engine.
    #[arg(long, value_enum)]
    detail: Option<Detail>,
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Detail {
    Truths,
    False,
}

/// Runs what the command line asks for.
pub fn run() -> Result<()> {
    match Arguments::parse().task {
        Task::Generate(task) => generate(&task),
        Task::Score(task) => score(&task),
    }
}

fn generate(task: &Generate) -> Result<()> {
    std::fs::create_dir_all(&task.folder).with_context(|| task.folder.display().to_string())?;
    for member in Member::of(task.set, task.attacked, task.peaceful) {
        let account = Account::generate(&member)?;
        let id = &account.labels.account;
        let rows = table::write(&account.world, &task.folder.join(format!("{id}.tsv.gz")))?;
        account.labels.write(&task.folder.join(format!("{id}.labels.json")))?;
        eprintln!(
            "{id} {} {rows} rows, {} series, {} anomalies, {} changes",
            account.labels.personality.name(),
            account.labels.series,
            account.labels.truths.len(),
            account.labels.changes.len()
        );
    }
    Ok(())
}

fn score(task: &Score) -> Result<()> {
    let mut columns = Vec::new();
    for engine in &task.engines {
        columns.push(Column { name: engine.clone(), accounts: scored(&task.folder, engine)? });
    }
    match task.detail {
        None => print!("{}", report::tables(&columns)),
        Some(Detail::Truths) => columns.iter().for_each(|column| print!("{}", report::truths(column))),
        Some(Detail::False) => columns.iter().for_each(|column| print!("{}", report::false_leads(column))),
    }
    Ok(())
}

/// All accounts of a folder that an engine was run on.
fn scored(folder: &Path, engine: &str) -> Result<Vec<Scored>> {
    let decided_by = if engine == "trailsight" { DecidedBy::End } else { DecidedBy::Beginning };
    let mut accounts = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let Some(id) =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".labels.json"))
        else {
            continue;
        };
        let told = folder.join(format!("{id}.{engine}.ndjson"));
        if told.exists() {
            accounts.push(Scored::new(Labels::read(&path)?, insight::read_file(&told, decided_by)?));
        }
    }
    accounts.sort_by(|a, b| a.labels.account.cmp(&b.labels.account));
    anyhow::ensure!(!accounts.is_empty(), "{}: nothing of {engine} to score", folder.display());
    Ok(accounts)
}
