//! What HTTP may ask of the state: which series are watched, and one of them by the minute.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use trailsight_schemas::insight::Sensitivity;
use trailsight_schemas::time::{Minute, format_rfc3339};

use crate::detect::watched::{Order, Outlook, Spans, Wanted, Watched, levels};
use crate::http::{
    POINTS, QueryError, RECENT, SeriesFilter, SeriesMinutes, SeriesPage, SeriesPoint, SeriesView, Sort, Span,
    Thresholds, Watch,
};
use crate::journal::minutes::{Period, Point};

use super::shared::Shared;

/// Points of an answer that names no begin.
const USUAL: u32 = 1440;
/// Minutes that the coarsest point holds.
const COARSEST: u32 = 60;

impl Watch for Shared {
    fn series(&self, filter: &SeriesFilter, limit: usize, cursor: Option<&str>) -> Result<SeriesPage, QueryError> {
        let wanted = Wanted {
            search: filter.search.clone(),
            parts: [&filter.account, &filter.region, &filter.source, &filter.name].map(Clone::clone),
            order: match filter.sort {
                Sort::Name => Order::Name,
                Sort::Unusual => Order::Unusual,
                Sort::Calls => Order::Calls,
            },
            after: cursor.map(|cursor| place(cursor).ok_or(QueryError::Cursor)).transpose()?,
        };
        let (found, more) = self.questions.ask(move |detect| detect.watched(&wanted, limit)).ok_or(QueryError::Busy)?;
        let last = found.last().filter(|_| more).map(|(rank, last)| cursor_of(*rank, &last.path));
        let mut series: Vec<SeriesView> = found.iter().map(|(_, watched)| view(watched.clone())).collect();
        if let Some(period) = filter.recent.and_then(Period::of_seconds) {
            for (view, (_, watched)) in series.iter_mut().zip(&found) {
                view.recent = Some(self.recent(watched, period)?);
            }
        }
        Ok(SeriesPage { series, next: last })
    }

    fn series_minutes(&self, id: &str, span: &Span) -> Result<Option<SeriesMinutes>, QueryError> {
        let Some(path) = decoded(id) else { return Ok(None) };
        let (Some(period), asked) = (Period::of_seconds(span.period), *span) else { return Err(QueryError::Span) };
        let [since, until] =
            [span.since, span.until].map(|time| time.map(|time| Minute::of_seconds(time).unwrap_or_default()));
        let together = period.minutes();
        let spans = move |newest: Minute| {
            let until = until.unwrap_or(Minute(newest.0 + 1));
            let since = since.unwrap_or(Minute(until.0.saturating_sub(USUAL * together)));
            // Points that hold more than was asked for may begin before.
            let since = since.0 / COARSEST * COARSEST;
            let count = until.0.saturating_sub(since).div_ceil(together);
            Spans { since: Minute(since), minutes: together, count: if count > POINTS + COARSEST { 0 } else { count } }
        };
        let key = path.clone();
        let answer = self.questions.ask(move |detect| detect.outlook(&key, spans)).ok_or(QueryError::Busy)?;
        let Some((watched, spans, outlooks)) = answer else { return Ok(None) };
        if spans.count == 0 {
            return Err(QueryError::Span);
        }
        let from = asked.since.and_then(Minute::of_seconds).unwrap_or(Minute(0)).0 / together * together;
        let until = Minute(spans.since.0 + spans.count * together);
        let known = self.minutes_of(&path, spans.since, until, period)?;
        let minutes =
            points(spans, &known, &outlooks).into_iter().filter(|(start, end, _)| *end > from && *start < until.0);
        Ok(Some(SeriesMinutes { series: view(watched), minutes: minutes.map(|(_, _, point)| point).collect() }))
    }
}

impl Shared {
    /// Calls in the newest periods of a series, the one that is not over among them.
    fn recent(&self, watched: &Watched, period: Period) -> Result<Vec<u64>, QueryError> {
        let length = period.minutes();
        let end = (watched.minute.0 / length + 1) * length;
        let since = end.saturating_sub(RECENT * length);
        Ok(placed(&self.minutes_of(&watched.path, Minute(since), Minute(end), period)?, since, length))
    }
}

/// Calls by period from `since` on. What is kept coarser than was asked for stands at its begin.
fn placed(points: &[Point], since: u32, length: u32) -> Vec<u64> {
    let mut calls = vec![0u64; RECENT as usize];
    for point in points {
        let place = point.minute.0.saturating_sub(since) / length;
        if let Some(many) = calls.get_mut(place as usize) {
            *many = many.saturating_add(point.calls);
        }
    }
    calls
}

