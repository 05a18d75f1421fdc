//! The schemas of a kind: its objects as they are shown, and what may be sent for them.

use pintle_engine::Served;
use pintle_model::NameRule;
use pintle_schema::Version;
use serde_json::{Value, json};

use super::names::KindNames;
use super::schema::{Fields, converted, with};
use super::shared::{closed, schema};

/// One version of a kind, taken apart.
pub(crate) struct Parts<'a> {
    served: &'a Served,
    names: &'a KindNames<'a>,
    version: &'a Version,
    /// The whole schema, without what was taken out of it.
    root: Fields,
    /// The properties beside metadata and the lanes.
    others: Fields,
    spec: Option<Value>,
    status: Option<Value>,
    /// The properties that the object must have, the envelope aside.
    required: Vec<String>,
    /// What its name may be.
    name: Value,
}

/// The fields that every object has.
const ENVELOPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

impl<'a> Parts<'a> {
    pub(crate) fn of(served: &'a Served, names: &'a KindNames<'a>, version: &'a Version) -> Self {
        let document = version.schema_document.to_value();
        let mut root = match converted(&document) {
            Value::Object(root) => root,
            _ => Fields::new(),
        };
        let mut others = match root.remove("properties") {
            Some(Value::Object(properties)) => properties,
            _ => Fields::new(),
        };
        let name = name_schema(served, &others);
        for name in ENVELOPE {
            others.remove(name);
        }
        let spec = others.remove("spec");
        let status = others.remove("status").map(without_times);
        let required = match root.remove("required") {
            Some(Value::Array(names)) => names,
            _ => Vec::new(),
        };
        let required = required.iter().filter_map(Value::as_str);
        let required = required.filter(|name| !ENVELOPE.contains(name) && *name != "status");
        let required = required.map(str::to_owned).collect();
        Self { served, names, version, root, others, spec, status, required, name }
    }

    /// Adds the schemas of this version.
    pub(crate) fn write(&self, schemas: &mut Fields) {
        let mut put = |suffix: &str, schema: Option<Value>| {
            schemas.extend(schema.map(|schema| (self.names.schema(self.version, suffix), schema)));
        };
        put("", Some(self.object()));
        put("Spec", self.spec.clone());
        put("Status", self.status.clone());
        put("Create", Some(self.create()));
        put("Update", Some(self.update()));
        put("Event", Some(self.event()));
        if self.version.status_subresource {
            put("StatusUpdate", Some(self.status_update()));
        }
        if self.version.conditions {
            put("ConditionUpdate", self.condition_update());
        }
    }

    fn named(&self, suffix: &str) -> Value {
        schema(&self.names.schema(self.version, suffix))
    }

    fn api_version(&self) -> String {
        self.served.definition.kind.api_version(&self.version.name)
    }

    /// An object as it is shown. Its body is left out for callers who may not read it, so nothing
    /// of the body is required.
    fn object(&self) -> Value {
        let mut properties = self.others.clone();
        properties.insert("apiVersion".to_owned(), json!({"const": self.api_version()}));
        properties.insert("kind".to_owned(), json!({"const": &*self.served.definition.kind.kind}));
        properties.insert("metadata".to_owned(), schema("Metadata"));
        if self.spec.is_some() {
            properties.insert("spec".to_owned(), self.named("Spec"));
        }
        if let Some(status) = &self.status {
            properties.insert("status".to_owned(), self.shown_status(status));
        }
        let mut object = Fields::new();
        for word in ["description", "title", "x-kubernetes-preserve-unknown-fields"] {
            object.extend(self.root.get(word).map(|value| (word.to_owned(), value.clone())));
        }
        object.insert("type".to_owned(), json!("object"));
        object.insert("required".to_owned(), json!(ENVELOPE));
        object.insert("properties".to_owned(), Value::Object(properties));
        Value::Object(object)
    }

    /// A status that nobody wrote yet is empty, whatever it must have later.
    fn shown_status(&self, status: &Value) -> Value {
        let demands = ["required", "minProperties", "allOf", "anyOf", "oneOf", "not"];
        if !self.version.status_subresource || demands.iter().all(|it| status.get(it).is_none()) {
            return self.named("Status");
        }
        let none =
            json!({"type": "object", "maxProperties": 0, "description": "Nobody wrote one yet."});
        json!({"anyOf": [self.named("Status"), none]})
    }

