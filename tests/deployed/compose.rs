//! The compose file: valid by the specification's own schema, and what it starts is understood by the product.

use tempfile::TempDir;

use super::tools::{deploy, run, text, tool};
use crate::product;

#[test]
fn the_compose_file_is_valid_and_a_misspelt_key_is_not() {
    let Some(schema) = tool("check-jsonschema") else { return };
    let folder = TempDir::new().expect("a folder");
    let judge = |text: &str| {
        let file = folder.path().join("compose.yaml");
        std::fs::write(&file, text).expect("written");
        run(&schema, ["--builtin-schema".as_ref(), "vendor.compose-spec".as_ref(), file.as_os_str()])
    };
    let right = text("compose/compose.yaml");
    let said = judge(&right);
    assert_eq!(said.status, Some(0), "{}{}", said.stdout, said.stderr);
    for (key, misspelt) in [("depends_on:", "depend_on:"), ("read_only:", "readonly:"), ("condition:", "conditions:")] {
        assert!(right.contains(key));
        assert_eq!(judge(&right.replace(key, misspelt)).status, Some(1), "{misspelt}");
    }
}

/// Files that it names are there, its configuration is one, and the broker and topics are the same everywhere.
#[test]
fn what_the_compose_file_starts_is_understood() {
    let compose = text("compose/compose.yaml");
    for (named, path) in [
        ("deploy/container/Containerfile", "container/Containerfile"),
        ("./trailsight.toml", "compose/trailsight.toml"),
    ] {
        assert!(compose.contains(named) && deploy(path).is_file(), "{named}");
    }
    let command = compose.lines().find_map(|line| line.trim().strip_prefix("command: ")).expect("a command");
    let words: Vec<String> = serde_json::from_str(command).expect("a list of words");
    let mut simulate = product::command(&words[..1]);
    simulate.arg("--help");
    let help = product::run(simulate).expect(0).stdout;
    words.iter().filter(|word| word.starts_with("--")).for_each(|option| assert!(help.contains(option), "{option}"));
    assert_eq!(words.last().map(String::as_str), Some("kafka://kafka:9092/cloudtrail"));

    let mut check = product::command(["check", "--config"]);
    check.arg(deploy("compose/trailsight.toml")).env("VIEWER_TOKEN", "0123456789abcdef");
    let effective = product::run(check).expect(0).stdout;
    let config: toml::Table = effective.parse().expect("what is printed is TOML");
    let brokers: toml::Value = vec!["kafka:9092"].into();
    assert_eq!(config["sources"]["trail"]["brokers"], brokers);
    assert_eq!(config["sinks"]["stream"]["brokers"], brokers);
    assert_eq!(config["sources"]["trail"]["topics"], vec!["cloudtrail"].into());
    assert_eq!(config["data_dir"].as_str(), Some("/var/lib/trailsight"));
    assert!(compose.contains("state:/var/lib/trailsight"));
}
