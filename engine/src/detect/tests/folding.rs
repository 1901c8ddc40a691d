//! Who leads, who is folded, and what a storm comes to.

use trailsight_schemas::insight::{InsightEvent, InsightType, Sensitivity, State};

use super::{Bench, Line, T0};
use crate::detect::folding::MOST_FOLDED;

const HOUR: u32 = 60;

fn ours(event: &InsightEvent) -> &trailsight_schemas::insight::Extension {
    event.trailsight.as_ref().expect("ours")
}

#[test]
fn two_that_begin_together_are_told_lead_first_and_the_lead_names_the_other() {
    let mut bench = Bench::new();
    bench.complete(&[(T0, "Old", 1, "user/alice", "")], T0 + 8 * HOUR);
    let at = T0 + 9 * HOUR;
    let lines: Vec<Line<'_>> = vec![(at, "Some", 60, "user/bob", ""), (at, "Most", 4000, "user/bob", "")];
    let told = bench.complete(&lines, at);
    let [lead, folded] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(lead.details.event_name, "Most");
    assert_eq!(ours(lead).members, ["111122223333/eu-west-1/iam.amazonaws.com/Some"]);
    assert_eq!((ours(lead).leader, ours(folded).leader), (None, Some(lead.shared_event_id)));
    let ends = bench.complete(&[], at + 2 * HOUR);
    assert!(ends.iter().all(|end| end.details.state == State::End), "{ends:?}");
    let leaders: Vec<_> = ends.iter().map(|end| ours(end).leader).collect();
    assert_eq!(leaders, [None, Some(lead.shared_event_id)], "the End says it too");
}

#[test]
fn what_was_folded_speaks_for_itself_once_it_is_stricter_than_its_lead() {
    let mut bench = Bench::new();
    bench.complete(&[(T0, "Old", 1, "user/alice", "")], T0 + 8 * HOUR);
    let at = T0 + 9 * HOUR;
    let lead = bench.live(&[(at, "First", 12, "user/bob", "")]);
    let folded = bench.live(&[(at + 2, "Second", 12, "user/bob", "")]);
    let rose = bench.live(&[(at + 2, "Second", 9000, "user/bob", "")]);
    let (lead, folded, rose) = (&lead[0], &folded[0], &rose[0]);
    assert!(ours(lead).sensitivity > Sensitivity::Low, "{lead:?}");
    assert_eq!(ours(folded).leader, Some(lead.shared_event_id));
    assert_eq!((ours(rose).sensitivity, ours(rose).leader), (Sensitivity::Low, None));
    assert_eq!(rose.shared_event_id, folded.shared_event_id);
    let third = bench.live(&[(at + 5, "Third", 9000, "user/bob", "")]);
    assert_eq!(ours(&third[0]).leader, Some(rose.shared_event_id), "and leads from then on");
}

/// Ten times what a lead may fold: a record for each of the first, a number for the rest, and nothing lost.
#[test]
fn a_storm_is_one_insight_that_says_so() {
    let mut bench = Bench::new();
    bench.complete(&[(T0, "Old", 1, "user/alice", "")], T0 + 8 * HOUR);
    let at = T0 + 9 * HOUR;
    let names: Vec<String> = (0..10 * MOST_FOLDED).map(|n| format!("Api{n:05}")).collect();
    let lines: Vec<Line<'_>> = names.iter().map(|name| (at, name.as_str(), 50, "user/bob", "")).collect();
    let told = bench.complete(&lines, at);
    assert_eq!(told.len() as u32, MOST_FOLDED + 1);
    assert!(told[1..].iter().all(|event| ours(event).leader == Some(told[0].shared_event_id)));
    let speaks_for = ours(&told[0]).members.len() as u32 + ours(&told[0]).members_omitted;
    assert_eq!(told[0].details.insight_type, InsightType::AccountSweep);
    assert_eq!(speaks_for, 10 * MOST_FOLDED);
    assert_eq!(bench.detect.sizes().omitted, u64::from(9 * MOST_FOLDED));
    let ends = bench.complete(&[], at + 3 * HOUR);
    assert_eq!(ends.len() as u32, MOST_FOLDED + 1, "what was not told does not end");
}
