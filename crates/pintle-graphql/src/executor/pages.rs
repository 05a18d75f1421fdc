//! Connections: pages of lists, and the cursors between them.
//!
//! A cursor says where a page ended and of which snapshot it was, so that all pages show one
//! moment. It gives no rights: each page is authorised like the first.

use std::sync::Arc;

use pintle_engine::Listed;
use pintle_http::PageToken;
use pintle_model::ObjectName;

use crate::data::{Data, Record, Shown};
use crate::fault::Fault;
use crate::schema::KindTypes;

/// Where a page goes on, as a caller says it.
pub(crate) fn cursor(text: &str) -> Result<PageToken, Fault> {
    PageToken::decode(text).ok_or_else(|| {
        Fault::bad_input("`after` is no cursor of this server; list again from the start")
    })
}

/// A page as the schema has it.
pub(crate) fn connection(kind: &Arc<KindTypes>, listed: &Listed, is_first: bool) -> Data {
    let Listed { objects, revision, next } = listed;
    let cursor =
        |name: &ObjectName| PageToken { revision: *revision, after: name.clone() }.encode();
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
