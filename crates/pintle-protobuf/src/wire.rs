//! The wire format of protocol buffers: tagged fields, nothing about their meaning.
//! <https://protobuf.dev/programming-guides/encoding/>

/// A field as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32,
    Bytes(&'a [u8]),
}

/// Why bytes are not a message. The text is for people.
pub(crate) type Broken = &'static str;

/// Reads the fields of one message in their order. Groups, which nobody writes, are passed over.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

const ENDS_EARLY: Broken = "the message ends in the middle of a field";

/// Groups may nest so deep.
const GROUPS_MAX: usize = 16;

impl<'a> Fields<'a> {
    pub(crate) const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field and its number; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, Broken> {
        while !self.rest.is_empty() {
            let (number, wire_type) = self.tag()?;
            match wire_type {
                3 => self.skip_group(number)?,
                4 => return Err("a group ends that did not begin"),
                _ => return self.value(wire_type).map(|value| Some((number, value))),
            }
        }
        Ok(None)
    }

    fn tag(&mut self) -> Result<(u32, u8), Broken> {
        let tag = self.varint()?;
        let wire_type = u8::try_from(tag & 7).expect("three bits are a byte");
        match u32::try_from(tag >> 3) {
            Ok(number @ 1..=0x1fff_ffff) => Ok((number, wire_type)),
            _ => Err("a field has a number that does not exist"),
        }
    }

    fn value(&mut self, wire_type: u8) -> Result<Wire<'a>, Broken> {
        match wire_type {
            0 => self.varint().map(Wire::Varint),
            1 => {
                let (bytes, rest) = self.rest.split_first_chunk().ok_or(ENDS_EARLY)?;
                self.rest = rest;
                Ok(Wire::Fixed64(*bytes))
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| ENDS_EARLY)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(ENDS_EARLY)?;
                self.rest = rest;
                Ok(Wire::Bytes(bytes))
            }
            5 => {
                let (_, rest) = self.rest.split_first_chunk::<4>().ok_or(ENDS_EARLY)?;
                self.rest = rest;
                Ok(Wire::Fixed32)
            }
            _ => Err("a field has a wire type that does not exist"),
        }
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(ENDS_EARLY)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number has more than ten bytes")
    }

    fn skip_group(&mut self, number: u32) -> Result<(), Broken> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            match self.tag()? {
                (_, 3) if open.len() == GROUPS_MAX => return Err("groups nest too deep"),
                (number, 3) => open.push(number),
                (number, 4) if number == innermost => {
                    open.pop();
                }
                (_, 4) => return Err("a group ends that did not begin"),
                (_, wire_type) => {
                    self.value(wire_type)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read<'a> = Result<Vec<(u32, Wire<'a>)>, Broken>;

    fn all(message: &[u8]) -> Read<'_> {
        let mut fields = Fields::of(message);
        std::iter::from_fn(|| fields.next().transpose()).collect()
    }

    #[test]
    fn fields_are_read_in_order() {
        let cases: [(&[u8], Read<'_>); 13] = [
            (b"", Ok(vec![])),
            (b"\x08\x96\x01", Ok(vec![(1, Wire::Varint(150))])),
            (b"\x12\x02hi\x08\x01", Ok(vec![(2, Wire::Bytes(b"hi")), (1, Wire::Varint(1))])),
            (b"\x09\0\0\0\0\0\0\xf0\x3f", Ok(vec![(1, Wire::Fixed64(1_f64.to_le_bytes()))])),
            (b"\x0d\0\0\0\0\x08\x01", Ok(vec![(1, Wire::Fixed32), (1, Wire::Varint(1))])),
            (
                b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                Ok(vec![(1, Wire::Varint(u64::MAX))]),
            ),
            (b"\x0b\x12\x01x\x13\x14\x0c\x08\x01", Ok(vec![(1, Wire::Varint(1))])),
            (b"\x0b\x14", Err("a group ends that did not begin")),
            (b"\x0c", Err("a group ends that did not begin")),
            (b"\x12\x05hi", Err(ENDS_EARLY)),
            (b"\x08", Err(ENDS_EARLY)),
            (b"\x00\x01", Err("a field has a number that does not exist")),
            (
                b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                Err("a number has more than ten bytes"),
            ),
        ];
        for (message, expected) in cases {
            assert_eq!(all(message), expected, "{message:x?}");
        }
    }
}
