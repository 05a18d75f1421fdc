//! What makes a schema structural: the checks that look at a place as a whole.

use pintle_model::{FieldError, FieldErrorKind, FieldPath};
use serde_json::Value;

use super::super::{ListType, Node, Schema, ValueType};
use super::reader::Place;
use super::{Compiler, Level, Nested};

const LIST_TYPE: &str = "x-kubernetes-list-type";
const LIST_MAP_KEYS: &str = "x-kubernetes-list-map-keys";
const MAP_TYPE: &str = "x-kubernetes-map-type";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";

/// Keys are compared with each other and with what is required. Kubernetes has no bound.
const LIST_MAP_KEYS_MAX: usize = 64;

/// JSON Schema that a structural schema cannot have, wherever it stands.
const UNSUPPORTED: [&str; 7] = [
    "$ref",
    "id",
    "$schema",
    "definitions",
    "dependencies",
    "patternProperties",
    "additionalItems",
];

/// What would change the shape of a value, and so may not depend on it.
const NOT_IN_JUNCTORS: [(&str, &str); 13] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("externalDocs", "must be undefined to be structural"),
    (PRESERVE, "must be false to be structural"),
    (EMBEDDED, "must be false to be structural"),
    (INT_OR_STRING, "must be false to be structural"),
    (LIST_MAP_KEYS, "must be empty to be structural"),
    (LIST_TYPE, "must be undefined to be structural"),
    (MAP_TYPE, "must be undefined to be structural"),
];

impl Compiler {
    pub(super) fn check_unsupported(&mut self, place: &Place<'_>) {
        for name in UNSUPPORTED {
            if place.get(name).is_some_and(|value| !is_zero(value)) {
                let detail = format!("{name} is not supported");
                self.push(FieldError::forbidden(place.path.field(name), detail));
            }
        }
        if self.flag(place, "uniqueItems") {
            self.push(FieldError::forbidden(
                place.path.field("uniqueItems"),
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            ));
        }
        if place.get("items").is_some_and(Value::is_array) {
            let detail = "items must be a schema object and not an array";
            self.push(FieldError::forbidden(place.path.field("items"), detail));
        }
    }

    pub(super) fn value_type(&mut self, place: &Place<'_>) -> ValueType {
        let path = place.path.field("type");
        if self.flag(place, INT_OR_STRING) {
            return ValueType::IntOrString;
        }
        match self.text(place, "type").unwrap_or_default() {
            "" => ValueType::Any,
            "object" => ValueType::Object,
            "array" => ValueType::Array,
            "string" => ValueType::String,
            "integer" => ValueType::Integer,
            "number" => ValueType::Number,
            "boolean" => ValueType::Boolean,
            "null" => {
                let detail = "type cannot be set to null, use nullable as an alternative";
                self.push(FieldError::forbidden(path, detail));
                ValueType::Any
            }
            other => {
                self.push(not_supported(
                    path,
                    other,
                    &["array", "boolean", "integer", "number", "object", "string"],
                ));
                ValueType::Any
            }
        }
    }

    pub(super) fn preserve_unknown(&mut self, place: &Place<'_>) -> bool {
        if place.get(PRESERVE) == Some(&Value::Bool(false)) {
            let path = place.path.field(PRESERVE);
            self.push(FieldError::invalid(path, &Value::Bool(false), "must be true or undefined"));
        }
        self.flag(place, PRESERVE)
    }

    /// Everything about a structural place except its list type and its junctors.
    pub(super) fn check_structure(&mut self, place: &Place<'_>, node: &Node, level: Level) {
        self.check_type(place, node, level);
        self.check_additional(place, node, level);
        self.check_extensions(place, node);
        if level == Level::Root || node.embedded_resource {
            self.check_envelope(place, node, level);
        }
    }

