//! How fast and how small. Every question states its workload and what it does not ask, and prints a hash of
//! the answer: a faster wrong answer is a regression.

mod answer;
mod process;
mod workload;
mod files;
mod series;
mod restart;
mod flat;
mod start;
mod broker;
mod kafka;

use clap::{Parser, Subcommand, ValueEnum};

/// Measures the `trailsight` binary that lies beside this one.
#[derive(Debug, Parser)]
struct Arguments {
    /// How much work; `tiny` only shows that it works.
    #[arg(long, value_enum, default_value_t = Size::Full)]
    size: Size,
    #[command(subcommand)]
    question: Question,
}

/// How much work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Size {
    /// For the test suite.
    Tiny,
    /// For the report.
    Full,
}

impl Size {
    fn of<T>(self, tiny: T, full: T) -> T {
        match self {
            Size::Tiny => tiny,
            Size::Full => full,
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, Subcommand)]
enum Question {
    /// gzip files to insights, against a bare loop that only inflates, parses and counts.
    Files,
    /// What one more minute of one more series costs, and how many bytes a series takes.
    Series,
    /// How long a restart takes with 100,000 series.
    Restart,
    /// Whether memory stays flat at ten times the series limit.
    Flat,
    /// How long the binary takes to start.
    Start,
    /// A topic to insights, against a bare loop that only polls, parses and counts; how soon a spike is told.
    Kafka,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let answer = match arguments.question {
        Question::Files => files::ask(arguments.size),
        Question::Series => series::ask(arguments.size),
        Question::Restart => restart::ask(arguments.size),
        Question::Flat => flat::ask(arguments.size),
        Question::Start => start::ask(arguments.size),
        Question::Kafka => kafka::ask(arguments.size),
    }?;
    print!("{answer}");
    Ok(())
}
