//! The benchmarks run, tiny, and give the same answer twice.

use std::process::Command;

use crate::product::{binary, built};

#[test]
fn every_benchmark_gives_the_same_answer_twice() {
    let bench = built("trailsight-bench");
    for question in ["files", "series", "restart", "flat", "start", "kafka"] {
        let ask = || {
            let mut command = Command::new(&bench);
            command.args(["--size", "tiny", question]).env("TRAILSIGHT_BIN", binary());
            let done = command.output().expect("the benchmark can be started");
            let (said, error) =
                (String::from_utf8_lossy(&done.stdout).into_owned(), String::from_utf8_lossy(&done.stderr));
            assert!(done.status.success(), "{question}: {error}");
            let answer = said.lines().find(|line| line.starts_with("answer: ")).map(str::to_owned);
            answer.unwrap_or_else(|| panic!("{question} gives no answer:\n{said}"))
        };
        assert_eq!(ask(), ask(), "{question}");
    }
}
