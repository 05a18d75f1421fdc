//! What is served, for programs: versions, groups, resources; in the form of old and of new
//! clients.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{ETAG, IF_NONE_MATCH, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use pintle_authz::ReviewKind;
use pintle_engine::{Catalog, Served};
use pintle_http::{Body, set_header};
use pintle_model::{Kind, Scope};
use pintle_schema::{Version, compare_versions};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::accept::{Encoding, Range};
use crate::api::KubeDoor;
use crate::openapi;
use crate::reply::{self, Failure, plain_form};
use crate::review::TOKEN_REVIEW;
use crate::route::{GroupVersion, Route};

/// Pages that say what all of the catalogue is, made once for each.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    aggregated: [Cached; 2],
    index: Cached,
    swagger: Cached,
    protobuf: Cached,
}

/// A page, and the catalogue that it was made from.
#[derive(Debug, Default)]
struct Cached(ArcSwapOption<(Arc<Catalog>, Page)>);

#[derive(Debug, Clone)]
struct Page {
    text: Bytes,
    tag: String,
}

impl Cached {
    fn get<T: Into<Page>>(&self, catalog: &Arc<Catalog>, make: impl FnOnce(&Catalog) -> T) -> Page {
        if let Some(found) = &*self.0.load()
            && Arc::ptr_eq(&found.0, catalog)
        {
            return found.1.clone();
        }
        let page = make(catalog).into();
        self.0.store(Some(Arc::new((Arc::clone(catalog), page.clone()))));
        page
    }
}

impl From<Value> for Page {
    fn from(value: Value) -> Self {
        value.to_string().into_bytes().into()
    }
}

impl From<Vec<u8>> for Page {
    fn from(text: Vec<u8>) -> Self {
        let tag = format!("\"{}\"", hash(&text));
        Self { text: text.into(), tag }
    }
}

/// A name for a text, as hashes in addresses and entity tags.
pub(crate) fn hash(text: &[u8]) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").expect("text grows in memory");
        text
    })
}

/// A page that belongs to no object.
pub(crate) fn page(
    door: &KubeDoor,
    parts: &Parts,
    route: &Route,
) -> Result<Response<Body>, Failure> {
    let catalog = door.engine.catalog();
    let headers = &parts.headers;
    let aggregated = |index: usize, legacy: bool| {
        let media_type = aggregated_form(headers)?;
        let page = door.pages.aggregated.get(index)?.get(&catalog, |it| discovery(it, legacy));
        Some(tagged(headers, &page, media_type))
    };
    let in_one = match route {
        Route::LegacyVersions => aggregated(0, true),
        Route::Groups => aggregated(1, false),
        _ => None,
    };
    if let Some(response) = in_one {
        return Ok(response);
    }
    let value = match route {
        Route::Version => version(),
        Route::LegacyVersions => json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs":
                [{"clientCIDR": "0.0.0.0/0", "serverAddress": host(parts)}],
        }),
        Route::Groups => {
            let groups = groups(&catalog);
            let named = groups.iter().filter(|(group, _)| !group.is_empty());
            let listed: Vec<Value> = named.map(|(group, at)| api_group(group, at)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})
        }
        Route::Group(group) => {
            let groups = groups(&catalog);
            let versions = groups.get(group.as_str()).filter(|_| !group.is_empty());
            let found = api_group(group, versions.ok_or(Failure::NoSuchPath)?);
            with_type("APIGroup", found)
        }
        Route::Resources(at) => resource_list(&catalog, at).ok_or(Failure::NoSuchPath)?,
        Route::OpenApiIndex => {
            let page = door.pages.index.get(&catalog, openapi::index);
            return Ok(tagged(headers, &page, "application/json"));
        }
        Route::OpenApi(at) => {
            openapi::kinds(&catalog, at).next().ok_or(Failure::NoSuchPath)?;
            let page = Page::from(openapi::document(&catalog, at));
            return Ok(tagged(headers, &page, "application/json"));
        }
        Route::OpenApi2 => return Ok(old_description(door, &catalog, headers)),
        Route::Objects(_) => return Err(Failure::NoSuchPath),
    };
    Ok(reply::document(200, plain_form(headers)?.encoding, &value))
}

/// The description of old clients, which read it as protobuf.
fn old_description(door: &KubeDoor, catalog: &Arc<Catalog>, headers: &HeaderMap) -> Response<Body> {
    let wants = Range::all(headers).iter().any(openapi::v2::is_wanted);
    if wants {
        let page =
            door.pages.protobuf.get(catalog, |it| openapi::v2::protobuf(&openapi::v2::swagger(it)));
        return tagged(headers, &page, openapi::v2::PROTOBUF);
    }
    let page = door.pages.swagger.get(catalog, openapi::v2::swagger);
    tagged(headers, &page, "application/json")
}

