//! The brokers of the tests do what the tests take for granted.

use super::topics::{send, send_tombstone};
use super::{Cluster, shared};
use rdkafka::producer::Producer;

#[tokio::test]
async fn topics_are_made_filled_read_cut_and_deleted() {
    let cluster = shared();
    assert_eq!(cluster.brokers_toml(), format!("[{:?}]", cluster.bootstrap()));
    cluster.topic("harness", 2, &[("retention.ms", "3600000")]).await;
    let cluster = tokio::task::spawn_blocking(move || {
        let messages = (0..10).map(|number| (number % 2, "key", &b"value"[..]));
        cluster.fill("harness", "lz4", messages);
        let filler = cluster.filler("none");
        send(&filler, "harness", 0, "last", b"\xff");
        send_tombstone(&filler, "harness", 1, "gone");
        filler.flush(super::LIMIT).expect("all is acknowledged");
        assert_eq!(cluster.ends("harness", "read_committed"), [6, 6]);
        let read = cluster.read("harness", "read_committed");
        assert_eq!(read.len(), 12);
        assert_eq!(read[11].value, None);
        assert_eq!(read[11].key.as_deref(), Some("gone"));
        assert_eq!(cluster.console("harness", 12).len(), 12);
        cluster.delete_records("harness", 0, 4);
        assert_eq!(cluster.read("harness", "read_committed").len(), 8);
        assert_eq!(cluster.committed("nobody", "harness"), [-1, -1]);
        cluster
    })
    .await
    .expect("the thread ends");
    cluster.grow("harness", 5).await;
    assert_eq!(cluster.ends("harness", "read_committed").len(), 5);
    cluster.delete_topic("harness").await;
}

#[test]
fn a_broker_comes_back_with_what_it_had() {
    let cluster = Cluster::start(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(cluster.topic("kept", 1, &[]));
    cluster.fill("kept", "zstd", [(0, "k", &b"v"[..])]);
    for kill in [true, false] {
        if kill {
            cluster.kill(0)
        } else {
            cluster.stop(0)
        }
        cluster.launch(&[0]);
        assert_eq!(cluster.read("kept", "read_committed").len(), 1);
    }
}
