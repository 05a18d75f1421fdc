//! GET: one object, or many.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ETAG, IF_MATCH, IF_NONE_MATCH, LINK};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use pintle_authz::{Forbidden, Granted, Reach, Subresource, Verb};
use pintle_engine::{Get, List, Listed, Refusal, Selection, Served};
use pintle_events::document::{View, write_object};
use pintle_http::{Body, EntityTags, PageToken, Subject, set_header};
use pintle_model::Object;
use pintle_rules::{Conflict, Refusal as RulesRefusal};
use pintle_schema::Version;

use crate::api::Call;
use crate::reply::{self, Failure, Refused, json_bytes, object_response};

/// The revision of the snapshot that a list shows.
const RESOURCE_VERSION: HeaderName = HeaderName::from_static("pintle-resource-version");

impl Call<'_> {
    pub(crate) fn subject(&self, id: &str) -> Subject {
        Subject { resource: self.resource(), name: id.to_owned() }
    }

    pub(crate) fn refused(&self, mut refusal: Refusal, id: &str) -> Failure {
        if let Refusal::Forbidden(forbidden) = &mut refusal {
            if self.door.settings.entrance.is_stranger(&self.caller) {
                return Failure::LoginRequired;
            }
            tell_only_what_was_asked(forbidden, id);
        }
        Failure::Refused(Box::new(Refused {
            refusal,
            subject: self.subject(id),
            by_header: false,
            current: None,
            searched: self.is_namespaced().then(|| self.namespace().to_owned()),
        }))
    }
}

/// Who asked with a uid and may not look is refused in the same words whether or not there is such
/// an object: not with its name and its namespace.
fn tell_only_what_was_asked(forbidden: &mut Forbidden, id: &str) {
    let ask = &mut *forbidden.ask;
    if ask.name.as_deref().is_some_and(|name| name != id) {
        ask.namespace = None;
        ask.name = Some(id.into());
    }
}

/// One object. Its status can be read with `get` on the object or on its status; whoever has only
/// the latter sees no body.
pub(crate) async fn get(call: Call<'_>, id: &str, status: bool) -> Result<Response<Body>, Failure> {
    let (served, version) = (&call.served, &call.version);
    if status && !version.status_subresource {
        return Err(Failure::NoStatusSubresource { version: version.name.to_string() });
    }
    let key = call.address(id);
    let get = |subresource| Get { key: key.clone(), version: Arc::clone(version), subresource };
    let whole = call.grant(get(None), id);
    let (granted, view) = match whole {
        Ok(granted) => (granted, View::Whole),
        Err(_) if status => (call.grant(get(Some(Subresource::Status)), id)?, View::WithoutBody),
        Err(failure) => return Err(failure),
    };
    let object = call.engine().get(&granted).await.map_err(|refusal| call.refused(refusal, id))?;
    call.recording.note(|exchange| exchange.shown(&object));
    conditional(&call, id, &object)?
        .map_or_else(|| Ok(object_response(StatusCode::OK, served, version, &object, view)), Ok)
}

/// Answers a conditional read: 304 when the caller has this version, 412 when it wants another.
fn conditional(
    call: &Call<'_>,
    id: &str,
    object: &Arc<Object>,
) -> Result<Option<Response<Body>>, Failure> {
    let tags = |name| -> Result<Option<EntityTags>, Failure> {
        let header = call.parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        Ok(header.map(EntityTags::parse).transpose()?)
    };
    if let Some(EntityTags::List { revisions, .. }) = tags(IF_MATCH)?
        && !revisions.contains(&object.revision)
    {
        let Some(expected) = revisions.first() else { return Err(Failure::NeverMatches) };
        let conflict = Box::new(Conflict::since(*expected, object));
        return Err(Failure::Refused(Box::new(Refused {
            refusal: Refusal::Rules(RulesRefusal::Conflict(conflict)),
            subject: call.subject(id),
            by_header: true,
            current: None,
            searched: None,
        })));
    }
    if tags(IF_NONE_MATCH)?.is_some_and(|tags| tags.lists(object.revision)) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        set_header(response.headers_mut(), ETAG, &format!("\"{}\"", object.revision));
        return Ok(Some(response));
    }
    Ok(None)
}

