//! The figures of one insight, counted again.
//!
//! The windows, in whole minutes of event time:
//!
//! - baseline: from midnight UTC seven days before the day of the Start up to the Start;
//! - a Start: `insightDuration` minutes that end where the deciding minute ends, which is what a replay
//!   writes as `detectedAt`;
//! - an End: from the Start's `eventTime` to its own.

use std::collections::BTreeMap;

use serde_json::Value;

use super::calls::{Call, Calls, Kind};
use super::time::minute_of;

/// Codes that say that a call was denied, of those that scenarios use.
const DENIED: [&str; 3] = ["AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation"];

/// What an insight is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Account, Region, event source, event name.
    pub api: [String; 4],
    /// The error code of an error-rate insight.
    pub error: Option<String>,
    /// `insightType` of an insight about a whole account.
    pub of_account: Option<String>,
}

impl Key {
    fn holds(&self, call: &Call) -> bool {
        if self.of_account.is_some() {
            let denied = call.error.as_ref().is_some_and(|code| DENIED.contains(&code.as_str()));
            return call.account == self.api[0] && denied;
        }
        let same = [&call.account, &call.region, &call.source, &call.name] == self.api.each_ref();
        match &self.error {
            Some(code) => same && call.kind != Kind::Data && call.error.as_ref() == Some(code),
            None => same && call.kind == Kind::Write,
        }
    }
}

/// The key an insight names in AWS's own fields.
pub fn key_of(insight: &Value) -> Key {
    let details = &insight["insightDetails"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Key {
        api: [
            text(&insight["recipientAccountId"]),
            text(&insight["awsRegion"]),
            text(&details["eventSource"]),
            text(&details["eventName"]),
        ],
        error: details["errorCode"].as_str().map(str::to_owned),
        of_account: details["insightType"].as_str().filter(|of| of.starts_with("Account")).map(str::to_owned),
    }
}

/// Everything in which `insight` differs from what these records say. `start` is the incident's first
/// Start; `insight` may be that one.
pub fn disagreements(calls: &Calls, insight: &Value, start: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let Some(begun) = start["eventTime"].as_str().and_then(minute_of) else {
        return vec!["the Start has no eventTime".to_owned()];
    };
    let key = key_of(insight);
    // What woke up, and whose silence it was, is judged by the scenarios; the window is the same for all.
    if key.of_account.as_ref().is_some_and(|of| of != "AccountDeniedInsight") {
        let minutes = &insight["insightDetails"]["insightContext"]["statistics"]["baselineDuration"];
        number(&mut found, "baselineDuration", minutes, (begun - (begun / 1440 - 7) * 1440) as f64);
        return found;
    }
    let of_series: Vec<&Call> = calls.calls.iter().filter(|call| key.holds(call)).collect();
    let midnight = (begun / 1440 - 7) * 1440;
    let baseline = Window::over(&of_series, midnight, begun);
    let Some(judged) = judged_window(&of_series, insight, begun) else {
        return vec!["the judged window cannot be told from detectedAt, eventTime and insightDuration".to_owned()];
    };

    let context = &insight["insightDetails"]["insightContext"];
    let statistics = &context["statistics"];
    number(&mut found, "baselineDuration", &statistics["baselineDuration"], baseline.minutes as f64);
    number(&mut found, "insightDuration", &statistics["insightDuration"], judged.minutes as f64);
    number(&mut found, "baseline.average", &statistics["baseline"]["average"], baseline.average(baseline.count()));
    number(&mut found, "insight.average", &statistics["insight"]["average"], judged.average(judged.count()));

    let mut wanted = vec!["userIdentityArn", "userAgent"];
    if key.error.is_none() {
        wanted.push("errorCode");
    }
    for attribute in wanted {
        let listed =
            context["attributions"].as_array().and_then(|list| list.iter().find(|each| each["attribute"] == attribute));
        let Some(listed) = listed else {
            // A block is left out where no record has a value for it.
            let told = |window: &Window<'_>| window.calls.iter().any(|call| value_of(call, attribute).is_some());
            if told(&judged) || told(&baseline) {
                found.push(format!("no attribution by {attribute}"));
            }
            continue;
        };
        top_five(&mut found, &format!("{attribute}.insight"), &listed["insight"], &judged, attribute);
        top_five(&mut found, &format!("{attribute}.baseline"), &listed["baseline"], &baseline, attribute);
    }
    found
}

struct Window<'a> {
    minutes: i64,
    calls: Vec<&'a Call>,
}

impl<'a> Window<'a> {
    fn over(calls: &[&'a Call], from: i64, to: i64) -> Window<'a> {
        let calls = calls.iter().copied().filter(|call| (from..to).contains(&call.minute)).collect();
        Window { minutes: to - from, calls }
    }

    fn count(&self) -> u64 {
        self.calls.iter().map(|call| call.calls).sum()
    }

    fn average(&self, count: u64) -> f64 {
        count as f64 / self.minutes as f64
    }
}

fn judged_window<'a>(calls: &[&'a Call], insight: &Value, begun: i64) -> Option<Window<'a>> {
    let (from, to) = if insight["insightDetails"]["state"] == "End" {
        (begun, minute_of(insight["eventTime"].as_str()?)?)
    } else {
        let decided = minute_of(insight["trailsight"]["detectedAt"].as_str()?)?;
        let minutes = insight["insightDetails"]["insightContext"]["statistics"]["insightDuration"].as_i64()?;
        (decided - minutes, decided)
    };
    (to > from).then(|| Window::over(calls, from, to))
}

