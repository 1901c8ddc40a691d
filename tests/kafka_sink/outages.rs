//! What goes wrong between the outbox and the broker.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, Producer};
use trailsight::clock::instant;

use super::bench::{Desk, incident, spec, units_of};
use super::reading::{committed, header, ids, in_order};
use crate::brokers::{Cluster, Filler, shared};
use crate::scale::{report, sized};
use crate::service::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_insights_are_there_once_and_in_order() {
    let cluster = shared();
    cluster.topic("in-order", 4, &[]).await;
    let mut desk = Desk::open();
    desk.tell((1..=250).flat_map(|number| incident(number, &[])));
    let began = instant();
    let sending = desk.send(spec(&cluster, "in-order"), units_of(100));
    desk.emptied(&sending).await;
    let took = began.elapsed();
    sending.stop();
    let messages = committed(&cluster, "in-order");
    assert_eq!(ids(&messages).len(), 1000);
    in_order(&messages);
    report(&format!(
        "1,000 insights to a topic: {:.0} ms, the broker's first transaction among it",
        took.as_secs_f64() * 1e3
    ));
}

/// kcat and Kafka's own console consumer, as people use them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_read_our_output() {
    let cluster = shared();
    cluster.topic("for-others", 2, &[]).await;
    let mut desk = Desk::open();
    desk.tell((1..=5).flat_map(|number| incident(number, &[])));
    let sending = desk.send(spec(&cluster, "for-others"), units_of(7));
    desk.emptied(&sending).await;
    sending.stop();
    let mut written: Vec<String> =
        committed(&cluster, "for-others").into_iter().filter_map(|message| message.value).collect();
    let mut printed = cluster.console("for-others", 20);
    written.sort();
    printed.sort();
    assert_eq!(printed, written);

    let mut kcat = std::process::Command::new("kcat");
    kcat.args(["-C", "-b", &cluster.bootstrap(), "-t", "for-others", "-o", "beginning", "-e", "-q"]);
    kcat.args(["-X", "isolation.level=read_committed", "-f", "%k|%h|%s\n"]);
    let read = crate::product::run(kcat).expect(0).stdout;
    let lines: Vec<&str> = read.lines().collect();
    assert_eq!(lines.len(), 20);
    for line in lines {
        let mut parts = line.splitn(3, '|');
        let (key, headers, value) = (parts.next(), parts.next().expect("headers"), parts.next().expect("a value"));
        let value: serde_json::Value = serde_json::from_str(value).expect("a record");
        assert_eq!(key, value["sharedEventID"].as_str());
        assert!(headers.contains(&format!("insight-id={}", value["eventID"].as_str().expect("an id"))), "{headers}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_stopped_while_producing_loses_and_repeats_nothing() {
    let cluster = Cluster::start(1);
    cluster.topic("outage", 3, &[]).await;
    let incidents = sized(200, 500, 2000);
    let mut desk = Desk::open();
    desk.tell((1..=incidents).flat_map(|number| incident(number, &[])));
    let all = desk.pending();
    let sending = desk.send(spec(&cluster, "outage"), units_of(2));
    for (share, how) in [(5, "kill"), (2, "stop")] {
        let reached = eventually(async || (desk.pending() <= all - all / share).then_some(())).await;
        assert!(reached.is_some(), "{} of {all} wait: {:?}", desk.pending(), sending.ear.heard().down);
        assert!(desk.pending() > 0, "all is sent before the broker ends: too few insights");
        if how == "kill" {
            cluster.kill(0)
        } else {
            cluster.stop(0)
        }
        cluster.launch(&[0]);
    }
    desk.emptied(&sending).await;
    let retried = sending.ear.heard().retried;
    sending.stop();
    let messages = committed(&cluster, "outage");
    assert_eq!(ids(&messages).len() as u64, all);
    in_order(&messages);
    report(&format!(
        "broker killed once and stopped once within {all} insights: each there once, {retried} sent again"
    ));
}

/// One of three brokers is killed and does not come back: of its partitions, and of the transactions and positions that it
/// coordinated, the others take care.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_brokers_one_is_killed_for_good_and_everything_is_there_once() {
    let cluster = Cluster::start(3);
    cluster.topic("bereft", 6, &[]).await;
    let incidents = sized(50, 250, 1000);
    let mut desk = Desk::open();
    desk.tell((1..=incidents).flat_map(|number| incident(number, &[])));
    let all = desk.pending();
    let sending = desk.send(spec(&cluster, "bereft"), units_of(2));
    let reached = eventually(async || (desk.pending() <= all - all / 5).then_some(())).await;
    assert!(reached.is_some(), "{} of {all} wait: {:?}", desk.pending(), sending.ear.heard().down);
    assert!(desk.pending() > 0, "all is sent before the broker ends: too few insights");
    cluster.kill(0);
    desk.emptied(&sending).await;
    let retried = sending.ear.heard().retried;
    sending.stop();
    let messages = committed(&cluster, "bereft");
    assert_eq!(ids(&messages).len() as u64, all);
    in_order(&messages);
    report(&format!(
        "one of three brokers killed for good within {all} insights: each there once, {retried} sent again"
    ));
}

