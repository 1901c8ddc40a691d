//! Whether and when a failed delivery is tried again.

use std::time::Duration;

/// Longest wait that a receiver can ask for; more is cut to this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Most characters of an error that are kept.
pub const MAX_MESSAGE: usize = 300;

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Again, by the ordinary backoff.
    Now,
    /// Again, and nothing to this sink before: the receiver asked for it.
    After(Duration),
    /// Not again: the same bytes will be refused again.
    Never,
}

/// A delivery that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    /// What to do.
    pub retry: Retry,
    /// What happened, without secrets or control characters, at most [`MAX_MESSAGE`] characters.
    pub message: String,
}

impl SendError {
    /// An error whose text came from outside: it is cut and its control characters are replaced.
    pub fn new(retry: Retry, message: &str) -> SendError {
        let clean = |character: char| if character.is_control() { ' ' } else { character };
        SendError { retry, message: message.chars().take(MAX_MESSAGE).map(clean).collect() }
    }
}

/// What an HTTP status means for a delivery; `asked` is the receiver's `Retry-After`.
///
/// Timeouts, conflicts in time, rate limits and the receiver's own failures pass (408, 425, 429, 5xx). Everything
/// else that is not a success does not: a redirect is not followed (it would carry the insight and its signature
/// to another host), and 4xx, 410 Gone among them, is a refusal of this request.
pub fn of_status(status: u16, asked: Option<Duration>) -> Result<(), Retry> {
    match status {
        200..=299 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(asked.map_or(Retry::Now, |wait| Retry::After(wait.min(MAX_RETRY_AFTER)))),
        _ => Err(Retry::Never),
    }
}

/// Reads `Retry-After`: seconds, or an HTTP date as seen from `now_ms`. Anything else is `None`.
pub fn retry_after(text: &str, now_ms: i64) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let wait = at.as_millisecond().saturating_sub(now_ms).max(0);
    Some(Duration::from_millis(wait.unsigned_abs()))
}

/// Exponential backoff with full jitter: uniform over 1 ms to `base × 2^attempt`, at most `cap`.
///
/// The jitter is a hash of the row and the attempt: many rows that failed together come apart, and the same
/// story told again is the same to the millisecond.
pub fn backoff(row: i64, attempt: u32, base: Duration, cap: Duration) -> Duration {
    let ceiling = base.saturating_mul(2u32.saturating_pow(attempt.min(31))).min(cap);
    let ceiling = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX).max(1);
    let hash = mix(row.cast_unsigned() ^ mix(u64::from(attempt)));
    Duration::from_millis(1 + hash % ceiling)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input reaches every bit of the output.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn statuses() {
        for (status, expected) in [
            (200, Ok(())),
            (204, Ok(())),
            (301, Err(Retry::Never)),
            (307, Err(Retry::Never)),
            (400, Err(Retry::Never)),
            (401, Err(Retry::Never)),
            (404, Err(Retry::Never)),
            (408, Err(Retry::Now)),
            (410, Err(Retry::Never)),
            (413, Err(Retry::Never)),
            (425, Err(Retry::Now)),
            (429, Err(Retry::Now)),
            (500, Err(Retry::Now)),
            (503, Err(Retry::Now)),
            (599, Err(Retry::Now)),
            (999, Err(Retry::Never)),
        ] {
            assert_eq!(of_status(status, None), expected, "{status}");
        }
    }

    #[test]
    fn a_wish_is_honoured_up_to_its_cap_where_a_retry_makes_sense() {
        assert_eq!(of_status(429, Some(7 * SECOND)), Err(Retry::After(7 * SECOND)));
        assert_eq!(of_status(503, Some(999_999 * SECOND)), Err(Retry::After(MAX_RETRY_AFTER)));
        assert_eq!(of_status(410, Some(7 * SECOND)), Err(Retry::Never));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = 1_772_694_660_000;
        for (text, expected) in [
            ("0", Some(Duration::ZERO)),
            (" 120 ", Some(120 * SECOND)),
            ("99999999999999999999999", Some(MAX_RETRY_AFTER)),
            ("Thu, 05 Mar 2026 07:11:30 GMT", Some(30 * SECOND)),
            ("Thu, 05 Mar 2020 07:11:30 GMT", Some(Duration::ZERO)),
            ("", None),
            ("-5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, now), expected, "{text}");
        }
    }

    #[test]
    fn backoff_grows_to_its_cap_and_spreads() {
        let wait = |row, attempt| backoff(row, attempt, SECOND, 60 * SECOND);
        for attempt in 0..200 {
            let ceiling = (SECOND * 2u32.saturating_pow(attempt.min(20))).min(60 * SECOND);
            let longest = (0..500).map(|row| wait(row, attempt)).max().expect("some");
            let shortest = (0..500).map(|row| wait(row, attempt)).min().expect("some");
            assert!(
                longest <= ceiling + Duration::from_millis(1) && longest > ceiling * 9 / 10,
                "{attempt}: {longest:?}"
            );
            assert!(shortest < ceiling / 10, "{attempt}: {shortest:?}");
        }
        assert_eq!(wait(7, 3), wait(7, 3));
        assert_eq!(backoff(1, 5, Duration::ZERO, Duration::ZERO), Duration::from_millis(1));
    }

    #[test]
    fn messages_are_bounded_and_plain() {
        let error = SendError::new(Retry::Now, &format!("a\u{1b}[31m\n{}", "x".repeat(1000)));
        assert_eq!(error.message.chars().count(), MAX_MESSAGE);
        assert!(error.message.starts_with("a [31m x"));
    }
}
