//! What must hold for every insight, whoever prints it and whatever it is about: AWS's shape, the arithmetic
//! between its figures, and what ties the records of one incident together.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use trailsight_tests::reference::minute_of;

/// Parses one insight a line and fails on the first line that breaks a relation.
#[track_caller]
pub(crate) fn check(lines: &str) -> Vec<Value> {
    let mut insights = Vec::new();
    for line in lines.lines() {
        let insight: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
        let broken = [of_text(line), of_one(&insight)].concat();
        assert!(broken.is_empty(), "{broken:#?}\n{line}");
        insights.push(insight);
    }
    let broken = of_all(&insights);
    // The records of the incidents that are named, not all that were printed.
    let named = |line: &&str| {
        let id = line.split_once("\"sharedEventID\":\"").and_then(|(_, rest)| rest.get(..36));
        id.is_some_and(|id| broken.iter().any(|what| what.contains(id)))
    };
    let records: Vec<&str> = lines.lines().filter(named).take(6).collect();
    assert!(broken.is_empty(), "{broken:#?}\n{}", records.join("\n"));
    insights
}

const ORDER: [&str; 9] = [
    "eventVersion",
    "eventTime",
    "awsRegion",
    "eventID",
    "eventType",
    "recipientAccountId",
    "sharedEventID",
    "insightDetails",
    "eventCategory",
];

/// AWS's order of keys; our own one last.
fn of_text(line: &str) -> Vec<String> {
    let places: Vec<Option<usize>> = ORDER.iter().map(|key| line.find(&format!("\"{key}\":"))).collect();
    let own = line.find("\"trailsight\":{").unwrap_or(line.len());
    let mut broken = Vec::new();
    if !places.is_sorted() || places.contains(&None) || places.last().is_some_and(|last| *last > Some(own)) {
        broken.push(format!("keys are not in the order {ORDER:?}, trailsight"));
    }
    broken
}

/// Everything that one record can be asked by itself.
pub(crate) fn of_one(insight: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            broken.push(what);
        }
    };
    let known = |key: &String| ORDER.contains(&key.as_str()) || key == "trailsight";
    must(insight.as_object().is_some_and(|keys| keys.keys().all(known)), "a key that AWS does not have".to_owned());
    let details = &insight["insightDetails"];
    let (state, kind) = (&details["state"], &details["insightType"]);
    let time = insight["eventTime"].as_str().unwrap_or_default();
    must(insight["eventType"] == "AwsCloudTrailInsight", "eventType".to_owned());
    must(insight["eventCategory"] == "Insight", "eventCategory".to_owned());
    must(state == "Start" || state == "End", format!("state {state}"));
    let of_account = ["AccountSweepInsight", "AccountDeniedInsight", "AccountSilenceInsight"];
    let of_account = of_account.iter().any(|own| kind == own);
    must(of_account || kind == "ApiCallRateInsight" || kind == "ApiErrorRateInsight", format!("insightType {kind}"));
    let everything = details["eventSource"] == "*" && details["eventName"] == "*";
    must(everything == of_account, "eventSource and eventName".to_owned());
    must(kind != "AccountSweepInsight" || insight["trailsight"]["members"].is_array(), "a sweep of nothing".to_owned());
    must(
        (kind == "AccountSilenceInsight") <= (insight["trailsight"]["direction"] == "below"),
        "a loud silence".to_owned(),
    );
    must(time.ends_with(":00Z") && minute_of(time).is_some(), format!("eventTime {time} is not a whole minute"));
    for id in ["eventID", "sharedEventID"] {
        must(is_version_5(insight[id].as_str().unwrap_or_default()), format!("{id} is not a UUID of version 5"));
    }
    must((kind == "ApiErrorRateInsight") == details["errorCode"].is_string(), "errorCode".to_owned());
    broken.extend(statistics(insight));
    broken.extend(attributions(details));
    if let Some(own) = insight.get("trailsight") {
        broken.extend(own_facts(insight, own));
    }
    broken
}

fn is_version_5(id: &str) -> bool {
    uuid::Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == 5)
}

