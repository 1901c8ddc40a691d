//! What to look at after an insight, and how to contain what it may be.
//!
//! One reviewed data file, `families.toml`, says it by family of APIs and error code; here its places are filled in.
//! Names come from whoever called AWS and end up in somebody's shell: each is one word there, and in SQL one literal,
//! whatever it holds ([`quoting`]).

mod families;
mod places;
mod quoting;

use trailsight_schemas::insight::{InsightEvent, Recommendation, State};

use families::{Advice, Family, Step};
use places::Places;

/// What a step begins with whose command changes something.
pub const CONTAINS: &str = "CONTAINS, changes the account: ";

/// The steps after an insight began, in the order in which they are taken; none after its End.
pub fn recommend(event: &InsightEvent) -> Vec<Recommendation> {
    if event.details.state == State::End {
        return Vec::new();
    }
    let advice = families::advice();
    let Some(family) = advice.family(event) else { return Vec::new() };
    let places = Places::of(event);
    steps(advice, family).filter_map(|(step, technique)| filled(step, technique, &places)).collect()
}

/// What belongs to the family stands between what holds for all; its first step says the technique.
fn steps<'a>(advice: &'a Advice, family: &'a Family) -> impl Iterator<Item = (&'a Step, Option<&'a str>)> {
    let mut technique = family.technique.as_deref();
    let of_family = family.step.iter().map(move |step| (step, technique.take()));
    let around = |steps: &'a [Step]| steps.iter().map(|step| (step, None));
    around(&advice.first).chain(of_family).chain(around(&advice.last))
}

fn filled(step: &Step, technique: Option<&str>, places: &Places) -> Option<Recommendation> {
    let command = match (&step.command, &step.query) {
        (Some(command), _) => Some(places.fill_command(command)?),
        (None, Some(query)) => Some(places.fill_query(query)?),
        (None, None) => None,
    };
    let known = technique.map(|technique| format!(" (ATT&CK {technique})")).unwrap_or_default();
    let marked = if step.contains { CONTAINS } else { "" };
    Some(Recommendation { text: format!("{marked}{}{known}", step.text), command })
}

#[cfg(test)]
mod tests;
