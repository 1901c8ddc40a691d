//! Files in the layout in which CloudTrail delivers Insights events to a bucket, so that what reads AWS's reads ours:
//!
//! ```text
//! PATH/AWSLogs/<account>/CloudTrail-Insight/<region>/YYYY/MM/DD/<account>_CloudTrail-Insight_<region>_YYYYMMDDTHHmmZ_<16>.json.gz
//! ```
//!
//! The time is that of the delivery, as AWS has it; the last part is made of the record's `eventID`. A file holds
//! `{"Records":[…]}` with one insight, and is there as a whole or not at all: it is written under a name that begins with
//! a dot, synced and renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use trailsight_schemas::insight::InsightEvent;
use trailsight_schemas::time::format_rfc3339;
use uuid::Uuid;

use crate::deliver::retry::{Retry, SendError};

/// Longest part of a name that comes from a record.
const PART: usize = 64;

/// A directory that stands for the bucket.
#[derive(Clone, Debug)]
pub struct FileSink {
    path: PathBuf,
}

impl FileSink {
    /// Below this directory, which is made where it is missing.
    pub fn new(path: PathBuf) -> FileSink {
        FileSink { path }
    }

    /// Writes one record; blocks a thread of its own.
    pub(super) async fn write(&self, event_id: Uuid, record: Vec<u8>, now_ms: i64) -> Result<(), SendError> {
        let failed = |error: &dyn std::fmt::Display| SendError::new(Retry::Now, &format!("file: {error}"));
        let event = InsightEvent::parse(&record).map_err(|error| SendError::new(Retry::Never, &error.to_string()))?;
        let (folder, name) = place(&event, event_id, now_ms);
        let folder = self.path.join(folder);
        let written = tokio::task::spawn_blocking(move || whole(&folder, &name, &record)).await;
        written.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }
}

/// Folder and name of a record's file.
fn place(event: &InsightEvent, event_id: Uuid, now_ms: i64) -> (PathBuf, String) {
    let (account, region) = (part(&event.recipient_account_id), part(&event.aws_region));
    let now = format_rfc3339(now_ms.div_euclid(1000));
    let (date, time) = (now.get(..10).unwrap_or_default(), now.get(11..16).unwrap_or_default().replace(':', ""));
    let folder =
        Path::new("AWSLogs").join(&account).join("CloudTrail-Insight").join(&region).join(date.replace('-', "/"));
    let unique = event_id.simple().to_string();
    let unique = unique.get(..16).unwrap_or(&unique);
    (folder, format!("{account}_CloudTrail-Insight_{region}_{}T{time}Z_{unique}.json.gz", date.replace('-', "")))
}

/// Text of a record as a part of a path: nothing that leads elsewhere.
fn part(text: &str) -> String {
    let kept = |each: char| if each.is_ascii_alphanumeric() || each == '-' { each } else { '_' };
    let part: String = text.chars().take(PART).map(kept).collect();
    if part.is_empty() { "_".to_owned() } else { part }
}

fn whole(folder: &Path, name: &str, record: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let partial = folder.join(format!(".{name}"));
    let written = (|| {
        let mut zipped = GzEncoder::new(File::create(&partial)?, Compression::default());
        zipped.write_all(b"{\"Records\":[")?;
        zipped.write_all(record)?;
        zipped.write_all(b"]}")?;
        zipped.finish()?.sync_all()?;
        fs::rename(&partial, folder.join(name))?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // What is half there is nobody's.
        let _ = fs::remove_file(&partial);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use trailsight_schemas::insight::InsightFormat;

    use super::*;
    use crate::deliver::fixtures::insight;

    const NOW: i64 = 1_772_694_700_000;

    fn files(path: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry) }
        }
        found
    }

    #[tokio::test]
    async fn a_record_lies_where_aws_would_have_put_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let record = insight().to_json(InsightFormat::Aws);
        let sink = FileSink::new(folder.path().join("bucket"));
        for _ in 0..2 {
            sink.write(Uuid::from_u128(7 << 64), record.clone().into_bytes(), NOW).await.expect("written");
        }
        let found = files(folder.path());
        let expected = "bucket/AWSLogs/111122223333/CloudTrail-Insight/eu-west-1/2026/03/05/\
                        111122223333_CloudTrail-Insight_eu-west-1_20260305T0711Z_0000000000000007.json.gz";
        assert_eq!(found, [folder.path().join(expected)], "once, however often it is delivered in a minute");
        let mut text = String::new();
        GzDecoder::new(File::open(&found[0]).expect("a file")).read_to_string(&mut text).expect("gzip");
        assert_eq!(text, format!("{{\"Records\":[{record}]}}"));
        let key = trailsight_schemas::object_key::ObjectKey::parse(expected.trim_start_matches("bucket/"));
        assert!(format!("{key:?}").contains("Insight"), "{key:?}");
    }

    #[tokio::test]
    async fn no_name_leads_out_of_the_directory() {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = folder.path().join("bucket");
        for (account, region) in [("../../etc", "/etc/passwd"), ("..", "."), ("", "*"), ("a\u{0}b", "é\n")] {
            let mut event = insight();
            (event.recipient_account_id, event.aws_region) = (account.into(), region.into());
            let record = event.to_json(InsightFormat::Full).into_bytes();
            FileSink::new(bucket.clone()).write(Uuid::from_u128(1), record, NOW).await.expect("written");
        }
        let found = files(folder.path());
        assert!(found.len() >= 3 && found.iter().all(|file| file.starts_with(bucket.join("AWSLogs"))), "{found:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_tried_again_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a file");
        fs::write(&path, "x").expect("written");
        let record = insight().to_json(InsightFormat::Full).into_bytes();
        let error = FileSink::new(path).write(Uuid::nil(), record, NOW).await.expect_err("no directory");
        assert_eq!(error.retry, Retry::Now);
        let error =
            FileSink::new(folder.path().into()).write(Uuid::nil(), b"{}".to_vec(), NOW).await.expect_err("no record");
        assert_eq!(error.retry, Retry::Never);
        assert_eq!(files(folder.path()).len(), 1);
    }
}
