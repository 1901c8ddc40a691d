//! Whether somebody who makes up API names can make up memory.

use anyhow::Result;
use tempfile::TempDir;

use crate::Size;
use crate::answer::Answer;
use crate::process::run;
use crate::restart::configured;
use crate::workload::counts;

pub(crate) fn ask(size: Size) -> Result<Answer> {
    let limit = size.of(1_000, 20_000);
    let peak = |times: u64| -> Result<u64> {
        let folder = TempDir::new()?;
        let config = configured(folder.path(), &format!("[limits]\nseries = {limit}\ntally_memory = \"16MiB\"\n"))?;
        let table = counts(&folder.path().join("history.tsv.gz"), limit * times, 1, 1)?;
        Ok(run(["backfill".as_ref(), "--config".as_ref(), config.as_os_str(), table.as_os_str()], None)?.peak)
    };
    let (once, ten_times) = (peak(1)?, peak(10)?);
    let mebibytes = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    Ok(Answer {
        question: "Does memory stay flat at ten times the series limit?",
        workload: format!(
            "`backfill` with `limits.series = {limit}` and the least memory for reading: a day of {limit} series, then a day of {}.",
            limit * 10
        ),
        non_goals: "speed; what is lost with an evicted series.",
        figures: vec![
            ("peak at the limit".into(), mebibytes(once)),
            ("peak at ten times the limit".into(), mebibytes(ten_times)),
            ("ratio (target: about 1)".into(), format!("{:.2}", ten_times as f64 / once.max(1) as f64)),
        ],
        hash: limit,
    })
}
