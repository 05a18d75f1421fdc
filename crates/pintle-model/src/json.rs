//! JSON text that is known to be valid, and the strict reader that makes it.
//!
//! The reader refuses or reports what `serde_json` lets pass: keys that stand twice. Canonical text
//! has sorted keys, no white space, and whole numbers without a fraction, so that two documents
//! that mean the same have the same bytes.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// Canonical JSON text, shared and immutable.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Bytes);

impl Json {
    /// The canonical text of a value.
    pub fn from_value(value: &Value) -> Self {
        Self::exactly(&serde_json::to_vec(value).expect("a JSON value has only text keys"))
    }

    /// The canonical text of an object.
    pub fn from_map(map: &Map<String, Value>) -> Self {
        Self::exactly(&serde_json::to_vec(map).expect("a JSON object has only text keys"))
    }

    /// In a buffer without the room that it was written in: lanes are kept for long.
    fn exactly(text: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(text))
    }

    /// `{}`.
    pub const fn empty_object() -> Self {
        Self(Bytes::from_static(b"{}"))
    }

    /// Takes bytes that were canonical JSON when they were stored.
    pub const fn from_stored(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The text.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// How many bytes the text has.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true: the shortest JSON text is one digit.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is `{}`.
    pub fn is_empty_object(&self) -> bool {
        &*self.0 == b"{}"
    }

    /// The text as a tree.
    pub fn to_value(&self) -> Value {
        serde_json::from_slice(&self.0).expect("stored text is valid JSON")
    }

    /// The text as a map; empty when it is not an object.
    pub fn to_map(&self) -> Map<String, Value> {
        match self.to_value() {
            Value::Object(map) => map,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// A document that is not JSON, or is more of it than is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJson {
    /// It is not JSON, and this is where.
    #[error("{0}")]
    Malformed(String),
    /// It holds more than [`VALUES_MAX`] values.
    #[error(
        "the document holds too many values: {VALUES_MAX} are allowed, of which a list or an object \
         takes {CONTAINER_COST}"
    )]
    TooManyValues,
}

impl From<serde_json::Error> for InvalidJson {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl InvalidJson {
    fn byte_order_mark() -> Self {
        Self::Malformed("the text begins with a byte order mark; remove it".to_owned())
    }
}

/// A tree, and the paths of the keys that stood twice in its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The tree; of a key that stands twice, the last value.
    pub value: Value,
    /// `spec.a` for each key that stood more than once.
    pub duplicates: Vec<String>,
}

/// Reads one JSON document. Duplicate keys are reported, not refused: doors differ in what they do.
pub fn parse(text: &[u8]) -> Result<Parsed, InvalidJson> {
    parse_at(text, "")
}

/// Reads one JSON document that stands at `prefix` of a larger one; the prefix appears in the paths
/// of duplicates.
pub fn parse_at(text: &[u8], prefix: &str) -> Result<Parsed, InvalidJson> {
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(InvalidJson::byte_order_mark());
    }
    let left = Some(VALUES_MAX);
    let mut reader = Reader { path: prefix.to_owned(), duplicates: Vec::new(), left };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = (&mut reader).deserialize(&mut deserializer);
    if reader.left.is_none() {
        return Err(InvalidJson::TooManyValues);
    }
    let value = read?;
    deserializer.end()?;
    Ok(Parsed { value, duplicates: reader.duplicates })
}

/// Reads one tree from a deserializer that has limits of its own, as [`parse`] does from JSON.
pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Parsed, D::Error> {
    let left = Some(usize::MAX);
    let mut reader = Reader { path: String::new(), duplicates: Vec::new(), left };
    let value = (&mut reader).deserialize(deserializer)?;
    Ok(Parsed { value, duplicates: reader.duplicates })
}

/// The fields of one JSON object in the order of its text, their values unread.
///
/// This is what lets a status write skip a large spec without building a tree of it.
#[derive(Debug)]
pub struct Fields<'a> {
    /// Name and text of each field; no name stands twice.
    pub fields: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Names that stood more than once; of those the last text is kept.
    pub duplicates: Vec<String>,
}

impl<'a> Fields<'a> {
    /// Splits the text of an object.
    pub fn split(text: &'a [u8]) -> Result<Self, InvalidJson> {
        if text.starts_with(b"\xef\xbb\xbf") {
            return Err(InvalidJson::byte_order_mark());
        }
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let fields = deserializer.deserialize_map(SplitVisitor)?;
        deserializer.end()?;
        Ok(fields)
    }

    /// The text of one field.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, raw)| *raw)
    }
}

struct SplitVisitor;

impl<'de> Visitor<'de> for SplitVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
        let mut duplicates = Vec::new();
        while let Some(name) = map.next_key_seed(KeySeed)? {
            let raw: &'de RawValue = map.next_value()?;
            if let Some(slot) = fields.iter_mut().find(|(field, _)| *field == name) {
                duplicates.push(name.into_owned());
                slot.1 = raw;
            } else if fields.len() < FIELDS_MAX {
                fields.push((name, raw));
            } else {
                return Err(de::Error::custom(format_args!(
                    "an object may have at most {FIELDS_MAX} fields here"
                )));
            }
        }
        Ok(Fields { fields, duplicates })
    }
}

