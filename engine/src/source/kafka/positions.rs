//! How far each partition was read, and how that is written into the journal.

use std::collections::BTreeMap;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) number: i32,
}

impl Partition {
    pub(super) fn new(topic: &str, number: i32) -> Partition {
        Partition { topic: topic.to_owned(), number }
    }

    /// `topic/3`: the key of its mark, and its name in status and dead letters.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.topic, self.number)
    }

    fn parse(key: &str) -> Option<Partition> {
        let (topic, number) = key.rsplit_once('/')?;
        Some(Partition { topic: topic.to_owned(), number: number.parse().ok()? })
    }
}

/// How far a partition was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Offset of the next message.
    pub(super) next: i64,
    /// The topic's id at the time: a topic that was deleted and made anew has another. Empty: not known.
    pub(super) topic_id: String,
}

impl Position {
    /// The bytes of a mark: the offset, little endian, and the id.
    pub(super) fn pack(&self) -> Vec<u8> {
        let mut bytes = self.next.to_le_bytes().to_vec();
        bytes.extend(self.topic_id.as_bytes());
        bytes
    }

    /// Reads [`Position::pack`] back; `None` when the bytes are something else.
    pub(super) fn unpack(bytes: &[u8]) -> Option<Position> {
        let (next, id) = bytes.split_first_chunk::<8>()?;
        let next = i64::from_le_bytes(*next);
        (next >= 0).then_some(Position { next, topic_id: std::str::from_utf8(id).ok()?.to_owned() })
    }
}

/// The positions that the marks of a source say. A mark that is none is left out: its partition is begun as if it
/// had never been read, from what the group has committed.
pub(super) fn of_marks(marks: &BTreeMap<String, Vec<u8>>) -> BTreeMap<Partition, Position> {
    marks.iter().filter_map(|(key, bytes)| Some((Partition::parse(key)?, Position::unpack(bytes)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_as_marks() {
        let of = |next, id: &str| Position { next, topic_id: id.to_owned() };
        let positions: BTreeMap<Partition, Position> = [
            (Partition::new("trail", 0), of(0, "")),
            (Partition::new("a.b-c_d", 23), of(i64::MAX, "gXh3OeBzTqOzaw3MXCjP1g")),
        ]
        .into();
        let mut marks: BTreeMap<String, Vec<u8>> =
            positions.iter().map(|(partition, position)| (partition.key(), position.pack())).collect();
        assert_eq!(of_marks(&marks), positions);
        marks.insert("no partition".into(), vec![0; 8]);
        marks.insert("trail/1".into(), vec![0; 3]);
        marks.insert("trail/2".into(), (-1i64).to_le_bytes().to_vec());
        assert_eq!(of_marks(&marks), positions, "what is no mark is left out");
    }
}
