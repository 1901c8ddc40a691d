//! Hand-made insights against hand-made labels, with figures that can be counted on fingers.

use proptest::prelude::*;

use super::{Scored, cells, changes, figures, rate_at};
use crate::account::Personality;
use crate::anomaly::Kind;
use crate::change::ChangeKind;
use crate::insight::{DecidedBy, Gate, Incident, read};
use crate::label::{Change, Direction, Labels, Name, Truth};

const FIRST: i64 = 28_000_000 / 10080 * 10080;
const SCORED: i64 = FIRST + 10_080;

fn name(api: &str, code: &str) -> Name {
    Name { region: "us-east-1".into(), source: "iam.amazonaws.com".into(), name: api.into(), code: code.into() }
}

fn truth(kind: Kind, strength: u8, start: i64, end: i64, series: &[Name], companions: &[Name]) -> Truth {
    Truth {
        kind,
        strength,
        obvious: kind.obvious(strength),
        direction: kind.direction(),
        start: SCORED + start,
        end: SCORED + end,
        principal: String::new(),
        series: series.to_vec(),
        companions: companions.to_vec(),
        usual: 0.0,
        peak: 1,
    }
}

fn labels(truths: Vec<Truth>, changes: Vec<Change>) -> Labels {
    Labels {
        account: "1".into(),
        personality: Personality::Quiet,
        zone: String::new(),
        attacked: true,
        first: FIRST,
        scored: SCORED,
        end: SCORED + 2 * 10_080,
        series: 3,
        truths,
        changes,
    }
}

/// One line a record: `id state minute api code level decided chance leader`, `-` for what is not there.
fn incidents(lines: &str) -> Vec<Incident> {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let word: Vec<&str> = line.split_whitespace().collect();
        let time = |minute: &str| crate::calendar::stamp(SCORED + minute.parse::<i64>().unwrap());
        let [id, state, minute, api, code, level, decided, chance, leader] = word[..] else { panic!("{line}") };
        let below = api.starts_with('!');
        let api = api.trim_start_matches('!');
        let mut extra = serde_json::json!({"sensitivity": level, "direction": if below { "below" } else { "above" }});
        if decided != "-" {
            extra["detectedAt"] = time(decided).into();
        }
        if chance != "-" {
            extra["chancePerWeek"] = chance.parse::<f64>().unwrap().into();
        }
        if leader != "-" {
            extra["leader"] = leader.into();
        }
        let kind = match (api, code) {
            ("*", _) => "AccountSweepInsight",
            (_, "-") => "ApiCallRateInsight",
            _ => "ApiErrorRateInsight",
        };
        if api == "*" {
            extra["members"] = serde_json::json!(["1/us-east-1/iam.amazonaws.com/GetRole"]);
        }
        let mut details = serde_json::json!({"state": state, "eventSource": "iam.amazonaws.com", "eventName": api, "insightType": kind});
        if code != "-" {
            details["errorCode"] = code.into();
        }
        let record = serde_json::json!({
            "eventTime": time(minute), "awsRegion": "us-east-1", "recipientAccountId": "1", "sharedEventID": id,
            "insightDetails": details, "trailsight": extra,
        });
        text.push_str(&format!("{record}\n"));
    }
    read(&mut text.as_bytes(), DecidedBy::End).unwrap()
}

fn high() -> Gate {
    Gate::Level(2)
}

#[test]
fn false_leads_are_counted_a_week_and_folded_ones_are_not() {
    let told = incidents(
        "a Start 10  DeleteUser - high   11 - -
         b Start 12  DeleteRole - high   13 - a
         c Start 500 DeleteRole - medium 501 - -
         d Start -50 DeleteRole - low    -49 - -",
    );
    let account = Scored::new(labels(Vec::new(), Vec::new()), told);
    let rate = |level| figures(&[&account], Gate::Level(level)).false_rate;
    // Two weeks: c at medium and high, a at high; b is folded, d lies in the first week.
    assert_eq!([rate(0), rate(1), rate(2)], [0.0, 0.5, 1.0]);
}

#[test]
fn a_folded_insight_finds_what_is_true() {
    let attack = truth(Kind::DeniedBurst, 4, 100, 120, &[name("GetRole", "AccessDenied")], &[]);
    let told = incidents("x Start 100 GetRole AccessDenied high 101 - other");
    let account = Scored::new(labels(vec![attack], Vec::new()), told);
    let at = figures(&[&account], high());
    assert_eq!((at.obvious_recall, at.macro_recall, at.insights_per_truth, at.false_rate), (1.0, 1.0, 0.0, 0.0));
}

