//! From structural schemas to GraphQL types.
//!
//! Nothing that may stand in an object is lost: what GraphQL cannot name (free-form objects, maps,
//! objects with fields that no schema names, fields whose names collide) is the scalar `JSON`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use apollo_compiler::collections::HashMap as FastMap;
use serde_json::{Map, Value};

use super::names::{capitalized, is_enum_value, sanitized};
use crate::leaf::Leaf;

/// Descriptions are cut here: they are for reading.
const DESCRIPTION_CHARS_MAX: usize = 400;
/// Objects nest at most so deep as types; what is deeper is `JSON`.
const DEPTH_MAX: usize = 32;

/// What a family of types is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Use {
    /// Results.
    Output,
    /// Whole values.
    Input,
    /// Changes: every field may be left out, and a null clears.
    Patch,
}

impl Use {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Output => "",
            Self::Input => "Input",
            Self::Patch => "PatchInput",
        }
    }
}

/// What is known of the types beside their text.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// For the types that stand for JSON objects: the JSON name of each field, as raw JSON text.
    pub(crate) keys: FastMap<Box<str>, Keys>,
    /// The enums, which are leaves.
    pub(crate) enums: FastMap<Box<str>, Leaf>,
}

/// The JSON names of fields by their GraphQL names, as raw JSON text.
pub(crate) type Keys = FastMap<Box<str>, Box<str>>;

/// Writes the types of one kind, and notes what there is to know about them.
#[derive(Debug)]
pub(crate) struct Shapes<'a> {
    pub(crate) sdl: String,
    registry: &'a mut Registry,
    /// Names that are taken, by other kinds and by this one.
    taken: &'a mut HashSet<String>,
    /// Those that this kind has taken: among its own types one gives way to another.
    own: HashSet<String>,
    /// Types of objects that are written already, by what they say: one stands for all that say the
    /// same.
    written: HashMap<String, String>,
    /// The first name that was wanted twice.
    pub(crate) collision: Option<String>,
}

impl<'a> Shapes<'a> {
    pub(crate) fn new(registry: &'a mut Registry, taken: &'a mut HashSet<String>) -> Self {
        let (own, written) = (HashSet::new(), HashMap::new());
        Self { sdl: String::new(), registry, taken, own, written, collision: None }
    }

    /// Takes a name that begins so; it differs only where two types of this kind want the same.
    fn claim_some(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while self.own.contains(&name) {
            name.push('_');
        }
        self.claim(&name);
        name
    }

    /// Takes a type name; a name that is taken already is noted as a collision.
    pub(crate) fn claim(&mut self, name: &str) {
        if !self.taken.insert(name.to_owned()) && self.collision.is_none() {
            self.collision = Some(name.to_owned());
        }
        self.own.insert(name.to_owned());
    }

