//! The objects that are loaded, and the door that they are reached through.

use std::borrow::Cow;

use bytes::Bytes;
use clap::ValueEnum;

use crate::device;

/// Which of the server's doors is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Door {
    /// Plain REST
    #[default]
    Rest,
    /// What kubectl and client-go speak
    Kubernetes,
    /// Status mutations and queries
    Graphql,
}

/// All objects of a kind, as a door shows them.
#[derive(Debug, Clone)]
pub(crate) struct Collection {
    door: Door,
    plural: Cow<'static, str>,
}

/// Where the Kubernetes door has the kind of `examples/devices`.
const NAMESPACE: &str = "/apis/infra.example.io/v1/namespaces/default";
/// What the Kubernetes door wants to be told in every body.
const TYPE: &str = r#""apiVersion":"infra.example.io/v1","kind":"Device""#;

impl Collection {
    /// Through the REST door.
    pub(crate) const fn rest(plural: &'static str) -> Self {
        Self { door: Door::Rest, plural: Cow::Borrowed(plural) }
    }

    /// Through any door.
    pub(crate) fn new(door: Door, plural: &str) -> Self {
        Self { door, plural: Cow::Owned(plural.to_owned()) }
    }

    /// Through which door.
    pub(crate) const fn door(&self) -> Door {
        self.door
    }

    /// What the objects are called.
    pub(crate) fn plural(&self) -> &str {
        &self.plural
    }

    /// Where all of them are. What is loaded through the GraphQL door is made through REST.
    pub(crate) fn path(&self) -> String {
        match self.door {
            Door::Rest | Door::Graphql => format!("/{}", self.plural),
            Door::Kubernetes => format!("{NAMESPACE}/{}", self.plural),
        }
    }

    /// Whether a PUT says which version it was computed from in its body, as it has to on these
    /// doors.
    pub(crate) const fn puts_versions(&self) -> bool {
        matches!(self.door, Door::Kubernetes | Door::Graphql)
    }

    /// Whether a patch says it, too.
    pub(crate) const fn patches_versions(&self) -> bool {
        matches!(self.door, Door::Graphql)
    }

    /// What an object is addressed by: its uid or its name.
    pub(crate) const fn address(&self) -> &'static str {
        match self.door {
            Door::Rest => "uid",
            Door::Kubernetes | Door::Graphql => "name",
        }
    }

    /// The media type of a watch that is a line an event.
    pub(crate) const fn watch_media_type(&self) -> &'static str {
        match self.door {
            Door::Rest | Door::Graphql => "application/x-ndjson",
            Door::Kubernetes => "application/json",
        }
    }

    /// The body that creates an object, see [`device::create_body`].
    pub(crate) fn create_body(&self, name: &str, object_bytes: usize) -> Bytes {
        let body = device::create_body(name, object_bytes);
        match self.door {
            Door::Rest | Door::Graphql => body,
            Door::Kubernetes => with_fields(TYPE, &body),
        }
    }
}

/// A status for this version of an object, as the Kubernetes door takes it.
pub(crate) fn versioned(name: &str, version: &str, body: &[u8]) -> Bytes {
    let metadata = format!(r#""metadata":{{"name":"{name}","resourceVersion":"{version}"}}"#);
    with_fields(&format!("{TYPE},{metadata}"), body)
}

/// An object with more fields at its front.
fn with_fields(fields: &str, object: &[u8]) -> Bytes {
    let rest = object.get(1..).unwrap_or_default();
    [b"{", fields.as_bytes(), b",", rest].concat().into()
}

/// The version that an answer shows; nothing when it shows none.
pub(crate) fn version_in(answer: &[u8]) -> Option<String> {
    const MARK: &[u8] = br#""resourceVersion":""#;
    let start = memchr::memmem::find(answer, MARK)? + MARK.len();
    let digits = answer.get(start..)?.iter().take_while(|byte| byte.is_ascii_digit());
    let digits: Vec<u8> = digits.copied().collect();
    String::from_utf8(digits).ok().filter(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(body: &Bytes) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn each_door_has_paths_and_bodies_of_its_own() {
        let rest = Collection::rest("devices");
        assert_eq!((rest.path().as_str(), rest.address()), ("/devices", "uid"));
        assert_eq!(parse(&rest.create_body("a", 1_000)).get("kind"), None);
        let kubernetes = Collection::new(Door::Kubernetes, "devices");
        assert_eq!(kubernetes.path(), "/apis/infra.example.io/v1/namespaces/default/devices");
        assert_eq!(kubernetes.address(), "name");
        let body = parse(&kubernetes.create_body("a", 1_000));
        assert_eq!((&body["kind"], &body["metadata"]["name"]), (&json!("Device"), &json!("a")));
    }

    #[test]
    fn a_version_goes_into_a_body_and_is_found_in_an_answer() {
        let body = versioned("a", "42", br#"{"status":{"phase":"Ready"}}"#);
        let expected = json!({
            "apiVersion": "infra.example.io/v1", "kind": "Device",
            "metadata": {"name": "a", "resourceVersion": "42"}, "status": {"phase": "Ready"},
        });
        assert_eq!(parse(&body), expected);
        assert_eq!(version_in(&body).as_deref(), Some("42"));
        for none in ["{}", r#"{"resourceVersion":""}"#] {
            assert_eq!(version_in(none.as_bytes()), None, "{none}");
        }
    }
}