#[test]
fn time_direction_and_series_decide_what_belongs() {
    let attack = || truth(Kind::MassDelete, 1, 100, 120, &[name("DeleteUser", "")], &[]);
    let found = |line: &str| {
        let account = Scored::new(labels(vec![attack()], Vec::new()), incidents(line));
        let at = figures(&[&account], high());
        (at.macro_recall, at.false_rate)
    };
    assert_eq!(found("x Start 100 DeleteUser - high 101 - -"), (1.0, 0.0));
    assert_eq!(found("x Start 125 DeleteUser - high 126 - -"), (1.0, 0.0));
    assert_eq!(found("x Start 126 DeleteUser - high 127 - -"), (0.0, 0.5));
    assert_eq!(found("x Start 99 DeleteUser - high 101 - -"), (0.0, 0.5));
    assert_eq!(found("x Start 100 !DeleteUser - high 101 - -"), (0.0, 0.5));
    assert_eq!(found("x Start 100 DeleteRole - high 101 - -"), (0.0, 0.5));
    assert_eq!(found("x Start 100 DeleteUser AccessDenied high 101 - -"), (0.0, 0.5));
}

#[test]
fn levels_rise_within_an_incident() {
    let attack = truth(Kind::DeniedBurst, 4, 100, 120, &[name("GetRole", "AccessDenied")], &[]);
    let told = incidents(
        "x Start 100 GetRole AccessDenied high   101 4.0  -
         x Start 100 GetRole AccessDenied medium 104 0.5  -
         x Start 100 GetRole AccessDenied low    108 0.01 -
         x End   123 GetRole AccessDenied low    -   -    -",
    );
    assert_eq!(told.len(), 1);
    let account = Scored::new(labels(vec![attack], Vec::new()), told);
    let delay = |gate| figures(&[&account], gate).obvious_delay.0;
    assert_eq!([delay(Gate::Level(0)), delay(Gate::Level(1)), delay(Gate::Level(2))], [7.0, 3.0, 0.0]);
    assert_eq!([delay(Gate::Chance(0.1)), delay(Gate::Chance(1.0))], [7.0, 3.0]);
    assert!(delay(Gate::Chance(0.001)).is_nan());
    assert_eq!(figures(&[&account], high()).end_error, 3.0);
}

#[test]
fn a_sweep_is_found_by_its_members() {
    let sweep = truth(Kind::Sweep, 2, 100, 110, &[name("GetRole", ""), name("ListUsers", "")], &[]);
    let account = Scored::new(labels(vec![sweep], Vec::new()), incidents("x Start 103 * - medium 105 - -"));
    let at = figures(&[&account], Gate::Level(1));
    assert_eq!((at.sweeps, at.false_rate), (1.0, 0.0));
    let other = truth(Kind::Sweep, 2, 100, 110, &[name("ListUsers", "")], &[]);
    let account = Scored::new(labels(vec![other], Vec::new()), incidents("x Start 103 * - medium 105 - -"));
    assert_eq!(figures(&[&account], Gate::Level(1)).sweeps, 0.0);
}

#[test]
fn errors_that_repeat_a_surge_are_explained_and_counted() {
    let errors = name("GetRole", "ThrottlingException");
    let surge = truth(Kind::Surge, 3, 100, 160, &[name("GetRole", "")], std::slice::from_ref(&errors));
    let told = incidents(
        "x Start 100 GetRole - high 101 - -
         y Start 101 GetRole ThrottlingException high 102 - -",
    );
    let at = figures(&[&Scored::new(labels(vec![surge.clone()], Vec::new()), told)], high());
    assert_eq!((at.macro_recall, at.repeated_surges, at.false_rate), (1.0, 1.0, 0.0));
    let only = incidents("y Start 101 GetRole ThrottlingException high 102 - -");
    let at = figures(&[&Scored::new(labels(vec![surge], Vec::new()), only)], high());
    assert_eq!((at.macro_recall, at.repeated_surges, at.false_rate), (0.0, 1.0, 0.0));
}

