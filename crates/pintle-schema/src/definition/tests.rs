//! Declarations and what becomes of them.

use serde_json::{Map, Value, json};

use super::Definition;

/// A good declaration.
fn declaration() -> Value {
    json!({"spec": {
        "group": "infra.example.io",
        "names": {"plural": "devices", "kind": "Device", "shortNames": ["dev"], "categories": ["all"]},
        "scope": "Namespaced",
        "versions": [{
            "name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {
                "type": "object",
                "required": ["spec", "status", "metadata"],
                "properties": {
                    "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 10}}},
                    "spec": {"type": "object", "required": ["color"], "properties": {
                        "color": {"type": "string"},
                        "size": {"type": "integer", "default": 3},
                        "on": {"type": "boolean"},
                        "tags": {"type": "array", "items": {"type": "string"}},
                    }},
                    "status": {"type": "object", "default": {"phase": "New"}, "properties": {
                        "phase": {"type": "string", "enum": ["New", "Ready"]},
                        "conditions": {"type": "array", "items": {"type": "object", "properties": {
                            "type": {"type": "string"}, "status": {"type": "string"}}}},
                    }},
                },
            }},
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
            "additionalPrinterColumns": [{"name": "Color", "type": "string", "jsonPath": ".spec.color"}],
            "selectableFields": [{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}, {"jsonPath": ".status.phase"}],
        }],
    }})
}

/// The good declaration with the value at a JSON pointer replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut declaration = declaration();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    declaration.pointer_mut(parent).unwrap()[field] = value;
    declaration
}

