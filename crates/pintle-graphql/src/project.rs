//! From what a root field answered with to the bytes of the response, along a plan.
//!
//! Stored JSON is not parsed: members that are asked for are found in the text and copied. A null,
//! or an error, where the schema promises a value makes the nearest parent null that may be; what
//! was written of that parent is taken back.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use apollo_compiler::response::JsonMap;
use pintle_events::document::{self, View};
use pintle_model::Object;
use serde_json::Value;

use crate::data::{Data, Record, Shown};
use crate::json_text::{items, members, open_object};
use crate::plan::{FieldPlan, Selection, Shape, ShapeOf};

/// So many errors one response tells; more say nothing new.
const ERRORS_MAX: usize = 100;

/// Writes values.
#[derive(Debug)]
pub(crate) struct Writer<'v> {
    variables: &'v JsonMap,
    pub(crate) out: String,
    pub(crate) errors: Vec<FieldError>,
}

/// A value that could not be given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FieldError {
    /// Where: keys and indexes.
    pub(crate) path: Vec<Value>,
    pub(crate) message: String,
}

/// A null stands where there must be a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bubble;

/// Where in the answer, built on the stack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Self>,
    segment: Segment<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// A root field.
    pub(crate) const fn root(key: &'a str) -> Self {
        Self { parent: None, segment: Segment::Key(key) }
    }

    const fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), segment: Segment::Key(key) }
    }

    const fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), segment: Segment::Index(index) }
    }

    /// As an error tells it.
    pub(crate) fn to_values(self) -> Vec<Value> {
        let mut path = self.parent.map_or_else(Vec::new, |parent| parent.to_values());
        path.push(match self.segment {
            Segment::Key(key) => Value::from(key),
            Segment::Index(index) => Value::from(index),
        });
        path
    }
}

type Written = Result<(), Bubble>;

impl<'v> Writer<'v> {
    /// Nothing is written yet.
    pub(crate) const fn new(variables: &'v JsonMap) -> Self {
        Self { variables, out: String::new(), errors: Vec::new() }
    }

    /// Writes a value, or `null` with an error where it is not what the plan promises.
    pub(crate) fn value(&mut self, data: &Data, shape: &Shape, path: Path<'_>) -> Written {
        let start = self.out.len();
        let written = match (data, &shape.of) {
            (Data::Null, _) => return self.null(shape, path),
            (Data::List(values), ShapeOf::List(item)) => {
                self.list(values.iter(), path, |it, value, path| it.value(value, item, path))
            }
            (Data::Object(shown), ShapeOf::Object(selection)) => {
                self.object(shown, selection, path)
            }
            (Data::Object(shown), ShapeOf::Abstract(by_type)) => {
                match by_type.get(&shown.kind.type_name) {
                    Some(selection) => self.object(shown, selection, path),
                    None => self.mismatch(path),
                }
            }
            (Data::Record(record), ShapeOf::Object(selection)) => {
                self.record(record, selection, path)
            }
            (Data::Record(record), ShapeOf::Abstract(by_type)) => {
                match by_type.get(&*record.type_name) {
                    Some(selection) => self.record(record, selection, path),
                    None => self.mismatch(path),
                }
            }
            (data, ShapeOf::Leaf(leaf)) => match data {
                // The names of the server's own enums are names of GraphQL already.
                Data::Name(name) => {
                    let _infallible = write!(self.out, "\"{name}\"");
                    Ok(())
                }
                data => match leaf_text(data).map(|text| leaf.write(&text, &mut self.out)) {
                    Some(Ok(())) => Ok(()),
                    Some(Err(_)) | None => self.mismatch(path),
                },
            },
            _ => self.mismatch(path),
        };
        self.settle(written, start, shape)
    }

    /// After a failure: everything that was written of this value goes, and it is null, or its
    /// parent is.
    fn settle(&mut self, written: Written, start: usize, shape: &Shape) -> Written {
        if written.is_ok() {
            return Ok(());
        }
        self.out.truncate(start);
        if shape.required {
            return Err(Bubble);
        }
        self.out.push_str("null");
        Ok(())
    }

    fn null(&mut self, shape: &Shape, path: Path<'_>) -> Written {
        if !shape.required {
            self.out.push_str("null");
            return Ok(());
        }
        self.error(path, "there is no value where the schema promises one");
        Err(Bubble)
    }

    fn mismatch(&mut self, path: Path<'_>) -> Written {
        self.error(path, "the stored value is not of the type that the schema of the kind has now");
        Err(Bubble)
    }

