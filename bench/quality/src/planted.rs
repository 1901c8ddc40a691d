//! What is known to have been unusual elsewhere, planted into made-up weeks: the published positives of the real
//! service, and the records of a public attack simulation.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::account::Account;
use crate::calendar::{DAY, HOUR, LENGTH, WEEK, stamp};
use crate::engine::{Engine, Places};
use crate::insight::{Gate, Incident, LEVELS};
use crate::label::{Direction, Name};
use crate::seeds::{Member, Population, Set};
use crate::table;

/// Rows of a table that are not of the catalog: everything between the account and the calls.
type Rows = BTreeMap<(i64, String), u64>;

/// Something that has to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) what: String,
    pub(crate) name: Name,
    pub(crate) direction: Direction,
    /// Minutes since the epoch; `end` is the first behind it.
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// The strictest level at which something wanted was told, and minutes until then.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) wanted: Wanted,
    pub(crate) level: Option<&'static str>,
    pub(crate) delay: Option<i64>,
}

/// A positive of the real service: calls in the week before, and what fired.
struct Positive {
    source: &'static str,
    name: &'static str,
    code: &'static str,
    reads: bool,
    /// Calls in a week.
    usual: u64,
    /// Calls in each minute of the event; empty: silence of ten minutes.
    event: &'static [u64],
}

const POSITIVES: [Positive; 9] = [
    Positive { source: "iam", name: "AttachUserPolicy", code: "", reads: false, usual: 0, event: &[2] },
    Positive {
        source: "autoscaling",
        name: "CompleteLifecycleAction",
        code: "",
        reads: false,
        usual: 1,
        event: &[1, 0, 1, 0, 1],
    },
    Positive { source: "autoscaling", name: "PutLifecycleHook", code: "", reads: false, usual: 18, event: &[4] },
    Positive {
        source: "s3",
        name: "GetBucketPolicy",
        code: "NoSuchBucketPolicy",
        reads: true,
        usual: 23,
        event: &[2, 1, 1],
    },
    Positive {
        source: "logs",
        name: "DescribeQuery",
        code: "QueryIdNotFoundException",
        reads: true,
        usual: 0,
        event: &[6],
    },
    // A data event of the real service; counted as a management event here, which changes nothing in the arithmetic.
    Positive { source: "s3", name: "PutObject", code: "InvalidRequest", reads: false, usual: 0, event: &[6] },
    Positive {
        source: "ssm",
        name: "UpdateInstanceAssociationStatus",
        code: "",
        reads: false,
        usual: 17_702,
        event: &[50; 8],
    },
    Positive {
        source: "ssm",
        name: "UpdateInstanceInformation",
        code: "",
        reads: false,
        usual: 861_036,
        event: &[664],
    },
    Positive {
        source: "ec2",
        name: "AuthorizeSecurityGroupIngress",
        code: "",
        reads: false,
        usual: 201_600,
        event: &[],
    },
];

/// The real records that a benchmark has to find at medium: API, error code, largest minute.
const REAL: [(&str, &str, &str, u64); 6] = [
    ("ssm", "DeleteParameter", "", 78),
    ("ssm", "PutParameter", "", 67),
    ("secretsmanager", "PutSecretValue", "", 20),
    ("ssm", "DeleteParameter", "ThrottlingException", 38),
    ("ec2", "GetPasswordData", "Client.UnauthorizedOperation", 29),
    ("ec2", "DescribeInstanceAttribute", "Client.UnauthorizedOperation", 15),
];

/// Region of what is planted.
const REGION: &str = "us-east-1";

fn name(source: &str, api: &str, code: &str) -> Name {
    Name { region: REGION.into(), source: format!("{source}.amazonaws.com"), name: api.into(), code: code.into() }
}

fn row(name: &Name, reads: bool, principal: &str) -> String {
    let Name { region, source, name, code } = name;
    format!("{region}\t{source}\t{name}\tManagement\t{reads}\t{code}\t{principal}\taws-cli/2.15.30")
}

