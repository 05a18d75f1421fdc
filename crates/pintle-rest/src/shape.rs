//! The shapes that bodies come in, brought to one.
//!
//! Fabrica's first clients send spec fields flattened beside `name`; later ones, and everybody
//! else, send an envelope. Status comes bare or wrapped, and a patch is relative to the object or
//! to its lane. Where a key could be either, the kind's schema decides.

use pintle_model::json::{self, Fields};
use pintle_rules::{Document, Patch, PatchFormat, PatchRoot};
use pintle_schema::Version;
use serde_json::{Map, Value};

use crate::reply::Failure;

/// The document of a create or a replace, and what it says it is.
#[derive(Debug, Default)]
pub(crate) struct Shaped {
    pub(crate) document: Document,
    pub(crate) api_version: Option<String>,
    pub(crate) kind: Option<String>,
    /// The spec fields stood beside the name.
    pub(crate) flattened: bool,
}

const ROOT_FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// Whether paths or keys begin at the object or at its lane.
fn root_of<'k, K: Iterator<Item = &'k str> + Clone>(
    version: &Version,
    lane: &str,
    mut keys: K,
) -> PatchRoot {
    let lane_schema = version.schema.property(lane);
    let declared = |key: &str| lane_schema.is_some_and(|schema| schema.property(key).is_some());
    let at_root = |key: &str| ROOT_FIELDS.contains(&key) || version.schema.property(key).is_some();
    let has_lane = lane == "status" || lane_schema.is_some();
    if has_lane && keys.clone().all(declared) {
        return PatchRoot::Lane;
    }
    if !has_lane || keys.any(at_root) { PatchRoot::Object } else { PatchRoot::Lane }
}

/// Reads the body of a POST or PUT to an object.
pub(crate) fn object(text: &[u8], version: &Version) -> Result<Shaped, Failure> {
    let parsed = parse(text)?;
    let Value::Object(fields) = parsed else {
        return Err(Failure::bad_request("the body must be a JSON object"));
    };
    if fields.is_empty() {
        return Err(Failure::bad_request("the body is an empty object, which says nothing"));
    }
    // Labels and annotations beside the spec fields belong to the metadata in both shapes.
    let keys = fields.keys().map(String::as_str);
    let own = keys.filter(|key| !matches!(*key, "labels" | "annotations" | "name"));
    let enveloped = root_of(version, "spec", own.clone()) == PatchRoot::Object;
    let only_metadata_keys = own.clone().next().is_none();
    if enveloped && !(only_metadata_keys && version.schema.property("spec").is_some()) {
        envelope(fields, version)
    } else if only_metadata_keys || knows_one(version, "spec", own) {
        Ok(flattened(fields, version))
    } else {
        Err(knows_none("spec", fields.keys().map(String::as_str)))
    }
}

/// Whether a lane may have one of these fields. A body of which nothing is known is a misspelt one,
/// and taking it for the lane would empty the lane.
fn knows_one<'k, K: Iterator<Item = &'k str>>(version: &Version, lane: &str, mut keys: K) -> bool {
    let Some(schema) = version.schema.property(lane) else { return true };
    schema.preserves_unknown()
        || keys.any(|key| key == "namespace" || schema.property(key).is_some())
}

fn knows_none<'k, K: Iterator<Item = &'k str>>(lane: &str, names: K) -> Failure {
    let names: Vec<&str> = names.take(5).collect();
    Failure::bad_request(format!(
        "none of the fields of the body is known, neither as one of the object nor as one of its \
         {lane}: {}",
        names.join(", ").chars().take(200).collect::<String>()
    ))
}

fn envelope(mut fields: Map<String, Value>, version: &Version) -> Result<Shaped, Failure> {
    let api_version = take_text(&mut fields, "apiVersion")?;
    let kind = take_text(&mut fields, "kind")?;
    let status = fields.remove("status");
    let mut metadata = take_object(&mut fields, "metadata")?;
    for name in ["labels", "annotations"] {
        if version.schema.property(name).is_none()
            && let Some(over) = fields.remove(name)
        {
            merge_over(metadata.get_or_insert_default(), name, over);
        }
    }
    let body = (!fields.is_empty()).then_some(fields);
    let document = Document { metadata, body, status, foreign: Vec::new() };
    Ok(Shaped { document, api_version, kind, flattened: false })
}

/// Adds entries to a map of the metadata; of two with one key, those given beside it win.
fn merge_over(metadata: &mut Map<String, Value>, name: &str, over: Value) {
    match (metadata.get_mut(name), over) {
        (Some(Value::Object(under)), Value::Object(over)) => under.extend(over),
        (_, over) => {
            metadata.insert(name.to_owned(), over);
        }
    }
}

/// `{"name", "labels", "annotations", ...spec fields}`.
fn flattened(mut fields: Map<String, Value>, version: &Version) -> Shaped {
    let spec_schema = version.schema.property("spec");
    let declares = |name: &str| spec_schema.is_some_and(|schema| schema.property(name).is_some());
    let mut metadata = Map::new();
    for name in ["labels", "annotations", "namespace"] {
        if !declares(name)
            && let Some(value) = fields.remove(name)
        {
            metadata.insert(name.to_owned(), value);
        }
    }
    if let Some(name) = fields.get("name").cloned() {
        if !declares("name") {
            fields.remove("name");
        }
        metadata.insert("name".to_owned(), name);
    }
    let only_metadata = fields.is_empty();
    let body = Map::from_iter([("spec".to_owned(), Value::Object(fields))]);
    let document = Document {
        metadata: Some(metadata),
        body: Some(body).filter(|_| !only_metadata),
        status: None,
        foreign: Vec::new(),
    };
    Shaped { document, flattened: true, ..Shaped::default() }
}

