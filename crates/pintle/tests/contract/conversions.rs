//! A kind with two versions that the program converts: each door reads and writes both, and
//! whatever one of them writes, all of them read.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use pintle::{InProcess, Server};
use pintle_kinds::Conversion;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embedded::{builder, device_kind, user};
use crate::harness::within;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecV1 {
    name: String,
    location: String,
}

/// The place in two parts.
#[derive(Debug, Serialize, Deserialize)]
struct SpecV2 {
    name: String,
    site: String,
    room: String,
}

impl TryFrom<SpecV1> for SpecV2 {
    type Error = String;

    fn try_from(old: SpecV1) -> Result<Self, String> {
        let (site, room) = old.location.split_once('/').ok_or("a location is `site/room`")?;
        Ok(Self { name: old.name, site: site.to_owned(), room: room.to_owned() })
    }
}

impl From<SpecV2> for SpecV1 {
    fn from(new: SpecV2) -> Self {
        Self { name: new.name, location: format!("{}/{}", new.site, new.room) }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StatusV1 {
    phase: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct StatusV2 {
    state: String,
}

impl From<StatusV1> for StatusV2 {
    fn from(old: StatusV1) -> Self {
        Self { state: old.phase }
    }
}

impl From<StatusV2> for StatusV1 {
    fn from(new: StatusV2) -> Self {
        Self { phase: new.state }
    }
}

fn two_versions() -> Value {
    let mut kind = device_kind();
    let version = |name: &str, spec: &[&str], status: &str| {
        let text = json!({"type": "string"});
        let spec: serde_json::Map<String, Value> =
            spec.iter().map(|field| ((*field).to_owned(), text.clone())).collect();
        json!({
            "name": name, "served": true, "storage": name == "v1", "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": spec},
                "status": {"type": "object", "properties": {status: text}},
            }}},
        })
    };
    kind["spec"]["versions"] = json!([
        version("v1", &["name", "location"], "phase"),
        version("v2", &["name", "site", "room"], "state"),
    ]);
    kind
}

async fn start() -> Server {
    let conversion = Conversion::between("devices.infra.example.io", "v1", "v2")
        .spec::<SpecV1, SpecV2>()
        .status::<StatusV1, StatusV2>();
    let server = builder().kind(two_versions()).conversions([conversion]).in_memory();
    server.start().await.unwrap()
}

struct Caller(InProcess);

impl Caller {
    /// A request that asks for a version, and takes one that is named in the path.
    async fn call(&self, method: &str, path: &str, version: &str, body: &Value) -> (u16, Value) {
        let media_type = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let accept = match version {
            "" => "application/json".to_owned(),
            version => format!("application/json;version={version}"),
        };
        let request = Request::builder().method(method).uri(path).header("accept", accept);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = request.header("content-type", media_type).body(Bytes::from(body));
        let response = self.0.call(request.unwrap()).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// What a door says of `d`: the version that it names, the spec, and the status.
    async fn read(&self, path: &str, version: &str) -> (Value, Value, Value) {
        let (status, object) = self.call("GET", path, version, &Value::Null).await;
        assert_eq!(status, 200, "{path}: {object}");
        (object["apiVersion"].clone(), object["spec"].clone(), object["status"].clone())
    }

    async fn write(&self, method: &str, path: &str, version: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, version, body).await;
        assert!(status < 300, "{path}: {answer}");
        answer
    }
}

const KUBE_V1: &str = "/apis/infra.example.io/v1/namespaces/default/devices";
const KUBE_V2: &str = "/apis/infra.example.io/v2/namespaces/default/devices";

