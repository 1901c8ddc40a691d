//! What chance raises at several budgets: the points of the product's map from what its arithmetic is given to what is
//! realised (`detectors::budget`).
//!
//! The product runs on accounts of the development set without anomalies, with each level's default budget times a
//! factor. Its present map says what its arithmetic was given for that; the leads it told are what was realised. So the
//! points do not depend on the map that was in force, and the fit is done anew whenever a test changes:
//! `trailsight-quality fit`, and the points go into `MAPS`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use trailsight_detectors::{Level, budget};

use crate::engine::{Engine, Places};
use crate::insight::{BUDGETS, Gate, LEVELS};
use crate::measure::{self, Plan};
use crate::score::figures;
use crate::seeds::{Member, Set};

/// By level: false leads in an account in a week that the arithmetic was given, and those that there were.
pub(crate) type Point = [(f64, f64); 3];

/// Runs the product on `accounts` accounts at `factor` times the default budgets.
pub(crate) fn point(factor: f64, accounts: u32, places: &Places, folder: &Path) -> Result<Point> {
    let config = folder.join("fit.toml");
    let budgets = BUDGETS.map(|budget| budget * factor);
    std::fs::write(&config, configuration(budgets)).with_context(|| config.display().to_string())?;
    let plan =
        Plan { members: Member::of(Set::Development, 0, accounts), engines: vec![Engine::Trailsight], sample: 0 };
    let columns = measure::columns(&plan, &Places { config: Some(config), ..places.clone() }, folder, false)?;
    let all: Vec<_> = columns.iter().flat_map(|column| &column.accounts).collect();
    let mut point = Point::default();
    for (at, level) in Level::ALL.into_iter().enumerate() {
        point[at] = (budget::given(level, budgets[at]), figures(&all, Gate::Level(at)).false_rate);
    }
    Ok(point)
}

fn configuration(budgets: [f64; 3]) -> String {
    let lines = LEVELS.iter().zip(budgets).map(|(level, budget)| format!("{level} = {budget}\n"));
    format!("[detection.budgets]\n{}", lines.collect::<String>())
}

/// The rows of `MAPS`, points in the order of what was given.
pub(crate) fn table(points: &[Point]) -> String {
    let mut text = String::new();
    for (at, level) in LEVELS.iter().enumerate() {
        let mut of_level: Vec<(f64, f64)> = points.iter().map(|point| point[at]).collect();
        of_level.sort_by(|a, b| a.0.total_cmp(&b.0));
        let shown: Vec<String> =
            of_level.iter().map(|(given, realised)| format!("({given:.3}, {realised:.3})")).collect();
        // Writing into a string does not fail.
        let _ = writeln!(text, "[{}], // {level}", shown.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{configuration, table};

    #[test]
    fn budgets_are_a_configuration_and_points_come_in_order() {
        assert_eq!(configuration([0.1, 1.5, 5.0]), "[detection.budgets]\nlow = 0.1\nmedium = 1.5\nhigh = 5\n");
        let text = table(&[[(2.0, 1.0), (3.0, 2.0), (5.0, 4.0)], [(1.0, 0.5), (4.0, 3.0), (2.0, 1.5)]]);
        assert!(text.starts_with("[(1.000, 0.500), (2.000, 1.000)], // low\n"), "{text}");
    }
}