    fn check_type(&mut self, place: &Place<'_>, node: &Node, level: Level) {
        let path = place.path.field("type");
        if node.value_type == ValueType::Array && node.items.is_none() {
            self.push(FieldError::required(place.path.field("items"), "must be specified"));
        }
        if node.value_type == ValueType::Any && place.get("type").is_none_or(is_zero) {
            if node.embedded_resource {
                let detail = "must be object if x-kubernetes-embedded-resource is true";
                self.push(FieldError::required(path, detail));
            } else if !node.preserve_unknown {
                self.push(FieldError::required(
                    path,
                    match level {
                        Level::Root => "must not be empty at the root",
                        Level::Item => "must not be empty for specified array items",
                        Level::Field => "must not be empty for specified object fields",
                    },
                ));
            }
            return;
        }
        let must_be_object = match level {
            Level::Root => Some("must be object at the root"),
            _ if node.embedded_resource => {
                Some("must be object if x-kubernetes-embedded-resource is true")
            }
            Level::Field | Level::Item => None,
        };
        if let Some(detail) = must_be_object.filter(|_| node.value_type != ValueType::Object) {
            let found = Value::from(place.text_or_empty("type"));
            self.push(FieldError::invalid(path, &found, detail));
        }
    }

    fn check_additional(&mut self, place: &Place<'_>, node: &Node, level: Level) {
        let path = place.path.field("additionalProperties");
        let Some(declared) = place.get("additionalProperties") else { return };
        if level == Level::Root {
            self.push(FieldError::forbidden(path, "must not be used at the root"));
        }
        if node.embedded_resource {
            let detail = "must not be used if x-kubernetes-embedded-resource is set";
            self.push(FieldError::forbidden(path, detail));
        }
        if !node.properties.is_empty() && *declared != Value::Bool(true) {
            let detail = "additionalProperties and properties are mutual exclusive";
            self.push(FieldError::forbidden(path, detail));
        }
    }

    fn check_extensions(&mut self, place: &Place<'_>, node: &Node) {
        if node.value_type == ValueType::IntOrString {
            for (name, set) in
                [(PRESERVE, node.preserve_unknown), (EMBEDDED, node.embedded_resource)]
            {
                if set {
                    let detail = "must be false if x-kubernetes-int-or-string is true";
                    let path = place.path.field(name);
                    self.push(FieldError::invalid(path, &Value::Bool(true), detail));
                }
            }
        }
        if node.embedded_resource && !node.preserve_unknown && node.properties.is_empty() {
            self.push(FieldError::required(
                place.path.field("properties"),
                "must not be empty if x-kubernetes-embedded-resource is true without \
                 x-kubernetes-preserve-unknown-fields",
            ));
        }
        self.check_map_type(place, node);
    }

    fn check_map_type(&mut self, place: &Place<'_>, node: &Node) {
        let Some(map_type) = self.text(place, MAP_TYPE) else { return };
        if !["atomic", "granular"].contains(&map_type) {
            let path = place.path.field(MAP_TYPE);
            self.push(not_supported(path, map_type, &["atomic", "granular"]));
        } else if node.value_type != ValueType::Object {
            let detail = "must be object if x-kubernetes-map-type is specified";
            let found = Value::from(place.text_or_empty("type"));
            self.push(FieldError::invalid(place.path.field("type"), &found, detail));
        }
    }

    /// `apiVersion`, `kind` and `metadata` of an object are what they always are; a schema may only
    /// restrict the name.
    fn check_envelope(&mut self, place: &Place<'_>, node: &Node, level: Level) {
        let path = place.path.field("properties");
        for name in ["apiVersion", "kind"] {
            let declared = node.properties.get(name);
            if declared.is_some_and(|schema| !schema.is_string()) {
                let path = path.key(name);
                let kind = FieldErrorKind::Invalid;
                self.push(FieldError::new(path.field("type"), kind, "must be string"));
            }
        }
        let Some(metadata) = node.properties.get("metadata") else { return };
        let path = path.key("metadata");
        if metadata.0.value_type != ValueType::Object {
            let kind = FieldErrorKind::Invalid;
            self.push(FieldError::new(path.field("type"), kind, "must be object"));
        }
        let document = place.get("properties").and_then(|properties| properties.get("metadata"));
        if level == Level::Root && !document.is_some_and(restricts_name_only) {
            self.push(FieldError::forbidden(
                path,
                "must not specify anything other than name and generateName, but metadata is \
                 implicitly specified",
            ));
        }
    }

