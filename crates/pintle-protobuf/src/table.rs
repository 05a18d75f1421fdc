//! The rows that describe messages.

use serde_json::{Map, Value};

/// A protobuf message, and the JSON object that it stands for.
#[derive(Debug)]
pub(crate) struct Message {
    /// In order of their numbers.
    pub fields: &'static [Field],
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub number: u32,
    /// In JSON.
    pub name: &'static str,
    pub count: Count,
    pub content: Content,
    /// Whether Go's JSON leaves it out when it is empty. Values that are not pointers are always on
    /// the wire, so that an absent one and an empty one can only be told apart by this.
    pub omits_zero: bool,
}

/// How often a field stands in its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    One,
    Many,
    /// Entries of text and a value.
    Map,
}

/// What stands in a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content {
    Text,
    /// Base64 in JSON.
    Bytes,
    Bool,
    Int,
    Double,
    /// JSON text, as it stands.
    JsonText,
    Part(&'static Message),
    /// A message whose JSON is not an object of its fields.
    Form(&'static Form),
}

/// A message that JSON writes in another way: a time is text.
#[derive(Debug)]
pub(crate) struct Form {
    pub message: Message,
    /// From the fields that were there, in words of `message`.
    pub shape: fn(Map<String, Value>) -> Result<Value, &'static str>,
}

pub(crate) const fn message(fields: &'static [Field]) -> Message {
    Message { fields }
}

pub(crate) const fn one(number: u32, name: &'static str, content: Content) -> Field {
    Field { number, name, count: Count::One, content, omits_zero: false }
}

pub(crate) const fn many(number: u32, name: &'static str, content: Content) -> Field {
    Field { number, name, count: Count::Many, content, omits_zero: false }
}

pub(crate) const fn map(number: u32, name: &'static str, content: Content) -> Field {
    Field { number, name, count: Count::Map, content, omits_zero: false }
}

impl Field {
    pub(crate) const fn unless_zero(self) -> Self {
        Self { omits_zero: true, ..self }
    }
}
