//! Of the commands about who is told, and of what.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Location, OutputFormat};

/// `routes`.
#[derive(Debug, Args)]
pub struct RoutesArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: RoutesAction,
}

/// What to do with routes.
#[derive(Debug, Subcommand)]
pub enum RoutesAction {
    /// For each Start in a file: who would be told by this configuration, and what every route said
    Test(RoutesTestArgs),
}

/// `routes test`.
#[derive(Debug, Args)]
pub struct RoutesTestArgs {
    /// Insights, one a line, as `replay` and `insights list --output-format ndjson` print them
    pub file: PathBuf,
    /// Where configuration and data are.
    #[command(flatten)]
    pub location: Location,
}

/// `outbox`.
#[derive(Debug, Args)]
pub struct OutboxArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: OutboxAction,
}

/// What to do with the outbox.
#[derive(Debug, Subcommand)]
pub enum OutboxAction {
    /// What is not delivered, oldest first
    List(OutboxListArgs),
    /// Send again what was given up, with the rest of its incident; also while the service runs
    Retry(OutboxRowsArgs),
    /// Forget what is not delivered, with the rest of its incident; it stays in the history
    Drop(OutboxRowsArgs),
}

/// Whether a row waits or was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowState {
    /// It waits.
    Pending,
    /// It was given up.
    Dead,
}

/// `outbox list`.
#[derive(Debug, Args)]
pub struct OutboxListArgs {
    /// Only of this sink
    #[arg(long, value_name = "NAME")]
    pub sink: Option<String>,
    /// Only in this state
    #[arg(long, value_enum)]
    pub state: Option<RowState>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// How they are written
    #[arg(long, value_enum)]
    pub output_format: Option<OutputFormat>,
    /// Where configuration and data are.
    #[command(flatten)]
    pub location: Location,
}

/// `outbox retry` and `outbox drop`.
#[derive(Debug, Args)]
pub struct OutboxRowsArgs {
    /// Ids, as `outbox list` shows them
    #[arg(value_name = "ID")]
    pub ids: Vec<i64>,
    /// All of this sink
    #[arg(long, value_name = "NAME")]
    pub sink: Option<String>,
    /// Only in this state
    #[arg(long, value_enum)]
    pub state: Option<RowState>,
    /// All there are
    #[arg(long)]
    pub all: bool,
    /// Where configuration and data are.
    #[command(flatten)]
    pub location: Location,
}
