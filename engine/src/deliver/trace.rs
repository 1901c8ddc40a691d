//! Why an insight goes where it goes: what `routes test` prints.

use trailsight_schemas::insight::{InsightEvent, Sensitivity};

use super::routes::Router;
use crate::journal::Detected;

/// Where one insight would go that nobody has heard of before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The mute that keeps it from people.
    pub muted_by: Option<String>,
    /// Sinks that are told.
    pub sinks: Vec<String>,
    /// What each route said, in their order, as far as they were asked.
    pub routes: Vec<Said>,
}

/// What one route said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A key of its `match` does not agree.
    Other,
    /// It owns the insight, and its sinks want to hear of stricter levels only.
    TooLoose {
        /// Level of the insight.
        level: Sensitivity,
        /// Loosest level of the route.
        wants: Sensitivity,
    },
    /// It owns the insight and tells these sinks, some of them later.
    Tells(Vec<String>),
    /// A route before it owns the insight, and does not say `continue`.
    NotAsked,
}

impl Router {
    /// Addresses one insight as if it were the first of its incident, with every reason.
    pub fn trace(&self, event: &InsightEvent, now_ms: i64) -> Trace {
        let detected = Detected { event: event.clone(), told: None };
        let nobody = |_: &uuid::Uuid| Ok::<_, std::convert::Infallible>(Vec::new());
        let Ok(mut addressed) = self.address(vec![detected], now_ms, nobody);
        let (sinks, muted_by) = addressed.pop().map(|one| (one.sinks, one.muted_by)).unwrap_or_default();
        Trace { muted_by, sinks, routes: self.said(event) }
    }

    fn said(&self, event: &InsightEvent) -> Vec<Said> {
        let level = event.trailsight.as_ref().map_or(Sensitivity::High, |own| own.sensitivity);
        let mut owned = false;
        let mut all = Vec::new();
        for route in &self.routes {
            if owned {
                all.push(Said::NotAsked);
                continue;
            }
            if !route.matcher.agrees(event) {
                all.push(Said::Other);
                continue;
            }
            owned = !route.continue_;
            let wants = route.sensitivity.unwrap_or_else(|| self.levels.of(&event.recipient_account_id));
            all.push(if level <= wants { Said::Tells(route.sinks.clone()) } else { Said::TooLoose { level, wants } });
        }
        all
    }
}