/// What a dead process left open ends when the next one joins, not when it times out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_hangs_ends_with_the_next_start() {
    let cluster = shared();
    cluster.topic("hung", 1, &[]).await;
    let spec = spec(&cluster, "hung");
    let mut config = cluster.client();
    config.set("transactional.id", &spec.transactional_id).set("transaction.timeout.ms", "600000");
    let dead: Filler = config.create().expect("a producer");
    dead.init_transactions(Duration::from_secs(60)).expect("it joins");
    dead.begin_transaction().expect("it begins");
    dead.send(BaseRecord::to("hung").key("k").payload("half told")).map_err(|(error, _)| error).expect("room");
    dead.flush(Duration::from_secs(60)).expect("it is there");
    assert_eq!(cluster.read("hung", "read_uncommitted").len(), 1);

    let mut desk = Desk::open();
    desk.tell(incident(1, &[]));
    let began = instant();
    let sending = desk.send(spec, units_of(100));
    desk.emptied(&sending).await;
    let messages = committed(&cluster, "hung");
    assert_eq!(ids(&messages).len(), 4, "what was half told is not there, what is behind it is");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?} of a timeout of ten minutes");
    sending.stop();
    assert!(dead.commit_transaction(Duration::from_secs(10)).is_err(), "the dead one is shut out");
}

/// A transaction of ours that the broker timed out looks like being shut out, and nobody is there: we go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_only_thought_dead_joins_again() {
    let cluster = shared();
    cluster.topic("thought-dead", 1, &[]).await;
    let spec = spec(&cluster, "thought-dead");
    let mut desk = Desk::open();
    desk.tell(incident(1, &[]));
    let sending = desk.send(spec.clone(), units_of(100));
    desk.emptied(&sending).await;
    // Somebody joins under our name and notes nothing: as if the broker had raised our epoch at a timeout.
    let mut config = cluster.client();
    config.set("transactional.id", &spec.transactional_id);
    let nobody: Filler = config.create().expect("a producer");
    nobody.init_transactions(Duration::from_secs(60)).expect("it joins");
    desk.tell(incident(2, &[]));
    desk.emptied(&sending).await;
    assert_eq!(sending.ear.heard().superseded, Vec::<String>::new());
    sending.stop();
    assert_eq!(ids(&committed(&cluster, "thought-dead")).len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_shortened_or_given_up_and_holds_up_nothing() {
    let cluster = shared();
    cluster.topic("narrow", 2, &[("max.message.bytes", "3000")]).await;
    let long: Vec<String> = (0..5).map(|number| format!("{}{number}", "a".repeat(2000))).collect();
    let mut desk = Desk::open();
    desk.tell((1..=20).flat_map(|number| incident(number, if number % 2 == 0 { &long } else { &[] })));
    let sending = desk.send(spec(&cluster, "narrow"), units_of(100));
    desk.emptied(&sending).await;
    assert_eq!((sending.ear.heard().shortened, sending.ear.heard().dead), (40, 0), "{:?}", sending.ear.heard().down);
    let messages = committed(&cluster, "narrow");
    assert_eq!(ids(&messages).len(), 80);
    in_order(&messages);
    assert_eq!(messages.iter().filter(|message| header(message, "shortened") == Some("true")).count(), 40);

    // The limit falls below everything while we are at work: the broker refuses, nothing can be cut any more.
    limit(&cluster, "narrow", "700").await;
    desk.tell(incident(21, &long));
    desk.tell(incident(22, &[]));
    desk.emptied(&sending).await;
    limit(&cluster, "narrow", "3000").await;
    desk.tell(incident(23, &[]));
    desk.emptied(&sending).await;
    assert_eq!(sending.ear.heard().dead, 8);
    let reasons: Vec<String> = sending.dead_letters().iter().map(|line| line["reason"].to_string()).collect();
    assert!(
        reasons.iter().all(|reason| reason.contains("too large")
            || reason.contains("takes no message of this size")
            || reason.contains("its Start")),
        "{reasons:?}"
    );
    sending.stop();
    assert_eq!(ids(&committed(&cluster, "narrow")).len(), 84);
}

async fn limit(cluster: &Cluster, topic: &str, bytes: &str) {
    let admin: AdminClient<DefaultClientContext> = cluster.client().create().expect("an admin client");
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", bytes);
    let altered = admin.alter_configs([&change], &AdminOptions::new()).await.expect("the broker answers");
    altered.into_iter().for_each(|one| drop(one.expect("it is changed")));
}
