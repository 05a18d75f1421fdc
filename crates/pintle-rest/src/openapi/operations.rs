//! The operations on the objects of a kind: one for each row of the table of routes.

use std::sync::Arc;

use http::StatusCode;
use pintle_engine::Served;
use pintle_model::Scope;
use pintle_schema::Version;
use serde_json::{Value, json};

use super::Terms;
use super::names::KindNames;
use super::schema::{Fields, with};
use super::shared::{self, header_references, reference, response_name, schema};
use crate::query::{PARAMETERS, Use};
use crate::route::{Operation, Shape};

/// A kind, as its operations need it.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) served: &'a Served,
    pub(crate) names: &'a KindNames<'a>,
    /// The version that is spoken unless another is asked for, and the others.
    pub(crate) versions: &'a [Arc<Version>],
    pub(crate) terms: Terms,
}

impl Subject<'_> {
    /// Adds the paths of the kind.
    pub(crate) fn write(&self, paths: &mut Fields) {
        for shape in Shape::ALL.into_iter().filter(|shape| self.has(*shape)) {
            let mut item = Fields::new();
            for (method, operation) in shape.operations() {
                item.insert(method.as_str().to_lowercase(), self.operation(*operation));
            }
            let names: &[&str] = match shape {
                Shape::Collection => &[],
                Shape::Object | Shape::Status => &["id"],
                Shape::Condition => &["id", "type"],
            };
            if !names.is_empty() {
                item.insert("parameters".to_owned(), references(names));
            }
            let path = format!("{}{}", self.names.path, shape.template());
            paths.insert(path, Value::Object(item));
        }
    }

    fn has(&self, shape: Shape) -> bool {
        match shape {
            Shape::Collection | Shape::Object => true,
            Shape::Status => self.versions.iter().any(|version| version.status_subresource),
            Shape::Condition => {
                let has = |it: &Arc<Version>| it.status_subresource && it.conditions;
                self.versions.iter().any(has)
            }
        }
    }

    fn operation(&self, operation: Operation) -> Value {
        let mut described = json!({
            "operationId": self.id(operation),
            "tags": [self.names.tag()],
            "summary": self.summary(operation),
            "parameters": self.parameters(operation),
            "responses": self.responses(operation),
        });
        if let Some(body) = self.body(operation) {
            described = with(described, "requestBody", body);
        }
        if self.versions.iter().all(|version| version.deprecated) {
            described = with(described, "deprecated", true);
        }
        described
    }

    fn id(&self, operation: Operation) -> String {
        match operation {
            Operation::List => self.names.many("list"),
            Operation::Create => self.names.one("create", ""),
            Operation::Get => self.names.one("get", ""),
            Operation::Replace => self.names.one("update", ""),
            Operation::Patch => self.names.one("patch", ""),
            Operation::Delete => self.names.one("delete", ""),
            Operation::GetStatus => self.names.one("get", "Status"),
            Operation::ReplaceStatus => self.names.one("update", "Status"),
            Operation::PatchStatus => self.names.one("patch", "Status"),
            Operation::PutCondition => self.names.one("set", "Condition"),
            Operation::RemoveCondition => self.names.one("remove", "Condition"),
        }
    }

    fn summary(&self, operation: Operation) -> String {
        let kind = &self.served.definition.kind.kind;
        match operation {
            Operation::List => format!("List or watch objects of kind {kind}"),
            Operation::Create => format!("Create a {kind}"),
            Operation::Get => format!("Read a {kind}"),
            Operation::Replace => format!("Replace what users own of a {kind}"),
            Operation::Patch => format!("Change a part of what users own of a {kind}"),
            Operation::Delete => format!("Delete a {kind}"),
            Operation::GetStatus => format!("Read a {kind}, with the right to read its status"),
            Operation::ReplaceStatus => format!("Replace the status of a {kind}"),
            Operation::PatchStatus => format!("Change a part of the status of a {kind}"),
            Operation::PutCondition => format!("Set one condition of a {kind}"),
            Operation::RemoveCondition => format!("Remove one condition of a {kind}"),
        }
    }

    fn parameters(&self, operation: Operation) -> Value {
        let uses: &[Use] = match operation {
            Operation::List => &[Use::Many],
            Operation::Create => &[Use::Create, Use::Write],
            Operation::Get | Operation::GetStatus => &[Use::One],
            Operation::Delete => &[Use::One, Use::Delete],
            Operation::Replace
            | Operation::Patch
            | Operation::ReplaceStatus
            | Operation::PatchStatus
            | Operation::PutCondition
            | Operation::RemoveCondition => &[Use::One, Use::Write],
        };
        let headers: &[&str] = match operation {
            Operation::List => &["Last-Event-ID"],
            Operation::Create => &["Absent"],
            Operation::Get | Operation::GetStatus => &["If-Match", "If-None-Match"],
            Operation::Replace
            | Operation::Patch
            | Operation::Delete
            | Operation::ReplaceStatus
            | Operation::PatchStatus
            | Operation::PutCondition
            | Operation::RemoveCondition => &["If-Match", "Prefer"],
        };
        let cluster = self.served.definition.kind.scope == Scope::Cluster;
        let query = PARAMETERS.iter().filter(|it| it.uses.iter().any(|it| uses.contains(it)));
        let query = query.map(|it| it.name).filter(|name| !(cluster && *name == "namespace"));
        let names: Vec<&str> = query.chain(headers.iter().copied()).collect();
        references(&names)
    }

    fn body(&self, operation: Operation) -> Option<Value> {
        let json = |schema: Value| json!({"application/json": {"schema": schema}});
        let (required, content) = match operation {
            Operation::List
            | Operation::Get
            | Operation::GetStatus
            | Operation::RemoveCondition => return None,
            Operation::Create => (true, json(self.in_each_version("Create", |_| true))),
            Operation::Replace => (true, json(self.in_each_version("Update", |_| true))),
            Operation::Delete => (false, json(schema("DeleteOptions"))),
            Operation::ReplaceStatus => {
                (true, json(self.in_each_version("StatusUpdate", |it| it.status_subresource)))
            }
            Operation::PutCondition => {
                let has = |it: &Version| it.status_subresource && it.conditions;
                (true, json(self.in_each_version("ConditionUpdate", has)))
            }
            Operation::Patch => (true, patches(&json!({"metadata": {"labels": {"site": "dc2"}}}))),
            Operation::PatchStatus => (true, patches(&json!({"status": {}}))),
        };
        Some(json!({"required": required, "content": content}))
    }

    /// The schema of a body, which may be of any version.
    fn in_each_version(&self, suffix: &str, has: impl Fn(&Version) -> bool) -> Value {
        let versions = self.versions.iter().filter(|version| has(version));
        let schemas: Vec<Value> =
            versions.map(|version| schema(&self.names.schema(version, suffix))).collect();
        match schemas.as_slice() {
            [one] => one.clone(),
            _ => json!({"anyOf": schemas}),
        }
    }

    /// What is answered in each version: the usual one says nothing of itself.
    fn content(&self, make: impl Fn(Value) -> Value) -> Value {
        let entries = self.versions.iter().enumerate().map(|(index, version)| {
            let schema = make(schema(&self.names.schema(version, "")));
            let media_type = match index {
                0 => "application/json".to_owned(),
                _ => format!("application/json;version={}", version.name),
            };
            (media_type, json!({"schema": schema}))
        });
        Value::Object(entries.collect())
    }

    fn responses(&self, operation: Operation) -> Value {
        let mut responses = Fields::new();
        let (status, success) = self.success(operation);
        responses.insert(status.as_str().to_owned(), success);
        if matches!(operation, Operation::Get | Operation::GetStatus) {
            let same = json!({"description": "The caller has this version already.",
                              "headers": header_references(&["ETag"])});
            responses.insert("304".to_owned(), same);
        }
        for status in self.failures(operation) {
            let response = if status == StatusCode::FORBIDDEN {
                self.forbidden(operation)
            } else {
                reference("responses", &response_name(status))
            };
            responses.insert(status.as_str().to_owned(), response);
        }
        Value::Object(responses)
    }

    fn success(&self, operation: Operation) -> (StatusCode, Value) {
        match operation {
            Operation::List => (StatusCode::OK, self.many()),
            Operation::Create => {
                let headers = ["ETag", "Location", "Warning"];
                let made = self.one("The object, as it was made.", &headers);
                (StatusCode::CREATED, with(made, "links", self.links()))
            }
            Operation::Delete => (StatusCode::OK, deleted()),
            Operation::Get | Operation::GetStatus => {
                (StatusCode::OK, self.one("The object.", &["ETag"]))
            }
            Operation::Replace
            | Operation::Patch
            | Operation::ReplaceStatus
            | Operation::PatchStatus
            | Operation::PutCondition
            | Operation::RemoveCondition => {
                let whole = "The whole object, as it is now.";
                (StatusCode::OK, self.one(whole, &["ETag", "Warning"]))
            }
        }
    }

    fn one(&self, description: &str, headers: &[&str]) -> Value {
        json!({
            "description": description,
            "headers": header_references(headers),
            "content": self.content(|object| object),
        })
    }

    fn many(&self) -> Value {
        let mut content = self.content(|object| json!({"type": "array", "items": object}));
        let first = self.versions.first().map(|it| self.names.schema(it, "Event"));
        let event = schema(&first.unwrap_or_default());
        for (media_type, what) in [
            (
                "text/event-stream",
                "With `watch`: the type as `event:`, the version as `id:`, and \
                                   the event as `data:`.",
            ),
            ("application/x-ndjson", "With `watch`, where it is accepted: an event in each line."),
        ] {
            // OpenAPI 3.2 calls it `itemSchema`; 3.1 has no word for what a stream is made of.
            let stream =
                json!({"schema": {"type": "string", "description": what}, "x-itemSchema": event});
            content = with(content, media_type, stream);
        }
        json!({
            "description": "The objects that the caller may see, or a stream of their changes.",
            "headers": header_references(&["Pintle-Resource-Version", "Link"]),
            "content": content,
        })
    }

    /// What can be done with an object that was just made.
    fn links(&self) -> Value {
        let on_one = Shape::ALL
            .into_iter()
            .filter(|shape| self.has(*shape) && matches!(shape, Shape::Object | Shape::Status));
        let links = on_one.flat_map(Shape::operations).map(|(_, operation)| {
            let id = self.id(*operation);
            let link = json!({"operationId": id,
                              "parameters": {"id": "$response.body#/metadata/uid"}});
            (id, link)
        });
        Value::Object(links.collect())
    }

    /// The statuses that an operation can fail with.
    fn failures(&self, operation: Operation) -> Vec<StatusCode> {
        let mut codes = vec![400, 403, 404, 406, 500, 503];
        if self.terms.authenticates {
            codes.push(401);
        }
        codes.extend::<&[u16]>(match operation {
            Operation::List => &[410, 429],
            Operation::Get | Operation::GetStatus => &[412],
            Operation::Create => &[405, 408, 409, 412, 413, 415, 422, 429, 504, 507],
            Operation::RemoveCondition => &[409, 412, 413, 422, 429, 504, 507],
            Operation::Replace
            | Operation::Patch
            | Operation::Delete
            | Operation::ReplaceStatus
            | Operation::PatchStatus
            | Operation::PutCondition => &[408, 409, 412, 413, 415, 422, 429, 504, 507],
        });
        if self.terms.requires_status_precondition && right(operation).1 == Lane::Status {
            codes.push(428);
        }
        codes.into_iter().filter_map(|code| StatusCode::from_u16(code).ok()).collect()
    }

    /// Who may not, and what permission is missing.
    fn forbidden(&self, operation: Operation) -> Value {
        let plural = &self.served.definition.kind.plural;
        let resource = self.served.resource();
        let description = match right(operation) {
            (verb, Lane::Main) => format!("Requires `{verb}` permission for `{resource}`."),
            (verb, Lane::Status) => format!(
                "Requires `update_status` permission: `{plural}:update_status` in a policy, or \
                 `{verb}` on `{plural}/status` in a role."
            ),
            (_, Lane::Either) => format!(
                "Requires `get` permission for `{resource}` or for its status, `{plural}/status`."
            ),
        };
        json!({
            "description": description,
            "content": {"application/json": {"schema": shared::failure_schema(StatusCode::FORBIDDEN)}},
        })
    }
}

