//! One real Kafka broker for a benchmark, plain text, on ports that the kernel chose.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// A first start takes 5 s on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A broker; it is killed when dropped.
pub(crate) struct Broker {
    java: Child,
    /// `host:port`.
    pub(crate) address: String,
    _folder: TempDir,
}

impl Broker {
    pub(crate) fn start() -> Result<Broker> {
        let folder = TempDir::new()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/brokers/fetch");
        let fetched = Command::new(&script).output().with_context(|| script.display().to_string())?;
        ensure!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
        let classes = format!("{}/*", String::from_utf8(fetched.stdout)?.trim());
        let held = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let [port, controller] = [held[0].local_addr()?.port(), held[1].local_addr()?.port()];
        drop(held);
        let properties = folder.path().join("server.properties");
        std::fs::write(&properties, text(folder.path(), port, controller))?;
        let java = |class: &str| {
            let mut command = Command::new("java");
            command.args(["-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info"]);
            command.args(["-cp", &classes, class]);
            command
        };
        let mut format = java("kafka.tools.StorageTool");
        format.args(["format", "-t", "dHJhaWxzaWdodC1iZW5jaA", "-c"]).arg(&properties);
        ensure!(format.output()?.status.success(), "the broker's folder cannot be prepared");
        let mut serve = java("kafka.Kafka");
        serve.arg(&properties).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut java = serve.spawn()?;
        let (sender, lines) = channel();
        let stderr = java.stderr.take().context("piped")?;
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _nobody_waits = sender.send(line);
            }
        });
        let broker = Broker { java, address: format!("127.0.0.1:{port}"), _folder: folder };
        while !lines.recv_timeout(PATIENCE).context("the broker does not serve")?.contains("Kafka Server started") {}
        Ok(broker)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.java.kill();
        let _ = self.java.wait();
    }
}

fn text(folder: &Path, port: u16, controller: u16) -> String {
    format!(
        "node.id=1\nprocess.roles=broker,controller\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\nlog.dirs={}\n\
         offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\ngroup.initial.rebalance.delay.ms=0\n\
         transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\nnum.partitions=6\n\
         auto.create.topics.enable=true\n",
        folder.join("data").display()
    )
}
