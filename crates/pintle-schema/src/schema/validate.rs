//! Validation: one walk over the value, guided by the schema.
//!
//! The wording is kube-apiserver's (kube-openapi's `validate` as `apiserver/validation` turns it
//! into field errors), because people and tools know it. The walk follows the schema, so it is
//! never deeper than that. What takes the place of another value is walked where it differs from
//! it (`ratchet`).

use std::cmp::Ordering;
use std::fmt;

use pintle_model::{FieldError, FieldErrorKind, FieldPath, validate_inner_metadata};
use serde_json::{Map, Number, Value};

use super::allowed::Allowed;
use super::list;
use super::number::{compare, is_multiple};
use super::ratchet::{self, Scope};
use super::value_type::is_integer;
use super::{Additional, Bound, CountRules, Logic, Node, NumberRules, Schema, TextRules};
use crate::faults::Faults;
use crate::object_meta;

pub(super) fn value(schema: &Schema, path: FieldPath<'_>, value: &Value) -> Vec<FieldError> {
    faults(schema, path, Subject::Value(value))
}

pub(super) fn fields(
    schema: &Schema,
    fields: &Map<String, Value>,
    outside: &[&str],
) -> Vec<FieldError> {
    faults(schema, FieldPath::ROOT, Subject::Fields { fields, outside })
}

/// The faults of what is not as it was before.
pub(super) fn changed_value(
    schema: &Schema,
    path: FieldPath<'_>,
    value: &Value,
    before: &Value,
) -> Vec<FieldError> {
    let Some(changed) = ratchet::changed(&schema.0, value, before) else { return Vec::new() };
    let mut walk = Walk::new(Faults::new());
    walk.ignores_duplicates = list::has_duplicates(&schema.0, before);
    walk.value(&schema.0, path, value, Scope::Only(&changed));
    walk.faults.into_vec()
}

/// The faults of those fields that are not as they were before.
pub(super) fn changed_fields(
    schema: &Schema,
    fields: &Map<String, Value>,
    before: &Map<String, Value>,
    outside: &[&str],
) -> Vec<FieldError> {
    let Some(changed) = ratchet::changed_fields(&schema.0, fields, before) else {
        return Vec::new();
    };
    let mut walk = Walk::new(Faults::new());
    walk.ignores_duplicates = list::has_duplicates_in(&schema.0, before);
    let subject = Subject::Fields { fields, outside };
    walk.subject(&schema.0, FieldPath::ROOT, subject, Scope::Only(&changed));
    walk.faults.into_vec()
}

/// What is validated.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Value(&'a Value),
    /// Some fields of an object; those named in `outside` are not ours to judge.
    Fields {
        fields: &'a Map<String, Value>,
        outside: &'a [&'a str],
    },
}

fn faults(schema: &Schema, path: FieldPath<'_>, subject: Subject<'_>) -> Vec<FieldError> {
    let mut walk = Walk::new(Faults::new());
    walk.subject(&schema.0, path, subject, Scope::All);
    walk.faults.into_vec()
}

fn holds(schema: &Schema, path: FieldPath<'_>, subject: Subject<'_>) -> bool {
    let mut walk = Walk::new(Faults::only_whether());
    walk.subject(&schema.0, path, subject, Scope::All);
    walk.faults.is_empty()
}

struct Walk {
    faults: Faults,
    /// As upstream: an object in which an item stood twice already may have more of them.
    ignores_duplicates: bool,
}

impl Walk {
    const fn new(faults: Faults) -> Self {
        Self { faults, ignores_duplicates: false }
    }

    fn push(&mut self, fault: impl FnOnce() -> FieldError) {
        self.faults.push_with(fault);
    }

    /// A value that breaks a rule; `rule` follows the words "x in body".
    fn invalid(&mut self, path: FieldPath<'_>, value: &Value, rule: fmt::Arguments<'_>) {
        self.push(|| FieldError::invalid(path, value, format!("{} in body {rule}", shown(path))));
    }

    fn subject(
        &mut self,
        node: &Node,
        path: FieldPath<'_>,
        subject: Subject<'_>,
        scope: Scope<'_>,
    ) {
        match subject {
            Subject::Value(value) => self.value(node, path, value, scope),
            Subject::Fields { fields, outside } => {
                self.object(node, path, (fields, outside), scope);
                if let Some(logic) = &node.rules.logic {
                    self.junctors(logic, path, subject, scope);
                }
            }
        }
    }

