//! The words that traffic and expectations share: times, durations, APIs, callers.

use crate::records::DAY_0;

/// A mistake in one clause, said to the person who wrote it.
pub(super) type Said<T> = Result<T, String>;

/// `90m`, `6h`, `2d` in minutes.
pub(super) fn duration(text: &str) -> Said<i64> {
    let wrong = || format!("{text:?} is not a duration such as 5m, 6h or 2d");
    let unit = match text.chars().last() {
        Some('m') => 1,
        Some('h') => 60,
        Some('d') => 1440,
        _ => return Err(wrong()),
    };
    let count: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    if count > 0 { Ok(count * unit) } else { Err(wrong()) }
}

/// `03:10` in minutes of the day; `24:00` is its end.
pub(super) fn clock(text: &str) -> Said<i64> {
    let wrong = || format!("{text:?} is not a time of day such as 03:10");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let (hour, minute): (i64, i64) = (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    let of_day = hour * 60 + minute;
    if (0..60).contains(&minute) && (0..=1440).contains(&of_day) { Ok(of_day) } else { Err(wrong()) }
}

/// A day's number, 0 being a Monday.
pub(super) fn day(text: &str) -> Said<i64> {
    text.parse().ok().filter(|day| (0..100).contains(day)).ok_or_else(|| format!("{text:?} is not a day from 0 to 99"))
}

/// Minute since the epoch of a day and time of day.
pub(super) fn minute(day_text: &str, clock_text: &str) -> Said<i64> {
    Ok(DAY_0 + day(day_text)? * 1440 + clock(clock_text)?)
}

/// `iam:CreateUser` as event source and name.
pub(super) fn api(text: &str) -> Said<(String, String)> {
    match text.split_once(':') {
        Some((service, name)) if !service.is_empty() && !name.is_empty() => {
            Ok((format!("{service}.amazonaws.com"), name.to_owned()))
        }
        _ => Err(format!("{text:?} is not an API such as iam:CreateUser")),
    }
}

/// `role/ci`, `user/ann` or `root` as the ARN that insights name.
pub(super) fn caller(text: &str, account: &str) -> Said<String> {
    match text.split_once('/') {
        Some(("role", name)) if !name.is_empty() => Ok(format!("arn:aws:sts::{account}:assumed-role/{name}")),
        Some(("user", name)) if !name.is_empty() => Ok(format!("arn:aws:iam::{account}:user/{name}")),
        None if text == "root" => Ok(format!("arn:aws:iam::{account}:root")),
        _ => Err(format!("{text:?} is not a caller such as role/ci, user/ann or root")),
    }
}
