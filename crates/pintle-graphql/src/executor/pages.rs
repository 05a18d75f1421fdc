//! Connections: pages of lists, and the cursors between them.
//!
//! A cursor says where a page ended and of which snapshot it was, so that all pages show one
//! moment. It gives no rights: each page is authorised like the first.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_engine::Listed;
use pintle_model::{ObjectName, Revision};

use crate::data::{Data, Record, Shown};
use crate::fault::Fault;
use crate::schema::KindTypes;

/// Where to go on, and as of when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) revision: Revision,
    pub(crate) after: ObjectName,
}

impl Cursor {
    pub(crate) fn encode(&self) -> String {
        let Self { revision, after } = self;
        URL_SAFE_NO_PAD.encode(format!("1/{revision}/{}/{}", after.namespace, after.name))
    }

    pub(crate) fn decode(text: &str) -> Result<Self, Fault> {
        Self::read(text).ok_or_else(|| {
            Fault::bad_input("`after` is no cursor of this server; list again from the start")
        })
    }

    fn read(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let rest = text.strip_prefix("1/")?;
        let (revision, rest) = rest.split_once('/')?;
        let (namespace, name) = rest.split_once('/')?;
        let revision = Revision::parse(revision).ok()?;
        Some(Self { revision, after: ObjectName::new(namespace, name) })
    }
}

/// A page as the schema has it.
pub(crate) fn connection(kind: &Arc<KindTypes>, listed: &Listed, is_first: bool) -> Data {
    let Listed { objects, revision, next } = listed;
    let cursor = |name: &ObjectName| Cursor { revision: *revision, after: name.clone() }.encode();
    let shown = |object| {
        Data::from(Arc::new(Shown {
            kind: Arc::clone(kind),
            object: Arc::clone(object),
            whole: true,
        }))
    };
    let nodes: Vec<Data> = objects.iter().map(shown).collect();
    let edges = objects.iter().zip(&nodes).map(|(object, node)| {
        let edge = Record::new("").with("cursor", cursor(&object.key.name));
        Data::from(edge.with("node", node.clone()))
    });
    let ends =
        |object: Option<&Arc<pintle_model::Object>>| object.map(|object| cursor(&object.key.name));
    let page = Record::new("")
        .with("hasNextPage", next.is_some())
        .with("hasPreviousPage", !is_first)
        .with("startCursor", ends(objects.first()))
        .with("endCursor", ends(objects.last()));
    // Whoever sees the first page and no second one has seen all.
    let total =
        (is_first && next.is_none()).then(|| i64::try_from(objects.len()).unwrap_or(i64::MAX));
    Record::new("")
        .with("edges", Data::List(edges.collect()))
        .with("nodes", Data::List(nodes))
        .with("pageInfo", page)
        .with("totalCount", total)
        .with("resourceVersion", revision.to_string())
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_and_nonsense_does_not() {
        for (namespace, name) in [("default", "a"), ("", "system:x"), ("ns", "a/b")] {
            let cursor = Cursor { revision: Revision(7), after: ObjectName::new(namespace, name) };
            assert_eq!(Cursor::decode(&cursor.encode()).ok(), Some(cursor));
        }
        for bad in ["", "!!", "MS94", "MS8wMS9hL2I"] {
            assert!(Cursor::decode(bad).is_err(), "{bad}");
        }
    }
}