    fn value(&mut self, node: &Node, path: FieldPath<'_>, value: &Value, scope: Scope<'_>) {
        if self.faults.is_full() || (value.is_null() && node.nullable) {
            return;
        }
        if !node.value_type.accepts(value) {
            return self.push(|| wrong_type(path, node.value_type.name(), value));
        }
        match value {
            Value::Object(map) => self.object(node, path, (map, &[]), scope),
            Value::Array(items) => self.array(node, path, items, scope),
            Value::String(text) => {
                if let Some(rules) = &node.rules.text {
                    self.text(rules, path, text, value);
                }
            }
            Value::Number(number) => {
                if let Some(rules) = &node.rules.number {
                    self.number(rules, path, number, value);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
        if let Some(logic) = &node.rules.logic {
            if !logic.allowed.permits(value) {
                self.not_allowed(&logic.allowed, path, value);
            }
            self.junctors(logic, path, Subject::Value(value), scope);
        }
    }

    fn object(
        &mut self,
        node: &Node,
        path: FieldPath<'_>,
        (map, outside): (&Map<String, Value>, &[&str]),
        scope: Scope<'_>,
    ) {
        if node.embedded_resource {
            self.envelope(path, map);
        }
        for name in &node.rules.required {
            if !map.contains_key(&**name) && !outside.contains(&&**name) {
                self.push(|| FieldError::required(path.field(name), ""));
            }
        }
        if let Some(rules) = &node.rules.count {
            self.property_count(rules, path, map.len() + outside.len());
        }
        for (name, value) in map.iter().filter(|(name, _)| !outside.contains(&name.as_str())) {
            let Some(scope) = scope.field(name) else { continue };
            if let Some(schema) = node.properties.get(name.as_str()) {
                self.value(&schema.0, path.field(name), value, scope);
            } else if let Additional::Each(schema) = &node.additional {
                self.value(&schema.0, path.key(name), value, scope);
            }
        }
    }

    /// What an embedded object must have to be one.
    fn envelope(&mut self, path: FieldPath<'_>, map: &Map<String, Value>) {
        for name in ["apiVersion", "kind"] {
            match map.get(name) {
                Some(Value::String(text)) if !text.is_empty() => {}
                None | Some(Value::String(_)) => {
                    self.push(|| FieldError::required(path.field(name), "must not be empty"));
                }
                Some(other) => self.push(|| wrong_type(path.field(name), "string", other)),
            }
        }
        if let Some(version) = map.get("apiVersion").filter(|it| has_two_slashes(it)) {
            let rule = "must be a version, or a group and a version: <group>/<version>";
            self.push(|| FieldError::invalid(path.field("apiVersion"), version, rule));
        }
        if let Some(metadata) = map.get("metadata") {
            self.metadata(path.field("metadata"), metadata);
        }
    }

    /// Metadata is the same everywhere.
    fn metadata(&mut self, path: FieldPath<'_>, metadata: &Value) {
        for fault in object_meta().validate(path, metadata) {
            self.push(|| FieldError { kind: FieldErrorKind::Malformed, ..fault });
        }
        let fields = metadata.as_object();
        for fault in fields.map_or_else(Vec::new, |it| validate_inner_metadata(path, it)) {
            self.push(|| fault);
        }
    }

    fn array(&mut self, node: &Node, path: FieldPath<'_>, items: &[Value], scope: Scope<'_>) {
        if let Some(rules) = &node.rules.count {
            self.item_count(rules, path, items.len());
        }
        if !self.ignores_duplicates {
            for (index, twice) in list::duplicates(&node.list_type, items) {
                let kind = FieldErrorKind::Duplicate;
                self.push(|| FieldError::with_value(path.index(index), kind, &twice, ""));
            }
        }
        let Some(schema) = &node.items else { return };
        for (index, item) in items.iter().enumerate() {
            if self.faults.is_full() {
                return;
            }
            if let Some(scope) = scope.item(index) {
                self.value(&schema.0, path.index(index), item, scope);
            }
        }
    }

    fn text(&mut self, rules: &TextRules, path: FieldPath<'_>, text: &str, value: &Value) {
        let is_bounded = rules.min_length.is_some() || rules.max_length.is_some();
        let length = if is_bounded { text.chars().count() as u64 } else { 0 };
        if let Some(min) = rules.min_length.filter(|min| length < *min) {
            self.invalid(path, value, format_args!("should be at least {min} chars long"));
        }
        if let Some(max) = rules.max_length.filter(|max| length > *max) {
            // What is too long is not matched: the bound may be there to keep matching cheap.
            let detail = || format!("may not be more than {max} bytes");
            return self.push(|| FieldError::new(path, FieldErrorKind::TooLong, detail()));
        }
        if let Some(pattern) = rules.pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
            self.invalid(path, value, format_args!("should match '{}'", pattern.source()));
        }
        if let Some(format) = rules.format.filter(|format| !format.accepts(text)) {
            self.push(|| {
                let detail = format!("{} in body must be of type {format}: {value}", shown(path));
                FieldError::with_value(path, FieldErrorKind::TypeInvalid, value, detail)
            });
        }
    }

    fn number(&mut self, rules: &NumberRules, path: FieldPath<'_>, number: &Number, value: &Value) {
        if let Some(width) = rules.format.filter(|width| !width.holds(number)) {
            let width = width.name();
            self.invalid(path, value, format_args!("must be of type {width}: \"{number}\""));
        }
        if let Some(min) = rules.minimum.as_ref().filter(|min| !min.allows(number, true)) {
            self.invalid(path, value, format_args!("should be greater than {min}"));
        }
        if let Some(max) = rules.maximum.as_ref().filter(|max| !max.allows(number, false)) {
            self.invalid(path, value, format_args!("should be less than {max}"));
        }
        if let Some(factor) = rules.multiple_of.as_ref().filter(|f| !is_multiple(number, f)) {
            self.invalid(path, value, format_args!("should be a multiple of {factor}"));
        }
    }

    fn item_count(&mut self, rules: &CountRules, path: FieldPath<'_>, count: usize) {
        self.count(path, count, (rules.min_items, rules.max_items), "items");
    }

    fn property_count(&mut self, rules: &CountRules, path: FieldPath<'_>, count: usize) {
        self.count(path, count, (rules.min_properties, rules.max_properties), "properties");
    }

    fn count(
        &mut self,
        path: FieldPath<'_>,
        count: usize,
        (min, max): (Option<u64>, Option<u64>),
        what: &str,
    ) {
        let found = Value::from(count);
        if let Some(min) = min.filter(|min| (count as u64) < *min) {
            self.invalid(path, &found, format_args!("should have at least {min} {what}"));
        }
        if let Some(max) = max.filter(|max| (count as u64) > *max) {
            let detail = || format!("must have at most {max} {what}");
            let kind = FieldErrorKind::TooMany;
            self.push(|| FieldError::with_value(path, kind, &found, detail()));
        }
    }

    fn not_allowed(&mut self, allowed: &Allowed, path: FieldPath<'_>, value: &Value) {
        let kind = FieldErrorKind::NotSupported;
        self.push(|| FieldError::with_value(path, kind, value, allowed.to_string()));
    }

    /// Only what stands in `allOf` is judged part by part: alternatives are judged as a whole.
    fn junctors(
        &mut self,
        logic: &Logic,
        path: FieldPath<'_>,
        subject: Subject<'_>,
        scope: Scope<'_>,
    ) {
        for schema in &logic.all_of {
            self.subject(&schema.0, path, subject, scope);
        }
        if let Some(not) = &logic.not
            && holds(not, path, subject)
        {
            self.junctor(path, subject, format_args!("must not validate the schema (not)"));
        }
        if !logic.any_of.is_empty() && !logic.any_of.iter().any(|s| holds(s, path, subject)) {
            let rule = format_args!("must validate at least one schema (anyOf)");
            self.junctor(path, subject, rule);
            self.nearest(&logic.any_of, path, subject);
        }
        if !logic.one_of.is_empty() {
            match logic.one_of.iter().filter(|schema| holds(schema, path, subject)).count() {
                1 => {}
                0 => {
                    let rule = format_args!("{ONE_OF}. Found none valid");
                    self.junctor(path, subject, rule);
                    self.nearest(&logic.one_of, path, subject);
                }
                found => {
                    let rule = format_args!("{ONE_OF}. Found {found} valid alternatives");
                    self.junctor(path, subject, rule);
                }
            }
        }
    }

    fn junctor(&mut self, path: FieldPath<'_>, subject: Subject<'_>, rule: fmt::Arguments<'_>) {
        let detail = || format!("\"{}\" {rule}", shown(path));
        self.push(|| match subject {
            Subject::Value(value) => FieldError::invalid(path, value, detail()),
            Subject::Fields { .. } => FieldError::new(path, FieldErrorKind::Invalid, detail()),
        });
    }

    /// The faults of the alternative that came closest, so that it is clear what is missing.
    ///
    /// Who only asks whether there is a fault has it already; going on would double the work at
    /// each level of nested junctors.
    fn nearest(&mut self, alternatives: &[Schema], path: FieldPath<'_>, subject: Subject<'_>) {
        if self.faults.is_full() {
            return;
        }
        let nearest =
            alternatives.iter().map(|schema| faults(schema, path, subject)).min_by_key(Vec::len);
        for fault in nearest.into_iter().flatten() {
            self.push(|| fault);
        }
    }
}

const ONE_OF: &str = "must validate one and only one schema (oneOf)";

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inclusive = if self.exclusive { "" } else { "or equal to " };
        write!(f, "{inclusive}{}", self.limit)
    }
}

impl Bound {
    fn allows(&self, number: &Number, is_minimum: bool) -> bool {
        match compare(number, &self.limit) {
            Ordering::Equal => !self.exclusive,
            Ordering::Less => !is_minimum,
            Ordering::Greater => is_minimum,
        }
    }
}

fn has_two_slashes(version: &Value) -> bool {
    version.as_str().is_some_and(|text| text.split('/').count() > 2)
}

/// Kubernetes shows the type that it found in place of the value.
fn wrong_type(path: FieldPath<'_>, expected: &str, value: &Value) -> FieldError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let detail = format!("{} in body must be of type {expected}: \"{found}\"", shown(path));
    FieldError::with_value(path, FieldErrorKind::TypeInvalid, &Value::from(found), detail)
}

/// The path in the middle of a sentence.
fn shown(path: FieldPath<'_>) -> String {
    let text = path.to_string();
    if text.is_empty() { "the document".to_owned() } else { text }
}
