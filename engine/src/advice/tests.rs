use std::process::Command;

use trailsight_schemas::insight::{Direction, InsightType, Principal};
use trailsight_schemas::time::parse_rfc3339;

use super::quoting::{shell, sql};
use super::*;

const ATTACKS: &str = include_str!("../deliver/message/attacks.txt");
const ROLE: &str = "arn:aws:sts::111122223333:assumed-role/ci-deployer";

fn insight(source: &str, name: &str, code: Option<&str>, insight_type: InsightType, who: &str) -> InsightEvent {
    let mut event = crate::deliver::sample::event(parse_rfc3339("2026-03-05T07:11:00Z").expect("a time") * 1000);
    event.recipient_account_id = "111122223333".into();
    event.aws_region = "eu-west-1".into();
    let details = &mut event.details;
    (details.event_source, details.event_name) = (source.into(), name.into());
    (details.error_code, details.insight_type) = (code.map(str::to_owned), insight_type);
    let own = event.trailsight.as_mut().expect("ours");
    own.principals = vec![Principal { value: who.into(), average: 50.0, baseline: 0.2, new: false }];
    event
}

fn calls(source: &str, name: &str) -> InsightEvent {
    insight(&format!("{source}.amazonaws.com"), name, None, InsightType::ApiCallRate, ROLE)
}

fn errors(source: &str, name: &str, code: &str) -> InsightEvent {
    insight(&format!("{source}.amazonaws.com"), name, Some(code), InsightType::ApiErrorRate, ROLE)
}

fn of_account(insight_type: InsightType) -> InsightEvent {
    insight("*", "*", None, insight_type, ROLE)
}

#[test]
fn each_insight_has_its_family() {
    for (event, family) in [
        (of_account(InsightType::AccountSilence), "silence"),
        (of_account(InsightType::AccountSweep), "sweeps"),
        (of_account(InsightType::AccountDenied), "denied over the account"),
        (calls("cloudtrail", "StopLogging"), "logging turned off"),
        (calls("cloudtrail", "PutEventSelectors"), "logging turned off"),
        (calls("guardduty", "DeleteDetector"), "logging turned off"),
        (calls("iam", "CreateAccessKey"), "credentials"),
        (calls("sts", "AssumeRole"), "credentials"),
        (errors("signin", "ConsoleLogin", "Failed authentication"), "credentials"),
        (calls("iam", "AttachUserPolicy"), "policies"),
        (calls("iam", "UpdateAssumeRolePolicy"), "policies"),
        (calls("ec2", "AuthorizeSecurityGroupIngress"), "network"),
        (calls("route53", "ChangeResourceRecordSets"), "network"),
        (calls("kms", "ScheduleKeyDeletion"), "encryption and secrets"),
        (calls("secretsmanager", "GetSecretValue"), "encryption and secrets"),
        (calls("s3", "DeleteBucket"), "deletions"),
        (calls("rds", "DeleteDBInstance"), "deletions"),
        (calls("ec2", "RunInstances"), "compute bursts"),
        (calls("lambda", "CreateFunction20150331"), "compute bursts"),
        (errors("s3", "GetBucketPolicy", "AccessDenied"), "access denied"),
        (errors("ec2", "DescribeInstances", "Client.UnauthorizedOperation"), "access denied"),
        (errors("dynamodb", "DescribeTable", "ThrottlingException"), "throttling"),
        (errors("ec2", "DescribeInstances", "Client.RequestLimitExceeded"), "throttling"),
        (calls("ssm", "UpdateInstanceInformation"), "anything else"),
    ] {
        let found = families::advice().family(&event).expect("the last family means everything");
        assert_eq!(found.name, family, "{}:{}", event.details.event_source, event.details.event_name);
    }
}

#[test]
fn commands_are_filled_in() {
    let steps = recommend(&calls("iam", "CreateAccessKey"));
    let command = |at: usize| steps[at].command.as_deref().expect("a command");
    assert_eq!(
        command(0),
        "aws cloudtrail lookup-events --region eu-west-1 --lookup-attributes \
         AttributeKey=EventName,AttributeValue=CreateAccessKey --start-time 2026-03-05T07:01:00Z --end-time 2026-03-05T07:22:00Z"
    );
    assert_eq!(
        command(1),
        "SELECT useridentity.arn, sourceipaddress, useragent, errorcode, count(*) AS calls FROM cloudtrail_logs WHERE \
         recipientaccountid = '111122223333' AND awsregion = 'eu-west-1' AND eventsource = 'iam.amazonaws.com' AND \
         eventname = 'CreateAccessKey' AND eventtime BETWEEN '2026-03-05T07:01:00Z' AND '2026-03-05T07:22:00Z' \
         GROUP BY 1, 2, 3, 4 ORDER BY calls DESC LIMIT 50"
    );
    assert!(steps[2].text.ends_with("(ATT&CK T1098.001 (Additional Cloud Credentials))"), "{}", steps[2].text);
    let contains = steps.last().expect("a last step");
    assert!(contains.text.starts_with(CONTAINS), "{contains:?}");
    assert!(
        contains.command.as_ref().is_some_and(|command| command.contains("--role-name ci-deployer")),
        "{contains:?}"
    );
    let user = recommend(&insight(
        "iam.amazonaws.com",
        "CreateUser",
        None,
        InsightType::ApiCallRate,
        "arn:aws:iam::111122223333:user/ops/alice",
    ));
    let commands: Vec<&str> = user.iter().filter_map(|step| step.command.as_deref()).collect();
    assert!(commands.contains(&"aws iam list-access-keys --user-name alice"), "{commands:#?}");
    assert!(!commands.iter().any(|command| command.contains("role")), "nobody had a role: {commands:#?}");
}

