//! The same status write through two doors: on twin objects of a declared kind, of a core kind and
//! of one that was installed while the server runs, the REST door and the GraphQL door say the
//! same, write the same, and are watched alike.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::server::{Launch, Server};
use crate::socket::Socket;

const ROOT: (&str, &str) = ("authorization", "Bearer master-token-1");
const NOBODY: (&str, &str) = ("authorization", "Bearer nobody-token-1");

/// A kind, and what can be said of its objects.
struct Kind {
    plural: &'static str,
    api_version: &'static str,
    kind: &'static str,
    has_conditions: bool,
    specs: [Value; 2],
    statuses: [Value; 2],
    /// A status that breaks the schema.
    invalid: Value,
}

fn kinds() -> [Kind; 3] {
    let spec = |location: &str| json!({"name": "sensor", "location": location});
    [
        Kind {
            plural: "devices",
            api_version: "infra.example.io/v1",
            kind: "Device",
            has_conditions: true,
            specs: [spec("dc1"), spec("dc2")],
            statuses: [json!({"message": "one"}), json!({"message": "two"})],
            invalid: json!({"phase": "Nonsense"}),
        },
        Kind {
            plural: "gadgets",
            api_version: "a.example.io/v1",
            kind: "Gadget",
            has_conditions: true,
            specs: [json!({"size": 1}), json!({"size": 2})],
            statuses: [json!({"seen": 1}), json!({"seen": 2})],
            invalid: json!({"seen": "much"}),
        },
        Kind {
            plural: "shelves",
            api_version: "a.example.io/v1",
            kind: "Shelf",
            has_conditions: false,
            specs: [json!({"size": 1}), json!({"size": 2})],
            statuses: [json!({"seen": 1}), json!({"seen": 2})],
            invalid: json!({"seen": "much"}),
        },
    ]
}

/// The definition of a kind that comes while the server runs.
fn declaration(kind: &Kind) -> Value {
    let condition = json!({"type": "object", "required": ["type", "status", "reason"], "properties": {
        "type": {"type": "string"}, "status": {"type": "string"}, "reason": {"type": "string"},
        "message": {"type": "string"}, "observedGeneration": {"type": "integer"},
        "lastTransitionTime": {"type": "string", "format": "date-time"}}});
    let mut status = json!({"type": "object", "properties": {"seen": {"type": "integer"}}});
    if kind.has_conditions {
        status["properties"]["conditions"] = json!({"type": "array", "items": condition,
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]});
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.a.example.io", kind.plural)},
        "spec": {
            "group": "a.example.io",
            "scope": "Namespaced",
            "names": {"plural": kind.plural, "singular": kind.kind.to_lowercase(), "kind": kind.kind},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
                    "status": status,
                }}},
            }],
        },
    })
}

/// How a status is written: the mutation, and its twin.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// `updateResourceStatus`, and PUT.
    Replace,
    /// `patchDeviceStatus`, and PATCH.
    Merge,
    /// `bulkUpdateDeviceStatus` of one object in this mode, and PATCH.
    Bulk(&'static str),
    /// `applyDeviceConditions`, and PUT of a condition.
    Condition,
}

const WAYS: [Way; 5] =
    [Way::Replace, Way::Merge, Way::Bulk("INDEPENDENT"), Way::Bulk("ATOMIC"), Way::Condition];

impl Way {
    /// Whether it can be tried so. Inputs with a type have no place for what is no status, which
    /// `contract graphql` shows, and a condition has a form of its own.
    fn takes(self, kind: &Kind, case: &Case) -> bool {
        match self {
            Self::Replace => true,
            Self::Merge | Self::Bulk(_) => !case.untyped,
            // A condition over REST has no place for a uid.
            Self::Condition => kind.has_conditions && !case.untyped && !case.name.ends_with("uid"),
        }
    }
}

/// What a door makes of a write.
#[derive(Debug, PartialEq)]
struct Said {
    code: Value,
    spec_changed: Value,
    status_changed: Value,
    /// The version of the object after it, where it was accepted.
    version: Option<u64>,
}

