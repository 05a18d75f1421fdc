//! Stored objects through operations.

use std::sync::Arc;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::request::coerce_variable_values;
use pintle_model::{Change, Json, Manner, Object, ObjectKey, Put, Revision, Timestamp};
use pintle_schema::Definition;
use serde_json::{Value, json};

use super::Writer;
use crate::coerce;
use crate::data::{Data, Record, Shown};
use crate::plan::plan;
use crate::schema::Published;

const NOW: &str = "2026-01-01T00:00:00Z";

fn published() -> Published {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/devices/device.crd.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let document: Value = serde_saphyr::from_str(&text).unwrap();
    let body = document.as_object().unwrap();
    let definition = Arc::new(Definition::from_crd("devices.infra.example.io", body).unwrap());
    let version = Arc::clone(definition.storage_version());
    Published::of(&[(definition, version)], &mut crate::schema::Parts::default())
}

fn device(status: &Value) -> Arc<Object> {
    let metadata = json!({
        "name": "dev-123", "namespace": "default", "uid": "device-1", "generation": 2,
        "creationTimestamp": NOW, "labels": {"site": "north"},
    });
    let put = Put::Create {
        metadata: Arc::new(serde_json::from_value(metadata).unwrap()),
        body: Json::from_value(&json!({"spec": {
            "name": "sensor-01", "location": "dc1", "config": {"interval": "30s"},
        }})),
        status: Some(Json::from_value(status)),
    };
    let key = ObjectKey::new(
        pintle_model::GroupResource::new("infra.example.io", "devices"),
        "default",
        "dev-123",
    );
    let change = Change {
        key,
        expect: None,
        put,
        at: Timestamp::parse(NOW).unwrap(),
        manner: Manner::Replaced,
        version: None,
    };
    Arc::new(Object::after(None, &change, Revision(7)).unwrap())
}

fn status() -> Value {
    json!({
        "phase": "Ready",
        "observedGeneration": 9_007_199_254_740_993_i64,
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Up", "lastTransitionTime": NOW},
            {"type": "Synced", "status": "False"},
        ],
    })
}

/// Answers an operation whose root fields all give `data`: the data, and the errors.
fn answered(
    published: &Published,
    query: &str,
    variables: Value,
    data: &Data,
) -> (Value, Vec<String>) {
    let document = ExecutableDocument::parse_and_validate(&published.schema, query, "q.graphql");
    let document = document.unwrap_or_else(|invalid| panic!("{query}: {}", invalid.errors));
    let operation = document.operations.get(None).unwrap();
    let variables = serde_json::from_value(variables).unwrap();
    let variables = coerce_variable_values(&published.schema, operation, &variables).unwrap();
    let plan = plan(published, &document, operation, &variables);
    let mut writer = Writer::new(&variables);
    let written = writer.fields(&plan.root, None, |it, field, path| {
        coerce::arguments(published, field, &variables).unwrap();
        it.value(data, &field.shape, path)
    });
    let text = if written.is_ok() { writer.out } else { "null".to_owned() };
    let errors = writer.errors.iter().map(|it| Value::Array(it.path.clone()).to_string());
    (
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}")),
        errors.collect(),
    )
}

fn check(query: &str, status: &Value, expected: &Value, errors: &[&str]) {
    let published = published();
    let kind = Arc::clone(published.kinds.first().unwrap());
    let data = Data::from(Arc::new(Shown { kind, object: device(status), whole: true }));
    let (found, found_errors) = answered(&published, query, json!({}), &data);
    assert_eq!(
        (&found, found_errors),
        (expected, errors.iter().map(|it| (*it).to_owned()).collect()),
        "{query}"
    );
}

