//! The local journal against a model in memory: any course of calls, with restarts between, ends the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trailsight_schemas::entry::{Entry, Outcomes};
use trailsight_schemas::insight::State;

use super::LocalJournal;
use super::fixtures::{NOW, Told, entry, open};
use crate::journal::outbox::Outbox;
use crate::journal::{Journal, Outputs};

#[derive(Clone, Debug)]
enum Call {
    Append(Vec<(u8, u8, Vec<u8>, u64)>),
    Commit {
        through: u64,
        insights: Vec<(u128, bool, bool)>,
    },
    Drop(u64),
    Restart,
    /// Of the due rows of a sink, answer one: delivered, postponed or dead.
    Answer {
        sink: bool,
        row: prop::sample::Index,
        answer: u8,
    },
}

fn call() -> impl Strategy<Value = Call> {
    let append = prop::collection::vec((0u8..2, 0u8..3, prop::collection::vec(any::<u8>(), 0..2), 0u64..9), 0..4);
    let insights = prop::collection::vec((0u128..4, any::<bool>(), any::<bool>()), 0..4);
    prop_oneof![
        4 => append.prop_map(Call::Append),
        4 => (0u64..4, insights).prop_map(|(through, insights)| Call::Commit { through, insights }),
        1 => (0u64..30).prop_map(Call::Drop),
        1 => Just(Call::Restart),
        4 => (any::<bool>(), any::<prop::sample::Index>(), 0u8..3)
            .prop_map(|(sink, row, answer)| Call::Answer { sink, row, answer }),
    ]
}

const SINKS: [&str; 2] = ["chat", "topic"];

#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    dropped: u64,
    committed: u64,
    marks: BTreeMap<(String, String), Vec<u8>>,
    totals: BTreeMap<String, Outcomes>,
    known: Vec<uuid::Uuid>,
    /// In the order of ids.
    outbox: Vec<Pending>,
}

struct Pending {
    sink: &'static str,
    incident: u128,
    state: State,
    due: i64,
    closed: bool,
    dead: bool,
}

impl Model {
    fn append(&mut self, entries: &[Entry], parts: &[(String, String, Vec<u8>, u64)]) {
        self.entries.extend_from_slice(entries);
        for (source, key, value, counted) in parts {
            let place = (source.clone(), key.clone());
            if value.is_empty() {
                self.marks.remove(&place)
            } else {
                self.marks.insert(place, value.clone())
            };
            *self.totals.entry(source.clone()).or_default() +=
                Outcomes { counted: *counted, duplicate: 1, ..Outcomes::default() };
        }
    }

    fn commit(&mut self, through: u64, told: &[(Told, Vec<&'static str>)]) {
        if through <= self.committed {
            return;
        }
        self.committed = through;
        for (told, sinks) in told {
            if self.known.contains(&told.event().event_id) {
                continue;
            }
            self.known.push(told.event().event_id);
            self.outbox.extend(sinks.iter().map(|sink| Pending {
                sink,
                incident: told.incident,
                state: told.state,
                due: NOW,
                closed: false,
                dead: false,
            }));
        }
    }

    fn due(&self, sink: &str, now: i64) -> Vec<usize> {
        let earlier = |at: usize| {
            let row = &self.outbox[at];
            self.outbox[..at].iter().any(|e| e.sink == row.sink && e.incident == row.incident && !e.closed)
        };
        let of = |at: &usize| {
            let row = &self.outbox[*at];
            row.sink == sink && !row.closed && row.due <= now && !earlier(*at)
        };
        (0..self.outbox.len()).filter(of).collect()
    }

    fn start_died(&self, at: usize) -> bool {
        let row = &self.outbox[at];
        self.outbox[..at].iter().any(|e| e.sink == row.sink && e.incident == row.incident && e.dead)
    }

    fn check(&self, journal: &LocalJournal) -> Result<(), TestCaseError> {
        prop_assert_eq!(journal.first(), self.dropped + 1);
        prop_assert_eq!(journal.last(), self.entries.len() as u64);
        prop_assert_eq!(journal.committed(), self.committed);
        let kept: Vec<_> = (1..).zip(self.entries.iter().cloned()).skip(self.dropped as usize).collect();
        prop_assert_eq!(journal.read_after(0, usize::MAX).unwrap(), kept);
        prop_assert_eq!(journal.totals().unwrap(), self.totals.clone());
        for source in ["s0", "s1"] {
            let marks = self.marks.iter().filter(|((of, _), _)| of == source);
            let marks = marks.map(|((_, key), value)| (key.clone(), value.clone())).collect();
            prop_assert_eq!(journal.marks(source).unwrap(), marks);
        }
        let outbox = journal.outbox();
        for sink in SINKS {
            let pending = self.outbox.iter().filter(|row| row.sink == sink && !row.closed).count() as u64;
            prop_assert_eq!(outbox.depth(sink).unwrap().0, pending);
            for now in [NOW, NOW + 5] {
                let rows = outbox.due(sink, now, usize::MAX).unwrap();
                let rows: Vec<_> = rows.iter().map(|r| (r.id as usize - 1, r.state, r.start_died)).collect();
                let due = self.due(sink, now);
                let due: Vec<_> = due.iter().map(|&at| (at, self.outbox[at].state, self.start_died(at))).collect();
                prop_assert_eq!(rows, due);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_calls_agrees_with_the_model(calls in prop::collection::vec(call(), 1..25)) {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, mut model) = (open(directory.path()), Model::default());
        for call in calls {
            match call {
                Call::Append(parts) => {
                    let named = |(s, k, value, counted)| (format!("s{s}"), format!("k{k}"), value, counted);
                    let parts: Vec<(String, String, Vec<u8>, u64)> = parts.into_iter().map(named).collect();
                    let entries: Vec<_> =
                        parts.iter().map(|(s, k, value, counted)| entry(s, (k, value), *counted)).collect();
                    journal.append(&entries).unwrap();
                    model.append(&entries, &parts);
                }
                Call::Commit { through, insights } => {
                    let through = (model.committed + through).min(journal.last());
                    let told: Vec<_> = insights.into_iter().map(|(incident, end, both)| {
                        let told = if end { Told::end(incident) } else { Told::start(incident) };
                        (told, SINKS[..=usize::from(both)].to_vec())
                    }).collect();
                    let insights = told.iter().map(|(told, sinks)| told.to(sinks)).collect();
                    journal.commit(&Outputs { through, insights }).unwrap();
                    model.commit(through, &told);
                }
                Call::Drop(through) => {
                    journal.drop_through(through).unwrap();
                    model.dropped = model.dropped.max(through.min(model.entries.len() as u64));
                }
                Call::Restart => {
                    drop(journal);
                    journal = open(directory.path());
                }
                Call::Answer { sink, row, answer } => {
                    let due = model.due(SINKS[usize::from(sink)], NOW + 5);
                    if due.is_empty() { continue }
                    let at = due[row.index(due.len())];
                    let (outbox, id) = (journal.outbox(), at as i64 + 1);
                    let row = &mut model.outbox[at];
                    match answer {
                        0 => outbox.delivered(id, NOW).unwrap(),
                        1 => outbox.postpone(id, NOW + 5, "busy").unwrap(),
                        _ => outbox.dead(id, NOW, "gone").unwrap(),
                    }
                    row.due = if answer == 1 { NOW + 5 } else { row.due };
                    row.closed = answer != 1;
                    row.dead = answer == 2;
                }
            }
            model.check(&journal)?;
        }
    }
}
