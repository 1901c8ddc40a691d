//! What goes wrong outside: input that is broken or hostile, disks that are full, files that are damaged,
//! configurations with mistakes.

mod disks;

pub(crate) use disks::Mounted;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::product::{self, Finished, run, run_with};
use crate::records::{DAY_0, Envelope, Made, gzip, wrapped};
use crate::scale::{repository, sized};

/// Records that are read whatever lies beside them.
fn good(count: i64) -> Vec<Value> {
    (0..count).map(|minute| Made::write(DAY_0 + minute, "ec2", "CreateTags", "ci", 1).json()).collect()
}

fn replay_folder(folder: &Path) -> Finished {
    let mut command = product::command(["replay", "--assume-history", "--output-format", "ndjson"]);
    command.arg(folder);
    run(command)
}

/// A file with `bytes` among good ones: a counted reason, exit status 3, and at least `counted` of all records.
fn beside_good_ones(name: &str, bytes: &[u8], counted: std::ops::RangeInclusive<u64>) {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("a.json"), wrapped(Envelope::Delivered, &good(50))).expect("written");
    fs::write(folder.path().join("m.json.gz"), bytes).expect("written");
    fs::write(folder.path().join("z.json.gz"), gzip(&wrapped(Envelope::Lines, &good(120)[50..]))).expect("written");
    let finished = replay_folder(folder.path()).expect(3);
    let records = finished.summary("records counted");
    assert!(counted.contains(&records), "{name}: {records} records, not {counted:?}\n{}", finished.stderr);
}

