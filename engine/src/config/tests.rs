//! Mistakes are data: what is written, and what is said about it.

mod webhooks;

use super::*;
use secrecy::ExposeSecret;

mod accounts;

fn with(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load_text(text, &Inputs { environment, ..Inputs::default() })
}

/// What is said about `text`, one line a problem.
fn said(text: &str) -> Vec<String> {
    match with(text, &[]) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(said(text), expected, "{text}");
}

/// The example with its examples switched on: every line that is a commented key becomes one.
fn everything() -> String {
    let key = |line: &str| {
        let word = line.split(['=', ' ', '.']).next().unwrap_or_default();
        line.starts_with('[') || (line.contains(" = ") && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if key(rest) && !rest.starts_with("[sources.NAME") => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn defaults_hold_together() {
    let config = with("", &[]).unwrap();
    assert!(config.warnings.is_empty());
    assert!(config.require_source().is_err());
    assert_eq!(config.detect_settings(), crate::detect::settings::Settings::default());
    assert_eq!(config.ingest_settings(1_000_000).latest, 1000 + 86_400);
    assert_eq!(config.dedup_minutes(), 1440);
}

#[test]
fn five_mistakes_are_five_problems() {
    let text = r#"
        data_dirr = "/x"
        [detection]
        sensitivity = "hi"
        allowed_lateness = "2d"
        [limits]
        series = 5
        [http]
        listen = "0.0.0.0:8470"
    "#;
    check(
        text,
        &[
            "data_dirr: is not a key; the nearest is `data_dir`",
            "detection.allowed_lateness = \"2d\": is out of range (allowed: a duration such as \"15m\", 1m to 24h)",
            "detection.sensitivity = \"hi\": is not known; the nearest is \"high\" (allowed: \"low\", \"medium\", \"high\")",
            "http.listen = 0.0.0.0:8470: would be open to everybody who reaches it (allowed: a loopback address, or [[http.tokens]])",
            "limits.series = 5: is out of range (allowed: 1000 to 50000000)",
        ],
    );
    let error = with(text, &[]).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 6);
    assert!(error.to_string().starts_with("the configuration has 5 problems:"));
}

#[test]
fn what_a_later_version_reads_is_said_so() {
    for (text, sentence) in [
        ("[sources.t]\ntype = \"sqs\"", "this version does not read from SQS yet"),
        ("[sinks.t]\ntype = \"sns\"", "this version does not publish to SNS yet"),
    ] {
        let said = said(text);
        assert!(said.iter().any(|line| line.contains(sentence)), "{text}: {said:?}");
    }
    check(
        "[sources.t]\ntype = \"kafkaa\"",
        &[
            "sources.t.type = \"kafkaa\": is not known; the nearest is \"kafka\" (allowed: \"kafka\", \"files\", \"simulated\")",
        ],
    );
}

#[test]
fn what_is_written_to_kafka_is_held_against_itself() {
    let sink = |keys: &str| format!("[sinks.t]\ntype = \"kafka\"\nbrokers = [\"k:9092\"]\ntopic = \"i\"\n{keys}");
    check(&sink(""), &[]);
    check("[sinks.t]\ntype = \"kafka\"", &["sinks.t.brokers: is missing", "sinks.t.topic: is missing"]);
    check(&sink("").replace("\"i\"", "\"^i\""), &["sinks.t.topic = ^i: is a pattern (allowed: the name of one topic)"]);
    check(
        &sink("batch = 0\ntransaction_timeout = \"1s\"\ncreate_topic = { partitions = 0, replicas = 3 }"),
        &[
            "sinks.t.batch = 0: is out of range (allowed: 1 to 1000)",
            "sinks.t.create_topic.partitions = 0: is out of range (allowed: 1 to 10000)",
            "sinks.t.create_topic.replicas: is not a key; the nearest is `replication`",
            "sinks.t.transaction_timeout = \"1s\": is out of range (allowed: a duration such as \"15m\", 5s to 15m)",
        ],
    );
    let letters = "[dead_letter.kafka]\nbrokers = [\"k\"]\ntopic = \"d d\"";
    assert_eq!(said(letters).len(), 2, "{:?}", said(letters));
    let config = with(&sink("create_topic = { retention = \"1d\" }"), &[]).unwrap();
    let SinkKind::Kafka(kafka) = &config.sinks[0].kind else { panic!("{:?}", config.sinks) };
    let made = kafka.topic.create.expect("asked for");
    assert_eq!((made.partitions, made.replication), (1, 1));
    assert_eq!(made.retention, Some(std::time::Duration::from_secs(86_400)));
}

#[test]
fn wrong_types_and_missing_keys() {
    check("detection = 3", &["detection = 3: is not of the right type (allowed: a table)"]);
    check("[sources]\nx = 1", &["sources.x = 1: is not of the right type (allowed: a table)"]);
    check("[sources.x]\npath = \"/p\"", &["sources.x.type: is missing (allowed: kafka, files, simulated)"]);
    check("[sources.x]\ntype = \"files\"", &["sources.x.path: is missing"]);
    check(
        "[limits]\nseries = \"many\"",
        &["limits.series = \"many\": is not of the right type (allowed: a whole number, 1000 to 50000000)"],
    );
    check(
        "[limits]\nseries = 1e6",
        &["limits.series = 1000000.0: is not of the right type (allowed: a whole number, 1000 to 50000000)"],
    );
    check(
        "[limits]\nobject_bytes = 64",
        &["limits.object_bytes = 64: is not of the right form (allowed: a size such as \"64MiB\", 64KiB to 4GiB)"],
    );
    check(
        "[detection.budgets]\nlow = nan",
        &["detection.budgets.low = \"NaN\": is not of the right type (allowed: a number, 0.001 to 1000)"],
    );
    check(
        "[detection]\nassume_history = \"yes\"",
        &["detection.assume_history = \"yes\": is not of the right type (allowed: true or false)"],
    );
    check("[[routes]]\nsinks = []", &["routes[0].sinks: has 0 elements (allowed: 1 to 64)"]);
    check(
        "[[mutes]]\nowner = \"a\"\nreason = \"b\"\nuntil = \"tomorrow\"\nmatch = { name = [\"x\"] }",
        &["mutes[0].until = \"tomorrow\": is not a time (allowed: RFC 3339, such as \"2027-01-31T00:00:00Z\")"],
    );
    let said = said("data_dir = ");
    assert!(said.len() == 1 && said[0].starts_with("the file is not TOML"), "{said:?}");
}

#[test]
fn choices_are_held_against_each_other() {
    check(
        "[detection.budgets]\nlow = 3.0",
        &["detection.budgets.medium = 1: is below the budget of the stricter level (allowed: 3 or more)"],
    );
    check(
        "[detection]\nallowed_lateness = \"90s\"",
        &["detection.allowed_lateness = 1m30s: is not whole minutes (allowed: whole minutes)"],
    );
    check(
        "[sinks.chat]\ntype = \"stdout\"\n[[routes]]\nsinks = [\"chta\"]",
        &["routes[0].sinks = chta: names no sink; the nearest is \"chat\" (allowed: chat)"],
    );
    // A route to a sink that is itself wrong is not a second problem.
    check("[sinks.chat]\ntype = \"webhook\"\n[[routes]]\nsinks = [\"chat\"]", &["sinks.chat.url: is missing"]);
    check(
        "[[mutes]]\nowner = \"a\"\nreason = \"b\"\nmatch = {}",
        &["mutes[0].match: would mute everything (allowed: one list or more; [\"*\"] to mean everything)"],
    );
    check(
        "[[mutes]]\nowner = \"a\"\nreason = \"b\"\nlearn = false\nmatch = { principal = [\"*\"] }",
        &[
            "mutes[0].learn = false: cannot depend on callers, error code, type, direction or sensitivity: baselines are of whole \
         series (allowed: account, region, source, name; or learn = true)",
        ],
    );
    check(
        "[[mutes]]\nowner = \"a\"\nreason = \"b\"\nmatch = { type = [\"ApiCall\"], name = [\"[\"] }",
        &[
            "mutes[0].match.name[0] = [: is not a glob: unclosed character class; missing ']'",
            "mutes[0].match.type[0] = ApiCall: matches nothing there is (allowed: ApiCallRateInsight, \
             ApiErrorRateInsight, AccountSweepInsight, AccountDeniedInsight, AccountSilenceInsight)",
        ],
    );
    check(
        "[sources.A]\ntype = \"simulated\"",
        &["sources.A: is not a name (allowed: 1 to 64 of a-z, 0-9, - and single _)"],
    );
    check(
        "[sources.a]\ntype = \"files\"\npath = \"-\"\n[sources.b]\ntype = \"files\"\npath = \"-\"",
        &["sources.b.path = -: standard input is read by a already (allowed: one source)"],
    );
    check(
        "[limits]\nrecord_bytes = \"2MiB\"\nobject_bytes = \"1MiB\"",
        &["limits.record_bytes = 2MiB: is more than an object may hold (allowed: at most limits.object_bytes, 1MiB)"],
    );
    check(
        "[http]\npublic_url = \"ftp://x\"",
        &[
            "http.public_url = ftp://x: is not a URL to show to people (allowed: https://HOST[:PORT][/PATH], without query or credentials)",
        ],
    );
    check("[log]\nlevel = \"=,=\"", &[&said("[log]\nlevel = \"=,=\"").concat()]);
    assert_eq!(said("[log]\nlevel = \"=,=\"").len(), 1);
}

#[test]
fn sources_of_kafka_are_held_against_themselves() {
    let of =
        |more: &str| format!("[sources.t]\ntype = \"kafka\"\nbrokers = [\"k:9092\"]\ntopics = [\"trail\"]\n{more}");
    check(&of(""), &[]);
    check(&of("start = \"2027-01-31T00:00:00Z\"\ngroup_protocol = \"consumer\"\n[sources.t.tls]"), &[]);
    check(
        &of("start = \"yesterday\""),
        &["sources.t.start = yesterday: is not where a topic can be begun (allowed: \"earliest\", \"latest\", or RFC \
           3339, such as \"2027-01-31T00:00:00Z\")"],
    );
    check(
        &of("group_protocol = \"consumer\"\ninstance_id = \"a\""),
        &[
            "sources.t.instance_id: cannot be had with group_protocol = \"consumer\": after a crash the broker keeps the \
           place for the dead instance until its session ends (allowed: group_protocol = \"classic\", or no instance_id)",
        ],
    );
    check(
        &of("").replace("k:9092", "k").replace("\"trail\"", "\"a trail\", \"^a b\""),
        &[
            "sources.t.brokers[0] = k: is not an address (allowed: HOST:PORT)",
            "sources.t.topics[0] = a trail: is not the name of a topic (allowed: 1 to 249 of a-z, A-Z, 0-9, ., _ and -; a \
             pattern begins with ^)",
        ],
    );
    check(
        &of("[sources.t.tls]\nca_file = \"/no/such\"\ncertificate_file = \"/dev/null\""),
        &[
            "sources.t.tls.ca_file = /no/such: cannot be read: No such file or directory (os error 2) (allowed: a file in \
             PEM form)",
            "sources.t.tls.key_file: is missing: certificate and key go together (allowed: both, or none)",
        ],
    );
    check(
        &of("[sources.t.sasl]\nmechanism = \"scram-sha-256\"\nusername = \"u\"\nscope = \"s\""),
        &[
            "sources.t.sasl.password: is missing",
            "sources.t.sasl.scope: is not a key of this mechanism (allowed: username, password)",
        ],
    );
    let plain = of("[sources.t.sasl]\nmechanism = \"plain\"\nusername = \"u\"\npassword = { env = \"P\" }");
    let config = with(&plain, &[("P", "hunter2")]).unwrap();
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "[detection]\nsensitivity = \"low\"\n[sinks.chat]\ntype = \"webhook\"\nurl = \"https://file.example\"";
    let config = with(
        file,
        &[
            ("TRAILSIGHT__DETECTION__SENSITIVITY", "high"),
            ("TRAILSIGHT__DETECTION__ASSUME_HISTORY", "true"),
            ("TRAILSIGHT__DETECTION__DATA_EVENTS", "s3.amazonaws.com, lambda.amazonaws.com"),
            ("TRAILSIGHT__LIMITS__SERIES", "2000"),
            ("TRAILSIGHT__LIMITS__OBJECT_BYTES", "1MiB"),
            ("TRAILSIGHT__DETECTION__BUDGETS__LOW", "0.5"),
            ("TRAILSIGHT__SINKS__CHAT__URL", "https://environment.example"),
            ("TRAILSIGHT__SOURCES__INBOX__TYPE", "files"),
            ("TRAILSIGHT__SOURCES__INBOX__PATH", "/123"),
            ("TRAILSIGHT__ROUTES", "[{ sinks = [\"chat\"], match = { account = [\"1*\"] } }]"),
            ("TRAILSIGHT__HTTP__TOKENS", "[{ role = \"viewer\", token = { env = \"SECRET\" } }]"),
            ("SECRET", "0123456789abcdef"),
            ("TRAILSIGHT_CONFIG", "not a key"),
        ],
    )
    .unwrap();
    assert_eq!(config.detection.sensitivity, written::Level::High);
    assert!(config.detection.assume_history);
    assert_eq!(config.detection.data_events, ["s3.amazonaws.com", "lambda.amazonaws.com"]);
    assert_eq!(config.limits.series, 2000);
    assert_eq!(config.limits.object_bytes, units::Size::mebibytes(1));
    assert_eq!(config.detection.budgets, [0.5, 1.0, 5.0]);
    let SinkKind::Webhook(chat) = &config.sinks[0].kind else { panic!("{:?}", config.sinks) };
    assert_eq!(chat.url.expose_secret(), "https://environment.example");
    let SourceKind::Files { path, .. } = &config.sources[0].kind else { panic!("{:?}", config.sources) };
    assert_eq!(path, Path::new("/123"));
    assert_eq!(config.routes[0].matches.account, ["1*"]);
    assert_eq!(config.http.tokens[0].token.expose_secret(), "0123456789abcdef");
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn mistakes_of_the_environment() {
    for (environment, problem) in [
        (
            &[("TRAILSIGHT__DETECTION__SENSITIVTY", "high")][..],
            "detection.sensitivty: is not a key; the nearest is `sensitivity`",
        ),
        (
            &[("TRAILSIGHT__LIMITS__SERIES", "lots")],
            "limits.series = \"lots\": is not of the right type (allowed: a whole number, 1000 to 50000000)",
        ),
        (&[("TRAILSIGHT__", "x")], "TRAILSIGHT__: is not the name of a key (allowed: TRAILSIGHT__SECTION__KEY)"),
        (
            &[("TRAILSIGHT__A[9]", "x")],
            "TRAILSIGHT__A[9]: is not the name of a key (allowed: TRAILSIGHT__SECTION__KEY)",
        ),
        (
            &[("TRAILSIGHT__HTTP", "{}"), ("TRAILSIGHT__HTTP__LISTEN", "x")],
            "TRAILSIGHT__HTTP: is the whole of what TRAILSIGHT__HTTP__LISTEN is a part of (allowed: one of them)",
        ),
    ] {
        let error = with("", environment).unwrap_err();
        assert_eq!(error.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [problem]);
    }
}

#[test]
fn secrets_are_never_shown() {
    let text = r#"
        [sinks.chat]
        type = "webhook"
        url = "https://hooks.example/hunter2"
        secrets = ["whsec_hunter2"]
        headers = { Authorization = "hunter2", Host = "hunter2" }
        urll = "hunter2"
        [[http.tokens]]
        role = "viewer"
        token = "hunter2"
        [[http.tokens]]
        role = "viewer"
        token = { env = "X", token = "hunter2" }
        [[http.tokens]]
        role = "viewer"
        token = { env = "NOT_SET" }
    "#;
    let error = with(text, &[]).unwrap_err();
    assert_eq!(error.problems.len(), 6, "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");

    let good = r#"
        [sinks.chat]
        type = "webhook"
        url = "https://hooks.example/hunter2"
        headers = { Authorization = "hunter2" }
        secrets = [{ env = "KEY" }]
    "#;
    let config = with(good, &[("KEY", "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg==")]).unwrap();
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    let effective = config.effective();
    assert!(!format!("{config:?} {effective}").contains("hunter2"));
    assert!(effective.contains("[redacted]") && effective.contains("\"KEY\""), "{effective}");
}

#[test]
fn the_example_holds_every_key_with_its_default() {
    // As it stands.
    let config = with(EXAMPLE, &[]).unwrap();
    let defaults = written::Written::default();
    let shown: toml::Table = config.effective().parse().unwrap();
    for (section, value) in toml::Table::try_from(&defaults).unwrap() {
        if !["sources", "sinks"].contains(&section.as_str()) {
            assert_eq!(shown[&section], value, "{section}");
        }
    }
    // With every example in it switched on.
    let text = everything();
    let variables = ["WEBHOOK_URL", "WEBHOOK_TEAM", "KAFKA_PASSWORD", "KAFKA_KEY_PASSWORD", "KAFKA_CLIENT_SECRET"]
        .map(|name| (name, "https://x.example"));
    let problems = with(&text, &variables).unwrap_err().problems;
    let missing: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    // Only the files are not there, and no mechanism has all keys.
    let expected = [
        "dead_letter.kafka.tls.ca_file",
        "http.tokens[0].token",
        "sinks.chat.secrets[0]",
        "sinks.own.template",
        "sinks.pager.routing_key",
        "sinks.stream.tls.ca_file",
        "sources.trail.sasl.client_id",
        "sources.trail.sasl.client_secret",
        "sources.trail.sasl.scope",
        "sources.trail.sasl.token_url",
        "sources.trail.tls.ca_file",
        "sources.trail.tls.certificate_file",
        "sources.trail.tls.key_file",
    ];
    assert_eq!(missing, expected);
    let tree = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
    let mut absent = Vec::new();
    absent_keys("", &schema(), &tree, &mut absent);
    // One type: its keys are shown at the mutes, at the source.
    let elsewhere = [
        ".dead_letter.kafka.tls.",
        ".dead_letter.kafka.sasl.",
        ".routes[].match.",
        ".sinks.\"kafka\".tls.",
        ".sinks.\"kafka\".sasl.",
    ];
    absent.retain(|key| !elsewhere.iter().any(|shown| key.starts_with(shown)));
    assert!(absent.is_empty(), "{absent:?}");
}

/// Keys of the schema that occur nowhere in `tree`.
fn absent_keys(path: &str, schema: &serde_json::Value, tree: &serde_json::Value, absent: &mut Vec<String>) {
    if let Some(secret) = schema["x-kind"].as_str() {
        assert!(["secret", "duration", "size", "time"].contains(&secret));
        return;
    }
    for (key, field) in schema["properties"].as_object().into_iter().flatten() {
        match tree.get(key) {
            Some(found) => absent_keys(&format!("{path}.{key}"), field, found, absent),
            None => absent.push(format!("{path}.{key}")),
        }
    }
    for variant in schema["additionalProperties"]["oneOf"].as_array().into_iter().flatten() {
        let tag = &variant["properties"]["type"]["const"];
        // The tables of one type hold every key over all of them.
        let tables = tree.as_object().into_iter().flat_map(|tables| tables.values());
        let merged: serde_json::Map<_, _> = tables
            .filter(|table| table["type"] == *tag)
            .filter_map(|table| table.as_object().cloned())
            .flatten()
            .collect();
        if merged.is_empty() {
            absent.push(format!("{path}.{tag}"));
        } else {
            absent_keys(&format!("{path}.{tag}"), variant, &merged.into(), absent);
        }
    }
    if schema["additionalProperties"]["properties"].is_object() {
        match tree.as_object().and_then(|tables| tables.values().next()) {
            Some(found) => absent_keys(&format!("{path}.KEY"), &schema["additionalProperties"], found, absent),
            None => absent.push(format!("{path}.KEY")),
        }
    }
    if let Some(items) = tree.as_array().filter(|_| schema["items"].is_object()) {
        // A list of tables holds every key over all of its elements.
        let mut merged = serde_json::Map::new();
        items.iter().filter_map(|item| item.as_object()).for_each(|item| merged.extend(item.clone()));
        if !merged.is_empty() {
            absent_keys(&format!("{path}[]"), &schema["items"], &merged.into(), absent);
        }
    }
}

#[test]
fn what_is_effective_is_a_configuration() {
    let config = with(EXAMPLE, &[]).unwrap();
    let again = with(&config.effective(), &[]).unwrap();
    assert_eq!(config.effective(), again.effective());
}

#[test]
fn memory_follows_the_limits() {
    let small = with("[limits]\nseries = 1000", &[]).unwrap().memory_bound();
    let large = with("[limits]\nseries = 1001000", &[]).unwrap().memory_bound();
    let loads = 5 * (50_000 - 1_000) * 256;
    assert_eq!(
        large.total() - small.total(),
        1_000_000 * 1024 + loads,
        "entries are smaller where few series may be held"
    );
    assert_eq!(large.share("series") - small.share("series"), 1_000_000 * 1024);
    assert!(small.to_string().contains("1000 x 1KiB + 64MiB"), "{small}");
}

#[test]
fn a_file_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    for file in [directory.path().join("absent"), directory.path().to_owned()] {
        let error = load(&Inputs { file: Some(file), ..Inputs::default() }).unwrap_err();
        assert_eq!(error.problems.len(), 1);
    }
    let path = directory.path().join("t.toml");
    std::fs::write(&path, "data_dir = \"/a\"").unwrap();
    let inputs = Inputs { file: Some(path), data_dir: Some("/b".into()), ..Inputs::default() };
    assert_eq!(load(&inputs).unwrap().data_dir, Path::new("/b"));
}

proptest::proptest! {
    #[test]
    fn no_text_is_a_panic(text in "(\\[\\[?(sources|sinks|http|routes|mutes|limits)(\\.[a-z]{1,3})?\\]\\]?\n|[a-z_]{1,9} = ([0-9]{1,20}|\"[^\"\n]{0,9}\"|\\[\\]|\\{\\})\n){0,8}") {
        let _ = with(&text, &[]);
    }
}
