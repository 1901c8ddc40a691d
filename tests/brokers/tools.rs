//! Kafka's own classes on the command line, without its scripts.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::listeners::CLUSTER_ID;
use super::{Cluster, ENGINE, PASSWORD, STRANGER};
use crate::product;
use crate::scale::repository;

/// Every archive of Kafka, fetched where it is missing.
pub(super) fn classpath() -> &'static str {
    static CLASSPATH: OnceLock<String> = OnceLock::new();
    CLASSPATH.get_or_init(|| {
        let fetched = product::run(Command::new(repository().join("tests/brokers/fetch"))).expect(0);
        format!("{}/*", fetched.stdout.trim())
    })
}

/// A small heap, little compiling, and only the lines of the log that somebody waits for or that warn.
pub(super) fn java_options(heap: &str) -> Vec<String> {
    vec![
        format!("-Xmx{heap}"),
        "-XX:+UseSerialGC".to_owned(),
        "-XX:TieredStopAtLevel=1".to_owned(),
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned(),
        "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info".to_owned(),
        "-Dorg.slf4j.simpleLogger.log.kafka.server.BrokerServer=info".to_owned(),
        "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.utils.AppInfoParser=warn".to_owned(),
    ]
}

/// Runs a class to its end; it fails the test if the class fails.
pub(crate) fn java<A: AsRef<OsStr>>(class: &str, arguments: impl IntoIterator<Item = A>) -> String {
    let mut command = Command::new("java");
    command.args(java_options("128m")).arg("-cp").arg(classpath()).arg(class).args(arguments);
    product::run(command).expect(0).stdout
}

/// Prepares the folder of a broker, with the users that log in by SCRAM.
pub(super) fn format(properties: &Path) {
    let mut arguments = vec!["format".to_owned(), "-t".to_owned(), CLUSTER_ID.to_owned()];
    arguments.extend(["-c".to_owned(), properties.display().to_string()]);
    for user in [ENGINE, STRANGER] {
        for hash in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            arguments.extend(["--add-scram".to_owned(), format!("{hash}=[name={user},password={PASSWORD}]")]);
        }
    }
    java("kafka.tools.StorageTool", arguments);
}

impl Cluster {
    /// What Kafka's console consumer prints of a topic from its beginning: `count` values, one a line, read with
    /// `read_committed`.
    pub(crate) fn console(&self, topic: &str, count: usize) -> Vec<String> {
        let arguments = [
            "--bootstrap-server",
            &self.bootstrap(),
            "--topic",
            topic,
            "--from-beginning",
            "--isolation-level",
            "read_committed",
            "--max-messages",
            &count.to_string(),
            "--timeout-ms",
            "30000",
        ];
        let printed = java("org.apache.kafka.tools.consumer.ConsoleConsumer", arguments);
        printed.lines().map(str::to_owned).collect()
    }

    /// Deletes the records of a partition below `before`, as retention would.
    pub(crate) fn delete_records(&self, topic: &str, partition: u32, before: u64) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("records.json");
        let wanted = serde_json::json!({
            "version": 1, "partitions": [{"topic": topic, "partition": partition, "offset": before}]
        });
        std::fs::write(&file, wanted.to_string()).expect("the folder can be written");
        let file = file.display().to_string();
        let arguments = ["--bootstrap-server", &self.bootstrap(), "--offset-json-file", &file];
        java("org.apache.kafka.tools.DeleteRecordsCommand", arguments);
    }
}
