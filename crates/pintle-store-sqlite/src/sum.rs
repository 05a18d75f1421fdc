//! The checksum of a stored value, by which damage on the disk is noticed before it is served.
//!
//! It guards against accidents, not against somebody who can write the file. It is part of the
//! file's format: when it changes, the version of the tables has to grow.

use pintle_model::{GroupResource, ObjectName};

use crate::row::LaneId;

/// What a stored value is made of; which texts there are depends on the lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) id: LaneId,
    pub(crate) object: i64,
    pub(crate) at: i64,
    /// Where the value is metadata.
    pub(crate) key: Option<(&'a GroupResource, &'a ObjectName)>,
    pub(crate) ledger: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// Where the value is a body or a status.
    pub(crate) version: Option<&'a str>,
}

impl Stored<'_> {
    /// The checksum. A change within any eight bytes always changes it.
    pub(crate) fn sum(&self) -> i64 {
        let numbers = [self.id.0, self.object, self.at];
        let state =
            numbers.into_iter().fold(0, |state, number| step(state, number.cast_unsigned()));
        let key = self.key.map(|(resource, name)| [resource.as_str(), &name.namespace, &name.name]);
        let key = key.iter().flatten().map(|text| Some(text.as_bytes()));
        let state = key.fold(state, take);
        let state = take(take(state, self.ledger), self.value);
        // Values of older files have none, and the checksum that they always had.
        let version = self.version.map(|version| Some(version.as_bytes()));
        version.into_iter().fold(state, take).cast_signed()
    }
}

/// The checksum of a small file.
pub(crate) fn of_file(name: &[u8], mode: u32, bytes: &[u8]) -> i64 {
    take(take(step(0, u64::from(mode)), Some(name)), Some(bytes)).cast_signed()
}

/// Takes a text after its length, so that none runs into the next.
fn take(state: u64, text: Option<&[u8]>) -> u64 {
    let Some(text) = text else { return step(state, u64::MAX) };
    let (words, rest) = text.as_chunks::<8>();
    let state = step(state, text.len() as u64);
    let state = words.iter().fold(state, |state, word| step(state, u64::from_le_bytes(*word)));
    rest.iter().fold(state, |state, byte| step(state, u64::from(*byte)))
}

/// Each part can be undone (xor, an odd factor, a shifted xor), so different words in the same
/// state never lead to the same state.
const fn step(state: u64, word: u64) -> u64 {
    // The fraction of the golden ratio, made odd.
    let mixed = (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &[u8] = br#"{"phase":"Ready","more":"text"}"#;

    /// The checksum of a value that differs from the usual one by what `change` does.
    fn sum(resource: &str, name: [&str; 2], change: impl Fn(&mut Stored<'_>)) -> i64 {
        let resource = GroupResource::from_text(resource);
        let name = ObjectName { namespace: name[0].into(), name: name[1].into() };
        let key = Some((&resource, &name));
        let (id, value) = (LaneId(8), Some(VALUE));
        let mut stored = Stored { id, object: 1, at: 7, key, ledger: None, value, version: None };
        change(&mut stored);
        stored.sum()
    }

    fn usual(change: impl Fn(&mut Stored<'_>)) -> i64 {
        sum("devices.x", ["default", "lamp"], change)
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let right = usual(|_| {});
        for bit in 0..VALUE.len() * 8 {
            let mut value = VALUE.to_vec();
            value[bit / 8] ^= 1 << (bit % 8);
            let value: &'static [u8] = value.leak();
            assert_ne!(usual(|stored| stored.value = Some(value)), right, "{bit}");
        }
    }

    #[test]
    fn everything_counts() {
        let sums = [
            usual(|_| {}),
            usual(|stored| stored.id = LaneId(9)),
            usual(|stored| stored.object = 2),
            usual(|stored| stored.at = 8),
            usual(|stored| stored.key = None),
            usual(|stored| stored.ledger = Some(b"")),
            usual(|stored| (stored.ledger, stored.value) = (stored.value, None)),
            usual(|stored| stored.value = None),
            usual(|stored| stored.value = Some(b"")),
            usual(|stored| stored.version = Some("v1")),
            usual(|stored| stored.version = Some("v2")),
            sum("devices.y", ["default", "lamp"], |_| {}),
            sum("devices.x", ["defaultl", "amp"], |_| {}),
        ];
        for (index, sum) in sums.iter().enumerate() {
            assert!(!sums[index + 1..].contains(sum), "{index}");
        }
    }

    #[test]
    fn files_stay_readable() {
        assert_eq!(usual(|_| {}), 2_855_730_248_768_275_230);
    }
}