#[test]
fn what_is_asked_for_is_picked_in_that_order() {
    let query = r#"{ device(by: {id: "x"}) { __typename status { phase observedGeneration } id apiVersion kind
        metadata { name generation resourceVersion labels namespace deletionTimestamp finalizers ownerReferences { uid } } spec { at: location model config } } }"#;
    let expected = json!({"device": {
        "__typename": "Device",
        "status": {"phase": "Ready", "observedGeneration": "9007199254740993"},
        "id": "devices.infra.example.io/device-1",
        "apiVersion": "infra.example.io/v1",
        "kind": "Device",
        "metadata": {"name": "dev-123", "generation": 2, "resourceVersion": "7", "labels": {"site": "north"}, "namespace": "default", "deletionTimestamp": null, "finalizers": [], "ownerReferences": []},
        "spec": {"at": "dc1", "model": null, "config": {"interval": "30s"}},
    }});
    check(query, &status(), &expected, &[]);
    // Order counts, and a map of JSON hides it.
    let published = published();
    let kind = Arc::clone(published.kinds.first().unwrap());
    let data = Data::from(Arc::new(Shown { kind, object: device(&status()), whole: true }));
    let (found, _) = answered(
        &published,
        "{ device(by: {id: 1}) { spec { model location } kind } }",
        json!({}),
        &data,
    );
    assert_eq!(
        found.to_string(),
        json!({"device": {"kind": "Device", "spec": {"location": "dc1", "model": null}}})
            .to_string()
    );
}

#[test]
fn conditions_can_be_asked_for_by_type() {
    let query = r#"{ device(by: {id: "x"}) { status { all: conditions { type status reason } some: conditions(type: ["Synced", "Gone"]) { type status } } } }"#;
    let expected = json!({"device": {"status": {
        "all": [
            {"type": "Ready", "status": "TRUE", "reason": "Up"},
            {"type": "Synced", "status": "FALSE", "reason": null},
        ],
        "some": [{"type": "Synced", "status": "FALSE"}],
    }}});
    check(query, &status(), &expected, &[]);
}

