//! What is said of single accounts.

use super::*;

#[test]
fn five_mistakes_about_accounts_are_five_problems() {
    let text = r#"
        [accounts.1234]
        owner = "a"
        [accounts.111122223333]
        alias = "production"
        sensitivity = "hi"
        [accounts.444455556666]
        alias = "production"
        [accounts.444455556666.budgets]
        low = 0.0001
        [accounts.777788889999.budgets]
        low = 3
    "#;
    check(
        text,
        &[
            "accounts.111122223333.sensitivity = \"hi\": is not known; the nearest is \"high\" (allowed: \"low\", \"medium\", \"high\")",
            "accounts.1234: is not an account (allowed: the id of an account, 12 digits)",
            "accounts.444455556666.alias = production: is the alias of accounts.111122223333 too (allowed: a name of its own)",
            "accounts.444455556666.budgets.low = 0.0001: is out of range (allowed: 0.001 to 1000)",
            "accounts.777788889999.budgets.medium = 1: is below the budget of the stricter level (allowed: 3 or more)",
        ],
    );
    let said = said("[accounts.111122223333]\nowner = \"a\"\n[accounts.111122223333]\nowner = \"b\"");
    assert!(said.len() == 1 && said[0].contains("duplicate"), "{said:?}");
    check(
        "[accounts.111122223333]\nalias = \"444455556666\"\nbudget = 3",
        &[
            "accounts.111122223333.alias = 444455556666: would be taken for an account's id (allowed: a name)",
            "accounts.111122223333.budget: is not a key; the nearest is `budgets`",
        ],
    );
    let many: String = (0..10_001).map(|number| format!("[accounts.{number:012}]\nowner = \"a\"\n")).collect();
    check(&many, &["accounts: has too many keys (allowed: at most 10000)"]);
}

#[test]
fn an_account_has_budgets_of_its_own() {
    let text = "[detection.budgets]\nhigh = 8\n[accounts.111122223333]\nalias = \"production\"\n\
        budgets = { low = 0.05, medium = 0.5 }\n[accounts.444455556666]\nsensitivity = \"high\"";
    let config = with(text, &[("TRAILSIGHT__ACCOUNTS__777788889999__BUDGETS__HIGH", "20")]).unwrap();
    let settings = config.detect_settings();
    assert_eq!(settings.budgets_of("111122223333"), [0.05, 0.5, 8.0]);
    assert_eq!(settings.budgets_of("444455556666"), [0.2, 1.0, 8.0]);
    assert_eq!(settings.budgets_of("777788889999"), [0.2, 1.0, 20.0]);
    assert_eq!(settings.account_budgets.len(), 2);
    assert_eq!(config.alias("111122223333"), Some("production"));
    assert_eq!(config.accounts["444455556666"].sensitivity, Some(written::Level::High));
    let effective: toml::Table = config.effective().parse().unwrap();
    assert_eq!(effective["accounts"]["111122223333"]["budgets"]["high"].as_float(), Some(8.0));
    assert_eq!(with(&config.effective(), &[]).unwrap().effective(), config.effective());
}
