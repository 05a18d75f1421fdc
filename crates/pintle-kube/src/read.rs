//! GET: one object, or many.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Response;
use pintle_authz::Subresource;
use pintle_engine::{Get, List, Listed, Refusal, Selection};
use pintle_http::Body;
use pintle_model::{Object, ObjectName, Revision};
use serde_json::{Value, json};

use crate::accept::{Encoding, Form, Shape};
use crate::api::Call;
use crate::document::{self, View, write_object, write_partial};
use crate::face::Face;
use crate::options::{ListOptions, Match, revision};
use crate::refusals::Deed;
use crate::reply::{Failure, encoded};
use crate::status::Status;
use crate::table::Table;

/// One object, or its status, which shows as much to whoever may read the object.
pub(crate) async fn get(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let form = Form::asked_for(&call.parts.headers).ok_or(Failure::NotAcceptable)?;
    let get = Get {
        key: call.key(),
        version: Arc::clone(&call.face.version),
        subresource: call.target.part.as_deref().map(Subresource::parse),
    };
    let granted = call.grant(get)?;
    let refused = |refusal| call.refused(refusal, call.name(), Deed::Read);
    let wanted = call.query.text("resourceVersion").map(revision).transpose()?;
    if let Some(asked) = wanted {
        not_older_than(&call, asked).map_err(refused)?;
    }
    let object = call.engine().get(&granted).await.map_err(refused)?;
    call.recording.note(|exchange| exchange.shown(&object));
    Ok(show(&call, form, 200, &object, call.view(&object)))
}

/// Refuses a version that was not given out yet.
fn not_older_than(call: &Call<'_>, asked: Revision) -> Result<(), Refusal> {
    let newest = call.engine().newest();
    if asked > newest { Err(Refusal::FromTheFuture { asked, newest }) } else { Ok(()) }
}

/// An answer that is one object.
pub(crate) fn show(
    call: &Call<'_>,
    form: Form,
    code: u16,
    object: &Object,
    view: View,
) -> Response<Body> {
    let Face { served, version: shown, .. } = &call.face;
    let kind = &served.definition.kind;
    let json = match form.shape {
        Shape::Object => document::object(kind, shown, object, view),
        Shape::Partial(version) => {
            let mut out = String::new();
            write_partial(&mut out, version, object);
            out.into()
        }
        Shape::Table(version) => {
            let include = Include::of(call).unwrap_or(Include::Metadata);
            let mut table = Table::new(&call.face.served, &call.face.version, version, include);
            table.add(object, view);
            table.finish(&json!({"resourceVersion": object.revision.to_string()}), true).into()
        }
    };
    encoded(code, form.encoding, json)
}

/// What stands beside the cells of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Include {
    None,
    Metadata,
    Object,
}

impl Include {
    pub(crate) fn of(call: &Call<'_>) -> Result<Self, Failure> {
        match call.query.text("includeObject") {
            None | Some("Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::None),
            Some("Object") => Ok(Self::Object),
            Some(other) => {
                let other: String = other.chars().take(64).collect();
                Err(Failure::bad_request(format!(
                    "includeObject {other:?} is unknown; known are None, Metadata and Object"
                )))
            }
        }
    }
}

impl Call<'_> {
    pub(crate) fn selection(&self, options: &ListOptions) -> Selection {
        let mut fields = self.face.stored_fields(options.fields.clone());
        // The old prefix of watches can name one object.
        if let Some(name) = &self.target.name {
            fields.terms.push(pintle_model::FieldTerm {
                path: "metadata.name".to_owned(),
                value: name.clone(),
                equal: true,
            });
        }
        Selection {
            served: Arc::clone(&self.served),
            version: Arc::clone(&self.version),
            namespace: self.target.namespace.as_deref().map(Arc::from),
            labels: options.labels.clone(),
            fields,
        }
    }
}