#[test]
fn recall_is_a_mean_over_cells_and_not_over_anomalies() {
    let attacks: Vec<Truth> = (0..4)
        .map(|place| {
            truth(
                Kind::MassDelete,
                if place == 0 { 4 } else { 1 },
                1000 * place,
                1000 * place + 50,
                &[name("DeleteUser", "")],
                &[],
            )
        })
        .collect();
    let account = Scored::new(labels(attacks, Vec::new()), incidents("x Start 5 DeleteUser - low 6 - -"));
    assert_eq!(figures(&[&account], high()).macro_recall, 0.5);
    let cells = cells(&[&account], high());
    assert_eq!((cells[&(Kind::MassDelete, 1)], cells[&(Kind::MassDelete, 4)]), ((3, 0), (1, 1)));
}

#[test]
fn alarms_of_a_benign_change_are_false_and_counted_for_it() {
    let moved =
        Change { kind: ChangeKind::CronMoved, start: SCORED + 50, end: SCORED + 90, series: vec![name("PutRole", "")] };
    let gap = Change { kind: ChangeKind::DeliveryGap, start: SCORED + 60, end: SCORED + 70, series: Vec::new() };
    let told = incidents(
        "x Start 55 PutRole - high 56 - -
         y Start 65 !PutUser - high 66 - -
         z Start 80 PutUser - high 81 - -",
    );
    let account = Scored::new(labels(Vec::new(), vec![moved, gap]), told);
    let kinds = changes(&[&account], high());
    assert_eq!((kinds[&ChangeKind::CronMoved], kinds[&ChangeKind::DeliveryGap]), ((1, 1), (1, 1)));
    let at = figures(&[&account], high());
    assert_eq!((at.false_rate, at.unprovoked_rate), (1.5, 0.5));
}

#[test]
fn at_an_equal_rate_the_chance_decides() {
    let attack = truth(Kind::FirstUse, 4, 1000, 1005, &[name("PutUser", "")], &[]);
    let told = incidents(
        "a Start 10   DeleteUser - high 11 0.3 -
         b Start 200  DeleteUser - high 201 2.0 -
         c Start 1000 PutUser    - high 1001 1.0 -",
    );
    let account = Scored::new(labels(vec![attack], Vec::new()), told);
    // Two weeks: at half a lead a week a is told, b is not, and c lies between them.
    assert_eq!(rate_at(&[&account], 0.5), (1.0, false));
    assert_eq!(rate_at(&[&account], 0.2), (0.0, false));
}

#[test]
fn directions_are_read() {
    let told = incidents("x Start 1 !DeleteUser - high 2 - -");
    assert_eq!(told[0].direction, Direction::Below);
}

/// Any incident of a few series, at any time of the two weeks, at any level.
fn any_incidents() -> impl Strategy<Value = String> {
    let line = (0_i64..20_000, 0_usize..3, 0_usize..3, 0_i64..90, any::<bool>());
    prop::collection::vec(line, 0..40).prop_map(|lines| {
        let text = |(place, (minute, api, level, later, folded)): (usize, (i64, usize, usize, i64, bool))| {
            let (api, level) = (["DeleteUser", "PutUser", "!PutRole"][api], ["low", "medium", "high"][level]);
            let leader = if folded { "other" } else { "-" };
            format!("i{place} Start {minute} {api} - {level} {} - {leader}\n", minute + later + 1)
        };
        lines.into_iter().enumerate().map(text).collect()
    })
}

fn some_truths() -> Vec<Truth> {
    vec![
        truth(Kind::MassDelete, 2, 3_000, 9_000, &[name("DeleteUser", "")], &[]),
        truth(Kind::Outage, 4, 1_000, 8_000, &[name("PutRole", "")], &[]),
        truth(Kind::Ramp, 1, 12_000, 15_000, &[name("PutUser", "")], &[]),
    ]
}

proptest! {
    #[test]
    fn a_looser_level_tells_more_of_everything(lines in any_incidents()) {
        let account = Scored::new(labels(some_truths(), Vec::new()), incidents(&lines));
        let at = [0, 1, 2].map(|level| figures(&[&account], Gate::Level(level)));
        for pair in at.windows(2) {
            prop_assert!(pair[0].false_rate <= pair[1].false_rate);
            prop_assert!(pair[0].macro_recall <= pair[1].macro_recall);
        }
        let told = account.incidents.len() as f64;
        prop_assert!(at[2].false_rate * 2.0 <= told);
    }

    #[test]
    fn the_order_of_incidents_is_nothing(lines in any_incidents()) {
        let told = incidents(&lines);
        let turned: Vec<Incident> = told.iter().rev().cloned().collect();
        let score = |told| figures(&[&Scored::new(labels(some_truths(), Vec::new()), told)], high());
        prop_assert_eq!(format!("{:?}", score(told)), format!("{:?}", score(turned)));
    }
}
