//! Leaf types: how stored JSON becomes a result, and how an input becomes JSON to store.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// What stands at a place that has no fields of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leaf {
    String,
    Id,
    Boolean,
    /// 32 bits, as GraphQL has it.
    Int,
    /// 64 bits.
    Long,
    Float,
    DateTime,
    ResourceVersion,
    StringMap,
    IntOrString,
    Json,
    /// GraphQL names and the JSON texts that they stand for.
    Enum(Vec<(Box<str>, Box<str>)>),
}

/// Beyond these, clients that have only 64-bit floats lose digits.
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// The stored value is not of the type that the schema says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mismatch;

impl Leaf {
    /// The scalar of this name, if it is one.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "String" => Self::String,
            "ID" => Self::Id,
            "Boolean" => Self::Boolean,
            "Int" => Self::Int,
            "Long" => Self::Long,
            "Float" => Self::Float,
            "DateTime" => Self::DateTime,
            "ResourceVersion" => Self::ResourceVersion,
            "StringMap" => Self::StringMap,
            "IntOrString" => Self::IntOrString,
            "JSON" => Self::Json,
            _ => return None,
        })
    }

    /// Appends the result for a stored value, which is raw JSON text and not null.
    pub(crate) fn write(&self, text: &str, out: &mut String) -> Result<(), Mismatch> {
        let first = text.as_bytes().first().copied().unwrap_or_default();
        let number = first == b'-' || first.is_ascii_digit();
        let fits = match self {
            Self::String | Self::Id | Self::DateTime | Self::ResourceVersion => first == b'"',
            Self::Boolean => first == b't' || first == b'f',
            Self::Int => text.parse::<i32>().is_ok(),
            Self::Float => number,
            Self::StringMap => first == b'{',
            Self::IntOrString => number || first == b'"',
            Self::Json => true,
            Self::Long => return write_long(text, out),
            Self::Enum(values) => {
                let text = unquoted(text).ok_or(Mismatch)?;
                let (name, _) = values.iter().find(|(_, json)| **json == *text).ok_or(Mismatch)?;
                return write!(out, "\"{name}\"").map_err(|_| Mismatch);
            }
        };
        if !fits {
            return Err(Mismatch);
        }
        out.push_str(text);
        Ok(())
    }

    /// The JSON to store for an input that is not null, or what would be right.
    pub(crate) fn coerce(&self, given: &Value) -> Result<Value, String> {
        let fits = match (self, given) {
            (Self::String | Self::DateTime | Self::IntOrString, Value::String(_))
            | (Self::Boolean, Value::Bool(_))
            | (Self::Float, Value::Number(_))
            | (Self::Json, _) => true,
            (Self::StringMap, Value::Object(map)) => map.values().all(Value::is_string),
            (Self::IntOrString, Value::Number(number)) => !number.is_f64(),
            (Self::Int, Value::Number(number)) => {
                number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
            }
            (Self::Id | Self::ResourceVersion, given) => return as_text(given),
            (Self::Long, given) => return as_long(given),
            (Self::Enum(values), Value::String(name)) => {
                let found = values.iter().find(|(known, _)| **known == **name);
                return found.map(|(_, json)| Value::from(&**json)).ok_or_else(|| self.expected());
            }
            _ => false,
        };
        if fits { Ok(given.clone()) } else { Err(self.expected()) }
    }

    fn expected(&self) -> String {
        let what = match self {
            Self::String => "a string",
            Self::Id | Self::ResourceVersion => "a string or a whole number",
            Self::Boolean => "true or false",
            Self::Int => "a whole number of 32 bits",
            Self::Long => "a whole number of 64 bits, or one as a string",
            Self::Float => "a number",
            Self::DateTime => "a time as a string (RFC 3339)",
            Self::StringMap => "an object whose values are strings",
            Self::IntOrString => "a whole number or a string",
            Self::Json => "a JSON value",
            Self::Enum(values) => {
                let names: Vec<_> = values.iter().map(|(name, _)| &**name).collect();
                return format!("expected one of {}", names.join(", "));
            }
        };
        format!("expected {what}")
    }
}

