//! The places of a command, and what stands there for one insight.

use trailsight_schemas::insight::{Direction, InsightEvent, InsightType};
use trailsight_schemas::time::format_rfc3339;

use super::quoting::{shell, sql};

/// Before the Start, and after what is known of it: calls that led there, and those that came meanwhile.
const MARGIN: i64 = 600;
/// How far back the cause of a silence is looked for.
const BEFORE: i64 = 6 * 3600;
const DAY: i64 = 24 * 3600;

/// What the insight has for each place, as it came.
pub(super) struct Places(Vec<(&'static str, String)>);

impl Places {
    pub(super) fn of(event: &InsightEvent) -> Places {
        let details = &event.details;
        let started = event.event_time;
        let over = started + i64::from(details.statistics.insight_duration.max(1)) * 60 + MARGIN;
        let day = |seconds: i64| format_rfc3339(seconds).chars().take(10).collect::<String>();
        let mut places = vec![
            ("account", event.recipient_account_id.clone()),
            ("source", details.event_source.clone()),
            ("service", details.event_source.trim_end_matches(".amazonaws.com").to_owned()),
            ("name", details.event_name.clone()),
            ("from", format_rfc3339(started - MARGIN)),
            ("to", format_rfc3339(over)),
            ("before", format_rfc3339(started - BEFORE)),
            ("day_before", day(started - 7 * DAY)),
            ("day_after", day(started + DAY)),
            ("lookup", lookup(event)),
            ("where", condition(event)),
        ];
        // An insight about all Regions has none to ask.
        let region = if event.aws_region == "*" { "us-east-1" } else { &event.aws_region };
        places.push(("region", region.to_owned()));
        places.extend(details.error_code.clone().map(|code| ("code", code)));
        places.extend(principal(event).into_iter().flat_map(of_principal));
        Places(places)
    }

    /// `None` where the insight has nothing for a place.
    pub(super) fn fill_command(&self, template: &str) -> Option<String> {
        fill(template, |place| shell(self.get(place)?))
    }

    /// The same for SQL.
    pub(super) fn fill_query(&self, template: &str) -> Option<String> {
        fill(template, |place| match place {
            "where" => self.get(place).map(str::to_owned),
            other => self.get(other).map(sql),
        })
    }

    fn get(&self, place: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == place).map(|(_, value)| value.as_str())
    }
}

/// Puts what `value` says in the place of each `{word}`. Other braces stay: commands hold JSON.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let word = after.split_once('}').filter(|(word, _)| is_place(word));
        match word {
            Some((word, behind)) => {
                out.push_str(&value(word)?);
                rest = behind;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Some(out)
}

fn is_place(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// What `lookup-events` is asked for. Its short form would read a comma as the next attribute.
fn lookup(event: &InsightEvent) -> String {
    let (name, whole) = (&event.details.event_name, !event.details.insight_type.known_to_aws());
    if whole {
        return "AttributeKey=ReadOnly,AttributeValue=false".to_owned();
    }
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return format!("AttributeKey=EventName,AttributeValue={name}");
    }
    serde_json::json!([{ "AttributeKey": "EventName", "AttributeValue": name }]).to_string()
}

/// The calls of the insight in a table of CloudTrail, as a condition with its literals.
fn condition(event: &InsightEvent) -> String {
    let details = &event.details;
    let mut parts = vec![format!("recipientaccountid = {}", sql(&event.recipient_account_id))];
    if event.aws_region != "*" {
        parts.push(format!("awsregion = {}", sql(&event.aws_region)));
    }
    if details.insight_type.known_to_aws() {
        parts.push(format!("eventsource = {}", sql(&details.event_source)));
        parts.push(format!("eventname = {}", sql(&details.event_name)));
    }
    if let Some(code) = &details.error_code {
        parts.push(format!("errorcode = {}", sql(code)));
    }
    if details.insight_type == InsightType::AccountDenied {
        parts.push("errorcode IS NOT NULL".to_owned());
    }
    parts.join(" AND ")
}

/// Who had the most of the excess. A drop is nobody's doing.
fn principal(event: &InsightEvent) -> Option<&str> {
    let own = event.trailsight.as_ref().filter(|own| own.direction == Direction::Above)?;
    let excess = |one: &trailsight_schemas::insight::Principal| one.average - one.baseline;
    let most = own.principals.iter().max_by(|a, b| excess(a).total_cmp(&excess(b)))?;
    (excess(most) > 0.0).then_some(most.value.as_str())
}

/// The ARN, and the role or user by the name that IAM knows.
fn of_principal(value: &str) -> Vec<(&'static str, String)> {
    let Some((account, resource)) = value.strip_prefix("arn:").and_then(|arn| {
        let mut parts = arn.splitn(5, ':').skip(3);
        Some((parts.next()?, parts.next()?))
    }) else {
        return Vec::new();
    };
    let partition = value.split(':').nth(1).unwrap_or("aws");
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    if let Some(role) = resource.strip_prefix("assumed-role/") {
        let role = role.split('/').next().unwrap_or(role).to_owned();
        return vec![("arn", format!("arn:{partition}:iam::{account}:role/{role}")), ("role", role)];
    }
    if let Some(role) = resource.strip_prefix("role/") {
        return vec![("arn", value.to_owned()), ("role", last(role))];
    }
    if let Some(user) = resource.strip_prefix("user/") {
        return vec![("arn", value.to_owned()), ("user", last(user))];
    }
    vec![("arn", value.to_owned())]
}
