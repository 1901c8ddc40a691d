//! Figures and names as people read them.

/// Most characters of one name.
const LONGEST: usize = 200;
/// Weeks of a year.
const YEAR: f64 = 52.18;
/// Rarer than once in so many years is said as that.
const RAREST: f64 = 1000.0;

/// A whole number where it is one, two significant figures otherwise; thousands apart.
pub(super) fn count(value: f64) -> String {
    if !value.is_finite() {
        return "countless".to_owned();
    }
    if (value - value.round()).abs() < 1e-6 || value >= 10.0 { grouped(value.round()) } else { rate(value) }
}

/// Calls a minute with three significant figures.
pub(super) fn rate(value: f64) -> String {
    match value {
        _ if value.abs() < 1e-6 => "0".to_owned(),
        _ if value >= 1000.0 => grouped(value.round()),
        _ => {
            let figures = 2 - value.abs().log10().floor() as i32;
            let digits = usize::try_from(figures.clamp(0, 8)).unwrap_or(0);
            let written = format!("{value:.digits$}");
            if digits > 0 { written.trim_end_matches('0').trim_end_matches('.').to_owned() } else { written }
        }
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// So many minutes.
pub(super) fn span(minutes: u32) -> String {
    match minutes {
        1 => "one minute".to_owned(),
        5 => "five minutes".to_owned(),
        60 => "one hour".to_owned(),
        _ if minutes > 180 => format!("{} hours and {} minutes", minutes / 60, minutes % 60),
        _ => format!("{minutes} minutes"),
    }
}

/// How often chance alone does this in an account.
pub(super) fn chance(per_week: f64, account: &str) -> String {
    let often = match per_week {
        // Below, above or no number at all: nothing that a record should hold.
        _ if per_week.is_nan() || per_week < 0.0 => return "How often chance does this is not known.".to_owned(),
        _ if per_week >= 1.05 => format!("{} times a week", rate(per_week)),
        _ if per_week >= 0.95 => "once a week".to_owned(),
        _ if per_week * YEAR >= 2.0 => format!("once in {} weeks", rounded(1.0 / per_week)),
        _ if per_week * YEAR * RAREST >= 1.0 => format!("once in {} years", rounded(1.0 / (per_week * YEAR))),
        _ => format!("less than once in {} years", grouped(RAREST)),
    };
    format!("Chance alone raises something as unusual in account {} about {often}.", named(account))
}

fn rounded(value: f64) -> String {
    if value < 10.0 { rate((value * 10.0).round() / 10.0) } else { grouped(value.round()) }
}

/// A name that somebody else chose, short enough for a sentence.
pub(super) fn named(name: &str) -> String {
    let mut shown: String = name.chars().take(LONGEST).collect();
    if name.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// Replaces what a terminal might obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() || is_format(character) { '\u{fffd}' } else { character })
        .collect()
}

/// Bidirectional overrides and invisible characters, which make a line read as another.
fn is_format(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