#[test]
fn a_value_of_the_wrong_type_is_null_with_an_error_and_a_promised_one_takes_its_parent_along() {
    let query =
        r#"{ device(by: {id: "x"}) { status { phase message conditions { type status } } } }"#;
    let wrong =
        json!({"phase": 7, "message": "m", "conditions": [{"type": "Ready", "status": "Maybe"}]});
    let expected =
        json!({"device": {"status": {"phase": null, "message": "m", "conditions": null}}});
    let paths =
        [r#"["device","status","phase"]"#, r#"["device","status","conditions",0,"status"]"#];
    check(query, &wrong, &expected, &paths);
    check(query, &json!("down"), &json!({"device": {"status": null}}), &[r#"["device","status"]"#]);
}

#[test]
fn fields_are_merged_and_fragments_apply_by_type() {
    let query = r#"query { device(by: {id: "x"}) { ...A ... on Resource { metadata { uid } } spec { model } ... on Device { metadata { name } } } }
        fragment A on Device { spec { location } metadata { uid } ...B } fragment B on Node { id }"#;
    let expected = json!({"device": {
        "spec": {"location": "dc1", "model": null},
        "metadata": {"uid": "device-1", "name": "dev-123"},
        "id": "devices.infra.example.io/device-1",
    }});
    check(query, &status(), &expected, &[]);
}

#[test]
fn fields_are_left_out_as_variables_say() {
    let published = published();
    let kind = Arc::clone(published.kinds.first().unwrap());
    let data = Data::from(Arc::new(Shown { kind, object: device(&status()), whole: true }));
    let query = r#"query($a: Boolean!, $types: [String!]) { device(by: {id: "x"}) { kind @skip(if: $a) id @include(if: $a) status { conditions(type: $types) { type } } } }"#;
    let (found, _) = answered(&published, query, json!({"a": true, "types": ["Ready"]}), &data);
    let expected = json!({"device": {"id": "devices.infra.example.io/device-1", "status": {"conditions": [{"type": "Ready"}]}}});
    assert_eq!(found, expected);
}

#[test]
fn interfaces_answer_by_what_a_value_is() {
    let published = published();
    let kind = Arc::clone(published.kinds.first().unwrap());
    let shown = Arc::new(Shown { kind, object: device(&status()), whole: false });
    let conflict = Record::new("ConflictError")
        .with("code", Data::Name("CONFLICT"))
        .with("message", "m")
        .with("retryable", true)
        .with("expectedResourceVersion", "1")
        .with("currentResourceVersion", "7")
        .with("currentGeneration", 2)
        .with("specChanged", false)
        .with("statusChanged", true)
        .with("current", shown);
    let not_found = Record::new("NotFoundError")
        .with("code", Data::Name("NOT_FOUND"))
        .with("message", "n")
        .with("retryable", false);
    let payload = Record::new("DeviceStatusPayload")
        .with("changed", false)
        .with("errors", vec![Data::from(conflict), Data::from(not_found)]);
    let query = r#"mutation { updateDeviceStatus(input: {ref: {name: "a"}, resourceVersion: "1", status: {}}) {
        device { id } changed errors { __typename code ... on ConflictError { currentResourceVersion current { kind ... on Device { spec { name } status { phase } } } } } } }"#;
    let (found, errors) = answered(&published, query, json!({}), &Data::from(payload));
    let expected = json!({"updateDeviceStatus": {"device": null, "changed": false, "errors": [
        {"__typename": "ConflictError", "code": "CONFLICT", "currentResourceVersion": "7",
         "current": {"kind": "Device", "spec": null, "status": {"phase": "Ready"}}},
        {"__typename": "NotFoundError", "code": "NOT_FOUND"},
    ]}});
    assert_eq!((found, errors), (expected, Vec::new()));
}

#[test]
fn inputs_are_what_is_stored_or_are_refused_with_their_path() {
    let published = published();
    let input = |query: &str, variables: Value| {
        let document =
            ExecutableDocument::parse_and_validate(&published.schema, query, "q.graphql");
        let document = document.unwrap_or_else(|invalid| panic!("{query}: {}", invalid.errors));
        let operation = document.operations.get(None).unwrap();
        let variables = serde_json::from_value(variables).unwrap();
        let variables = coerce_variable_values(&published.schema, operation, &variables).unwrap();
        let plan = plan(&published, &document, operation, &variables);
        let field = plan.root.fields.first().unwrap();
        coerce::arguments(&published, field, &variables)
            .map(Value::Object)
            .map_err(|it| it.to_string())
    };
    let mutation = |status: &str| {
        format!(
            r#"mutation {{ updateDeviceStatus(input: {{ref: {{name: "a"}}, resourceVersion: "1", status: {status}}}) {{ changed }} }}"#
        )
    };
    let stored = input(&mutation(r#"{phase: Ready, observedGeneration: "5", conditions: {type: "Ready", status: TRUE, reason: "Up"}}"#), json!({})).unwrap();
    let expected = json!({"phase": "Ready", "observedGeneration": 5, "conditions": [{"type": "Ready", "status": "True", "reason": "Up", "message": ""}]});
    assert_eq!(stored["input"]["status"], expected);
    assert_eq!(stored["input"]["conflictScope"], "OBJECT");
    assert_eq!(stored["input"]["dryRun"], false);
    let bad = input(&mutation(r#"{observedGeneration: "x"}"#), json!({})).unwrap_err();
    assert!(bad.starts_with("input.status.observedGeneration: expected a whole number"), "{bad}");
    let query = r#"mutation($s: DeviceStatusPatchInput!) { patchDeviceStatus(input: {ref: {name: "a"}, resourceVersion: 1, status: $s}) { changed } }"#;
    let patched = input(query, json!({"s": {"phase": null, "message": "m"}})).unwrap();
    assert_eq!(patched["input"]["status"], json!({"phase": null, "message": "m"}));
    assert_eq!(patched["input"]["resourceVersion"], "1");
}
