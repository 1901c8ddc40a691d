//! Words of the insight record as they stand in columns.

use trailsight_schemas::insight::{Sensitivity, State};

pub(in crate::journal) fn state_of(text: &str) -> Option<State> {
    text.parse().ok()
}

/// The levels that a listener at `loosest` hears of.
pub(in crate::journal) fn sensitivities_to(loosest: Sensitivity) -> [&'static str; 3] {
    [Sensitivity::Low, Sensitivity::Medium, Sensitivity::High].map(|level| level.min(loosest).as_str())
}
