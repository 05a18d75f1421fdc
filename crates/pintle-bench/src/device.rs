//! Bodies for the kind that is loaded: `Device` of `infra.example.io/v1`, as `examples/devices`
//! declares it.

use bytes::Bytes;

/// What identity and metadata add to an answer's size, about.
const ENVELOPE_BYTES: usize = 430;
/// How many entries `spec.config` is filled with.
const CONFIG_ENTRIES: usize = 8;
/// What stands before the sequence number in `status.message`. Nothing else in an object holds it.
pub(crate) const SEQUENCE_MARK: &[u8] = b"bench-write ";
/// A sequence number is written with so many digits, so that all bodies have one size.
pub(crate) const SEQUENCE_DIGITS: usize = 20;
/// The time that a status claims: the server's own times are not what is measured.
const TIME: &str = "2026-01-01T00:00:00Z";

/// The body that creates an object whose answer has about `object_bytes` with no status.
pub(crate) fn create_body(name: &str, object_bytes: usize) -> Bytes {
    let head = format!(
        r#"{{"metadata":{{"name":"{name}"}},"spec":{{"name":"{name}","location":"dc1","model":"bench","config":{{"#
    );
    let frame = CONFIG_ENTRIES * r#""setting-0":"","#.len();
    let spec_bytes = object_bytes.saturating_sub(ENVELOPE_BYTES);
    let value = "x".repeat(spec_bytes.saturating_sub(frame + 64) / CONFIG_ENTRIES);
    let entries: Vec<_> =
        (0..CONFIG_ENTRIES).map(|index| format!(r#""setting-{index}":"{value}""#)).collect();
    format!("{head}{}}}}}}}", entries.join(",")).into()
}

/// A body with a sequence number in it, so that no two of its copies are the same.
#[derive(Debug, Clone)]
pub(crate) struct Numbered {
    before: String,
    after: String,
}

impl Numbered {
    /// The body with this number.
    pub(crate) fn with(&self, sequence: u64) -> Bytes {
        format!("{}{sequence:0width$}{}", self.before, self.after, width = SEQUENCE_DIGITS).into()
    }

    fn padded_to(before: String, padded: &str, after: &str, bytes: usize) -> Self {
        let known = before.len() + SEQUENCE_DIGITS + padded.len() + after.len();
        let padding = ".".repeat(bytes.saturating_sub(known));
        Self { before, after: format!("{padding}{padded}{after}") }
    }
}

/// The body of a PUT of a whole status, padded to about `bytes`.
pub(crate) fn status_body(bytes: usize) -> Numbered {
    status_with(bytes, &format!(r#""status":"True","lastTransitionTime":"{TIME}""#))
}

/// The same as an input of the GraphQL door.
pub(crate) fn status_input(bytes: usize) -> Numbered {
    status_with(bytes, r#""status":"TRUE""#)
}

fn status_with(bytes: usize, condition: &str) -> Numbered {
    let before = format!(
        r#"{{"status":{{"phase":"Ready","health":"Healthy","message":"{}"#,
        String::from_utf8_lossy(SEQUENCE_MARK)
    );
    let after = format!(
        r#""lastSeen":"{TIME}","observedGeneration":1,"conditions":[{{"type":"Ready","reason":"Reporting","message":"all is well","observedGeneration":1,{condition}}}]}}}}"#
    );
    Numbered::padded_to(before, "\",", &after, bytes)
}

/// The body of a merge patch of one status field.
pub(crate) fn status_patch() -> Numbered {
    let mark = String::from_utf8_lossy(SEQUENCE_MARK);
    Numbered { before: format!(r#"{{"status":{{"message":"{mark}"#), after: r#""}}"#.to_owned() }
}

/// The sequence number that a piece of an object holds; nothing when none of ours wrote its status.
pub(crate) fn sequence_in(mark: &memchr::memmem::Finder<'_>, text: &[u8]) -> Option<u64> {
    let start = mark.find(text)? + SEQUENCE_MARK.len();
    let digits = text.get(start..start + SEQUENCE_DIGITS)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use memchr::memmem::Finder;
    use serde_json::Value;

    fn parse(body: &Bytes) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn bodies_are_json_of_about_the_wanted_size() {
        for wanted in [1_000, 1_500, 15_000] {
            let body = create_body("bench-1", wanted);
            assert_eq!(parse(&body)["spec"]["name"], "bench-1");
            let answered = body.len() + ENVELOPE_BYTES;
            assert!(answered.abs_diff(wanted) < 100, "{answered} for {wanted}");
        }
        for wanted in [370, 4_000] {
            let body = status_body(wanted).with(1);
            assert_eq!(parse(&body)["status"]["phase"], "Ready");
            assert_eq!(body.len(), wanted);
        }
    }

    #[test]
    fn a_size_below_the_least_gives_the_least() {
        assert_eq!(parse(&create_body("a", 0))["spec"]["config"]["setting-0"], "");
        assert_eq!(parse(&status_body(0).with(1))["status"]["health"], "Healthy");
    }

    #[test]
    fn sequence_numbers_are_found_again() {
        let mark = Finder::new(SEQUENCE_MARK);
        for sequence in [0, 42, u64::MAX] {
            for body in [status_body(370).with(sequence), status_patch().with(sequence)] {
                assert_eq!(sequence_in(&mark, &body), Some(sequence));
            }
        }
        for foreign in ["{}", "bench-write 12", "bench-write abcdefghijabcdefghij"] {
            assert_eq!(sequence_in(&mark, foreign.as_bytes()), None, "{foreign}");
        }
    }
}