/// A number within the safe range as it is, beyond it as a string.
fn write_long(text: &str, out: &mut String) -> Result<(), Mismatch> {
    let number: i64 = match unquoted(text) {
        Some(text) => text.parse(),
        None => text.parse(),
    }
    .map_err(|_| Mismatch)?;
    if number.unsigned_abs() <= SAFE_INTEGER_MAX {
        write!(out, "{number}")
    } else {
        write!(out, "\"{number}\"")
    }
    .map_err(|_| Mismatch)
}

fn unquoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

fn as_text(given: &Value) -> Result<Value, String> {
    match given {
        Value::String(_) => Ok(given.clone()),
        Value::Number(number) if !number.is_f64() => Ok(Value::from(number.to_string())),
        _ => Err(Leaf::Id.expected()),
    }
}

fn as_long(given: &Value) -> Result<Value, String> {
    let number = match given {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.map(|number| Value::Number(Number::from(number))).ok_or_else(|| Leaf::Long.expected())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn phase() -> Leaf {
        Leaf::Enum(vec![("TRUE".into(), "True".into()), ("FALSE".into(), "False".into())])
    }

    #[test]
    fn stored_values_become_results_or_mismatches() {
        let cases = [
            (Leaf::String, "\"a\"", Some("\"a\"")),
            (Leaf::String, "1", None),
            (Leaf::Boolean, "true", Some("true")),
            (Leaf::Boolean, "\"true\"", None),
            (Leaf::Int, "2147483647", Some("2147483647")),
            (Leaf::Int, "2147483648", None),
            (Leaf::Int, "1.5", None),
            (Leaf::Long, "9007199254740991", Some("9007199254740991")),
            (Leaf::Long, "9007199254740992", Some("\"9007199254740992\"")),
            (Leaf::Long, "-9223372036854775808", Some("\"-9223372036854775808\"")),
            (Leaf::Long, "1e3", None),
            (Leaf::Float, "-1.5e3", Some("-1.5e3")),
            (Leaf::Float, "{}", None),
            (Leaf::StringMap, "{\"a\":\"b\"}", Some("{\"a\":\"b\"}")),
            (Leaf::StringMap, "[]", None),
            (Leaf::IntOrString, "\"50%\"", Some("\"50%\"")),
            (Leaf::IntOrString, "80", Some("80")),
            (Leaf::IntOrString, "[]", None),
            (Leaf::Json, "[{}]", Some("[{}]")),
            (phase(), "\"True\"", Some("\"TRUE\"")),
            (phase(), "\"TRUE\"", None),
            (phase(), "true", None),
        ];
        for (leaf, text, expected) in cases {
            let mut out = String::new();
            let found = leaf.write(text, &mut out).ok().map(|()| &*out);
            assert_eq!(found, expected, "{leaf:?} {text}");
        }
    }

    #[test]
    fn inputs_become_what_is_stored_or_are_refused() {
        let cases = [
            (Leaf::String, json!("a"), Some(json!("a"))),
            (Leaf::String, json!(1), None),
            (Leaf::Id, json!(7), Some(json!("7"))),
            (Leaf::Id, json!(7.5), None),
            (Leaf::ResourceVersion, json!("42"), Some(json!("42"))),
            (Leaf::Int, json!(1), Some(json!(1))),
            (Leaf::Int, json!(1_i64 << 31), None),
            (Leaf::Int, json!(1.0), None),
            (Leaf::Long, json!("9223372036854775807"), Some(json!(i64::MAX))),
            (Leaf::Long, json!(3), Some(json!(3))),
            (Leaf::Long, json!("3.5"), None),
            (Leaf::Float, json!(3), Some(json!(3))),
            (Leaf::Float, json!("3"), None),
            (Leaf::StringMap, json!({"a": "b"}), Some(json!({"a": "b"}))),
            (Leaf::StringMap, json!({"a": 1}), None),
            (Leaf::IntOrString, json!("50%"), Some(json!("50%"))),
            (Leaf::IntOrString, json!(1.5), None),
            (Leaf::Json, json!([null]), Some(json!([null]))),
            (phase(), json!("TRUE"), Some(json!("True"))),
            (phase(), json!("True"), None),
        ];
        for (leaf, given, expected) in cases {
            assert_eq!(leaf.coerce(&given).ok(), expected, "{leaf:?} {given}");
        }
    }
}