/// All objects of a kind that are selected, in key order, from one snapshot.
pub(crate) async fn list(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let form = Form::asked_for(&call.parts.headers).ok_or(Failure::NotAcceptable)?;
    let options = ListOptions::of(&call.query, false)?;
    let token = options.token.as_deref().map(ContinueToken::decode).transpose()?;
    if token.is_some() && options.version.is_some_and(|version| version > Revision::ZERO) {
        return Err(Failure::bad_request(
            "specifying resource version is not allowed when using continue",
        ));
    }
    let include = Include::of(&call)?;
    let refused = |refusal| call.refused(refusal, "", Deed::Read);
    let at = match &token {
        Some(token) => token.revision,
        None => snapshot(&options),
    };
    let after = token.as_ref().map(|token| token.after.clone());
    let selection = call.selection(&options);
    let plain = selection.labels.is_everything() && selection.fields.is_everything();
    let list = List { selection, limit: options.limit, after: after.clone(), at };
    let granted = call.grant(list)?;
    if let Some(asked) = options.version {
        not_older_than(&call, asked).map_err(refused)?;
    }
    let listed = match call.engine().list(std::slice::from_ref(&granted)).await {
        Ok(listed) => listed,
        Err(Refusal::Expired { .. }) => return Err(expired(after)),
        Err(refusal) => return Err(refused(refusal)),
    };
    let mut metadata = json!({"resourceVersion": listed.revision.to_string()});
    if let (Some(next), Some(fields)) = (&listed.next, metadata.as_object_mut()) {
        let token = ContinueToken { revision: Some(listed.revision), after: next.clone() };
        fields.insert("continue".to_owned(), Value::from(token.encode()));
        if plain {
            let rest = call.engine().count_after(&granted, next, listed.revision).await;
            if let Some(rest) = rest.map_err(refused)? {
                fields.insert("remainingItemCount".to_owned(), Value::from(rest));
            }
        }
    }
    Ok(collection(&call, form, include, listed, &metadata))
}

/// The revision that exactly is asked for; nothing for the newest.
fn snapshot(options: &ListOptions) -> Option<Revision> {
    let version = options.version.filter(|version| *version > Revision::ZERO)?;
    match (options.matches, options.limit) {
        (Some(Match::Exact), _) | (None, Some(_)) => Some(version),
        (Some(Match::NotOlderThan), _) | (None, None) => None,
    }
}

/// History no longer has the snapshot. Whoever was in the middle of it can go on with what there is
/// now, if they want to.
fn expired(after: Option<ObjectName>) -> Failure {
    let Some(after) = after else {
        let message = "The resourceVersion for the provided list is too old.";
        return Failure::told(Status::new(410, "Expired", message));
    };
    let token = ContinueToken { revision: None, after }.encode();
    let message = "The provided continue parameter is too old to display a consistent list \
                   result. You can start a new list without the continue parameter, or use the \
                   continue token in this response to retrieve the remainder of the results. \
                   Continuing with the provided token results in an inconsistent list - objects \
                   that were created, modified, or deleted between the time the first chunk was \
                   returned and now may show up in the list.";
    let mut status = Status::new(410, "Expired", message);
    status.metadata.insert("continue".to_owned(), Value::from(token));
    Failure::told(status)
}

/// A list goes out in pieces of about this size, so that one of a gigabyte takes no gigabyte.
const PIECE_BYTES: usize = 64 * 1024;

/// An answer that is a list.
pub(crate) fn collection(
    call: &Call<'_>,
    form: Form,
    include: Include,
    listed: Listed,
    metadata: &Value,
) -> Response<Body> {
    if let Shape::Table(version) = form.shape {
        let mut table = Table::new(&call.face.served, &call.face.version, version, include);
        for object in &listed.objects {
            table.add(object, View { fields: call.face.fields, ..View::WHOLE });
        }
        return encoded(200, form.encoding, table.finish(metadata, true).into());
    }
    let total: usize = listed.objects.iter().map(|object| object.size() + 512).sum();
    let mut pieces = Pieces {
        face: call.face.clone(),
        shape: form.shape,
        objects: listed.objects.into_iter(),
        state: State::Start(metadata.to_string()),
    };
    if total <= PIECE_BYTES || form.encoding == Encoding::Yaml {
        let whole: Vec<Bytes> = pieces.collect();
        return encoded(200, form.encoding, whole.concat().into());
    }
    let mut response = encoded(200, form.encoding, Bytes::new());
    // The first piece is made here, so that the body is never empty.
    let first = pieces.next();
    let pieces = first.into_iter().chain(pieces);
    *response.body_mut() = Body::stream(futures_util::stream::iter(pieces));
    response
}

