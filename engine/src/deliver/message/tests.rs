use secrecy::SecretString;
use serde_json::Value;
use trailsight_schemas::insight::{Direction, EndReason, InsightType, Test, ValueAverage};
use uuid::Uuid;

use super::*;
use crate::deliver::fixtures::{insight, principal};

const ATTACKS: &str = include_str!("attacks.txt");
const PICTURE: &str = "https://trailsight.example/insights/1";

fn told(event: &InsightEvent) -> Message {
    Message::of(event, &Names::default())
}

/// The End of [`insight`]: 40 calls in 8 minutes.
fn end(reason: EndReason) -> InsightEvent {
    let mut event = insight();
    event.details.state = State::End;
    event.event_id = Uuid::from_u128(2);
    event.event_time += 8 * 60;
    (event.details.statistics.insight, event.details.statistics.insight_duration) = (5.0, 8);
    event.trailsight.as_mut().expect("ours").end_reason = Some(reason);
    event
}

fn of_type(insight_type: InsightType, direction: Direction) -> InsightEvent {
    let mut event = insight();
    event.details.insight_type = insight_type;
    if !insight_type.known_to_aws() {
        event.details.event_source = "*".into();
        event.details.event_name = "*".into();
    }
    event.details.error_code = (insight_type == InsightType::ApiErrorRate).then(|| "AccessDenied".into());
    let own = event.trailsight.as_mut().expect("ours");
    own.direction = direction;
    if insight_type == InsightType::AccountSweep {
        own.test = Test::Sweep;
        own.members = (0..20).map(|at| format!("111122223333/eu-west-1/ec2.amazonaws.com/Describe{at}")).collect();
        own.members_omitted = 10;
    }
    event
}

#[test]
fn one_line_says_it_all() {
    let mut named = insight();
    let own = named.trailsight.as_mut().expect("ours");
    (own.observed, own.expected) = (50.0, 0.2);
    own.principals.push(principal("arn:aws:iam::111122223333:user/alice", 1.0, 0.5));
    own.principals.push(principal("arn:aws:iam::111122223333:user/bob", 1.0, 2.0));
    let known = Known {
        alias: Some("payments".into()),
        owner: Some("pay@example.com".into()),
        environment: Some("production".into()),
    };
    let names = Names([("111122223333".to_owned(), known)].into());
    let Message { headline, facts, .. } = Message::of(&named, &names);
    let account = facts.iter().find(|fact| fact.label == "Account").expect("it is known");
    assert_eq!(account.text, "production, owned by pay@example.com");
    let place = "payments (111122223333) eu-west-1";
    assert_eq!(
        headline,
        format!("iam:CreateAccessKey called 50×/min by role/ci-deployer and 1 other in {place}; normal is 0.2")
    );

    let place = "111122223333 eu-west-1";
    for (event, expected) in [
        (
            of_type(InsightType::ApiErrorRate, Direction::Above),
            format!("iam:CreateAccessKey failed with AccessDenied 6×/min by role/ci-deployer in {place}; normal is 0"),
        ),
        (
            of_type(InsightType::ApiCallRate, Direction::Below),
            format!("iam:CreateAccessKey called only 6×/min in {place}; normal is 0"),
        ),
        (
            of_type(InsightType::AccountSweep, Direction::Above),
            format!("30 APIs woke up together by role/ci-deployer in {place}"),
        ),
        (
            of_type(InsightType::AccountDenied, Direction::Above),
            format!("calls denied 6×/min by role/ci-deployer in {place}; normal is 0"),
        ),
        (
            of_type(InsightType::AccountSilence, Direction::Below),
            format!("{place} went quiet: 6 calls/min; normal is 0"),
        ),
        (
            end(EndReason::Returned),
            format!("Over after 8 min: iam:CreateAccessKey in {place}, 40 calls; back to normal"),
        ),
        (
            end(EndReason::Accepted),
            format!(
                "Over after 8 min: iam:CreateAccessKey in {place}, 40 calls; this level is taken for the normal one from now on"
            ),
        ),
    ] {
        assert_eq!(told(&event).headline, expected);
    }
}

#[test]
fn facts_say_who_what_how_many_and_how_sure() {
    let facts: Vec<String> =
        told(&insight()).facts.iter().map(|fact| format!("{}: {}", fact.label, fact.text)).collect();
    assert_eq!(
        facts,
        [
            "Who: role/ci-deployer (6/min, before 0, new to it)",
            "With: aws-cli/2 (6/min)",
            "Outcome: success (6/min)",
            "Numbers: 6/min where 0 was expected; 0/min on average in the 7.3 days before",
            "Since: 2026-03-05T07:11:00Z",
            "Sensitivity: medium: unusual at the usual setting; chance alone would raise one as strong in this account about \
             once in 100 weeks",
        ]
    );
    let since =
        told(&end(EndReason::Returned)).facts.iter().find(|fact| fact.label == "Since").expect("a time").text.clone();
    assert_eq!(since, "2026-03-05T07:11:00Z");
}

