//! Directories that are held, damaged, full, read-only, or gone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use trailsight::journal::minutes::{MinuteReader, Period};
use trailsight_schemas::time::Minute;

use super::good;
use crate::product::{self, run};
use crate::records::{ACCOUNT, Envelope, wrapped};
use crate::scale::not_run;
use crate::service::{LIMIT, Service, Setup, setup};

struct Home {
    folder: TempDir,
    inbox: PathBuf,
    data: PathBuf,
}

impl Home {
    fn new() -> Home {
        let folder = TempDir::new().expect("a folder");
        let (inbox, data) = (folder.path().join("inbox"), folder.path().join("data"));
        fs::create_dir(&inbox).expect("the folder can be written");
        fs::create_dir(&data).expect("the folder can be written");
        Home { folder, inbox, data }
    }

    fn setup(&self) -> Setup {
        setup(self.folder.path(), &self.inbox, &self.data, "")
    }

    fn put(&self, name: &str, records: &[Value]) {
        fs::write(self.inbox.join(name), wrapped(Envelope::Delivered, records)).expect("the inbox can be written");
    }
}

async fn counted(service: &Service, count: u64) {
    let status = service.until("/api/v1/status", "all counted", |status| status["records"]["counted"] == count).await;
    assert_eq!(status["records"]["duplicate"], 0, "nothing may be counted twice: {status:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_data_is_refused() {
    let home = Home::new();
    home.put("a.json", &good(100));
    let first = Service::run(&home.setup());
    counted(&first, 100).await;
    let mut second = Service::begin(&home.setup());
    let status = second.ended_within(LIMIT);
    assert!(matches!(status, Some(Some(1 | 2))), "{status:?}\n{}", second.log());
    let said = second.log();
    assert!(said.contains("in use") && said.contains(&*home.data.to_string_lossy()), "{said}");
    assert_eq!(first.get("/healthz").await.map(|(code, _)| code), Some(200), "the first goes on");
    first.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_newest_snapshot_gives_way_to_the_one_before_it() {
    let home = Home::new();
    home.put("a.json", &good(400)[..200]);
    let first = Service::run(&home.setup());
    counted(&first, 200).await;
    first.stop();
    let between = Service::run(&home.setup());
    home.put("b.json", &good(400)[200..]);
    counted(&between, 400).await;
    between.stop();

    let mut snapshots: Vec<PathBuf> = files(&home.data.join("snapshots"));
    snapshots.sort_by_key(|path| fs::metadata(path).and_then(|meta| meta.modified()).expect("a file has a time"));
    assert!(snapshots.len() >= 2, "stopping takes a snapshot: {snapshots:?}");
    let parts: std::collections::BTreeSet<String> = snapshots.iter().map(|path| part(path)).collect();
    for part_name in &parts {
        let newest = snapshots.iter().rfind(|path| part(path) == *part_name).expect("it has one");
        let mut bytes = fs::read(newest).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        fs::write(newest, bytes).expect("writable");
    }
    let again = Service::run(&home.setup());
    counted(&again, 400).await;
    let log = again.stop();
    assert!(log.contains("damaged"), "a damaged snapshot must be said aloud:\n{log}");
}

/// Pictures are derived: whatever happens to them, insights and records stay, and what the journal still has comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_minute_history_is_rebuilt_from_the_journal() {
    // All but the head; the rows alone, which shows only when something is written to them; and nothing left of it.
    for kept in [|_| 4096, |whole: usize| whole / 2 / 4096 * 4096, |_| 0] {
        let home = Home::new();
        home.put("a.json", &good(400));
        let first = Service::run(&home.setup());
        counted(&first, 400).await;
        first.stop();
        let before = calls(&home.data);
        assert_eq!(before.len(), 400);
        let path = home.data.join("history.db");
        let mut bytes = fs::read(&path).expect("readable");
        let kept = kept(bytes.len());
        bytes.iter_mut().skip(kept).for_each(|byte| *byte = 0x55);
        fs::write(&path, bytes).expect("writable");
        let again = Service::run(&home.setup());
        home.put("b.json", &good(401)[400..]);
        counted(&again, 401).await;
        assert_eq!(again.get("/readyz").await.map(|(code, _)| code), Some(200));
        let log = again.stop();
        assert!(log.contains("begun again"), "kept {kept}: it must be said aloud:\n{log}");
        assert_eq!(calls(&home.data)[..400], before, "kept {kept}:\n{log}");
        assert!(home.data.join("history.db.damaged").is_file());
    }
}

fn calls(data: &Path) -> Vec<(u32, u64)> {
    let reader = MinuteReader::open_read_only(data).expect("the history can be read");
    let key = format!("{ACCOUNT}/eu-west-1/ec2.amazonaws.com/CreateTags");
    let points = reader.minutes(&key, Minute(0), Minute(u32::MAX), Period::Minute).expect("the history can be read");
    points.into_iter().map(|point| (point.minute.0, point.calls)).collect()
}

fn part(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split('-').next().unwrap_or_default().to_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_that_vanishes_and_comes_back_is_read_on() {
    let home = Home::new();
    home.put("a.json", &good(300)[..100]);
    let service = Service::run(&home.setup());
    counted(&service, 100).await;
    fs::remove_dir_all(&home.inbox).expect("it can go");
    let gone = |reasons: &Value| !reasons.is_null();
    service.until("/readyz", "anything", gone).await;
    assert_eq!(service.get("/healthz").await.map(|(code, _)| code), Some(200));
    fs::create_dir(&home.inbox).expect("it can come back");
    home.put("b.json", &good(300)[100..]);
    counted(&service, 300).await;
    service.stop();
}

/// A small file system of its own, unmounted when dropped.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    pub(crate) fn tmpfs(at: &Path, size: &str) -> Option<Mounted> {
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        match mount {
            Ok(done) if done.status.success() => Some(Mounted(at.to_owned())),
            refused => {
                not_run("a full disk", &format!("a tmpfs cannot be mounted here ({refused:?})"));
                None
            }
        }
    }

    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).expect("there is room for a name");
        let block = [0u8; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_acknowledging_and_nothing_is_lost() {
    let home = Home::new();
    let Some(disk) = Mounted::tmpfs(&home.data, "48m") else { return };
    home.put("a.json", &good(1000)[..500]);
    let service = Service::run(&home.setup());
    counted(&service, 500).await;
    let ballast = disk.fill();
    home.put("b.json", &good(1000)[500..]);
    let unready = |ready: &Value| ready.to_string().to_lowercase().contains("data directory");
    service.until("/readyz", "that the data directory cannot be written", unready).await;
    assert_eq!(service.get("/readyz").await.map(|(code, _)| code), Some(503));
    assert_eq!(service.json("/api/v1/status").await.expect("status")["records"]["counted"], 500);
    fs::remove_file(ballast).expect("space again");
    counted(&service, 1000).await;
    service.until("/readyz", "ready", |ready| !unready(ready)).await;
    assert_eq!(service.get("/readyz").await.map(|(code, _)| code), Some(200));
    service.stop();
    let again = Service::run(&home.setup());
    counted(&again, 1000).await;
    again.stop();
}

#[test]
fn backfill_onto_a_full_disk_is_exit_status_1() {
    let home = Home::new();
    let Some(disk) = Mounted::tmpfs(&home.data, "1m") else { return };
    home.put("a.json", &good(1000));
    disk.fill();
    let mut command = product::command(["backfill", "--config"]);
    command.arg(&home.setup().file).arg(&home.inbox);
    let finished = run(command).expect(1);
    assert!(finished.stderr.contains("data directory"), "{}", finished.stderr);
}

#[test]
fn a_read_only_data_directory_is_named() {
    let home = Home::new();
    let Some(disk) = Mounted::tmpfs(&home.data, "8m") else { return };
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk.0).status().expect("mount is there");
    assert!(remounted.success(), "a tmpfs that nobody uses can be made read-only");
    home.put("a.json", &good(10));
    let mut command = product::command(["backfill", "--config"]);
    command.arg(&home.setup().file).arg(&home.inbox);
    let finished = run(command);
    assert!(matches!(finished.status, Some(1 | 2)), "{finished:?}");
    assert!(finished.stderr.contains(&*home.data.to_string_lossy()), "{}", finished.stderr);
}