#[test]
fn broken_input_is_named_and_its_neighbours_are_read() {
    let more: Vec<Value> =
        (200..260).map(|minute| Made::write(DAY_0 + minute, "s3", "PutBucketAcl", "ci", 1).json()).collect();
    let packed = gzip(&wrapped(Envelope::Lines, &more));
    beside_good_ones("truncated gzip", &packed[..packed.len() / 2], 120..=180);
    let mut damaged = packed.clone();
    damaged[packed.len() / 2] ^= 0xff;
    beside_good_ones("damaged gzip", &damaged, 120..=180);
    let lines = |bad: &[u8]| {
        let mut bytes = wrapped(Envelope::Lines, &more[..30]);
        bytes.extend_from_slice(b"\n");
        bytes.extend_from_slice(bad);
        bytes.extend_from_slice(b"\n");
        bytes.extend_from_slice(&wrapped(Envelope::Lines, &more[30..]));
        bytes
    };
    let changed = |key: &str, value: &str| {
        let mut record = more[0].clone();
        record["eventID"] = "one more".into();
        record[key] = value.into();
        record.to_string().into_bytes()
    };
    for (name, bad) in [
        ("10,000 brackets", vec![b'['; 10_000]),
        ("10,000 objects", br#"{"a":"#.repeat(10_000)),
        (
            "invalid UTF-8",
            changed("userAgent", "#").iter().map(|byte| if *byte == b'#' { 0xff } else { *byte }).collect(),
        ),
        ("the year 9999", changed("eventTime", "9999-12-31T23:59:59Z")),
        ("the year 1970", changed("eventTime", "1970-01-01T00:00:00Z")),
        ("no time", changed("eventTime", "")),
        ("half a record", b"{\"eventVersion\":\"1.11\",\"eventTime\":".to_vec()),
        ("not JSON", b"GET / HTTP/1.1".to_vec()),
        ("a NUL", b"\0".to_vec()),
    ] {
        beside_good_ones(name, &lines(&bad), 180..=180);
    }
}

#[test]
fn a_zip_bomb_is_cut_off_and_its_neighbours_are_read() {
    // Members of 64 MiB each, 64 kB packed.
    let member = gzip(&vec![b' '; 64 << 20]);
    let bomb = member.repeat(sized(18, 64, 256));
    beside_good_ones("zip bomb", &bomb, 120..=120);
}

#[test]
fn a_line_of_a_gigabyte_is_passed_over_within_bounded_memory() {
    let length: usize = sized(64 << 20, 1 << 30, 4 << 30);
    let mut command = Command::new("sh");
    // Address space: far less than the line would need twice.
    command.args(["-c", "ulimit -v 3145728; exec \"$0\" \"$@\""]).arg(product::binary());
    command.args(["replay", "--assume-history", "--output-format", "ndjson", "-"]);
    let block = vec![b'x'; 1 << 20];
    let finished = run_with(command, |stdin| {
        stdin.write_all(&wrapped(Envelope::Lines, &good(50)))?;
        stdin.write_all(b"\n{\"eventName\":\"")?;
        for _ in 0..length / block.len() {
            stdin.write_all(&block)?;
        }
        stdin.write_all(b"\"}\n")?;
        stdin.write_all(&wrapped(Envelope::Lines, &good(120)[50..]))
    });
    let finished = finished.expect(3);
    assert_eq!(finished.summary("records counted"), 120, "{}", finished.stderr);
}

#[test]
fn a_counts_table_with_impossible_rows_is_read_past_them() {
    let header = "minute,account,region,source,name,calls\n";
    let row =
        |minute: &str, calls: &str| format!("{minute},111122223333,eu-west-1,iam.amazonaws.com,CreateUser,{calls}\n");
    let table = |rows: &[(&str, &str)]| {
        header.to_owned() + &rows.iter().map(|(minute, calls)| row(minute, calls)).collect::<String>()
    };
    let counts = |text: &str| product::replay(["--assume-history", "--input-format", "counts", "-"], text.as_bytes());
    let right = "2024-03-04T00:00:00Z";
    assert_eq!(counts(&table(&[(right, "3"), (right, "4")])).expect(0).summary("records counted"), 7);
    for (minute, calls) in [
        (right, "9223372036854775808"),
        (right, "18446744073709551616"),
        (right, "-1"),
        (right, "1.5"),
        (right, ""),
        ("2024-03-04T00:00:30Z", "1"),
        ("9999-01-01T00:00:00Z", "1"),
        ("1970-01-01T00:00:00Z", "1"),
        ("noon", "1"),
    ] {
        let finished = counts(&table(&[(right, "3"), (minute, calls), (right, "4")])).expect(3);
        assert_eq!(finished.summary("records counted"), 7, "{minute} {calls}:\n{}", finished.stderr);
    }
    let finished = counts("minute,account,region,source,calls\n2024-03-04T00:00:00Z,1,eu-west-1,iam.amazonaws.com,1\n");
    assert!(matches!(finished.status, Some(2 | 3)), "{finished:?}");
    assert!(finished.stderr.contains("name"), "the missing column is not named:\n{}", finished.stderr);
}

#[test]
fn input_that_is_not_there_is_exit_status_2_and_all_of_it_is_named() {
    let mut command = product::command(["replay", "/no/such/folder", "/nor/this/file.json"]);
    command.arg("--quiet");
    let finished = run(command).expect(2);
    for name in ["/no/such/folder", "/nor/this/file.json"] {
        assert!(finished.stderr.contains(name), "{}", finished.stderr);
    }
}

#[test]
fn five_mistakes_in_a_configuration_are_five_lines() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("trailsight.toml");
    let text = "[detection]\nsensitivity = \"extreme\"\nallowed_lateness = \"3 parsecs\"\n\n[limits]\nseries = 0\n\n\
        [http]\nlissten = \"127.0.0.1:8470\"\n\n[sources.inbox]\ntype = \"carrier pigeon\"\npath = \"/tmp\"\n";
    fs::write(&file, text).expect("written");
    for command in ["check", "run"] {
        let mut command = product::command([command, "--config"]);
        command.arg(&file);
        let said = run(command).expect(2).stderr;
        for (key, value, allowed) in [
            ("detection.sensitivity", "extreme", "medium"),
            ("detection.allowed_lateness", "3 parsecs", "24h"),
            ("limits.series", "0", "50000000"),
            ("http.lissten", "", "listen"),
            ("sources.inbox.type", "carrier pigeon", "files"),
        ] {
            let plain = |line: &str| line.replace(['_', ',', ' '], "");
            let of_key: Vec<&str> = said.lines().filter(|line| line.contains(key)).collect();
            assert!(!of_key.is_empty(), "{key} is not named:\n{said}");
            let text = plain(&said);
            assert!(
                text.contains(&plain(value)) && text.contains(&plain(allowed)),
                "{key}: {value}, {allowed}:\n{said}"
            );
        }
    }
}

#[test]
fn quickstart_says_what_it_cannot_read() {
    let folder = TempDir::new().expect("a folder");
    let missing = folder.path().join("missing").display().to_string();
    for (argument, said) in [
        ("kafka://broker/trail", "is not kafka://HOST:PORT/TOPIC"),
        ("https://sqs.eu-west-1.amazonaws.com/111122223333/trail", "does not read queues yet"),
        ("s3://bucket/prefix", "does not read buckets yet"),
        (missing.as_str(), "is not a directory"),
        ("--fast", "usage"),
    ] {
        let mut command = Command::new(repository().join("deploy/quickstart"));
        command.arg(argument).current_dir(&folder);
        let finished = run(command).expect(2);
        assert!(finished.stderr.contains(said), "{argument}: {}", finished.stderr);
    }
    let left = fs::read_dir(&folder).expect("readable").count();
    assert_eq!(left, 0, "nothing is written before the argument is understood");
}
