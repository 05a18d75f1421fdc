//! Values that a schema allows, made up from it.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Schemas that contain themselves are whole up to here, as short as they can be from there on, and
/// end where not even that comes to an end.
const WHOLE_DEPTH_MAX: usize = 8;
const DEPTH_MAX: usize = 24;

/// Two values of a type: one with every field, and one with those that must be there.
pub(crate) fn samples<T: JsonSchema>() -> [Value; 2] {
    let root = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
    [true, false].map(|whole| Sampler { root: &root, whole }.sample(&root, 0))
}

struct Sampler<'a> {
    root: &'a Value,
    /// Whether fields are there that need not be.
    whole: bool,
}

impl Sampler<'_> {
    /// A default of nothing says nothing of what a field that is there looks like.
    fn is_telling(&self, value: &Value) -> bool {
        let is_empty = match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        !(is_empty && self.whole)
    }

    const fn is_whole(&self, depth: usize) -> bool {
        self.whole && depth <= WHOLE_DEPTH_MAX
    }

    fn sample(&self, schema: &Value, depth: usize) -> Value {
        if depth > DEPTH_MAX {
            return Value::Null;
        }
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let target = name.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.sample(target, depth + 1));
        }
        let examples = schema.get("examples").and_then(Value::as_array);
        let said = [examples.and_then(|it| it.first()), schema.get("default"), schema.get("const")];
        if let Some(said) = said.into_iter().flatten().find(|value| self.is_telling(value)) {
            return said.clone();
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return values.first().cloned().unwrap_or_default();
        }
        let parts =
            ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema.get(*name)?.as_array());
        if let Some(parts) = parts {
            let is_null = |part: &&Value| part.get("type") == Some(&json!("null"));
            let part = parts.iter().find(|part| !is_null(part));
            return part.map_or(Value::Null, |part| self.sample(part, depth + 1));
        }
        self.of_type(schema, depth)
    }

    fn of_type(&self, schema: &Value, depth: usize) -> Value {
        let declared = match schema.get("type") {
            // The first is the one that is not null.
            Some(Value::Array(types)) => types.first().and_then(Value::as_str),
            declared => declared.and_then(Value::as_str),
        };
        match declared {
            Some("string") => text(schema),
            Some("integer" | "number") => schema
                .get("minimum")
                .filter(|least| **least != json!(0))
                .cloned()
                .unwrap_or(json!(1)),
            Some("boolean") => json!(true),
            Some("array") => self.list(schema, depth),
            Some("object") => self.object(schema, depth),
            _ => Value::Null,
        }
    }

    fn list(&self, schema: &Value, depth: usize) -> Value {
        let item = schema.get("items").filter(|_| self.is_whole(depth));
        item.map_or_else(|| json!([]), |item| json!([self.sample(item, depth + 1)]))
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|it| it == name));
        let fields = schema.get("properties").and_then(Value::as_object);
        let fields = fields.into_iter().flatten();
        let wanted = fields.filter(|(name, _)| self.is_whole(depth) || is_required(name));
        let mut object: Map<String, Value> =
            wanted.map(|(name, field)| (name.clone(), self.sample(field, depth + 1))).collect();
        let values = schema.get("additionalProperties");
        let values = values.filter(|it| it.is_object() && self.is_whole(depth));
        if let Some(values) = values {
            object.insert("key".to_owned(), self.sample(values, depth + 1));
        }
        Value::Object(object)
    }
}

fn text(schema: &Value) -> Value {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => json!("2026-01-02T03:04:05Z"),
        Some("date") => json!("2026-01-02"),
        Some("uuid") => json!("6f1b6c2e-3d0f-4a9e-8b43-5d3c1a7f9e20"),
        Some("ip" | "ipv4") => json!("192.0.2.1"),
        Some("ipv6") => json!("2001:db8::1"),
        Some("uri") => json!("https://example.io/"),
        _ => {
            let length = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
            let length = usize::try_from(length).unwrap_or(0).clamp("text".len(), 1_000);
            json!("text".chars().cycle().take(length).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::Conditions;

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    enum Mode {
        Auto,
        Manual,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Part {
        mode: Mode,
        parts: Vec<Self>,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Everything {
        name: String,
        count: u32,
        ratio: f64,
        on: bool,
        part: Option<Part>,
        tags: BTreeMap<String, String>,
        #[serde(default)]
        conditions: Conditions,
        mode: Option<Mode>,
    }

    #[test]
    fn samples_read_as_their_type() {
        let [whole, least] = samples::<Everything>();
        for sample in [&whole, &least] {
            let read: Result<Everything, _> = serde_json::from_value(sample.clone());
            assert!(read.is_ok(), "{sample}: {}", read.unwrap_err());
        }
        let read: Everything = serde_json::from_value(whole).unwrap();
        assert!(read.part.is_some() && read.mode.is_some() && !read.tags.is_empty());
        assert_eq!(least.get("part"), None);
    }
}
