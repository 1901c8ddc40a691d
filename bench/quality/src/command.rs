//! The command line.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::account::Account;
use crate::bars;
use crate::engine::{Engine, Places};
use crate::fit;
use crate::insight::{self, DecidedBy};
use crate::label::Labels;
use crate::measure;
use crate::planted::{self, Outcome};
use crate::report::{self, Column};
use crate::score::Scored;
use crate::seeds::{Member, Set};
use crate::slice;
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
    /// Generates, runs the engines, scores, and prints the report.
    Run(Box<Run>),
    /// What is told of the real service's known positives, and of real records in a made-up account.
    Graft(Graft),
    /// What chance raises at several budgets: the points of the map from nominal to realised budget.
    Fit(Fit),
    /// The promise on a few fixed development accounts: fails when it is broken.
    Slice(Graft),
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

/// Where things lie.
#[derive(Clone, Debug, Args)]
struct Locations {
    /// The product.
    #[arg(long, default_value = "target/release/trailsight")]
    trailsight: PathBuf,
    /// A Python with numpy and numba, for the comparators that are written in it.
    #[arg(long, default_value = "target/tools/quality/bin/python")]
    python: PathBuf,
    /// The folder of those comparators.
    #[arg(long, default_value = "../shared/reference/prototype")]
    comparators: PathBuf,
    /// Real CloudTrail files of an attack simulation.
    #[arg(long, default_value = "../shared/data/invictus/CloudTrail")]
    records: PathBuf,
}

impl Locations {
    fn places(&self) -> Places {
        Places {
            trailsight: self.trailsight.clone(),
            config: None,
            python: self.python.clone(),
            comparators: self.comparators.clone(),
        }
    }
}

#[derive(Debug, Parser)]
struct Run {
    #[arg(long, value_enum, default_value_t = Set::Development)]
    set: Set,
    /// Accounts with anomalies.
    #[arg(long, default_value_t = 24)]
    accounts: u32,
    /// Accounts without; at least 200 are needed to measure `low`.
    #[arg(long, default_value_t = 200)]
    quiet_accounts: u32,
    /// Of those, how many the comparators in Python are run on.
    #[arg(long, default_value_t = 24)]
    sample: u32,
    #[arg(long, value_enum, value_delimiter = ',', default_value = "trailsight,amended,prototype,r1,sigma")]
    engines: Vec<Engine>,
    /// Tables, labels and insights stay here.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Where tables lie while they are judged.
    #[arg(long, default_value = "target/quality")]
    work: PathBuf,
    #[command(flatten)]
    locations: Locations,
}

#[derive(Debug, Parser)]
struct Fit {
    /// Accounts of the development set without anomalies; `low` needs two hundred.
    #[arg(long, default_value_t = 216)]
    accounts: u32,
    /// Multiples of the default budgets, one run each.
    #[arg(long, value_delimiter = ',', default_value = "0.4,1,2.5")]
    factors: Vec<f64>,
    #[arg(long, default_value = "target/quality")]
    work: PathBuf,
    #[command(flatten)]
    locations: Locations,
}

#[derive(Debug, Parser)]
struct Graft {
    #[arg(long, default_value = "target/quality")]
    work: PathBuf,
    #[command(flatten)]
    locations: Locations,
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
        Task::Run(task) => measured(&task),
        Task::Graft(task) => planted(&task).map(|planted| print!("{}", planted.tables(&task.locations))),
        Task::Fit(task) => fitted(&task),
        Task::Slice(task) => kept(&task),
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

fn measured(task: &Run) -> Result<()> {
    let places = task.locations.places();
    let (present, absent): (Vec<_>, Vec<_>) =
        task.engines.iter().copied().map(|engine| (engine, engine.missing(&places))).partition(|each| each.1.is_none());
    let plan = measure::Plan {
        members: Member::of(task.set, task.accounts, task.quiet_accounts),
        engines: present.into_iter().map(|each| each.0).collect(),
        sample: task.sample,
    };
    let folder = task.keep.as_ref().unwrap_or(&task.work);
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let columns = measure::columns(&plan, &places, folder, task.keep.is_some())?;
    println!("{}", report::opening(task.set, task.accounts, task.quiet_accounts, &columns, &absent));
    let planted = planted(&Graft { work: folder.clone(), locations: task.locations.clone() })?;
    print!("{}", bars::table(&columns, &planted.positives, &planted.records));
    print!("{}{}", report::tables(&columns), planted.tables(&task.locations));
    Ok(())
}

fn fitted(task: &Fit) -> Result<()> {
    std::fs::create_dir_all(&task.work).with_context(|| task.work.display().to_string())?;
    let points =
        task.factors.iter().map(|factor| fit::point(*factor, task.accounts, &task.locations.places(), &task.work));
    print!("{}", fit::table(&points.collect::<Result<Vec<_>>>()?));
    Ok(())
}

fn kept(task: &Graft) -> Result<()> {
    std::fs::create_dir_all(&task.work).with_context(|| task.work.display().to_string())?;
    let plan = measure::Plan { members: slice::members(), engines: vec![Engine::Trailsight], sample: 0 };
    let columns = measure::columns(&plan, &task.locations.places(), &task.work, false)?;
    let broken = slice::broken(&columns[0].accounts.iter().collect::<Vec<_>>());
    print!("{}", slice::summary(&columns[0].accounts.iter().collect::<Vec<_>>()));
    anyhow::ensure!(broken.is_empty(), "the promise is broken: {}", broken.join("; "));
    Ok(())
}

/// Numbers of the accounts that real records are grafted onto: one of each personality.
const GRAFTED: std::ops::Range<u32> = 0..6;

/// What the product told of what was planted.
struct Planted {
    positives: Vec<Vec<Outcome>>,
    /// Of each account; none where the records are not there.
    records: Vec<Vec<Outcome>>,
}

impl Planted {
    fn tables(&self, locations: &Locations) -> String {
        let mut text =
            report::planted("Known positives of the real service, where first bursts are rare", &self.positives);
        if self.records.is_empty() {
            text.push_str(&format!("\nReal records were not grafted: {} is absent.\n", locations.records.display()));
        } else {
            let heading = "Real records in made-up accounts without anomalies, one of each personality";
            text.push_str(&report::planted(heading, &self.records));
        }
        text
    }
}

fn planted(task: &Graft) -> Result<Planted> {
    let places = task.locations.places();
    std::fs::create_dir_all(&task.work).with_context(|| task.work.display().to_string())?;
    let positives = vec![planted::known_positives(Engine::Trailsight, &places, &task.work)?];
    let records = &task.locations.records;
    let onto = |number| planted::real_records(Engine::Trailsight, &places, records, number, &task.work);
    let records = if records.exists() { GRAFTED.map(onto).collect::<Result<_>>()? } else { Vec::new() };
    Ok(Planted { positives, records })
}

fn score(task: &Score) -> Result<()> {
    let mut columns = Vec::new();
    for engine in &task.engines {
        columns.push(Column { name: engine.clone(), accounts: scored(&task.folder, engine)? });
    }
    match task.detail {
        None => print!("{}{}", bars::table(&columns, &[], &[]), report::tables(&columns)),
        Some(Detail::Truths) => columns.iter().for_each(|column| print!("{}", report::truths(column))),
        Some(Detail::False) => columns.iter().for_each(|column| print!("{}", report::false_leads(column))),
    }
    Ok(())
}

/// All accounts of a folder that an engine was run on.
fn scored(folder: &Path, engine: &str) -> Result<Vec<Scored>> {
    let decided_by = if engine.starts_with("trailsight") { DecidedBy::End } else { DecidedBy::Beginning };
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
