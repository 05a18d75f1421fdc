//! From `openAPIV3Schema` JSON to a schema, and the rules that make it structural.
//!
//! The rules are those of apiextensions-apiserver (`apiserver/schema/validation.go` and the
//! schema part of `apis/apiextensions/validation`). `reader` takes documents apart, `structure`
//! holds the checks that look at a place as a whole, `rules` reads the value validations.

mod reader;
mod rules;
mod structure;

use std::collections::HashMap;
use std::sync::Arc;

use pintle_model::{FieldError, FieldErrorKind, FieldPath, Json};
use serde_json::Value;

use super::allowed::Allowed;
use super::pattern::Pattern;
use super::{Additional, DefaultValue, ListType, Logic, Node, PatchMerge, Schema, ValueType};
use crate::faults::Faults;
use reader::Place;

/// Schemas may be so deep. Every walk over values follows the schema, so this bounds all recursion.
const DEPTH_MAX: usize = 100;
/// The largest declarations in the wild have some twenty thousand places.
const NODES_MAX: usize = 100_000;

/// Defaults hold the defaults of what is in them, so they can grow with the depth of the schema.
const DEFAULT_BYTES_MAX: usize = 1024 * 1024;

/// Where a structural schema stands, which is what the fault of a missing type depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Field,
    Item,
}

/// Compiles the schemas of one declaration. They share what is alike, and their limits.
pub(crate) struct Compiler {
    faults: Faults,
    nodes: usize,
    /// Each distinct pattern is compiled once: those of embedded pod specs come back by the
    /// hundred.
    patterns: HashMap<Box<str>, Option<Pattern>>,
    large_patterns: usize,
    /// Places that say nothing but their type, which are most of the leaves.
    plain: HashMap<(ValueType, bool), Schema>,
    default_bytes: usize,
}

impl Compiler {
    pub(crate) fn new() -> Self {
        Self {
            faults: Faults::new(),
            nodes: 0,
            patterns: HashMap::new(),
            large_patterns: 0,
            plain: HashMap::new(),
            default_bytes: 0,
        }
    }

    /// Compiles the document at `path`; faults carry that path.
    pub(crate) fn compile(
        &mut self,
        path: FieldPath<'_>,
        document: &Value,
    ) -> Result<Schema, Vec<FieldError>> {
        let schema = self.structural(path, document, Level::Root, 0);
        let faults = std::mem::replace(&mut self.faults, Faults::new());
        if faults.is_empty() { Ok(schema) } else { Err(faults.into_vec()) }
    }

    fn push(&mut self, fault: FieldError) {
        self.faults.push(fault);
    }

