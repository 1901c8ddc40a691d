//! Records that come after an End was told.

use super::super::cell::Cell;
use super::super::corrections::{Corrections, MOST_ENDED};
use super::super::incident::Incident;
use super::*;
use trailsight_schemas::insight::EndReason;

const BURST: u32 = T0 + 600;

/// A burst of two minutes whose End was told.
fn ended() -> (Bench, InsightEvent) {
    let mut bench = Bench::new();
    bench.live(&[(T0, "CreateUser", 1, "role/ci", "")]);
    bench.live(&[(BURST, "CreateUser", 500, "user/mallory", "")]);
    bench.live(&[(BURST + 1, "CreateUser", 500, "user/mallory", "")]);
    let told = bench.idle(BURST + 200);
    assert_eq!(told.len(), 1);
    (bench, told[0].clone())
}

fn revision(event: &InsightEvent) -> u32 {
    event.trailsight.as_ref().unwrap().revision
}

#[test]
fn late_records_are_one_correction_of_the_end() {
    let (mut bench, end) = ended();
    for _ in 0..3 {
        assert_eq!(bench.live(&[(BURST, "CreateUser", 10, "user/eve", "")]), []);
    }
    assert_eq!(
        bench.live(&[(BURST + 2, "CreateUser", 7, "user/eve", ""), (BURST - 1, "CreateUser", 7, "user/eve", "")]),
        []
    );
    assert_eq!(bench.idle(BURST + 210), [], "they are gathered for a quarter of an hour");
    let corrected = bench.idle(BURST + 230);
    assert_eq!(corrected.len(), 1, "{corrected:?}");
    let corrected = &corrected[0];
    assert_eq!((corrected.details.state, revision(corrected)), (State::End, revision(&end) + 1));
    assert_eq!(corrected.shared_event_id, end.shared_event_id);
    assert_ne!(corrected.event_id, end.event_id);
    assert_eq!(corrected.event_time, end.event_time);
    assert_eq!(end.details.statistics.insight, 500.0);
    assert_eq!(
        corrected.details.statistics.insight, 515.0,
        "30 calls more over two minutes; those beside it are not its own"
    );
    assert_eq!(corrected.details.statistics.baseline, end.details.statistics.baseline);
    assert_eq!(attribution(corrected, Attribute::UserIdentityArn).0[1], ("user/eve".to_owned(), 15.0));
    assert_eq!(bench.idle(BURST + 600), [], "once");

    bench.live(&[(BURST, "CreateUser", 2, "user/eve", "")]);
    let again = bench.idle(BURST + 700);
    assert_eq!((again.len(), revision(&again[0]), again[0].details.statistics.insight), (1, revision(&end) + 2, 516.0));
}

#[test]
fn after_a_day_nothing_is_corrected() {
    let (mut bench, _) = ended();
    bench.idle(BURST + 200 + DAY);
    bench.live(&[(BURST, "CreateUser", 10, "user/eve", "")]);
    assert_eq!(bench.idle(BURST + 600 + DAY), []);
    assert_eq!(bench.detect.sizes().late, 10);
}

/// A run whose records came late says in the end what a replay of the same records says.
#[test]
fn a_corrected_end_is_that_of_a_replay() {
    let (mut bench, _) = ended();
    bench.live(&[(BURST + 1, "CreateUser", 40, "user/eve", "AccessDenied")]);
    let corrected = bench.idle(BURST + 300).remove(0);
    let mut replay = Bench::new();
    let lines = [
        (T0, "CreateUser", 1, "role/ci", ""),
        (BURST, "CreateUser", 500, "user/mallory", ""),
        (BURST + 1, "CreateUser", 500, "user/mallory", ""),
        (BURST + 1, "CreateUser", 40, "user/eve", "AccessDenied"),
    ];
    let told = replay.complete(&lines, BURST + 300);
    let of_calls = |event: &&InsightEvent| event.details.insight_type == InsightType::ApiCallRate;
    let end = told.iter().filter(of_calls).find(|event| event.details.state == State::End).unwrap();
    assert_eq!((end.shared_event_id, end.event_time), (corrected.shared_event_id, corrected.event_time));
    assert_eq!(end.details, corrected.details);
}

