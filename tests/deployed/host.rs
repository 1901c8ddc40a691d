//! The systemd unit and the Debian package.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::tools::{deploy, read, run, succeeds, tool};
use crate::product;
use crate::records::{DAY_0, Envelope, Made, wrapped};
use crate::service::{Service, setup};

/// Worst exposure that `systemd-analyze security` may find, in tenths; an unconfined service has 96.
const EXPOSURE: &str = "15";

#[test]
fn the_unit_is_understood_and_confined() {
    let Some(analyze) = tool("systemd-analyze") else { return };
    let root = TempDir::new().expect("a folder");
    let units = root.path().join("lib/systemd/system");
    fs::create_dir_all(&units).expect("the folder can be written");
    fs::create_dir_all(root.path().join("usr/bin")).expect("the folder can be written");
    fs::copy(product::binary(), root.path().join("usr/bin/trailsight")).expect("the binary can be copied");
    let unit = read(&deploy("systemd/trailsight.service"));
    let verify = |text: &str| {
        fs::write(units.join("trailsight.service"), text).expect("the folder can be written");
        let at = format!("--root={}", root.path().display());
        run(&analyze, ["verify", "--man=no", "--recursive-errors=no", &at, "trailsight.service"])
    };
    let said = verify(&unit);
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
    // It says so when a key is not known to it.
    assert!(verify(&unit.replace("ProtectHome=", "ProtectHomes=")).stderr.contains("ProtectHomes"));
    let threshold = format!("--threshold={EXPOSURE}");
    let path = deploy("systemd/trailsight.service").display().to_string();
    succeeds(&analyze, ["security", "--offline=true", "--no-pager", &threshold, &path]);
}

/// The sandbox itself needs a running systemd; that the service makes no call that its filter forbids does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_makes_only_system_calls_that_the_unit_allows() {
    let (Some(analyze), Some(strace)) = (tool("systemd-analyze"), tool("strace")) else { return };
    let folder = TempDir::new().expect("a folder");
    let inbox = folder.path().join("inbox");
    fs::create_dir(&inbox).expect("the folder can be written");
    let record = [Made::write(DAY_0, "ec2", "CreateTags", "ci", 1).json()];
    fs::write(inbox.join("one.json.gz"), wrapped(Envelope::Delivered, &record)).expect("written");
    let setup = setup(folder.path(), &inbox, &folder.path().join("data"), "[sinks.console]\ntype = \"stdout\"\n");
    let trace = folder.path().join("trace");
    let mut command = Command::new(strace);
    command.args(["-f", "-qq", "-o"]).arg(&trace).arg(product::binary()).args(["run", "--config"]).arg(&setup.file);
    let mut service = Service::spawn(command);
    service.listening();
    service.until("/api/v1/status", "a record", |status| status["records"]["counted"] == 1).await;
    let id = service.id();
    let traced = read(Path::new(&format!("/proc/{id}/task/{id}/children")));
    let stopped = Command::new("kill").args(["-TERM", traced.trim()]).status();
    assert!(stopped.expect("kill is there").success());
    assert_eq!(service.ended_within(crate::service::LIMIT), Some(Some(0)), "{}", service.log());
    let made: BTreeSet<String> = read(&trace).lines().filter_map(called).collect();
    assert!(made.contains("fdatasync") || made.contains("fsync"), "{made:?}");
    let (allowed, forbidden) = (group(&analyze, &["@system-service"]), group(&analyze, &["@privileged", "@resources"]));
    // SQLite gives its journal to the owner of the database; it asks for that as root alone.
    let as_root = "fchown";
    let wrong = |call: &&String| *call != as_root && (!allowed.contains(*call) || forbidden.contains(*call));
    let beyond: Vec<&String> = made.iter().filter(wrong).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

/// `read` of `123 read(3, …) = 5`.
fn called(line: &str) -> Option<String> {
    let (_, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    name.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_').then(|| name.to_owned())
}

/// The calls of groups of systemd, groups within them included.
fn group(analyze: &Path, names: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    while let Some(name) = waiting.pop() {
        let said = succeeds(analyze, ["syscall-filter", "--no-pager", &name]);
        for word in said.stdout.lines().skip(1).map(str::trim).filter(|line| !line.starts_with('#')) {
            match word.starts_with('@') {
                true => waiting.push(word.to_owned()),
                false => drop(found.insert(word.to_owned())),
            }
        }
    }
    found
}

#[test]
fn the_package_installs_and_goes_again() {
    let (Some(dpkg), Some(_)) = (tool("dpkg"), tool("dpkg-shlibdeps")) else { return };
    let folder = TempDir::new().expect("a folder");
    let built = succeeds(&deploy("debian/build"), [product::binary().as_os_str(), folder.path().as_os_str()]);
    let package = built.stdout.trim();
    let root = folder.path().join("root");
    for below in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"] {
        fs::create_dir_all(root.join(below)).expect("the folder can be written");
    }
    for file in
        ["var/lib/dpkg/status", "var/lib/dpkg/available", "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"]
    {
        fs::write(root.join(file), "").expect("the folder can be written");
    }
    let in_root = |arguments: &[&str]| {
        let at = format!("--root={}", root.display());
        // The root holds nothing else: its scripts run outside of it, and what the package needs is not there.
        let forced = [at.as_str(), "--log=/dev/null", "--force-script-chrootless", "--force-depends"];
        succeeds(&dpkg, forced.iter().chain(arguments))
    };
    in_root(&["--install", package]);
    assert_eq!(in_root(&["--verify", "trailsight"]).stdout, "", "what is installed is what was packed");
    let said = succeeds(&root.join("usr/bin/trailsight"), ["--version"]);
    assert!(package.contains(said.stdout.trim().trim_start_matches("trailsight ")), "{package}: {}", said.stdout);
    assert!(read(&root.join("etc/passwd")).contains("trailsight:x:"));
    assert_eq!(read(&root.join("lib/systemd/system/trailsight.service")), read(&deploy("systemd/trailsight.service")));
    let config = root.join("etc/trailsight/trailsight.toml");
    succeeds(product::binary(), ["check".as_ref(), "--config".as_ref(), config.as_os_str()]);
    let needs = in_root(&["--status", "trailsight"]).stdout;
    assert!(needs.contains("libc6 (>= ") && needs.contains("ca-certificates"), "{needs}");

    // Installed again it keeps what the user wrote; purged it leaves nothing but the user's data.
    fs::write(&config, "data_dir = \"/elsewhere\"\n").expect("the folder can be written");
    fs::create_dir_all(root.join("var/lib/trailsight")).expect("the folder can be written");
    in_root(&["--force-confold", "--install", package]);
    assert_eq!(read(&config), "data_dir = \"/elsewhere\"\n");
    in_root(&["--purge", "trailsight"]);
    assert!(!config.exists() && !root.join("usr/bin/trailsight").exists());
    assert!(root.join("var/lib/trailsight").is_dir());
}
