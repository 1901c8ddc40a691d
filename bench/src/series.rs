//! What one more minute of one more series costs, and how many bytes a series takes: two runs that differ in
//! nothing else, subtracted.

use anyhow::Result;
use tempfile::TempDir;

use crate::Size;
use crate::answer::{Answer, hash};
use crate::process::{Took, run};
use crate::workload::counts;

pub(crate) fn ask(size: Size) -> Result<Answer> {
    let folder = TempDir::new()?;
    let (series, days) = size.of((200, 1), (20_000, 2));
    let judge = |name: &str, series: u64, days: u64| -> Result<Took> {
        let table = counts(&folder.path().join(format!("{name}.tsv.gz")), series, days, 4)?;
        let options = [
            "replay",
            "--assume-history",
            "--jobs",
            "1",
            "--input-format",
            "counts",
            "--output-format",
            "ndjson",
            "--quiet",
            "-",
        ];
        run(options, Some(&table))
    };
    let (base, longer, wider) =
        (judge("base", series, days)?, judge("longer", series, days * 2)?, judge("wider", series * 2, days)?);
    let minutes = (series * days * 1440) as f64;
    Ok(Answer {
        question: "What does one more minute of one more series cost, and how many bytes does a series take?",
        workload: format!(
            "counts tables of {series} series over {days} days, called in 4 minutes of every hour; then twice the days, then twice the \
             series. Reading the rows, one in fifteen series-minutes, is part of the figure."
        ),
        non_goals: "records (see files), delivery.",
        figures: vec![
            (
                "ns a series-minute, rows included".into(),
                format!("{:.0}", (longer.cpu - base.cpu).max(0.0) * 1e9 / minutes),
            ),
            (
                "resident bytes a series (target ≤ 1,024 of state)".into(),
                format!("{:.0}", (wider.peak as f64 - base.peak as f64) / series as f64),
            ),
        ],
        hash: hash(&base.stdout) ^ hash(&longer.stdout).rotate_left(1) ^ hash(&wider.stdout).rotate_left(2),
    })
}
