//! Journal entries as bytes.

use serde::{Deserialize, Serialize};

use super::batch::Columns;
use super::{Kind, SealError, open, seal};
use crate::entry::{Body, Entry, Epoch, MuteChange};

/// Version of the entry format that is written.
pub const ENTRY_VERSION: u16 = 1;

/// Version 1: postcard (varint integers, fields in this order), the batch turned into columns.
#[derive(Serialize, Deserialize)]
struct EntryV1<'a> {
    taken_at: i64,
    #[serde(borrow)]
    body: BodyV1<'a>,
}

#[derive(Serialize, Deserialize)]
enum BodyV1<'a> {
    #[serde(borrow)]
    Batch(Box<Columns<'a>>),
    Epoch(Epoch),
    Evict {
        partition: u32,
        series: u32,
    },
    Mute(MuteChange),
}

/// An entry as sealed bytes. Fails only above [`super::INFLATED_LIMIT`].
pub fn encode_entry(entry: &Entry) -> Result<Vec<u8>, SealError> {
    let body = match &entry.body {
        Body::Batch(batch) => BodyV1::Batch(Box::new(Columns::of(batch))),
        Body::Epoch(epoch) => BodyV1::Epoch(epoch.clone()),
        Body::Evict { partition, series } => BodyV1::Evict { partition: *partition, series: *series },
        Body::Mute(change) => BodyV1::Mute(change.clone()),
    };
    let payload = postcard::to_stdvec(&EntryV1 { taken_at: entry.taken_at, body })
        .map_err(|_| SealError::TooLarge { bytes: usize::MAX })?;
    seal(Kind::Entry, ENTRY_VERSION, &payload)
}

/// Reads an entry back. Every string and API it names by index is there.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, SealError> {
    let (_, payload) = open(Kind::Entry, ENTRY_VERSION, bytes)?;
    let (entry, rest) =
        postcard::take_from_bytes::<EntryV1<'_>>(&payload).map_err(|_| SealError::Damaged("not an entry"))?;
    if !rest.is_empty() {
        return Err(SealError::Damaged("more than an entry"));
    }
    let body = match entry.body {
        BodyV1::Batch(columns) => Body::Batch(columns.into_batch().map_err(SealError::Damaged)?),
        BodyV1::Epoch(epoch) => Body::Epoch(epoch),
        BodyV1::Evict { partition, series } => Body::Evict { partition, series },
        BodyV1::Mute(change) => Body::Mute(change),
    };
    Ok(Entry { taken_at: entry.taken_at, body })
}
