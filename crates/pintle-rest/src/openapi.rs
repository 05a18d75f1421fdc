//! The description of the door in OpenAPI 3.1: what there is to call, made from the tables that the
//! door itself goes by, and from the kinds of the moment.
//!
//! [`document`] is a function of values. [`Description`] keeps what it made for as long as the
//! kinds stay the same, and answers with it.

mod ecma;
mod kind;
mod names;
mod operations;
mod pages;
mod schema;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, Response, StatusCode};
use pintle_engine::{Catalog, Served};
use pintle_http::{Body, set_header};
use pintle_schema::Version;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::api::RestDoor;
use crate::reply::{Failure, json_bytes};
use names::Names;
use schema::{Fields, with};

/// What of the settings shows in the description.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "settings of their own, in any combination")]
pub struct Terms {
    /// Callers are asked for credentials.
    pub authenticates: bool,
    /// Callers may show a client certificate.
    pub takes_certificates: bool,
    /// Callers without credentials may go on, where rules decide what they may do.
    pub serves_anonymous: bool,
    /// A status write must say which version it was computed from.
    pub requires_status_precondition: bool,
}

/// Describes the door over these kinds.
pub fn document(catalog: &Catalog, terms: Terms) -> Value {
    let names = Names::of(catalog);
    let (mut paths, mut schemas) = (Fields::new(), shared::schemas());
    let mut tags = vec![json!({"name": pages::TAG, "description": "The server itself."})];
    pages::write(&mut paths, terms);
    for served in catalog.iter() {
        let names = names.of_kind(catalog, served);
        let versions = versions(served);
        for version in &versions {
            kind::Parts::of(served, &names, version).write(&mut schemas);
        }
        operations::Subject { served, names: &names, versions: &versions, terms }.write(&mut paths);
        tags.push(tag(served, &names.tag()));
    }
    let mut components = json!({
        "schemas": schemas,
        "parameters": shared::parameters(),
        "headers": shared::headers(),
        "responses": shared::responses(),
    });
    if terms.authenticates {
        components = with(components, "securitySchemes", security_schemes(terms));
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": info(),
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": components,
    });
    if terms.authenticates { with(document, "security", security(terms)) } else { document }
}

fn security_schemes(terms: Terms) -> Value {
    let mut schemes = json!({"bearer": {"type": "http", "scheme": "bearer"}});
    if terms.takes_certificates {
        let text =
            "A client certificate: its common name is the user, its organisations the groups.";
        schemes = with(schemes, "certificate", json!({"type": "mutualTLS", "description": text}));
    }
    schemes
}

/// Any of these will do.
fn security(terms: Terms) -> Value {
    let anonymous = terms.serves_anonymous.then(|| json!({}));
    let certificate = terms.takes_certificates.then(|| json!({"certificate": []}));
    std::iter::once(json!({"bearer": []})).chain(certificate).chain(anonymous).collect()
}

fn info() -> Value {
    json!({
        "title": "Pintle",
        "version": env!("CARGO_PKG_VERSION"),
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        "description":
            "The kinds that this server serves. Users write the object, controllers its status, \
             and neither can touch the half of the other.\n\n`HEAD` goes wherever `GET` does. A \
             version of a kind other than the usual one is asked for with \
             `Accept: application/json;version=v1`. Query parameters that are unknown are refused.",
    })
}

/// The version that is spoken unless another is asked for, and the others by priority.
fn versions(served: &Served) -> Vec<Arc<Version>> {
    let first = served.default_version();
    let others = served.definition.served_versions().into_iter();
    let others = others.filter(|version| !Arc::ptr_eq(version, first));
    std::iter::once(first).chain(others).cloned().collect()
}

fn tag(served: &Served, name: &str) -> Value {
    let document = served.default_version().schema_document.to_value();
    let description = document.get("description").and_then(Value::as_str);
    let resource = served.resource();
    let description = match description {
        Some(text) => format!("`{resource}`: {text}"),
        None => format!("`{resource}`"),
    };
    json!({"name": name, "description": description, "x-pintle-resource": resource.as_str()})
}

/// The description of the kinds of the moment, made when somebody asks for it.
#[derive(Debug, Default)]
pub(crate) struct Description {
    /// Held while one is made, so that many who ask at once make it once.
    newest: tokio::sync::Mutex<Option<Made>>,
}

#[derive(Debug, Clone)]
struct Made {
    /// Catalogues are compared by address: whoever holds the same one has the same kinds.
    of: Arc<Catalog>,
    text: Bytes,
    tag: String,
}

impl Description {
    /// Answers a read, with 304 for whoever has the newest one.
    pub(crate) async fn answer(
        &self,
        door: &RestDoor,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Failure> {
        let made = self.newest(door).await?;
        let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|it| it.to_str().ok());
        let mut response = if known.flat_map(|it| it.split(',')).any(|it| made.is(it)) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            json_bytes(StatusCode::OK, made.text)
        };
        set_header(response.headers_mut(), ETAG, &made.tag);
        Ok(response)
    }

    async fn newest(&self, door: &RestDoor) -> Result<Made, Failure> {
        let mut newest = self.newest.lock().await;
        let catalog = door.engine.catalog();
        if let Some(made) = newest.as_ref().filter(|made| Arc::ptr_eq(&made.of, &catalog)) {
            return Ok(made.clone());
        }
        // A hundred large kinds take a while, and others want to be served meanwhile.
        let terms = door.settings.terms();
        let made = tokio::task::spawn_blocking(move || Made::new(catalog, terms)).await;
        let made = made.map_err(|_| Failure::internal("the description could not be made"))?;
        *newest = Some(made.clone());
        Ok(made)
    }
}

impl Made {
    fn new(of: Arc<Catalog>, terms: Terms) -> Self {
        let text = Bytes::from(document(&of, terms).to_string());
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(&text));
        Self { of, text, tag: format!("\"{digest}\"") }
    }

    /// Whether an entity tag of a read is of this one. Reads compare weakly.
    fn is(&self, tag: &str) -> bool {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.tag
    }
}
