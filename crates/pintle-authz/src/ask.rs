//! What is asked.

use std::fmt;
use std::sync::Arc;

use pintle_model::GroupResource;

/// What somebody wants to do. Verbs are compared as text, case and all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many objects.
    List,
    /// Follow the changes of objects.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change a part of an object.
    Patch,
    /// Remove an object.
    Delete,
    /// Remove many objects.
    DeleteCollection,
    /// Any other: `bind`, `escalate`, `impersonate`, `post` (on a path).
    Other(Arc<str>),
}

impl Verb {
    /// The verb that is written so.
    pub fn parse(text: &str) -> Self {
        match text {
            "get" => Self::Get,
            "list" => Self::List,
            "watch" => Self::Watch,
            "create" => Self::Create,
            "update" => Self::Update,
            "patch" => Self::Patch,
            "delete" => Self::Delete,
            "deletecollection" => Self::DeleteCollection,
            other => Self::Other(other.into()),
        }
    }

    /// As rules and messages write it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A part of an object with rights of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subresource {
    /// What controllers have seen.
    Status,
    /// The number of replicas.
    Scale,
    /// Any other: `finalize`, `token`.
    Other(Arc<str>),
}

impl Subresource {
    /// The subresource that is written so.
    pub fn parse(text: &str) -> Self {
        match text {
            "status" => Self::Status,
            "scale" => Self::Scale,
            other => Self::Other(other.into()),
        }
    }

    /// As rules and messages write it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for Subresource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One question to the rules: may this be done there?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What is to be done.
    pub verb: Verb,
    /// To which resource.
    pub resource: GroupResource,
    /// To which part of it; nothing means the object itself.
    pub subresource: Option<Subresource>,
    /// In which namespace. Nothing means cluster scope, or every namespace at once. For a
    /// `Namespace` object it is that object's own name, as upstream.
    pub namespace: Option<Arc<str>>,
    /// To which object. Nothing for a create, and for a list, a watch or a removal of many that is
    /// not narrowed to one name.
    pub name: Option<Arc<str>>,
}

/// A request that knows what it asks for.
pub trait Asks {
    /// The question to the rules. It must not change between calls.
    fn ask(&self) -> Ask;
}

impl Asks for Ask {
    fn ask(&self) -> Ask {
        self.clone()
    }
}