/// Ten decimals are written, so half of the last place is what a number may be off.
fn number(found: &mut Vec<String>, what: &str, said: &Value, is: f64) {
    if said.as_f64().is_none_or(|said| (said - is).abs() > 0.500_001e-10 + is.abs() * 1e-15) {
        found.push(format!("{what} is {said}, the records say {is:.10}"));
    }
}

fn value_of(call: &Call, attribute: &str) -> Option<String> {
    match attribute {
        "userIdentityArn" => call.identity.clone(),
        "userAgent" => call.agent.clone(),
        // AWS writes the string for calls that did not fail.
        _ => Some(call.error.clone().unwrap_or_else(|| "null".to_owned())),
    }
}

/// Most calls first, ties by the value. Records without the attribute have no documented value, so a list
/// that holds some of them is compared in what it says of the named ones.
fn top_five(found: &mut Vec<String>, what: &str, said: &Value, window: &Window<'_>, attribute: &str) {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut unnamed = false;
    for call in &window.calls {
        match value_of(call, attribute) {
            Some(value) => *counts.entry(value).or_default() += call.calls,
            None => unnamed = true,
        }
    }
    let Some(said) = said.as_array() else {
        found.push(format!("{what} is not a list"));
        return;
    };
    if unnamed {
        for each in said {
            if let Some(count) = each["value"].as_str().and_then(|value| counts.get(value)) {
                number(found, what, &each["average"], window.average(*count));
            }
        }
        return;
    }
    let mut ranked: Vec<(String, u64)> = counts.into_iter().collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    ranked.truncate(5);
    let names: Vec<&str> = said.iter().filter_map(|each| each["value"].as_str()).collect();
    let expected: Vec<&str> = ranked.iter().map(|(value, _)| value.as_str()).collect();
    if names != expected {
        found.push(format!("{what} lists {names:?}, the records say {expected:?}"));
        return;
    }
    for (each, (_, count)) in said.iter().zip(&ranked) {
        number(found, what, &each["average"], window.average(*count));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::time::stamp;
    use super::{Calls, disagreements};

    /// Nine days of one call an hour by a role, then six calls in minute `AT` by somebody new.
    const AT: i64 = 29_540_160 + 9 * 1440 + 190;

    fn calls() -> Calls {
        let mut calls = Calls::default();
        let mut put = |minute: i64, arn: &str, id: String| {
            let record = json!({"eventTime": stamp(minute, 5), "eventID": id, "eventSource": "iam.amazonaws.com",
                "eventName": "CreateUser", "awsRegion": "us-east-1", "recipientAccountId": "111122223333",
                "userIdentity": {"arn": arn}, "userAgent": "cli", "readOnly": false});
            calls.add(record.to_string().as_bytes());
        };
        for minute in (AT - 9 * 1440 - 190..AT).step_by(60) {
            put(minute, "arn:aws:sts::111122223333:assumed-role/ci/build", format!("a{minute}"));
        }
        (0..6).for_each(|n| put(AT, "arn:aws:iam::111122223333:user/mallory", format!("b{n}")));
        calls
    }

    fn insight() -> Value {
        let hours = (7 * 1440 + 190) / 60 + 1;
        let baseline = f64::from(hours) / f64::from(10_080 + 190);
        json!({"eventTime": stamp(AT, 0), "awsRegion": "us-east-1", "recipientAccountId": "111122223333",
            "insightDetails": {"state": "Start", "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
                "insightContext": {"statistics": {"baseline": {"average": baseline}, "insight": {"average": 6},
                    "insightDuration": 1, "baselineDuration": 10_270}, "attributions": [
                    {"attribute": "userIdentityArn",
                     "insight": [{"value": "arn:aws:iam::111122223333:user/mallory", "average": 6}],
                     "baseline": [{"value": "arn:aws:sts::111122223333:assumed-role/ci", "average": baseline}]},
                    {"attribute": "userAgent", "insight": [{"value": "cli", "average": 6}],
                     "baseline": [{"value": "cli", "average": baseline}]},
                    {"attribute": "errorCode", "insight": [{"value": "null", "average": 6}],
                     "baseline": [{"value": "null", "average": baseline}]}]}},
            "trailsight": {"detectedAt": stamp(AT + 1, 0)}})
    }

    #[test]
    fn a_right_insight_agrees() {
        assert_eq!(disagreements(&calls(), &insight(), &insight()), Vec::<String>::new());
    }

    #[test]
    fn every_wrong_figure_is_found() {
        let context = "/insightDetails/insightContext";
        for (path, wrong) in [
            ("/statistics/baseline/average", json!(0.0163)),
            ("/statistics/insight/average", json!(5)),
            ("/statistics/insightDuration", json!(2)),
            ("/statistics/baselineDuration", json!(10_269)),
            ("/attributions/0/insight/0/value", json!("arn:aws:iam::111122223333:user/ann")),
            ("/attributions/0/baseline/0/value", json!("arn:aws:sts::111122223333:assumed-role/ci/build")),
            ("/attributions/1/insight", json!([])),
            ("/attributions/2/baseline/0/average", json!(0)),
            ("/attributions/2/attribute", json!("errorcode")),
        ] {
            let mut changed = insight();
            *changed.pointer_mut(&format!("{context}{path}")).expect("the path is there") = wrong;
            assert!(!disagreements(&calls(), &changed, &insight()).is_empty(), "{path}");
        }
    }
}