/// A count behind an average of ten decimals: whole to what rounding leaves.
fn whole(average: f64, minutes: f64) -> bool {
    let count = average * minutes;
    (count - count.round()).abs() <= minutes * 0.51e-10 + count * 1e-15
}

fn statistics(insight: &Value) -> Vec<String> {
    let statistics = &insight["insightDetails"]["insightContext"]["statistics"];
    let mut broken = Vec::new();
    for (average, duration) in [("baseline", "baselineDuration"), ("insight", "insightDuration")] {
        let minutes = statistics[duration].as_u64().unwrap_or(0) as f64;
        let value = statistics[average]["average"].as_f64().unwrap_or(-1.0);
        if minutes < 1.0 || value < 0.0 || !whole(value, minutes) {
            broken.push(format!("{average}.average {value} over {minutes} minutes is no whole count"));
        }
    }
    let baseline = statistics["baselineDuration"].as_i64().unwrap_or(0);
    if !(10_080..11_520).contains(&baseline) {
        broken.push(format!("baselineDuration {baseline} is not seven days and a part of one"));
    }
    broken
}

/// At most five, highest first, whole counts, and where fewer are listed they are all there is.
fn attributions(details: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let context = &details["insightContext"];
    let empty = Vec::new();
    let lists = context["attributions"].as_array().unwrap_or(&empty);
    let names: Vec<&str> = lists.iter().filter_map(|list| list["attribute"].as_str()).collect();
    // Codes where calls are counted that may have failed with different ones.
    let rate = details["insightType"] == "ApiCallRateInsight" || details["insightType"] == "AccountDeniedInsight";
    // A block that no record of incident and baseline has a value for is left out; every call has an outcome.
    let order = ["userIdentityArn", "userAgent", "errorCode"];
    let places: Vec<Option<usize>> = names.iter().map(|name| order.iter().position(|each| each == name)).collect();
    if !places.is_sorted_by(|a, b| a < b) || places.contains(&None) || names.contains(&"errorCode") != rate {
        broken.push(format!("attributions are {names:?}"));
    }
    for list in lists {
        for (side, duration) in [("insight", "insightDuration"), ("baseline", "baselineDuration")] {
            let minutes = context["statistics"][duration].as_f64().unwrap_or(1.0);
            let total = context["statistics"][side]["average"].as_f64().unwrap_or(0.0);
            let name = format!("{}.{side}", list["attribute"]);
            let every_call_has_one = list["attribute"] == "errorCode";
            broken.extend(attribution(&name, &list[side], (total * minutes).round(), minutes, every_call_has_one));
        }
    }
    broken
}

fn attribution(name: &str, list: &Value, count: f64, minutes: f64, every_call_has_one: bool) -> Option<String> {
    let Some(list) = list.as_array() else { return Some(format!("{name} is not a list")) };
    let averages: Vec<f64> = list.iter().filter_map(|each| each["average"].as_f64()).collect();
    let sum: f64 = averages.iter().map(|average| (average * minutes).round()).sum();
    let complete = if every_call_has_one && list.len() < 5 { sum == count } else { sum <= count };
    let right = list.len() <= 5
        && averages.len() == list.len()
        && averages.iter().all(|average| *average > 0.0 && whole(*average, minutes))
        && averages.is_sorted_by(|a, b| a >= b)
        && list.iter().all(|each| each["value"].is_string())
        && complete;
    (!right).then(|| format!("{name} of {count} calls lists {list:?}"))
}

