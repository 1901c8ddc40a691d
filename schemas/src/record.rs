//! The part of a CloudTrail record that the engine uses, borrowed from the bytes it came in.
//!
//! Source: CloudTrail user guide, "record contents" and "userIdentity element" (event version 1.11).

use std::borrow::Cow;

/// One CloudTrail record. Text that was absent or JSON null is `None`; nothing is interpreted but the time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// `eventTime`, seconds since the epoch.
    pub event_time: i64,
    /// `eventID`, the key of de-duplication; absent before version 1.01.
    pub event_id: Option<Cow<'a, str>>,
    /// `eventSource`, for instance `ec2.amazonaws.com`.
    pub event_source: Cow<'a, str>,
    /// `eventName`, the API.
    pub event_name: Cow<'a, str>,
    /// `awsRegion` of the record; it wins over the Region of the object key.
    pub aws_region: Cow<'a, str>,
    /// `recipientAccountId`; absent before version 1.02.
    pub recipient_account_id: Option<Cow<'a, str>>,
    /// `userIdentity`.
    pub identity: Identity<'a>,
    /// `userAgent`.
    pub user_agent: Option<Cow<'a, str>>,
    /// `errorCode`, raw: `AccessDenied`, `Client.UnauthorizedOperation`.
    pub error_code: Option<Cow<'a, str>>,
    /// `eventType`, for instance `AwsApiCall`.
    pub event_type: Option<Cow<'a, str>>,
    /// `eventCategory`; absent before version 1.07.
    pub event_category: Option<Cow<'a, str>>,
    /// `readOnly`; often absent before version 1.07.
    pub read_only: Option<bool>,
    /// `managementEvent`; absent before version 1.06.
    pub management_event: Option<bool>,
}

/// `userIdentity`: every field may be missing, `type` included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// `type`.
    pub kind: Option<Cow<'a, str>>,
    /// `arn`, with the role session name still in it.
    pub arn: Option<Cow<'a, str>>,
    /// `principalId`.
    pub principal_id: Option<Cow<'a, str>>,
    /// `accountId`: the caller's, not the recipient's.
    pub account_id: Option<Cow<'a, str>>,
    /// `userName`.
    pub user_name: Option<Cow<'a, str>>,
    /// `invokedBy`.
    pub invoked_by: Option<Cow<'a, str>>,
    /// `sessionContext.sessionIssuer.arn`.
    pub issuer_arn: Option<Cow<'a, str>>,
}
