use std::convert::Infallible;

use trailsight_schemas::insight::InsightType;

use super::*;
use crate::deliver::fixtures::{insight, mute, principal};
use Sensitivity::{High, Low, Medium};

const NAMES: [&str; 3] = ["aws", "chat", "pager"];

fn sinks() -> Vec<SinkSpec> {
    let format = |name| if name == "aws" { InsightFormat::Aws } else { InsightFormat::Full };
    NAMES.iter().map(|name| SinkSpec { name: (*name).into(), format: format(*name), machine: *name == "aws" }).collect()
}

fn route(sinks: &[&str], sensitivity: Sensitivity) -> RouteSpec {
    let sinks = sinks.iter().map(|sink| (*sink).into()).collect();
    RouteSpec { sinks, sensitivity: Some(sensitivity), matches: MatchSpec::default(), continue_: false, quiet: None }
}

fn levels() -> Levels {
    let of_accounts = BTreeMap::from([("444455556666".to_owned(), High)]);
    Levels { usual: Medium, of_accounts }
}

fn router(routes: &[RouteSpec], mutes: &[MuteSpec]) -> Router {
    Router::new(routes, mutes, &sinks(), levels()).expect("valid rules")
}

fn start(level: Sensitivity, told: Option<Sensitivity>) -> Detected {
    let mut event = insight();
    event.trailsight.as_mut().expect("ours").sensitivity = level;
    Detected { event, told }
}

fn end() -> Detected {
    let mut detected = start(Low, Some(Low));
    detected.event.details.state = State::End;
    detected
}

/// Addresses one after the other, each committed before the next.
fn story(router: &Router, steps: Vec<Detected>) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut said = Vec::new();
    for step in steps {
        let one = router.address(vec![step], 0, |_| Ok::<_, Infallible>(told.clone())).expect("infallible").remove(0);
        told.extend(one.sinks.iter().cloned());
        said.push(
            one.muted_by
                .map_or_else(|| one.sinks.join(" "), |mute| format!("muted by {mute}: {}", one.sinks.join(" "))),
        );
    }
    said
}

#[test]
fn an_account_has_a_level_of_its_own_where_the_route_names_none() {
    let told = |router: &Router, level, account: &str| {
        let mut detected = start(level, None);
        detected.event.recipient_account_id = account.to_owned();
        story(router, vec![detected]).remove(0)
    };
    let open = RouteSpec { sensitivity: None, ..route(&["chat"], Low) };
    for (routes, hears) in [(vec![], "aws chat pager"), (vec![open], "chat"), (vec![route(&["chat"], Low)], "")] {
        let router = router(&routes, &[]);
        assert_eq!(told(&router, High, "444455556666"), hears);
        assert_eq!(told(&router, High, "111122223333"), "");
    }
}

#[test]
fn without_routes_every_sink_hears_at_the_default_level() {
    let router = router(&[], &[]);
    assert_eq!(story(&router, vec![start(High, None)]), [""]);
    assert_eq!(story(&router, vec![start(Medium, None)]), ["aws chat pager"]);
    assert_eq!(story(&router, vec![start(Low, None)]), ["aws chat pager"]);
}

#[test]
fn a_route_hears_of_an_incident_once_and_then_of_its_end() {
    let mut chat = route(&["chat"], High);
    chat.continue_ = true;
    let router = router(&[chat, route(&["pager"], Low)], &[]);
    let rises = vec![start(High, None), start(Medium, Some(High)), start(Low, Some(Medium)), end()];
    assert_eq!(story(&router, rises), ["chat", "", "pager", "chat pager"]);
    assert_eq!(story(&router, vec![start(High, None), end()]), ["chat", "chat"]);
    assert_eq!(story(&router, vec![start(Low, None), end()]), ["chat pager", "chat pager"]);
}

#[test]
fn an_incident_nobody_was_told_of_ends_unheard() {
    let router = router(&[route(&["pager"], Low)], &[]);
    assert_eq!(story(&router, vec![start(High, None), end()]), ["", ""]);
}

