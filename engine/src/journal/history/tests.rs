use trailsight_schemas::insight::{InsightType, Sensitivity, State};
use uuid::Uuid;

use super::*;
use crate::journal::local::fixtures::{NOW, Told, entry, open, tell};
use crate::journal::outbox::Outbox;
use crate::journal::{Addressed, Journal};

fn ids(incidents: &[Incident]) -> Vec<u128> {
    incidents.iter().map(|incident| incident.shared_event_id.as_u128()).collect()
}

fn found(history: &History, filter: Filter) -> Vec<u128> {
    ids(&history.insights(&filter, 100, None).unwrap().0)
}

#[test]
fn each_filter_keeps_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    let level = |incident, sensitivity| Told { sensitivity, ..Told::start(incident) }.to(&[]);
    use Sensitivity::{High, Low, Medium};
    tell(&mut journal, vec![level(1, Low), level(2, Medium), level(3, High), Told::end(2).to(&[])]);
    let history = History::open_read_only(directory.path()).unwrap();
    let minute = |minute: i64| Some(NOW / 60_000 * 60 + minute * 60);
    let text = |text: &str| Some(text.to_string());
    for (filter, expected) in [
        (Filter::default(), vec![3, 2, 1]),
        (Filter { since: minute(2), ..Filter::default() }, vec![3, 2]),
        (Filter { until: minute(2), ..Filter::default() }, vec![1]),
        (Filter { account: text("000000000000"), ..Filter::default() }, vec![3]),
        (Filter { region: text("eu-west-1"), name: text("Name1"), ..Filter::default() }, vec![3, 1]),
        (Filter { region: text("eu-west-2"), ..Filter::default() }, vec![]),
        (Filter { source: text("iam.amazonaws.com' OR 1 --"), ..Filter::default() }, vec![]),
        (Filter { kind: Some(InsightType::ApiCallRate), ..Filter::default() }, vec![3, 2, 1]),
        (Filter { sensitivity: Some(Low), ..Filter::default() }, vec![1]),
        (Filter { sensitivity: Some(Medium), ..Filter::default() }, vec![2, 1]),
        (Filter { sensitivity: Some(High), ..Filter::default() }, vec![3, 2, 1]),
        (Filter { state: Some(IncidentState::Open), ..Filter::default() }, vec![3, 1]),
        (Filter { state: Some(IncidentState::Ended), ..Filter::default() }, vec![2]),
    ] {
        assert_eq!(found(&history, filter.clone()), expected, "{filter:?}");
    }
}

#[test]
fn start_and_end_are_one_incident_with_what_was_said_before() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    let risen = Told { revision: 1, sensitivity: Sensitivity::Low, ..Told::start(1) };
    let muted = Addressed { muted_by: Some("ci".into()), ..Told::end(1).to(&[]) };
    tell(&mut journal, vec![Told::start(1).to(&["chat"]), risen.to(&["pager"]), muted]);
    let history = History::open_read_only(directory.path()).unwrap();
    let incident = history.insight(&Uuid::from_u128(1)).unwrap().unwrap();
    assert_eq!(incident.start.as_ref().unwrap().event_id, risen.event().event_id);
    let end = incident.end.as_ref().unwrap();
    assert_eq!((end.state, end.muted_by.as_deref()), (State::End, Some("ci")));
    assert_eq!(incident.ended, Some(incident.started + 7 * 60));
    assert_eq!(incident.revisions.len(), 1);
    assert_eq!(incident.revisions[0].event_id, Told::start(1).event().event_id);
    let json: serde_json::Value = serde_json::from_str(&end.json).unwrap();
    assert_eq!(json["sharedEventID"], Uuid::from_u128(1).to_string());
    assert_eq!(history.insight(&Uuid::from_u128(2)).unwrap(), None);
    let sinks: Vec<_> = history.deliveries(&Uuid::from_u128(1)).unwrap().into_iter().map(|d| d.sink).collect();
    assert_eq!(sinks, ["chat", "pager"]);
}

#[test]
fn pages_hold_every_incident_once_while_new_ones_come() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    // Three incidents a minute: the order within one start time matters.
    let told = |n: u128| Told { minute: n as i64 / 3, ..Told::start(n) }.to(&[]);
    tell(&mut journal, (0..20).map(told).collect());
    let history = History::open_read_only(directory.path()).unwrap();
    let (mut seen, mut cursor) = (Vec::new(), None);
    for extra in 100u128.. {
        let (page, next) = history.insights(&Filter::default(), 7, cursor.as_deref()).unwrap();
        seen.extend(ids(&page));
        tell(&mut journal, vec![told(extra)]);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..20).rev().collect::<Vec<_>>());
    for cursor in ["", "x", "MTIz", "é", &URL_SAFE_NO_PAD.encode("1:nothing")] {
        let refused = history.insights(&Filter::default(), 7, Some(cursor));
        assert!(matches!(refused, Err(QueryError::Cursor)), "{cursor}");
    }
}

#[test]
fn a_reader_sees_what_is_committed_and_never_makes_the_writer_wait() {
    let directory = tempfile::tempdir().unwrap();
    assert!(History::open_read_only(directory.path()).is_err());
    let mut journal = open(directory.path());
    let history = History::open_read_only(directory.path()).unwrap();
    let connection = history.held();
    let moment = connection.unchecked_transaction().unwrap();
    let count = || connection.query_row("SELECT count(*) FROM insights", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(), 0);
    tell(&mut journal, vec![Told::start(1).to(&["chat"])]);
    let outbox = journal.outbox();
    outbox.delivered(outbox.due("chat", NOW, 1).unwrap()[0].id, NOW).unwrap();
    assert_eq!(count(), 0, "its moment is before");
    drop(moment);
    assert_eq!(count(), 1);
    assert!(connection.execute("DELETE FROM insights", []).is_err(), "a reader cannot write");
}

#[test]
fn totals_and_standing_are_the_journals() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    let history = History::open_read_only(directory.path()).unwrap();
    let standing = history.standing().unwrap();
    assert_eq!((standing.first, standing.last, standing.created_ms), (1, 0, Some(NOW)));
    journal.append(&vec![entry("a", ("k", b"v"), 2); 5]).unwrap();
    journal.drop_through(2).unwrap();
    let standing = history.standing().unwrap();
    assert_eq!((standing.first, standing.last), (3, 5));
    assert_eq!(history.totals().unwrap()["a"].counted, 10);
    drop(journal);
    // The writer took its log with it: a reader finds a database at rest.
    let history = History::open_read_only(directory.path()).unwrap();
    assert_eq!(history.standing().unwrap(), standing);
}
