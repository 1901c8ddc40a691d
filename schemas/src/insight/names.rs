//! The words of the record, each way.

use std::fmt;
use std::str::FromStr;

use super::{Attribute, Direction, EndReason, InsightType, Sensitivity, SourceEventCategory, State, Test};

/// A word that is not one of its list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a {list}: expected one of {expected}")]
pub struct UnknownName {
    /// The key the word stood under.
    pub list: &'static str,
    /// The word.
    pub word: String,
    /// The list, separated by commas.
    pub expected: String,
}

macro_rules! names {
    ($type:ident, $list:literal, $($variant:ident = $word:literal),+ $(,)?) => {
        impl $type {
            /// Every variant, in the order of declaration.
            pub const ALL: &[$type] = &[$($type::$variant),+];

            /// The word that stands in the record.
            pub const fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(word: &str) -> Result<$type, UnknownName> {
                $type::ALL.iter().copied().find(|known| known.as_str() == word).ok_or_else(|| UnknownName {
                    list: $list,
                    word: word.chars().take(64).collect(),
                    expected: [$($word),+].join(", "),
                })
            }
        }
    };
}

names!(State, "state", Start = "Start", End = "End");
names!(
    InsightType,
    "insightType",
    ApiCallRate = "ApiCallRateInsight",
    ApiErrorRate = "ApiErrorRateInsight",
    AccountSweep = "AccountSweepInsight",
    AccountDenied = "AccountDeniedInsight",
    AccountSilence = "AccountSilenceInsight",
);
names!(SourceEventCategory, "sourceEventCategory", Management = "Management", Data = "Data");
names!(Attribute, "attribute", UserIdentityArn = "userIdentityArn", UserAgent = "userAgent", ErrorCode = "errorCode",);
names!(Sensitivity, "sensitivity", Low = "low", Medium = "medium", High = "high");
names!(Direction, "direction", Above = "above", Below = "below");
names!(
    Test,
    "test",
    Minute = "minute",
    FiveMinutes = "fiveMinutes",
    Sustained = "sustained",
    Hour = "hour",
    Record = "record",
    Drop = "drop",
    FirstUse = "firstUse",
    Sweep = "sweep",
);
names!(EndReason, "endReason", Returned = "returned", Accepted = "accepted", Superseded = "superseded");

impl InsightType {
    /// Whether AWS emits this type too.
    pub const fn known_to_aws(self) -> bool {
        matches!(self, InsightType::ApiCallRate | InsightType::ApiErrorRate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_itself() {
        for known in InsightType::ALL {
            assert_eq!(known.as_str().parse::<InsightType>().as_ref(), Ok(known));
        }
        for known in Test::ALL {
            assert_eq!(known.as_str().parse::<Test>().as_ref(), Ok(known));
        }
        assert_eq!(Sensitivity::ALL.len(), 3);
        assert_eq!(format!("{:>7}", Direction::Above), "  above");
    }

    #[test]
    fn an_unknown_word_is_named_with_what_was_expected_and_bounded() {
        let error = "Low".parse::<Sensitivity>().expect_err("case matters");
        assert_eq!(error.to_string(), "`Low` is not a sensitivity: expected one of low, medium, high");
        let long = "x".repeat(10_000).parse::<State>().expect_err("no such state");
        assert_eq!(long.word.len(), 64);
    }

    #[test]
    fn strictness_orders_sensitivities() {
        assert!(Sensitivity::Low < Sensitivity::Medium && Sensitivity::Medium < Sensitivity::High);
    }
}
