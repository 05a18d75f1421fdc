//! What the descriptions of all kinds share: metadata, failures, patches, headers, parameters.

use http::StatusCode;
use pintle_http::Reason;
use serde_json::{Value, json};

use super::schema::{Fields, with};
use crate::query::{PARAMETERS, Parameter, Takes};

/// A reference to a shared part or to one of a kind.
pub(crate) fn reference(sort: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{sort}/{name}") })
}

/// A reference to a schema.
pub(crate) fn schema(name: &str) -> Value {
    reference("schemas", name)
}

/// The names of the shared schemas, which no kind can take.
pub(crate) fn schema_names() -> Vec<String> {
    schemas().keys().cloned().collect()
}

/// The shared schemas.
pub(crate) fn schemas() -> Fields {
    let mut schemas = Fields::new();
    for (name, schema) in [
        ("Metadata", metadata()),
        ("MetadataWrite", metadata_write()),
        ("StatusMetadata", status_metadata()),
        ("OwnerReference", owner_reference()),
        ("Bookmark", bookmark()),
        ("Failure", failure()),
        ("MergePatch", merge_patch()),
        ("JsonPatch", json_patch()),
        ("ShorthandPatch", shorthand_patch()),
        ("DeleteOptions", delete_options()),
        ("Deleted", deleted()),
        ("Health", health()),
    ] {
        schemas.insert(name.to_owned(), schema);
    }
    schemas
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// A version as writers name it. Nothing between the quotes names none.
fn revision(description: &str) -> Value {
    json!({"type": "string", "pattern": "^(0|[1-9][0-9]*)?$", "description": description})
}

fn moment(description: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": description})
}

fn texts(description: &str) -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}, "description": description})
}

fn object(required: &[&str], properties: &Value) -> Value {
    let schema = json!({"type": "object", "properties": properties});
    if required.is_empty() { schema } else { with(schema, "required", json!(required)) }
}

fn uid() -> Value {
    text("The name of this life of the object; it changes when the object is made anew.")
}

fn metadata() -> Value {
    let required = [
        "name",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "createdAt",
        "updatedAt",
    ];
    object(
        &required,
        &json!({
            "name": text("Unique among the objects of its kind in its namespace."),
            "generateName": text("The prefix that the name was made from."),
            "namespace": text("Where the object lives; objects of cluster scope have none."),
            "uid": uid(),
            "resourceVersion": text("The version, as in the header `ETag`. To be compared for being equal."),
            "generation": {"type": "integer", "format": "int64", "minimum": 1,
                           "description": "Counts the changes outside of metadata and status."},
            "creationTimestamp": moment("When it was made."),
            "createdAt": moment("The same."),
            "updatedAt": moment("When it was last written."),
            "deletionTimestamp": moment("When deletion began; it goes when its finalizers have."),
            "deletionGracePeriodSeconds": {"type": ["integer", "null"], "format": "int64"},
            "labels": texts("What selectors match."),
            "annotations": texts("What nothing matches."),
            "finalizers": {"type": "array", "items": {"type": "string"},
                           "description": "Who has to act before the object may go."},
            "ownerReferences": {"type": "array", "items": schema("OwnerReference"),
                                "description": "Whose deletion takes this object along."},
        }),
    )
}

fn metadata_write() -> Value {
    let schema = object(
        &[],
        &json!({
            "name": text("The name; in a PUT it says which object is meant."),
            "generateName": text("For a new object: a prefix to make a name from."),
            "namespace": text("Where the object lives."),
            "uid": text("The very object that is meant, not another of its name."),
            "resourceVersion": revision("The version that the write was computed from."),
            "labels": texts("Replaces all labels."),
            "annotations": texts("Replaces all annotations."),
            "finalizers": {"type": "array", "items": {"type": "string"},
                           "description": "Replaces all finalizers."},
            "ownerReferences": {"type": "array", "items": schema("OwnerReference"),
                                "description": "Replaces all owner references."},
        }),
    );
    with(
        schema,
        "description",
        "What writers say: labels, annotations, finalizers and owner references are theirs, and \
         the rest says which object and which version they mean. Parts that are not named stay.",
    )
}

