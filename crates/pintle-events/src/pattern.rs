//! Patterns over the types of events.

use std::fmt;

/// A pattern has at most so many bytes.
pub const PATTERN_BYTES_MAX: usize = 256;
/// One subscriber has at most so many patterns.
pub const PATTERNS_MAX: usize = 32;

/// A pattern over event types, segment by segment between dots: `*` is any one segment, `**` any
/// number of them, also none, and anything else is itself.
///
/// ```
/// # use pintle_events::Pattern;
/// let pattern = Pattern::parse("io.fabrica.*.created")?;
/// assert!(pattern.matches("io.fabrica.device.created"));
/// assert!(!pattern.matches("io.fabrica.device.deleted"));
/// assert!(Pattern::parse("**.deleted")?.matches("io.fabrica.device.deleted"));
/// # Ok::<(), pintle_events::InvalidPattern>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Text(String),
    One,
    Any,
}

/// Text that is no pattern, or too much of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// A segment is empty.
    #[error("the pattern {0:?} has an empty segment")]
    EmptySegment(String),
    /// A star is a part of a segment.
    #[error("the pattern {0:?} has a star inside of a segment; a segment is *, ** or text")]
    PartialStar(String),
    /// The text is too long.
    #[error("a pattern has at most {PATTERN_BYTES_MAX} bytes, this one has {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// There are too many.
    #[error("at most {PATTERNS_MAX} patterns can be given, these are {count}")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(InvalidPattern::TooLong { bytes: text.len() });
        }
        let segment = |segment: &str| match segment {
            "" => Err(InvalidPattern::EmptySegment(text.to_owned())),
            "*" => Ok(Segment::One),
            "**" => Ok(Segment::Any),
            starred if starred.contains('*') => Err(InvalidPattern::PartialStar(text.to_owned())),
            other => Ok(Segment::Text(other.to_owned())),
        };
        let segments = text.split('.').map(segment).collect::<Result<_, _>>()?;
        Ok(Self { segments })
    }

    /// Whether an event type is meant. Takes time in proportion to the segments of the one times
    /// those of the other, whatever the pattern.
    pub fn matches(&self, event_type: &str) -> bool {
        let mut pattern = self.segments.as_slice();
        let mut rest = event_type.split('.');
        // Where to go on when what follows the last `**` does not fit here: one segment later.
        let mut retry: Option<(&[Segment], std::str::Split<'_, char>)> = None;
        loop {
            let mut ahead = rest.clone();
            let fits = match (pattern.split_first(), ahead.next()) {
                (Some((Segment::Any, after)), _) => {
                    pattern = after;
                    retry = Some((after, rest.clone()));
                    continue;
                }
                (Some((Segment::One, after)), Some(_)) => Some(after),
                (Some((Segment::Text(text), after)), Some(found)) if text == found => Some(after),
                (None, None) => return true,
                (Some(_) | None, _) => None,
            };
            if let Some(after) = fits {
                (pattern, rest) = (after, ahead);
                continue;
            }
            let Some((after, from)) = &mut retry else { return false };
            if from.next().is_none() {
                return false;
            }
            (pattern, rest) = (after, from.clone());
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            match segment {
                Segment::Text(text) => write!(f, "{dot}{text}")?,
                Segment::One => write!(f, "{dot}*")?,
                Segment::Any => write!(f, "{dot}**")?,
            }
        }
        Ok(())
    }
}

/// Several patterns, of which one has to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Every type.
    pub fn everything() -> Self {
        Self(vec![Pattern { segments: vec![Segment::Any] }])
    }

    /// Reads patterns, one text each.
    pub fn parse<T: AsRef<str>>(
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Self, InvalidPattern> {
        let patterns = texts.into_iter().map(|text| Pattern::parse(text.as_ref()));
        let patterns: Vec<_> = patterns.collect::<Result<_, _>>()?;
        if patterns.len() > PATTERNS_MAX {
            return Err(InvalidPattern::TooMany { count: patterns.len() });
        }
        Ok(Self(patterns))
    }

    /// Whether one of them matches.
    pub fn matches(&self, event_type: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(event_type))
    }
}

impl From<Pattern> for Patterns {
    fn from(pattern: Pattern) -> Self {
        Self(vec![pattern])
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::*;

    #[test]
    fn patterns_match_by_segments() {
        let cases = [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("*.b", "a.b", true),
            ("**", "a", true),
            ("**", "a.b.c", true),
            ("a.**", "a.b.c", true),
            ("a.**", "a", true),
            ("a.**", "ab", false),
            ("**.c", "a.b.c", true),
            ("**.c", "c", true),
            ("a.**.c", "a.c", true),
            ("a.**.c", "a.b.b.c", true),
            ("a.**.c", "a.b.b", false),
            ("**.b.**.b", "a.b.c.b", true),
            ("**.b.**.b", "a.b.c", false),
            ("A.b", "a.b", false),
        ];
        for (pattern, event_type, expected) in cases {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(event_type), expected, "{pattern} and {event_type}");
            assert_eq!(parsed.to_string(), pattern);
        }
    }

    #[test]
    fn bad_patterns_are_refused() {
        let long = "a".repeat(PATTERN_BYTES_MAX + 1);
        for text in ["", ".", "a.", ".a", "a..b", "a.b*", "***", "a.**b", &long] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert!(Pattern::parse(&"a".repeat(PATTERN_BYTES_MAX)).is_ok());
        assert!(Patterns::parse(["a"; PATTERNS_MAX]).is_ok());
        assert!(Patterns::parse(["a"; PATTERNS_MAX + 1]).is_err());
    }

    /// Too simple to be wrong, and too slow to be used.
    fn model(pattern: &[&str], segments: &[&str]) -> bool {
        match (pattern, segments) {
            ([], []) => true,
            (["**", after @ ..], _) => {
                (0..=segments.len()).any(|skipped| model(after, &segments[skipped..]))
            }
            ([first, after @ ..], [found, rest @ ..]) => {
                (*first == "*" || first == found) && model(after, rest)
            }
            ([], _) | (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_model(
            pattern in vec(select(&["a", "b", "*", "**"][..]), 1..8),
            segments in vec(select(&["a", "b"][..]), 1..8),
        ) {
            let found = Pattern::parse(&pattern.join(".")).unwrap().matches(&segments.join("."));
            prop_assert_eq!(found, model(&pattern, &segments));
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let pattern = Pattern::parse(&["**", "a"].repeat(50).join(".")).unwrap();
        assert!(!pattern.matches(&vec!["a"; 49].join(".")));
        assert!(!pattern.matches(&format!("{}.b", vec!["a"; 20_000].join("."))));
    }
}
