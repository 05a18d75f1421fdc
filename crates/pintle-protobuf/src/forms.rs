//! The messages whose JSON is not an object of their fields, and the envelope.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::messages::JSON_SCHEMA_PROPS;
use crate::table::Content::{Bool, Int, JsonText, Part, Text};
use crate::table::{Form, Message, many, message, one};

/// What is around every object: `runtime.Unknown`, without the bytes of the object.
pub(crate) static UNKNOWN: Message = message(&[
    one(1, "typeMeta", Part(&TYPE_META)),
    one(3, "contentEncoding", Text),
    one(4, "contentType", Text),
]);

static TYPE_META: Message = message(&[one(1, "apiVersion", Text), one(2, "kind", Text)]);

const INSTANT: Message = message(&[one(1, "seconds", Int), one(2, "nanos", Int)]);

/// `meta/v1.Time`: whole seconds, whatever else was sent.
pub(crate) static TIME: Form =
    Form { message: INSTANT, shape: |fields| time(&fields, 0, "%FT%TZ") };

/// `meta/v1.MicroTime`.
pub(crate) static MICRO_TIME: Form = Form {
    message: INSTANT,
    shape: |fields| time(&fields, number(&fields, "nanos"), "%FT%T.%6fZ"),
};

pub(crate) static QUANTITY: Form = Form {
    message: message(&[one(1, "string", Text).unless_zero()]),
    shape: |mut fields| Ok(fields.remove("string").unwrap_or_else(|| "0".into())),
};

/// `FieldsV1`, `RawExtension` and `apiextensions/v1.JSON`.
pub(crate) static JSON: Form = Form {
    message: message(&[one(1, "raw", JsonText)]),
    shape: |mut fields| Ok(fields.remove("raw").unwrap_or(Value::Null)),
};

/// A list of texts in a message of its own, such as `ExtraValue`.
pub(crate) static TEXT_LIST: Form = Form {
    message: message(&[many(1, "items", Text)]),
    shape: |mut fields| Ok(fields.remove("items").unwrap_or_else(|| Value::Array(Vec::new()))),
};

/// `JSONSchemaPropsOrArray`.
pub(crate) static SCHEMA_OR_LIST: Form = Form {
    message: message(&[
        one(1, "schema", Part(&JSON_SCHEMA_PROPS)),
        many(2, "list", Part(&JSON_SCHEMA_PROPS)),
    ]),
    shape: |mut fields| Ok(either(&mut fields, ["list", "schema"]).unwrap_or(Value::Null)),
};

/// `JSONSchemaPropsOrBool`.
pub(crate) static SCHEMA_OR_BOOL: Form = Form {
    message: message(&[one(1, "allows", Bool), one(2, "schema", Part(&JSON_SCHEMA_PROPS))]),
    shape: |mut fields| Ok(either(&mut fields, ["schema", "allows"]).unwrap_or(Value::Bool(false))),
};

/// `JSONSchemaPropsOrStringArray`.
pub(crate) static SCHEMA_OR_NAMES: Form = Form {
    message: message(&[one(1, "schema", Part(&JSON_SCHEMA_PROPS)), many(2, "names", Text)]),
    shape: |mut fields| Ok(either(&mut fields, ["names", "schema"]).unwrap_or(Value::Null)),
};

fn either(fields: &mut Map<String, Value>, names: [&str; 2]) -> Option<Value> {
    names.into_iter().find_map(|name| fields.remove(name))
}

fn number(fields: &Map<String, Value>, name: &str) -> i64 {
    fields.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// An instant that was never set has no fields at all.
fn time(fields: &Map<String, Value>, nanos: i64, format: &str) -> Result<Value, &'static str> {
    // What RFC 3339 can write.
    const YEARS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_207_200;
    const OUTSIDE: &str = "the time is not within the years 1 to 9999";
    if fields.is_empty() {
        return Ok(Value::Null);
    }
    let seconds = number(fields, "seconds");
    let nanos = i32::try_from(nanos).ok().filter(|nanos| (0..1_000_000_000).contains(nanos));
    let nanos = nanos.ok_or("the fraction of the second is not within 0 and 999999999")?;
    if !YEARS.contains(&seconds) {
        return Err(OUTSIDE);
    }
    let time = Timestamp::new(seconds, nanos).map_err(|_| OUTSIDE)?;
    Ok(time.strftime(format).to_string().into())
}