fn own_facts(insight: &Value, own: &Value) -> Vec<String> {
    let details = &insight["insightDetails"];
    let mut broken = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            broken.push(format!("trailsight.{what}"));
        }
    };
    let one_of = |key: &str, values: &[&str]| own[key].as_str().is_some_and(|value| values.contains(&value));
    must(one_of("sensitivity", &["low", "medium", "high"]), "sensitivity");
    must(one_of("direction", &["above", "below"]), "direction");
    let tests = ["minute", "fiveMinutes", "sustained", "hour", "record", "drop", "firstUse", "sweep"];
    must(one_of("test", &tests), "test");
    must(own["expected"].as_f64().is_some_and(|value| value >= 0.0), "expected");
    must(own["observed"].as_f64().is_some_and(|value| value >= 0.0), "observed");
    must(own["chancePerWeek"].as_f64().is_some_and(|value| value >= 0.0), "chancePerWeek");
    must(own["revision"].is_u64(), "revision");
    let parts = [&insight["recipientAccountId"], &insight["awsRegion"], &details["eventSource"], &details["eventName"]];
    let mut series: Vec<&str> = parts.iter().filter_map(|part| part.as_str()).collect();
    series.extend(details["errorCode"].as_str());
    must(own["series"] == series.join("/"), "series");
    let ended = details["state"] == "End";
    must(own.get("endReason").is_some() == ended, "endReason is there at the End alone");
    must(!ended || one_of("endReason", &["returned", "accepted", "superseded"]), "endReason");
    let time = |value: &Value| value.as_str().and_then(minute_of);
    must(time(&own["detectedAt"]).is_some() && time(&own["dataThrough"]).is_some(), "detectedAt, dataThrough");
    must(
        time(&own["dataThrough"]) >= time(&insight["eventTime"]).map(|minute| minute - i64::from(ended)),
        "dataThrough",
    );
    must(own.get("leader").is_none_or(|lead| lead != &insight["sharedEventID"] && lead.is_string()), "leader");
    let members = own.get("members").map_or(Some(0), |members| members.as_array().map(Vec::len));
    must(members.is_some_and(|count| count <= 200), "members");
    must(own.get("membersOmitted").is_none_or(|omitted| omitted.as_u64() > Some(0)), "membersOmitted");
    must(own["principals"].as_array().is_some_and(|list| list.len() <= 5), "principals");
    let above = own["direction"] == "above";
    let tipped = own["observed"].as_f64() > own["expected"].as_f64();
    must(ended || above == tipped, "observed lies on the wrong side of expected");
    broken
}

/// What ties records together: an incident is its Starts (one a level, ever stricter) and at most one End.
fn of_all(insights: &[Value]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut bodies: HashMap<&str, &Value> = HashMap::new();
    let mut incidents: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for insight in insights {
        let id = insight["eventID"].as_str().unwrap_or_default();
        if bodies.insert(id, insight).is_some() {
            broken.push(format!("eventID {id} came twice"));
        }
        incidents.entry(insight["sharedEventID"].as_str().unwrap_or_default()).or_default().push(insight);
    }
    for (id, records) in &incidents {
        let lead = records[0]["trailsight"]["leader"].as_str();
        if let Some(lead) = lead.and_then(|lead| incidents.get(lead)) {
            broken.extend(of_company(lead, records[0]).map(|what| format!("{what} of {id}")));
        }
    }
    for (id, records) in incidents {
        broken.extend(of_incident(&records).into_iter().map(|what| format!("{what} of {id}")));
    }
    broken
}

/// A lead speaks for itself, in the same account, at a level no looser, and began within a quarter of an hour.
fn of_company(lead: &[&Value], folded: &Value) -> Option<String> {
    let start = |insight: &Value| insight["eventTime"].as_str().and_then(minute_of).unwrap_or(0);
    let right = lead.iter().any(|record| record["trailsight"].get("leader").is_none())
        && lead[0]["recipientAccountId"] == folded["recipientAccountId"]
        && (start(lead[0]) - start(folded)).abs() <= 15;
    (!right).then(|| "the lead does not lead".to_owned())
}

