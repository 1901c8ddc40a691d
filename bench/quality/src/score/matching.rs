//! Which truth an incident belongs to.

use crate::anomaly::Kind;
use crate::insight::{About, Incident};
use crate::label::{Change, Direction, Name, Truth};

/// Minutes after the end of an anomaly in which a Start still belongs to it.
const AFTER: i64 = 5;
const DENIED: [&str; 2] = ["AccessDenied", "Client.UnauthorizedOperation"];

/// What an incident is to an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// It tells of it.
    Finds,
    /// It would not be there without it, but tells of something else.
    Explained,
    Stranger,
}

pub(super) fn relation(incident: &Incident, truth: &Truth) -> Relation {
    let in_time = (truth.start..=truth.end + AFTER).contains(&incident.start);
    if !in_time || incident.direction != truth.direction {
        return Relation::Stranger;
    }
    let finds = match incident.about {
        About::Calls | About::Errors => truth.series.contains(&incident.name),
        About::Sweep if incident.members.is_empty() => truth.kind == Kind::Sweep,
        About::Sweep => truth.series.iter().any(|name| lists(incident, name)),
        About::Denied => truth.series.iter().any(|name| DENIED.contains(&name.code.as_str())),
        About::Silence => truth.direction == Direction::Below,
    };
    if finds {
        Relation::Finds
    } else if truth.companions.contains(&incident.name) {
        Relation::Explained
    } else {
        Relation::Stranger
    }
}

fn lists(incident: &Incident, name: &Name) -> bool {
    incident.members.contains(&name.source) && incident.members.contains(&name.name)
}

/// Whether an incident tells of a benign change.
pub(super) fn tells_of(incident: &Incident, change: &Change) -> bool {
    (change.start..change.end).contains(&incident.start)
        && (change.series.is_empty()
            || change.series.contains(&incident.name)
            || !matches!(incident.about, About::Calls | About::Errors))
}
