//! gzip files to insights, and beside it, in the same run, what inflating, parsing and counting alone takes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::Result;
use flate2::read::GzDecoder;
use serde::Deserialize;
use tempfile::TempDir;

use crate::Size;
use crate::answer::{Answer, hash, median};
use crate::process::{own_cpu, run};
use crate::workload::gzip_files;

#[derive(Deserialize)]
struct Delivered<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<Called<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Called<'a> {
    event_time: &'a str,
    event_source: &'a str,
    event_name: &'a str,
    aws_region: &'a str,
}

pub(crate) fn ask(size: Size) -> Result<Answer> {
    let records = size.of(20_000, 1_000_000);
    let rounds = size.of(1, 5);
    let folder = TempDir::new()?;
    let unpacked = gzip_files(folder.path(), records, 5_000)?;
    let packed: u64 =
        fs::read_dir(folder.path())?.filter_map(|entry| entry.ok()?.metadata().ok()).map(|meta| meta.len()).sum();

    let (mut product, mut bare, mut output, mut keys) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let path = folder.path().as_os_str();
        let options = [
            "replay",
            "--assume-history",
            "--sensitivity",
            "high",
            "--jobs",
            "1",
            "--output-format",
            "ndjson",
            "--quiet",
        ];
        let took = run(options.iter().map(std::ffi::OsStr::new).chain([path]), None)?;
        product.push(records as f64 / took.cpu.max(0.01));
        output = took.stdout;
        let before = own_cpu()?;
        keys = count(folder.path())?;
        bare.push(records as f64 / (own_cpu()? - before).max(0.01));
    }
    let (product, bare) = (median(product), median(bare));
    Ok(Answer {
        question: "How many records a second a core, from gzip files to insights?",
        workload: format!(
            "{records} records of {} bytes, packed {:.1}:1, 5,000 a file, 1,000 series over one day, one burst; medians of {rounds} \
             rounds of CPU time, `--jobs 1`. Beside it: flate2, serde_json into four borrowed fields, one hash map.",
            unpacked / records,
            unpacked as f64 / packed as f64
        ),
        non_goals: "disks, networks, more than one core.",
        figures: vec![
            ("gzip files → insights, records a CPU second (target ≥ 200,000)".into(), format!("{product:.0}")),
            ("inflate, parse, count alone".into(), format!("{bare:.0}")),
            ("ratio".into(), format!("{:.2}", product / bare)),
        ],
        hash: hash(&output) ^ keys,
    })
}

fn count(folder: &Path) -> Result<u64> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    let (mut text, mut key) = (String::new(), String::new());
    for entry in fs::read_dir(folder)? {
        text.clear();
        GzDecoder::new(File::open(entry?.path())?).read_to_string(&mut text)?;
        let delivered: Delivered<'_> = serde_json::from_str(&text)?;
        for called in delivered.records {
            key.clear();
            for part in [
                called.event_time.get(..16).unwrap_or_default(),
                called.aws_region,
                called.event_source,
                called.event_name,
            ] {
                key.push_str(part);
                key.push('/');
            }
            match counts.get_mut(&key) {
                Some(count) => *count += 1,
                None => drop(counts.insert(key.clone(), 1)),
            }
        }
    }
    Ok(counts.len() as u64)
}
