//! What a path names.

use std::borrow::Cow;

use http::Method;
use pintle_authz::{Subresource, Verb};
use pintle_engine::NAMESPACES;
use pintle_http::percent_decoded;

/// A path, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/version`
    Version,
    /// `/api`
    LegacyVersions,
    /// `/apis`
    Groups,
    /// `/apis/{group}`
    Group(String),
    /// `/api/v1`, `/apis/{group}/{version}`
    Resources(GroupVersion),
    /// `/openapi/v2`
    OpenApi2,
    /// `/openapi/v3`
    OpenApiIndex,
    /// `/openapi/v3/api/v1`, `/openapi/v3/apis/{group}/{version}`
    OpenApi(GroupVersion),
    /// Objects of a kind.
    Objects(Target),
}

/// A group and one of its versions; the core group is the empty text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupVersion {
    pub(crate) group: String,
    pub(crate) version: String,
}

/// Objects that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) at: GroupVersion,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) part: Option<String>,
    /// The path has the prefix `watch`, from before there was a parameter for it.
    pub(crate) watches: bool,
}

impl GroupVersion {
    /// `v1`, `infra.example.io/v1`.
    pub(crate) fn text(&self) -> String {
        let Self { group, version } = self;
        if group.is_empty() { version.clone() } else { format!("{group}/{version}") }
    }

    /// `/api/v1`, `/apis/infra.example.io/v1`.
    pub(crate) fn path(&self) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        format!("{root}/{}", self.text())
    }
}

impl Route {
    /// Reads a path. Each segment is decoded by itself, so no name can reach out of its place.
    /// Nothing when it names nothing.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<String> = path.split('/').map(decode).collect::<Option<_>>()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if segments.iter().any(|segment| segment.is_empty()) {
            return None;
        }
        match segments.as_slice() {
            ["version"] => Some(Self::Version),
            ["api"] => Some(Self::LegacyVersions),
            ["apis"] => Some(Self::Groups),
            ["apis", group] => Some(Self::Group((*group).to_owned())),
            ["openapi", "v2"] => Some(Self::OpenApi2),
            ["openapi", "v3"] => Some(Self::OpenApiIndex),
            ["openapi", "v3", rest @ ..] => match group_version(rest)? {
                (at, []) => Some(Self::OpenApi(at)),
                _ => None,
            },
            ["api" | "apis", ..] => match group_version(&segments)? {
                (at, []) => Some(Self::Resources(at)),
                (at, rest) => target(at, rest).map(Self::Objects),
            },
            _ => None,
        }
    }

    /// The path, with placeholders for what callers make up.
    pub(crate) fn template(&self) -> &'static str {
        match self {
            Self::Version => "/version",
            Self::LegacyVersions => "/api",
            Self::Groups => "/apis",
            Self::Group(_) => "/apis/{group}",
            Self::Resources(_) => "/apis/{group}/{version}",
            Self::OpenApi2 => "/openapi/v2",
            Self::OpenApiIndex => "/openapi/v3",
            Self::OpenApi(_) => "/openapi/v3/apis/{group}/{version}",
            Self::Objects(target) => match (&target.name, target.part.as_deref()) {
                (None, _) => "/apis/{group}/{version}/{resource}",
                (Some(_), None) => "/apis/{group}/{version}/{resource}/{name}",
                (Some(_), Some("status")) => "/apis/{group}/{version}/{resource}/{name}/status",
                (Some(_), Some("scale")) => "/apis/{group}/{version}/{resource}/{name}/scale",
                (Some(_), Some(_)) => "/apis/{group}/{version}/{resource}/{name}/{subresource}",
            },
        }
    }
}

impl Target {
    /// What a method does there, as the rules call it; nothing where it does nothing.
    pub(crate) fn verb(&self, method: &Method, watches: bool) -> Option<Verb> {
        let many = self.name.is_none();
        match *method {
            Method::GET | Method::HEAD if self.watches || (many && watches) => Some(Verb::Watch),
            Method::GET | Method::HEAD if many => Some(Verb::List),
            Method::GET | Method::HEAD => Some(Verb::Get),
            Method::POST => Some(Verb::Create),
            Method::PUT => Some(Verb::Update),
            Method::PATCH => Some(Verb::Patch),
            Method::DELETE if many => Some(Verb::DeleteCollection),
            Method::DELETE => Some(Verb::Delete),
            _ => None,
        }
    }

