//! A data directory and a configuration that reads topics.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::brokers::Cluster;
use crate::service::{Service, Setup};

/// Where an engine of a test lives.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Home {
        Home { folder: TempDir::new().expect("a folder") }
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A configuration that reads `topics` as `group`; `more` stands under the source, and tables after it.
    pub(crate) fn reads(&self, cluster: &Cluster, topics: &[&str], group: &str, more: &str) -> Setup {
        let source = format!(
            "[sources.trail]\ntype = \"kafka\"\nbrokers = {}\ntopics = {topics:?}\ngroup_id = {group:?}\n{more}",
            cluster.brokers_toml()
        );
        self.configured(&source)
    }

    /// A configuration with these sources, and tables after them.
    pub(crate) fn configured(&self, sources: &str) -> Setup {
        let text = format!(
            "data_dir = {:?}\nsnapshot_interval = \"10s\"\n[detection]\nsensitivity = \"high\"\nassume_history = true\n\
             [http]\nlisten = \"127.0.0.1:0\"\n{sources}\n",
            self.data()
        );
        let file = self.folder.path().join("trailsight.toml");
        std::fs::write(&file, text).expect("the folder can be written");
        Setup { file }
    }

    /// What lies in the dead letter, one value a line.
    pub(crate) fn dead_letters(&self) -> Vec<Value> {
        let mut letters = Vec::new();
        for file in walk(&self.data().join("dead-letter")) {
            let text = std::fs::read_to_string(file).expect("it can be read");
            letters.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON")));
        }
        letters
    }

    /// The same engine as somebody else has restored it: a copy of the data directory as it lies there.
    pub(crate) fn copy(&self) -> Home {
        let copy = Home::new();
        for file in walk(&self.data()) {
            let to = copy.data().join(file.strip_prefix(self.data()).expect("it lies below"));
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("the folder can be written");
            std::fs::copy(&file, to).expect("it can be copied");
        }
        copy
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

/// Record totals: counted, duplicate, dead letter.
pub(crate) fn totals(status: &Value) -> [u64; 3] {
    ["counted", "duplicate", "dead_letter"].map(|name| status["records"][name].as_u64().unwrap_or(0))
}

/// Waits until these are the totals, and nothing waits at the brokers.
pub(crate) async fn counted(service: &Service, expected: [u64; 3]) -> Value {
    let done = |status: &Value| {
        let sources = status["sources"].as_array().cloned().unwrap_or_default();
        let at_end = sources.iter().all(|source| source["caught_up"] == true && source["waiting"] == 0);
        at_end && status["records"]["counted"].as_u64() >= Some(expected[0])
    };
    let status = service.until("/api/v1/status", "that all is counted", done).await;
    assert_eq!(totals(&status), expected, "counted, duplicate, dead letter: {status:#}");
    status
}

/// The value of a metric of the source.
pub(crate) async fn metric(service: &Service, name: &str) -> f64 {
    let text = service.get("/metrics").await.expect("metrics").1;
    let line = format!("trailsight_{name}{{source=\"trail\"}} ");
    let value = text.lines().find_map(|each| each.strip_prefix(&line)?.parse().ok());
    value.unwrap_or_else(|| panic!("no metric {name}:\n{text}"))
}
