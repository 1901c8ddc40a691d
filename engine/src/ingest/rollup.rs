//! From samples to the rollups of a journal entry.
//!
//! The same multiset of calls gives the same bytes. Numbers that depend on the order of arrival are replaced
//! first, by places in sorted lists; from then on comparing numbers is comparing strings. Every cut keeps the
//! most called, ties by string, and folds the rest into one `other`, computed from all calls of the minute.

use std::cmp::Reverse;
use std::sync::Arc;

use trailsight_schemas::entry::{Api, ApiId, ApiMinute, Attribution, Batch, ErrorMinute, StringId};

use super::intern::{Attributes, Tables};
use super::settings::{NAMES, OTHER, Settings};
use super::tally::{Row, Sample};

/// Tables in canonical order: a smaller number is a smaller value.
pub(super) struct Canonical {
    strings: Vec<Arc<str>>,
    apis: Vec<Api>,
    attributes: Vec<Attributes>,
    /// The number of [`OTHER`].
    other: StringId,
}

impl Canonical {
    /// Sorts the tables and renumbers what names their values.
    pub(super) fn order(mut tables: Tables, samples: &mut [Sample], rows: &mut [Row]) -> Canonical {
        let other = tables.string(OTHER);
        let (strings, string_at) = sorted(tables.strings());
        let string = |number: StringId| string_at[number as usize];
        let apis: Vec<Api> = tables.apis().iter().map(|api| renumbered(*api, string)).collect();
        let attributes: Vec<Attributes> = tables
            .all_attributes()
            .iter()
            .map(|call| Attributes {
                error: call.error.map(string),
                identity: string(call.identity),
                agent: string(call.agent),
            })
            .collect();
        let (apis, api_at) = sorted(&apis);
        let (attributes, attributes_at) = sorted(&attributes);
        for sample in samples {
            sample.api = api_at[sample.api as usize];
            sample.attributes = attributes_at[sample.attributes as usize];
        }
        for row in rows {
            row.api = api_at[row.api as usize];
            row.attributes = attributes_at[row.attributes as usize];
        }
        Canonical { strings, apis, attributes, other: string(other) }
    }

    /// The rollups of these calls, without fingerprints and progress.
    pub(super) fn roll_up(mut self, mut rows: Vec<Row>, settings: &Settings) -> Batch {
        self.fold_names(&mut rows);
        let api = |row: &Row| self.apis[row.api as usize];
        rows.sort_unstable_by_key(|row| (row.minute(), api(row), row.attributes));
        let mut minutes = Vec::new();
        for calls in rows.chunk_by(|a, b| a.minute() == b.minute() && api(a) == api(b)) {
            minutes.push((api(&calls[0]), self.minute(calls, settings)));
        }
        self.batch(minutes)
    }

    /// Where a source has over [`NAMES`] APIs in a minute, the calls of the rest become those of [`OTHER`].
    fn fold_names(&mut self, rows: &mut [Row]) {
        if self.apis.len() <= NAMES {
            return;
        }
        let apis = self.apis.clone();
        let api = |row: &Row| apis[row.api as usize];
        let source = |row: &Row| (row.minute(), api(row).account, api(row).region, api(row).source);
        rows.sort_unstable_by_key(|row| (row.minute(), row.api));
        for calls in rows.chunk_by_mut(|a, b| source(a) == source(b)) {
            let mut names = calls.iter().map(|row| (api(row).name, row.calls)).collect();
            if keep_most(&mut names, NAMES) == 0 {
                continue;
            }
            let kept = Kept::of(&names);
            for row in calls {
                if !kept.has(api(row).name) {
                    // What is folded comes one API after the other, so neighbours share their number.
                    let other = Api { name: self.other, ..api(row) };
                    if self.apis.last() != Some(&other) {
                        self.apis.push(other);
                    }
                    row.api = self.apis.len() as u32 - 1;
                }
            }
        }
    }

    /// One API in one minute, its number still to be set.
    fn minute(&self, rows: &[Row], settings: &Settings) -> ApiMinute {
        let calls: Vec<_> = rows.iter().map(|row| (self.attributes[row.attributes as usize], row.calls)).collect();
        ApiMinute {
            api: ApiId::MAX,
            minute: rows.first().map(Row::minute).unwrap_or_default(),
            calls: total(&calls),
            identities: attribution(&calls, |call| call.identity, settings),
            agents: attribution(&calls, |call| call.agent, settings),
            errors: self.errors(calls, settings),
        }
    }

