//! `replay` is a function of the set of records: neither threads nor files nor wrappings show in its bytes.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::product::{self, Finished};
use crate::records::{ENVELOPES, Envelope, Made, packed, wrapped};
use crate::scale::{Dice, seed, sized};

/// Two days of a pipeline in two Regions with a burst, an error storm, duplicates, and many callers.
fn records() -> Vec<Value> {
    let mut made = Vec::new();
    let start = crate::records::DAY_0;
    let hours = sized(6, 24, 48);
    for minute in start..start + hours * 60 {
        for number in 0..3 {
            made.push(Made::write(minute, "ec2", "CreateTags", &format!("u{}", minute % 17), number));
        }
        let mut away = Made::write(minute, "sqs", "CreateQueue", "app", 9);
        away.call.region = "us-east-1".to_owned();
        made.push(away);
    }
    let late = start + hours * 60 - 90;
    (0..400).for_each(|number| {
        made.push(Made::write(late + number as i64 % 4, "iam", "CreateAccessKey", "mallory", number))
    });
    for number in 0..300 {
        let mut denied = Made::write(late + 30 + number as i64 % 5, "ssm", "DeleteParameter", "mallory", number);
        denied.call.error = Some(if number % 3 == 0 { "ThrottlingException" } else { "AccessDenied" }.to_owned());
        made.push(denied);
    }
    let mut records: Vec<Value> = made.iter().map(Made::json).collect();
    let again: Vec<Value> = records.iter().step_by(7).cloned().collect();
    records.extend(again);
    records
}

fn replay(arguments: &[&str], paths: &[PathBuf]) -> Finished {
    let mut command =
        product::command(["replay", "--assume-history", "--sensitivity", "high", "--output-format", "ndjson"]);
    command.args(arguments).args(paths);
    product::run(command).expect(0)
}

fn cut(folder: &Path, records: &[Value], dice: &mut Dice) -> Vec<PathBuf> {
    let mut shuffled = records.to_vec();
    dice.shuffle(&mut shuffled);
    let mut paths = Vec::new();
    let mut rest = shuffled.as_slice();
    while !rest.is_empty() {
        let (these, others) = rest.split_at((1 + dice.below(700) as usize).min(rest.len()));
        rest = others;
        let envelope = ENVELOPES[dice.below(ENVELOPES.len() as u64) as usize];
        let (ending, bytes) = packed(dice.next(), &wrapped(envelope, these));
        let path = folder.join(format!("{:016x}.{ending}", dice.next()));
        fs::write(&path, bytes).expect("the folder can be written");
        paths.push(path);
    }
    paths
}

#[test]
fn neither_jobs_nor_order_nor_cut_show() {
    let records = records();
    let folder = TempDir::new().expect("a folder");
    let whole = folder.path().join("whole.json");
    fs::write(&whole, wrapped(Envelope::Delivered, &records)).expect("the folder can be written");
    let expected = replay(&["--jobs", "1"], &[whole]);
    let insights = expected.insights();
    let raised = |name: &str| insights.iter().any(|insight| insight["insightDetails"]["eventName"] == name);
    assert!(
        raised("CreateAccessKey") && raised("DeleteParameter"),
        "the test must have something to compare:\n{}",
        expected.stdout
    );

    let mut dice = Dice(seed("replay of re-cut records"));
    for round in 0..sized(2, 6, 24) {
        let pieces = TempDir::new().expect("a folder");
        let mut paths = cut(pieces.path(), &records, &mut dice);
        dice.shuffle(&mut paths);
        for jobs in ["1", "2", "4"] {
            let came = replay(&["--jobs", jobs], &paths);
            assert_eq!(came.stdout, expected.stdout, "round {round}, --jobs {jobs}, {} files", paths.len());
            assert_eq!(came.summary("duplicates"), expected.summary("duplicates"));
        }
        let whole_folder = replay(&[], &[pieces.path().to_owned()]);
        assert_eq!(whole_folder.stdout, expected.stdout, "round {round}, the folder as one argument");
    }
}

#[test]
fn the_level_asked_for_is_the_loosest_that_is_printed() {
    let records = wrapped(Envelope::Lines, &records());
    let printed = |level: &str| {
        let finished = product::replay(["--assume-history", "--sensitivity", level, "-"], &records).expect(0);
        let insights = finished.insights();
        let limit = ["low", "medium", "high"].iter().position(|each| *each == level);
        for start in insights.iter().filter(|insight| insight["insightDetails"]["state"] == "Start") {
            assert!(crate::relations::level(start) <= limit, "{start}");
        }
        insights.len()
    };
    let (low, medium, high) = (printed("low"), printed("medium"), printed("high"));
    assert!(0 < low && low <= medium && medium <= high, "{low} {medium} {high}");
}

#[test]
fn aws_format_is_the_full_one_without_our_key() {
    let records = wrapped(Envelope::Lines, &records());
    let full = product::replay(["--assume-history", "-"], &records).expect(0);
    let aws = product::replay(["--assume-history", "--insight-format", "aws", "-"], &records).expect(0);
    let without: String = full
        .stdout
        .lines()
        .map(|line| {
            let (head, _) = line.split_once(",\"trailsight\":").unwrap_or((line, ""));
            format!("{head}}}\n")
        })
        .collect();
    assert_eq!(aws.stdout, without);
    assert!(!aws.insights().is_empty());
}

#[test]
fn an_account_is_called_by_its_alias_and_told_at_its_own_level() {
    let folder = TempDir::new().expect("a folder");
    let (records, own) = (folder.path().join("records.json"), folder.path().join("own.toml"));
    fs::write(&records, wrapped(Envelope::Delivered, &self::records())).expect("the folder can be written");
    let table = format!("[accounts.{}]\nalias = \"payments\"\nsensitivity = \"low\"\n", crate::records::ACCOUNT);
    fs::write(&own, table).expect("the folder can be written");
    let human = |arguments: &[&str]| {
        let mut command = product::command(["replay", "--assume-history", "--output-format", "human", "--config"]);
        command.arg(&own).args(arguments).arg(&records);
        product::run(command).expect(0).stdout
    };
    let levels = |said: &str| {
        let level =
            |line: &str| ["low", "medium", "high"].into_iter().find(|level| line.contains(&format!("  {level} ")));
        said.lines().filter_map(level).collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    let (own, asked) = (human(&[]), human(&["--sensitivity", "high"]));
    let place = format!("payments ({}) eu-west-1", crate::records::ACCOUNT);
    assert!(own.lines().all(|line| line.contains("payments (")) && own.contains(&place), "{own}");
    assert_eq!(levels(&own), ["low"], "{own}");
    assert!(levels(&asked).len() > 1, "the test must have something to leave out: {asked}");
}