    /// The type of a value, without the mark that it may not be null: a scalar, a list, or a type
    /// that is written here, whose name begins with `name`.
    pub(crate) fn reference(
        &mut self,
        schema: &Value,
        name: &str,
        depth: usize,
        use_: Use,
    ) -> String {
        if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
            return "IntOrString".to_owned();
        }
        let format = schema.get("format").and_then(Value::as_str);
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => self.object(schema, name, depth, use_),
            Some("array") => {
                let Some(items) = schema.get("items").filter(|items| items.is_object()) else {
                    return "JSON".to_owned();
                };
                let item = self.reference(items, name, depth, use_);
                if item == "JSON" || is_nullable(items) {
                    format!("[{item}]")
                } else {
                    format!("[{item}!]")
                }
            }
            Some("string") => self.string(schema, format, name),
            Some("integer") if format == Some("int32") => "Int".to_owned(),
            Some("integer") => "Long".to_owned(),
            Some("number") => "Float".to_owned(),
            Some("boolean") => "Boolean".to_owned(),
            _ => "JSON".to_owned(),
        }
    }

    fn string(&mut self, schema: &Value, format: Option<&str>, name: &str) -> String {
        if format == Some("date-time") {
            return "DateTime".to_owned();
        }
        let Some(values) = schema.get("enum").and_then(Value::as_array) else {
            return "String".to_owned();
        };
        let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
        let Some(texts) = texts.filter(|texts| {
            !texts.is_empty()
                && texts.iter().all(|text| is_enum_value(text))
                && texts.iter().collect::<HashSet<_>>().len() == texts.len()
        }) else {
            return "String".to_owned();
        };
        self.enumeration(&texts, name)
    }

    /// An enum is the same for results and inputs, so it is written once.
    fn enumeration(&mut self, texts: &[&str], name: &str) -> String {
        if ["False", "True", "Unknown"].iter().all(|text| texts.contains(text)) && texts.len() == 3
        {
            return "ConditionStatus".to_owned();
        }
        let leaf = Leaf::Enum(texts.iter().map(|text| ((*text).into(), (*text).into())).collect());
        let texts = texts.join("\n  ");
        let said = format!("enum {texts}");
        if let Some(same) = self.written.get(&said) {
            return same.clone();
        }
        let name = &*self.claim_some(name);
        self.registry.enums.insert(name.into(), leaf);
        let _infallible = writeln!(self.sdl, "\nenum {name} {{\n  {texts}\n}}");
        self.written.insert(said, name.to_owned());
        name.to_owned()
    }

    fn object(&mut self, schema: &Value, name: &str, depth: usize, use_: Use) -> String {
        let flag = |field: &str| schema.get(field) == Some(&Value::Bool(true));
        let open =
            flag("x-kubernetes-preserve-unknown-fields") || flag("x-kubernetes-embedded-resource");
        let properties = schema.get("properties").and_then(Value::as_object);
        let properties = properties.filter(|properties| !properties.is_empty());
        match (properties, schema.get("additionalProperties")) {
            (None, Some(each)) if is_plain_string(each) && !open => "StringMap".to_owned(),
            (Some(properties), None | Some(Value::Bool(false))) if !open && depth < DEPTH_MAX => {
                self.fields(schema, properties, name, depth, use_)
                    .unwrap_or_else(|| "JSON".to_owned())
            }
            _ => "JSON".to_owned(),
        }
    }

    /// The type with a field for each property; nothing when two properties would have one name.
    fn fields(
        &mut self,
        schema: &Value,
        properties: &Map<String, Value>,
        name: &str,
        depth: usize,
        use_: Use,
    ) -> Option<String> {
        if is_condition(properties) && use_ != Use::Patch {
            return Some(
                if use_ == Use::Output { "Condition" } else { "ConditionInput" }.to_owned(),
            );
        }
        let mut names = BTreeMap::new();
        for property in properties.keys() {
            if names.insert(sanitized(property), property).is_some() {
                return None;
            }
        }
        let keyword = if use_ == Use::Output { "type" } else { "input" };
        let mut body = String::new();
        let mut keys = Keys::default();
        for (field, property) in &names {
            let schema_of = properties.get(*property).unwrap_or(&Value::Null);
            self.field(&mut body, schema, field, property, schema_of, name, depth, use_);
            keys.insert(Box::from(&**field), Value::from(property.as_str()).to_string().into());
        }
        let said = format!("{keyword} {body}{names:?}");
        // The outermost ones keep their names, whatever becomes of the kind.
        if depth > 0
            && let Some(same) = self.written.get(&said)
        {
            return Some(same.clone());
        }
        let type_name = self.claim_some(&format!("{name}{}", use_.suffix()));
        self.written.insert(said, type_name.clone());
        self.sdl.push('\n');
        describe(&mut self.sdl, schema, "", use_);
        let _infallible = write!(self.sdl, "{keyword} {type_name} {{\n{body}}}\n");
        self.registry.keys.insert(type_name.as_str().into(), keys);
        Some(type_name)
    }

    #[expect(clippy::too_many_arguments, reason = "what a field is made of")]
    fn field(
        &mut self,
        text: &mut String,
        parent: &Value,
        field: &str,
        property: &str,
        schema: &Value,
        name: &str,
        depth: usize,
        use_: Use,
    ) {
        let inner = format!("{name}{}", capitalized(field));
        let reference = self.reference(schema, &inner, depth + 1, use_);
        let must = use_ == Use::Input
            && is_required(parent, property)
            && !has_default(schema)
            && !is_nullable(schema);
        describe(text, schema, "  ", use_);
        // Conditions can be asked for by their types.
        let filter = use_ == Use::Output && property == "conditions" && is_condition_list(schema);
        let arguments = if filter { "(type: [String!])" } else { "" };
        let _infallible =
            writeln!(text, "  {field}{arguments}: {reference}{}", if must { "!" } else { "" });
    }
}

/// Appends what a schema says of itself: with results all of it, with inputs the first sentence.
/// Patches have the fields of inputs, and say nothing again.
fn describe(out: &mut String, schema: &Value, indent: &str, use_: Use) {
    match use_ {
        Use::Output => description(out, schema, indent),
        Use::Input => {
            let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
            let sentence = text.split_inclusive(['.', '\n']).next().unwrap_or_default();
            write_description(out, sentence.trim(), indent);
        }
        Use::Patch => {}
    }
}

/// Appends the description of a schema.
pub(crate) fn description(out: &mut String, schema: &Value, indent: &str) {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    write_description(out, text.trim(), indent);
}

fn write_description(out: &mut String, text: &str, indent: &str) {
    let text: String = text.chars().take(DESCRIPTION_CHARS_MAX).collect();
    // Control characters are no GraphQL source text, whatever they are in JSON.
    let keep = |c: char| c == '\n' || c == '\t' || !c.is_control();
    let text: String = text.chars().filter(|c| keep(*c)).collect();
    if text.is_empty() {
        return;
    }
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let quoted = quoted.replace('\t', "\\t");
    let _infallible = writeln!(out, "{indent}\"{quoted}\"");
}

