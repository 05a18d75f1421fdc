//! Subjects: which one an event has, and which ones a stream has to take.
//!
//! <https://docs.nats.io/nats-concepts/subjects>

use std::fmt::Write as _;

/// What is put before event types has at most so many bytes.
const PREFIX_BYTES_MAX: usize = 200;

/// The subjects of the events of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    /// What is put before event types, with its dot; empty for nothing.
    prefix: String,
    wanted: Vec<String>,
}

/// A text that cannot be put before event types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be the beginning of subjects: it must be 1 to {PREFIX_BYTES_MAX} letters, digits, \
     hyphens and underscores, in segments between dots"
)]
pub struct InvalidSubject(String);

impl Subjects {
    /// Subjects that begin with `prefix`, if there is one, and go on with the type of the event.
    /// `types` are patterns over the types that can come: `*` is one segment, `**` any number.
    pub fn new<T: AsRef<str>>(
        prefix: Option<&str>,
        types: impl IntoIterator<Item = T>,
    ) -> Result<Self, InvalidSubject> {
        let prefix = match prefix {
            None => String::new(),
            Some(text) if is_prefix(text) => format!("{text}."),
            Some(text) => {
                return Err(InvalidSubject(text.chars().take(PREFIX_BYTES_MAX).collect()));
            }
        };
        let wanted = types.into_iter().map(|types| format!("{prefix}{}", filter(types.as_ref())));
        let wanted = wanted.collect();
        Ok(Self { prefix, wanted })
    }

    /// The subject of an event of this type. What a subject cannot hold becomes `_`, with its code.
    pub fn of(&self, event_type: &str) -> String {
        let mut subject = self.prefix.clone();
        for (index, segment) in event_type.split('.').enumerate() {
            if index > 0 {
                subject.push('.');
            }
            push_segment(&mut subject, segment);
        }
        subject
    }

    /// The subjects that events can have, as NATS writes patterns.
    pub fn wanted(&self) -> &[String] {
        &self.wanted
    }
}

fn is_prefix(text: &str) -> bool {
    let fits = |segment: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !segment.is_empty() && segment.bytes().all(inside)
    };
    text.len() <= PREFIX_BYTES_MAX && text.split('.').all(fits)
}

/// Types of conditions are made up by controllers, and may have anything in them.
fn push_segment(subject: &mut String, segment: &str) {
    if segment.is_empty() {
        subject.push('_');
    }
    for letter in segment.chars() {
        match letter {
            '*' | '>' | '$' | '_' => push_code(subject, letter),
            '!'..='~' => subject.push(letter),
            other => push_code(subject, other),
        }
    }
}

fn push_code(subject: &mut String, letter: char) {
    // The one that is in names all the time stays as it is.
    if letter == '_' {
        subject.push('_');
    } else {
        write!(subject, "_{:x}", u32::from(letter)).expect("text grows in memory");
    }
}

/// A pattern over types as a pattern of NATS, which may match more: there is no `**` inside of one.
fn filter(types: &str) -> String {
    let mut filter: Vec<&str> = Vec::new();
    for segment in types.split('.') {
        if segment == "**" {
            filter.push(">");
            break;
        }
        filter.push(segment);
    }
    filter.join(".")
}

/// Whether every subject that `narrow` matches is matched by `wide`.
pub fn covers(wide: &str, narrow: &str) -> bool {
    let (mut wide, mut narrow) = (wide.split('.'), narrow.split('.'));
    loop {
        match (wide.next(), narrow.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(segment)) if segment != ">" => {}
            (Some(text), Some(segment)) if text == segment => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_the_type_behind_the_prefix() {
        for (prefix, event_type, expected) in [
            (None, "io.fabrica.device.created", "io.fabrica.device.created"),
            (Some("acme.prod"), "pintle.device.created", "acme.prod.pintle.device.created"),
            (None, "p.condition.example.io/ready", "p.condition.example.io/ready"),
            (None, "p.a b", "p.a_20b"),
            (None, "p.*.>", "p._2a._3e"),
            (None, "p..x.", "p._.x._"),
            (None, "p.über", "p._fcber"),
            (None, "p.a_b", "p.a_b"),
        ] {
            let subjects = Subjects::new(prefix, ["**"]).unwrap();
            assert_eq!(subjects.of(event_type), expected, "{event_type:?}");
        }
    }

    #[test]
    fn a_prefix_is_checked() {
        let long = "a".repeat(PREFIX_BYTES_MAX + 1);
        for wrong in ["", ".", "a.", "a..b", "a.*", "a.>", "a b", "$JS", "ä", &long] {
            assert!(Subjects::new(Some(wrong), ["**"]).is_err(), "{wrong:?}");
        }
        for right in ["a", "a-b.c_d", "A1"] {
            assert!(Subjects::new(Some(right), ["**"]).is_ok(), "{right:?}");
        }
    }

    #[test]
    fn patterns_become_those_of_nats() {
        let types = ["pintle.**", "pintle.device.*", "**.created", "a.**.b", "pintle.gap"];
        let subjects = Subjects::new(Some("x"), types).unwrap();
        let expected = ["x.pintle.>", "x.pintle.device.*", "x.>", "x.a.>", "x.pintle.gap"];
        assert_eq!(subjects.wanted(), expected);
    }

    #[test]
    fn what_a_stream_takes_is_compared() {
        for (wide, narrow, expected) in [
            (">", "a.>", true),
            ("a.>", "a.>", true),
            ("a.>", "a.b.>", true),
            ("a.>", "a.*", true),
            ("a.>", "a", false),
            ("a.*", "a.>", false),
            ("a.*", "a.*", true),
            ("a.*", "a.b", true),
            ("a.b", "a.*", false),
            ("*.b", "a.b", true),
            ("*.*", "a.>", false),
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("b.>", "a.>", false),
        ] {
            assert_eq!(covers(wide, narrow), expected, "{wide} and {narrow}");
        }
    }
}