    fn errors(&self, mut calls: Vec<(Attributes, u64)>, settings: &Settings) -> Vec<ErrorMinute> {
        calls.retain(|(call, _)| call.error.is_some());
        let mut codes = calls.iter().filter_map(|(call, count)| Some((call.error?, *count))).collect();
        if keep_most(&mut codes, settings.error_codes) > 0 {
            let kept = Kept::of(&codes);
            for (call, _) in &mut calls {
                call.error = call.error.map(|code| if kept.has(code) { code } else { self.other });
            }
        }
        calls.sort_unstable_by_key(|(call, _)| call.error);
        let of_code = |calls: &[(Attributes, u64)]| {
            Some(ErrorMinute {
                code: calls.first()?.0.error?,
                calls: total(calls),
                identities: attribution(calls, |call| call.identity, settings),
                agents: attribution(calls, |call| call.agent, settings),
            })
        };
        calls.chunk_by(|(a, _), (b, _)| a.error == b.error).filter_map(of_code).collect()
    }

    /// Keeps the strings and APIs that are named, and numbers them anew.
    fn batch(self, minutes: Vec<(Api, ApiMinute)>) -> Batch {
        let mut used = vec![false; self.strings.len()];
        for (api, minute) in &minutes {
            each_string(*api, minute, |string| used[string as usize] = true);
        }
        let mut place = vec![StringId::MAX; used.len()];
        let mut strings = Vec::new();
        for (string, _) in used.iter().enumerate().filter(|(_, used)| **used) {
            place[string] = strings.len() as StringId;
            strings.push(self.strings[string].to_string());
        }
        let string = |old: StringId| place[old as usize];
        let mut apis: Vec<Api> = minutes.iter().map(|(api, _)| renumbered(*api, string)).collect();
        let mut rollups: Vec<ApiMinute> = minutes.into_iter().map(|(_, minute)| minute).collect();
        let of_minute = apis.clone();
        apis.sort_unstable();
        apis.dedup();
        for (minute, api) in rollups.iter_mut().zip(&of_minute) {
            // The list was made of exactly these.
            minute.api = apis.partition_point(|known| known < api) as ApiId;
            renumber_strings(minute, string);
        }
        Batch { strings, apis, minutes: rollups, ..Batch::default() }
    }
}

fn total(calls: &[(Attributes, u64)]) -> u64 {
    calls.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
}

fn attribution(
    calls: &[(Attributes, u64)],
    value: impl Fn(&Attributes) -> StringId,
    settings: &Settings,
) -> Attribution {
    let mut values = calls.iter().map(|(call, count)| (value(call), *count)).collect();
    let other = keep_most(&mut values, settings.attribute_values);
    Attribution { values, other }
}

/// Adds up what has the same number and keeps the `most` highest, highest first and ties by number. Returns
/// the sum of the rest.
fn keep_most(counts: &mut Vec<(StringId, u64)>, most: usize) -> u64 {
    counts.sort_unstable_by_key(|(number, _)| *number);
    counts.dedup_by(|next, sum| {
        let is_same = next.0 == sum.0;
        if is_same {
            sum.1 = sum.1.saturating_add(next.1);
        }
        is_same
    });
    counts.sort_unstable_by_key(|(number, count)| (Reverse(*count), *number));
    let rest = counts.split_off(most.min(counts.len()));
    rest.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
}

/// The numbers that [`keep_most`] kept.
struct Kept(Vec<StringId>);

impl Kept {
    fn of(counts: &[(StringId, u64)]) -> Kept {
        let mut numbers: Vec<StringId> = counts.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        Kept(numbers)
    }

    fn has(&self, number: StringId) -> bool {
        self.0.binary_search(&number).is_ok()
    }
}

/// The values in order, and the place of each by its old number.
fn sorted<K: Ord + Clone>(values: &[K]) -> (Vec<K>, Vec<u32>) {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_unstable_by(|a, b| values[*a as usize].cmp(&values[*b as usize]));
    let mut place = vec![0; values.len()];
    for (new, old) in order.iter().enumerate() {
        place[*old as usize] = new as u32;
    }
    (order.iter().map(|old| values[*old as usize].clone()).collect(), place)
}

fn renumbered(api: Api, string: impl Fn(StringId) -> StringId) -> Api {
    Api {
        account: string(api.account),
        region: string(api.region),
        source: string(api.source),
        name: string(api.name),
        class: api.class,
    }
}

fn each_string(api: Api, minute: &ApiMinute, mut on: impl FnMut(StringId)) {
    [api.account, api.region, api.source, api.name].into_iter().for_each(&mut on);
    let errors = minute.errors.iter().flat_map(|error| [&error.identities, &error.agents]);
    for attribution in [&minute.identities, &minute.agents].into_iter().chain(errors) {
        attribution.values.iter().for_each(|(value, _)| on(*value));
    }
    minute.errors.iter().for_each(|error| on(error.code));
}

fn renumber_strings(minute: &mut ApiMinute, string: impl Fn(StringId) -> StringId) {
    let renumber = |attribution: &mut Attribution| {
        attribution.values.iter_mut().for_each(|(value, _)| *value = string(*value));
    };
    renumber(&mut minute.identities);
    renumber(&mut minute.agents);
    for error in &mut minute.errors {
        error.code = string(error.code);
        renumber(&mut error.identities);
        renumber(&mut error.agents);
    }
}