#[test]
fn the_first_route_that_matches_owns_the_insight_whatever_its_level() {
    let mut iam = route(&["pager"], Low);
    iam.matches.source = vec!["iam.*".into()];
    let mut s3 = route(&["pager"], Low);
    s3.matches.source = vec!["s3.*".into()];
    assert_eq!(story(&router(&[iam, route(&["chat"], High)], &[]), vec![start(Medium, None)]), [""]);
    assert_eq!(story(&router(&[s3, route(&["chat"], High)], &[]), vec![start(Medium, None)]), ["chat"]);
}

#[test]
fn two_routes_to_one_sink_tell_it_once() {
    let mut first = route(&["chat", "chat"], High);
    first.continue_ = true;
    assert_eq!(story(&router(&[first, route(&["chat"], High)], &[]), vec![start(Low, None)]), ["chat"]);
}

#[test]
fn what_happens_within_one_batch_is_known_to_the_next_of_it() {
    let router = router(&[route(&["chat"], High)], &[]);
    let batch = vec![start(High, None), start(Low, Some(High)), end()];
    let addressed = router.address(batch, 0, |_| Ok::<_, Infallible>(Vec::new())).expect("infallible");
    assert_eq!(addressed.iter().map(|one| one.sinks.join(" ")).collect::<Vec<_>>(), ["chat", "", "chat"]);
}

#[test]
fn the_history_is_asked_only_where_there_is_one_and_its_error_is_passed_on() {
    let router = router(&[], &[]);
    assert!(router.address(vec![start(Low, None)], 0, |_| Err::<Vec<String>, _>("asked")).is_ok());
    assert_eq!(router.address(vec![end()], 0, |_| Err::<Vec<String>, _>("asked")), Err("asked"));
}

#[test]
fn a_muted_incident_is_kept_in_history_and_from_people() {
    let router = router(&[], &[mute("quiet", MatchSpec::default())]);
    assert_eq!(story(&router, vec![start(Low, None), end()]), ["muted by quiet: ", "muted by quiet: "]);
}

#[test]
fn people_hear_when_somebody_else_joins_a_muted_deployer_and_then_of_the_end() {
    let ci = MatchSpec { principal: vec!["*ci-deployer".into()], ..MatchSpec::default() };
    let router = router(&[route(&["chat"], High)], &[mute("ci", ci)]);
    let mut joined = start(High, Some(High));
    joined.event.trailsight.as_mut().expect("ours").principals.push(principal("mallory", 6.0, 0.0));
    let steps = vec![start(High, None), joined, end()];
    assert_eq!(story(&router, steps), ["muted by ci: ", "chat", "chat"]);
}

#[test]
fn a_sink_that_is_gone_is_not_addressed() {
    let router = router(&[], &[]);
    let told = |_: &Uuid| Ok::<_, Infallible>(vec!["chat".to_owned(), "gone".to_owned()]);
    assert_eq!(router.address(vec![end()], 0, told).expect("infallible")[0].sinks, ["chat"]);
}

#[test]
fn aws_format_does_not_carry_account_level_insights() {
    let mut sweep = start(Low, None);
    sweep.event.details.insight_type = InsightType::AccountSweep;
    assert_eq!(story(&router(&[], &[]), vec![sweep]), ["chat pager"]);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let mut bad = route(&["chta"], Low);
    bad.matches.region = vec!["[".into()];
    let mut muted = mute("m", MatchSpec::default());
    muted.matches.name = vec!["{".into()];
    let problems = Router::new(&[route(&[], Low), bad], &[muted], &sinks(), levels()).expect_err("four mistakes");
    let texts: Vec<String> = problems.iter().map(RuleError::to_string).collect();
    assert_eq!(texts[0], "routes[0]: sinks: at least one is needed");
    assert_eq!(texts[1], "routes[1]: sinks: `chta` is not one of the sinks aws, chat, pager");
    assert!(texts[2].starts_with("routes[1]: region: `[`"), "{texts:?}");
    assert!(texts[3].starts_with("mutes[0]: name: `{`"), "{texts:?}");
}

/// An incident of its own that was folded into the one of `start`.
fn folded(level: Sensitivity) -> Detected {
    let mut detected = start(level, None);
    let lead = std::mem::replace(&mut detected.event.shared_event_id, Uuid::from_u128(200));
    detected.event.trailsight.as_mut().expect("ours").leader = Some(lead);
    detected
}