/// Points without gaps, each with its begin and end in minutes: what has no calls has a point too, and a point that
/// holds more than one span takes their place.
fn points(spans: Spans, known: &[Point], outlooks: &[Outlook]) -> Vec<(u32, u32, SeriesPoint)> {
    let mut all = Vec::with_capacity(outlooks.len());
    let mut nth = 0;
    while let Some(outlook) = outlooks.get(nth) {
        let start = spans.since.0 + nth as u32 * spans.minutes;
        let at = known.binary_search_by_key(&start, |point| point.minute.0).ok().map(|at| known[at]);
        let minutes = at.map_or(spans.minutes, |point| point.minutes.max(spans.minutes));
        let held = (minutes / spans.minutes).max(1) as usize;
        let expected = outlooks[nth..].iter().take(held).map(|outlook| outlook.expected).sum();
        all.push((
            start,
            start + minutes,
            SeriesPoint {
                minute: format_rfc3339(i64::from(start) * 60),
                seconds: minutes * 60,
                observed: at.map_or(0, |point| point.calls),
                expected,
                thresholds: (minutes == 1).then(|| thresholds(outlook)),
            },
        ));
        nth += held;
    }
    all
}

fn view(watched: Watched) -> SeriesView {
    let [account, region, source, name, code] = watched.parts;
    SeriesView {
        id: URL_SAFE_NO_PAD.encode(&watched.path),
        account,
        region,
        source,
        name,
        error_code: Some(code).filter(|code| !code.is_empty()),
        r#type: watched.kind.as_str(),
        minute: format_rfc3339(watched.minute.seconds()),
        observed: watched.observed,
        expected: watched.outlook.expected,
        thresholds: thresholds(&watched.outlook),
        last_call: watched.last_call.map(|minute| format_rfc3339(minute.seconds())),
        open: watched.open.map(Sensitivity::as_str),
        recent: None,
    }
}

fn thresholds(outlook: &Outlook) -> Thresholds {
    let mut by_level = Thresholds::default();
    for (level, least) in levels().into_iter().zip(outlook.thresholds) {
        match level {
            Sensitivity::Low => by_level.low = least,
            Sensitivity::Medium => by_level.medium = least,
            Sensitivity::High => by_level.high = least,
        }
    }
    by_level
}

/// Rank and path of the last series of a page.
fn cursor_of(rank: f64, path: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{:016x}{path}", rank.to_bits()))
}

fn place(cursor: &str) -> Option<(f64, String)> {
    let text = decoded(cursor)?;
    let (rank, path) = text.split_at_checked(16)?;
    Some((f64::from_bits(u64::from_str_radix(rank, 16).ok()?), path.to_owned()))
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_and_others_do_not() {
        for rank in [0.0, -1.5, f64::INFINITY, 1e300] {
            assert_eq!(place(&cursor_of(rank, "1/eu/ec2/É")), Some((rank, "1/eu/ec2/É".to_owned())));
        }
        for wrong in ["", "####", "AAAA", &URL_SAFE_NO_PAD.encode("no hexadecimal number")] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn recent_calls_stand_in_their_periods() {
        let known = [(600, 5, 7), (604, 1, 3), (839, 1, 2), (840, 1, 9)];
        let known = known.map(|(at, minutes, calls)| Point { minute: Minute(at), minutes, calls });
        let calls = placed(&known, 600, 5);
        assert_eq!((calls.len(), calls[0], calls[47], calls.iter().sum()), (48, 10, 2, 12u64), "what is later is left");
    }

    #[test]
    fn points_have_no_gaps_and_coarse_ones_take_the_place_of_what_they_hold() {
        let spans = Spans { since: Minute(600), minutes: 1, count: 12 };
        let outlook = Outlook { expected: 0.5, thresholds: [Some(9), Some(5), None] };
        let known = [(600, 5, 7), (606, 1, 3)].map(|(at, minutes, calls)| Point { minute: Minute(at), minutes, calls });
        let made = points(spans, &known, &[outlook; 12]);
        let told: Vec<(u32, u32, u64)> =
            made.iter().map(|(start, end, point)| (*start, *end, point.observed)).collect();
        assert_eq!(told[..3], [(600, 605, 7), (605, 606, 0), (606, 607, 3)]);
        assert!(told.windows(2).all(|pair| pair[0].1 == pair[1].0) && told.last().is_some_and(|last| last.1 == 612));
        let (first, third) = (&made[0].2, &made[2].2);
        assert_eq!((first.seconds, first.expected, first.thresholds), (300, 2.5, None));
        assert_eq!(third.thresholds, Some(Thresholds { low: Some(9), medium: Some(5), high: None }));
    }
}