#[test]
fn a_state_stored_before_or_after_the_late_record_corrects_the_same() {
    let restored = |bench: &Bench| {
        let parts: Vec<_> = (0..bench.detect.partitions()).map(|at| bench.detect.part(at)).collect();
        let stored =
            parts.iter().flatten().map(|part| snapshot::decode(snapshot::VERSION, &snapshot::encode(part).unwrap()));
        let detect = Detect::restore(stored.map(Result::ok).collect(), Settings::default()).unwrap();
        let again: Vec<_> = (0..detect.partitions()).map(|at| detect.part(at)).collect();
        assert_eq!(parts, again);
        Bench { detect, seq: bench.seq }
    };
    let late = [(BURST, "CreateUser", 10, "user/eve", "")];
    let (mut whole, _) = ended();
    whole.live(&late);
    let expected = whole.idle(BURST + 300);
    assert_eq!(expected.len(), 1);
    let (before, _) = ended();
    let mut after = restored(&before);
    after.live(&late);
    let mut after = restored(&after);
    assert_eq!(after.idle(BURST + 300), expected);
    assert_eq!(restored(&after).idle(BURST + 400), []);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut corrections = Corrections::default();
    let number = 10 * MOST_ENDED as u32;
    for series in 0..number {
        let incident = Box::new(Incident::new(uuid::Uuid::nil(), T0, Cell::default()));
        corrections.remember(series, incident, T0 + 1, EndReason::Returned, T0 + series);
    }
    let kept: Vec<u32> = corrections.iter().map(|(series, _)| series).collect();
    assert_eq!(kept, (number - MOST_ENDED as u32..number).collect::<Vec<_>>(), "the newest");
    kept.into_iter().for_each(|series| corrections.forget_series(series));
    assert_eq!((corrections.next(), corrections.bytes()), (None, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever came late: the newest End of an incident counts every call of its minutes, and revisions rise.
    #[test]
    fn the_newest_end_counts_everything(lines in traffic(), late in traffic()) {
        let (lines, late) = (names(&lines), names(&late));
        let mut bench = Bench::new();
        let mut told = Vec::new();
        for line in &lines {
            told.extend(bench.live(&[*line]));
        }
        told.extend(bench.idle(T0 + 700));
        for few in late.chunks(3) {
            told.extend(bench.live(few));
        }
        told.extend(bench.idle(T0 + 2000));
        let mut newest: BTreeMap<uuid::Uuid, (u32, &InsightEvent)> = BTreeMap::new();
        for event in told.iter().filter(|event| event.details.state == State::End) {
            let revision = revision(event);
            if let Some((before, _)) = newest.insert(event.shared_event_id, (revision, event)) {
                prop_assert!(revision > before);
            }
        }
        // An hour of a series that is not awake is judged with its next call; its minutes may be forgotten by then.
        let api = |event: &&InsightEvent| {
            let of = event.details.insight_type;
            matches!(of, InsightType::ApiCallRate | InsightType::ApiErrorRate)
                && event.trailsight.as_ref().unwrap().test != trailsight_schemas::insight::Test::Hour
        };
        for (_, event) in newest.values().filter(|(_, event)| api(event)) {
            let statistics = event.details.statistics;
            let end = (event.event_time / 60) as u32;
            let minutes = end - statistics.insight_duration..end;
            let code = event.details.error_code.as_deref();
            let belongs = |line: &&Line<'_>| {
                minutes.contains(&line.0) && line.1 == event.details.event_name && code.is_none_or(|code| code == line.4)
            };
            let calls: u64 = lines.iter().chain(&late).filter(belongs).map(|line| line.2).sum();
            let counted = statistics.insight * f64::from(statistics.insight_duration);
            prop_assert!((counted - calls as f64).abs() < 1e-3, "{counted} of {calls}: {event:?}");
        }
    }
}
