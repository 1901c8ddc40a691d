//! Minutes of an account: five weeks from a Monday 00:00 UTC, the last four of them scored, and the local time of
//! its people.

use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::dice::Dice;

pub(crate) const HOUR: i64 = 60;
pub(crate) const DAY: i64 = 1440;
pub(crate) const WEEK: i64 = 7 * DAY;
/// Minutes in a table.
pub(crate) const LENGTH: i64 = 5 * WEEK;
/// The first minute that is scored: the first week teaches.
pub(crate) const SCORED: i64 = WEEK;

const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Tokyo", "Europe/London", "Asia/Kolkata"];
/// Monday 2023-01-02T00:00Z in minutes since the epoch.
const FIRST_MONDAY: i64 = 19_359 * DAY;
/// Weeks after it in which an account may begin: three years.
const WEEKS: i64 = 156;
/// Every fourth account begins so that summer time begins or ends in it.
const WITH_CHANGE_OF_CLOCK: f64 = 0.25;

/// When an account's table begins and what its people's clocks show.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    /// Minutes since the epoch of the table's first minute.
    pub(crate) first: i64,
    zone: &'static str,
    /// Minutes that local time is ahead of UTC, for each hour of the table.
    offsets: Vec<i64>,
    /// Days (from 0) on which people do not work, weekends apart.
    pub(crate) holidays: Vec<i64>,
}

impl Calendar {
    pub(crate) fn draw(dice: &mut Dice) -> Result<Calendar> {
        let zone = *dice.pick(&ZONES);
        let wanted = dice.chance(WITH_CHANGE_OF_CLOCK);
        let mut calendar = Calendar::new(zone, FIRST_MONDAY + WEEK * dice.between(0, WEEKS - 1))?;
        // Zones without summer time end this after a bounded number of draws.
        for _ in 0..40 {
            if !wanted || calendar.change_of_clock().is_some() {
                break;
            }
            calendar = Calendar::new(zone, FIRST_MONDAY + WEEK * dice.between(0, WEEKS - 1))?;
        }
        if dice.chance(0.35) {
            let day = dice.between(7, 33);
            calendar.holidays = (day..=day + dice.between(0, 2)).collect();
        }
        Ok(calendar)
    }

    fn new(zone: &'static str, first: i64) -> Result<Calendar> {
        let rules = TimeZone::get(zone)?;
        let offset = |hour: i64| -> Result<i64> {
            let moment = Timestamp::from_second((first + hour * HOUR) * 60)?;
            Ok(i64::from(rules.to_offset(moment).seconds()) / 60)
        };
        let offsets = (0..LENGTH / HOUR).map(offset).collect::<Result<_>>()?;
        Ok(Calendar { first, zone, offsets, holidays: Vec::new() })
    }

    fn offset(&self, minute: i64) -> i64 {
        self.offsets[(minute.clamp(0, LENGTH - 1) / HOUR) as usize]
    }

    /// The minute of the table at which local clocks show `minute_of_day` on day `day`.
    pub(crate) fn local(&self, day: i64, minute_of_day: i64) -> i64 {
        let guess = day * DAY + minute_of_day;
        guess - self.offset(guess - self.offset(guess))
    }

    /// The hour of the local day, with its fraction.
    pub(crate) fn local_hour(&self, minute: i64) -> f64 {
        (minute + self.offset(minute)).rem_euclid(DAY) as f64 / HOUR as f64
    }

    pub(crate) fn works(&self, day: i64) -> bool {
        day.rem_euclid(7) < 5 && !self.holidays.contains(&day)
    }

    /// The first minute after a change between winter and summer time, where there is one in the scored weeks.
    pub(crate) fn change_of_clock(&self) -> Option<i64> {
        let hour = self.offsets.windows(2).position(|pair| pair[0] != pair[1])?;
        Some((hour as i64 + 1) * HOUR).filter(|minute| *minute >= SCORED + DAY && *minute < LENGTH - 3 * DAY)
    }

    /// Days of the table that are the last of a month.
    pub(crate) fn month_ends(&self) -> Vec<i64> {
        let last = |day: &i64| {
            let date = self.date(*day);
            date.is_some_and(|date| date.last_of_month() == date)
        };
        (0..LENGTH / DAY).filter(last).collect()
    }

    fn date(&self, day: i64) -> Option<Date> {
        let moment = Timestamp::from_second((self.first + day * DAY) * 60).ok()?;
        Some(TimeZone::UTC.to_datetime(moment).date())
    }

    /// RFC 3339, for every minute of the table.
    pub(crate) fn stamps(&self) -> Vec<String> {
        let mut stamps = Vec::with_capacity(LENGTH as usize);
        for day in 0..LENGTH / DAY {
            let date = self.date(day).unwrap_or_default();
            stamps.extend((0..DAY).map(|minute| format!("{date}T{:02}:{:02}:00Z", minute / HOUR, minute % HOUR)));
        }
        stamps
    }

    pub(crate) fn zone(&self) -> &'static str {
        self.zone
    }
}

/// RFC 3339 of a minute since the epoch.
pub(crate) fn stamp(minute: i64) -> String {
    Timestamp::from_second(minute * 60).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::{Calendar, DAY, FIRST_MONDAY, LENGTH, WEEK, stamp};
    use crate::dice::Dice;

    #[test]
    fn tables_begin_on_a_monday() {
        assert_eq!(stamp(FIRST_MONDAY), "2023-01-02T00:00:00Z");
        let calendar = Calendar::draw(&mut Dice::named("monday")).unwrap();
        assert_eq!((calendar.first - FIRST_MONDAY) % WEEK, 0);
        let stamps = calendar.stamps();
        assert_eq!(stamps.len() as i64, LENGTH);
        assert_eq!(stamps[777], stamp(calendar.first + 777));
    }

    #[test]
    fn local_time_follows_summer_time() {
        // 2024-03-25, the week in which Berlin moves from UTC+1 to UTC+2 (on Sunday the 31st).
        let first = FIRST_MONDAY + 64 * WEEK;
        assert_eq!(stamp(first), "2024-03-25T00:00:00Z");
        let calendar = Calendar::new("Europe/Berlin", first - 2 * WEEK).unwrap();
        let change = calendar.change_of_clock().unwrap();
        assert_eq!(stamp(calendar.first + change), "2024-03-31T01:00:00Z");
        assert_eq!(calendar.local(14, 540), 14 * DAY + 480);
        assert_eq!(calendar.local(22, 540), 22 * DAY + 420);
        assert!((calendar.local_hour(22 * DAY + 420) - 9.0).abs() < 1e-9);
        assert_eq!(calendar.month_ends(), [20]);
        assert!(Calendar::new("Asia/Tokyo", first).unwrap().change_of_clock().is_none());
    }
}
