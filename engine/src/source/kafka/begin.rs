//! Where a partition is begun, and what is missing there.
//!
//! Two know a position: our own journal, which is exact, and the group, whose committed offset another instance may
//! have moved on. The later of them counts, as long as both speak of the topic as it is now.

use super::positions::Position;

/// Where a partition is begun that nobody has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest message there is.
    Earliest,
    /// With what comes from now on.
    Latest,
    /// With the first message at or after this, milliseconds since the epoch.
    At(i64),
}

/// Where reading goes on behind a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGap {
    /// With the oldest message that is still there.
    Earliest,
    /// With what comes from now on.
    Latest,
}

/// Messages that cannot be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub kind: GapKind,
    /// Where reading should have gone on.
    pub from: i64,
    /// Where it goes on.
    pub to: i64,
}

/// Why messages cannot be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapKind {
    /// Retention was faster.
    Deleted,
    /// The log ends before our position: its end was lost.
    Truncated,
    /// The topic was deleted and made anew.
    Recreated,
}

/// What is known about a partition that is to be begun.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Our own position.
    pub(super) own: Option<Position>,
    /// The group's.
    pub(super) committed: Option<Position>,
    /// The topic's id now; empty: not known.
    pub(super) topic_id: String,
    /// Oldest offset and end of the log.
    pub(super) range: (i64, i64),
    /// What [`Start`] comes to.
    pub(super) start: i64,
}

/// Decides where to begin.
pub(super) fn begin(known: &Known, on_gap: OnGap) -> (i64, Option<Gap>) {
    let (oldest, end) = known.range;
    let speaks = |position: &&Position| {
        position.topic_id.is_empty() || known.topic_id.is_empty() || position.topic_id == known.topic_id
    };
    let own = known.own.as_ref().filter(speaks);
    let committed = known.committed.as_ref().filter(speaks);
    let later = own.into_iter().chain(committed).map(|position| position.next).max();
    let choice = if on_gap == OnGap::Earliest { oldest } else { end };
    let gap = |kind, from, to| (to, Some(Gap { kind, from, to }));
    match (later, &known.own) {
        // All of a new topic is new to us.
        (None, Some(own)) => gap(GapKind::Recreated, own.next, oldest),
        (None, None) => (known.start.clamp(oldest, end), None),
        (Some(next), _) if next < oldest => gap(GapKind::Deleted, next, choice),
        (Some(next), _) if next > end => gap(GapKind::Truncated, next, choice),
        (Some(next), _) => (next, None),
    }
}

impl GapKind {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            GapKind::Deleted => "deleted by retention before they were read",
            GapKind::Truncated => "the log ends before our position",
            GapKind::Recreated => "the topic was deleted and made anew",
        }
    }
}

impl Gap {
    /// Messages that are lost, at most: offsets are not all messages. 0 where nobody can know.
    pub fn messages(&self) -> u64 {
        if self.kind == GapKind::Deleted { u64::try_from(self.to - self.from).unwrap_or(0) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(next: i64, id: &str) -> Option<Position> {
        Some(Position { next, topic_id: id.to_owned() })
    }

    #[track_caller]
    fn check(own: Option<Position>, committed: Option<Position>, expected: (i64, Option<(GapKind, i64)>)) {
        let known = Known { own, committed, topic_id: "now".into(), range: (100, 200), start: 200 };
        let (offset, gap) = begin(&known, OnGap::Earliest);
        assert_eq!((offset, gap.map(|gap| (gap.kind, gap.from))), expected);
        assert_eq!(gap.map_or(offset, |gap| gap.to), offset);
    }

    #[test]
    fn the_later_position_of_the_same_topic_counts() {
        check(None, None, (200, None));
        check(at(150, "now"), None, (150, None));
        check(at(150, "now"), at(160, "now"), (160, None));
        check(at(150, "now"), at(140, "now"), (150, None));
        check(at(150, "now"), at(160, "before"), (150, None));
        check(None, at(160, ""), (160, None));
        check(at(200, "now"), None, (200, None));
    }

    #[test]
    fn what_is_gone_is_said() {
        check(at(50, "now"), None, (100, Some((GapKind::Deleted, 50))));
        check(at(50, "now"), at(100, "now"), (100, None));
        check(at(201, ""), None, (100, Some((GapKind::Truncated, 201))));
        check(at(150, "before"), None, (100, Some((GapKind::Recreated, 150))));
        check(at(150, "before"), at(120, "now"), (120, None));
    }

    #[test]
    fn the_choice_behind_a_gap_and_the_start_are_ours() {
        let known = Known { own: at(50, ""), topic_id: "now".into(), range: (100, 200), start: 0, ..Known::default() };
        assert_eq!(begin(&known, OnGap::Latest).0, 200);
        let fresh = Known { own: None, start: 150, ..known.clone() };
        assert_eq!(begin(&fresh, OnGap::Latest), (150, None));
        // A start by time lies within the log, whatever the broker says of it.
        assert_eq!(begin(&Known { start: 0, ..fresh }, OnGap::Latest), (100, None));
        let (_, gap) = begin(&known, OnGap::Earliest);
        assert_eq!(gap.map(|gap| gap.messages()), Some(50));
    }
}