fn status_metadata() -> Value {
    let schema = object(
        &[],
        &json!({
            "name": text("The object that is meant."),
            "namespace": text("Its namespace."),
            "uid": text("Its uid."),
            "resourceVersion": revision("The version that the status was computed from."),
        }),
    );
    let what = "Says which object and which version are meant; a status write changes none of it.";
    with(closed(schema), "description", what)
}

fn owner_reference() -> Value {
    object(
        &["apiVersion", "kind", "name", "uid"],
        &json!({
            "apiVersion": text("`group/version` of the owner."),
            "kind": text("Its kind."),
            "name": text("Its name."),
            "uid": text("Its uid: an owner that was made anew is not the owner."),
            "controller": {"type": ["boolean", "null"],
                           "description": "Whether this is the managing controller."},
            "blockOwnerDeletion": {"type": ["boolean", "null"],
                                   "description": "Whether foreground deletion of the owner waits."},
        }),
    )
}

fn bookmark() -> Value {
    let schema = object(
        &["apiVersion", "kind", "metadata"],
        &json!({
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": object(
                &["resourceVersion"],
                &json!({
                    "resourceVersion": text("Everything up to this version was told."),
                    "annotations": texts("`k8s.io/initial-events-end`: what existed was told."),
                }),
            ),
        }),
    );
    with(schema, "description", "No object, only a version.")
}

/// The reasons that this door gives: all but those of server-side apply.
pub(crate) fn reasons() -> impl Iterator<Item = Reason> {
    Reason::ALL.iter().copied().filter(|reason| *reason != Reason::FieldManagerConflict)
}

fn failure() -> Value {
    let reasons: Vec<&str> = reasons().map(Reason::as_str).collect();
    let cause = object(
        &["path", "reason", "message"],
        &json!({
            "path": text("The field."),
            "reason": text("`FieldValueRequired`, `FieldValueInvalid` and so on."),
            "message": text("What is wrong with it."),
        }),
    );
    let schema = object(
        &["error", "code", "reason"],
        &json!({
            "error": text("What happened, to which object, and what to do. For people."),
            "code": {"type": "integer", "minimum": 400, "maximum": 599,
                     "description": "The status of the answer."},
            "reason": {"type": "string", "enum": reasons,
                       "description": "What happened, for programs."},
            "retryable": {"type": "boolean", "description":
                "Whether the same request, or the same change on a newer version, can succeed."},
            "causes": {"type": "array", "items": cause, "description": "`INVALID`: each fault."},
            "current": {"type": ["object", "null"], "description":
                "`CONFLICT`, with `Prefer: return=representation`: the object as it is."},
            "currentGeneration": {"type": "integer", "format": "int64"},
            "currentResourceVersion": text("`CONFLICT`: the version of the object."),
            "currentUid": text("`UID_MISMATCH`: the uid of the object."),
            "expectedResourceVersion": text("`CONFLICT`: the version that was named."),
            "expectedUid": {"type": ["string", "null"],
                            "description": "`UID_MISMATCH`: the uid that was named."},
            "fields": {"type": "array", "items": {"type": "string"},
                       "description": "`UNKNOWN_FIELD`: their paths."},
            "oldestResourceVersion": text("`EXPIRED`: the oldest version that is kept."),
            "path": text("`SPEC_WRITE_FORBIDDEN`: what does not belong to the status."),
            "paths": {"type": "array", "items": {"type": "string"},
                      "description": "`AMBIGUOUS_KIND`: the names to use."},
            "requestId": text("The name of the request, as in the header `X-Request-Id`."),
            "specChanged": {"type": "boolean", "description":
                "`CONFLICT`: whether anything but the status changed since."},
            "statusChanged": {"type": "boolean", "description":
                "`CONFLICT`: whether the status changed since."},
            "uid": text("`ALREADY_EXISTS`: the uid of the object that exists."),
        }),
    );
    with(schema, "description", "Why a request was not answered with what it asked for.")
}

