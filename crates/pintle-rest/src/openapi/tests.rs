//! What the description says, and that it says all of it.

use std::collections::BTreeSet;

use pintle_engine::Refusal;
use pintle_http::{Observers, Recording, Subject};
use pintle_model::{FieldError, FieldPath, GroupResource, Revision, Uid};
use pintle_rules::Refusal as RulesRefusal;
use pintle_schema::Definition;

use super::*;
use crate::reply::{Page, failure_object};
use crate::route::{Route, Shape};

fn version(name: &str, storage: bool, schema: &Value) -> Value {
    json!({"name": name, "served": true, "storage": storage, "subresources": {"status": {}},
           "schema": {"openAPIV3Schema": schema}})
}

fn thing() -> Value {
    json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {"type": "object", "required": ["size"],
                     "properties": {"size": {"type": "integer", "default": 1}}},
            "status": {"type": "object", "required": ["phase"],
                       "properties": {"phase": {"type": "string"}}},
        },
    })
}

fn declared(group: &str, kind: &str, plural: &str, versions: &[Value]) -> Definition {
    let spec = json!({
        "group": group, "scope": "Namespaced", "versions": versions,
        "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
    });
    let body = Fields::from_iter([("spec".to_owned(), spec)]);
    Definition::from_crd(&format!("{plural}.{group}"), &body).expect("it is valid")
}

fn things(group: &str, kind: &str, plural: &str) -> Definition {
    declared(group, kind, plural, &[version("v1", true, &thing())])
}

fn described(definitions: Vec<Definition>) -> Value {
    document(&Catalog::declaring(definitions), Terms::default())
}

/// Paths, methods and identities of all operations.
fn operations(document: &Value) -> Vec<(&str, &str, &str)> {
    let paths = document["paths"].as_object().expect("there are paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("a path has operations").iter();
        item.filter(|(method, _)| *method != "parameters").map(|(method, operation)| {
            let id = operation["operationId"].as_str().expect("an operation has an identity");
            (path.as_str(), method.as_str(), id)
        })
    });
    operations.collect()
}

