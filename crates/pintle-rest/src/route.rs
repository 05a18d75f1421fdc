//! What a path names.

use std::borrow::Cow;

use http::Method;
use pintle_authz::{ReviewKind, Verb};
use pintle_http::percent_decoded;

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

/// The shapes of the paths below a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Collection,
    Object,
    Status,
    Condition,
}

/// What can be done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    List,
    Create,
    Get,
    Replace,
    Patch,
    Delete,
    GetStatus,
    ReplaceStatus,
    PatchStatus,
    PutCondition,
    RemoveCondition,
}

impl Shape {
    pub(crate) const ALL: [Self; 4] =
        [Self::Collection, Self::Object, Self::Status, Self::Condition];

    /// The path behind the name of the kind.
    pub(crate) const fn template(self) -> &'static str {
        match self {
            Self::Collection => "",
            Self::Object => "/{id}",
            Self::Status => "/{id}/status",
            Self::Condition => "/{id}/status/conditions/{type}",
        }
    }

    /// The table of routes: what each method does there. `HEAD` goes wherever `GET` does.
    pub(crate) const fn operations(self) -> &'static [(Method, Operation)] {
        match self {
            Self::Collection => {
                &[(Method::GET, Operation::List), (Method::POST, Operation::Create)]
            }
            Self::Object => &[
                (Method::GET, Operation::Get),
                (Method::PUT, Operation::Replace),
                (Method::PATCH, Operation::Patch),
                (Method::DELETE, Operation::Delete),
            ],
            Self::Status => &[
                (Method::GET, Operation::GetStatus),
                (Method::PUT, Operation::ReplaceStatus),
                (Method::PATCH, Operation::PatchStatus),
            ],
            Self::Condition => &[
                (Method::PUT, Operation::PutCondition),
                (Method::DELETE, Operation::RemoveCondition),
            ],
        }
    }

    /// What a method does there.
    pub(crate) fn operation(self, method: &Method) -> Result<Operation, Failure> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let found = self.operations().iter().find(|(it, _)| it == method);
        found
            .map(|(_, operation)| *operation)
            .ok_or_else(|| Failure::MethodNotAllowed { allow: self.allow() })
    }

    /// What can be done there, as the `Allow` header lists it.
    fn allow(self) -> String {
        let mut names = Vec::new();
        for (method, _) in self.operations() {
            names.push(method.as_str());
            if method == Method::GET {
                names.push("HEAD");
            }
        }
        names.join(", ")
    }
}

impl Place {
    /// The shape of its path.
    pub(crate) const fn shape(&self) -> Shape {
        match self {
            Self::Collection => Shape::Collection,
            Self::Object(_) => Shape::Object,
            Self::Status(_) => Shape::Status,
            Self::Condition(..) => Shape::Condition,
        }
    }

    /// The names in its path: of the object, and of the condition. Empty where there are none.
    pub(crate) fn into_names(self) -> (String, String) {
        match self {
            Self::Collection => (String::new(), String::new()),
            Self::Object(id) | Self::Status(id) => (id, String::new()),
            Self::Condition(id, kind) => (id, kind),
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

    /// Whether a kind of this plural has to be named with its group.
    pub(crate) fn is_kept(name: &str) -> bool {
        name == "events" || Page::named(name).is_some() || ReviewKind::named(name).is_some()
    }

    /// Reads a path. Each segment is decoded by itself, so no name can reach out of its place.
    pub(crate) fn parse(path: &str) -> Result<Self, Failure> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<Cow<'_, str>> = path.split('/').map(decode).collect::<Result<_, _>>()?;
        let Some((name, rest)) = segments.split_first() else { return Err(Failure::NoSuchPath) };
        if name == "events" {
            return if rest.is_empty() { Ok(Self::Events) } else { Err(Failure::NoSuchPath) };
        }
        if let Some(page) = Page::named(name) {
            let below = || Page::at(&format!("{name}/{}", rest.join("/")));
            let page = if rest.is_empty() { Some(page) } else { below() };
            return page.map(Self::Fixed).ok_or(Failure::NoSuchPath);
        }
        if let Some(review) = ReviewKind::named(name) {
            let is_alone = rest.is_empty().then_some(Self::Review(review));
            return is_alone.ok_or(Failure::NoSuchPath);
        }
        let place = match rest {
            [] => Place::Collection,
            [id] => Place::Object(id.to_string()),
            [id, status] if status == "status" => Place::Status(id.to_string()),
            [id, status, conditions, kind] if status == "status" && conditions == "conditions" => {
                Place::Condition(id.to_string(), kind.to_string())
            }
            _ => return Err(Failure::NoSuchPath),
        };
        Ok(Self::Resource { name: name.to_string(), place })
    }
}

/// Undoes percent-encoding. What is empty, not UTF-8 or not encoded right names nothing.
fn decode(segment: &str) -> Result<Cow<'_, str>, Failure> {
    percent_decoded(segment).filter(|segment| !segment.is_empty()).ok_or(Failure::NoSuchPath)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs::Asset;

    #[test]
    fn templates_name_their_own_shapes() {
        for shape in Shape::ALL {
            let path = format!("/devices{}", shape.template());
            let Ok(Route::Resource { place, .. }) = Route::parse(&path) else { panic!("{path}") };
            assert_eq!(place.shape(), shape, "{path}");
        }
    }

    #[test]
    fn methods_do_what_the_table_says() {
        let cases = [
            (Shape::Collection, Method::HEAD, Ok(Operation::List)),
            (Shape::Object, Method::DELETE, Ok(Operation::Delete)),
            (Shape::Collection, Method::PUT, Err("GET, HEAD, POST")),
            (Shape::Object, Method::TRACE, Err("GET, HEAD, PUT, PATCH, DELETE")),
            (Shape::Status, Method::DELETE, Err("GET, HEAD, PUT, PATCH")),
            (Shape::Condition, Method::GET, Err("PUT, DELETE")),
        ];
        for (shape, method, expected) in cases {
            let found = shape.operation(&method).map_err(|failure| match failure {
                Failure::MethodNotAllowed { allow } => allow,
                other => panic!("{other:?}"),
            });
            assert_eq!(found, expected.map_err(str::to_owned), "{shape:?} {method}");
        }
    }

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
            ("/docs", Some(Route::Fixed(Page::Docs(Asset::Page)))),
            ("/docs/", Some(Route::Fixed(Page::Docs(Asset::Page)))),
            ("/docs/page.js", Some(Route::Fixed(Page::Docs(Asset::Script)))),
            ("/docs%2Fpage.js", resource("docs/page.js", Place::Collection)),
            ("/docs/page.txt", None),
        ];
        for (path, expected) in cases {
            assert_eq!(Route::parse(path).ok(), expected, "{path}");
        }
    }
}
