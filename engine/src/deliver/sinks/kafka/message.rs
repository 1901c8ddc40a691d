//! One insight as one message: key, headers, value, and how it is made to fit.

use std::borrow::Cow;

use rdkafka::message::{Header, OwnedHeaders};
use trailsight_schemas::insight::{InsightEvent, InsightFormat};
use uuid::Uuid;

use crate::deliver::outbox::Row;

/// Bytes that Kafka adds to one message alone in its batch, rounded up: 61 of the batch, at most 36 of the message's
/// own lengths and times, 11 for each header's.
const OVERHEAD: usize = 256;

/// Bytes of an attributed value that is cut.
const KEPT: usize = 100;

/// How much of an insight a message holds. Lists are left whole or left out: the averages of a list add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// All of it.
    Whole,
    /// Values of attributions and principals cut to [`KEPT`] bytes.
    Cut,
    /// Neither attributions nor principals nor members.
    Bare,
}

impl Length {
    /// The next shorter one.
    pub(super) fn next(self) -> Option<Length> {
        match self {
            Length::Whole => Some(Length::Cut),
            Length::Cut => Some(Length::Bare),
            Length::Bare => None,
        }
    }
}

/// A message to be sent.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// The row it tells.
    pub(super) row: i64,
    /// The record in it.
    pub(super) event_id: Uuid,
    /// `sharedEventID`.
    pub(super) key: String,
    /// What it says without being opened.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The record.
    pub(super) value: Cow<'a, [u8]>,
    /// How much of it.
    pub(super) length: Length,
}

impl<'a> Message<'a> {
    /// The longest form of at most `from` that fits into `limit` bytes as Kafka counts them.
    pub(super) fn of(row: &'a Row, format: InsightFormat, from: Length, limit: usize) -> Result<Message<'a>, String> {
        let event = InsightEvent::parse(&row.insight_json)
            .map_err(|error| format!("the stored insight is unreadable: {error}"))?;
        let mut length = from;
        loop {
            let message = Message::made(row, &event, format, length);
            if message.bytes() <= limit {
                return Ok(message);
            }
            let shorter = length.next();
            let bytes = message.bytes();
            length =
                shorter.ok_or_else(|| format!("too large for the topic: {bytes} bytes at least, limit {limit}"))?;
        }
    }

    fn made(row: &'a Row, event: &InsightEvent, format: InsightFormat, length: Length) -> Message<'a> {
        let value = match (length, format) {
            (Length::Whole, InsightFormat::Full) => Cow::Borrowed(row.insight_json.as_slice()),
            (Length::Whole, _) => Cow::Owned(event.to_json(format).into_bytes()),
            _ => Cow::Owned(cut(event.clone(), length).to_json(format).into_bytes()),
        };
        let mut headers = headers(event);
        if length != Length::Whole {
            headers.push(("shortened", "true".to_owned()));
        }
        Message { row: row.id, event_id: row.event_id, key: event.shared_event_id.to_string(), headers, value, length }
    }

    /// What Kafka counts, at most.
    pub(super) fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.len() + headers + self.value.len() + OVERHEAD
    }

    pub(super) fn is_cut(&self) -> bool {
        self.length != Length::Whole
    }

    pub(super) fn owned_headers(&self) -> OwnedHeaders {
        let empty = OwnedHeaders::new_with_capacity(self.headers.len());
        self.headers.iter().fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
    }
}

fn headers(event: &InsightEvent) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("insight-id", event.event_id.to_string()),
        ("insight-state", event.details.state.as_str().to_owned()),
        ("insight-type", event.details.insight_type.as_str().to_owned()),
    ];
    if let Some(ours) = &event.trailsight {
        headers.push(("sensitivity", ours.sensitivity.as_str().to_owned()));
    }
    headers.push(("account", event.recipient_account_id.clone()));
    headers.push(("region", event.aws_region.clone()));
    headers
}

fn cut(mut event: InsightEvent, length: Length) -> InsightEvent {
    // What can be found in the data file again goes first.
    if let Some(ours) = &mut event.trailsight {
        ours.recommendations.clear();
    }
    if length == Length::Bare {
        event.details.attributions.clear();
        if let Some(ours) = &mut event.trailsight {
            ours.principals.clear();
            ours.members_omitted =
                ours.members_omitted.saturating_add(u32::try_from(ours.members.len()).unwrap_or(u32::MAX));
            ours.members.clear();
        }
        return event;
    }
    let attributions = event.details.attributions.iter_mut();
    attributions
        .flat_map(|list| list.insight.iter_mut().chain(&mut list.baseline))
        .for_each(|one| shorten(&mut one.value));
    let principals = event.trailsight.iter_mut().flat_map(|ours| &mut ours.principals);
    principals.for_each(|one| shorten(&mut one.value));
    event
}