/// Every `$ref` of a document.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn assert_sound(document: &Value) {
    let mut found = BTreeSet::new();
    references(document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("references stay in the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let operations = operations(document);
    let ids: BTreeSet<&str> = operations.iter().map(|(_, _, id)| *id).collect();
    assert_eq!(ids.len(), operations.len(), "{operations:?}");
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = described(vec![things("a.io", "Thing", "things")]);
    assert_sound(&document);
    let described: BTreeSet<(String, String)> = operations(&document)
        .into_iter()
        .filter(|(path, ..)| path.starts_with("/things"))
        .map(|(path, method, _)| (path.to_owned(), method.to_uppercase()))
        .collect();
    // This kind has no conditions.
    let shapes = Shape::ALL.into_iter().filter(|shape| *shape != Shape::Condition);
    let routes: BTreeSet<(String, String)> = shapes
        .flat_map(|shape| {
            let path = format!("/things{}", shape.template());
            shape.operations().iter().map(move |(method, _)| (path.clone(), method.to_string()))
        })
        .collect();
    assert_eq!(described, routes);
}

#[test]
fn every_page_is_described() {
    let document = described(Vec::new());
    for page in Page::ALL {
        let is_part = page.path().starts_with("/docs/");
        let is_described = document["paths"].get(page.path()).is_some();
        assert_eq!(is_described, !is_part, "{page:?}");
    }
    assert!(document["paths"].get("/events").is_some());
    for (path, method, _) in operations(&document) {
        if let Ok(Route::Fixed(page)) = Route::parse(path) {
            assert_eq!(
                (Page::at(path.trim_start_matches('/')), method),
                (Some(page), "get"),
                "{path}"
            );
        }
    }
}

#[test]
fn names_are_told_apart() {
    type Expected = &'static [(&'static str, &'static str)];
    let rows: [(Vec<Definition>, Expected); 5] = [
        (
            vec![things("a.io", "Thing", "things")],
            &[("/things", "listThings"), ("/things/{id}/status", "patchThingStatus")],
        ),
        (
            vec![things("a.io", "Thing", "things"), things("b-c.io", "Thing", "things")],
            &[
                ("/things.a.io", "listThings_a_io"),
                ("/things.b-c.io", "listThings_b__c_io"),
                ("/things.a.io/{id}/status", "patchThing_a_io_Status"),
            ],
        ),
        // The schema of a status, or a kind?
        (
            vec![things("a.io", "Thing", "things"), things("a.io", "ThingStatus", "thingstatuses")],
            &[
                ("/things/{id}/status", "patchThing_a_io_Status"),
                ("/thingstatuses/{id}", "patchThingStatus_a_io"),
            ],
        ),
        // A shared schema, or a kind? A page, or a kind?
        (
            vec![things("a.io", "Failure", "failures"), things("a.io", "Event", "events")],
            &[("/failures/{id}", "getFailure_a_io"), ("/events.a.io/{id}", "getEvent_a_io")],
        ),
        (
            vec![things("a.io", "Namespace", "namespaces")],
            &[("/namespaces.a.io/{id}", "getNamespace_a_io"), ("/namespaces/{id}", "getNamespace")],
        ),
    ];
    for (definitions, expected) in rows {
        let document = described(definitions);
        assert_sound(&document);
        let all = operations(&document);
        for (path, id) in expected {
            assert!(all.iter().any(|(it, _, found)| it == path && found == id), "{path} {id}");
        }
    }
}

#[test]
fn other_versions_have_their_own_media_type() {
    let versions = [version("v1", true, &thing()), version("v1beta1", false, &thing())];
    let document = described(vec![declared("a.io", "Thing", "things", &versions)]);
    assert_sound(&document);
    let content = &document["paths"]["/things/{id}"]["get"]["responses"]["200"]["content"];
    for (media_type, name, api_version) in [
        ("application/json", "Thing", "a.io/v1"),
        ("application/json;version=v1beta1", "ThingV1beta1", "a.io/v1beta1"),
    ] {
        let reference = format!("#/components/schemas/{name}");
        assert_eq!(content[media_type]["schema"]["$ref"], reference, "{media_type}");
        let schema = &document["components"]["schemas"][name];
        assert_eq!(schema["properties"]["apiVersion"]["const"], api_version);
    }
}

#[test]
fn what_a_kind_says_is_what_its_requests_and_answers_say() {
    let document = described(vec![things("a.io", "Thing", "things")]);
    let schemas = &document["components"]["schemas"];
    let rows = [
        // What has a default need not be sent.
        ("/ThingSpec/required", Value::Null),
        ("/ThingCreate/anyOf/0/required", json!(["metadata", "spec"])),
        ("/ThingUpdate/anyOf/0/required", Value::Null),
        // A caller who may not read the object does not see the spec.
        ("/Thing/required", json!(["apiVersion", "kind", "metadata"])),
        // A status that nobody wrote yet has no phase.
        ("/Thing/properties/status/anyOf/1/maxProperties", json!(0)),
        ("/ThingStatus/required", json!(["phase"])),
        ("/ThingStatusUpdate/anyOf/0/additionalProperties", json!(false)),
    ];
    for (pointer, expected) in rows {
        let found = schemas.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{pointer}");
    }
}

#[test]
fn what_the_settings_ask_for_is_described() {
    let catalog = Catalog::declaring([things("a.io", "Thing", "things")]);
    let write = "/paths/~1things~1{id}~1status/put/responses";
    for (terms, security, codes) in [
        (Terms::default(), Value::Null, &[][..]),
        (Terms { authenticates: true, ..Terms::default() }, json!([{"bearer": []}]), &["401"][..]),
        (
            Terms {
                authenticates: true,
                takes_certificates: true,
                serves_anonymous: true,
                requires_status_precondition: true,
            },
            json!([{"bearer": []}, {"certificate": []}, {}]),
            &["401", "428"][..],
        ),
    ] {
        let document = document(&catalog, terms);
        assert_eq!(document.get("security").cloned().unwrap_or_default(), security);
        let kind = document.pointer("/components/securitySchemes/certificate/type");
        assert_eq!(kind.is_some_and(|it| it == "mutualTLS"), terms.takes_certificates);
        let responses = document.pointer(write).expect("a status can be written");
        for code in ["401", "428"] {
            assert_eq!(responses.get(code).is_some(), codes.contains(&code), "{terms:?} {code}");
        }
        let forbidden = responses["403"]["description"].as_str().expect("403 is described");
        assert!(forbidden.starts_with("Requires `update_status` permission"), "{forbidden}");
    }
}

/// Whatever a failure tells beside its sentence is in its schema.
#[test]
fn the_details_of_failures_are_described() {
    let schema = shared::schemas()["Failure"].clone();
    let invalid = FieldError::required(FieldPath::ROOT, "why");
    let refusals = [
        Refusal::Rules(RulesRefusal::NotFound),
        Refusal::Rules(RulesRefusal::AlreadyExists { uid: Uid::from("a") }),
        Refusal::Rules(RulesRefusal::Boundary { path: "spec".to_owned() }),
        Refusal::Rules(RulesRefusal::Invalid(vec![invalid])),
        Refusal::Rules(RulesRefusal::UnknownFields(vec!["a".to_owned()])),
        Refusal::Rules(RulesRefusal::UidMismatch {
            expected: None,
            current: Uid::from("a"),
            revision: Revision(1),
        }),
        Refusal::Expired { asked: Revision(1), oldest: Revision(2) },
        Refusal::FromTheFuture { asked: Revision(2), newest: Revision(1) },
        Refusal::Overloaded,
    ];
    for refusal in refusals {
        let subject = Subject { resource: GroupResource::from_text("things"), name: String::new() };
        let (parts, ()) = http::Request::new(()).into_parts();
        let recording = Recording::begin("rest", &Observers::default(), &parts);
        let told = failure_object(&Failure::told_of(refusal.clone(), subject), &recording);
        for name in told.as_object().expect("a failure is an object").keys() {
            assert!(schema["properties"].get(name).is_some(), "{name} of {refusal:?}");
        }
    }
}

#[test]
fn every_parameter_is_described_where_it_is_of_use() {
    let document = described(vec![things("a.io", "Thing", "things")]);
    let mut used = BTreeSet::new();
    references(&document["paths"], &mut used);
    for parameter in &crate::query::PARAMETERS {
        let reference = format!("#/components/parameters/{}", parameter.name);
        assert!(used.contains(reference.as_str()), "{}", parameter.name);
        let described = &document["components"]["parameters"][parameter.name];
        assert_eq!(described["name"], parameter.name);
        // What is described as a value is one.
        let schema = &described["schema"];
        let choices = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for choice in choices {
            let query = format!("{}={choice}", parameter.name);
            assert!(crate::query::Query::parse(Some(&query)).is_ok(), "{query}");
        }
    }
}
