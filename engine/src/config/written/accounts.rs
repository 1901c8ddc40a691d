//! `[accounts.ID]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Level;

/// What is known of one account. Its key is the account's id, twelve digits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// What people call it; shown beside its id wherever insights are printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub alias: Option<String>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub owner: Option<String>,
    /// What it is for, such as `production`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub environment: Option<String>,
    /// The level of a route that names none, for this account; `detection.sensitivity` where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Level>,
    /// Expected false insights of this account in a week; a level that is not given has that of `detection.budgets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budgets: Option<OwnBudgets>,
}

/// Expected false insights of one account in a week.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OwnBudgets {
    /// At `low`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1000))]
    pub low: Option<f64>,
    /// At `medium`; not below `low`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1000))]
    pub medium: Option<f64>,
    /// At `high`; not below `medium`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1000))]
    pub high: Option<f64>,
}