fn of_incident(records: &[&Value]) -> Vec<String> {
    let mut broken = Vec::new();
    let (starts, ends): (Vec<&Value>, Vec<&Value>) =
        records.iter().partition(|record| record["insightDetails"]["state"] == "Start");
    let Some(first) = starts.first() else { return vec!["no Start".to_owned()] };
    let begun = first["eventTime"].as_str().and_then(minute_of).unwrap_or(0);
    let same = |path: &str| records.iter().all(|record| record.pointer(path) == first.pointer(path));
    for path in [
        "/recipientAccountId",
        "/awsRegion",
        "/insightDetails/eventSource",
        "/insightDetails/eventName",
        "/insightDetails/insightType",
        "/insightDetails/errorCode",
        "/insightDetails/insightContext/statistics/baselineDuration",
        "/insightDetails/insightContext/statistics/baseline",
        "/trailsight/direction",
    ] {
        if !same(path) {
            broken.push(format!("{path} differs between the records"));
        }
    }
    if starts.iter().any(|start| start["eventTime"] != first["eventTime"]) {
        broken.push("eventTime differs between the Starts".to_owned());
    }
    let statistics = |record: &Value| record["insightDetails"]["insightContext"]["statistics"].clone();
    if statistics(first)["baselineDuration"].as_i64() != Some(10_080 + begun % 1440) {
        broken.push("baselineDuration is not 10080 and the minute of the Start's day".to_owned());
    }
    let levels: Vec<Option<usize>> = starts.iter().map(|start| level(start)).collect();
    if !levels.is_sorted_by(|a, b| a.is_none() || a > b) {
        broken.push(format!("levels do not rise: {levels:?}"));
    }
    let revisions: Vec<Option<u64>> = starts.iter().map(|start| start["trailsight"]["revision"].as_u64()).collect();
    if !revisions.is_sorted_by(|a, b| a.is_none() || a < b) {
        broken.push(format!("revisions do not rise: {revisions:?}"));
    }
    if ends.len() > 1 {
        broken.push("more than one End".to_owned());
    }
    for end in ends {
        let ended = end["eventTime"].as_str().and_then(minute_of).unwrap_or(0);
        if statistics(end)["insightDuration"].as_i64() != Some(ended - begun) || ended <= begun {
            broken.push("the End is not its duration after the Start".to_owned());
        }
    }
    broken
}

