//! Reading the fields of one record: a serde visitor over borrowed text.
//!
//! Like `serde_json::Value`, the last of duplicate keys wins; unlike it, fields that nobody asks for are
//! passed over without being built, at any depth of nesting.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::record::{Identity, Record};
use crate::time::parse_rfc3339;

use super::{Reason, Skip};

/// The top-level fields of what may be a record; none of them need be there.
///
/// With `LOSSY`, text may hold halves of surrogate pairs, as a user agent cut off at 1 KB may: they become
/// U+FFFD. It is the second attempt at a record, because most never need it.
#[derive(Debug, Default)]
pub(super) struct Fields<'a, const LOSSY: bool> {
    event_time: Option<Text<'a, LOSSY>>,
    event_id: Option<Text<'a, LOSSY>>,
    event_source: Option<Text<'a, LOSSY>>,
    event_name: Option<Text<'a, LOSSY>>,
    aws_region: Option<Text<'a, LOSSY>>,
    recipient_account_id: Option<Text<'a, LOSSY>>,
    identity: UserIdentity<'a, LOSSY>,
    user_agent: Option<Text<'a, LOSSY>>,
    error_code: Option<Text<'a, LOSSY>>,
    event_type: Option<Text<'a, LOSSY>>,
    event_category: Option<Text<'a, LOSSY>>,
    read_only: Option<bool>,
    management_event: Option<bool>,
}

/// What the fields of a value amount to.
#[derive(Debug, PartialEq)]
pub(super) enum Reading<'a> {
    /// A record to be counted.
    Record(Record<'a>),
    /// An event of a kind that is passed over.
    Skipped(Skip),
    /// The `Records` element of an AWS notification: `eventSource` is `aws:s3` and the like.
    Notification,
    /// Nothing that a record has.
    Nothing,
    /// A record that cannot be counted.
    Rejected(Reason),
}

impl<'a, const LOSSY: bool> Fields<'a, LOSSY> {
    /// Judges what was read. Kinds come first: Insights and aggregated events lack what records must have.
    pub(super) fn judge(self) -> Reading<'a> {
        if let Some(skip) = self.skip() {
            return Reading::Skipped(skip);
        }
        if self.event_source.as_ref().is_some_and(|source| source.0.starts_with("aws:")) {
            return Reading::Notification;
        }
        if self.event_time.is_none() && self.event_source.is_none() && self.event_name.is_none() {
            return Reading::Nothing;
        }
        match self.into_record() {
            Ok(record) => Reading::Record(record),
            Err(reason) => Reading::Rejected(reason),
        }
    }

    fn skip(&self) -> Option<Skip> {
        let by_category = match self.event_category.as_ref().map(|text| &*text.0) {
            Some("Insight") => Some(Skip::Insight),
            Some("NetworkActivity") => Some(Skip::NetworkActivity),
            Some("Aggregated") => Some(Skip::Aggregated),
            _ => None,
        };
        by_category.or_else(|| match self.event_type.as_ref().map(|text| &*text.0) {
            Some("AwsCloudTrailInsight") => Some(Skip::Insight),
            // The documentation's table has the plural, its examples the singular.
            Some("AwsVpceEvent" | "AwsVpceEvents") => Some(Skip::NetworkActivity),
            Some("AwsAggregatedEvent") => Some(Skip::Aggregated),
            _ => None,
        })
    }

    fn into_record(self) -> Result<Record<'a>, Reason> {
        let needed = |text: Option<Text<'a, LOSSY>>, reason| {
            text.map(|text| text.0).filter(|text| !text.is_empty()).ok_or(reason)
        };
        let time = needed(self.event_time, Reason::MissingEventTime)?;
        let cow = |text: Option<Text<'a, LOSSY>>| text.map(|text| text.0);
        Ok(Record {
            event_time: parse_rfc3339(&time).ok_or(Reason::InvalidEventTime)?,
            event_id: cow(self.event_id),
            event_source: needed(self.event_source, Reason::MissingEventSource)?,
            event_name: needed(self.event_name, Reason::MissingEventName)?,
            aws_region: cow(self.aws_region).unwrap_or_default(),
            recipient_account_id: cow(self.recipient_account_id),
            identity: Identity {
                kind: cow(self.identity.kind),
                arn: cow(self.identity.arn),
                principal_id: cow(self.identity.principal_id),
                account_id: cow(self.identity.account_id),
                user_name: cow(self.identity.user_name),
                invoked_by: cow(self.identity.invoked_by),
                issuer_arn: cow(self.identity.session.issuer.arn),
            },
            user_agent: cow(self.user_agent),
            error_code: cow(self.error_code),
            event_type: cow(self.event_type),
            event_category: cow(self.event_category),
            read_only: self.read_only,
            management_event: self.management_event,
        })
    }
}

/// Whether records have a top-level field of this name: an object that begins with one is tried as a record
/// first, and a damaged file is searched for it.
pub(super) fn is_record_key(key: &[u8]) -> bool {
    matches!(
        key,
        b"eventVersion"
            | b"userIdentity"
            | b"eventTime"
            | b"eventSource"
            | b"eventName"
            | b"eventID"
            | b"eventType"
            | b"eventCategory"
            | b"awsRegion"
            | b"sourceIPAddress"
            | b"userAgent"
            | b"requestParameters"
            | b"responseElements"
            | b"additionalEventData"
            | b"recipientAccountId"
            | b"managementEvent"
            | b"readOnly"
            | b"requestID"
            | b"apiVersion"
            | b"addendum"
            | b"errorCode"
            | b"errorMessage"
    )
}

