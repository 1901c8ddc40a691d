//! Numbers, lengths, levels and names as people read them.

use trailsight_schemas::insight::{EndReason, Sensitivity};

/// Text from a record, made safe to print: control characters, bidirectional overrides and invisible characters
/// become `\u{fffd}`, and beyond `most` characters there is an ellipsis.
pub fn plain(text: &str, most: usize) -> String {
    let clean = |character: char| if obeyed(character) { '\u{fffd}' } else { character };
    let mut characters = text.chars();
    let mut out: String = characters.by_ref().take(most).map(clean).collect();
    if characters.next().is_some() {
        out.pop();
        out.push('…');
    }
    out
}

/// What a terminal or a renderer obeys without showing it.
fn obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A rate with three significant figures: `50`, `0.2`, `0.00177`.
pub(super) fn figure(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return "0".to_owned();
    }
    let figures = 2 - value.abs().log10().floor() as i32;
    let digits = usize::try_from(figures.clamp(0, 10)).unwrap_or(0);
    let written = format!("{value:.digits$}");
    let short = if digits > 0 { written.trim_end_matches('0').trim_end_matches('.') } else { &written };
    short.to_owned()
}

/// `8 min`, `2 h 10 min`, `3 d 4 h`.
pub(super) fn length(minutes: u32) -> String {
    let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let parts = [(days, "d"), (hours, "h"), (rest, "min")];
    let mut said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    said.truncate(2);
    if said.is_empty() { "0 min".to_owned() } else { said.join(" ") }
}

/// `iam` of `iam.amazonaws.com`.
pub(super) fn service(source: &str) -> &str {
    source.strip_suffix(".amazonaws.com").unwrap_or(source)
}

/// `role/ci` of `arn:aws:sts::111122223333:assumed-role/ci`: the account is told beside it.
pub(super) fn who(identity: &str) -> &str {
    let resource = identity.strip_prefix("arn:").and_then(|arn| arn.splitn(5, ':').nth(4)).unwrap_or(identity);
    resource.strip_prefix("assumed-").unwrap_or(resource)
}

/// Which level it is, and what that means; `chance` is the number of insights as strong that chance raises in an
/// account in a week.
pub(super) fn sensitivity(level: Sensitivity, chance: f64) -> String {
    let level = match level {
        Sensitivity::Low => "low: unusual even for who wants to hear of little",
        Sensitivity::Medium => "medium: unusual at the usual setting",
        Sensitivity::High => "high: worth a look for who wants to hear of everything",
    };
    format!("{level}; chance alone would raise one as strong in this account {}", often(chance))
}

fn often(a_week: f64) -> String {
    const WEEKS_A_YEAR: f64 = 52.0;
    if !(a_week.is_finite() && a_week > 0.0) {
        return "practically never".to_owned();
    }
    let weeks = 1.0 / a_week;
    if weeks > 100.0 * WEEKS_A_YEAR {
        "less than once in 100 years".to_owned()
    } else if weeks >= 2.0 * WEEKS_A_YEAR {
        format!("about once in {:.0} years", weeks / WEEKS_A_YEAR)
    } else if weeks >= 1.5 {
        format!("about once in {weeks:.0} weeks")
    } else {
        format!("about {} a week", if a_week < 1.5 { "once".into() } else { format!("{a_week:.0} times") })
    }
}

/// Why it is over.
pub(super) fn ended(reason: Option<EndReason>) -> &'static str {
    match reason {
        Some(EndReason::Accepted) => "this level is taken for the normal one from now on",
        Some(EndReason::Superseded) => "another insight tells it from now on",
        Some(EndReason::Returned) | None => "back to normal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_renderer_would_obey_is_replaced_and_the_rest_is_kept() {
        assert_eq!(
            plain("a\u{1b}[2J\u{202e}b\n\u{200b}c\u{e0041}", 50),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}"
        );
        assert_eq!(plain("rôle/ドメイン", 50), "rôle/ドメイン");
        assert_eq!(plain("abcdef", 6), "abcdef");
        assert_eq!(plain("abcdefg", 6), "abcde…");
    }

    #[test]
    fn figures_lengths_and_names() {
        let figures: Vec<String> =
            [0.0, 50.0, 0.2, 0.001_765_848, 85.420_238, 12345.6, f64::NAN, 1e-30].into_iter().map(figure).collect();
        assert_eq!(figures, ["0", "50", "0.2", "0.00177", "85.4", "12346", "0", "0"]);
        assert_eq!(
            [0, 8, 60, 130, 4560, 4561].map(length),
            ["0 min", "8 min", "1 h", "2 h 10 min", "3 d 4 h", "3 d 4 h"]
        );
        assert_eq!(who("arn:aws:sts::111122223333:assumed-role/ci"), "role/ci");
        assert_eq!(who("arn:aws:iam::111122223333:user/alice"), "user/alice");
        assert_eq!(who("autoscaling.amazonaws.com"), "autoscaling.amazonaws.com");
        assert_eq!(service("iam.amazonaws.com"), "iam");
    }

    #[test]
    fn how_often_chance_does_it() {
        for (a_week, said) in [
            (5.0, "about 5 times a week"),
            (1.0, "about once a week"),
            (0.2, "about once in 5 weeks"),
            (0.001, "about once in 19 years"),
            (1e-9, "less than once in 100 years"),
            (0.0, "practically never"),
            (f64::NAN, "practically never"),
        ] {
            assert_eq!(often(a_week), said);
        }
    }
}