/// Insights with `text` wherever a caller of AWS, or a record, could have put it.
fn poisoned(text: &str) -> Vec<InsightEvent> {
    let with = |mut event: InsightEvent| {
        let details = &mut event.details;
        (details.event_source, details.event_name) = (text.into(), text.into());
        details.error_code = (details.insight_type == InsightType::ApiErrorRate).then(|| text.into());
        for attributed in &mut details.attributions {
            attributed.insight = vec![ValueAverage { value: text.into(), average: 6.0 }; 5];
        }
        (event.aws_region, event.recipient_account_id) = (text.into(), text.into());
        let own = event.trailsight.as_mut().expect("ours");
        own.principals = vec![principal(text, 6.0, 0.0); 5];
        own.members = vec![text.into(); 100];
        own.url = Some(PICTURE.into());
        event
    };
    let mut all: Vec<InsightEvent> =
        InsightType::ALL.iter().map(|insight_type| with(of_type(*insight_type, Direction::Above))).collect();
    all.push(with(end(EndReason::Accepted)));
    all
}

fn bodies(format: &Format, text: &str) -> Vec<Value> {
    let known = Known { alias: Some(text.into()), owner: Some(text.into()), environment: Some(text.into()) };
    let names = Names([(text.to_owned(), known)].into());
    let body = |event: &InsightEvent| {
        let (body, kind) = format.body(&Message::of(event, &names)).expect("a body");
        assert_eq!(kind, "application/json");
        serde_json::from_slice(&body).expect("JSON")
    };
    poisoned(text).iter().map(body).collect()
}

/// Every attack, and the longest names there can be.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = ATTACKS.lines().map(str::to_owned).collect();
    assert!(texts.len() > 20);
    texts.extend(["*".repeat(2048), "<".repeat(2048), "\u{1f4a5}".repeat(2048), "\u{0}\u{1}\u{85}\n".repeat(512)]);
    texts
}

/// Calls `look` with every object, string and key below a value.
fn walk(value: &Value, look: &mut dyn FnMut(&Value)) {
    look(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, look)),
        Value::Object(map) => map.values().for_each(|item| walk(item, look)),
        _ => {}
    }
}

fn every(format: &Format, mut look: impl FnMut(&Value)) {
    for text in texts() {
        for body in bodies(format, &text) {
            walk(&body, &mut |value| {
                let obeyed = |each: char| each.is_control() || ('\u{202a}'..='\u{202e}').contains(&each);
                let shown = value.as_str().filter(|shown| *shown != "\n");
                assert!(!shown.is_some_and(|shown| shown.chars().any(obeyed)), "{value}");
            });
            look(&body);
        }
    }
}

/// The types of all elements, and that links lead to our picture.
fn types(body: &Value, known: &[&str]) {
    walk(body, &mut |value| {
        if let Some(kind) = value["type"].as_str() {
            assert!(known.contains(&kind), "{value}");
        }
        for key in ["url", "href", "generatorURL"] {
            assert!(value[key].is_null() || value[key] == PICTURE, "{value}");
        }
    });
}

#[test]
fn slack_parses_nothing_of_a_name() {
    every(&Format::Slack, |body| {
        types(body, &["rich_text", "rich_text_section", "text", "link"]);
        let text = body["text"].as_str().expect("a text");
        assert!(!text.contains(['<', '>']) && text.chars().count() <= slack::MAX_TEXT, "{text}");
        for rest in text.split('&').skip(1) {
            assert!(["amp;", "lt;", "gt;"].iter().any(|entity| rest.starts_with(entity)), "{text}");
        }
        assert!(body["blocks"].as_array().is_some_and(|blocks| blocks.len() <= slack::MAX_BLOCKS));
    });
}

#[test]
fn teams_finds_no_markdown_and_no_date_and_takes_the_size() {
    every(&Format::Teams, |body| {
        types(body, &["message", "AdaptiveCard", "RichTextBlock", "TextRun", "Action.OpenUrl"]);
        assert!(body.to_string().len() <= teams::MAX_BYTES, "{} bytes", body.to_string().len());
        assert!(!body.to_string().contains("{{"), "{body}");
    });
}

/// Every punctuation mark stands behind a backslash.
fn inert(text: &str) -> bool {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            other if other.is_ascii_punctuation() => return false,
            _ => {}
        }
    }
    true
}

