//! Just enough of protobuf to read what a collector gets, without the library that wrote it.
//!
//! <https://protobuf.dev/programming-guides/encoding/>

/// One field of a message: its number, and what it holds.
#[derive(Debug)]
pub(crate) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in order. It must be one.
pub(crate) fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().expect("eight"))),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                Field::Bytes(take(&mut bytes, length))
            }
            5 => {
                let four = u32::from_le_bytes(take(&mut bytes, 4).try_into().expect("four"));
                Field::Number(four.into())
            }
            other => panic!("there is no wire type {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

/// All submessages, texts or bytes of this number.
pub(crate) fn all(message: &[u8], number: u64) -> Vec<&[u8]> {
    let found = fields(message).into_iter().filter(|(of, _)| *of == number);
    found
        .map(|(_, field)| match field {
            Field::Bytes(bytes) => bytes,
            Field::Number(_) => panic!("field {number} is a number"),
        })
        .collect()
}

/// The one of this number; empty where there is none.
pub(crate) fn one(message: &[u8], number: u64) -> &[u8] {
    all(message, number).last().copied().unwrap_or_default()
}

pub(crate) fn text(message: &[u8], number: u64) -> String {
    String::from_utf8(one(message, number).to_vec()).expect("texts are UTF-8")
}

/// The number of this number; 0 where there is none.
pub(crate) fn number(message: &[u8], number: u64) -> u64 {
    match fields(message).into_iter().rfind(|(of, _)| *of == number) {
        Some((_, Field::Number(value))) => value,
        Some((_, Field::Bytes(_))) => panic!("field {number} is no number"),
        None => 0,
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number has at most ten bytes")
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}
