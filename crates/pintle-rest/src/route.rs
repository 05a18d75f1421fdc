//! What a path names.

use std::borrow::Cow;

use http::Method;
use pintle_authz::{ReviewKind, Verb};

use crate::reply::{Failure, Page};

/// A path, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// A page of the door's own. Those win over kinds of the same name.
    Fixed(Page),
    /// Lifecycle events, of all kinds that a caller may watch.
    Events,
    /// A question about rights.
    Review(ReviewKind),
    /// Something of a kind.
    Resource {
        /// `devices` or `devices.infra.example.io`.
        name: String,
        /// What of it.
        place: Place,
    },
}

/// A place below a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// `/devices`
    Collection,
    /// `/devices/{id}`
    Object(String),
    /// `/devices/{id}/status`
    Status(String),
    /// `/devices/{id}/status/conditions/{type}`
    Condition(String, String),
}

impl Place {
    /// What can be done there, as the `Allow` header lists it.
    pub(crate) const fn methods(&self) -> &'static str {
        match self {
            Self::Collection => "GET, HEAD, POST",
            Self::Object(_) => "GET, HEAD, PUT, PATCH, DELETE",
            Self::Status(_) => "GET, HEAD, PUT, PATCH",
            Self::Condition(..) => "PUT, DELETE",
        }
    }

    /// The path, with placeholders for what callers make up.
    const fn template(&self) -> &'static str {
        match self {
            Self::Collection => "/{resource}",
            Self::Object(_) => "/{resource}/{id}",
            Self::Status(_) => "/{resource}/{id}/status",
            Self::Condition(..) => "/{resource}/{id}/status/conditions/{type}",
        }
    }

    /// What a method does here. Whether a read of a collection is a watch, the query says.
    pub(crate) fn verb(&self, method: &Method) -> Option<Verb> {
        match (self, method) {
            (Self::Collection, &Method::GET | &Method::HEAD) => Some(Verb::List),
            (Self::Collection, &Method::POST) => Some(Verb::Create),
            (Self::Object(_) | Self::Status(_), &Method::GET | &Method::HEAD) => Some(Verb::Get),
            (Self::Object(_) | Self::Status(_), &Method::PUT) => Some(Verb::Update),
            (Self::Object(_) | Self::Status(_), &Method::PATCH)
            | (Self::Condition(..), &Method::PUT | &Method::DELETE) => Some(Verb::Patch),
            (Self::Object(_), &Method::DELETE) => Some(Verb::Delete),
            _ => None,
        }
    }
}

impl Route {
    /// The path, with placeholders for what callers make up.
    pub(crate) const fn template(&self) -> &'static str {
        match self {
            Self::Fixed(page) => page.path(),
            Self::Events => "/events",
            Self::Review(_) => "/{review}",
            Self::Resource { place, .. } => place.template(),
        }
    }

    /// Reads a path. Each segment is decoded by itself, so no name can reach out of its place.
    pub(crate) fn parse(path: &str) -> Result<Self, Failure> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<String> = path.split('/').map(decode).collect::<Result<_, _>>()?;
        if segments.iter().any(String::is_empty) {
            return Err(Failure::NoSuchPath);
        }
        let mut segments = segments.into_iter();
        let Some(name) = segments.next() else { return Err(Failure::NoSuchPath) };
        let rest: Vec<String> = segments.collect();
        if name == "events" {
            return if rest.is_empty() { Ok(Self::Events) } else { Err(Failure::NoSuchPath) };
        }
        if let Some(page) = Page::named(&name) {
            return if rest.is_empty() { Ok(Self::Fixed(page)) } else { Err(Failure::NoSuchPath) };
        }
        if let Some(review) = ReviewKind::named(&name) {
            let is_alone = rest.is_empty().then_some(Self::Review(review));
            return is_alone.ok_or(Failure::NoSuchPath);
        }
        let place = match rest.as_slice() {
            [] => Place::Collection,
            [id] => Place::Object(id.clone()),
            [id, status] if status == "status" => Place::Status(id.clone()),
            [id, status, conditions, kind] if status == "status" && conditions == "conditions" => {
                Place::Condition(id.clone(), kind.clone())
            }
            _ => return Err(Failure::NoSuchPath),
        };
        Ok(Self::Resource { name, place })
    }
}

/// Undoes percent-encoding. What is not UTF-8, or not encoded right, names nothing.
fn decode(segment: &str) -> Result<String, Failure> {
    percent_decoded(segment).map(Cow::into_owned).ok_or(Failure::NoSuchPath)
}

/// Undoes percent-encoding; nothing when the text is not encoded right.
pub(crate) fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_places() {
        let resource = |name: &str, place| Some(Route::Resource { name: name.to_owned(), place });
        let id = || "a".to_owned();
        let cases = [
            ("/devices", resource("devices", Place::Collection)),
            ("/devices/", resource("devices", Place::Collection)),
            (
                "/devices.infra.example.io/a",
                resource("devices.infra.example.io", Place::Object(id())),
            ),
            ("/devices/a/status", resource("devices", Place::Status(id()))),
            (
                "/devices/a/status/conditions/Ready",
                resource("devices", Place::Condition(id(), "Ready".to_owned())),
            ),
            ("/devices/a%2Fb", resource("devices", Place::Object("a/b".to_owned()))),
            ("/devices/a/spec", None),
            ("/devices//a", None),
            ("/", None),
            ("//", None),
            ("/devices/%", None),
            ("/devices/%zz", None),
            ("/devices/%ff", None),
            ("/healthz", Some(Route::Fixed(Page::Healthz))),
            ("/healthz/x", None),
            ("/events", Some(Route::Events)),
            ("/selfsubjectreviews", Some(Route::Review(ReviewKind::SelfSubject))),
            ("/selfsubjectreviews/a", None),
            ("/events/x", None),
            ("/events.core", resource("events.core", Place::Collection)),
        ];
        for (path, expected) in cases {
            assert_eq!(Route::parse(path).ok(), expected, "{path}");
        }
    }
}