#[test]
fn discord_calls_nobody_and_finds_no_markdown() {
    assert!(inert("a\\*b") && !inert("a*b") && !inert("\\\\*"));
    every(&Format::Discord, |body| {
        types(body, &[]);
        assert_eq!(body["allowed_mentions"], serde_json::json!({ "parse": [] }));
        let embed = &body["embeds"][0];
        let description = embed["description"].as_str().expect("a text");
        assert!(inert(&description[2..description.len() - 2]), "{description}");
        let fields = embed["fields"].as_array().expect("fields");
        assert!(fields.len() <= discord::MAX_FIELDS && description.chars().count() <= discord::MAX_DESCRIPTION);
        let mut whole = description.chars().count() + embed["title"].as_str().map_or(0, |title| title.chars().count());
        for field in fields {
            let value = field["value"].as_str().expect("a text");
            assert!(inert(value), "{value}");
            assert!((1..=discord::MAX_VALUE).contains(&value.chars().count()), "{value}");
            whole += value.chars().count() + field["name"].as_str().map_or(0, |name| name.chars().count());
        }
        assert!(whole <= discord::MAX_EMBED, "{whole}");
    });
}

#[test]
fn pagerduty_takes_the_size_and_joins_what_belongs_together() {
    let format = Format::PagerDuty { routing_key: SecretString::from("an integration key") };
    every(&format, |body| {
        types(body, &[]);
        assert!(body.to_string().len() <= pagerduty::MAX_BYTES);
        let summary = body["payload"]["summary"].as_str().expect("a text");
        assert!((1..=pagerduty::MAX_SUMMARY).contains(&summary.chars().count()));
    });
    let [began, over] = [insight(), end(EndReason::Returned)].map(|event| -> Value {
        serde_json::from_slice(&format.body(&told(&event)).expect("a body").0).expect("JSON")
    });
    assert_eq!((&began["event_action"], &over["event_action"]), (&"trigger".into(), &"resolve".into()));
    assert_eq!(began["dedup_key"], over["dedup_key"]);
    assert_eq!(began["dedup_key"], insight().shared_event_id.to_string());
    assert_eq!(began["routing_key"], "an integration key");
    assert!(!format!("{format:?}").contains("integration key"));
}

#[test]
fn an_end_resolves_the_alert_of_its_start_though_the_level_rose() {
    every(&Format::Alertmanager, |body| types(body, &[]));
    let alert = |event: &InsightEvent| -> Value {
        let body = Format::Alertmanager.body(&told(event)).expect("a body").0;
        let alerts: Vec<Value> = serde_json::from_slice(&body).expect("a list");
        assert_eq!(alerts.len(), 1);
        alerts[0].clone()
    };
    let mut over = end(EndReason::Returned);
    over.trailsight.as_mut().expect("ours").sensitivity = trailsight_schemas::insight::Sensitivity::Low;
    let (began, over) = (alert(&insight()), alert(&over));
    assert_eq!((&began["labels"], &began["startsAt"]), (&over["labels"], &over["startsAt"]));
    assert_eq!(over["endsAt"], "2026-03-05T07:19:00Z");
    assert_eq!(began["endsAt"], "2026-03-19T07:11:00Z");
}

fn template(text: &str) -> Result<Template, TemplateError> {
    Template::new(text, "application/json")
}

#[test]
fn a_template_makes_json_of_whatever_it_is_given() {
    let format = Format::Template(Box::new(
        template(r#"{"said": {{ headline }}, "who": [{% for one in insight.trailsight.principals %}{{ one.value }}{% if not loop.last %},{% endif %}{% endfor %}], "url": {{ url }}}"#)
            .expect("a template"),
    ));
    for text in texts() {
        for body in bodies(&format, &text) {
            assert_eq!(body["who"][0], Value::String(text.clone()));
            assert_eq!(body["url"], PICTURE);
        }
    }
}

#[test]
fn a_template_reads_no_file_and_ends() {
    let message = told(&insight());
    for (text, said) in [
        ("{{ nothing_of_this_name }}", "undefined value"),
        ("{% include \"/etc/passwd\" %}", "unknown"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "fuel"),
        ("{\"a\": ", "no JSON"),
        ("{{ headline", "syntax"),
        ("{{ headline|nothing }}", "filter"),
    ] {
        let error = template(text).and_then(|template| template.body(&message)).expect_err(text).to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
    let large = format!("[{{% for a in range(200) %}}\"{}\",{{% endfor %}}0]", "x".repeat(6000));
    assert_eq!(template(&large).and_then(|template| template.body(&message)).expect_err("large"), TemplateError::Large);
    assert_eq!(template(&"x".repeat(MAX_TEMPLATE + 1)).expect_err("long"), TemplateError::Long);
    let plain = Template::new("{{ headline }}\n", "text/plain").expect("a template").body(&message).expect("a body");
    assert_eq!((plain.0, plain.1.as_str()), (message.headline.clone().into_bytes(), "text/plain"));
}
