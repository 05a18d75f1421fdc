//! Strategic merge patches against what upstream's own code makes of them.

#![cfg(test)]

use pintle_rules::{Patch, PatchError, PatchLimits};
use pintle_schema::Schema;
use serde_json::{Value, json};

/// The schema of the type `sample` in `upstream/main.go`.
fn schema() -> Schema {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text});
    let set = json!({"type": "array", "items": text, "x-kubernetes-patch-strategy": "merge"});
    let map = json!({"type": "object", "additionalProperties": text});
    let item = json!({
        "type": "object",
        "properties": {"name": text, "value": text, "tags": set, "inner": map},
    });
    let items = json!({
        "type": "array", "items": item,
        "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name",
    });
    let spec = json!({
        "type": "object",
        "properties": {"items": items, "names": set, "atomic": texts, "labels": map, "text": text},
    });
    let object = json!({"type": "object"});
    let whole = json!({"type": "object", "properties": {"metadata": object, "spec": spec}});
    Schema::compile(&whole).unwrap()
}

#[expect(clippy::panic_in_result_fn, reason = "a test helper that also asserts atomicity")]
fn patched(object: &Value, patch: &Value) -> Result<Value, PatchError> {
    let mut result = object.clone();
    let patch = Patch::strategic(patch, &schema())?;
    let outcome = patch.apply(&mut result, &PatchLimits::default());
    if outcome.is_err() {
        assert_eq!(result, *object, "it failed and changed its target");
    }
    outcome.map(|()| result)
}

#[test]
fn patches_do_what_upstream_does() {
    let lines: Vec<_> = include_str!("strategic.txt").lines().collect();
    assert_eq!(lines.len(), 1200);
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for case in lines.chunks(3) {
        let (object, patch) = (parse(case[0]), parse(case[1]));
        let found = patched(&object, &patch);
        match case[2] {
            "error" => assert!(found.is_err(), "{object}\n{patch}\n{found:?}"),
            result => assert_eq!(found, Ok(parse(result)), "{object}\n{patch}\n{result}"),
        }
    }
}

#[test]
fn what_kubectl_sends_is_understood() {
    let object = json!({
        "metadata": {
            "labels": {"a": "1", "b": "2"},
            "finalizers": ["x", "y"],
            "ownerReferences": [{"uid": "1", "name": "one"}, {"uid": "2", "name": "two"}],
        },
    });
    let cases = [
        (
            json!({"metadata": {"labels": {"a": "9"}}}),
            "/metadata/labels",
            json!({"a": "9", "b": "2"}),
        ),
        (json!({"metadata": {"labels": {"a": null}}}), "/metadata/labels", json!({"b": "2"})),
        (
            json!({"metadata": {"annotations": {"c": "3"}}}),
            "/metadata/annotations",
            json!({"c": "3"}),
        ),
        (
            json!({"metadata": {"finalizers": ["z"]}}),
            "/metadata/finalizers",
            json!(["z", "x", "y"]),
        ),
        (
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}),
            "/metadata/finalizers",
            json!(["y"]),
        ),
        (
            json!({"metadata": {"ownerReferences": [{"uid": "2", "$patch": "delete"}]}}),
            "/metadata/ownerReferences",
            json!([{"uid": "1", "name": "one"}]),
        ),
        (
            json!({"metadata": {"ownerReferences": [{"uid": "2", "name": "zwei"}]}}),
            "/metadata/ownerReferences",
            json!([{"uid": "1", "name": "one"}, {"uid": "2", "name": "zwei"}]),
        ),
        (
            json!({"metadata": {"$setElementOrder/finalizers": ["y", "x"]}}),
            "/metadata/finalizers",
            json!(["y", "x"]),
        ),
    ];
    for (patch, place, expected) in cases {
        let result = patched(&object, &patch).unwrap();
        assert_eq!(result.pointer(place), Some(&expected), "{patch}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let object = json!({"spec": {"items": [{"name": "a"}], "names": ["a"], "text": "x"}});
    let cases = [
        (json!([]), "a strategic merge patch must be an object"),
        (
            json!({"spec": {"$patch": "merge"}}),
            r#"cannot patch "spec.$patch": must be "replace", "delete" or left out"#,
        ),
        (
            json!({"spec": {"items": [{"value": "v"}]}}),
            r#"cannot patch "spec.items": an item has no "name", by which the list is merged"#,
        ),
        (
            json!({"spec": {"items": ["a"]}}),
            r#"cannot patch "spec.items": the items are of different types"#,
        ),
        (
            json!({"spec": {"names": [["a"]]}}),
            r#"cannot patch "spec.names": the items are of different types"#,
        ),
        (
            json!({"spec": {"$deleteFromPrimitiveList/names": "a"}}),
            r#"cannot patch "spec.$deleteFromPrimitiveList/names": must be a list"#,
        ),
        (
            json!({"spec": {"$setElementOrder/text": []}}),
            r#"cannot patch "spec.$setElementOrder/text": what stands there is no list"#,
        ),
        (
            json!({"spec": {"$setElementOrder/names": ["b"], "names": ["c"]}}),
            r#"cannot patch "spec.$setElementOrder/names": does not have the items of the list in their order"#,
        ),
        (
            json!({"spec": {"$retainKeys": ["text"], "names": ["c"]}}),
            r#"cannot patch "spec.$retainKeys": does not name "names", which the patch sets"#,
        ),
    ];
    for (patch, expected) in cases {
        let error = patched(&object, &patch).unwrap_err();
        assert_eq!(error.to_string(), expected, "{patch}");
    }
    let deep = (0..200).fold(json!({}), |inner, _| json!({ "a": inner }));
    assert!(matches!(patched(&object, &deep), Err(PatchError::TooDeep { .. })));
}

#[test]
fn long_lists_take_no_longer_than_their_length() {
    let names =
        |from: usize| (from..from + 20_000).map(|n| json!(n.to_string())).collect::<Vec<_>>();
    let items = |from: usize| {
        (from..from + 20_000).map(|n| json!({"name": n.to_string()})).collect::<Vec<_>>()
    };
    let object = json!({"spec": {"names": names(0), "items": items(0)}});
    let patch = json!({"spec": {
        "names": names(10_000), "items": items(10_000), "$setElementOrder/items": items(10_000),
    }});
    let result = patched(&object, &patch).unwrap();
    for list in ["names", "items"] {
        assert_eq!(result["spec"][list].as_array().unwrap().len(), 30_000, "{list}");
    }
}

#[test]
fn touches_are_the_fields_that_it_writes() {
    let cases = [
        (json!({"spec": {}, "metadata": {}}), vec![Some("metadata"), Some("spec")]),
        (json!({"$setElementOrder/spec": []}), vec![Some("spec")]),
        (json!({"$deleteFromPrimitiveList/status": []}), vec![Some("status")]),
        (json!({"$patch": "replace"}), vec![None]),
        (json!({"$retainKeys": []}), vec![None]),
    ];
    for (document, expected) in cases {
        let patch = Patch::strategic(&document, &schema()).unwrap();
        let touches: Vec<_> = patch.touches().map(|touch| touch.field.map(String::from)).collect();
        let expected: Vec<_> = expected.into_iter().map(|field| field.map(String::from)).collect();
        assert_eq!(touches, expected, "{document}");
    }
}
