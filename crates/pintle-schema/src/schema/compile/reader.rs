//! Typed reading of one schema object. A null counts as absent, as it does for Go.

use pintle_model::{FieldError, FieldErrorKind, FieldPath};
use serde_json::{Map, Number, Value};

use super::Compiler;

/// One object of the document.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: FieldPath<'a>,
    pub(super) map: &'a Map<String, Value>,
    pub(super) depth: usize,
}

impl<'a> Place<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text_or_empty(&self, name: &str) -> &'a str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Compiler {
    fn read<'a, T>(
        &mut self,
        place: &Place<'a>,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = place.get(name)?;
        let read = read(value);
        if read.is_none() {
            let kind = FieldErrorKind::TypeInvalid;
            let detail = format!("must be {expected}");
            self.push(FieldError::with_value(place.path.field(name), kind, value, detail));
        }
        read
    }

    pub(super) fn flag(&mut self, place: &Place<'_>, name: &str) -> bool {
        self.read(place, name, "true or false", Value::as_bool).unwrap_or(false)
    }

    pub(super) fn text<'a>(&mut self, place: &Place<'a>, name: &str) -> Option<&'a str> {
        self.read(place, name, "text", Value::as_str)
    }

    pub(super) fn count(&mut self, place: &Place<'_>, name: &str) -> Option<u64> {
        self.read(place, name, "a whole number that is not negative", Value::as_u64)
    }

    pub(super) fn number(&mut self, place: &Place<'_>, name: &str) -> Option<Number> {
        self.read(place, name, "a number", |value| match value {
            Value::Number(number) => Some(number.clone()),
            _ => None,
        })
    }

    pub(super) fn list<'a>(&mut self, place: &Place<'a>, name: &str) -> &'a [Value] {
        let list = self.read(place, name, "a list", Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn map<'a>(
        &mut self,
        place: &Place<'a>,
        name: &str,
    ) -> Option<&'a Map<String, Value>> {
        self.read(place, name, "an object", Value::as_object)
    }

    pub(super) fn texts(&mut self, place: &Place<'_>, name: &str) -> Vec<Box<str>> {
        let path = place.path.field(name);
        let mut texts = Vec::new();
        for (index, item) in self.list(place, name).iter().enumerate() {
            let Some(text) = item.as_str() else {
                let kind = FieldErrorKind::TypeInvalid;
                self.push(FieldError::with_value(path.index(index), kind, item, "must be text"));
                continue;
            };
            texts.push(text.into());
        }
        texts
    }
}
