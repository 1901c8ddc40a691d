//! The record as bytes: AWS's keys in AWS's order, then `trailsight`.

use super::{Attributed, Extension, InsightDetails, InsightEvent, InsightType, Principal, Recommendation, Statistics};
use super::{ValueAverage, average};
use crate::time::format_rfc3339;

/// How much of an insight is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InsightFormat {
    /// AWS's record and our own facts under the key `trailsight`.
    #[default]
    Full,
    /// AWS's record alone.
    Aws,
}

impl InsightFormat {
    /// Whether insights of this type are sent in this format: AWS has no account-level types, and software
    /// that reads AWS's records has no place for them.
    pub const fn carries(self, insight_type: InsightType) -> bool {
        matches!(self, InsightFormat::Full) || insight_type.known_to_aws()
    }
}

impl InsightEvent {
    /// The record on one line, without a line end. Averages have at most ten decimals; `eventTime` is the
    /// whole minute that `event_time` lies in.
    ///
    /// Any event can be written in any format; what may be *sent* is asked of [`InsightFormat::carries`].
    pub fn to_json(&self, format: InsightFormat) -> String {
        let mut out = String::with_capacity(2048);
        let mut top = Object::open(&mut out);
        top.string("eventVersion", &self.event_version);
        top.string("eventTime", &format_rfc3339(self.event_time - self.event_time.rem_euclid(60)));
        top.string("awsRegion", &self.aws_region);
        top.string("eventID", &self.event_id.to_string());
        top.string("eventType", "AwsCloudTrailInsight");
        if !self.recipient_account_id.is_empty() {
            top.string("recipientAccountId", &self.recipient_account_id);
        }
        top.string("sharedEventID", &self.shared_event_id.to_string());
        details(top.key("insightDetails"), &self.details);
        top.string("eventCategory", "Insight");
        if let Some(addendum) = &self.addendum {
            top.key("addendum").push_str(addendum);
        }
        if let (InsightFormat::Full, Some(own)) = (format, &self.trailsight) {
            extension(top.key("trailsight"), own);
        }
        top.close();
        out
    }
}

fn details(out: &mut String, details: &InsightDetails) {
    let mut object = Object::open(out);
    object.string("state", details.state.as_str());
    object.string("eventSource", &details.event_source);
    object.string("eventName", &details.event_name);
    object.string("insightType", details.insight_type.as_str());
    object.optional("errorCode", details.error_code.as_deref());
    object.optional("sourceEventCategory", details.source_event_category.map(|category| category.as_str()));
    let mut context = Object::open(object.key("insightContext"));
    statistics(context.key("statistics"), &details.statistics);
    if !details.attributions.is_empty() {
        list(context.key("attributions"), &details.attributions, attributed);
    }
    context.close();
    object.optional("insightSource", details.insight_source.as_deref());
    object.close();
}

fn statistics(out: &mut String, statistics: &Statistics) {
    let mut object = Object::open(out);
    for (key, value) in [("baseline", statistics.baseline), ("insight", statistics.insight)] {
        let mut inner = Object::open(object.key(key));
        inner.average("average", value);
        inner.close();
    }
    for (key, minutes) in
        [("insightDuration", statistics.insight_duration), ("baselineDuration", statistics.baseline_duration)]
    {
        if minutes > 0 {
            object.whole(key, minutes);
        }
    }
    object.close();
}

fn attributed(out: &mut String, attributed: &Attributed) {
    let mut object = Object::open(out);
    object.string("attribute", attributed.attribute.as_str());
    list(object.key("insight"), &attributed.insight, value_average);
    list(object.key("baseline"), &attributed.baseline, value_average);
    object.close();
}

fn value_average(out: &mut String, pair: &ValueAverage) {
    let mut object = Object::open(out);
    object.string("value", &pair.value);
    object.average("average", pair.average);
    object.close();
}

fn extension(out: &mut String, own: &Extension) {
    let mut object = Object::open(out);
    object.string("sensitivity", own.sensitivity.as_str());
    object.string("direction", own.direction.as_str());
    object.string("test", own.test.as_str());
    object.average("expected", own.expected);
    object.average("observed", own.observed);
    average::push_shortest(object.key("chancePerWeek"), own.chance_per_week);
    object.string("series", &own.series);
    if own.thresholds.iter().any(Option::is_some) {
        thresholds(object.key("thresholds"), &own.thresholds);
    }
    list(object.key("principals"), &own.principals, principal);
    if !own.members.is_empty() {
        list(object.key("members"), &own.members, |out, member| out.push_str(&quoted(member)));
    }
    if own.members_omitted > 0 {
        object.whole("membersOmitted", own.members_omitted);
    }
    object.string("detectedAt", &with_milliseconds(own.detected_at));
    object.string("dataThrough", &format_rfc3339(own.data_through));
    object.optional("endReason", own.end_reason.map(|reason| reason.as_str()));
    if !own.recommendations.is_empty() {
        list(object.key("recommendations"), &own.recommendations, recommendation);
    }
    object.optional("leader", own.leader.map(|lead| lead.to_string()).as_deref());
    object.whole("revision", own.revision);
    object.optional("url", own.url.as_deref());
    object.close();
}

fn thresholds(out: &mut String, thresholds: &[Option<f64>; 3]) {
    let mut object = Object::open(out);
    for (level, threshold) in ["low", "medium", "high"].into_iter().zip(thresholds) {
        if let Some(threshold) = threshold {
            object.average(level, *threshold);
        }
    }
    object.close();
}

fn principal(out: &mut String, principal: &Principal) {
    let mut object = Object::open(out);
    object.string("value", &principal.value);
    object.average("average", principal.average);
    object.average("baseline", principal.baseline);
    object.key("new").push_str(if principal.new { "true" } else { "false" });
    object.close();
}

fn recommendation(out: &mut String, one: &Recommendation) {
    let mut object = Object::open(out);
    object.string("text", &one.text);
    object.optional("command", one.command.as_deref());
    object.close();
}

/// RFC 3339 with three decimals of the second.
fn with_milliseconds(milliseconds: i64) -> String {
    let mut text = format_rfc3339(milliseconds.div_euclid(1000));
    text.truncate(text.len().saturating_sub(1));
    format!("{text}.{:03}Z", milliseconds.rem_euclid(1000))
}

struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

impl Object<'_> {
    fn open(out: &mut String) -> Object<'_> {
        out.push('{');
        Object { out, empty: true }
    }

    fn key(&mut self, name: &'static str) -> &mut String {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
        self.out
    }

    fn string(&mut self, name: &'static str, value: &str) {
        self.key(name).push_str(&quoted(value));
    }

    fn optional(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.string(name, value);
        }
    }

    fn average(&mut self, name: &'static str, value: f64) {
        average::push(self.key(name), value);
    }

    fn whole(&mut self, name: &'static str, value: u32) {
        let digits = value.to_string();
        self.key(name).push_str(&digits);
    }

    fn close(self) {
        self.out.push('}');
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list<T>(out: &mut String, items: &[T], write: fn(&mut String, &T)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}
