//! Hours that come back every week, in a time zone.

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

/// From a time of day to another, on some days of the week. Where the end is not after the begin it lies on the next day.
#[derive(Clone, Debug, PartialEq)]
pub struct Weekly {
    days: Vec<Weekday>,
    from: Time,
    to: Time,
    zone: TimeZone,
}

/// Why these are no hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeeklyError {
    /// Not a time of day.
    #[error("`{0}` is not a time of day such as 22:00")]
    Time(String),
    /// Not a day of the week.
    #[error("`{0}` is not one of mon, tue, wed, thu, fri, sat, sun")]
    Day(String),
    /// Not in the database of time zones.
    #[error("`{0}` is not a time zone such as Europe/Berlin")]
    Zone(String),
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

impl Weekly {
    /// `days` on which it begins; none: every day. `zone` is a name of the IANA database, which the program carries.
    pub fn new(days: &[String], from: &str, to: &str, zone: &str) -> Result<Weekly, WeeklyError> {
        let day = |word: &String| {
            let known = DAYS.iter().find(|(name, _)| name == word).map(|(_, day)| *day);
            known.ok_or_else(|| WeeklyError::Day(word.clone()))
        };
        let mut days: Vec<Weekday> = days.iter().map(day).collect::<Result<_, _>>()?;
        if days.is_empty() {
            days = DAYS.iter().map(|(_, day)| *day).collect();
        }
        let zone = TimeZone::get(zone).map_err(|_| WeeklyError::Zone(zone.to_owned()))?;
        Ok(Weekly { days, from: time(from)?, to: time(to)?, zone })
    }

    /// When the hours that `now_ms` (milliseconds since the epoch) lies in are over; `None` outside of them.
    pub fn over(&self, now_ms: i64) -> Option<i64> {
        let today = self.zone.to_datetime(Timestamp::from_millisecond(now_ms).ok()?).date();
        // Those that began today or yesterday; the clock's jumps are the library's business.
        [0, 1]
            .into_iter()
            .filter_map(|ago| self.on(today, ago))
            .find(|(begin, end)| (*begin..*end).contains(&now_ms))
            .map(|(_, end)| end)
    }

    /// The hours that began so many days before.
    fn on(&self, today: Date, ago: i64) -> Option<(i64, i64)> {
        let day = today.checked_sub(jiff::Span::new().days(ago)).ok()?;
        if !self.days.contains(&day.weekday()) {
            return None;
        }
        let last = if self.to > self.from { day } else { day.tomorrow().ok()? };
        let at = |date: Date, time: Time| Some(self.zone.to_timestamp(date.to_datetime(time)).ok()?.as_millisecond());
        Some((at(day, self.from)?, at(last, self.to)?))
    }
}

/// `22:00`, or `24:00` for the end of a day.
fn time(text: &str) -> Result<Time, WeeklyError> {
    let wrong = || WeeklyError::Time(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return Err(wrong());
    }
    let (hour, minute): (i8, i8) = (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    let hour = if (hour, minute) == (24, 0) { 0 } else { hour };
    Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a time").as_millisecond()
    }

    fn weekly(days: &[&str], from: &str, to: &str) -> Weekly {
        let days: Vec<String> = days.iter().map(|day| (*day).to_owned()).collect();
        Weekly::new(&days, from, to, "Europe/Berlin").expect("hours")
    }

    #[track_caller]
    fn check(hours: &Weekly, now: &str, over: Option<&str>) {
        assert_eq!(hours.over(ms(now)), over.map(ms), "{now}");
    }

    #[test]
    fn a_night_ends_on_the_next_day() {
        let night = weekly(&["fri"], "22:00", "07:00");
        // 2026-03-06 is a Friday; Berlin is an hour ahead.
        check(&night, "2026-03-06T20:59:59Z", None);
        check(&night, "2026-03-06T21:00:00Z", Some("2026-03-07T06:00:00Z"));
        check(&night, "2026-03-07T05:59:59Z", Some("2026-03-07T06:00:00Z"));
        check(&night, "2026-03-07T06:00:00Z", None);
        check(&night, "2026-03-07T21:30:00Z", None);
    }

    #[test]
    fn a_day_is_from_midnight_to_midnight() {
        let sunday = weekly(&["sun"], "00:00", "24:00");
        check(&sunday, "2026-03-07T22:59:59Z", None);
        check(&sunday, "2026-03-07T23:00:00Z", Some("2026-03-08T23:00:00Z"));
        check(&sunday, "2026-03-08T22:59:59Z", Some("2026-03-08T23:00:00Z"));
        check(&weekly(&[], "12:00", "13:00"), "2026-03-11T11:30:00Z", Some("2026-03-11T12:00:00Z"));
    }

    #[test]
    fn hours_follow_the_clock_on_the_wall_when_it_jumps() {
        let night = weekly(&["sat"], "22:00", "07:00");
        // On 2026-03-29 the clock goes from 02:00 to 03:00, on 2026-10-25 from 03:00 back to 02:00.
        check(&night, "2026-03-28T21:00:00Z", Some("2026-03-29T05:00:00Z"));
        check(&night, "2026-10-24T20:00:00Z", Some("2026-10-25T06:00:00Z"));
        // An end that the jump leaves out is an hour later on the wall.
        check(&weekly(&["sun"], "01:00", "02:30"), "2026-03-29T00:30:00Z", Some("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn what_are_no_hours() {
        let new = |day: &str, from: &str, zone: &str| {
            Weekly::new(&[day.to_owned()], from, "07:00", zone).map(drop).unwrap_err()
        };
        assert_eq!(new("Mon", "22:00", "UTC"), WeeklyError::Day("Mon".into()));
        for time in ["22", "22:60", "25:00", "24:01", "2:00", "-1:00", "22:00:00", ""] {
            assert_eq!(new("mon", time, "UTC"), WeeklyError::Time(time.into()));
        }
        for zone in ["Berlin", "", "UTC+1", "../etc/passwd"] {
            assert_eq!(new("mon", "22:00", zone), WeeklyError::Zone(zone.into()));
        }
    }
}
