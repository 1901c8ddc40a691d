//! The image, built and run by podman: read-only, without capabilities, as nobody.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::tools::{deploy, read, succeeds, text, tool};
use crate::product::{self, Finished};
use crate::records::{DAY_0, Envelope, Made, wrapped};
use crate::scale::{not_run, report};
use crate::service::eventually;

/// The image is to stay below, bytes.
const SIZE: u64 = 60_000_000;
const IMAGE: &str = "localhost/trailsight-test";
const NAME: &str = "trailsight-test";

/// Containers and images in a folder of their own, which go with it.
struct Podman {
    program: PathBuf,
    folder: TempDir,
}

impl Podman {
    /// Nothing where this machine lets nobody make containers.
    fn new() -> Option<Podman> {
        let podman = Podman { program: tool("podman")?, folder: TempDir::new().expect("a folder") };
        // Limits that may be set, and a runtime that asks for no more, wherever this runs.
        let settings = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
                        [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
        fs::write(podman.path("containers.conf"), settings).expect("the folder can be written");
        let said = podman.run(&["info"]);
        if said.status == Some(0) {
            return Some(podman);
        }
        not_run("the image", said.stderr.lines().last().unwrap_or("podman info fails"));
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(&self.program);
        command.env("CONTAINERS_CONF", self.path("containers.conf"));
        command.arg("--root").arg(self.path("storage")).arg("--runroot").arg(self.path("run"));
        command.args(["--storage-driver", "vfs"]).args(arguments);
        product::run(command)
    }

    #[track_caller]
    fn does(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.status, Some(0), "podman {arguments:?}:\n{}{}", said.stdout, said.stderr);
        said.stdout
    }

    /// Builds the last stage of our Containerfile on what its first stage would have made.
    fn build(&self) {
        let context = self.path("context");
        fs::create_dir(&context).expect("the folder can be written");
        succeeds(&deploy("container/rootfs"), [product::binary().as_os_str(), context.as_os_str()]);
        fs::write(context.join("root/usr/share/trailsight/sbom.cdx.json"), bill_of_materials()).expect("written");
        let whole = text("container/Containerfile");
        let (_, last) = whole.split_once("\nFROM scratch\n").expect("a last stage from scratch");
        let copied = last.replace("--from=build ", "").replace(" /image/", " ");
        assert_eq!(copied.matches("COPY ").count(), 2, "{copied}");
        let file = context.join("Containerfile");
        fs::write(&file, format!("FROM scratch\n{copied}")).expect("the folder can be written");
        let (file, context) = (file.display().to_string(), context.display().to_string());
        let fixed = ["build", "--isolation", "chroot", "--format", "docker", "--build-arg", "REVISION=0123abc"];
        self.does(&[&fixed[..], &["-t", IMAGE, "-f", &file, &context]].concat());
    }

    /// Starts the service as docs/installing.md says, on a port of the test's.
    fn start(&self, port: u16) {
        let (config, inbox) = (self.path("config"), self.path("inbox"));
        for folder in [&config, &inbox] {
            fs::create_dir_all(folder).expect("the folder can be written");
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("ours");
        }
        let written = format!(
            "[sources.inbox]\ntype = \"files\"\npath = \"/var/log/cloudtrail\"\n[sinks.console]\ntype = \"stdout\"\n\
             [http]\nlisten = \"127.0.0.1:{port}\"\n"
        );
        fs::write(config.join("trailsight.toml"), written).expect("the folder can be written");
        let record = [Made::write(DAY_0, "ec2", "CreateTags", "ci", 1).json()];
        fs::write(inbox.join("one.json"), wrapped(Envelope::Delivered, &record)).expect("written");
        let mount = |from: &Path, to: &str| format!("{}:{to}:ro", from.display());
        let (config, inbox) = (mount(&config, "/etc/trailsight"), mount(&inbox, "/var/log/cloudtrail"));
        let confined =
            ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "64"];
        let volumes = ["--volume", "data:/var/lib/trailsight", "--volume", &config, "--volume", &inbox];
        let run = ["run", "--detach", "--name", NAME, "--network", "host"];
        self.does(&[&run[..], &confined, &volumes, &[IMAGE]].concat());
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.run(&["rm", "--force", "--time", "0", NAME]);
        self.run(&["volume", "rm", "--force", "data"]);
        self.run(&["rmi", "--all", "--force"]);
    }
}

/// The bill of materials of this source tree, valid by CycloneDX's own schema.
fn bill_of_materials() -> String {
    let made = succeeds(&deploy("container/sbom"), [""; 0]).stdout;
    let bill: Value = serde_json::from_str(&made).expect("JSON");
    let named = |name: &str| bill["components"].as_array().expect("a list").iter().any(|each| each["name"] == name);
    assert!(named("serde_json") && named("trailsight-detectors") && named("uPlot"), "what is compiled in is listed");
    assert!(!named("proptest") && !named("trailsight-tests"), "what only tests need is not");
    made
}

#[test]
fn the_bill_of_materials_is_valid_cyclonedx() {
    let Some(python) = tool("check-jsonschema").map(|tool| tool.with_file_name("python")) else { return };
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("sbom.json");
    fs::write(&file, bill_of_materials()).expect("the folder can be written");
    let judge = "import sys\nfrom cyclonedx.schema import SchemaVersion\n\
                 from cyclonedx.validation.json import JsonStrictValidator\n\
                 error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read())\n\
                 sys.exit(str(error) if error else 0)";
    succeeds(&python, ["-c".as_ref(), judge.as_ref(), file.as_os_str()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_image_runs_read_only_without_capabilities_as_nobody() {
    let Some(podman) = Podman::new() else { return };
    podman.build();
    let image: Value = serde_json::from_str(&podman.does(&["image", "inspect", IMAGE])).expect("JSON");
    let (image, labels) = (&image[0], &image[0]["Labels"]);
    let size = image["Size"].as_u64().expect("a size");
    report(&format!("image: {:.1} MB", size as f64 / 1e6));
    assert!(size < SIZE, "{size} bytes");
    assert_eq!(image["User"], "65532:65532");
    assert_eq!(labels["org.opencontainers.image.revision"], "0123abc");
    assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));

    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    podman.start(port);
    let counted = async || {
        let url = format!("http://127.0.0.1:{port}/api/v1/status");
        let text = reqwest::get(url).await.ok()?.text().await.ok()?;
        let status: Value = serde_json::from_str(&text).ok()?;
        (status["records"]["counted"] == 1).then_some(())
    };
    let came = eventually(counted).await;
    assert!(came.is_some(), "{}", podman.run(&["logs", NAME]).stderr);
    podman.does(&["healthcheck", "run", NAME]);
    let ready = ["/usr/bin/trailsight", "health", "--ready", "--config", "/etc/trailsight/trailsight.toml"];
    assert_eq!(podman.does(&[&["exec", NAME][..], &ready].concat()), "ready\n");

    let process = podman.does(&["inspect", NAME, "--format", "{{.State.Pid}}"]);
    let status = read(Path::new(&format!("/proc/{}/status", process.trim())));
    for line in ["Uid:\t65532\t65532\t65532\t65532", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    podman.does(&["stop", "--time", "60", NAME]);
    assert_eq!(podman.does(&["inspect", NAME, "--format", "{{.State.ExitCode}}"]).trim(), "0");
    not_run("the first stage of the Containerfile", "no registry of images is reached; its commands run one by one");
}