    /// Notes an error.
    pub(crate) fn error(&mut self, path: Path<'_>, message: impl Into<String>) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(FieldError { path: path.to_values(), message: message.into() });
        }
    }

    fn list<T>(
        &mut self,
        values: impl Iterator<Item = T>,
        path: Path<'_>,
        mut write: impl FnMut(&mut Self, T, Path<'_>) -> Written,
    ) -> Written {
        self.out.push('[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            write(self, value, path.index(index))?;
        }
        self.out.push(']');
        Ok(())
    }

    /// Writes each field of a selection with what `write` makes of it.
    pub(crate) fn fields(
        &mut self,
        selection: &Selection,
        path: Option<Path<'_>>,
        mut write: impl FnMut(&mut Self, &FieldPlan, Path<'_>) -> Written,
    ) -> Written {
        self.out.push('{');
        for (index, field) in selection.fields.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.out.push('"');
            self.out.push_str(&field.key);
            self.out.push_str("\":");
            let at = path.as_ref().map_or(Path::root(&field.key), |path| path.key(&field.key));
            write(self, field, at)?;
        }
        self.out.push('}');
        Ok(())
    }

    /// Writes that a field has no value, about which something else was told.
    pub(crate) fn absent(&mut self, field: &FieldPlan) -> Written {
        if field.shape.required {
            return Err(Bubble);
        }
        self.out.push_str("null");
        Ok(())
    }

    pub(crate) fn type_name(&mut self, selection: &Selection) {
        let _infallible = write!(self.out, "\"{}\"", selection.type_name);
    }

    fn record(&mut self, record: &Record, selection: &Selection, path: Path<'_>) -> Written {
        self.fields(selection, Some(path), |it, field, at| {
            if matches!(field.shape.of, ShapeOf::TypeName) {
                it.type_name(selection);
                return Ok(());
            }
            let value = record.get(&field.name).unwrap_or(&Data::Null);
            it.value(value, &field.shape, at)
        })
    }

    fn object(&mut self, shown: &Shown, selection: &Selection, path: Path<'_>) -> Written {
        let object = &*shown.object;
        self.fields(selection, Some(path), |it, field, at| match (&*field.name, &field.shape.of) {
            (_, ShapeOf::TypeName) => {
                it.type_name(selection);
                Ok(())
            }
            ("id", _) => it.text(&crate::ids::of(object), field, at),
            ("apiVersion", _) => it.text(&shown.kind.api_version(), field, at),
            ("kind", _) => it.text(&shown.kind.definition.kind.kind, field, at),
            ("metadata", ShapeOf::Object(selection)) => it.metadata(object, selection, at),
            ("json", _) => it.json(&whole_text(shown), &field.shape, Some(field), at),
            ("status", _) => {
                let status =
                    object.status.as_ref().map_or("null", |status| utf8(status.as_bytes()));
                it.json(status, &field.shape, Some(field), at)
            }
            (name, _) if shown.whole => {
                let key = shown.kind.body.get(name).map_or(name, |key| key);
                let body = utf8(object.body.as_bytes());
                if let ShapeOf::Object(selection) = &field.shape.of
                    && let Some(inside) = open_object(body, key)
                {
                    let start = it.out.len();
                    let written = it.json_object(inside, selection, at);
                    return it.settle(written, start, &field.shape);
                }
                let body = members(body).into_iter().flatten();
                let found = { body }.find(|(name, _)| unquoted(name) == key);
                it.json(found.map_or("null", |(_, text)| text), &field.shape, Some(field), at)
            }
            _ => it.null(&field.shape, at),
        })
    }

    /// Names and numbers are at hand; the whole is rendered only when somebody asks for more.
    fn metadata(&mut self, object: &Object, selection: &Selection, path: Path<'_>) -> Written {
        let mut rendered = None;
        self.fields(selection, Some(path), |it, field, at| {
            if matches!(field.shape.of, ShapeOf::TypeName) {
                it.type_name(selection);
                return Ok(());
            }
            if let Some(text) = at_hand(object, &field.json_key) {
                return it.json(&text, &field.shape, Some(field), at);
            }
            let whole = rendered.get_or_insert_with(|| metadata_text(object));
            let found = members(whole).into_iter().flatten();
            let found = { found }.find(|(name, _)| *name == &*field.json_key);
            it.json(found.map_or("null", |(_, text)| text), &field.shape, Some(field), at)
        })
    }

    fn text(&mut self, text: &str, field: &FieldPlan, path: Path<'_>) -> Written {
        self.value(&Data::from(text), &field.shape, path)
    }

    /// Writes stored JSON text.
    fn json(
        &mut self,
        text: &str,
        shape: &Shape,
        field: Option<&FieldPlan>,
        path: Path<'_>,
    ) -> Written {
        if text == "null" {
            return self.null(shape, path);
        }
        let start = self.out.len();
        let written = match &shape.of {
            ShapeOf::Leaf(leaf) => match leaf.write(text, &mut self.out) {
                Ok(()) => Ok(()),
                Err(_) => self.mismatch(path),
            },
            ShapeOf::List(item) => self.json_list(text, item, field, path),
            ShapeOf::Object(selection) => self.json_object(text, selection, path),
            ShapeOf::TypeName | ShapeOf::Abstract(_) | ShapeOf::Introspection => {
                self.mismatch(path)
            }
        };
        self.settle(written, start, shape)
    }

    fn json_list(
        &mut self,
        text: &str,
        item: &Shape,
        field: Option<&FieldPlan>,
        path: Path<'_>,
    ) -> Written {
        let Some(values) = items(text) else { return self.mismatch(path) };
        let wanted = field.and_then(|field| field.wanted_types(self.variables));
        let shown = values.filter(|value| {
            wanted
                .as_ref()
                .is_none_or(|wanted| type_in(value).is_some_and(|it| wanted.contains(&it)))
        });
        self.list(shown, path, |it, value, path| it.json(value, item, None, path))
    }

    fn json_object(&mut self, text: &str, selection: &Selection, path: Path<'_>) -> Written {
        let Some(found) = picked(text, selection) else { return self.mismatch(path) };
        let mut found = found.into_iter();
        self.fields(selection, Some(path), |it, field, at| {
            let text = found.next().flatten();
            if matches!(field.shape.of, ShapeOf::TypeName) {
                it.type_name(selection);
                return Ok(());
            }
            it.json(text.unwrap_or("null"), &field.shape, Some(field), at)
        })
    }
}