fn deleted() -> Value {
    json!({
        "description": "It is gone, or deletion began and waits for finalizers.",
        "headers": header_references(&["Warning"]),
        "content": {"application/json": {"schema": schema("Deleted")}},
    })
}

/// What a right is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Main,
    Status,
    Either,
}

/// The right that an operation asks for.
const fn right(operation: Operation) -> (&'static str, Lane) {
    match operation {
        Operation::List => ("list` or `watch", Lane::Main),
        Operation::Create => ("create", Lane::Main),
        Operation::Get => ("get", Lane::Main),
        Operation::Replace => ("update", Lane::Main),
        Operation::Patch => ("patch", Lane::Main),
        Operation::Delete => ("delete", Lane::Main),
        Operation::GetStatus => ("get", Lane::Either),
        Operation::ReplaceStatus => ("update", Lane::Status),
        Operation::PatchStatus | Operation::PutCondition | Operation::RemoveCondition => {
            ("patch", Lane::Status)
        }
    }
}

fn references(names: &[&str]) -> Value {
    names.iter().map(|name| reference("parameters", name)).collect()
}

/// The bodies of a PATCH.
fn patches(example: &Value) -> Value {
    let merge = json!({"schema": schema("MergePatch"), "example": example});
    json!({
        "application/merge-patch+json": merge,
        "application/json": merge,
        "application/json-patch+json": {"schema": schema("JsonPatch")},
        "application/shorthand-patch+json": {"schema": schema("ShorthandPatch")},
    })
}