    pub(super) fn list_type(&mut self, place: &Place<'_>, node: &Node) -> ListType {
        let path = place.path.field(LIST_TYPE);
        let keys = self.texts(place, LIST_MAP_KEYS);
        let declared = self.text(place, LIST_TYPE);
        if declared != Some("map") && !keys.is_empty() {
            let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
            self.push(FieldError::new(path, FieldErrorKind::Invalid, detail));
        }
        if declared.is_some() && node.value_type != ValueType::Array {
            let found = Value::from(place.text_or_empty("type"));
            let detail = "must be array if x-kubernetes-list-type is specified";
            self.push(FieldError::invalid(place.path.field("type"), &found, detail));
        }
        match (declared, &node.items) {
            (None | Some("atomic"), _) => ListType::Atomic,
            (Some("set"), items) => {
                self.check_set(place, items.as_ref());
                ListType::Set
            }
            (Some("map"), items) => {
                self.check_map(place, items.as_ref(), &keys);
                ListType::Map(keys.into())
            }
            (Some(other), _) => {
                self.push(not_supported(path, other, &["atomic", "map", "set"]));
                ListType::Atomic
            }
        }
    }

    /// Items of a set are compared as a whole, so they must be values without parts of their own.
    fn check_set(&mut self, place: &Place<'_>, items: Option<&Schema>) {
        let path = place.path.field("items");
        let Some(items) = items else { return };
        let document = place.get("items");
        let extension = |name: &str| document.and_then(|items| items.get(name)?.as_str());
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        match items.0.value_type {
            ValueType::Object if extension(MAP_TYPE) != Some("atomic") => {
                self.push(FieldError::new(path.field(MAP_TYPE), FieldErrorKind::Invalid, detail));
            }
            ValueType::Array if items.0.list_type != ListType::Atomic => {
                self.push(FieldError::new(path.field(LIST_TYPE), FieldErrorKind::Invalid, detail));
            }
            _ => {}
        }
        self.check_not_nullable(path, items, "set");
    }

    fn check_not_nullable(&mut self, path: FieldPath<'_>, items: &Schema, list_type: &str) {
        if items.0.nullable {
            let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
            self.push(FieldError::forbidden(path.field("nullable"), detail));
        }
    }

    fn check_map(&mut self, place: &Place<'_>, items: Option<&Schema>, keys: &[Box<str>]) {
        let keys_path = place.path.field(LIST_MAP_KEYS);
        let path = place.path.field("items");
        if keys.is_empty() {
            let detail = "must not be empty if x-kubernetes-list-type is map";
            self.push(FieldError::required(keys_path, detail));
        }
        let Some(items) = items else {
            let detail = "must have a schema if x-kubernetes-list-type is map";
            return self.push(FieldError::required(path, detail));
        };
        self.check_not_nullable(path, items, "map");
        if items.0.value_type != ValueType::Object {
            let detail = "must be object if parent array's x-kubernetes-list-type is map";
            let path = path.field("type");
            return self.push(FieldError::new(path, FieldErrorKind::Invalid, detail));
        }
        if keys.len() > LIST_MAP_KEYS_MAX {
            let detail = format!("must have at most {LIST_MAP_KEYS_MAX} items");
            let found = Value::from(keys.len());
            let kind = FieldErrorKind::TooMany;
            return self.push(FieldError::with_value(keys_path, kind, &found, detail));
        }
        for (index, key) in keys.iter().enumerate() {
            let entry = Value::from(&**key);
            if keys.iter().take(index).any(|earlier| earlier == key) {
                let detail = "must not contain duplicate entries";
                self.push(FieldError::invalid(keys_path, &entry, detail));
            }
            let Some(property) = items.property(key) else {
                let detail = "entries must all be names of item properties";
                self.push(FieldError::invalid(keys_path, &entry, detail));
                continue;
            };
            self.check_key(path, items, key, property);
        }
    }