/// The versions of an object: as it was made, with its second spec, and with its first status.
struct Versions {
    uid: Value,
    made: u64,
    wanted: u64,
    reported: u64,
}

struct Case {
    name: &'static str,
    version: fn(&Versions) -> String,
    status: fn(&Kind) -> Value,
    uid: fn(&Versions) -> Value,
    dry_run: bool,
    missing: bool,
    caller: (&'static str, &'static str),
    /// Its status has not the type that the schema gives it.
    untyped: bool,
}

impl Case {
    const fn new(name: &'static str, version: fn(&Versions) -> String) -> Self {
        Self {
            name,
            version,
            status: |kind| kind.statuses[1].clone(),
            uid: |_| Value::Null,
            dry_run: false,
            missing: false,
            caller: ROOT,
            untyped: false,
        }
    }
}

fn cases() -> Vec<Case> {
    let current = |versions: &Versions| versions.reported.to_string();
    vec![
        Case::new("accepted", current),
        Case { status: |kind| kind.statuses[0].clone(), ..Case::new("no-op", current) },
        Case { dry_run: true, ..Case::new("dry run", current) },
        Case { uid: |it| it.uid.clone(), ..Case::new("its uid", current) },
        Case { uid: |_| json!("device-other"), ..Case::new("another uid", current) },
        Case::new("a report came between", |it| it.wanted.to_string()),
        Case::new("a user came between", |it| it.made.to_string()),
        Case::new("from before it was made", |it| (it.made - 1).to_string()),
        Case::new("from the future", |it| (it.reported + 100_000).to_string()),
        Case::new("zero", |_| "0".to_owned()),
        Case::new("no version", |_| "x7".to_owned()),
        Case {
            status: |kind| kind.invalid.clone(),
            untyped: true,
            ..Case::new("invalid", current)
        },
        Case { status: |_| json!({"spec": {}}), untyped: true, ..Case::new("a spec", current) },
        Case {
            status: |_| json!({"spec": {}}),
            untyped: true,
            ..Case::new("a spec, late", |it| it.made.to_string())
        },
        Case { missing: true, ..Case::new("missing", current) },
        Case { caller: NOBODY, ..Case::new("forbidden", current) },
        Case { caller: NOBODY, ..Case::new("forbidden, late", |it| it.made.to_string()) },
        Case { caller: NOBODY, missing: true, ..Case::new("forbidden, missing", current) },
        Case {
            caller: NOBODY,
            status: |_| json!({"spec": {}}),
            untyped: true,
            ..Case::new("forbidden, a spec", current)
        },
    ]
}

/// Every case in every way that it can be tried in.
fn rows(kind: &Kind) -> Vec<(Way, Case)> {
    let of = |way: Way| {
        let tried = cases().into_iter().filter(move |case| way.takes(kind, case));
        tried.map(move |case| (way, case))
    };
    WAYS.into_iter().flat_map(of).collect()
}

async fn twin(server: &Server, kind: &Kind, name: &str) -> Versions {
    let send = async |method: &str, path: &str, body: Value| {
        let reply = server.json(method, path, &[ROOT], &body).await;
        assert!(reply.status < 300, "{method} {path}: {}", reply.text());
        reply
    };
    let object = json!({"apiVersion": kind.api_version, "kind": kind.kind,
        "metadata": {"name": name}, "spec": kind.specs[0]});
    let made = send("POST", &format!("/{}", kind.plural), object).await;
    let path = format!("/{}/{name}", kind.plural);
    let wanted = send("PUT", &path, json!({"spec": kind.specs[1]})).await.version();
    let mut status = json!({"status": kind.statuses[0]});
    if kind.has_conditions {
        status["status"]["conditions"] = json!([condition(&kind.statuses[0])]);
    }
    let reported = send("PUT", &format!("{path}/status?fieldManager=twin"), status).await.version();
    Versions { uid: made.at("/metadata/uid"), made: made.version(), wanted, reported }
}

