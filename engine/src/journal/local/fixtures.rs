//! Entries and insights to test with.

use std::path::Path;

use trailsight_schemas::entry::{Batch, Body, Entry, Outcomes, Progress};
use trailsight_schemas::insight::{
    Direction, EVENT_VERSION, Extension, InsightDetails, InsightEvent, InsightType, Sensitivity, State, Statistics,
    Test,
};
use uuid::Uuid;

use super::{LocalJournal, Options};
use crate::clock::Clock;
use crate::journal::{Addressed, Detected, Journal, Outputs, Seq};

/// 2023-11-14T22:13:20Z, milliseconds.
pub(crate) const NOW: i64 = 1_700_000_000_000;

/// Options whose clock stands at [`NOW`] plus so many days.
pub(crate) fn options_in(days: i64) -> Options {
    Options { clock: Clock::scaled(NOW + days * 86_400_000, 0.0), ..Options::default() }
}

pub(crate) fn open(directory: &Path) -> LocalJournal {
    LocalJournal::open(directory, options_in(0)).unwrap()
}

/// An entry that counts `counted` records of `source` and leaves a mark.
pub(crate) fn entry(source: &str, mark: (&str, &[u8]), counted: u64) -> Entry {
    let progress = Progress {
        source: source.into(),
        marks: vec![(mark.0.into(), mark.1.to_vec())],
        outcomes: Outcomes { counted, duplicate: 1, ..Outcomes::default() },
        ..Progress::default()
    };
    let batch = Batch { strings: vec![source.into()], progress: vec![progress], ..Batch::default() };
    Entry { taken_at: NOW, body: Body::Batch(batch) }
}

/// An entry that takes about so many bytes, however it is compressed.
pub(crate) fn large_entry(bytes: usize) -> Entry {
    let mut state = bytes as u64;
    let noise = (0..bytes).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let mark = noise.collect::<Vec<u8>>();
    entry("large", ("noise", &mark), 1)
}

/// What tells one insight from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) incident: u128,
    pub(crate) revision: u32,
    pub(crate) state: State,
    /// Minutes after [`NOW`]'s minute.
    pub(crate) minute: i64,
    pub(crate) sensitivity: Sensitivity,
}

impl Told {
    pub(crate) fn start(incident: u128) -> Told {
        Told { incident, revision: 0, state: State::Start, minute: incident as i64, sensitivity: Sensitivity::High }
    }

    pub(crate) fn end(incident: u128) -> Told {
        Told { state: State::End, minute: incident as i64 + 7, ..Told::start(incident) }
    }

    pub(crate) fn event(self) -> InsightEvent {
        let record = self.incident << 32 | u128::from(self.revision) << 1 | u128::from(self.state == State::End);
        InsightEvent {
            event_version: EVENT_VERSION.into(),
            event_time: NOW / 60_000 * 60 + self.minute * 60,
            aws_region: "eu-west-1".into(),
            event_id: Uuid::from_u128(record),
            recipient_account_id: format!("{:012}", self.incident % 3),
            shared_event_id: Uuid::from_u128(self.incident),
            details: InsightDetails {
                state: self.state,
                event_source: "iam.amazonaws.com".into(),
                event_name: format!("Name{}", self.incident % 2),
                insight_type: InsightType::ApiCallRate,
                error_code: None,
                source_event_category: None,
                statistics: Statistics { baseline: 0.5, insight: 9.0, insight_duration: 1, baseline_duration: 10_080 },
                attributions: vec![],
                insight_source: None,
            },
            addendum: None,
            trailsight: Some(Extension {
                sensitivity: self.sensitivity,
                direction: Direction::Above,
                test: Test::Minute,
                expected: 0.5,
                observed: 9.0,
                chance_per_week: 0.1,
                series: format!("{:012}/eu-west-1/iam.amazonaws.com/Name", self.incident % 3),
                thresholds: [None; 3],
                principals: vec![],
                members: Vec::new(),
                members_omitted: 0,
                recommendations: Vec::new(),
                leader: None,
                detected_at: NOW,
                data_through: NOW / 1000,
                end_reason: None,
                revision: self.revision,
                url: None,
            }),
        }
    }

    pub(crate) fn to(self, sinks: &[&str]) -> Addressed {
        let sinks = sinks.iter().map(|sink| sink.to_string()).collect();
        Addressed {
            detected: Detected { event: self.event(), told: None },
            sinks,
            not_before: Default::default(),
            muted_by: None,
        }
    }
}

/// Appends an empty entry and commits insights against it.
pub(crate) fn tell(journal: &mut LocalJournal, insights: Vec<Addressed>) -> Seq {
    let through = journal.append(&[entry("quiet", ("at", b"x"), 0)]).unwrap();
    journal.commit(&Outputs { through, insights }).unwrap();
    through
}
