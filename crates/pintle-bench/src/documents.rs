//! The documents that are sent through the GraphQL door, and their variables.

use bytes::Bytes;

use crate::operation::Operation;

/// What a mutation shows of the object that it wrote.
const WRITTEN: &str = "{ device { metadata { resourceVersion generation } status { phase message \
                       observedGeneration } } errors { code } }";
/// Ten fields of an object.
const FIELDS: &str = "{ id metadata { name namespace resourceVersion generation } spec { name \
                      location model } status { phase message } }";

/// What is sent for an operation on an object. A write has its variables yet to come.
#[derive(Debug, Clone)]
pub(crate) enum Document {
    /// All of it.
    Query(Bytes),
    /// All but the status, and what it was computed from.
    Mutation(String),
}

impl Document {
    /// For an operation on an object of this name.
    pub(crate) fn of(operation: Operation, name: &str) -> Self {
        match operation {
            Operation::StatusPut { .. } => Self::mutation("update"),
            Operation::StatusPatch => Self::mutation("patch"),
            Operation::Get => {
                Self::query(&format!("device(by: {{ref: {{name: \\\"{name}\\\"}}}}) {FIELDS}"))
            }
            Operation::List { limit } => {
                Self::query(&format!("devices(first: {limit}) {{ nodes {FIELDS} }}"))
            }
        }
    }

    fn query(field: &str) -> Self {
        Self::Query(format!(r#"{{"query":"{{ {field} }}"}}"#).into())
    }

    fn mutation(verb: &str) -> Self {
        let field = format!("{verb}DeviceStatus(input: $input) {WRITTEN}");
        let kind = if verb == "update" { "Update" } else { "Patch" };
        let query = format!("mutation($input: {kind}DeviceStatusInput!) {{ {field} }}");
        Self::Mutation(format!(r#"{{"query":"{query}","variables":{{"input":{{"#))
    }

    /// The body of the request, for this version of the object and an object that has the status.
    pub(crate) fn body(&self, name: &str, version: &str, status: &[u8]) -> Bytes {
        match self {
            Self::Query(body) => body.clone(),
            Self::Mutation(head) => {
                let of = format!(r#""ref":{{"name":"{name}"}},"resourceVersion":"{version}","#);
                let status = status.get(1..).unwrap_or_default();
                [head.as_bytes(), of.as_bytes(), status, b"}}"].concat().into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn bodies_are_json() {
        let operations = [
            Operation::StatusPut { if_match: false, status_bytes: 370 },
            Operation::StatusPatch,
            Operation::Get,
            Operation::List { limit: 7 },
        ];
        for operation in operations {
            let document = Document::of(operation, "a");
            let body = document.body("a", "7", br#"{"status":{"phase":"Ready"}}"#);
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert!(body["query"].is_string(), "{body}");
            let writes = matches!(document, Document::Mutation(_));
            let input = json!({"ref": {"name": "a"}, "resourceVersion": "7",
                "status": {"phase": "Ready"}});
            assert_eq!(body["variables"]["input"] == input, writes, "{body}");
        }
    }
}