/// The condition that says what a status says.
fn condition(status: &Value) -> Value {
    json!({"type": "Ready", "status": "True", "reason": "Seen", "message": status.to_string(),
           "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

async fn by_rest(
    server: &Server,
    kind: &Kind,
    name: &str,
    (way, case): (Way, &Case),
    it: &Versions,
) -> Said {
    let status = (case.status)(kind);
    let version = (case.version)(it);
    let mut metadata = json!({"resourceVersion": version});
    if !(case.uid)(it).is_null() {
        metadata["uid"] = (case.uid)(it);
    }
    let body = match (way, status.get("spec")) {
        (Way::Condition, _) => condition(&status),
        (_, Some(spec)) => json!({"metadata": metadata, "spec": spec}),
        (_, None) => json!({"metadata": metadata, "status": status}),
    };
    let dry_run = if case.dry_run { "dryRun=All" } else { "" };
    let path = format!("/{}/{name}/status", kind.plural);
    let quoted = format!("\"{version}\"");
    let reply = match way {
        Way::Replace => {
            let path = format!("{path}?{dry_run}");
            server.json("PUT", &path, &[case.caller], &body).await
        }
        Way::Merge | Way::Bulk(_) => {
            let headers = [("content-type", "application/merge-patch+json"), case.caller];
            server.send("PATCH", &format!("{path}?{dry_run}"), &headers, body.to_string()).await
        }
        Way::Condition => {
            let path = format!("{path}/conditions/Ready?fieldManager=twin&{dry_run}");
            server.json("PUT", &path, &[case.caller, ("if-match", &quoted)], &body).await
        }
    };
    let version = (reply.status == 200).then(|| reply.version());
    Said {
        code: reply.at("/reason"),
        spec_changed: reply.at("/specChanged"),
        status_changed: reply.at("/statusChanged"),
        version,
    }
}

/// The mutation of a way, and its input.
fn mutation(kind: &Kind, name: &str, (way, case): (Way, &Case), it: &Versions) -> (String, Value) {
    let title = kind.kind;
    let mut input = json!({
        "ref": {"name": name}, "resourceVersion": (case.version)(it), "uid": (case.uid)(it),
        "status": (case.status)(kind), "dryRun": case.dry_run,
    });
    let name = match way {
        Way::Replace => {
            input["apiVersion"] = json!(kind.api_version);
            input["kind"] = json!(kind.kind);
            "updateResourceStatus".to_owned()
        }
        Way::Merge => format!("patch{title}Status"),
        Way::Bulk(mode) => {
            input = json!({"mode": mode, "items": [input]});
            format!("bulkUpdate{title}Status")
        }
        Way::Condition => {
            let mut condition = condition(&(case.status)(kind));
            condition["status"] = json!("TRUE");
            condition.as_object_mut().expect("an object").remove("lastTransitionTime");
            let fields = input.as_object_mut().expect("an object");
            fields.remove("status");
            fields.insert("conditions".to_owned(), json!([condition]));
            fields.insert("fieldManager".to_owned(), json!("twin"));
            format!("apply{title}Conditions")
        }
    };
    (name, input)
}

/// `UpdateResourceStatusInput` for `updateResourceStatus`.
fn input_type(mutation: &str) -> String {
    let (first, rest) = mutation.split_at(1);
    format!("{}{rest}Input", first.to_uppercase())
}

async fn by_graphql(
    server: &Server,
    kind: &Kind,
    name: &str,
    (way, case): (Way, &Case),
    it: &Versions,
) -> Said {
    let (mutation, input) = mutation(kind, name, (way, case), it);
    let node = if way == Way::Replace { "resource".to_owned() } else { kind.kind.to_lowercase() };
    let told = format!(
        "changed object: {node} {{ metadata {{ resourceVersion }} }} errors {{ code \
         ... on ConflictError {{ specChanged statusChanged }} }}"
    );
    let told = match way {
        Way::Bulk(_) => format!("results {{ {told} }}"),
        _ => told,
    };
    let query = format!(
        "mutation($input: {}!) {{ it: {mutation}(input: $input) {{ {told} }} }}",
        input_type(&mutation)
    );
    let body = json!({"query": query, "variables": {"input": input}});
    let reply = server.json("POST", "/graphql", &[case.caller], &body).await;
    let told = match way {
        Way::Bulk(_) => reply.at("/data/it/results/0"),
        _ => reply.at("/data/it"),
    };
    assert!(told.is_object(), "{way:?} {}: {}", case.name, reply.text());
    let version = told.pointer("/object/metadata/resourceVersion").and_then(Value::as_str);
    let error = |name: &str| told["errors"][0][name].clone();
    Said {
        code: error("code"),
        spec_changed: error("specChanged"),
        status_changed: error("statusChanged"),
        version: version.map(|version| version.parse().expect("a number")),
    }
}

/// What is stored of an object, but for what differs between twins.
async fn stored(server: &Server, kind: &Kind, name: &str) -> Value {
    let path = format!("/{}/{name}", kind.plural);
    let mut object = server.send("GET", &path, &[ROOT], "").await.expect(200).json();
    let conditions = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        condition.as_object_mut().expect("an object").remove("lastTransitionTime");
    }
    json!({"generation": object["metadata"]["generation"], "spec": object["spec"],
           "status": object["status"]})
}

async fn restricted() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let tokens = folder.path().join("tokens.csv");
    let text = "master-token-1,root,1,system:masters\nnobody-token-1,nobody,2\n";
    std::fs::write(&tokens, text).expect("a file");
    let launch = Launch::devices().arg(format!("--tokens={}", tokens.display()));
    (folder, launch.arg("--authorization=rbac").start().await)
}

#[tokio::test]
async fn two_doors_say_and_do_the_same() {
    let (_folder, server) = restricted().await;
    let mut socket = Socket::new(&server).await;
    socket.greet(&json!({"Authorization": ROOT.1})).await;
    for kind in kinds().iter().filter(|kind| kind.api_version == "a.example.io/v1") {
        let declared = declaration(kind);
        server.json("POST", "/customresourcedefinitions", &[ROOT], &declared).await.expect(201);
    }
    let watch = "subscription($kinds: [KindRefInput!]!) { watchResources(kinds: $kinds, \
                 sendInitialEvents: false, allowBookmarks: false) { type resourceVersion object { \
                 metadata { name } } } }";
    let named = |kind: &Kind| json!({"apiVersion": kind.api_version, "kind": kind.kind});
    let named: Vec<_> = kinds().iter().map(named).collect();
    socket.subscribe("w", watch, json!({"kinds": named})).await;
    // It has begun when what comes after it is answered.
    socket.subscribe("q", "{ __typename }", json!({})).await;
    socket.payload("q", "next").await;
    socket.payload("q", "complete").await;

    // What the twins should have been told about, by name and version.
    let mut expected: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for kind in kinds() {
        for (number, (way, case)) in rows(&kind).iter().enumerate() {
            let row = format!("{} {way:?} {}", kind.plural, case.name);
            let mut said = Vec::new();
            let mut kept = Vec::new();
            for door in ["rest", "graphql"] {
                let twin_name = format!("{door}-{number}");
                let it = twin(&server, &kind, &twin_name).await;
                let before = stored(&server, &kind, &twin_name).await;
                let versions = expected.entry(format!("{} {twin_name}", kind.plural)).or_default();
                versions.extend([it.made, it.wanted, it.reported]);
                let name = if case.missing { "nobody-is-called-so" } else { &*twin_name };
                let told = match door {
                    "rest" => by_rest(&server, &kind, name, (*way, case), &it).await,
                    _ => by_graphql(&server, &kind, name, (*way, case), &it).await,
                };
                let is_new = told.version.is_some_and(|version| version > it.reported);
                let writes = is_new && !case.dry_run;
                if writes {
                    versions.extend(told.version);
                }
                let after = stored(&server, &kind, &twin_name).await;
                assert_eq!(after != before, writes, "{row} by {door}: {before} became {after}");
                kept.push(after);
                said.push(Said { version: told.version.map(|_| u64::from(is_new)), ..told });
            }
            assert_eq!(said[0], said[1], "{row}: REST, and GraphQL");
            assert_eq!(kept[0], kept[1], "{row}: what is stored");
            let accepted = ["accepted", "no-op", "dry run", "its uid"].contains(&case.name);
            assert_eq!(said[0].code.is_null(), accepted, "{row}: {said:?}");
            if case.name.starts_with("forbidden") {
                assert_eq!(said[0].code, json!("FORBIDDEN"), "{row}");
            }
        }
    }
    // Each accepted write is told once, with its version, and in order; nothing else is.
    let count: usize = expected.values().map(Vec::len).sum();
    let mut told: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut last = 0;
    for _ in 0..count {
        let event = socket.event("w").await;
        let version = event["resourceVersion"].as_str().expect("a version").parse().expect("one");
        assert!(version > last, "{event}");
        last = version;
        let name = event["object"]["metadata"]["name"].as_str().expect("a name");
        let of = expected.iter().find(|(key, versions)| {
            key.ends_with(&format!(" {name}")) && versions.contains(&version)
        });
        let (key, _) = of.unwrap_or_else(|| panic!("nobody wrote {event}"));
        told.entry(key.clone()).or_default().push(version);
    }
    assert_eq!(told, expected);
}

/// A hundred controllers report on one device at the same time. Each of them gets through in the
/// end, and each accepted report is one version and one event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_racing_writers_all_get_through() {
    const WRITERS: usize = 100;
    let server = std::sync::Arc::new(Server::devices().await);
    let mut socket = Socket::greeted(&server).await;
    let watch = "subscription { watchDevices(sendInitialEvents: false, allowBookmarks: false) { \
                 resourceVersion object { status { message } } } }";
    socket.subscribe("w", watch, json!({})).await;
    socket.subscribe("q", "{ __typename }", json!({})).await;
    socket.payload("q", "next").await;
    socket.payload("q", "complete").await;
    let start = server.get("/devices/dev-123").await.version().to_string();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (server, mut version) = (std::sync::Arc::clone(&server), start.clone());
        writers.spawn(async move {
            let query = "mutation($v: ResourceVersion!, $m: String!) { patchDeviceStatus(input: {ref: \
                         {name: \"dev-123\"}, resourceVersion: $v, status: {message: $m}}) { changed \
                         device { metadata { resourceVersion } } errors { code ... on ConflictError \
                         { currentResourceVersion specChanged } } } }";
            loop {
                let variables = json!({"v": version, "m": format!("writer {writer}")});
                let body = json!({"query": query, "variables": variables});
                let reply = server.json("POST", "/graphql", &[], &body).await;
                let told = reply.at("/data/patchDeviceStatus");
                if told["changed"] == json!(true) {
                    let version = &told["device"]["metadata"]["resourceVersion"];
                    return version.as_str().expect("a version").parse::<u64>().expect("a number");
                }
                let error = &told["errors"][0];
                assert_eq!(error["code"], json!("CONFLICT"), "{}", reply.text());
                assert_eq!(error["specChanged"], json!(false));
                let current = error["currentResourceVersion"].as_str().expect("a version");
                assert_ne!(current, version, "a conflict names another version");
                version = current.to_owned();
            }
        });
    }
    let mut versions = writers.join_all().await;
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), WRITERS, "each has a version of its own");
    let mut told = Vec::new();
    for _ in 0..WRITERS {
        let event = socket.event("w").await;
        told.push(event["resourceVersion"].as_str().expect("a version").parse::<u64>().unwrap());
    }
    assert_eq!(told, versions);
}
