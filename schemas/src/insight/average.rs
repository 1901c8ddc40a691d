//! Averages in AWS's form: at most ten decimals, no trailing zeros, integers without a fraction.
//!
//! The half is rounded to even, on the exact binary value. What AWS does with a tie is not documented; ties
//! at the eleventh decimal need a divisor of 2^11, and 10240 minutes is the one baseline length that has it.

/// The value as it reads after being written: ten decimals.
pub fn round_average(value: f64) -> f64 {
    if value.is_finite() { text(value).parse().unwrap_or(value) } else { value }
}

/// Appends an average. What is not a number has no form in JSON and becomes `null`, which no reader takes
/// for a rate.
pub(super) fn push(out: &mut String, value: f64) {
    if value.is_finite() { out.push_str(&text(value)) } else { out.push_str("null") }
}

/// Appends a number that spans many magnitudes: its shortest exact digits, with an exponent where it is small.
pub(super) fn push_shortest(out: &mut String, value: f64) {
    if !value.is_finite() {
        out.push_str("null");
    } else if value == 0.0 {
        out.push('0');
    } else if value.abs() < 1e-6 || value.abs() >= 1e16 {
        out.push_str(&format!("{value:e}"));
    } else {
        out.push_str(&value.to_string());
    }
}

fn text(value: f64) -> String {
    let mut text = format!("{value:.10}");
    let kept = text.trim_end_matches('0').trim_end_matches('.').len();
    text.truncate(kept);
    if text == "-0" {
        text.remove(0);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f64) -> String {
        let mut out = String::new();
        push(&mut out, value);
        out
    }

    #[test]
    fn the_documented_forms() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (-1e-12, "0"),
            (6.0, "6"),
            (664.0, "664"),
            (1.2, "1.2"),
            (100.0, "100"),
            (861_036.0 / 10_080.0, "85.4202380952"),
            (17_702.0 / 10_080.0, "1.7561507937"),
            (18.0 / 10_080.0, "0.0017857143"),
            (1.0 / 11_336.0, "0.0000882145"),
            (1.0 / 10_181.0, "0.0000982222"),
            (9_223_372_036_854_775_808.0, "9223372036854775808"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn a_tie_goes_to_the_even_digit() {
        assert_eq!(written(1.0 / 2048.0), "0.0004882812");
        assert_eq!(written(3.0 / 2048.0), "0.0014648438");
    }

    #[test]
    fn wide_numbers_keep_every_digit() {
        for value in [0.0, 5.0, 0.2, 3.4e-9, 1.0 / 3.0, 1e-300, 1e300, 123_456.75] {
            let mut out = String::new();
            push_shortest(&mut out, value);
            assert_eq!(out.parse::<f64>(), Ok(value), "{out}");
            assert!(out.len() < 30, "{out}");
        }
    }
}