/// Reads a declaration under the name that it asks for.
fn read(declaration: &Value) -> Result<Definition, Vec<String>> {
    let text = |pointer| declaration.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{}.{}", text("/spec/names/plural"), text("/spec/group"));
    Definition::from_crd(&name, declaration.as_object().unwrap())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn a_declaration_becomes_a_definition() {
    let definition = read(&declaration()).unwrap();
    let version = definition.storage_version();
    assert_eq!(definition.kind.resource().as_str(), "devices.infra.example.io");
    assert_eq!(&*definition.kind.singular, "device");
    assert_eq!(&*definition.kind.list_kind, "DeviceList");
    assert!(version.status_subresource && version.conditions && !definition.conversion_webhook);
    assert_eq!(&*version.scale.as_ref().unwrap().spec_replicas_path, ".spec.size");
    assert_eq!(&*version.columns[0].json_path, ".spec.color");
    assert_eq!(version.default_status(), Some(&json!({"phase": "New"})));
    assert_eq!(
        version.schema_document.to_value(),
        declaration()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    );
}

fn check_refused(declaration: &Value, expected: &str) {
    assert_eq!(read(declaration).unwrap_err(), [expected]);
}

#[test]
fn faulty_names_are_refused() {
    let cases = [
        (
            with("/spec/group", json!("example")),
            r#"spec.group: Invalid value: "example": should be a domain with at least one dot"#,
        ),
        (
            with("/spec/scope", json!("World")),
            r#"spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced""#,
        ),
        (
            with("/spec/names/plural", json!(null)),
            r#"spec.names.plural: Invalid value: "null": spec.names.plural in body must be of type string: "null""#,
        ),
        (
            with(
                "/spec/names",
                json!({"plural": "devices", "singular": "device", "kind": "My Device", "listKind": "Devices"}),
            ),
            r#"spec.names.kind: Invalid value: "My Device": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character"#,
        ),
        (
            with("/spec/names/listKind", json!("Device")),
            r#"spec.names.listKind: Invalid value: "Device": kind and listKind may not be the same"#,
        ),
        (
            with("/spec/names/shortNames", json!(["1"])),
            r#"spec.names.shortNames[0]: Invalid value: "1": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character"#,
        ),
    ];
    for (declaration, expected) in cases {
        check_refused(&declaration, expected);
    }
}

#[test]
fn faulty_versions_are_refused() {
    let version = |field: &str| format!("/spec/versions/0/{field}");
    let cases = [
        (
            with("/spec/versions", json!([])),
            "spec.versions: Invalid value: must have exactly one version marked as storage version",
        ),
        (
            with(&version("storage"), json!(false)),
            "spec.versions: Invalid value: must have exactly one version marked as storage version",
        ),
        (
            with(&version("schema"), json!({})),
            "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required",
        ),
        (
            with(
                &version("schema/openAPIV3Schema"),
                json!({"type": "object", "properties": {"spec": {}}}),
            ),
            "spec.versions[0].schema.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
        ),
        (
            with(&version("deprecationWarning"), json!("old")),
            r#"spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions"#,
        ),
        (
            with(&version("subresources/scale/specReplicasPath"), json!(".status.x")),
            r#"spec.versions[0].subresources.scale.specReplicasPath: Invalid value: ".status.x": should be a json path under .spec"#,
        ),
        (
            with(&version("additionalPrinterColumns/0/type"), json!("text")),
            r#"spec.versions[0].additionalPrinterColumns[0].type: Unsupported value: "text": supported values: "boolean", "date", "integer", "number", "string""#,
        ),
        (
            with(&version("selectableFields/0/jsonPath"), json!(".spec.tags")),
            r#"spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec.tags": must point to a declared field of type string, boolean or integer, without list items"#,
        ),
        (
            with(&version("selectableFields/0/jsonPath"), json!(".metadata.name")),
            r#"spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".metadata.name": must not point to apiVersion, kind or metadata"#,
        ),
        (
            with(&version("selectableFields/0/jsonPath"), json!(".spec.size")),
            r#"spec.versions[0].selectableFields[1].jsonPath: Duplicate value: ".spec.size""#,
        ),
        (
            with("/spec/preserveUnknownFields", json!(true)),
            "spec.preserveUnknownFields: Invalid value: true: must be false; set x-kubernetes-preserve-unknown-fields in the schema instead",
        ),
        (
            with("/spec/conversion", json!({"strategy": "Webhook"})),
            "spec.conversion.webhook.clientConfig: Required value: required when strategy is set to Webhook",
        ),
        (
            with("/spec/conversion", json!({"strategy": "Magic"})),
            r#"spec.conversion.strategy: Unsupported value: "Magic": supported values: "None", "Webhook""#,
        ),
    ];
    for (declaration, expected) in cases {
        check_refused(&declaration, expected);
    }
}

#[test]
fn the_name_of_a_declaration_is_plural_and_group() {
    let fault = Definition::from_crd("device.infra.example.io", &map(&declaration())).unwrap_err();
    let expected = r#"metadata.name: Invalid value: "device.infra.example.io": must be spec.names.plural+"."+spec.group"#;
    assert_eq!(fault[0].to_string(), expected);
    assert!(Definition::from_crd("x", &Map::new()).is_err());
}

#[test]
fn a_conversion_webhook_is_recorded() {
    let conversion = json!({"strategy": "Webhook", "webhook": {
        "clientConfig": {"url": "https://example.io"}, "conversionReviewVersions": ["v1"]}});
    assert!(read(&with("/spec/conversion", conversion)).unwrap().conversion_webhook);
}

#[test]
fn versions_are_ordered_by_priority() {
    let names = [
        "v10",
        "v2",
        "v1",
        "v11beta2",
        "v10beta3",
        "v3beta1",
        "v12alpha1",
        "v11alpha2",
        "foo1",
        "foo10",
    ];
    let mut versions: Vec<_> = names
        .iter()
        .map(|name| json!({"name": name, "served": true, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}}))
        .collect();
    versions.push(json!({"name": "v99", "served": false, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}));
    versions.reverse();
    let definition = read(&with("/spec/versions", json!(versions))).unwrap();
    let served: Vec<_> =
        definition.served_versions().iter().map(|version| &*version.name).collect();
    assert_eq!(served, names);
    assert_eq!(&*definition.preferred_version().unwrap().name, "v10");
    assert_eq!(&*definition.storage_version().name, "v99");
    assert!(definition.version("v2").is_some() && definition.version("v4").is_none());
}

#[test]
fn the_lanes_are_checked_apart() {
    let version = std::sync::Arc::clone(read(&declaration()).unwrap().storage_version());
    let mut body = map(&json!({"spec": {"color": "red", "x": 1}, "data": {}}));
    assert_eq!(version.normalize_body(&mut body), ["data", "spec.x"]);
    assert_eq!(Value::from(body.clone()), json!({"spec": {"color": "red", "size": 3}}));
    assert_eq!(version.validate_body(&body), []);
    let faults = version.validate_body(&Map::new());
    assert_eq!(
        faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["spec: Required value"]
    );
    let mut status = json!({"phase": "Ready", "x": 1});
    assert_eq!(version.normalize_status(&mut status), ["status.x"]);
    assert_eq!(version.validate_status(&status), []);
    let faults = version.validate_status(&json!({"phase": "Odd"}));
    assert_eq!(
        faults[0].to_string(),
        r#"status.phase: Unsupported value: "Odd": supported values: "New", "Ready""#
    );
    assert_eq!(version.validate_name("short"), []);
    assert_eq!(version.validate_name("much-too-long")[0].path, "metadata.name");
}

