//! Mutations of a status: the contract, and what a stale or wrong one is told.

use serde_json::{Value, json};

use super::{ask, ask_as, at, code, data, device};
use crate::harness::server::{Launch, Server, devices};

const UPDATE: &str = "mutation($input: UpdateDeviceStatusInput!) { payload: \
    updateDeviceStatus(input: $input) { ...P } }";
const PATCH: &str = "mutation($input: PatchDeviceStatusInput!) { payload: \
    patchDeviceStatus(input: $input) { ...P } }";
const APPLY: &str = "mutation($input: ApplyDeviceConditionsInput!) { payload: \
    applyDeviceConditions(input: $input) { ...P } }";
const PAYLOAD: &str = " fragment P on DeviceStatusPayload { changed clientMutationId \
    device { metadata { resourceVersion generation } spec { location } status { phase health \
      conditions { type status reason } } } \
    errors { __typename code message retryable \
      ... on ConflictError { expectedResourceVersion currentResourceVersion currentGeneration \
        specChanged statusChanged conflictingManagers \
        current { metadata { resourceVersion } ... on Device { spec { location } } } } \
      ... on UidMismatchError { expectedUid currentUid } \
      ... on NotFoundError { ref { apiVersion kind namespace name } } \
      ... on InvalidError { causes { path reason message } } \
      ... on BoundaryError { path } \
      ... on FieldManagerConflictError { conflictingManagers conditionTypes } \
      ... on ForbiddenError { verb resource subresource reason } } }";

async fn payload(server: &Server, mutation: &str, input: Value) -> Value {
    let reply = ask(server, &format!("{mutation}{PAYLOAD}"), &json!({"input": input})).await;
    at(&data(&reply), "/payload")
}

fn input(version: &str, status: &Value) -> Value {
    json!({"ref": {"name": "x"}, "resourceVersion": version, "status": status})
}

fn version(payload: &Value) -> String {
    let version = at(payload, "/device/metadata/resourceVersion");
    version.as_str().expect("a version is a text").to_owned()
}

#[tokio::test]
async fn a_status_is_replaced_and_nothing_else_changes() {
    let server = Server::devices().await;
    let first = device(&server, "x").await;
    let before = server.get("/devices/x").await.json();
    let written = payload(&server, UPDATE, input(&first, &json!({"phase": "Ready"}))).await;
    assert_eq!(written["errors"], json!([]));
    assert_eq!(written["changed"], json!(true));
    assert_eq!(at(&written, "/device/status/phase"), "Ready");
    let after = server.get("/devices/x").await.json();
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(after["metadata"]["generation"], before["metadata"]["generation"]);
    assert_eq!(after["metadata"]["resourceVersion"], json!(version(&written)));

    let again = input(&version(&written), &json!({"phase": "Ready"}));
    let again = payload(&server, UPDATE, again).await;
    assert_eq!((&again["changed"], version(&again)), (&json!(false), version(&written)));

    let other = payload(&server, UPDATE, input(&version(&written), &json!({"health": "Healthy"})));
    assert_eq!(at(&other.await, "/device/status/phase"), Value::Null, "it was replaced as a whole");
}

#[tokio::test]
async fn a_patch_keeps_what_it_does_not_name_and_clears_what_is_null() {
    let server = Server::devices().await;
    let first = device(&server, "x").await;
    let status = json!({"phase": "Ready", "health": "Healthy",
        "conditions": [{"type": "A", "status": "TRUE", "reason": "Ok"}]});
    let written = payload(&server, PATCH, input(&first, &status)).await;
    let change = json!({"health": null,
        "conditions": [{"type": "B", "status": "FALSE", "reason": "No"}]});
    let written = payload(&server, PATCH, input(&version(&written), &change)).await;
    let status = at(&written, "/device/status");
    assert_eq!((&status["phase"], &status["health"]), (&json!("Ready"), &Value::Null));
    let types: Vec<_> =
        status["conditions"].as_array().unwrap().iter().map(|it| &it["type"]).collect();
    assert_eq!(types, ["A", "B"]);
}