fn is_nullable(schema: &Value) -> bool {
    schema.get("nullable") == Some(&Value::Bool(true))
}

fn has_default(schema: &Value) -> bool {
    schema.get("default").is_some()
}

pub(crate) fn is_required(schema: &Value, property: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|name| name.as_str() == Some(property)))
}

fn is_plain_string(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("string") && !is_nullable(schema)
}

fn is_condition_list(schema: &Value) -> bool {
    let properties = schema.pointer("/items/properties").and_then(Value::as_object);
    properties.is_some_and(|properties| {
        ["type", "status"].iter().all(|name| properties.get(*name).is_some_and(is_plain_string))
    })
}

/// Whether an object is exactly a condition as Kubernetes has it, so that the shared type can stand
/// for it and nothing is lost.
fn is_condition(properties: &Map<String, Value>) -> bool {
    const FIELDS: [(&str, &str); 6] = [
        ("type", "string"),
        ("status", "string"),
        ("reason", "string"),
        ("message", "string"),
        ("lastTransitionTime", "string"),
        ("observedGeneration", "integer"),
    ];
    let has = |(name, kind): &(&str, &str)| {
        properties.get(*name).and_then(|it| it.get("type")).and_then(Value::as_str) == Some(kind)
    };
    properties.len() == FIELDS.len() && FIELDS.iter().all(has)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The reference to a schema's type, and the types that are written for it.
    fn shaped(schema: &Value, use_: Use) -> (String, String) {
        let (mut registry, mut taken) = (Registry::default(), HashSet::new());
        let mut shapes = Shapes::new(&mut registry, &mut taken);
        let reference = shapes.reference(schema, "X", 0, use_);
        assert_eq!(shapes.collision, None);
        (reference, shapes.sdl.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn schemas_have_types() {
        let open = json!({"type": "object", "properties": {"a": {"type": "string"}}, "x-kubernetes-preserve-unknown-fields": true});
        let cases = [
            (json!({"type": "string"}), "String", ""),
            (json!({"type": "string", "format": "date-time"}), "DateTime", ""),
            (json!({"type": "string", "enum": ["a", "b"]}), "X", "enum X { a b }"),
            (json!({"type": "string", "enum": ["50%", "b"]}), "String", ""),
            (
                json!({"type": "string", "enum": ["True", "False", "Unknown"]}),
                "ConditionStatus",
                "",
            ),
            (json!({"type": "integer"}), "Long", ""),
            (json!({"type": "integer", "format": "int32"}), "Int", ""),
            (json!({"type": "number"}), "Float", ""),
            (json!({"type": "boolean"}), "Boolean", ""),
            (json!({"x-kubernetes-int-or-string": true}), "IntOrString", ""),
            (json!({"x-kubernetes-preserve-unknown-fields": true}), "JSON", ""),
            (json!({"type": "object"}), "JSON", ""),
            (open, "JSON", ""),
            (
                json!({"type": "object", "additionalProperties": {"type": "string"}}),
                "StringMap",
                "",
            ),
            (json!({"type": "object", "additionalProperties": {"type": "integer"}}), "JSON", ""),
            (json!({"type": "array", "items": {"type": "string"}}), "[String!]", ""),
            (
                json!({"type": "array", "items": {"type": "string", "nullable": true}}),
                "[String]",
                "",
            ),
            (
                json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"$b": {"type": "string"}}}}}),
                "X",
                "type XA { _b: String } type X { a: XA }",
            ),
            // Two properties that would have one name.
            (json!({"type": "object", "properties": {"a-b": {}, "a_b": {}}}), "JSON", ""),
        ];
        for (schema, reference, types) in cases {
            assert_eq!(
                shaped(&schema, Use::Output),
                (reference.to_owned(), types.to_owned()),
                "{schema}"
            );
        }
    }

    #[test]
    fn inputs_demand_what_is_required_and_patches_demand_nothing() {
        let schema = json!({"type": "object", "required": ["a", "b", "c"], "properties": {
            "a": {"type": "string"},
            "b": {"type": "string", "default": "x"},
            "c": {"type": "string", "nullable": true},
            "d": {"type": "string"},
        }});
        let (name, types) = shaped(&schema, Use::Input);
        assert_eq!(name, "XInput");
        assert_eq!(types, "input XInput { a: String! b: String c: String d: String }");
        let (name, types) = shaped(&schema, Use::Patch);
        assert_eq!(name, "XPatchInput");
        assert_eq!(types, "input XPatchInput { a: String b: String c: String d: String }");
    }

    #[test]
    fn descriptions_are_source_text_whatever_they_hold() {
        let schema = json!({"type": "object", "description": " a \"b\"\\\n\u{0}c ", "properties": {"x": {"type": "string"}}});
        let (_, types) = shaped(&schema, Use::Output);
        assert!(types.starts_with(r#""a \"b\"\\\nc" type X"#), "{types}");
    }
}
