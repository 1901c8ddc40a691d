//! How long the binary takes to start.

use anyhow::Result;

use crate::Size;
use crate::answer::{Answer, hash, median};
use crate::process::run;

pub(crate) fn ask(size: Size) -> Result<Answer> {
    let mut took = Vec::new();
    let mut said = Vec::new();
    for _ in 0..size.of(3, 30) {
        let one = run(["--version"], None)?;
        took.push(one.wall.as_secs_f64() * 1000.0);
        said = one.stdout;
    }
    Ok(Answer {
        question: "How long does the binary take to start?",
        workload: format!("`trailsight --version`, {} times; median.", took.len()),
        non_goals: "a cold page cache.",
        figures: vec![("milliseconds (target < 100)".into(), format!("{:.1}", median(took)))],
        hash: hash(&said),
    })
}