fn merge_patch() -> Value {
    json!({
        "type": "object",
        "description": "RFC 7396: objects merge, `null` removes, lists are replaced whole. Keys \
                        begin at the object, or at its spec (at `/status`: at its status).",
    })
}

/// RFC 6901.
fn pointer() -> Value {
    json!({"type": "string", "pattern": "^(/([^/~]|~[01])*)*$", "description": "A JSON pointer."})
}

fn json_patch() -> Value {
    let operation = |names: &[&str], required: &[&str], more: Value| {
        let mut properties = json!({
            "op": {"enum": names},
            "path": pointer(),
        });
        if let (Value::Object(properties), Value::Object(more)) = (&mut properties, more) {
            properties.extend(more);
        }
        object(required, &properties)
    };
    json!({
        "type": "array",
        "description": "RFC 6902: operations, one after the other. Paths begin at the object, or \
                        at its spec (at `/status`: at its status).",
        "items": {"oneOf": [
            operation(&["add", "replace", "test"], &["op", "path", "value"], json!({"value": {}})),
            operation(&["remove"], &["op", "path"], json!({})),
            operation(
                &["move", "copy"],
                &["op", "path", "from"],
                json!({"from": pointer()}),
            ),
        ]},
    })
}

fn shorthand_patch() -> Value {
    json!({
        "type": "object",
        "propertyNames": {"pattern": r"^([^.\\]|\\[.\\])+(\.([^.\\]|\\[.\\])+)*$"},
        "description": "Paths and what they are set to; `null` removes. A dot in a name is `\\.`.",
    })
}

fn delete_options() -> Value {
    let schema = object(
        &[],
        &json!({
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "propagationPolicy": {"enum": ["Background", "Foreground", "Orphan"],
                                  "description": "As the query parameter, which wins."},
            "preconditions": object(
                &[],
                &json!({
                    "resourceVersion": revision("The version that is to go."),
                    "uid": text("The very object that is to go."),
                }),
            ),
        }),
    );
    closed(schema)
}

/// The same, taking no other fields.
pub(crate) fn closed(schema: Value) -> Value {
    with(schema, "additionalProperties", false)
}

fn deleted() -> Value {
    object(
        &["message", "uid"],
        &json!({"message": text("What happened. For people."), "uid": uid()}),
    )
}

fn health() -> Value {
    object(
        &["service", "status"],
        &json!({"service": text("Who answers."), "status": text("How it is.")}),
    )
}

/// The shared parameters.
pub(crate) fn parameters() -> Fields {
    let mut parameters: Fields =
        PARAMETERS.iter().map(|it| (it.name.to_owned(), query_parameter(it))).collect();
    for (key, name, what) in [
        ("If-Match", "If-Match", "Only if the object has this version: its `ETag`, in quotes."),
        (
            "If-None-Match",
            "If-None-Match",
            "Answer 304 if this is the newest version: its `ETag`, in quotes.",
        ),
        ("Absent", "If-None-Match", "`*`: only if there is no such object yet."),
        ("Prefer", "Prefer", "`return=representation`: a conflict shows the current object."),
        ("Last-Event-ID", "Last-Event-ID", "With `watch`: go on after the event of this id."),
    ] {
        let parameter =
            json!({"name": name, "in": "header", "description": what, "schema": header(key)});
        parameters.insert(key.to_owned(), parameter);
    }
    let id = "A uid or a name. A uid is looked for in every namespace, a name in one.";
    let kind = "The `type` of the condition.";
    for (name, what) in [("id", id), ("type", kind)] {
        let schema = json!({"type": "string", "minLength": 1});
        let parameter = json!({"name": name, "in": "path", "required": true,
                               "description": what, "schema": schema});
        parameters.insert(name.to_owned(), parameter);
    }
    parameters
}

