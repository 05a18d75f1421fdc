//! Shorthand patches: one object whose keys are dotted paths.
//!
//! `{"spec.location": "dc3", "spec.model": null}` sets the first and removes the second. A value is
//! set whole; objects that are missing on the way are made. Items of lists have no path. A
//! backslash takes the meaning from a dot or a backslash that belongs to a name.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{PatchError, PatchLimits, Touch, has, measure};

/// The paths of a shorthand patch, and what they are set to; `null` removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shorthand(BTreeMap<Vec<String>, Value>);

impl Shorthand {
    pub(super) fn parse(document: &Value) -> Result<Self, PatchError> {
        let Value::Object(fields) = document else {
            return Err(PatchError::Malformed(
                "a shorthand patch must be an object whose keys are paths".to_owned(),
            ));
        };
        let parse = |(key, value): (&String, &Value)| {
            split(key)
                .map(|path| (path, value.clone()))
                .map_err(|why| PatchError::Malformed(format!("path {key:?}: {why}")))
        };
        let paths = fields.iter().map(parse).collect::<Result<_, _>>()?;
        refuse_overlaps(&paths)?;
        Ok(Self(paths))
    }

    /// Leaves a half-patched document behind when it fails.
    pub(super) fn apply(
        &self,
        document: &mut Value,
        limits: &PatchLimits,
    ) -> Result<(), PatchError> {
        let found = self.0.len();
        if found > limits.operations_max {
            return Err(PatchError::TooManyOperations { found, max: limits.operations_max });
        }
        for (path, value) in &self.0 {
            measure::check_depth(value, path.len(), limits)?;
            let done =
                if value.is_null() { remove(document, path) } else { set(document, path, value) };
            done.map_err(|why| PatchError::CannotApply { index: None, path: joined(path), why })?;
        }
        Ok(())
    }

    pub(super) fn touches(&self) -> impl Iterator<Item = Touch<'_>> {
        self.0.keys().map(|path| Touch::of_path(path))
    }

    pub(super) fn states(&self, path: &[&str]) -> bool {
        self.0.iter().any(|(outer, value)| {
            let inner =
                path.get(outer.len()..).filter(|_| outer.iter().eq(path.iter().take(outer.len())));
            inner.is_some_and(|inner| has(value, inner))
        })
    }
}

/// `a.b\.c` is `["a", "b.c"]`.
fn split(key: &str) -> Result<Vec<String>, &'static str> {
    let mut path = vec![String::new()];
    let mut letters = key.chars();
    while let Some(letter) = letters.next() {
        let name = path.last_mut().expect("a path begins with one name and only grows");
        match letter {
            '.' => path.push(String::new()),
            '\\' => match letters.next() {
                Some(escaped @ ('.' | '\\')) => name.push(escaped),
                _ => return Err("a backslash may only stand before a dot or a backslash"),
            },
            letter => name.push(letter),
        }
    }
    if path.iter().any(String::is_empty) {
        return Err("a name between two dots may not be empty");
    }
    Ok(path)
}

/// The inverse of [`split`].
fn joined(path: &[String]) -> String {
    let escaped = |name: &String| name.replace('\\', "\\\\").replace('.', "\\.");
    path.iter().map(escaped).collect::<Vec<_>>().join(".")
}

/// The fields of an object have no order, so a patch that sets both `a` and `a.b` has no meaning.
fn refuse_overlaps(paths: &BTreeMap<Vec<String>, Value>) -> Result<(), PatchError> {
    for (outer, inner) in paths.keys().zip(paths.keys().skip(1)) {
        // In this order, whatever lies inside a path comes right after it.
        if inner.starts_with(outer) {
            let (outer, inner) = (joined(outer), joined(inner));
            return Err(PatchError::Malformed(format!(
                "path {inner:?} lies inside path {outer:?}; say both in one value"
            )));
        }
    }
    Ok(())
}

fn set(document: &mut Value, path: &[String], value: &Value) -> Result<(), String> {
    let (last, parents) = path.split_last().expect("a path has at least one name");
    let mut place = document;
    for (depth, name) in parents.iter().enumerate() {
        place = fields_of(place, path, depth)?.entry(name.as_str()).or_insert(Value::Null);
    }
    fields_of(place, path, parents.len())?.insert(last.clone(), value.clone());
    Ok(())
}

/// What is not there, or lies in something that is not there, is already removed.
fn remove(document: &mut Value, path: &[String]) -> Result<(), String> {
    let (last, parents) = path.split_last().expect("a path has at least one name");
    let mut place = document;
    for (depth, name) in parents.iter().enumerate() {
        if place.is_null() {
            return Ok(());
        }
        match fields_of(place, path, depth)?.get_mut(name) {
            Some(next) => place = next,
            None => return Ok(()),
        }
    }
    if !place.is_null() {
        fields_of(place, path, parents.len())?.remove(last);
    }
    Ok(())
}

/// The fields of the value at the first `depth` names of `path`; `null` becomes an object.
fn fields_of<'a>(
    place: &'a mut Value,
    path: &[String],
    depth: usize,
) -> Result<&'a mut Map<String, Value>, String> {
    if place.is_null() {
        *place = Value::Object(Map::new());
    }
    let sort = match place {
        Value::Object(fields) => return Ok(fields),
        Value::Array(_) => "a list, whose items have no path; set the list whole",
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => "not an object",
    };
    let at = path.iter().take(depth).cloned().collect::<Vec<_>>();
    Err(format!("the value at {:?} is {sort}", joined(&at)))
}
