//! The command line, as it is parsed.

mod delivering;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use trailsight_schemas::time::parse_rfc3339;

use crate::config::Inputs;
use crate::config::units::Span;
use crate::config::written::Level;
use crate::kafka::Topic;

pub use delivering::{
    OutboxAction, OutboxArgs, OutboxListArgs, OutboxRowsArgs, RoutesAction, RoutesArgs, RoutesTestArgs, RowState,
};

/// Finds unusual activity in CloudTrail: an equivalent of CloudTrail Insights that runs beside your logs.
#[derive(Debug, Parser)]
#[command(name = "trailsight", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The service: read, detect, deliver, serve HTTP
    Run(RunArgs),
    /// The service on simulated traffic, with two weeks of history learned, in a directory that is thrown away
    Demo(DemoArgs),
    /// Simulated CloudTrail records: to standard output, or to a Kafka topic
    Simulate(Box<SimulateArgs>),
    /// What would have been raised: reads files, directories, globs, standard input
    Replay(ReplayArgs),
    /// Teach the baselines in the data directory from history, delivering nothing
    Backfill(BackfillArgs),
    /// Validate the configuration; print the effective one, warnings and the memory bound
    Check(CheckArgs),
    /// Read the insights in the data directory, also while `run` is running
    Insights(Box<InsightsArgs>),
    /// Ask a running service whether it is alive: for health checks where there is no curl
    Health(HealthArgs),
    /// Try a sink
    Sinks(SinksArgs),
    /// Say where insights would go
    Routes(RoutesArgs),
    /// What waits for its sink, and what was given up
    Outbox(OutboxArgs),
    /// The commented example file; the JSON Schema
    Config(ConfigArgs),
    /// Completions for a shell
    Completions(CompletionsArgs),
}

/// Where configuration and data are.
#[derive(Clone, Debug, Default, Args)]
pub struct Location {
    /// Configuration file; without one, defaults and the environment
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory, over `data_dir` of the configuration
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl Location {
    /// What configuration is made of, with the environment of this process.
    pub fn inputs(&self) -> Inputs {
        Inputs::of_process(self.config.clone(), self.data_dir.clone())
    }
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Where configuration and data are.
    #[command(flatten)]
    pub location: Location,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Simulated seconds in a second
    #[arg(long, value_name = "N", default_value_t = 60.0, value_parser = speed)]
    pub speed: f64,
    /// The same seed makes the same traffic; shown at the start where none is given
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Address and port of the page
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8470")]
    pub listen: SocketAddr,
}

/// `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Where to: kafka://HOST:PORT[,HOST:PORT]/TOPIC, one record a message [default: standard output, one a line]
    #[arg(value_name = "TOPIC", value_parser = super::simulate::topic)]
    pub to: Option<Topic>,
    /// Simulated seconds in a second
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// The same seed makes the same traffic
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How much before now it begins: that is told at once
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub history: Span,
    /// How much after now it ends [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub length: Option<Span>,
}

/// `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Files, directories, globs; `-` is standard input, and so is nothing
    #[arg(value_name = "PATH", value_parser = input)]
    pub paths: Vec<PathBuf>,
    /// Configuration file, for what decides detection; without one, defaults and the environment
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What the files hold
    #[arg(long, value_enum, default_value_t = InputFormat::Auto)]
    pub input_format: InputFormat,
    /// The loosest level that is printed [default: that of the account in the configuration, or medium]
    #[arg(long, value_enum)]
    pub sensitivity: Option<LevelArg>,
    /// How insights are printed [default: human on a terminal, ndjson otherwise]
    #[arg(long, value_enum)]
    pub output_format: Option<OutputFormat>,
    /// With or without the `trailsight` key
    #[arg(long, value_enum, default_value_t = InsightFormatArg::Full)]
    pub insight_format: InsightFormatArg,
    /// Pass over events before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<i64>,
    /// Pass over events at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<i64>,
    /// Threads that read [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Skip the learning period: judge from the first minute
    #[arg(long)]
    pub assume_history: bool,
    /// Write what was learned into a data directory
    #[arg(long, value_name = "DIR")]
    pub write_state: Option<PathBuf>,
    /// No progress and no summary
    #[arg(long, short)]
    pub quiet: bool,
}

/// `backfill`.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// Files, directories, globs; `-` is standard input. Without any: what the sources of the configuration hold
    #[arg(value_name = "PATH", value_parser = input)]
    pub paths: Vec<PathBuf>,
    /// Where configuration and data are.
    #[command(flatten)]
    pub location: Location,
    /// What the files hold
    #[arg(long, value_enum, default_value_t = InputFormat::Auto)]
    pub input_format: InputFormat,
    /// Threads that read [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// No progress and no summary
    #[arg(long, short)]
    pub quiet: bool,
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Where configuration and data are.
    #[command(flatten)]
    pub location: Location,
    /// Try every source and sink, without consuming or alerting
    #[arg(long)]
    pub connect: bool,
}