    /// Counts a place and opens it; nothing when it is no object or a limit is reached.
    fn enter<'a>(
        &mut self,
        path: FieldPath<'a>,
        document: &'a Value,
        depth: usize,
    ) -> Option<Place<'a>> {
        self.nodes += 1;
        let refused = match document {
            _ if depth > DEPTH_MAX => {
                FieldError::forbidden(path, format!("nested deeper than {DEPTH_MAX} levels"))
            }
            _ if self.nodes == NODES_MAX + 1 => FieldError::new(
                path,
                FieldErrorKind::TooMany,
                format!("a declaration may have at most {NODES_MAX} places"),
            ),
            _ if self.nodes > NODES_MAX => return None,
            Value::Object(map) => return Some(Place { path, map, depth }),
            other => FieldError::with_value(
                path,
                FieldErrorKind::TypeInvalid,
                other,
                "must be a schema object",
            ),
        };
        self.push(refused);
        None
    }

    fn structural(
        &mut self,
        path: FieldPath<'_>,
        document: &Value,
        level: Level,
        depth: usize,
    ) -> Schema {
        let Some(place) = self.enter(path, document, depth) else { return Schema::anything() };
        self.check_unsupported(&place);
        let mut node = Node {
            value_type: self.value_type(&place),
            nullable: self.flag(&place, "nullable"),
            preserve_unknown: self.preserve_unknown(&place),
            embedded_resource: self.flag(&place, "x-kubernetes-embedded-resource"),
            ..Node::default()
        };
        self.properties(&place, &mut node);
        node.items = place
            .get("items")
            .map(|document| self.structural(path.field("items"), document, Level::Item, depth + 1));
        node.list_type = self.list_type(&place, &node);
        node.patch_merge = patch_merge(&place).map(Box::new);
        node.rules = self.rules(&place, node.value_type);
        node.cel = self.validation_rules(&place);
        self.check_structure(&place, &node, level);
        let logic =
            self.logic(&place, Some(&node), path, node.value_type == ValueType::IntOrString);
        node.rules.logic = logic.map(Box::new);
        self.finish(&place, node)
    }

    fn properties(&mut self, place: &Place<'_>, node: &mut Node) {
        let path = place.path.field("properties");
        for (name, document) in self.map(place, "properties").into_iter().flatten() {
            let schema = self.structural(path.key(name), document, Level::Field, place.depth + 1);
            if schema.0.default.is_some() {
                node.defaulted.push(name.as_str().into());
            }
            node.properties.insert(name.as_str().into(), schema);
        }
        let path = place.path.field("additionalProperties");
        node.additional = match place.get("additionalProperties") {
            None | Some(Value::Bool(false)) => Additional::Pruned,
            Some(Value::Bool(true)) => Additional::Anything,
            Some(document) => {
                Additional::Each(self.structural(path, document, Level::Field, place.depth + 1))
            }
        };
    }

    /// Shares plain places, and sets the default of the others.
    fn finish(&mut self, place: &Place<'_>, node: Node) -> Schema {
        let default = place.get("default");
        if default.is_none() && is_plain(&node) {
            let key = (node.value_type, node.nullable);
            return self.plain.entry(key).or_insert_with(|| Schema(Arc::new(node))).clone();
        }
        let mut schema = Schema(Arc::new(node));
        if let Some(default) = default {
            let default = self.default_value(place.path.field("default"), &schema, default);
            Arc::get_mut(&mut schema.0).expect("made here and not shared yet").default =
                Some(default);
        }
        schema
    }

    /// A default must be what the place would make of it, and be valid there.
    fn default_value(
        &mut self,
        path: FieldPath<'_>,
        schema: &Schema,
        default: &Value,
    ) -> DefaultValue {
        let mut value = default.clone();
        if !schema.normalize(path, &mut value).is_empty() {
            self.push(FieldError::invalid(path, default, "must not have unknown fields"));
        }
        for fault in schema.validate(path, &value) {
            self.push(fault);
        }
        let bytes = Json::from_value(&value).len();
        self.default_bytes += bytes;
        if self.default_bytes > DEFAULT_BYTES_MAX {
            let detail = format!(
                "the defaults of a declaration may take at most {DEFAULT_BYTES_MAX} bytes together, \
                 each with the defaults inside it"
            );
            self.push(FieldError::new(path, FieldErrorKind::TooLong, detail));
            return DefaultValue { value: Value::Null, bytes: 0 };
        }
        DefaultValue { value, bytes }
    }

    /// The junctors and `enum` of a place. `outer` is the structural schema that they speak about:
    /// it must know every field that they name.
    fn logic(
        &mut self,
        place: &Place<'_>,
        outer: Option<&Node>,
        outer_path: FieldPath<'_>,
        int_or_string: bool,
    ) -> Option<Logic> {
        let allowed = Allowed::new(self.list(place, "enum"));
        let mut logic = Logic { allowed, ..Logic::default() };
        logic.all_of = self.junctor(place, "allOf", outer, outer_path, int_or_string);
        if !(int_or_string && structure::says_int_or_string(place)) {
            logic.any_of = self.junctor(place, "anyOf", outer, outer_path, false);
        }
        logic.one_of = self.junctor(place, "oneOf", outer, outer_path, false);
        logic.not = place.get("not").map(|document| {
            let nested = Nested { outer, outer_path, int_or_string: false };
            self.nested(place.path.field("not"), document, nested, place.depth + 1)
        });
        let is_empty = logic.allowed.is_everything()
            && logic.all_of.is_empty()
            && logic.any_of.is_empty()
            && logic.one_of.is_empty()
            && logic.not.is_none();
        (!is_empty).then_some(logic)
    }

    fn junctor(
        &mut self,
        place: &Place<'_>,
        name: &str,
        outer: Option<&Node>,
        outer_path: FieldPath<'_>,
        int_or_string: bool,
    ) -> Vec<Schema> {
        let path = place.path.field(name);
        let nested = Nested { outer, outer_path, int_or_string };
        let alternatives = self.list(place, name).iter().enumerate();
        alternatives
            .map(|(index, document)| {
                self.nested(path.index(index), document, nested, place.depth + 1)
            })
            .collect()
    }

    /// A schema inside a junctor: value validations only.
    fn nested(
        &mut self,
        path: FieldPath<'_>,
        document: &Value,
        nested: Nested<'_>,
        depth: usize,
    ) -> Schema {
        let Some(place) = self.enter(path, document, depth) else { return Schema::anything() };
        self.check_unsupported(&place);
        self.check_nested(&place);
        let mut node = Node::default();
        let properties = path.field("properties");
        let outer_properties = nested.outer_path.field("properties");
        for (name, document) in self.map(&place, "properties").into_iter().flatten() {
            let outer = nested.outer.and_then(|outer| outer.properties.get(name.as_str()));
            let inner = Nested::within(outer, outer_properties.key(name));
            self.check_known(inner, properties.key(name), nested.outer.is_some());
            let schema = self.nested(properties.key(name), document, inner, depth + 1);
            node.properties.insert(name.as_str().into(), schema);
        }
        node.items = place.get("items").map(|document| {
            let outer = nested.outer.and_then(|outer| outer.items.as_ref());
            let outer_path = nested.outer_path.field("items");
            let inner = Nested::within(outer, outer_path);
            self.check_known(inner, path.field("items"), nested.outer.is_some());
            self.nested(path.field("items"), document, inner, depth + 1)
        });
        node.patch_merge = patch_merge(&place).map(Box::new);
        node.rules = self.rules(&place, ValueType::Any);
        let logic = self.logic(&place, nested.outer, nested.outer_path, nested.int_or_string);
        node.rules.logic = logic.map(Box::new);
        Schema(Arc::new(node))
    }
}