    /// A key property must be there in every item, and have no parts.
    fn check_key(&mut self, items_path: FieldPath<'_>, items: &Schema, key: &str, schema: &Schema) {
        let properties = items_path.field("properties");
        let path = properties.key(key);
        if matches!(schema.0.value_type, ValueType::Array | ValueType::Object) {
            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            let path = path.field("type");
            self.push(FieldError::new(path, FieldErrorKind::Invalid, detail));
        }
        if schema.0.nullable {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            self.push(FieldError::forbidden(path.field("nullable"), detail));
        }
        if !items.is_required(key) && schema.default_value().is_none() {
            self.push(FieldError::required(
                path.field("default"),
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a \
                 required property",
            ));
        }
    }

    /// What may not stand in a junctor.
    pub(super) fn check_nested(&mut self, place: &Place<'_>) {
        for (name, detail) in NOT_IN_JUNCTORS {
            // `false` says something there: it closes an object, which would be ignored.
            let says = |value| name == "additionalProperties" || !is_zero(value);
            if place.get(name).is_some_and(says) {
                self.push(FieldError::forbidden(place.path.field(name), detail));
            }
        }
        if !self.list(place, "x-kubernetes-validations").is_empty() {
            let path = place.path.field("x-kubernetes-validations");
            self.push(FieldError::forbidden(path, "must be empty to be structural"));
        }
        if place.get("properties").is_some_and(|properties| properties.get("metadata").is_some()) {
            let path = place.path.field("properties");
            let detail = "must not be specified in a nested context";
            self.push(FieldError::forbidden(path.key("metadata"), detail));
        }
    }

    /// What a junctor speaks about must be specified outside of it. Where the parent already was
    /// unknown, saying so again helps nobody.
    pub(super) fn check_known(
        &mut self,
        nested: Nested<'_>,
        path: FieldPath<'_>,
        parent_is_known: bool,
    ) {
        if nested.outer.is_none() && parent_is_known {
            let detail = format!("because it is defined in {path}");
            self.push(FieldError::required(nested.outer_path, detail));
        }
    }
}

/// Whether `anyOf` is exactly the two types of an int-or-string, which may be said although it is
/// implied.
pub(super) fn says_int_or_string(place: &Place<'_>) -> bool {
    let says = |value: &Value, name: &str| {
        value.as_object().is_some_and(|map| map.len() == 1)
            && value.get("type").and_then(Value::as_str) == Some(name)
    };
    match place.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        Some([first, second]) => says(first, "integer") && says(second, "string"),
        _ => false,
    }
}

fn restricts_name_only(metadata: &Value) -> bool {
    const KEYS: [&str; 4] = ["type", "properties", "description", "title"];
    let allows = |map: &serde_json::Map<String, Value>, names: &[&str]| {
        map.keys().all(|key| names.contains(&key.as_str()))
    };
    let properties = metadata.get("properties").and_then(Value::as_object);
    metadata.as_object().is_some_and(|map| allows(map, &KEYS))
        && properties.is_none_or(|map| allows(map, &["name", "generateName"]))
}

/// Whether Go would see nothing there.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn not_supported(path: FieldPath<'_>, found: &str, supported: &[&str]) -> FieldError {
    let supported: Vec<_> = supported.iter().map(|value| format!("{value:?}")).collect();
    let detail = format!("supported values: {}", supported.join(", "));
    FieldError::with_value(path, FieldErrorKind::NotSupported, &Value::from(found), detail)
}
