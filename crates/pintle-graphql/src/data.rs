//! What root fields answer with, before it is projected.

use std::sync::Arc;

use pintle_model::Object;

use crate::schema::KindTypes;

/// A value, as far as it is known without looking at what was asked of it.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    Null,
    Boolean(bool),
    Number(i64),
    Text(Arc<str>),
    /// An enum value, by its GraphQL name.
    Name(&'static str),
    /// An object of a kind.
    Object(Arc<Shown>),
    /// A value of a type of the server's own.
    Record(Record),
    List(Vec<Self>),
}

/// A value of a type that belongs to no kind's schema.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) type_name: Arc<str>,
    /// Few enough to be looked through.
    pub(crate) fields: Vec<(Arc<str>, Data)>,
}

/// An object as its caller may see it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) kind: Arc<KindTypes>,
    pub(crate) object: Arc<Object>,
    /// Whether the body is shown too: callers who may write a status and not read the object see
    /// metadata and status.
    pub(crate) whole: bool,
}

impl Record {
    /// A value of `type_name`; fields that are not given are null.
    pub(crate) fn new(type_name: impl Into<Arc<str>>) -> Self {
        Self { type_name: type_name.into(), fields: Vec::new() }
    }

    #[must_use]
    pub(crate) fn with(mut self, name: impl Into<Arc<str>>, value: impl Into<Data>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Data> {
        self.fields.iter().find(|(field, _)| **field == *name).map(|(_, value)| value)
    }
}

impl From<bool> for Data {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Data {
    fn from(value: i64) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Data {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Data {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl From<Record> for Data {
    fn from(value: Record) -> Self {
        Self::Record(value)
    }
}

impl From<Arc<Shown>> for Data {
    fn from(value: Arc<Shown>) -> Self {
        Self::Object(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Data {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Data {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}
