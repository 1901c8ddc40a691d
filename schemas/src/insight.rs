//! An Insights event: AWS's trail form, field for field, and our own facts under one key.
//!
//! Source: CloudTrail user guide, "CloudTrail record contents for Insights events for trails".

use uuid::Uuid;

mod names;
mod average;
mod write;
mod parse;
mod relations;
#[cfg(test)]
mod tests;

pub use average::round_average;
pub use names::UnknownName;
pub use parse::InsightParseError;
pub use relations::check_relations;
pub use write::InsightFormat;

/// `eventVersion` of what is found here. It is the version whose fields AWS's published examples of 2024 and 2025 show.
pub const EVENT_VERSION: &str = "1.09";
/// Most values that one attribution list carries.
pub const TOP_VALUES: usize = 5;
/// Most members that `trailsight.members` lists; `membersOmitted` counts the rest.
pub const MOST_MEMBERS: usize = 200;

/// One Insights event: the Start or the End of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct InsightEvent {
    /// `eventVersion`: [`EVENT_VERSION`] in our own.
    pub event_version: String,
    /// `eventTime`, seconds since the epoch; always a whole minute.
    pub event_time: i64,
    /// `awsRegion`.
    pub aws_region: String,
    /// `eventID`.
    pub event_id: Uuid,
    /// `recipientAccountId`; empty where the record had none, and then left out again.
    pub recipient_account_id: String,
    /// `sharedEventID`: the incident.
    pub shared_event_id: Uuid,
    /// `insightDetails`.
    pub details: InsightDetails,
    /// `addendum`, the object as it was written, on one line: why a record came late or what it corrects.
    pub addendum: Option<String>,
    /// `trailsight`; absent in AWS's own events.
    pub trailsight: Option<Extension>,
}

/// `insightDetails`.
#[derive(Clone, Debug, PartialEq)]
pub struct InsightDetails {
    /// `state`.
    pub state: State,
    /// `eventSource`.
    pub event_source: String,
    /// `eventName`.
    pub event_name: String,
    /// `insightType`.
    pub insight_type: InsightType,
    /// `errorCode`; error rate only.
    pub error_code: Option<String>,
    /// `sourceEventCategory`.
    pub source_event_category: Option<SourceEventCategory>,
    /// `insightContext.statistics`.
    pub statistics: Statistics,
    /// `insightContext.attributions`, in AWS's order.
    pub attributions: Vec<Attributed>,
    /// `insightSource`: the trail that an Insights event on data events came from.
    pub insight_source: Option<String>,
}

/// `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Unusual activity began.
    Start,
    /// It ended.
    End,
}

/// `insightType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InsightType {
    /// `ApiCallRateInsight`.
    ApiCallRate,
    /// `ApiErrorRateInsight`.
    ApiErrorRate,
    /// `AccountSweepInsight`, ours.
    AccountSweep,
    /// `AccountDeniedInsight`, ours.
    AccountDenied,
    /// `AccountSilenceInsight`, ours.
    AccountSilence,
}

/// `sourceEventCategory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceEventCategory {
    /// `Management`.
    Management,
    /// `Data`.
    Data,
}

/// `insightContext.statistics`. Averages are calls (or errors) a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// `baseline.average`: calls in the baseline window ÷ `baseline_duration`.
    pub baseline: f64,
    /// `insight.average`.
    pub insight: f64,
    /// `insightDuration`, minutes: the evaluation window at the Start, the incident's length at the End.
    /// 0 where the record had none (AWS's Starts of 2019), and then left out again.
    pub insight_duration: u32,
    /// `baselineDuration`, minutes: from midnight UTC seven days before the Start's day to the Start.
    /// 0 where the record had none (before August 2020), and then left out again.
    pub baseline_duration: u32,
}

/// One element of `attributions`.
#[derive(Clone, Debug, PartialEq)]
pub struct Attributed {
    /// `attribute`.
    pub attribute: Attribute,
    /// `insight`, at most [`TOP_VALUES`], highest first.
    pub insight: Vec<ValueAverage>,
    /// `baseline`, likewise; may be empty.
    pub baseline: Vec<ValueAverage>,
}

/// `attribute`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// `userIdentityArn`.
    UserIdentityArn,
    /// `userAgent`.
    UserAgent,
    /// `errorCode`; the string `null` stands for calls that did not fail.
    ErrorCode,
}

/// A value and how many calls a minute carried it.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueAverage {
    /// `value`.
    pub value: String,
    /// `average`, calls a minute.
    pub average: f64,
}

/// `trailsight`: what AWS's record has no place for.
#[derive(Clone, Debug, PartialEq)]
pub struct Extension {
    /// The strictest sensitivity at which it fires.
    pub sensitivity: Sensitivity,
    /// More calls than expected, or fewer.
    pub direction: Direction,
    /// Which question answered yes.
    pub test: Test,
    /// Calls a minute that the model expected in the deciding window.
    pub expected: f64,
    /// Calls a minute that came.
    pub observed: f64,
    /// Insights at least this strong that chance alone would raise in this account in a week.
    pub chance_per_week: f64,
    /// `account/region/source/name[/errorCode]`.
    pub series: String,
    /// Calls a minute in a window like the deciding one from which each level fires, strictest first; `None` where
    /// no count does, or where the test has no such count.
    pub thresholds: [Option<f64>; 3],
    /// Up to five.
    pub principals: Vec<Principal>,
    /// What belongs to it: the APIs of a sweep, the series that a lead speaks for; at most [`MOST_MEMBERS`].
    pub members: Vec<String>,
    /// Members that the list had no room for.
    pub members_omitted: u32,
    /// Wall time of the entry that decided, milliseconds since the epoch.
    pub detected_at: i64,
    /// Newest event time that it had seen, seconds since the epoch.
    pub data_through: i64,
    /// Why it ended; End only.
    pub end_reason: Option<EndReason>,
    /// What to look at next; Start only.
    pub recommendations: Vec<Recommendation>,
    /// `sharedEventID` of the lead that people are told of, where this one was folded into it.
    pub leader: Option<Uuid>,
    /// 0; higher when the level rose or late records corrected what was said.
    pub revision: u32,
    /// The picture, when `http.public_url` is set.
    pub url: Option<String>,
}

/// One element of `trailsight.principals`.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// Who, session name stripped.
    pub value: String,
    /// Calls a minute in the deciding window.
    pub average: f64,
    /// Calls a minute in the baseline window.
    pub baseline: f64,
    /// Not seen on this API in the baseline window.
    pub new: bool,
}

/// One element of `trailsight.recommendations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// What to look at, or what the command changes.
    pub text: String,
    /// For a shell (AWS CLI) or as SQL (Athena), filled in.
    pub command: Option<String>,
}

/// `sensitivity`, strictest first: an insight at `Low` is unusual even for the least sensitive listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sensitivity {
    /// 0.2 expected false insights an account-week.
    Low,
    /// 1.
    Medium,
    /// 5.
    High,
}

/// `direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// More than expected.
    Above,
    /// Less.
    Below,
}

/// `test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// One minute against its expectation.
    Minute,
    /// The last five minutes.
    FiveMinutes,
    /// A lasting change.
    Sustained,
    /// A whole hour.
    Hour,
    /// Against the largest minute of the last seven days.
    Record,
    /// Fewer calls than expected.
    Drop,
    /// The first burst of a series that was silent for a week.
    FirstUse,
    /// Many APIs waking up together.
    Sweep,
}

/// `endReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Back to what was expected.
    Returned,
    /// The new level is the normal one.
    Accepted,
    /// Another insight tells it now.
    Superseded,
}