/// Splitting compares each name with those before it, so the number of names has a bound.
const FIELDS_MAX: usize = 256;

/// Borrows a key where its text has no escapes.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Builds a tree and notes duplicate keys on the way.
struct Reader {
    path: String,
    duplicates: Vec<String>,
    /// What the rest of the document may still cost; nothing once it has cost too much.
    left: Option<usize>,
}

/// A tree takes far more memory than its text: an object of one field has four bytes of text and
/// half a kilobyte of tree. And a tree is walked several times on its way to the store: to be
/// pruned, defaulted, checked, written. So values have a bound of their own, in which lists and
/// objects count for [`CONTAINER_COST`]. The largest definitions of real projects take a third.
pub const VALUES_MAX: usize = 400_000;
/// For so many values a list or an object counts.
pub const CONTAINER_COST: usize = 8;

/// After so many duplicates the rest is not interesting, and memory has a bound.
const DUPLICATES_REPORTED_MAX: usize = 20;

impl Reader {
    fn pay<E: de::Error>(&mut self, cost: usize) -> Result<(), E> {
        self.left = self.left.and_then(|left| left.checked_sub(cost));
        if self.left.is_some() { Ok(()) } else { Err(E::custom("too many values")) }
    }

    fn note_duplicate(&mut self, key: &str) {
        if self.duplicates.len() < DUPLICATES_REPORTED_MAX {
            let dot = if self.path.is_empty() { "" } else { "." };
            self.duplicates.push(format!("{}{dot}{key}", self.path));
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        canonical_number(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.pay(CONTAINER_COST)?;
        let mut items = Vec::new();
        let length = self.path.len();
        loop {
            use fmt::Write as _;
            write!(self.path, "[{}]", items.len()).expect("text grows in memory");
            let item = seq.next_element_seed(&mut *self)?;
            self.path.truncate(length);
            match item {
                Some(item) => {
                    self.pay(1)?;
                    items.push(item);
                }
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.pay(CONTAINER_COST)?;
        let mut map = Map::new();
        let length = self.path.len();
        while let Some(key) = access.next_key::<String>()? {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(&key);
            let value = access.next_value_seed(&mut *self)?;
            self.path.truncate(length);
            self.pay(1)?;
            if map.contains_key(&key) {
                self.note_duplicate(&key);
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// `1.0` and `1e0` mean `1`: whole numbers that a double holds exactly are kept as integers, as
/// Go's encoder (and so every Kubernetes client) writes them. Nothing when it is not finite.
pub fn canonical_number(value: f64) -> Option<Number> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and within 2^53, checked above"
        )]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_reported_with_their_paths() {
        let parsed = parse(br#"{"a":1,"b":[{"c":1,"c":2}],"a":3}"#).unwrap();
        assert_eq!(parsed.duplicates, ["b[0].c", "a"]);
        assert_eq!(parsed.value, serde_json::json!({"a": 3, "b": [{"c": 2}]}));
    }

    #[test]
    fn numbers_that_mean_the_same_have_the_same_text() {
        let text = |source: &str| Json::from_value(&parse(source.as_bytes()).unwrap().value);
        for same in ["1", "1.0", "1e0", "10e-1"] {
            assert_eq!(text(same), text("1"), "{same}");
        }
        assert_eq!(text("-0.0"), text("0"));
        assert_ne!(text("1.5"), text("1"));
    }

    #[test]
    fn nonsense_is_an_error_not_a_panic() {
        let deep = "[".repeat(100_000);
        for text in
            ["", "{", "NaN", "1e999", "{\"a\":}", "\u{feff}{}", "{} {}", "\"\\ud800\"", &deep]
        {
            assert!(parse(text.as_bytes()).is_err(), "{text:.20}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(Fields::split(b"[1]").is_err());
    }

    #[test]
    fn a_tree_has_a_bound_that_its_text_does_not_show() {
        let small_objects = format!("[{}0]", "{},".repeat(VALUES_MAX / CONTAINER_COST));
        assert_eq!(parse(small_objects.as_bytes()), Err(InvalidJson::TooManyValues));
        // The list itself is one of them.
        let numbers = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        let most = VALUES_MAX - CONTAINER_COST;
        assert!(parse(numbers(most).as_bytes()).is_ok());
        assert_eq!(parse(numbers(most + 1).as_bytes()), Err(InvalidJson::TooManyValues));
    }

    #[test]
    fn splitting_leaves_values_unread() {
        let fields =
            Fields::split(br#"{"spec": {"x": [1, 2]}, "st\u0061tus": {}, "spec": 1}"#).unwrap();
        assert_eq!(fields.get("spec").unwrap().get(), "1");
        assert_eq!(fields.get("status").unwrap().get(), "{}");
        assert_eq!(fields.duplicates, ["spec"]);
    }
}
