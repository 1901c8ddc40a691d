//! `[accounts.ID]`: names of accounts, and what is their own in place of what holds for all.

use std::collections::BTreeMap;

use super::Context;
use super::settings::in_order;
use crate::config::written::{Account, Detection, Level, OwnBudgets};

/// Digits of an account's id.
const DIGITS: usize = 12;

/// One account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountConfig {
    /// What people call it.
    pub alias: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub environment: Option<String>,
    /// Its level, where a route or an option names none.
    pub sensitivity: Option<Level>,
    /// Expected false insights a week at low, medium, high, where they are its own.
    pub budgets: Option<[f64; 3]>,
}

pub(super) fn resolve(
    context: &mut Context<'_>,
    written: &BTreeMap<String, Account>,
    detection: &Detection,
) -> BTreeMap<String, AccountConfig> {
    let mut aliases = BTreeMap::new();
    let resolved = written.iter().map(|(id, account)| {
        let key = format!("accounts.{id}");
        if !is_id(id) {
            context.problem(&key, "", "is not an account", "the id of an account, 12 digits");
        }
        if let Some(alias) = &account.alias {
            self::alias(context, &key, id, alias, &mut aliases);
        }
        let budgets = account.budgets.as_ref().map(|own| self::budgets(context, &key, own, detection));
        let account = AccountConfig {
            alias: account.alias.clone(),
            owner: account.owner.clone(),
            environment: account.environment.clone(),
            sensitivity: account.sensitivity,
            budgets,
        };
        (id.clone(), account)
    });
    resolved.collect()
}

/// With what is effective in the place of what was not written.
pub(super) fn effective(written: &mut BTreeMap<String, Account>, resolved: &BTreeMap<String, AccountConfig>) {
    for (account, own) in written.iter_mut().filter_map(|(id, account)| Some((account, resolved.get(id)?))) {
        account.budgets = own.budgets.map(|[low, medium, high]| OwnBudgets {
            low: Some(low),
            medium: Some(medium),
            high: Some(high),
        });
    }
}

fn is_id(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name stands for one account, and is never taken for an id.
fn alias<'a>(
    context: &mut Context<'_>,
    key: &str,
    id: &'a str,
    alias: &'a str,
    known: &mut BTreeMap<&'a str, &'a str>,
) {
    let key = format!("{key}.alias");
    if is_id(alias) {
        context.problem(&key, alias, "would be taken for an account's id", "a name");
    }
    if alias.chars().any(char::is_control) {
        context.problem(&key, alias, "has control characters", "one line of text");
    }
    if let Some(other) = known.insert(alias, id) {
        context.problem(&key, alias, &format!("is the alias of accounts.{other} too"), "a name of its own");
    }
}

fn budgets(context: &mut Context<'_>, key: &str, own: &OwnBudgets, detection: &Detection) -> [f64; 3] {
    let all = &detection.budgets;
    let budgets = [own.low.unwrap_or(all.low), own.medium.unwrap_or(all.medium), own.high.unwrap_or(all.high)];
    in_order(context, &format!("{key}.budgets"), budgets);
    budgets
}