#[derive(Debug, Default)]
struct UserIdentity<'a, const LOSSY: bool> {
    kind: Option<Text<'a, LOSSY>>,
    arn: Option<Text<'a, LOSSY>>,
    principal_id: Option<Text<'a, LOSSY>>,
    account_id: Option<Text<'a, LOSSY>>,
    user_name: Option<Text<'a, LOSSY>>,
    invoked_by: Option<Text<'a, LOSSY>>,
    session: SessionContext<'a, LOSSY>,
}

#[derive(Debug, Default)]
struct SessionContext<'a, const LOSSY: bool> {
    issuer: SessionIssuer<'a, LOSSY>,
}

#[derive(Debug, Default)]
struct SessionIssuer<'a, const LOSSY: bool> {
    arn: Option<Text<'a, LOSSY>>,
}

/// An object read key by key; JSON null is the empty object.
trait Object<'de>: Default {
    /// The keys that are read.
    type Key;

    /// Which key this is; `None` for one to be passed over.
    fn key(name: &[u8]) -> Option<Self::Key>;

    /// Reads the value of `key`.
    fn read<A: MapAccess<'de>>(&mut self, key: Self::Key, map: &mut A) -> Result<(), A::Error>;
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Object<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or null")
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut object = T::default();
        while let Some(key) = map.next_key_seed(KeyOf::<T>(PhantomData))? {
            match key {
                Some(key) => object.read(key, &mut map)?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(object)
    }
}

/// Recognises a key where it stands. As bytes, because serde_json checks surrogates in strings only, and a key
/// that is passed over may hold anything.
struct KeyOf<T>(PhantomData<T>);

impl<'de, T: Object<'de>> DeserializeSeed<'de> for KeyOf<T> {
    type Value = Option<T::Key>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de, T: Object<'de>> Visitor<'de> for KeyOf<T> {
    type Value = Option<T::Key>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(T::key(name))
    }
}

macro_rules! object {
    ($type:ident { $($name:literal => $field:ident : $read:ty),+ $(,)? }) => {
        const _: () = {
            #[allow(non_camel_case_types, unreachable_pub)]
            pub enum Key { $($field),+ }

            impl<'de, const LOSSY: bool> Object<'de> for $type<'de, LOSSY> {
                type Key = Key;

                fn key(name: &[u8]) -> Option<Key> {
                    match name {
                        $($name => Some(Key::$field),)+
                        _ => None,
                    }
                }

                fn read<A: MapAccess<'de>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
                    match key {
                        $(Key::$field => self.$field = map.next_value::<$read>()?.into(),)+
                    }
                    Ok(())
                }
            }
        };

        impl<'de, const LOSSY: bool> Deserialize<'de> for $type<'de, LOSSY> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(ObjectVisitor(PhantomData))
            }
        }
    };
}

object!(Fields {
    b"eventTime" => event_time: OptionalText<'de, LOSSY>,
    b"eventID" => event_id: OptionalText<'de, LOSSY>,
    b"eventSource" => event_source: OptionalText<'de, LOSSY>,
    b"eventName" => event_name: OptionalText<'de, LOSSY>,
    b"awsRegion" => aws_region: OptionalText<'de, LOSSY>,
    b"recipientAccountId" => recipient_account_id: OptionalText<'de, LOSSY>,
    b"userIdentity" => identity: UserIdentity<'de, LOSSY>,
    b"userAgent" => user_agent: OptionalText<'de, LOSSY>,
    b"errorCode" => error_code: OptionalText<'de, LOSSY>,
    b"eventType" => event_type: OptionalText<'de, LOSSY>,
    b"eventCategory" => event_category: OptionalText<'de, LOSSY>,
    b"readOnly" => read_only: Flag,
    b"managementEvent" => management_event: Flag,
});

object!(UserIdentity {
    b"type" => kind: OptionalText<'de, LOSSY>,
    b"arn" => arn: OptionalText<'de, LOSSY>,
    b"principalId" => principal_id: OptionalText<'de, LOSSY>,
    b"accountId" => account_id: OptionalText<'de, LOSSY>,
    b"userName" => user_name: OptionalText<'de, LOSSY>,
    b"invokedBy" => invoked_by: OptionalText<'de, LOSSY>,
    b"sessionContext" => session: SessionContext<'de, LOSSY>,
});

object!(SessionContext { b"sessionIssuer" => issuer: SessionIssuer<'de, LOSSY> });

object!(SessionIssuer { b"arn" => arn: OptionalText<'de, LOSSY> });

#[derive(Debug)]
struct Text<'a, const LOSSY: bool>(Cow<'a, str>);

struct OptionalText<'a, const LOSSY: bool>(Option<Cow<'a, str>>);

impl<'a, const LOSSY: bool> From<OptionalText<'a, LOSSY>> for Option<Text<'a, LOSSY>> {
    fn from(text: OptionalText<'a, LOSSY>) -> Self {
        text.0.map(Text)
    }
}

impl<'de, const LOSSY: bool> Deserialize<'de> for OptionalText<'de, LOSSY> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if LOSSY { deserializer.deserialize_option(TextVisitor) } else { deserializer.deserialize_any(TextVisitor) }
            .map(OptionalText)
    }
}

/// Text or null.
struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_bytes<E: Error>(self, text: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Some(String::from_utf8_lossy(text)))
    }

    fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(String::from_utf8_lossy(text).into_owned())))
    }
}

/// A boolean, also when it is written as a string, as `sessionCredentialFromConsole` is.
struct Flag(Option<bool>);

impl From<Flag> for Option<bool> {
    fn from(flag: Flag) -> Self {
        flag.0
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor).map(Flag)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = Option<bool>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a boolean or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match text {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }
}
