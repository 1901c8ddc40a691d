//! What one more minute of one more series costs, and how many bytes a series takes: two runs that differ in
//! nothing else, subtracted.

use std::ffi::OsStr;

use anyhow::Result;
use tempfile::TempDir;

use crate::Size;
use crate::answer::{Answer, hash};
use crate::process::{Took, run};
use crate::restart::{configured, held};
use crate::workload::counts;

pub(crate) fn ask(size: Size) -> Result<Answer> {
    let folder = TempDir::new()?;
    let (series, days) = size.of((200, 1), (20_000, 2));
    // Reading may take the same in all three runs, so that what differs is state.
    let config = configured(folder.path(), "[limits]\ntally_memory = \"16MiB\"\n")?;
    let judge = |name: &str, series: u64, days: u64| -> Result<Took> {
        let table = counts(&folder.path().join(format!("{name}.tsv.gz")), series, days, 4)?;
        let options = ["--assume-history", "--jobs", "1", "--input-format", "counts", "--output-format", "ndjson"];
        let options = ["replay".as_ref(), "--config".as_ref(), config.as_os_str()]
            .into_iter()
            .chain(options.map(OsStr::new))
            .chain(["--quiet", "-"].map(OsStr::new));
        run(options, Some(&table))
    };
    let (base, longer, wider) =
        (judge("base", series, days)?, judge("longer", series, days * 2)?, judge("wider", series * 2, days)?);
    let minutes = (series * days * 1440) as f64;
    run(
        ["backfill".as_ref(), "--config".as_ref(), config.as_os_str(), folder.path().join("base.tsv.gz").as_os_str()],
        None,
    )?;
    let (bytes, active) = held(&config)?;
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
                "bytes of state a series, attributions, names, index and the account's share included (the detector's own are at most 1,024, held by a test)"
                    .into(),
                format!("{:.0}", bytes as f64 / active.max(1) as f64),
            ),
            (
                "resident bytes of one more series, its open minutes included".into(),
                format!("{:.0}", (wider.peak as f64 - base.peak as f64) / series as f64),
            ),
        ],
        hash: hash(&base.stdout) ^ hash(&longer.stdout).rotate_left(1) ^ hash(&wider.stdout).rotate_left(2),
    })
}