#[test]
fn a_status_that_no_schema_knows_goes() {
    let plain = |schema: Value| {
        let version = json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]);
        std::sync::Arc::clone(read(&with("/spec/versions", version)).unwrap().storage_version())
    };
    let cases = [
        (json!({"type": "object"}), json!(null), vec!["status"]),
        (
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
            json!({"x": 1}),
            vec![],
        ),
    ];
    for (schema, expected, dropped) in cases {
        let mut status = json!({"x": 1});
        assert_eq!(plain(schema).normalize_status(&mut status), dropped);
        assert_eq!(status, expected);
    }
    let nothing: &[String] = &[];
    assert_eq!(plain(json!({"type": "object"})).normalize_status(&mut json!(null)), nothing);
}

#[test]
fn selectable_fields_are_read_as_text() {
    let version = std::sync::Arc::clone(read(&declaration()).unwrap().storage_version());
    let body = map(&json!({"spec": {"color": "red", "size": 5}}));
    let status = json!({"phase": "Ready"});
    let cases = [
        ("spec.color", Some(&status), Some("red")),
        ("spec.size", Some(&status), Some("5")),
        ("status.phase", Some(&status), Some("Ready")),
        ("status.phase", None, Some("")),
        ("spec.on", None, None),
    ];
    for (path, status, expected) in cases {
        assert_eq!(version.selectable_text(path, &body, status).as_deref(), expected, "{path}");
    }
}

#[test]
fn an_established_kind_keeps_what_objects_were_stored_under() {
    let status = |established: &str, stored: &[&str]| {
        json!({
            "conditions": [
                {"type": "NamesAccepted", "status": "True"},
                {"type": "Established", "status": established},
            ],
            "storedVersions": stored,
        })
    };
    let scope = with("/spec/scope", json!("Cluster"));
    let kind = with("/spec/names/kind", json!("Gadget"));
    let version = with("/spec/versions/0/name", json!("v2"));
    let scope_fault = r#"spec.scope: Invalid value: "Cluster": field is immutable"#;
    let kind_fault = r#"spec.names.kind: Invalid value: "Gadget": field is immutable"#;
    let version_fault =
        r#"status.storedVersions[0]: Invalid value: "v1": must appear in spec.versions"#;
    let cases = [
        (declaration(), Some(status("True", &["v1"])), vec![]),
        (with("/spec/names/shortNames", json!([])), Some(status("True", &["v1"])), vec![]),
        (scope.clone(), Some(status("True", &["v1"])), vec![scope_fault]),
        (kind.clone(), Some(status("True", &[])), vec![kind_fault]),
        (scope.clone(), Some(status("False", &["v1"])), vec![scope_fault]),
        // What the status says can be written by others.
        (scope, Some(json!({"conditions": []})), vec![scope_fault]),
        (kind, None, vec![]),
        (version.clone(), Some(status("False", &["v1"])), vec![version_fault]),
        (version.clone(), Some(status("False", &["v2"])), vec![]),
        (version, Some(json!({})), vec![]),
    ];
    for (next, status, expected) in cases {
        let definition = read(&next).unwrap();
        let faults = definition.check_successor(&map(&declaration()), status.as_ref());
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, expected, "{next} after {status:?}");
    }
}

#[test]
fn a_status_lists_the_storage_version_and_none_that_is_not_declared() {
    let body = map(&with("/spec/versions/0/name", json!("v2")));
    let status = |stored: &[&str]| json!({"storedVersions": stored});
    let storage = |given: &str| {
        format!("status.storedVersions: Invalid value: {given}: must have the storage version v2")
    };
    let undeclared = |index: usize| {
        format!(
            "status.storedVersions[{index}]: Invalid value: \"v9\": must appear in spec.versions"
        )
    };
    let cases = [
        (json!({}), status(&["v2"]), vec![]),
        (json!({}), json!({"conditions": []}), vec![]),
        (status(&["v1", "v2"]), status(&["v2"]), vec![]),
        (status(&["v1", "v2"]), status(&["v1"]), vec![storage("[\"v1\"]")]),
        (status(&["v2"]), status(&[]), vec![storage("[]")]),
        (status(&["v2"]), json!({}), vec![storage("[]")]),
        (status(&["v2"]), json!(null), vec![storage("[]")]),
        (status(&["v2"]), status(&["v2", "v9"]), vec![undeclared(1)]),
        (status(&["v2"]), status(&["v9"]), vec![storage("[\"v9\"]"), undeclared(0)]),
        // What was there before can go on, and go.
        (status(&["v1"]), status(&["v1"]), vec![]),
        (status(&["v1", "v8", "v2"]), status(&["v8", "v2"]), vec![]),
    ];
    for (before, wanted, expected) in cases {
        let faults = Definition::check_stored_versions(&body, Some(&before), Some(&wanted));
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, expected, "{wanted} after {before}");
    }
}
