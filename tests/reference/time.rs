//! Calendar arithmetic by walking the calendar, so that it shares no formula with the product.

const MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_before(year: i64, month: i64) -> i64 {
    let years: i64 = (1970..year).map(|each| if is_leap(each) { 366 } else { 365 }).sum();
    let months: i64 = MONTHS.iter().take(month as usize - 1).sum();
    years + months + i64::from(month > 2 && is_leap(year))
}

/// The minute since 1970-01-01T00:00Z of `YYYY-MM-DDTHH:MM:SSZ` (a fraction of a second is allowed);
/// `None` for anything else and before 1970.
pub fn minute_of(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let (date, clock) = text.split_once('T')?;
    let date: Vec<i64> = date.split('-').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let clock: Vec<f64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let ([year, month, day], [hour, minute, _second]) = (date.as_slice(), clock.as_slice()) else { return None };
    if !(1970..10_000).contains(year) || !(1..=12).contains(month) || *day < 1 {
        return None;
    }
    let days = days_before(*year, *month) + day - 1;
    Some(days * 1440 + *hour as i64 * 60 + *minute as i64)
}

/// `YYYY-MM-DDTHH:MM:SSZ` of a minute and a second in it.
pub fn stamp(minute: i64, second: i64) -> String {
    let (mut days, mut year) = (minute.div_euclid(1440), 1970);
    while days >= if is_leap(year) { 366 } else { 365 } {
        days -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    loop {
        let length = MONTHS[month - 1] + i64::from(month == 2 && is_leap(year));
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let of_day = minute.rem_euclid(1440);
    format!("{year:04}-{month:02}-{:02}T{:02}:{:02}:{second:02}Z", days + 1, of_day / 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::{minute_of, stamp};

    #[test]
    fn known_minutes() {
        assert_eq!(minute_of("1970-01-02T00:01:59Z"), Some(1441));
        assert_eq!(minute_of("2024-02-29T12:00:00Z"), Some(28_486_800));
        assert_eq!(minute_of("2024-02-29"), None);
        for minute in (0..60_000_000).step_by(987_653) {
            assert_eq!(minute_of(&stamp(minute, 7)), Some(minute));
        }
    }
}