#[tokio::test]
async fn a_stale_version_is_told_everything_that_a_retry_needs() {
    let server = Server::devices().await;
    let first = device(&server, "x").await;
    server.patch("/devices/x", &json!({"spec": {"location": "dc2"}})).await.expect(200);
    let refused = payload(&server, UPDATE, input(&first, &json!({"phase": "Ready"}))).await;
    assert_eq!((&refused["device"], &refused["changed"]), (&Value::Null, &json!(false)));
    let error = &refused["errors"][0];
    assert_eq!(error["__typename"], "ConflictError");
    assert_eq!(error["code"], "CONFLICT");
    assert_eq!(error["retryable"], true);
    assert_eq!(error["expectedResourceVersion"], json!(first));
    assert_eq!((&error["specChanged"], &error["statusChanged"]), (&json!(true), &json!(false)));
    assert_eq!(error["currentGeneration"], 2);
    assert_eq!(at(error, "/current/spec/location"), "dc2");
    assert_eq!(at(error, "/current/metadata/resourceVersion"), error["currentResourceVersion"]);

    let mut narrow = input(&first, &json!({"phase": "Ready"}));
    narrow["conflictScope"] = json!("STATUS");
    let written = payload(&server, UPDATE, narrow).await;
    assert_eq!(written["errors"], json!([]), "only the spec was written since");
}

#[tokio::test]
async fn what_is_wrong_with_one_object_is_data() {
    let server = Server::devices().await;
    let first = device(&server, "x").await;
    let ready = json!({"phase": "Ready"});
    let with = |name: &str, value: Value| {
        let mut input = input(&first, &ready);
        input[name] = value;
        input
    };
    let cases = [
        (with("resourceVersion", json!("")), "PreconditionError", "PRECONDITION_REQUIRED"),
        (with("resourceVersion", json!("0")), "PreconditionError", "INVALID_RESOURCE_VERSION"),
        (with("resourceVersion", json!("x7")), "PreconditionError", "INVALID_RESOURCE_VERSION"),
        (
            with("resourceVersion", json!("99999999")),
            "PreconditionError",
            "INVALID_RESOURCE_VERSION",
        ),
        (with("resourceVersion", json!("1")), "UidMismatchError", "UID_MISMATCH"),
        (with("uid", json!("device-0")), "UidMismatchError", "UID_MISMATCH"),
        (with("ref", json!({"name": "none"})), "NotFoundError", "NOT_FOUND"),
        (with("ref", json!({"name": "x", "namespace": "n"})), "NotFoundError", "NOT_FOUND"),
        (with("fieldManager", json!("")), "InvalidError", "INVALID"),
        (with("status", json!({"observedGeneration": 7})), "InvalidError", "INVALID"),
    ];
    for (input, type_name, code) in cases {
        for mutation in [UPDATE, PATCH] {
            let refused = payload(&server, mutation, input.clone()).await;
            let error = &refused["errors"][0];
            assert_eq!(error["__typename"], type_name, "{input}: {refused}");
            assert_eq!(error["code"], code, "{input}: {refused}");
            assert_eq!((&refused["device"], &refused["changed"]), (&Value::Null, &json!(false)));
        }
    }
    let none = payload(&server, UPDATE, with("ref", json!({"name": "none"}))).await;
    let expected = json!({"apiVersion": "infra.example.io/v1", "kind": "Device",
        "namespace": "default", "name": "none"});
    assert_eq!(at(&none, "/errors/0/ref"), expected);
    assert_eq!(server.get("/devices/x").await.version().to_string(), first, "nothing was written");
}

#[tokio::test]
async fn a_status_input_has_no_place_for_a_spec() {
    let server = Server::devices().await;
    let first = device(&server, "x").await;
    let mut with_spec = input(&first, &json!({"phase": "Ready"}));
    with_spec["spec"] = json!({"location": "dc9"});
    let reply = ask(&server, &format!("{UPDATE}{PAYLOAD}"), &json!({"input": with_spec})).await;
    assert_eq!((reply.status, &*code(&reply)), (400, "BAD_USER_INPUT"));
    let literal = "mutation { updateDeviceStatus(input: {ref: {name: \"x\"}, resourceVersion: \"1\", \
                   status: {}, spec: {}}) { changed } }";
    let reply = ask(&server, literal, &json!({})).await;
    assert_eq!((reply.status, &*code(&reply)), (400, "GRAPHQL_VALIDATION_FAILED"));
    assert_eq!(reply.at("/data"), Value::Null);
    let generic = "mutation($status: JSON!, $version: ResourceVersion!) { \
        updateResourceStatus(input: {apiVersion: \"infra.example.io/v1\", kind: \"Device\", \
          ref: {name: \"x\"}, resourceVersion: $version, status: $status}) { \
          changed resource { json } errors { code ... on BoundaryError { path } } } }";
    let both = json!({"version": first, "status": {"phase": "Ready", "spec": {}}});
    let reply = ask(&server, generic, &both).await;
    let error = at(&data(&reply), "/updateResourceStatus/errors/0");
    assert_eq!(error, json!({"code": "SPEC_WRITE_FORBIDDEN", "path": "spec"}));
    let stale = json!({"version": "1", "status": {"spec": {}}});
    let reply = ask(&server, generic, &stale).await;
    assert_eq!(at(&data(&reply), "/updateResourceStatus/errors/0/code"), "SPEC_WRITE_FORBIDDEN");
    let right = json!({"version": first, "status": {"phase": "Ready"}});
    let reply = ask(&server, generic, &right).await;
    let written = at(&data(&reply), "/updateResourceStatus");
    assert_eq!((&written["changed"], &written["errors"]), (&json!(true), &json!([])));
    assert_eq!(written["resource"]["json"], server.get("/devices/x").await.json());
}

