use super::*;
use crate::deliver::message::{Format, MAX_TEMPLATE};

fn hook(keys: &str) -> String {
    format!("[sinks.t]\ntype = \"webhook\"\nurl = {{ env = \"X\" }}\n{keys}")
}

/// What is said of a webhook to `url` with these keys.
#[track_caller]
fn said_of(url: &str, keys: &str) -> Vec<String> {
    let told = with(&hook(keys), &[("X", url), ("KEY", "an integration key")]);
    told.err().into_iter().flat_map(|error| error.problems).map(|problem| problem.to_string()).collect()
}

fn resolved(url: &str, keys: &str) -> WebhookConfig {
    let config = with(&hook(keys), &[("X", url), ("KEY", "an integration key")]).unwrap();
    let SinkKind::Webhook(hook) = config.sinks.into_iter().next().unwrap().kind else { panic!("no webhook") };
    *hook
}

#[test]
fn formats_for_people_are_not_for_machines() {
    for (keys, machine) in [
        ("", true),
        ("format = \"insight\"", true),
        ("format = \"slack\"", false),
        ("format = \"alertmanager\"", false),
    ] {
        let config = with(&hook(keys), &[("X", "https://x.example/")]).unwrap();
        assert_eq!(config.sinks[0].kind.is_for_machines(), machine, "{keys}");
    }
}

#[test]
fn each_format_has_its_keys() {
    let url = "https://x.example/";
    for (keys, expected) in [
        ("format = \"pagerduty\"", "sinks.t.routing_key: is missing, and format is \"pagerduty\""),
        ("format = \"template\"", "sinks.t.template: is missing, and format is \"template\""),
        (
            "format = \"slack\"\nrouting_key = { env = \"KEY\" }",
            "sinks.t.routing_key: belongs to another format (allowed: format = \"pagerduty\")",
        ),
        ("template = \"/x\"", "sinks.t.template: belongs to another format (allowed: format = \"template\")"),
    ] {
        assert_eq!(said_of(url, keys), [expected]);
    }
    let pager = resolved(url, "format = \"pagerduty\"\nrouting_key = { env = \"KEY\" }");
    assert!(matches!(pager.message, Some(Format::PagerDuty { .. })));
    let config = with(&hook("format = \"pagerduty\"\nrouting_key = \"hunter2\""), &[("X", url)]).unwrap();
    assert!(!format!("{config:?} {}", config.effective()).contains("hunter2"));
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
}

#[test]
fn an_address_that_is_no_secret_is_not_warned_of() {
    let literal = |keys: &str| {
        let text = format!("[sinks.t]\ntype = \"webhook\"\nurl = \"https://x.example\"\n{keys}");
        with(&text, &[("KEY", "an integration key")]).unwrap().warnings.len()
    };
    assert_eq!(literal("format = \"slack\""), 1);
    assert_eq!(literal("format = \"alertmanager\""), 0);
    assert_eq!(literal("format = \"pagerduty\"\nrouting_key = { env = \"KEY\" }"), 0);
}

#[test]
fn alertmanager_is_named_by_its_address_or_in_full() {
    for (url, expected) in [
        ("http://127.0.0.1:9093", "http://127.0.0.1:9093/api/v2/alerts"),
        ("http://127.0.0.1:9093/", "http://127.0.0.1:9093/api/v2/alerts"),
        ("https://x.example/am/", "https://x.example/am/api/v2/alerts"),
        ("https://x.example/api/v2/alerts", "https://x.example/api/v2/alerts"),
    ] {
        assert_eq!(resolved(url, "format = \"alertmanager\"").url.expose_secret(), expected);
    }
}

#[test]
fn an_address_that_leads_home_is_found_before_anything_is_sent() {
    let denied = "deny_private_networks = true";
    let expected =
        "sinks.t.url = [redacted]: leads to an address that is not public (allowed: deny_private_networks = false)";
    for url in ["http://127.0.0.1:1/", "http://[::1]/", "https://169.254.169.254/latest", "http://0x7f000001/"] {
        assert_eq!(said_of(url, denied), [expected], "{url}");
        assert!(said_of(url, "").is_empty(), "{url}");
    }
    assert!(said_of("https://8.8.8.8/", denied).is_empty());
}

#[test]
fn a_template_is_tried_before_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    let keys = format!("format = \"template\"\ntemplate = \"{}\"", path.display());
    for (text, expected) in [
        (None, "cannot be read"),
        (Some("{{ headline ".to_owned()), "syntax"),
        (Some("{\"a\": {{ insight.nothing.of_it }}}".to_owned()), "undefined"),
        (Some("{{ headline }}, {{ headline }}".to_owned()), "makes no JSON"),
        (Some("x".repeat(MAX_TEMPLATE + 1)), "larger than 65536 bytes"),
    ] {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let said = said_of("https://x.example/", &keys);
        assert!(
            said.len() == 1 && said[0].starts_with("sinks.t.template = ") && said[0].contains(expected),
            "{said:?}"
        );
    }
    std::fs::write(&path, "{\"text\": {{ headline }}}").unwrap();
    assert!(said_of("https://x.example/", &keys).is_empty());
}
