//! Where an object lives: its resource, its namespace, its name.

use std::fmt;
use std::sync::Arc;

/// The plural name of a kind together with its group: `devices.infra.example.io`.
///
/// It is kept as one interned text, because it stands in every key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupResource(Arc<str>);

impl GroupResource {
    /// The resource `plural` of `group`; the core group is the empty text.
    pub fn new(group: &str, plural: &str) -> Self {
        if group.is_empty() {
            Self(plural.into())
        } else {
            Self(format!("{plural}.{group}").into())
        }
    }

    /// Reads the text that [`GroupResource::as_str`] gives back.
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// `plural.group`, or just the plural in the core group.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The plural name.
    pub fn plural(&self) -> &str {
        self.0.split_once('.').map_or(&self.0, |(plural, _)| plural)
    }

    /// The group, empty for the core group.
    pub fn group(&self) -> &str {
        self.0.split_once('.').map_or("", |(_, group)| group)
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Namespace and name. Ordered bytewise, namespace first, which is the order of every list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// Empty for objects of cluster scope.
    pub namespace: Arc<str>,
    /// Never empty for an object that exists.
    pub name: Arc<str>,
}

impl ObjectName {
    /// A name in a namespace; the namespace is empty for cluster scope.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// The full address of an object. Parts are kept apart and never joined into a path, so no name can
/// reach into another resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// What it is.
    pub resource: GroupResource,
    /// Which one.
    pub name: ObjectName,
}

impl ObjectKey {
    /// The key of `name` in `namespace` (empty for cluster scope).
    pub fn new(resource: GroupResource, namespace: &str, name: &str) -> Self {
        Self { resource, name: ObjectName::new(namespace, name) }
    }

    /// The namespace, or nothing for cluster scope.
    pub fn namespace(&self) -> Option<&str> {
        Some(&*self.name.namespace).filter(|namespace| !namespace.is_empty())
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.resource, self.name.to_string())
    }
}