/// The known positives on their documented baselines, in an account in which hardly anything else happens: one event
/// every six hours in the fifth week.
fn positives(first: i64) -> (Rows, Vec<Wanted>) {
    let (mut rows, mut wanted) = (Rows::new(), Vec::new());
    let monitor = row(&name("sts", "GetCallerIdentity", ""), true, "uptime-monitor");
    for minute in (0..LENGTH).step_by(5).chain([LENGTH - 1]) {
        rows.insert((first + minute, monitor.clone()), 1);
    }
    for (place, positive) in POSITIVES.iter().enumerate() {
        let series = name(positive.source, positive.name, positive.code);
        let cell = row(&series, positive.reads, "role-1");
        let at = 4 * WEEK + DAY + place as i64 * 6 * HOUR + 11;
        let length = if positive.event.is_empty() { 10 } else { positive.event.len() as i64 };
        for minute in (0..LENGTH).filter(|minute| !(at..at + length).contains(minute)) {
            let calls = spread(positive.usual, minute);
            if calls > 0 {
                *rows.entry((first + minute, cell.clone())).or_insert(0) += calls;
            }
        }
        for (minute, calls) in positive.event.iter().enumerate().filter(|(_, calls)| **calls > 0) {
            *rows.entry((first + at + minute as i64, cell.clone())).or_insert(0) += calls;
        }
        let calls: u64 = positive.event.iter().sum();
        wanted.push(Wanted {
            what: format!("{calls} calls in {length} min on {} a week", positive.usual),
            name: series,
            direction: if positive.event.is_empty() { Direction::Below } else { Direction::Above },
            start: first + at,
            end: first + at + length,
        });
    }
    (rows, wanted)
}

/// Spreads the calls of a week evenly over its minutes; dense ones vary by a tenth from minute to minute.
fn spread(week: u64, minute: i64) -> u64 {
    let minute = minute as u64 + 4_321;
    let even = (minute + 1) * week / WEEK as u64 - minute * week / WEEK as u64;
    let swing = even / 10;
    if minute.is_multiple_of(2) { even + swing } else { even - swing }
}

/// The records of a folder of CloudTrail files, shifted so that the first is at the same time of day of day `day`.
fn real(folder: &Path, first: i64, day: i64) -> Result<(Rows, Vec<Wanted>)> {
    let mut rows = Rows::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let file: Value = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
        for record in file["Records"].as_array().into_iter().flatten() {
            let time: jiff::Timestamp = record["eventTime"].as_str().unwrap_or_default().parse()?;
            *rows.entry((time.as_second() / 60, real_row(record))).or_insert(0) += 1;
        }
    }
    let earliest = rows.keys().next().map(|key| key.0).unwrap_or_default();
    let shift = first + day * DAY + earliest % DAY - earliest;
    let rows: Rows = rows.into_iter().map(|((minute, cell), calls)| ((minute + shift, cell), calls)).collect();
    let wanted = REAL.iter().map(|wanted| found_in(&rows, *wanted)).collect();
    Ok((rows, wanted))
}

fn real_row(record: &Value) -> String {
    let text = |key: &str| record[key].as_str().unwrap_or_default();
    let identity = &record["userIdentity"];
    let principal =
        identity["sessionContext"]["sessionIssuer"]["arn"].as_str().or(identity["arn"].as_str()).unwrap_or("unknown");
    let read = record["readOnly"].as_bool().unwrap_or(false);
    let category = record["eventCategory"].as_str().unwrap_or("Management");
    let agent = text("userAgent").replace(['\t', '\n', '\r'], " ");
    format!(
        "{}\t{}\t{}\t{category}\t{read}\t{}\t{principal}\t{agent}",
        text("awsRegion"),
        text("eventSource"),
        text("eventName"),
        text("errorCode")
    )
}

/// The largest minute of a series of real records is where its insight has to begin or lie in.
fn found_in(rows: &Rows, (source, api, code, most): (&str, &str, &str, u64)) -> Wanted {
    let series = name(source, api, code);
    let counts = |cell: &str| {
        let field: Vec<&str> = cell.split('\t').collect();
        field[1] == series.source && field[2] == series.name && (code.is_empty() || field[5] == code)
    };
    let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
    for ((minute, _), calls) in rows.iter().filter(|((_, cell), _)| counts(cell)) {
        *minutes.entry(*minute).or_insert(0) += calls;
    }
    let peak = minutes.iter().max_by_key(|(_, calls)| **calls).map_or((0, 0), |(minute, calls)| (*minute, *calls));
    // The burst begins where the calls around its largest minute do.
    let start = (peak.0 - 30..=peak.0).rev().take_while(|minute| minutes.contains_key(minute)).last().unwrap_or(peak.0);
    let end = (peak.0..peak.0 + 30).take_while(|minute| minutes.contains_key(minute)).last().unwrap_or(peak.0) + 1;
    Wanted {
        what: format!("{} a minute (documented {most})", peak.1),
        name: series,
        direction: Direction::Above,
        start,
        end,
    }
}