    /// What stands beside the metadata in an envelope.
    fn envelope(&self, metadata: Value) -> Fields {
        let mut properties = self.others.clone();
        properties.insert("apiVersion".to_owned(), json!({"const": self.api_version()}));
        properties.insert("kind".to_owned(), json!({"const": &*self.served.definition.kind.kind}));
        properties.insert("metadata".to_owned(), metadata);
        if self.spec.is_some() {
            properties.insert("spec".to_owned(), self.named("Spec"));
        }
        if self.status.is_some() && !self.version.status_subresource {
            properties.insert("status".to_owned(), self.named("Status"));
        }
        properties
    }

    fn create(&self) -> Value {
        let prefix = json!({"minLength": 1});
        let named = json!({"anyOf": [
            {"required": ["name"], "properties": {"name": self.name}},
            {"required": ["generateName"], "properties": {"generateName": prefix}},
        ]});
        let metadata = json!({"allOf": [schema("MetadataWrite"), named]});
        let required: Vec<&str> =
            std::iter::once("metadata").chain(self.required.iter().map(String::as_str)).collect();
        let envelope = json!({"type": "object", "required": required,
                              "properties": self.envelope(metadata)});
        self.both_shapes(&envelope, &["name"])
    }

    /// A PUT may be about metadata alone.
    fn update(&self) -> Value {
        let envelope = json!({"type": "object", "minProperties": 1,
                              "properties": self.envelope(schema("MetadataWrite"))});
        self.both_shapes(&envelope, &[])
    }

    /// The envelope, or the fields of the spec beside a name, where there are any.
    fn both_shapes(&self, envelope: &Value, required: &[&str]) -> Value {
        let fields = self.version.schema.property("spec").is_some();
        if !fields {
            return envelope.clone();
        }
        let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
        let mut properties = json!({"labels": texts, "annotations": texts});
        if required.contains(&"name") {
            properties = with(properties, "name", self.name.clone());
        }
        let beside = json!({
            "type": "object",
            "description": "The fields of the spec, beside those of the metadata.",
            "properties": properties,
            "required": required,
        });
        json!({"anyOf": [envelope, {"allOf": [self.named("Spec"), beside]}]})
    }

    fn status_update(&self) -> Value {
        let status = self
            .status
            .as_ref()
            .map_or_else(|| json!({"type": "object"}), |_| self.named("Status"));
        let wrapped = closed(json!({
            "type": "object",
            "required": ["status"],
            "properties": {
                "apiVersion": {"const": self.api_version()},
                "kind": {"const": &*self.served.definition.kind.kind},
                "metadata": schema("StatusMetadata"),
                "status": status,
            },
        }));
        json!({"anyOf": [wrapped, {"allOf": [status, {"minProperties": 1}]}]})
    }

    /// One condition. Its type stands in the path, and the time is the server's.
    fn condition_update(&self) -> Option<Value> {
        let mut condition = self.status.as_ref()?.pointer("/properties/conditions/items")?.clone();
        if let Some(Value::Array(required)) = condition.get_mut("required") {
            required.retain(|name| name != "type");
        }
        Some(with(condition, "minProperties", 1))
    }

    fn event(&self) -> Value {
        let event = |types: &[&str], object: Value| {
            json!({"type": "object", "required": ["type", "object"],
                   "properties": {"type": {"enum": types}, "object": object}})
        };
        json!({
            "description": "One event of a watch.",
            "oneOf": [
                event(&["ADDED", "MODIFIED", "DELETED"], self.named("")),
                event(&["BOOKMARK"], schema("Bookmark")),
                event(&["ERROR"], schema("Failure")),
            ],
        })
    }
}

/// What the rule for the names of a kind says, and what its schema says beyond that.
fn name_schema(served: &Served, properties: &Fields) -> Value {
    const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    let (pattern, length_max) = match served.definition.name_rule {
        NameRule::Label => (format!("^{LABEL}$"), 63),
        NameRule::Subdomain => (format!(r"^{LABEL}(\.{LABEL})*$"), 253),
        NameRule::PathSegment => (r"^[^/%\u0000-\u001f\u007f-\u009f]+$".to_owned(), 253),
    };
    let schema = json!({"type": "string", "minLength": 1, "maxLength": length_max,
                            "pattern": pattern, "description": "The name of the object."});
    match properties.get("metadata").and_then(|it| it.pointer("/properties/name")) {
        Some(more) => with(schema, "allOf", json!([more])),
        None => schema,
    }
}

/// The server says when a condition changed, so nobody needs to.
fn without_times(mut status: Value) -> Value {
    let required = status.pointer_mut("/properties/conditions/items/required");
    if let Some(Value::Array(required)) = required {
        required.retain(|name| name != "lastTransitionTime");
    }
    status
}