impl Call<'_> {
    /// What the query selects, once for each namespace that the caller may see.
    pub(crate) fn selections(&self, verb: &Verb) -> Vec<Selection> {
        let selection = |namespace: Option<Arc<str>>| Selection {
            served: Arc::clone(&self.served),
            version: Arc::clone(&self.version),
            namespace,
            labels: self.query.labels.clone(),
            fields: self.query.fields.clone(),
        };
        if !self.is_namespaced() {
            return vec![selection(None)];
        }
        if let Some(namespace) = &self.query.namespace {
            return vec![selection(Some(namespace.as_str().into()))];
        }
        match self.engine().reach(&self.caller.user, verb, &self.resource(), None) {
            Reach::Namespaces(namespaces) => {
                namespaces.into_iter().map(|namespace| selection(Some(namespace))).collect()
            }
            // Where the caller may see nothing, the rules are asked and say so.
            Reach::Everywhere | Reach::Nowhere => vec![selection(None)],
        }
    }
}

/// All objects of a kind that the caller may see, as a bare array.
pub(crate) async fn list(call: Call<'_>) -> Result<Response<Body>, Failure> {
    if call.query.resource_version.is_some() {
        return Err(Failure::bad_request(
            "resourceVersion goes with watch=true; a list shows the newest state",
        ));
    }
    let token = call.query.continue_token.as_deref().map(page_token).transpose()?;
    let grants = call.selections(&Verb::List).into_iter().map(|selection| {
        let list = List {
            selection,
            limit: call.query.limit,
            after: token.as_ref().map(|token| token.after.clone()),
            at: token.as_ref().map(|token| token.revision),
        };
        call.grant(list, "")
    });
    let grants: Vec<Granted<List>> = grants.collect::<Result<_, _>>()?;
    let listed = call.engine().list(&grants).await.map_err(|refusal| call.refused(refusal, ""))?;
    let revision = listed.revision.to_string();
    let next = listed
        .next
        .as_ref()
        .map(|after| PageToken { revision: listed.revision, after: after.clone() }.encode());
    let mut response = array(Arc::clone(&call.served), Arc::clone(&call.version), listed);
    reply::set_media_type(&mut response, &call.served, &call.version);
    set_header(response.headers_mut(), RESOURCE_VERSION, &revision);
    if let Some(token) = next {
        set_header(response.headers_mut(), LINK, &next_link(&call, &token));
    }
    Ok(response)
}

/// The address of the next page: this one with another token (RFC 8288).
fn next_link(call: &Call<'_>, token: &str) -> String {
    let path = call.parts.uri.path();
    let query = call.parts.uri.query().unwrap_or_default();
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("continue="));
    let pairs: Vec<&str> = kept.collect();
    let and = if pairs.is_empty() { "" } else { "&" };
    format!("<{path}?{}{and}continue={token}>; rel=\"next\"", pairs.join("&"))
}

/// A list goes out in pieces of about this size, so that one of a gigabyte takes no gigabyte.
const PIECE_BYTES: usize = 64 * 1024;

fn array(served: Arc<Served>, version: Arc<Version>, listed: Listed) -> Response<Body> {
    let total: usize = listed.objects.iter().map(|object| object.size() + 512).sum();
    let mut pieces =
        Pieces { served, version, objects: listed.objects.into_iter(), state: State::Start };
    if total <= PIECE_BYTES {
        let whole = pieces.next().unwrap_or_default();
        return json_bytes(StatusCode::OK, whole);
    }
    let mut response = json_bytes(StatusCode::OK, Bytes::new());
    *response.body_mut() = Body::stream(futures_util::stream::iter(pieces));
    response
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Start,
    Middle,
    Done,
}

/// The text of an array, a piece at a time.
#[derive(Debug)]
struct Pieces {
    served: Arc<Served>,
    version: Arc<Version>,
    objects: std::vec::IntoIter<Arc<Object>>,
    state: State,
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut out = String::new();
        match self.state {
            State::Start => out.push('['),
            State::Middle => {}
            State::Done => return None,
        }
        while out.len() < PIECE_BYTES {
            let Some(object) = self.objects.next() else {
                out.push(']');
                self.state = State::Done;
                return Some(out.into());
            };
            if self.state == State::Middle {
                out.push(',');
            }
            self.state = State::Middle;
            write_object(&mut out, &self.served, &self.version, &object, View::Whole);
        }
        Some(out.into())
    }
}

/// Whether the caller asks for a media type.
pub(crate) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let values = headers.get_all(ACCEPT).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.split(';').next().is_some_and(|part| part.trim() == media_type))
}

fn page_token(text: &str) -> Result<PageToken, Failure> {
    PageToken::decode(text).ok_or_else(|| {
        Failure::bad_request(
            "the continue token is not one of this server's; list again from the start",
        )
    })
}