/// 0 low, 1 medium, 2 high: the smaller, the stricter.
pub(crate) fn level(insight: &Value) -> Option<usize> {
    let named = insight["trailsight"]["sensitivity"].as_str()?;
    ["low", "medium", "high"].iter().position(|level| *level == named)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::{of_all, of_one, of_text};

    fn pair() -> [Value; 2] {
        ["Start", "End"].map(|state| {
            let (time, minutes, calls) = if state == "Start" { ("02:03", 1, 12) } else { ("02:06", 3, 30) };
            let rate = |calls: i32| f64::from(calls) / f64::from(minutes);
            let mut own = json!({"sensitivity": "low", "direction": "above", "test": "minute", "expected": 0.01,
                "observed": 12, "chancePerWeek": 1e-5, "series": "111122223333/eu-west-1/iam.amazonaws.com/CreateUser",
                "principals": [], "detectedAt": "2026-03-12T02:06:00.000Z", "dataThrough": "2026-03-12T02:05:59Z",
                "revision": 0});
            if state == "End" {
                own["endReason"] = json!("returned");
            }
            let list = |name: &str, value: &str| {
                json!({"attribute": name, "insight": [{"value": value, "average": rate(calls)}],
                    "baseline": [{"value": value, "average": 0.0017641870}]})
            };
            json!({"eventVersion": "1.09", "eventTime": format!("2026-03-12T{time}:00Z"), "awsRegion": "eu-west-1",
                "eventID": Uuid::new_v5(&Uuid::NAMESPACE_OID, state.as_bytes()), "eventType": "AwsCloudTrailInsight",
                "recipientAccountId": "111122223333", "sharedEventID": Uuid::new_v5(&Uuid::NAMESPACE_OID, b"incident"),
                "insightDetails": {"state": state, "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
                    "insightType": "ApiCallRateInsight", "sourceEventCategory": "Management",
                    "insightContext": {"statistics": {"baseline": {"average": 0.0017641870},
                        "insight": {"average": rate(calls)}, "insightDuration": minutes, "baselineDuration": 10_203},
                        "attributions": [list("userIdentityArn", "a"), list("userAgent", "b"), list("errorCode", "null")]}},
                "eventCategory": "Insight", "trailsight": own})
        })
    }

    fn broken(insights: &[Value]) -> Vec<String> {
        let mut broken: Vec<String> = insights.iter().flat_map(of_one).collect();
        broken.extend(of_all(insights));
        broken
    }

    #[test]
    fn a_right_incident_breaks_nothing() {
        assert_eq!(broken(&pair()), Vec::<String>::new());
    }

    #[test]
    fn each_wrong_figure_breaks_a_relation() {
        let context = "/insightDetails/insightContext";
        let mistakes: [(usize, String, Value); 18] = [
            (0, "/eventTime".into(), json!("2026-03-12T02:03:01Z")),
            (0, "/eventID".into(), json!("0a7d5f2e-9c2b-4f8e-8a77-0f4f3f8f2a11")),
            (0, format!("{context}/statistics/baseline/average"), json!(0.00177)),
            (0, format!("{context}/statistics/insight/average"), json!(12.5)),
            (0, format!("{context}/statistics/baselineDuration"), json!(10_204)),
            (1, format!("{context}/statistics/baselineDuration"), json!(10_080)),
            (1, format!("{context}/statistics/insightDuration"), json!(2)),
            (1, format!("{context}/statistics/baseline/average"), json!(0)),
            (0, format!("{context}/attributions/2/insight"), json!([{"value": "null", "average": 11}])),
            (0, format!("{context}/attributions/0/insight"), json!([{"value": "a", "average": 13}])),
            (
                0,
                format!("{context}/attributions/0/insight"),
                json!([{"value": "a", "average": 1}, {"value": "b", "average": 2}]),
            ),
            (0, format!("{context}/attributions/2/attribute"), json!("userAgent")),
            (0, "/insightDetails/errorCode".into(), json!("AccessDenied")),
            (0, "/trailsight/series".into(), json!("111122223333/eu-west-1/iam.amazonaws.com/DeleteUser")),
            (0, "/trailsight/observed".into(), json!(0)),
            (0, "/trailsight/test".into(), json!("guess")),
            (1, "/trailsight/endReason".into(), json!("tired")),
            (1, "/sharedEventID".into(), json!(Uuid::nil())),
        ];
        for (which, path, wrong) in mistakes {
            let mut insights = pair();
            let place = insights[which].as_object_mut().expect("an object");
            if path == "/insightDetails/errorCode" {
                place["insightDetails"]["errorCode"] = wrong;
            } else {
                *insights[which].pointer_mut(&path).unwrap_or_else(|| panic!("{path}")) = wrong;
            }
            assert!(!broken(&insights).is_empty(), "{path}");
        }
    }

    #[test]
    fn a_level_must_rise_and_an_id_must_not_come_again() {
        let [start, end] = pair();
        assert!(!of_all(&[start.clone(), start.clone(), end.clone()]).is_empty());
        let mut raised = start.clone();
        raised["eventID"] = json!(Uuid::new_v5(&Uuid::NAMESPACE_OID, b"raised"));
        raised["trailsight"]["revision"] = json!(1);
        assert!(!of_all(&[start.clone(), raised.clone(), end.clone()]).is_empty(), "the level is the same");
        let mut looser = start;
        looser["trailsight"]["sensitivity"] = json!("high");
        assert_eq!(of_all(&[looser, raised, end]), Vec::<String>::new());
    }

    #[test]
    fn the_order_of_keys_is_part_of_the_format() {
        let line = r#"{"eventVersion":1,"eventTime":1,"awsRegion":1,"eventID":1,"eventType":1,"recipientAccountId":1,"sharedEventID":1,"insightDetails":{},"eventCategory":1,"trailsight":{}}"#;
        assert!(of_text(line).is_empty());
        assert!(!of_text(&line.replacen("eventTime", "eventId", 1)).is_empty());
        assert!(!of_text(&line.replace("awsRegion", "x").replace("eventType", "awsRegion")).is_empty());
    }
}