/// The beginning, and eight digits by which the same value is known in another list and others are told apart.
fn shorten(value: &mut String) {
    if value.len() > KEPT {
        let (digits, ..) = Uuid::new_v5(&Uuid::NAMESPACE_OID, value.as_bytes()).as_fields();
        value.truncate(value.floor_char_boundary(KEPT));
        value.push_str(&format!("…{digits:08x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::fixtures::{insight, row};
    use trailsight_schemas::insight::{State, ValueAverage, check_relations};

    /// Five callers whose names differ in their last letters only.
    fn large(bytes: usize) -> Row {
        let mut event = insight();
        event.details.statistics.insight = 5.0;
        event.details.attributions.truncate(2);
        let value =
            |number: usize| ValueAverage { value: format!("{}é{number}", "é".repeat(bytes / 2)), average: 1.0 };
        for list in &mut event.details.attributions {
            list.insight = (0..5).map(value).collect();
        }
        Row { insight_json: event.to_json(InsightFormat::Full).into_bytes(), ..row(7, 100, State::Start) }
    }

    #[test]
    fn key_headers_and_value_are_those_of_the_interface() {
        let row = row(7, 100, State::End);
        let message = Message::of(&row, InsightFormat::Full, Length::Whole, 1 << 20).expect("it fits");
        assert_eq!(message.key, row.shared_event_id.to_string());
        assert_eq!(message.value, row.insight_json);
        let headers: Vec<(&str, &str)> = message.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let id = row.event_id.to_string();
        assert_eq!(
            headers,
            [
                ("insight-id", id.as_str()),
                ("insight-state", "End"),
                ("insight-type", "ApiCallRateInsight"),
                ("sensitivity", "medium"),
                ("account", "111122223333"),
                ("region", "eu-west-1")
            ]
        );
        let bare = Message::of(&row, InsightFormat::Aws, Length::Whole, 1 << 20).expect("it fits");
        assert!(!String::from_utf8_lossy(&bare.value).contains("trailsight"));
        assert_eq!(bare.headers, message.headers, "headers do not depend on the format");
    }

    #[test]
    fn what_is_too_large_loses_its_attributions_step_by_step_and_nothing_else() {
        let row = large(1000);
        for (limit, length, values) in
            [(20_000, Length::Whole, Some(5)), (5000, Length::Cut, Some(5)), (2000, Length::Bare, None)]
        {
            let message = Message::of(&row, InsightFormat::Full, Length::Whole, limit).expect("it fits");
            assert!(message.bytes() <= limit);
            assert_eq!((message.length, message.is_cut()), (length, length != Length::Whole));
            assert_eq!(message.headers.iter().any(|(name, _)| *name == "shortened"), message.is_cut());
            let told = InsightEvent::parse(&message.value).expect("an insight");
            assert_eq!(told.details.attributions.get(1).map(|list| list.insight.len()), values, "{limit}");
            assert_eq!((told.event_id, told.details.statistics.insight), (insight().event_id, 5.0));
            assert_eq!(check_relations(&told, None).iter().find(|broken| broken.contains("attribut")), None);
        }
        let error = Message::of(&row, InsightFormat::Full, Length::Whole, 500).expect_err("no form fits");
        assert!(error.starts_with("too large for the topic: ") && error.ends_with("limit 500"), "{error}");
        let shorter = Message::of(&row, InsightFormat::Full, Length::Bare, 1 << 20).expect("it fits");
        assert_eq!(shorter.length, Length::Bare, "not longer than asked");
    }

    #[test]
    fn what_is_stored_and_unreadable_is_an_error() {
        let broken = Row { insight_json: b"{".to_vec(), ..row(7, 100, State::Start) };
        let error = Message::of(&broken, InsightFormat::Full, Length::Whole, 1 << 20).expect_err("not an insight");
        assert!(error.starts_with("the stored insight is unreadable"), "{error}");
    }
}