#[tokio::test]
async fn a_dry_run_says_what_would_be() {
    let server = Server::devices().await;
    let first = device(&server, "x").await;
    let mut dry = input(&first, &json!({"phase": "Ready"}));
    dry["dryRun"] = json!(true);
    dry["clientMutationId"] = json!("c1");
    let tried = payload(&server, UPDATE, dry).await;
    assert_eq!(tried["changed"], true);
    assert_eq!(tried["clientMutationId"], "c1");
    assert_eq!(at(&tried, "/device/status/phase"), "Ready");
    assert_eq!(server.get("/devices/x").await.version().to_string(), first);
}

#[tokio::test]
async fn each_manager_has_its_conditions() {
    let server = Server::devices().await;
    let first = device(&server, "x").await;
    let apply = |version: &str, manager: &str, kind: &str, status: &str| {
        json!({"ref": {"name": "x"}, "resourceVersion": version, "fieldManager": manager,
            "observedGeneration": 1,
            "conditions": [{"type": kind, "status": status, "reason": "Because"}]})
    };
    let written = payload(&server, APPLY, apply(&first, "one", "A", "TRUE")).await;
    assert_eq!(written["errors"], json!([]));
    // Another type is no conflict, though the object is another one since.
    let other = payload(&server, APPLY, apply(&first, "two", "B", "TRUE")).await;
    assert_eq!(other["errors"], json!([]));
    // The same type is, by somebody who has not seen it.
    let stale = payload(&server, APPLY, apply(&first, "two", "A", "FALSE")).await;
    assert_eq!(at(&stale, "/errors/0/code"), "CONFLICT");
    assert_eq!(at(&stale, "/errors/0/conflictingManagers"), json!(["one", "two"]));
    let newest = version(&other);
    let owned = payload(&server, APPLY, apply(&newest, "two", "A", "FALSE")).await;
    assert_eq!(at(&owned, "/errors/0/code"), "FIELD_MANAGER_CONFLICT");
    assert_eq!(at(&owned, "/errors/0/conflictingManagers"), json!(["one"]));
    assert_eq!(at(&owned, "/errors/0/conditionTypes"), json!(["A"]));
    let mut force = apply(&newest, "two", "A", "FALSE");
    force["force"] = json!(true);
    force["removeTypes"] = json!(["B"]);
    let forced = payload(&server, APPLY, force).await;
    let conditions = at(&forced, "/device/status/conditions");
    assert_eq!(conditions, json!([{"type": "A", "status": "FALSE", "reason": "Because"}]));
}

const BULK: &str = "mutation($input: BulkUpdateDeviceStatusInput!) { \
    bulk: bulkUpdateDeviceStatus(input: $input) { succeeded failed resourceVersion \
      results { changed device { metadata { name resourceVersion } } \
        errors { code ... on AbortedError { failedItem } } } } }";

