//! How far somebody has read.

use std::fmt;
use std::str::FromStr;

use pintle_model::Revision;

/// A place in the sequence of events: everything up to and including this one.
///
/// One revision can bring several events, its parts, counted from 0. As text it is `42.0` after the
/// first of them, and `42` after all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    revision: Revision,
    /// The largest number stands for all parts, so that the order of the fields is the order.
    part: u32,
}

/// A text that is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a position is a revision, or a revision, a dot and the number of an event of it")]
pub struct PositionError;

impl Position {
    /// After all events of this revision.
    pub const fn after(revision: Revision) -> Self {
        Self { revision, part: u32::MAX }
    }

    /// After the event of this number, from 0, of this revision.
    pub const fn within(revision: Revision, part: u32) -> Self {
        Self { revision, part }
    }

    /// The revision of the last event that is included.
    pub const fn revision(self) -> Revision {
        self.revision
    }

    /// From after which revision to read, and what to leave out of what comes: everything up to
    /// this position.
    pub fn read_after(self) -> Revision {
        if self.part == u32::MAX {
            self.revision
        } else {
            Revision(self.revision.0.saturating_sub(1))
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            u32::MAX => self.revision.fmt(f),
            part => write!(f, "{}.{part}", self.revision),
        }
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let revision = |text| Revision::parse(text).map_err(|_| PositionError);
        let Some((before, part)) = text.split_once('.') else {
            return Ok(Self::after(revision(text)?));
        };
        let part = revision(part)?.0;
        let part = u32::try_from(part).ok().filter(|it| *it != u32::MAX).ok_or(PositionError)?;
        Ok(Self::within(revision(before)?, part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_in_order_and_can_be_written_down() {
        let texts = ["0", "41", "42.0", "42.1", "42.4294967294", "42", "43.0"];
        let positions: Vec<Position> = texts.iter().map(|it| it.parse().unwrap()).collect();
        assert!(positions.is_sorted());
        let again: Vec<String> = positions.iter().map(ToString::to_string).collect();
        assert_eq!(again, texts);
        for wrong in ["", ".", "42.", ".1", "42.01", "42.4294967295", "-1", "42.1.1", "a"] {
            assert_eq!(wrong.parse::<Position>(), Err(PositionError), "{wrong:?}");
        }
    }

    #[test]
    fn the_rest_of_a_revision_is_read_again() {
        for (text, expected) in [("42", 42), ("42.0", 41), ("42.7", 41)] {
            let position: Position = text.parse().unwrap();
            assert_eq!(position.read_after(), Revision(expected), "{text}");
        }
    }
}