/// What a header may be.
fn header(key: &str) -> Value {
    match key {
        "If-Match" | "If-None-Match" => {
            json!({"type": "string", "minLength": 1, "pattern": "^(\\*|\"[0-9]+\")$"})
        }
        "Absent" => json!({"const": "*"}),
        // Only a watch looks at Last-Event-ID, and a preference that nobody knows is passed over.
        _ => json!({"type": "string"}),
    }
}

/// No control characters.
const PRINTABLE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";

fn query_parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.takes {
        Takes::Text => json!({"type": "string"}),
        Takes::Line(chars_max) => json!({"type": "string", "minLength": 1, "maxLength": chars_max,
                                         "pattern": PRINTABLE}),
        Takes::OneOf(choices) => json!({"type": "string", "enum": choices}),
        Takes::Number => {
            json!({"type": "integer", "minimum": 0, "maximum": u64::MAX})
        }
        Takes::Flag => json!({"type": "boolean"}),
    };
    json!({"name": parameter.name, "in": "query", "description": parameter.what, "schema": schema})
}

/// The shared headers of answers.
pub(crate) fn headers() -> Fields {
    let mut headers = Fields::new();
    for (name, required, what) in [
        ("ETag", true, "The version of the object, in quotes."),
        ("Location", false, "Where the new object is; nowhere after a dry run."),
        ("Link", false, "`<…>; rel=\"next\"`: the next page, when there is more."),
        ("Pintle-Resource-Version", false, "The version of the list; none for a watch."),
        ("Warning", false, "What was ignored or dropped, as `299 - \"sentence\"`."),
        ("Retry-After", false, "Seconds to wait before trying again."),
        ("Allow", true, "What can be done at this path."),
        ("WWW-Authenticate", true, "How to say who calls."),
        ("Accept-Patch", false, "The media types of patches."),
    ] {
        let header =
            json!({"description": what, "required": required, "schema": {"type": "string"}});
        headers.insert(name.to_owned(), header);
    }
    headers
}

/// References to shared headers.
pub(crate) fn header_references(names: &[&str]) -> Value {
    let headers = names.iter().map(|name| ((*name).to_owned(), reference("headers", name)));
    Value::Object(headers.collect())
}

/// The failures with a status: those of its reasons, and 412 has those of 409.
fn reasons_of(status: StatusCode) -> Vec<Reason> {
    let told =
        if status == StatusCode::PRECONDITION_FAILED { StatusCode::CONFLICT } else { status };
    reasons().filter(|reason| reason.status() == told).collect()
}

/// The shared answers: one for each status that a failure can have.
pub(crate) fn responses() -> Fields {
    let mut statuses: Vec<StatusCode> = reasons().map(Reason::status).collect();
    statuses.push(StatusCode::PRECONDITION_FAILED);
    statuses.into_iter().map(|status| (response_name(status), failure_response(status))).collect()
}

/// What the answer with a status is called.
pub(crate) fn response_name(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().replace([' ', '-'], "")
}

fn failure_response(status: StatusCode) -> Value {
    let reasons = reasons_of(status);
    let lines: Vec<String> =
        reasons.iter().map(|reason| format!("`{reason}`: {}", reason.meaning())).collect();
    let response = json!({
        "description": lines.join("\n\n"),
        "content": {"application/json": {"schema": failure_schema(status)}},
    });
    let headers: &[&str] = match status.as_u16() {
        401 => &["WWW-Authenticate"],
        405 => &["Allow"],
        415 => &["Accept-Patch"],
        429 | 503 | 504 | 507 => &["Retry-After"],
        _ => &[],
    };
    if headers.is_empty() {
        response
    } else {
        with(response, "headers", header_references(headers))
    }
}

/// A failure with this status.
pub(crate) fn failure_schema(status: StatusCode) -> Value {
    let reasons: Vec<&str> = reasons_of(status).into_iter().map(Reason::as_str).collect();
    let narrowed = json!({"properties": {"code": {"const": status.as_u16()},
                                         "reason": {"enum": reasons}}});
    json!({"allOf": [schema("Failure"), narrowed]})
}