/// Writes planted rows among those of `host`, or alone.
fn write(rows: &Rows, account: &str, host: Option<&Account>, path: &Path) -> Result<()> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    let mut gzip = GzEncoder::new(BufWriter::new(file), Compression::fast());
    match host {
        Some(host) => table::rows(&host.world, &mut gzip)?,
        None => writeln!(gzip, "{}", table::HEADER)?,
    }
    for ((minute, cell), calls) in rows {
        writeln!(gzip, "{}\t{account}\t{cell}\t{calls}", stamp(*minute))?;
    }
    gzip.finish()?.flush()?;
    Ok(())
}

/// How what is wanted was told.
fn outcomes(wanted: Vec<Wanted>, told: &[Incident]) -> Vec<Outcome> {
    let outcome = |wanted: Wanted| {
        let mine = |incident: &&Incident| {
            incident.name == wanted.name
                && incident.direction == wanted.direction
                && (wanted.start..=wanted.end + 5).contains(&incident.start)
        };
        let first = |level: usize| {
            told.iter()
                .filter(mine)
                .filter_map(|incident| incident.told(Gate::Level(level)))
                .map(|told| told.decided)
                .min()
        };
        let strictest = (0..LEVELS.len()).find_map(|level| first(level).map(|decided| (level, decided)));
        Outcome {
            level: strictest.map(|(level, _)| LEVELS[level]),
            delay: strictest.map(|(_, decided)| (decided - wanted.start).max(0)),
            wanted,
        }
    };
    wanted.into_iter().map(outcome).collect()
}

/// What the product tells of the known positives of the real service.
pub(crate) fn known_positives(engine: Engine, places: &Places, folder: &Path) -> Result<Vec<Outcome>> {
    let host = Account::generate(&Member { set: Set::Development, population: Population::Peaceful, number: 0 })?;
    let (rows, wanted) = positives(host.labels.first);
    judge(engine, places, folder, "910000000001", (rows, wanted), None)
}

/// What the product tells of real records that happened in a made-up account; none where the records are not there.
pub(crate) fn real_records(
    engine: Engine,
    places: &Places,
    records: &Path,
    number: u32,
    folder: &Path,
) -> Result<Vec<Outcome>> {
    let host = Account::generate(&Member { set: Set::Development, population: Population::Peaceful, number })?;
    let planted = real(records, host.labels.first, quiet_day(&host))?;
    let account = host.labels.account.clone();
    judge(engine, places, folder, &account, planted, Some(&host))
}

/// A working day of the last two weeks on which no benign change is labelled.
fn quiet_day(host: &Account) -> i64 {
    let first = host.labels.first;
    let free = |day: &i64| {
        let (from, to) = (first + day * DAY, first + (day + 1) * DAY);
        host.labels
            .changes
            .iter()
            .all(|change| change.end - change.start > WEEK || change.end <= from || change.start >= to)
    };
    (21..33).filter(|day| day % 7 < 5).find(free).unwrap_or(24)
}

fn judge(
    engine: Engine,
    places: &Places,
    folder: &Path,
    account: &str,
    (rows, wanted): (Rows, Vec<Wanted>),
    host: Option<&Account>,
) -> Result<Vec<Outcome>> {
    let (table, printed) =
        (folder.join(format!("planted-{account}.tsv.gz")), folder.join(format!("planted-{account}.ndjson")));
    write(&rows, account, host, &table)?;
    engine.print(places, &table, &printed)?;
    Ok(outcomes(wanted, &crate::insight::read_file(&printed, engine.decided_by())?))
}

#[cfg(test)]
mod tests {
    use super::{POSITIVES, positives, spread};
    use crate::calendar::{LENGTH, WEEK};

    #[test]
    fn baselines_hold_their_documented_calls() {
        for week in [0, 1, 18, 23, 17_702, 861_036] {
            let total: u64 = (WEEK..2 * WEEK).map(|minute| spread(week, minute)).sum();
            assert!(total.abs_diff(week) <= week / 200 + 1, "{total} for {week}");
        }
    }

    #[test]
    fn each_positive_is_there_once() {
        let (rows, wanted) = positives(0);
        assert_eq!(wanted.len(), POSITIVES.len());
        for (positive, wanted) in POSITIVES.iter().zip(&wanted) {
            let during = rows.iter().filter(|((minute, cell), _)| {
                (wanted.start..wanted.end).contains(minute) && cell.contains(&format!("\t{}\t", positive.name))
            });
            assert_eq!(during.map(|(_, calls)| calls).sum::<u64>(), positive.event.iter().sum::<u64>());
            assert!(wanted.end < LENGTH);
        }
    }
}
