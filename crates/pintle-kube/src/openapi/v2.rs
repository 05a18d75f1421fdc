//! The description in version 2, for clients from before there was version 3: as JSON, and as the
//! protobuf of `gnostic` (`openapiv2/OpenAPIv2.proto`), which is all that kubectl reads.
//!
//! It says what such clients look for: the types and the required fields of kinds, and which
//! parameters operations take. Bounds and patterns are left to the server.

use pintle_engine::Catalog;
use serde_json::{Map, Value, json};

use super::document;
use crate::accept::Range;
use crate::discovery::group_versions;

/// The media type of the description as protobuf.
pub(crate) const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// What older clients call it. The sign in it is none that a media type may have, and they refuse
/// an answer that is called so, as they should.
const PROTOBUF_ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// Whether a client that takes this wants protobuf.
pub(crate) fn is_wanted(range: &Range) -> bool {
    range.is(PROTOBUF) || range.is(PROTOBUF_ASKED)
}

/// The description as JSON.
pub(crate) fn swagger(catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    let mut definitions = Map::new();
    for at in group_versions(catalog) {
        let Value::Object(mut described) = document(catalog, &at) else { continue };
        if let Some(Value::Object(found)) = described.remove("paths") {
            paths.extend(found.into_iter().map(|(path, item)| (path, older_item(&item))));
        }
        let schemas = described.remove("components");
        if let Some(Value::Object(found)) =
            schemas.and_then(|mut it| it.get_mut("schemas").map(Value::take))
        {
            definitions.extend(found.into_iter().map(|(name, schema)| (name, older(&schema))));
        }
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths,
        "definitions": definitions,
    })
}

/// A schema as version 2 has it: references stand alone, and what may be of several types has none.
fn older(schema: &Value) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    if let Some(found) = fields.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref")) {
        let found = found.as_str().unwrap_or_default();
        let mut reference = Map::new();
        let name = found.replace("#/components/schemas/", "#/definitions/");
        reference.insert("$ref".to_owned(), Value::String(name));
        if let Some(what) = fields.get("description") {
            reference.insert("description".to_owned(), what.clone());
        }
        return Value::Object(reference);
    }
    let is = |name: &str| fields.get(name) == Some(&Value::Bool(true));
    let open = is("x-kubernetes-preserve-unknown-fields")
        || is("x-kubernetes-int-or-string")
        || is("nullable");
    let mut kept = Map::new();
    for (name, value) in fields {
        let value = match &**name {
            "type" | "format" | "items" | "properties" | "additionalProperties" | "required"
                if open =>
            {
                continue;
            }
            "description" | "type" | "format" | "required" => value.clone(),
            "items" | "additionalProperties" => older(value),
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                Value::Object(fields.map(|(name, it)| (name.clone(), older(it))).collect())
            }
            name if name.starts_with("x-kubernetes-") => value.clone(),
            _ => continue,
        };
        kept.insert(name.clone(), value);
    }
    Value::Object(kept)
}

fn older_item(item: &Value) -> Value {
    let mut item = item.clone();
    let operations = item.as_object_mut().into_iter().flatten();
    for (_, operation) in operations.filter(|(_, it)| it.is_object()) {
        let Some(operation) = operation.as_object_mut() else { continue };
        operation.remove("requestBody");
        operation.insert("responses".to_owned(), json!({"200": {"description": "OK"}}));
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            older_parameter(parameter);
        }
    }
    let parameters = item.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        older_parameter(parameter);
    }
    item
}

fn older_parameter(parameter: &mut Value) {
    let kind = parameter.pointer("/schema/type").cloned();
    if let (Some(fields), Some(kind)) = (parameter.as_object_mut(), kind) {
        fields.remove("schema");
        fields.insert("type".to_owned(), kind);
    }
}

/// The same as protobuf.
pub(crate) fn protobuf(swagger: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, swagger.get("swagger"));
    out.message(2, |info| {
        info.text(1, swagger.pointer("/info/title"));
        info.text(2, swagger.pointer("/info/version"));
    });
    out.message(8, |paths| {
        for (path, item) in entries(swagger.get("paths")) {
            paths.message(2, |named| {
                named.str(1, path);
                named.message(2, |out| path_item(out, item));
            });
        }
    });
    out.message(9, |definitions| named_schemas(definitions, swagger.get("definitions")));
    out.0
}

fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn named_schemas(out: &mut Message, schemas: Option<&Value>) {
    for (name, value) in entries(schemas) {
        out.message(1, |named| {
            named.str(1, name);
            named.message(2, |out| schema(out, value));
        });
    }
}

fn schema(out: &mut Message, value: &Value) {
    out.text(1, value.get("$ref"));
    out.text(2, value.get("format"));
    out.text(4, value.get("description"));
    for required in items(value.get("required")) {
        out.text(19, Some(required));
    }
    match value.get("additionalProperties") {
        Some(Value::Bool(allowed)) => out.message(21, |item| item.boolean(2, *allowed)),
        Some(inner) => out.message(21, |item| item.message(1, |out| schema(out, inner))),
        None => {}
    }
    if let Some(kind) = value.get("type") {
        out.message(22, |item| item.text(1, Some(kind)));
    }
    if let Some(inner) = value.get("items") {
        out.message(23, |item| item.message(1, |out| schema(out, inner)));
    }
    if value.get("properties").is_some() {
        out.message(25, |properties| named_schemas(properties, value.get("properties")));
    }
    extensions(out, 31, value);
}

/// What begins with `x-`, as YAML, which JSON is.
fn extensions(out: &mut Message, number: u64, value: &Value) {
    for (name, value) in entries(Some(value)).filter(|(name, _)| name.starts_with("x-")) {
        out.message(number, |named| {
            named.str(1, name);
            named.message(2, |any| any.str(2, &value.to_string()));
        });
    }
}

const METHODS: [(&str, u64); 5] =
    [("get", 2), ("put", 3), ("post", 4), ("delete", 5), ("patch", 8)];

fn path_item(out: &mut Message, item: &Value) {
    for (method, number) in METHODS {
        let Some(operation) = item.get(method) else { continue };
        out.message(number, |out| {
            out.text(5, operation.get("operationId"));
            parameters(out, 8, operation);
            out.message(9, |responses| {
                responses.message(1, |named| {
                    named.str(1, "200");
                    named.message(2, |value| value.message(1, |it| it.str(1, "OK")));
                });
            });
            extensions(out, 13, operation);
        });
    }
    parameters(out, 9, item);
}

fn parameters(out: &mut Message, number: u64, value: &Value) {
    for parameter in items(value.get("parameters")) {
        let in_path = parameter.get("in").is_some_and(|it| it == "path");
        out.message(number, |item| {
            item.message(1, |it| {
                // Both sorts have name and place under the same numbers, and the type is behind.
                let (sort, type_number) = if in_path { (4, 5) } else { (3, 6) };
                it.message(2, |it| {
                    it.message(sort, |it| {
                        if in_path {
                            it.boolean(1, true);
                        }
                        it.text(2, parameter.get("in"));
                        it.text(4, parameter.get("name"));
                        it.text(type_number, parameter.get("type"));
                    });
                });
            });
        });
    }
}

/// A protobuf message that is being written.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        loop {
            let low = u8::try_from(number & 0x7f).unwrap_or_default();
            number >>= 7;
            if number == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    fn boolean(&mut self, number: u64, value: bool) {
        self.varint(number << 3);
        self.varint(u64::from(value));
    }

    fn str(&mut self, number: u64, text: &str) {
        self.bytes(number, text.as_bytes());
    }

    fn text(&mut self, number: u64, value: Option<&Value>) {
        if let Some(text) = value.and_then(Value::as_str).filter(|text| !text.is_empty()) {
            self.str(number, text);
        }
    }

    fn message(&mut self, number: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(number, &inner.0);
    }

    fn bytes(&mut self, number: u64, bytes: &[u8]) {
        self.varint(number << 3 | 2);
        self.varint(u64::try_from(bytes.len()).unwrap_or_default());
        self.0.extend_from_slice(bytes);
    }
}
