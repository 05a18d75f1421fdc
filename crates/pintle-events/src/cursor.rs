//! Where in the stream of events somebody is.

use std::fmt;

use pintle_model::{InvalidRevision, Revision};

/// A place in the stream of events. A revision makes one event or several, and one can stop in the
/// middle of them.
///
/// As text it is `42`, after everything of revision 42, or `42.1`, after the event `42.1` and
/// before what else there is of revision 42.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    revision: Revision,
    /// The number of the last event of the revision that was told; nothing when all of them were.
    part: Option<u32>,
}

/// Text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no place in the stream of events: it must be the id of an event as the server gave \
     it out, such as 42.0, or a resourceVersion"
)]
pub struct InvalidCursor(pub String);

impl Cursor {
    /// After everything that a revision made.
    pub const fn after(revision: Revision) -> Self {
        Self { revision, part: None }
    }

    /// After one event of a revision.
    pub const fn within(revision: Revision, part: u32) -> Self {
        Self { revision, part: Some(part) }
    }

    /// The revision that it is in, or at the end of.
    pub const fn revision(self) -> Revision {
        self.revision
    }

    /// After which revision the journal has to be read, and how many events of the next are old.
    pub(crate) const fn resumes(self) -> (Revision, u32) {
        match self.part {
            None => (self.revision, 0),
            Some(part) => (Revision(self.revision.0.saturating_sub(1)), part.saturating_add(1)),
        }
    }

    /// Reads what [`Cursor`] prints.
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let invalid = || InvalidCursor(text.chars().take(64).collect());
        let (revision, part) = match text.split_once('.') {
            None => (text, None),
            Some((revision, part)) => {
                let Revision(part) = Revision::parse(part).map_err(|_| invalid())?;
                (revision, Some(u32::try_from(part).map_err(|_| invalid())?))
            }
        };
        let revision = Revision::parse(revision).map_err(|InvalidRevision(_)| invalid())?;
        if part.is_some() && revision == Revision::ZERO {
            return Err(invalid());
        }
        Ok(Self { revision, part })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            None => self.revision.fmt(f),
            Some(part) => write!(f, "{}.{part}", self.revision),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_they_are_written() {
        let cases = [
            ("0", Some((0, 0))),
            ("42", Some((42, 0))),
            ("42.0", Some((41, 1))),
            ("42.7", Some((41, 8))),
            ("42.4294967295", Some((41, u32::MAX))),
            ("42.4294967296", None),
            ("0.0", None),
            ("42.", None),
            (".1", None),
            ("42.01", None),
            ("42.1.1", None),
            ("-1", None),
            ("", None),
            ("18446744073709551616", None),
        ];
        for (text, expected) in cases {
            let cursor = Cursor::parse(text).ok();
            let resumes = cursor.map(Cursor::resumes).map(|(after, skip)| (after.0, skip));
            assert_eq!(resumes, expected, "{text:?}");
            if let Some(cursor) = cursor {
                assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
