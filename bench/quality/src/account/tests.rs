use std::collections::{BTreeMap, BTreeSet};

use super::{Account, Personality};
use crate::calendar::{LENGTH, SCORED, WEEK};
use crate::catalog::{Api, SUCCESS};
use crate::seeds::{Member, Population, Set};
use crate::table;
use crate::traffic::Series;

fn member(population: Population, number: u32) -> Member {
    Member { set: Set::Development, population, number }
}

fn text(account: &Account) -> String {
    let mut bytes = Vec::new();
    table::rows(&account.world, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

const ANCHOR: u64 = 4_007_802_487_355_858_326;

#[test]
fn a_seed_gives_the_same_bytes() {
    let once = Account::generate(&member(Population::Attacked, 1)).unwrap();
    let again = Account::generate(&member(Population::Attacked, 1)).unwrap();
    assert_eq!(once.labels, again.labels);
    assert!(text(&once) == text(&again), "tables of one seed differ");
    // The same on every machine. Whoever changes it changes the accounts: then the generation in `seeds.rs` moves too.
    assert_eq!(crate::dice::hash(text(&once).as_bytes()), ANCHOR);
    let other = Account::generate(&member(Population::Peaceful, 1)).unwrap();
    assert!(text(&once) != text(&other));
}

#[test]
fn tables_are_valid_and_small() {
    for number in 0..6 {
        let account = Account::generate(&member(Population::Attacked, number)).unwrap();
        let text = text(&account);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(table::HEADER));
        let mut before = "";
        let mut rows = 0;
        for line in lines {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields.len(), 11, "{line}");
            assert!(fields[0] >= before, "{line} is out of order");
            assert!(
                fields[0].ends_with(":00Z") && fields[1] == account.labels.account && fields[10].parse::<u32>().is_ok()
            );
            before = fields[0];
            rows += 1;
        }
        assert!((5_000..1_000_000).contains(&rows), "{rows} rows");
        assert!(account.labels.series < 450, "{} series", account.labels.series);
    }
}

#[test]
fn labels_are_sane() {
    for number in 0..12 {
        let Account { labels, .. } = Account::generate(&member(Population::Attacked, number)).unwrap();
        assert!(labels.truths.len() >= 8, "{} anomalies", labels.truths.len());
        let kinds: BTreeSet<_> = labels.truths.iter().map(|truth| truth.kind).collect();
        assert_eq!(kinds.len(), labels.truths.len(), "each kind once");
        for truth in &labels.truths {
            assert!(labels.scored <= truth.start && truth.start < truth.end && truth.end <= labels.end, "{truth:?}");
            assert!(!truth.series.is_empty() && (1..=4).contains(&truth.strength));
            assert!(
                !truth.obvious || f64::from(truth.peak) >= 20.0 && f64::from(truth.peak) > 10.0 * truth.usual,
                "{truth:?}"
            );
        }
        let short: Vec<_> = labels.truths.iter().filter(|truth| truth.end - truth.start < 5 * 60).collect();
        assert!(
            short.windows(2).all(|pair| pair[1].start - pair[0].end >= 60),
            "anomalies of {number} stand too close"
        );
    }
}

#[test]
fn peaceful_accounts_have_no_anomalies() {
    let Account { labels, .. } = Account::generate(&member(Population::Peaceful, 3)).unwrap();
    assert!(labels.truths.is_empty() && !labels.attacked);
}

#[test]
fn a_gap_is_missing_for_the_whole_account() {
    let gapped = (0..30).map(|number| Account::generate(&member(Population::Peaceful, number)).unwrap());
    let mut seen = 0;
    for account in gapped {
        for change in
            account.labels.changes.iter().filter(|change| change.kind == crate::change::ChangeKind::DeliveryGap)
        {
            let (from, to) = (change.start - account.labels.first, change.end - 60 - account.labels.first);
            let lost = |minute: i64| (from..to).contains(&minute);
            assert!(!account.world.traffic.rows().iter().any(|row| lost(row.minute.into())));
            seen += 1;
        }
    }
    assert!(seen > 0, "thirty accounts without a gap");
}

/// First bursts (five-minute cells of writing APIs that were silent for a week) and busy cells of accounts of the
/// quiet personality, an account-week, with at least this many calls.
fn base_rates(accounts: u32, sizes: &[u64]) -> (Vec<f64>, Vec<f64>) {
    let (mut first, mut other) = (vec![0.0; sizes.len()], vec![0.0; sizes.len()]);
    let numbers = (0..).map(|turn| turn * Personality::ALL.len() as u32).take(accounts as usize);
    for number in numbers {
        let account = Account::generate(&member(Population::Peaceful, number)).unwrap();
        assert_eq!(account.labels.personality, Personality::Quiet);
        let mut cells: BTreeMap<Series, BTreeMap<i64, u64>> = BTreeMap::new();
        for row in account.world.traffic.rows().iter().filter(|row| !row.cell.api.reads()) {
            *cells.entry(row.cell.calls()).or_default().entry(i64::from(row.minute) / 5).or_default() +=
                u64::from(row.calls);
        }
        for series in cells.values() {
            let mut last = i64::MIN / 2;
            for (cell, calls) in series {
                let into = if cell - last > WEEK / 5 { &mut first } else { &mut other };
                last = *cell;
                for (rate, size) in into.iter_mut().zip(sizes) {
                    *rate += if *cell * 5 >= SCORED && calls >= size { 1.0 } else { 0.0 };
                }
            }
        }
    }
    let weeks = f64::from(accounts) * (LENGTH - SCORED) as f64 / WEEK as f64;
    [first, other].map(|rates| rates.into_iter().map(|rate| rate / weeks).collect()).into()
}

/// Base rates of 80 account-weeks of small real accounts: 10.1 / 3.3 / 1.4 / 0.53 / 0.10 first bursts a week with at
/// least 1 / 2 / 3 / 5 / 10 calls. Made-up ones are within a factor of two of them, or of three for the rarest.
#[test]
fn first_bursts_are_as_rare_as_in_small_real_accounts() {
    let (first, other) = base_rates(30, &[1, 2, 3, 5, 10]);
    for (place, real) in [10.1, 3.3, 1.4, 0.53, 0.10].into_iter().enumerate() {
        let slack = if place == 4 { 3.0 } else { 2.0 };
        assert!(first[place] < real * slack && first[place] > real / slack, "{first:?}");
    }
    assert!((12.0..120.0).contains(&other[0]), "{other:?}");
}

#[test]
fn every_api_of_a_table_has_a_name() {
    let account = Account::generate(&member(Population::Attacked, 2)).unwrap();
    let used: BTreeSet<Api> = account.world.traffic.rows().iter().map(|row| row.cell.api).collect();
    assert!(used.iter().all(|api| !api.name().is_empty() && api.source().ends_with(".amazonaws.com")));
    assert!(account.world.traffic.rows().iter().any(|row| row.cell.code != SUCCESS));
}