#[tokio::test]
async fn many_are_patched_each_for_itself_or_all_together() {
    let server = Server::devices().await;
    let mut versions = Vec::new();
    for name in ["a", "b", "c"] {
        versions.push(device(&server, name).await);
    }
    let item = |name: &str, version: &str, phase: &str| json!({"ref": {"name": name}, "resourceVersion": version, "status": {"phase": phase}});
    let stale = json!({"mode": "ATOMIC", "items": [
        item("a", &versions[0], "Ready"),
        item("b", &versions[0], "Ready"),
        item("c", &versions[2], "Ready"),
    ]});
    let newest = server.get("/devices/c").await.version();
    let bulk = at(&data(&ask(&server, BULK, &json!({"input": stale})).await), "/bulk");
    assert_eq!((&bulk["succeeded"], &bulk["failed"]), (&json!(0), &json!(3)));
    assert_eq!(bulk["resourceVersion"], Value::Null);
    let codes: Vec<_> =
        bulk["results"].as_array().unwrap().iter().map(|it| at(it, "/errors/0")).collect();
    let aborted = json!({"code": "ABORTED", "failedItem": 1});
    // The version is older than the object itself.
    assert_eq!(codes, [aborted.clone(), json!({"code": "UID_MISMATCH"}), aborted]);
    assert_eq!(server.get("/devices/a").await.at("/status/phase"), Value::Null);

    let mut right = stale.clone();
    right["items"][1]["resourceVersion"] = json!(versions[1]);
    let bulk = at(&data(&ask(&server, BULK, &json!({"input": right})).await), "/bulk");
    assert_eq!((&bulk["succeeded"], &bulk["failed"]), (&json!(3), &json!(0)));
    let written: Vec<u64> = bulk["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| at(it, "/device/metadata/resourceVersion").as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(written, [newest + 1, newest + 2, newest + 3], "consecutive, in order");
    assert_eq!(bulk["resourceVersion"], json!(written[2].to_string()));

    let mut partly = right.clone();
    partly["mode"] = json!("INDEPENDENT");
    partly["items"][0]["resourceVersion"] = json!(written[0].to_string());
    partly["items"][0]["status"] = json!({"phase": "Offline"});
    let bulk = at(&data(&ask(&server, BULK, &json!({"input": partly})).await), "/bulk");
    assert_eq!((&bulk["succeeded"], &bulk["failed"]), (&json!(1), &json!(2)));
    assert_eq!(at(&bulk, "/results/1/errors/0/code"), "CONFLICT");

    let twice = json!({"items": [item("a", "1", "Ready"), item("a", "1", "Ready")]});
    let reply = ask(&server, BULK, &json!({"input": twice})).await;
    assert_eq!(code(&reply), "BAD_USER_INPUT");
    let many: Vec<_> = (0..501).map(|index| item(&format!("d{index}"), "1", "Ready")).collect();
    let reply = ask(&server, BULK, &json!({"input": {"items": many}})).await;
    assert_eq!(code(&reply), "LIMIT_EXCEEDED");
}

/// Core kinds report their status in the same way.
#[tokio::test]
async fn core_kinds_have_a_status_as_well() {
    let server = Server::devices().await;
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "3"}}});
    let version = server.post("/resourcequotas", &quota).await.expect(201).version().to_string();
    let mutation = "mutation($version: ResourceVersion!) { \
        patchResourceQuotaStatus(input: {ref: {name: \"q\"}, resourceVersion: $version, \
          status: {used: {pods: \"1\"}}}) { changed resourcequota { json } errors { message } } }";
    let reply = ask(&server, mutation, &json!({"version": version})).await;
    let written = at(&data(&reply), "/patchResourceQuotaStatus");
    assert_eq!(at(&written, "/resourcequota/json/status/used/pods"), "1", "{written}");
}

/// Alice writes specs, the controller statuses, Bob both, and Mallory nothing.
async fn restricted() -> Server {
    let launch = Launch::devices().arg("--policy").arg(devices().join("policy.yaml"));
    launch.arg("--tokens").arg(devices().join("tokens.csv")).start().await
}

/// No right is `FORBIDDEN`, whatever else is wrong.
#[tokio::test]
async fn a_status_is_a_right_of_its_own() {
    let server = restricted().await;
    let newest = json!({"phase": "Ready"});
    let right = |version: &str| json!({"ref": {"name": "dev-123"}, "resourceVersion": version, "status": newest});
    let as_user = async |user: &str, input: &Value| {
        let bearer = format!("Bearer {user}-token");
        let headers = [("authorization", bearer.as_str())];
        let variables = json!({"input": input});
        ask_as(&server, &format!("{UPDATE}{PAYLOAD}"), &variables, &headers).await
    };
    for user in ["alice", "mallory"] {
        for version in ["1", "", "x"] {
            let refused = at(&data(&as_user(user, &right(version)).await), "/payload/errors/0");
            assert_eq!(refused["__typename"], "ForbiddenError", "{user} {version:?}: {refused}");
            assert_eq!(
                (&refused["verb"], &refused["resource"], &refused["subresource"]),
                (&json!("update"), &json!("devices.infra.example.io"), &json!("status"))
            );
        }
        let mut missing = right("1");
        missing["ref"] = json!({"name": "none"});
        let refused = at(&data(&as_user(user, &missing).await), "/payload/errors/0");
        assert_eq!(refused["code"], "FORBIDDEN", "{user}: {refused}");
    }
    for user in ["controller", "bob"] {
        let refused = at(&data(&as_user(user, &right("x")).await), "/payload/errors/0");
        assert_eq!(refused["code"], "INVALID_RESOURCE_VERSION", "{user}: {refused}");
    }
    let stranger = ask(&server, &format!("{UPDATE}{PAYLOAD}"), &json!({"input": right("1")})).await;
    assert_eq!((stranger.status, &*code(&stranger)), (401, "UNAUTHENTICATED"));
}