/// `insights`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct InsightsArgs {
    /// What to do; `list` where nothing is said.
    #[command(subcommand)]
    pub action: Option<InsightsAction>,
    /// Of `list`.
    #[command(flatten)]
    pub list: ListArgs,
}

/// What to do with the history.
#[derive(Debug, Subcommand)]
pub enum InsightsAction {
    /// Newest first (the default)
    List(Box<ListArgs>),
    /// One incident with all that is known of it
    Show(ShowArgs),
}

/// `insights list`.
#[derive(Debug, Default, Args)]
pub struct ListArgs {
    /// Where configuration and data are.
    #[command(flatten)]
    pub location: Location,
    /// Started at or after this time (RFC 3339), or this long ago (`24h`)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Started before this time (RFC 3339), or this long ago
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// The loosest level: `medium` shows low and medium
    #[arg(long, value_name = "LEVEL")]
    pub sensitivity: Option<String>,
    /// Account
    #[arg(long)]
    pub account: Option<String>,
    /// Region
    #[arg(long)]
    pub region: Option<String>,
    /// Event source, for instance iam.amazonaws.com
    #[arg(long)]
    pub source: Option<String>,
    /// API name
    #[arg(long)]
    pub name: Option<String>,
    /// Insight type, for instance ApiCallRateInsight
    #[arg(long)]
    pub r#type: Option<String>,
    /// open or ended
    #[arg(long)]
    pub state: Option<String>,
    /// Most incidents [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: Option<u32>,
    /// How they are printed [default: human on a terminal, ndjson otherwise]
    #[arg(long, value_enum)]
    pub output_format: Option<OutputFormat>,
}

/// `insights show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// `sharedEventID`
    pub id: uuid::Uuid,
    /// Where configuration and data are.
    #[command(flatten)]
    pub location: Location,
    /// How it is printed [default: human on a terminal, ndjson otherwise]
    #[arg(long, value_enum)]
    pub output_format: Option<OutputFormat>,
}

/// `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Where configuration and data are.
    #[command(flatten)]
    pub location: Location,
    /// Address and port to ask [default: http.listen of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<SocketAddr>,
    /// Ask whether it can take records in, instead of whether it is alive
    #[arg(long)]
    pub ready: bool,
}

/// `sinks`.
#[derive(Debug, Args)]
pub struct SinksArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: SinksAction,
}

/// What to do with sinks.
#[derive(Debug, Subcommand)]
pub enum SinksAction {
    /// Send a marked test insight through one sink and say what came back
    Test(TestArgs),
}

/// `sinks test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Name of the sink in the configuration
    pub name: String,
    /// Print what would be sent, secrets left out, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take the first insight of this file (as `insights show --output-format ndjson` prints it) instead of a made-up one
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    pub insight: Option<PathBuf>,
    /// Where configuration and data are.
    #[command(flatten)]
    pub location: Location,
}

/// `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Which of them.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What to print.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigAction {
    /// Every key with its default, commented
    Example,
    /// The JSON Schema
    Schema,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell
    pub shell: clap_complete::Shell,
}

/// What input files hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// CloudTrail records in any shape
    Auto,
    /// A table of counts: TSV or CSV with a header
    Counts,
}

/// How insights are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    Human,
    /// One JSON object a line
    Ndjson,
}

impl OutputFormat {
    /// What was asked for, or what suits standard output.
    pub fn or_suited(chosen: Option<OutputFormat>) -> OutputFormat {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
        chosen.unwrap_or(if terminal { OutputFormat::Human } else { OutputFormat::Ndjson })
    }
}

/// How an Insights event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InsightFormatArg {
    /// AWS's record and the `trailsight` key
    Full,
    /// AWS's record alone
    Aws,
}

/// A level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LevelArg {
    /// Only what is unusual even for the least sensitive listener
    Low,
    /// The usual choice
    Medium,
    /// Everything that is recorded
    High,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Level {
        match level {
            LevelArg::Low => Level::Low,
            LevelArg::Medium => Level::Medium,
            LevelArg::High => Level::High,
        }
    }
}

/// Seconds since the epoch.
fn time(text: &str) -> Result<i64, String> {
    parse_rfc3339(text).ok_or_else(|| "not a time of RFC 3339, such as 2026-01-31T00:00:00Z".to_owned())
}

fn duration(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| "not a duration such as 15m or 14d".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().ok().filter(|speed| (0.1..=100_000.0).contains(speed));
    speed.ok_or_else(|| "not a number from 0.1 to 100000".to_owned())
}

/// A path; what only a later version reads is refused here, before anything is done.
fn input(text: &str) -> Result<PathBuf, String> {
    match text.split_once("://") {
        Some(("s3", _)) => Err("this version does not read from S3 yet; copy the objects to a directory".to_owned()),
        Some((scheme, _)) => Err(format!("this version does not read {scheme}://; give files or directories")),
        None if text.is_empty() => Err("an empty path".to_owned()),
        None => Ok(PathBuf::from(text)),
    }
}