    pub(crate) fn subresource(&self) -> Option<Subresource> {
        self.part.as_deref().map(Subresource::parse)
    }
}

fn group_version<'s, 't>(segments: &'s [&'t str]) -> Option<(GroupVersion, &'s [&'t str])> {
    let (group, version, rest) = match segments {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    Some((GroupVersion { group: group.to_owned(), version: version.to_owned() }, rest))
}

/// Parts of a namespace itself; everything else below one is a plural.
const OF_NAMESPACE: [&str; 2] = ["status", "finalize"];

fn target(at: GroupVersion, segments: &[&str]) -> Option<Target> {
    let (watches, segments) = match segments {
        ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
        all => (false, all),
    };
    let (namespace, rest) = match segments {
        [NAMESPACES, namespace, plural, rest @ ..] if !OF_NAMESPACE.contains(plural) => {
            (Some(*namespace), (*plural, rest))
        }
        [plural, rest @ ..] => (None, (*plural, rest)),
        [] => return None,
    };
    let (plural, rest) = rest;
    let owned = |text: &&str| (*text).to_owned();
    let (name, part) = match rest {
        [] => (None, None),
        [name] => (Some(name), None),
        [name, part] => (Some(name), Some(part)),
        _ => return None,
    };
    Some(Target {
        at,
        plural: plural.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.map(owned),
        part: part.map(owned),
        watches,
    })
}

fn decode(segment: &str) -> Option<String> {
    percent_decoded(segment).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(path: &str) -> Option<String> {
        match Route::parse(path)? {
            Route::Objects(it) => {
                let part = |text: Option<String>| text.unwrap_or_default();
                let (namespace, name) = (part(it.namespace), part(it.name));
                let watches = if it.watches { " watch" } else { "" };
                let (at, plural, part) = (it.at.text(), it.plural, part(it.part));
                Some(format!("{at} {plural} {namespace}/{name}/{part}{watches}"))
            }
            _ => None,
        }
    }

    #[test]
    fn paths_name_objects() {
        let cases = [
            ("/api/v1/namespaces", Some("v1 namespaces //")),
            ("/api/v1/namespaces/a", Some("v1 namespaces /a/")),
            ("/api/v1/namespaces/a/status", Some("v1 namespaces /a/status")),
            ("/api/v1/namespaces/a/finalize", Some("v1 namespaces /a/finalize")),
            ("/api/v1/namespaces/a/things", Some("v1 things a//")),
            ("/apis/g.io/v1/namespaces/a/things/b/status", Some("g.io/v1 things a/b/status")),
            ("/apis/g.io/v1/things", Some("g.io/v1 things //")),
            ("/apis/g.io/v1/things/b/scale/", Some("g.io/v1 things /b/scale")),
            ("/apis/g.io/v1/watch/namespaces/a/things", Some("g.io/v1 things a// watch")),
            ("/apis/g.io/v1/namespaces/a/things/b%2Fc", Some("g.io/v1 things a/b/c/")),
            ("/apis/g.io/v1/namespaces/a/things/b/status/c", None),
            ("/apis/g.io/v1//things", None),
            ("/apis/g.io/v1/%", None),
            ("/apis/g.io/v1", None),
        ];
        for (path, expected) in cases {
            assert_eq!(objects(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn paths_name_pages() {
        let at = |group: &str| GroupVersion { group: group.to_owned(), version: "v1".to_owned() };
        let cases = [
            ("/version", Some(Route::Version)),
            ("/api/", Some(Route::LegacyVersions)),
            ("/apis", Some(Route::Groups)),
            ("/apis/g.io", Some(Route::Group("g.io".to_owned()))),
            ("/api/v1", Some(Route::Resources(at("")))),
            ("/openapi/v3", Some(Route::OpenApiIndex)),
            ("/openapi/v3/api/v1", Some(Route::OpenApi(at("")))),
            ("/openapi/v3/apis/g.io/v1", Some(Route::OpenApi(at("g.io")))),
            ("/openapi", None),
            ("/openapi/v4", None),
            ("/version/x", None),
        ];
        for (path, expected) in cases {
            assert_eq!(Route::parse(path), expected, "{path}");
        }
    }
}