fn address(router: &Router, insights: Vec<Detected>, of_lead: &[&str]) -> Vec<String> {
    let told = |incident: &Uuid| {
        let lead = *incident == Uuid::from_u128(100);
        Ok::<_, Infallible>(if lead { of_lead.iter().map(|sink| (*sink).to_owned()).collect() } else { Vec::new() })
    };
    let addressed = router.address(insights, 0, told).expect("infallible");
    addressed.iter().map(|one| one.sinks.join(" ")).collect()
}

#[test]
fn people_hear_of_a_folded_insight_from_its_lead_and_machines_from_itself() {
    let router = router(&[], &[]);
    assert_eq!(address(&router, vec![start(Medium, None), folded(Medium)], &[]), ["aws chat pager", "aws"]);
    assert_eq!(address(&router, vec![folded(Medium)], &["aws", "chat", "pager"]), ["aws"], "told before");
    let mut stricter = folded(Low);
    stricter.event.trailsight.as_mut().expect("ours").leader = None;
    stricter.told = Some(Medium);
    assert_eq!(address(&router, vec![stricter], &["aws", "chat", "pager"]), ["aws chat pager"], "it broke through");
}

#[test]
fn people_who_were_not_told_of_the_lead_hear_of_what_it_folded() {
    let mut spec = route(&["pager"], Medium);
    spec.matches.region = vec!["nowhere".into()];
    let others = router(&[spec, route(&["aws", "chat"], Medium)], &[]);
    assert_eq!(address(&others, vec![start(Medium, None), folded(Medium)], &[]), ["aws chat", "aws"]);
    let everybody = router(&[], &[]);
    assert_eq!(address(&everybody, vec![folded(Medium)], &["aws", "chat"]), ["aws pager"]);
}

#[test]
fn quiet_hours_put_off_what_is_not_strict_and_its_end_too() {
    let hours = Weekly::new(&[], "22:00", "07:00", "UTC").expect("hours");
    let quiet = Some(Quiet { hours, except: Some(Low) });
    let router = router(&[RouteSpec { quiet, ..route(&["chat"], High) }, route(&["pager"], High)], &[]);
    let midnight = 1_772_668_800_000; // 2026-03-05T00:00:00Z
    let morning = midnight + 7 * 3_600_000;
    let put_off = |event: InsightEvent, now: i64| {
        let ends = event.details.state == State::End;
        let told = || Ok::<_, ()>(if ends { vec!["chat".to_owned()] } else { Vec::new() });
        let addressed =
            router.address(vec![Detected { event, told: None }], now, |_| told()).expect("no store is asked");
        (addressed[0].sinks.clone(), addressed[0].not_before.get("chat").copied())
    };
    let at = |level: Sensitivity, state: State| {
        let mut event = insight();
        event.details.state = state;
        event.trailsight.as_mut().expect("ours").sensitivity = level;
        event
    };
    let chat = || vec!["chat".to_owned()];
    assert_eq!(put_off(at(Medium, State::Start), midnight), (chat(), Some(morning)));
    assert_eq!(put_off(at(Medium, State::End), midnight), (chat(), Some(morning)));
    assert_eq!(put_off(at(Low, State::Start), midnight), (chat(), None));
    assert_eq!(put_off(at(Medium, State::Start), morning), (chat(), None));
}

#[test]
fn a_trace_says_what_every_route_said() {
    use super::super::trace::Said;
    let other = MatchSpec { account: vec!["9*".into()], ..MatchSpec::default() };
    let routes = [
        RouteSpec { matches: other, ..route(&["chat"], High) },
        RouteSpec { continue_: true, ..route(&["chat"], Low) },
        route(&["pager"], High),
        route(&["chat"], High),
    ];
    let trace = router(&routes, &[]).trace(&insight(), 0);
    assert_eq!(trace.sinks, ["pager"]);
    let expected =
        [Said::Other, Said::TooLoose { level: Medium, wants: Low }, Said::Tells(vec!["pager".into()]), Said::NotAsked];
    assert_eq!(trace.routes, expected);
    let all = mute("all", MatchSpec::default());
    let muted = router(&routes, &[all]).trace(&insight(), 0);
    assert_eq!((muted.sinks, muted.muted_by), (Vec::new(), Some("all".into())));
}