/// The version of Kubernetes whose API this is, and of the server that has it.
fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "gitVersion": format!("v1.36.0+pintle-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

fn host(parts: &Parts) -> &str {
    let host = parts.headers.get(http::header::HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or_default()
}

fn with_type(kind: &str, value: Value) -> Value {
    let mut fields = match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    fields.insert("kind".to_owned(), json!(kind));
    fields.insert("apiVersion".to_owned(), json!("v1"));
    Value::Object(fields)
}

/// One resource of a version of a group.
enum Resource<'a> {
    Kind(&'a Served, &'a Version),
    /// A question: its plural and its kind, and whether it is asked in a namespace.
    Question(String, &'a str, bool),
}

/// What each version of each group has; versions in their order of priority.
type Groups<'a> = BTreeMap<&'a str, Vec<(&'a str, Vec<Resource<'a>>)>>;

fn groups(catalog: &Catalog) -> Groups<'_> {
    let mut groups = Groups::new();
    let mut add = |group, version, resource| {
        let versions = groups.entry(group).or_default();
        match versions.iter_mut().find(|(name, _)| *name == version) {
            Some((_, resources)) => resources.push(resource),
            None => versions.push((version, vec![resource])),
        }
    };
    for served in catalog.iter().chain(catalog.views()) {
        for version in served.definition.versions.iter().filter(|version| version.served) {
            let resource = Resource::Kind(served, version);
            add(&*served.definition.kind.group, &*version.name, resource);
        }
    }
    for review in ReviewKind::ALL {
        let resource = review.resource();
        let local = review == ReviewKind::LocalSubjectAccess;
        let question = Resource::Question(resource.plural().to_owned(), review.kind(), local);
        add(review.group(), "v1", question);
    }
    let (plural, kind) = TOKEN_REVIEW;
    add(ReviewKind::SelfSubject.group(), "v1", Resource::Question(plural.to_owned(), kind, false));
    for versions in groups.values_mut() {
        versions.sort_by(|(a, _), (b, _)| compare_versions(a, b));
    }
    groups
}

/// All groups and versions that are served, in order.
pub(crate) fn group_versions(catalog: &Catalog) -> Vec<GroupVersion> {
    let groups = groups(catalog);
    let of_group = |(group, versions): (&&str, &Vec<(&str, Vec<Resource<'_>>)>)| {
        let group = (*group).to_owned();
        let version = |(version, _): &(&str, Vec<Resource<'_>>)| GroupVersion {
            group: group.clone(),
            version: (*version).to_owned(),
        };
        versions.iter().map(version).collect::<Vec<_>>()
    };
    groups.iter().flat_map(of_group).collect()
}

fn api_group(group: &str, versions: &[(&str, Vec<Resource<'_>>)]) -> Value {
    let listed: Vec<Value> = versions
        .iter()
        .map(|(version, _)| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "versions": listed, "preferredVersion": listed.first()})
}

const VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// What can be done with the objects of a kind.
fn verbs(served: &Served) -> Vec<&'static str> {
    let singly = served.definition.habits.deleted_singly;
    VERBS.into_iter().filter(|verb| !(singly && *verb == "deletecollection")).collect()
}

const VERBS_OF_PARTS: [&str; 3] = ["get", "patch", "update"];

/// A part of the objects of a kind with an endpoint of its own.
struct Part {
    name: &'static str,
    /// Group, version and kind of what it shows, where that is not the object.
    kind: Option<(&'static str, &'static str, &'static str)>,
    verbs: &'static [&'static str],
}

fn parts(served: &Served, version: &Version) -> Vec<Part> {
    let mut parts = Vec::new();
    if version.status_subresource {
        parts.push(Part { name: "status", kind: None, verbs: &VERBS_OF_PARTS });
    }
    if version.scale.is_some() {
        let kind = Some(("autoscaling", "v1", "Scale"));
        parts.push(Part { name: "scale", kind, verbs: &VERBS_OF_PARTS });
    }
    if served.definition.habits.finalizers.is_some() {
        parts.push(Part { name: "finalize", kind: None, verbs: &["update"] });
    }
    parts
}

fn resource_list(catalog: &Catalog, at: &GroupVersion) -> Option<Value> {
    let groups = groups(catalog);
    let versions = groups.get(at.group.as_str())?;
    let (_, resources) = versions.iter().find(|(version, _)| *version == at.version)?;
    let listed: Vec<Value> = resources.iter().flat_map(old_form).collect();
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": at.text(),
        "resources": listed,
    }))
}

