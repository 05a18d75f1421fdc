//! Reading a body: the envelope, which says the kind, and in it the object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle_model::json;
use serde_json::{Map, Value};

use crate::forms::UNKNOWN;
use crate::messages::KINDS;
use crate::table::{Content, Count, Field, Message};
use crate::wire::{Fields, Wire};

/// An object that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// As the envelope says: `v1`, `coordination.k8s.io/v1`.
    pub api_version: String,
    /// As the envelope says.
    pub kind: String,
    /// The object as JSON, with `apiVersion` and `kind`.
    pub value: Value,
}

/// Why a body was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// The four bytes are missing that every body begins with.
    #[error("the body is not Kubernetes protobuf: it does not begin with \"k8s\" and a zero byte")]
    NoMagic,
    /// A kind that has no protobuf form here, as no declared kind has.
    #[error("{kind:?} of {api_version:?} cannot be sent as protobuf; send JSON")]
    UnknownKind {
        /// As the envelope says.
        api_version: String,
        /// As the envelope says.
        kind: String,
    },
    /// The bytes are not what the kind's message looks like.
    #[error("the protobuf body cannot be read{}: {why}", if .path.is_empty() { String::new() } else { format!(" at {}", .path) })]
    Malformed {
        /// Where, in words of the JSON form; empty for the envelope and the object itself.
        path: String,
        /// What is wrong there.
        why: String,
    },
}

/// What every body begins with.
const MAGIC: [u8; 4] = *b"k8s\0";

/// Objects nest at most so deep, as in JSON bodies.
const DEPTH_MAX: usize = 100;

/// As many values as a JSON body may have, for the same reason: a tree takes far more memory than
/// what it was read from.
const VALUES_MAX: usize = 2_000_000;
const CONTAINER_COST: usize = 8;

/// Reads a request body. Fields that upstream added later are dropped, as protobuf does.
///
/// The caller bounds the length of the body. What a body may make of that is bounded here.
///
/// The envelope: <https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding>
pub fn decode(body: &[u8]) -> Result<Decoded, ProtobufError> {
    let envelope = body.strip_prefix(&MAGIC).ok_or(ProtobufError::NoMagic)?;
    let Envelope { api_version, kind, raw } = Envelope::read(envelope)?;
    let Some(message) = message_of(&api_version, &kind) else {
        return Err(ProtobufError::UnknownKind { api_version, kind });
    };
    let mut object = Map::new();
    Decoder { left: VALUES_MAX }.fields(message, raw, &mut object, DEPTH_MAX)?;
    object.insert("apiVersion".to_owned(), Value::String(api_version.clone()));
    object.insert("kind".to_owned(), Value::String(kind.clone()));
    Ok(Decoded { api_version, kind, value: Value::Object(object) })
}

fn message_of(api_version: &str, kind: &str) -> Option<&'static Message> {
    // Every group has these options in its own name.
    let any_group = kind == "DeleteOptions";
    let mut rows = KINDS.iter().filter(|row| row.1 == kind);
    rows.find(|row| any_group || row.0 == api_version).map(|row| row.2)
}

/// `runtime.Unknown` of upstream.
struct Envelope<'a> {
    api_version: String,
    kind: String,
    raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut raw = &[][..];
        let mut fields = Fields::of(bytes);
        while let Some((number, wire)) = fields.next()? {
            if let (2, Wire::Bytes(bytes)) = (number, wire) {
                raw = bytes;
            }
        }
        let mut rest = Map::new();
        Decoder { left: VALUES_MAX }.fields(&UNKNOWN, bytes, &mut rest, DEPTH_MAX)?;
        let text = |pointer: &str| {
            rest.get("typeMeta")
                .and_then(|meta| meta.get(pointer))
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        for field in ["contentType", "contentEncoding"] {
            match rest.get(field).and_then(Value::as_str) {
                None | Some("") => {}
                Some(other) if other == crate::MEDIA_TYPE => {}
                Some(other) => {
                    return Err(Fault::new(format!(
                        "{other:?} inside of protobuf is not supported"
                    ))
                    .inside(field));
                }
            }
        }
        Ok(Self { api_version: text("apiVersion"), kind: text("kind"), raw })
    }
}

/// Something that cannot be read, and where: the path grows on the way out.
#[derive(Debug)]
struct Fault {
    path: Vec<String>,
    why: String,
}

impl Fault {
    fn new(why: impl Into<String>) -> Self {
        Self { path: Vec::new(), why: why.into() }
    }

    fn inside(mut self, name: impl Into<String>) -> Self {
        self.path.push(name.into());
        self
    }
}

impl From<&'static str> for Fault {
    fn from(why: &'static str) -> Self {
        Self::new(why)
    }
}

impl From<Fault> for ProtobufError {
    fn from(fault: Fault) -> Self {
        let path: Vec<_> = fault.path.into_iter().rev().collect();
        Self::Malformed { path: path.join("."), why: fault.why }
    }
}

struct Decoder {
    /// What the rest may still cost.
    left: usize,
}