/// The members that a selection asks for, in its order, found in one walk over the text that ends
/// with the last of them.
fn picked<'t>(text: &'t str, selection: &Selection) -> Option<Vec<Option<&'t str>>> {
    let mut found = vec![None; selection.fields.len()];
    let mut missing = found.len();
    for (name, value) in members(text)? {
        if missing == 0 {
            break;
        }
        for (field, place) in selection.fields.iter().zip(&mut found) {
            if *field.json_key == *name {
                *place = Some(value);
                missing = missing.saturating_sub(1);
            }
        }
    }
    Some(found)
}

/// The metadata that need not be rendered, by its key with the quotes.
fn at_hand(object: &Object, json_key: &str) -> Option<String> {
    let text = |text: &str| Value::from(text).to_string();
    match json_key {
        "\"name\"" => Some(text(&object.metadata.name)),
        "\"namespace\"" if !object.metadata.namespace.is_empty() => {
            Some(text(&object.metadata.namespace))
        }
        "\"uid\"" => Some(text(object.metadata.uid.as_str())),
        "\"resourceVersion\"" => Some(format!("\"{}\"", object.revision)),
        "\"generation\"" => Some(object.metadata.generation.to_string()),
        _ => None,
    }
}

/// The `type` of a condition, without quotes.
fn type_in(text: &str) -> Option<&str> {
    let found = members(text)?.find(|(name, _)| *name == "\"type\"");
    found.map(|(_, value)| unquoted(value))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// A value of the server's own, as JSON text.
fn leaf_text(data: &Data) -> Option<String> {
    match data {
        Data::Boolean(value) => Some(value.to_string()),
        Data::Number(value) => Some(value.to_string()),
        Data::Text(text) => Some(Value::from(&**text).to_string()),
        Data::Null | Data::Name(_) | Data::Object(_) | Data::Record(_) | Data::List(_) => None,
    }
}

/// Lists that the schema promises are there also when they are empty, and then left out elsewhere.
fn metadata_text(object: &Object) -> String {
    let mut text = String::new();
    document::write_metadata(&mut text, object);
    for (list, is_empty) in [
        ("finalizers", object.metadata.finalizers.is_empty()),
        ("ownerReferences", object.metadata.owner_references.is_empty()),
    ] {
        if is_empty && text.ends_with('}') {
            text.pop();
            let _infallible = write!(text, ",\"{list}\":[]}}");
        }
    }
    text
}

fn whole_text(shown: &Shown) -> String {
    let Shown { kind, object, whole } = shown;
    let view = if *whole { View::Whole } else { View::WithoutBody };
    let mut text = String::new();
    document::write_object_of(&mut text, &kind.definition.kind, &kind.version, object, view);
    text
}

/// Stored lanes are JSON, and JSON is UTF-8.
fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("null")
}