#[tokio::test]
async fn every_door_reads_and_writes_every_version() {
    let server = start().await;
    let caller = Caller(server.in_process(user("root")));
    let device = json!({"metadata": {"name": "d"}, "spec": {"name": "d", "location": "a/1"}});
    caller.write("POST", "/devices", "v1", &device).await;

    // A controller of the new version reports, and a user of it moves the device.
    let report = json!({"status": {"state": "Up"}});
    let told = caller.write("PATCH", &format!("{KUBE_V2}/d/status"), "", &report).await;
    assert_eq!(told["apiVersion"], "infra.example.io/v2");
    assert_eq!(told["spec"], json!({"name": "d", "site": "a", "room": "1"}));
    let moved = json!({"apiVersion": "infra.example.io/v2", "kind": "Device",
        "metadata": {"name": "d"}, "spec": {"name": "d", "site": "b", "room": "2"}});
    let told = caller.write("PUT", "/devices/d", "", &moved).await;
    assert_eq!((&told["spec"], &told["status"]), (&moved["spec"], &json!({"state": "Up"})));
    assert_eq!(told["metadata"]["generation"], 2);

    let v1 = (
        json!("infra.example.io/v1"),
        json!({"name": "d", "location": "b/2"}),
        json!({"phase": "Up"}),
    );
    let v2 = (
        json!("infra.example.io/v2"),
        json!({"name": "d", "site": "b", "room": "2"}),
        json!({"state": "Up"}),
    );
    assert_eq!(caller.read("/devices/d", "").await, v1);
    assert_eq!(caller.read("/devices/d", "v2").await, v2);
    assert_eq!(caller.read(&format!("{KUBE_V1}/d"), "").await, v1);
    assert_eq!(caller.read(&format!("{KUBE_V2}/d"), "").await, v2);
    let (_, listed) = caller.call("GET", "/devices", "v2", &Value::Null).await;
    assert_eq!(listed[0]["spec"], v2.1);
    let (_, listed) = caller.call("GET", KUBE_V2, "", &Value::Null).await;
    assert_eq!(listed["items"][0]["spec"], v2.1);
    let query = json!({"query": "{ device(by: {ref: {name: \"d\"}}) { spec { location } status { phase } } }"});
    let told = caller.write("POST", "/graphql", "", &query).await;
    assert_eq!(
        told["data"]["device"],
        json!({"spec": {"location": "b/2"}, "status": {"phase": "Up"}})
    );
    within("the end", server.stop()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_converted_says_so_on_every_door() {
    let server = start().await;
    let caller = Caller(server.in_process(user("root")));
    // What v1 allows, the conversion does not take.
    let device = json!({"metadata": {"name": "d"}, "spec": {"name": "d", "location": "nowhere"}});
    caller.write("POST", "/devices", "", &device).await;
    let said = "the spec of devices.infra.example.io \"default/d\" is stored in v1 and cannot be \
                converted to v2; ask for it in v1; the server's log says why";
    let (code, answer) = caller.call("GET", "/devices/d", "v2", &Value::Null).await;
    assert_eq!((code, answer["error"].as_str()), (500, Some(said)), "{answer}");
    let (code, answer) = caller.call("GET", &format!("{KUBE_V2}/d"), "", &Value::Null).await;
    assert_eq!((code, &answer["reason"]), (500, &json!("InternalError")));
    assert!(answer["message"].as_str().unwrap().ends_with(said), "{answer}");
    // A controller of v2 cannot read the spec, and says so where it can: in the status.
    let report = json!({"status": {"state": "InvalidSpec"}});
    let told = caller.write("PATCH", &format!("{KUBE_V2}/d/status"), "", &report).await;
    assert_eq!((&told["spec"], &told["status"]), (&Value::Null, &json!({"state": "InvalidSpec"})));
    let read = caller.read("/devices/d", "").await;
    assert_eq!(read.1, json!({"name": "d", "location": "nowhere"}));
    assert_eq!(read.2, json!({"phase": "InvalidSpec"}));

    // A write that cannot be stored is refused, saying where and why.
    let device = json!({"apiVersion": "infra.example.io/v2", "kind": "Device",
        "metadata": {"name": "e"}, "spec": {"name": "e", "site": "a"}});
    let (code, answer) = caller.call("POST", KUBE_V2, "", &device).await;
    assert_eq!(code, 422, "{answer}");
    let cause = &answer["details"]["causes"][0];
    assert_eq!(cause["field"], "spec");
    assert!(cause["message"].as_str().unwrap().contains("missing field `room`"), "{answer}");
    within("the end", server.stop()).await.unwrap();
}

/// It is stored, and nobody may speak it.
#[tokio::test]
async fn a_version_that_is_not_served_is_on_no_door() {
    let mut kind = device_kind();
    kind["spec"]["versions"][0]["served"] = json!(false);
    let server = Server::builder().kind(kind).in_memory().start().await.unwrap();
    let caller = Caller(server.in_process(user("root")));
    let device = json!({"metadata": {"name": "d"}, "spec": {"name": "d", "location": "a"}});
    for (method, path, body) in [
        ("GET", "/devices", &Value::Null),
        ("GET", "/devices/d", &Value::Null),
        ("POST", "/devices", &device),
    ] {
        let (code, answer) = caller.call(method, path, "", body).await;
        assert_eq!((code, &answer["reason"]), (406, &json!("VERSION_NOT_SERVED")), "{answer}");
    }
    let (code, _) = caller.call("GET", KUBE_V1, "", &Value::Null).await;
    assert_eq!(code, 404);
    let query = json!({"query": "{ devices { nodes { id } } }"});
    let (_, answer) = caller.call("POST", "/graphql", "", &query).await;
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("devices"), "{answer}");
    within("the end", server.stop()).await.unwrap();
}

/// What REST tells in headers stands in the extensions: of one write as it is, of several with the
/// object that it is about, and each once.
#[tokio::test]
async fn warnings_are_told_beside_the_data_of_graphql() {
    let server = start().await;
    let caller = Caller(server.in_process(user("root")));
    let create = |alias: &str, location: &str| {
        format!(
            "{alias}: createDevice(input: {{metadata: {{name: \"{alias}\"}}, spec: {{name: \"n\", \
             location: \"{location}\"}}}}) {{ errors {{ code }} }}"
        )
    };
    let why = "spec cannot be read in version v2: a location is `site/room`";
    let named = |name: &str| format!("devices.infra.example.io \"default/{name}\": {why}");
    for (fields, expected) in [
        (create("good", "a/b"), Value::Null),
        (create("one", "nowhere"), json!([why])),
        (create("two", "x") + &create("three", "y"), json!([named("two"), named("three")])),
    ] {
        let query = json!({"query": format!("mutation {{ {fields} }}")});
        let (status, answer) = caller.call("POST", "/graphql", "", &query).await;
        assert_eq!((status, &answer["errors"]), (200, &Value::Null), "{answer}");
        assert_eq!(answer["extensions"]["warnings"], expected, "{answer}");
        assert_eq!(answer.get("extensions").is_some(), !expected.is_null(), "{answer}");
    }
}