impl Decoder {
    /// Adds the fields of a message to an object; a message that stands twice is merged, as
    /// protobuf wants it.
    fn fields(
        &mut self,
        message: &'static Message,
        bytes: &[u8],
        object: &mut Map<String, Value>,
        levels: usize,
    ) -> Result<(), Fault> {
        let levels = levels.checked_sub(1).ok_or_else(too_deep)?;
        let mut fields = Fields::of(bytes);
        while let Some((number, wire)) = fields.next()? {
            let Some(field) = message.fields.iter().find(|field| field.number == number) else {
                continue;
            };
            self.field(field, wire, object, levels).map_err(|fault| fault.inside(field.name))?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &'static Field,
        wire: Wire<'_>,
        object: &mut Map<String, Value>,
        levels: usize,
    ) -> Result<(), Fault> {
        match field.count {
            Count::One => {
                let before = object.remove(field.name);
                let value = self.value(field.content, wire, before, levels)?;
                if !(field.omits_zero && is_zero(&value)) {
                    object.insert(field.name.to_owned(), value);
                }
            }
            Count::Many => {
                let value = self.value(field.content, wire, None, levels)?;
                let list = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut().expect("this field is a list in its table").push(value);
            }
            Count::Map => {
                let (key, value) = self.entry(field.content, wire, levels)?;
                let map = object.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
                map.as_object_mut().expect("this field is a map in its table").insert(key, value);
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        content: Content,
        wire: Wire<'_>,
        levels: usize,
    ) -> Result<(String, Value), Fault> {
        let mut key = String::new();
        // What is not on the wire is empty.
        let mut value = None;
        let mut fields = Fields::of(bytes(wire)?);
        while let Some((number, wire)) = fields.next()? {
            match number {
                1 => key = text(bytes(wire)?).map_err(|fault| fault.inside("a key"))?,
                2 => value = Some(wire),
                _ => {}
            }
        }
        let value = value.unwrap_or(Wire::Bytes(&[]));
        let value = self.value(content, value, None, levels);
        let value = value.map_err(|fault| fault.inside(key.as_str()))?;
        Ok((key, value))
    }

    fn value(
        &mut self,
        content: Content,
        wire: Wire<'_>,
        before: Option<Value>,
        levels: usize,
    ) -> Result<Value, Fault> {
        self.pay(1)?;
        Ok(match content {
            Content::Text => text(bytes(wire)?)?.into(),
            Content::Bytes => STANDARD.encode(bytes(wire)?).into(),
            Content::Bool => Value::Bool(varint(wire)? != 0),
            Content::Int => varint(wire)?.cast_signed().into(),
            Content::Double => double(wire)?,
            Content::Part(message) => {
                self.pay(CONTAINER_COST)?;
                let mut part = match before {
                    Some(Value::Object(part)) => part,
                    _ => Map::new(),
                };
                self.fields(message, bytes(wire)?, &mut part, levels)?;
                Value::Object(part)
            }
            Content::JsonText => self.json(bytes(wire)?, levels)?,
            Content::Form(form) => {
                let mut fields = Map::new();
                self.fields(&form.message, bytes(wire)?, &mut fields, levels)?;
                (form.shape)(fields)?
            }
        })
    }

    fn json(&mut self, text: &[u8], levels: usize) -> Result<Value, Fault> {
        let value = json::parse(text).map_err(|error| Fault::new(error.to_string()))?.value;
        self.pay_for(&value, levels)?;
        Ok(value)
    }

    fn pay_for(&mut self, value: &Value, levels: usize) -> Result<(), Fault> {
        let inside = || levels.checked_sub(1).ok_or_else(too_deep);
        self.pay(1)?;
        match value {
            Value::Array(items) => {
                self.pay(CONTAINER_COST)?;
                let levels = inside()?;
                items.iter().try_for_each(|item| self.pay_for(item, levels))
            }
            Value::Object(map) => {
                self.pay(CONTAINER_COST)?;
                let levels = inside()?;
                map.values().try_for_each(|item| self.pay_for(item, levels))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn pay(&mut self, cost: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(cost).ok_or_else(|| {
            Fault::new(format!("the object holds too many values: {VALUES_MAX} are allowed"))
        })?;
        Ok(())
    }
}

fn too_deep() -> Fault {
    Fault::new(format!("it nests deeper than {DEPTH_MAX} levels"))
}

const WRONG_TYPE: &str = "the field has another wire type than it should";

const fn bytes(wire: Wire<'_>) -> Result<&[u8], &'static str> {
    match wire {
        Wire::Bytes(bytes) => Ok(bytes),
        Wire::Varint(_) | Wire::Fixed64(_) | Wire::Fixed32 => Err(WRONG_TYPE),
    }
}

const fn varint(wire: Wire<'_>) -> Result<u64, &'static str> {
    match wire {
        Wire::Varint(value) => Ok(value),
        Wire::Bytes(_) | Wire::Fixed64(_) | Wire::Fixed32 => Err(WRONG_TYPE),
    }
}

fn text(bytes: &[u8]) -> Result<String, Fault> {
    let text = str::from_utf8(bytes).map_err(|_| Fault::new("the text is not UTF-8"))?;
    Ok(text.to_owned())
}

fn double(wire: Wire<'_>) -> Result<Value, Fault> {
    let Wire::Fixed64(bytes) = wire else { return Err(WRONG_TYPE.into()) };
    let number = json::canonical_number(f64::from_le_bytes(bytes));
    number.map(Value::Number).ok_or_else(|| Fault::new("a number must be finite"))
}

/// What Go's JSON takes for empty.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}