fn old_form(resource: &Resource<'_>) -> Vec<Value> {
    let (served, version) = match resource {
        Resource::Question(plural, kind, namespaced) => {
            return vec![json!({
                "name": plural,
                "singularName": kind.to_ascii_lowercase(),
                "namespaced": namespaced,
                "kind": kind,
                "verbs": ["create"],
            })];
        }
        Resource::Kind(served, version) => (served, version),
    };
    let kind = &served.definition.kind;
    let namespaced = kind.scope == Scope::Namespaced;
    let mut own = json!({
        "name": &*kind.plural,
        "singularName": &*kind.singular,
        "namespaced": namespaced,
        "kind": &*kind.kind,
        "verbs": verbs(served),
    });
    add_names(&mut own, kind);
    let of_part = |part: Part| {
        let mut listed = json!({
            "name": format!("{}/{}", kind.plural, part.name),
            "singularName": "",
            "namespaced": namespaced,
            "kind": &*kind.kind,
            "verbs": part.verbs,
        });
        if let (Some((group, version, kind)), Some(fields)) = (part.kind, listed.as_object_mut()) {
            for (field, value) in [("group", group), ("version", version), ("kind", kind)] {
                fields.insert(field.to_owned(), json!(value));
            }
        }
        listed
    };
    std::iter::once(own).chain(parts(served, version).into_iter().map(of_part)).collect()
}

fn add_names(value: &mut Value, kind: &Kind) {
    let Some(fields) = value.as_object_mut() else { return };
    for (field, names) in [("shortNames", &kind.short_names), ("categories", &kind.categories)] {
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(|name| &**name).collect();
            fields.insert(field.to_owned(), json!(names));
        }
    }
}

/// `APIGroupDiscoveryList` of `apidiscovery.k8s.io/v2`: everything in one answer.
fn discovery(catalog: &Catalog, legacy: bool) -> Value {
    let groups = groups(catalog);
    let wanted = groups.iter().filter(|(group, _)| group.is_empty() == legacy);
    let items: Vec<Value> = wanted
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|(version, resources)| {
                    let resources: Vec<Value> =
                        resources.iter().map(|it| new_form(group, version, it)).collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            let metadata = if legacy { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn new_form(group: &str, version: &str, resource: &Resource<'_>) -> Value {
    let response = |kind: &str| json!({"group": group, "version": version, "kind": kind});
    let scope = |namespaced: bool| if namespaced { "Namespaced" } else { "Cluster" };
    let (served, declared) = match resource {
        Resource::Question(plural, kind, namespaced) => {
            return json!({
                "resource": plural,
                "responseKind": response(kind),
                "scope": scope(*namespaced),
                "singularResource": kind.to_ascii_lowercase(),
                "verbs": ["create"],
            });
        }
        Resource::Kind(served, version) => (served, version),
    };
    let kind = &served.definition.kind;
    let mut listed = json!({
        "resource": &*kind.plural,
        "responseKind": response(&kind.kind),
        "scope": scope(kind.scope == Scope::Namespaced),
        "singularResource": &*kind.singular,
        "verbs": verbs(served),
    });
    add_names(&mut listed, kind);
    let parts: Vec<Value> = parts(served, declared)
        .into_iter()
        .map(|part| {
            let shown = match part.kind {
                None => response(&kind.kind),
                Some((group, version, kind)) => {
                    json!({"group": group, "version": version, "kind": kind})
                }
            };
            json!({"subresource": part.name, "responseKind": shown, "verbs": part.verbs})
        })
        .collect();
    if let Some(fields) = listed.as_object_mut().filter(|_| !parts.is_empty()) {
        fields.insert("subresources".to_owned(), Value::Array(parts));
    }
    listed
}

/// The media type of the new form, where the client prefers it. The old versions of it are not
/// there: clients that know them know the list of resources too.
fn aggregated_form(headers: &HeaderMap) -> Option<&'static str> {
    let wanted = |range: &Range| {
        let is = |name, value| range.parameter(name) == Some(value);
        is("g", "apidiscovery.k8s.io") && is("v", "v2") && is("as", "APIGroupDiscoveryList")
    };
    let known = |range: &&Range| {
        let plain = range.parameter("as").is_none();
        range.encoding() == Some(Encoding::Json) && (plain || wanted(range))
            || plain && range.encoding().is_some()
    };
    let first = Range::all(headers).iter().find(known).map(wanted)?;
    first.then_some("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
}

/// A page with an entity tag, or that the client has it already.
fn tagged(headers: &HeaderMap, page: &Page, media_type: &str) -> Response<Body> {
    let had = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let has = had.flat_map(|value| value.split(',')).any(|tag| tag.trim() == page.tag);
    let mut response = reply::encoded(200, Encoding::Json, page.text.clone());
    if has {
        *response.body_mut() = Body::empty();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    set_header(headers, http::header::CONTENT_TYPE, media_type);
    set_header(headers, ETAG, &page.tag);
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    response
}
