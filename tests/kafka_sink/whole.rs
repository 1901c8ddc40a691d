//! Everything that the compose file starts, without its containers: simulated CloudTrail into a topic, the engine, and
//! insights in another topic.

use std::collections::BTreeSet;

use crate::brokers::shared;
use crate::crash::heard;
use crate::product;
use crate::service::{Service, Setup, eventually};

use super::reading::{committed, ids, in_order};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulated_calls_in_a_topic_are_insights_in_another() {
    let cluster = shared();
    cluster.topic("whole-trail", 6, &[]).await;
    let to = format!("kafka://{}/whole-trail", cluster.bootstrap());
    let simulate = ["simulate", &to, "--history", "12h", "--speed", "60", "--length", "4m", "--seed", "11"];
    let made = product::run(product::command(simulate)).expect(0).stderr;
    let records = made.lines().find_map(|line| line.split_once(" records of simulated traffic")?.0.parse().ok());
    let records: u64 = records.unwrap_or_else(|| panic!("it does not say how many records there are: {made}"));

    let home = tempfile::TempDir::new().expect("a folder");
    let (file, brokers) = (home.path().join("trailsight.toml"), cluster.brokers_toml());
    let text = format!(
        "data_dir = {:?}\n[detection]\nsensitivity = \"high\"\nassume_history = true\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [sources.trail]\ntype = \"kafka\"\nbrokers = {brokers}\ntopics = [\"whole-trail\"]\ngroup_id = \"whole\"\n\
         [sinks.stream]\ntype = \"kafka\"\nbrokers = {brokers}\ntopic = \"whole-insights\"\n\
         create_topic = {{ partitions = 3, replication = 1 }}\n",
        home.path().join("data")
    );
    std::fs::write(&file, text).expect("the folder can be written");
    let service = Service::run(&Setup { file });
    let done = |status: &serde_json::Value| {
        let source = &status["sources"][0];
        let read = source["caught_up"] == true && source["waiting"] == 0 && status["records"]["counted"] == records;
        read && status["sinks"][0]["outbox_rows"] == 0
    };
    service.until("/api/v1/status", "that all is read and told", done).await;
    // Minutes go on closing while this looks: both are read until they agree.
    let agreed = eventually(async || {
        let told: BTreeSet<String> = heard(&service).await.into_iter().collect();
        let messages = committed(&cluster, "whole-insights");
        (!told.is_empty() && ids(&messages) == told).then_some(messages)
    });
    let messages = agreed.await.unwrap_or_else(|| panic!("the topic holds something else:\n{}", service.log()));
    in_order(&messages);
    crate::scale::report(&format!("{records} simulated records through Kafka: {} insights in a topic", messages.len()));
    service.stop();
}