/// In a flattened PUT `name` is the spec's if the spec has one: an object is not renamed.
pub(crate) fn forget_spec_name(shaped: &mut Shaped, version: &Version) {
    let spec = version.schema.property("spec");
    let declared = spec.is_some_and(|schema| schema.property("name").is_some());
    if shaped.flattened
        && declared
        && let Some(metadata) = &mut shaped.document.metadata
    {
        metadata.remove("name");
    }
}

/// Reads the body of a PUT to a status, bare or wrapped, without reading a spec that came along.
pub(crate) fn status(text: &[u8], version: &Version) -> Result<Shaped, Failure> {
    let fields = Fields::split(text).map_err(|error| invalid_json(&error))?;
    refuse_duplicates(&fields.duplicates)?;
    if fields.fields.is_empty() {
        return Err(Failure::bad_request(
            "the body is an empty object, which says nothing; {\"status\":{}} clears a status",
        ));
    }
    let keys = fields.fields.iter().map(|(name, _)| &**name);
    if root_of(version, "status", keys.clone()) == PatchRoot::Lane {
        if !knows_one(version, "status", keys) {
            return Err(knows_none("status", fields.fields.iter().map(|(name, _)| &**name)));
        }
        let status = parse_at(text, "status")?;
        let document = Document { status: Some(status), ..Document::default() };
        return Ok(Shaped { document, ..Shaped::default() });
    }
    let mut shaped = Shaped::default();
    for (name, raw) in &fields.fields {
        let text = raw.get().as_bytes();
        match &**name {
            "status" => shaped.document.status = Some(parse_at(text, "status")?),
            "metadata" => shaped.document.metadata = Some(as_object(parse(text)?, "metadata")?),
            "apiVersion" => shaped.api_version = as_text(parse(text)?, "apiVersion")?,
            "kind" => shaped.kind = as_text(parse(text)?, "kind")?,
            other => shaped.document.foreign.push(other.to_owned()),
        }
    }
    if shaped.document.status.is_none() && shaped.document.foreign.is_empty() {
        return Err(Failure::bad_request(
            "the body has no status; {\"status\":{}} clears a status",
        ));
    }
    Ok(shaped)
}

/// Reads a patch, and where its paths begin.
pub(crate) fn patch(
    text: &[u8],
    format: PatchFormat,
    version: &Version,
    lane: &str,
) -> Result<(Patch, PatchRoot), Failure> {
    let document = parse(text)?;
    if format == PatchFormat::Merge && !document.is_object() {
        // By RFC 7396 it would replace the object, or its status, as a whole.
        return Err(Failure::bad_request(
            "a merge patch must be a JSON object; a list of operations goes as \
             application/json-patch+json",
        ));
    }
    let patch = Patch::parse(format, &document)
        .map_err(|error| Failure::bad_request(format!("the patch cannot be read: {error}")))?;
    let fields: Vec<Option<String>> =
        patch.touches().map(|touch| touch.field.map(std::borrow::Cow::into_owned)).collect();
    // The path of the whole document is that of the object: nobody loses a status to a patch that
    // was meant for more.
    let root = if fields.contains(&None) {
        PatchRoot::Object
    } else {
        root_of(version, lane, fields.iter().flatten().map(String::as_str))
    };
    Ok((patch, root))
}

/// Reads any JSON document, refusing keys that stand twice.
pub(crate) fn parse(text: &[u8]) -> Result<Value, Failure> {
    parse_at(text, "")
}

fn parse_at(text: &[u8], prefix: &str) -> Result<Value, Failure> {
    if text.is_empty() {
        return Err(Failure::bad_request("the body is empty"));
    }
    let parsed = json::parse_at(text, prefix).map_err(|error| invalid_json(&error))?;
    refuse_duplicates(&parsed.duplicates)?;
    Ok(parsed.value)
}

fn invalid_json(error: &json::InvalidJson) -> Failure {
    match error {
        json::InvalidJson::Malformed(why) => {
            Failure::bad_request(format!("the body is not valid JSON: {why}"))
        }
        json::InvalidJson::TooManyValues => Failure::TooManyValues { message: error.to_string() },
    }
}

fn refuse_duplicates(duplicates: &[String]) -> Result<(), Failure> {
    match duplicates.first() {
        None => Ok(()),
        Some(path) => {
            let path: String = path.chars().take(200).collect();
            Err(Failure::bad_request(format!("the field {path:?} stands more than once")))
        }
    }
}

fn take_text(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Failure> {
    fields.remove(name).map_or(Ok(None), |value| as_text(value, name))
}

fn as_text(value: Value, name: &str) -> Result<Option<String>, Failure> {
    match value {
        Value::String(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Value::Null => Ok(None),
        _ => Err(Failure::bad_request(format!("{name} must be a string"))),
    }
}

fn take_object(
    fields: &mut Map<String, Value>,
    name: &str,
) -> Result<Option<Map<String, Value>>, Failure> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => as_object(value, name).map(Some),
    }
}

fn as_object(value: Value, name: &str) -> Result<Map<String, Value>, Failure> {
    match value {
        Value::Object(fields) => Ok(fields),
        Value::Null => Ok(Map::new()),
        _ => Err(Failure::bad_request(format!("{name} must be an object"))),
    }
}