#[test]
fn a_silence_names_what_ends_a_trail() {
    let mut silent = of_account(InsightType::AccountSilence);
    silent.aws_region = "*".into();
    silent.trailsight.as_mut().expect("ours").direction = Direction::Below;
    let said: String = recommend(&silent)
        .iter()
        .map(|step| format!("{} {}\n", step.text, step.command.clone().unwrap_or_default()))
        .collect();
    for call in [
        "StopLogging",
        "DeleteTrail",
        "UpdateTrail",
        "PutEventSelectors",
        "PutInsightSelectors",
        "DeleteEventDataStore",
    ] {
        assert!(said.contains(call), "{call}: {said}");
    }
    assert!(said.contains("--start-time 2026-03-05T01:11:00Z") && !said.contains("CONTAINS"), "{said}");
}

#[test]
fn an_end_recommends_nothing() {
    let mut over = calls("iam", "CreateAccessKey");
    over.details.state = State::End;
    assert!(recommend(&over).is_empty());
}

/// Runs a script with an `aws` that does nothing but write its arguments, each between brackets.
fn run(script: &str) -> String {
    let aws = "aws() { for word in \"$@\"; do printf '[%s]' \"$word\"; done; }\n";
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{aws}{script}")]).env_clear().env("PATH", "/usr/bin:/bin");
    let output = shell.output().expect("a shell");
    assert!(output.stderr.is_empty(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_shell_finds_one_word_in_any_name() {
    for attack in ATTACKS.lines().chain(["", "a b", "it's", "$(id)", "`id`", "\\", "!!", "a\u{7f}b", "~", "*", "é"]) {
        let Some(word) = shell(attack) else { panic!("{attack} is no option") };
        let plain: String = attack.chars().map(|each| if run_obeys(each) { '?' } else { each }).collect();
        assert_eq!(run(&format!("aws {word}")), format!("[{plain}]"), "{word}");
    }
    assert_eq!(shell("--profile=evil"), None);
    assert_eq!(shell("\u{1b}-x"), Some("'?-x'".into()));
    assert_eq!(sql("a'; DROP TABLE x --\n"), "'a''; DROP TABLE x --?'");
}

fn run_obeys(each: char) -> bool {
    each.is_control()
        || matches!(each, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[test]
fn no_name_gets_out_of_its_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let owned = folder.path().join("owned");
    let attacks = ATTACKS.replace("/tmp/owned", &owned.display().to_string());
    for attack in attacks.lines() {
        let who = format!("arn:aws:sts::111122223333:assumed-role/{}", attack.replace('/', "|"));
        let mut event = insight(attack, attack, Some(attack), InsightType::ApiErrorRate, &who);
        (event.aws_region, event.recipient_account_id) = (attack.into(), attack.into());
        let steps = recommend(&event);
        assert!(steps.len() >= 4, "{steps:#?}");
        let commands = steps.iter().filter_map(|step| step.command.as_deref());
        for command in commands.filter(|command| command.starts_with("aws ")) {
            let said = run(command);
            let words = said.matches('[').count();
            assert!(words > 3 && said.contains("region") || said.contains("-name"), "{command}: {said}");
        }
        for query in
            steps.iter().filter_map(|step| step.command.as_deref()).filter(|command| command.starts_with("SELECT"))
        {
            // Outside of literals there is only our own text.
            let outside: String = query.split('\'').step_by(2).collect();
            assert!(!outside.contains("evil") && query.matches('\'').count() % 2 == 0, "{query}");
        }
    }
    assert!(!owned.exists(), "a name was executed");
}

#[test]
fn the_file_is_whole() {
    let advice = families::parse().expect("the file is TOML of the right form");
    let last = advice.family.last().expect("families");
    assert_eq!(last.globs().count(), 0, "the last family means everything");
    for family in &advice.family {
        assert!(!family.step.is_empty(), "{} has no step", family.name);
        for glob in family.globs() {
            assert!(globset::Glob::new(glob).is_ok(), "{}: {glob}", family.name);
        }
        let technique = |text: &str| text.starts_with('T') && text[1..5].bytes().all(|byte| byte.is_ascii_digit());
        assert!(family.technique.as_deref().is_none_or(technique), "{}", family.name);
    }
    let known =
        ["account", "region", "source", "service", "name", "code", "from", "to", "before", "day_before", "day_after"];
    let known: Vec<&str> = known.into_iter().chain(["lookup", "where", "role", "user", "arn"]).collect();
    for step in advice.family.iter().flat_map(|family| &family.step).chain(&advice.first).chain(&advice.last) {
        let text = step.command.as_deref().or(step.query.as_deref()).unwrap_or_default();
        for place in text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(word, _)| word) {
            let ours = place.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !place.is_empty();
            assert!(!ours || known.contains(&place), "{}: {{{place}}}", step.text);
        }
        let verbs = ["put-", "create-", "delete-", "update-", "attach-", "detach-", "stop-", "terminate-", "disable-"];
        let changes = verbs.iter().any(|verb| text.split_whitespace().any(|word| word.starts_with(verb)));
        assert_eq!(step.contains, changes, "{}: {text}", step.text);
    }
}