/// What a schema inside a junctor speaks about.
#[derive(Clone, Copy)]
struct Nested<'a> {
    /// Nothing where no structural schema knows the place, which is a fault that was reported.
    outer: Option<&'a Node>,
    outer_path: FieldPath<'a>,
    /// Whether `anyOf` may say that an int-or-string is one of the two.
    int_or_string: bool,
}

impl<'a> Nested<'a> {
    fn within(outer: Option<&'a Schema>, outer_path: FieldPath<'a>) -> Self {
        Self { outer: outer.map(|schema| &*schema.0), outer_path, int_or_string: false }
    }
}

/// Words of core kinds; in others they mean nothing.
fn patch_merge(place: &Place<'_>) -> Option<PatchMerge> {
    let text = |word| place.get(word).and_then(Value::as_str);
    let merges = text("x-kubernetes-patch-strategy") == Some("merge");
    merges.then(|| PatchMerge { key: text("x-kubernetes-patch-merge-key").map(Box::from) })
}

fn is_plain(node: &Node) -> bool {
    let rules = &node.rules;
    node.properties.is_empty()
        && node.items.is_none()
        && node.list_type == ListType::Atomic
        && node.patch_merge.is_none()
        && node.cel.is_empty()
        && matches!(node.additional, Additional::Pruned)
        && !node.preserve_unknown
        && !node.embedded_resource
        && rules.required.is_empty()
        && rules.text.is_none()
        && rules.number.is_none()
        && rules.count.is_none()
        && rules.logic.is_none()
}