#[derive(Debug)]
enum State {
    /// With the metadata of the list.
    Start(String),
    Middle,
    Done,
}

/// The text of a list, a piece at a time.
#[derive(Debug)]
struct Pieces {
    face: Face,
    shape: Shape,
    objects: std::vec::IntoIter<Arc<Object>>,
    state: State,
}

impl Pieces {
    fn open(&self, metadata: &str) -> String {
        let kind = &self.face.served.definition.kind;
        let (api_version, list_kind) = match self.shape {
            Shape::Partial(version) => {
                (format!("meta.k8s.io/{version}"), "PartialObjectMetadataList".to_owned())
            }
            Shape::Object | Shape::Table(_) => {
                (kind.api_version(&self.face.version.name), kind.list_kind.to_string())
            }
        };
        format!(
            r#"{{"apiVersion":"{api_version}","kind":"{list_kind}","metadata":{metadata},"items":["#
        )
    }

    fn write(&self, out: &mut String, object: &Object) {
        match self.shape {
            Shape::Partial(version) => write_partial(out, version, object),
            Shape::Object | Shape::Table(_) => {
                let Face { served, version, fields } = &self.face;
                let view = View { body: true, typed: !served.definition.core, fields };
                write_object(out, &served.definition.kind, version, object, view);
            }
        }
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut first = false;
        let mut out = match &self.state {
            State::Start(metadata) => {
                first = true;
                self.open(metadata)
            }
            State::Middle => String::new(),
            State::Done => return None,
        };
        self.state = State::Middle;
        while out.len() < PIECE_BYTES {
            let Some(object) = self.objects.next() else {
                out.push_str("]}");
                self.state = State::Done;
                break;
            };
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            self.write(&mut out, &object);
        }
        Some(out.into())
    }
}

/// Where a page ended, and of which snapshot it was. It gives no rights: each page is authorised
/// like the first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ContinueToken {
    /// Nothing for whatever is there when it is used.
    revision: Option<Revision>,
    after: ObjectName,
}

impl ContinueToken {
    /// Upstream's form, which nobody but the server has to understand.
    fn encode(&self) -> String {
        let Self { revision, after } = self;
        let revision = revision.map_or_else(|| json!(-1), |revision| json!(revision.0));
        let start = format!("{}/{}\0", after.namespace, after.name);
        URL_SAFE_NO_PAD
            .encode(json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start}).to_string())
    }

    fn decode(text: &str) -> Result<Self, Failure> {
        Self::read(text).ok_or_else(|| {
            Failure::bad_request("continue key is not valid: it is none of this server's")
        })
    }

    fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let start = value.get("start")?.as_str()?.strip_suffix('\0')?;
        let (namespace, name) = start.split_once('/')?;
        let revision = match value.get("rv")? {
            Value::Number(number) if number.as_i64() == Some(-1) => None,
            number => Some(Revision(number.as_u64()?)),
        };
        Some(Self { revision, after: ObjectName::new(namespace, name) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_and_nonsense_does_not() {
        for (namespace, name) in [("default", "a"), ("", "system:x"), ("ns", "a/b")] {
            for revision in [None, Some(Revision(7))] {
                let token = ContinueToken { revision, after: ObjectName::new(namespace, name) };
                assert_eq!(ContinueToken::decode(&token.encode()).ok(), Some(token));
            }
        }
        for bad in ["", "!!", "garbage!", "e30", "eyJydiI6MX0"] {
            assert!(ContinueToken::decode(bad).is_err(), "{bad}");
        }
    }
}
