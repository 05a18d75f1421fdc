//! Tables and properties of patches.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SMALL: PatchLimits = PatchLimits {
    operations_max: 4,
    result_bytes_max: 1024,
    depth_max: 6,
    copied_values_max: 500,
    shifted_items_max: 100,
    visited_values_max: 1_000,
};

#[expect(clippy::panic_in_result_fn, reason = "a test helper that also asserts atomicity")]
fn patched(
    format: PatchFormat,
    target: &Value,
    patch: &Value,
    limits: &PatchLimits,
) -> Result<Value, PatchError> {
    let mut result = target.clone();
    let outcome = Patch::parse(format, patch).and_then(|patch| patch.apply(&mut result, limits));
    if outcome.is_err() {
        assert_eq!(&result, target, "{patch} failed and changed its target");
    }
    outcome.map(|()| result)
}

fn check(format: PatchFormat, target: &Value, patch: &Value, expected: Result<Value, &str>) {
    let found = patched(format, target, patch, &PatchLimits::default());
    let expected = expected.map_err(str::to_owned);
    assert_eq!(found.map_err(|error| error.to_string()), expected, "{patch} on {target}");
}

#[test]
fn merge_patches_do_what_rfc_7396_shows() {
    let cases = [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), json!(null), json!(null)),
        (json!({"a": "foo"}), json!("bar"), json!("bar")),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        (json!({"a": 1}), json!({}), json!({"a": 1})),
    ];
    for (target, patch, expected) in cases {
        check(PatchFormat::Merge, &target, &patch, Ok(expected));
    }
}

#[test]
fn json_patches_do_what_rfc_6902_shows() {
    let cases = [
        (
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux"}]),
            json!({"baz": "qux", "foo": "bar"}),
        ),
        (
            json!({"foo": ["bar", "baz"]}),
            json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
            json!({"foo": ["bar", "qux", "baz"]}),
        ),
        (
            json!({"baz": "qux", "foo": "bar"}),
            json!([{"op": "remove", "path": "/baz"}]),
            json!({"foo": "bar"}),
        ),
        (
            json!({"foo": ["bar", "qux", "baz"]}),
            json!([{"op": "remove", "path": "/foo/1"}]),
            json!({"foo": ["bar", "baz"]}),
        ),
        (
            json!({"baz": "qux", "foo": "bar"}),
            json!([{"op": "replace", "path": "/baz", "value": "boo"}]),
            json!({"baz": "boo", "foo": "bar"}),
        ),
        (
            json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
            json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
            json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}),
        ),
        (
            json!({"foo": ["all", "grass", "cows", "eat"]}),
            json!([{"op": "move", "from": "/foo/1", "path": "/foo/3"}]),
            json!({"foo": ["all", "cows", "eat", "grass"]}),
        ),
        (
            json!({"baz": "qux", "foo": ["a", 2, "c"]}),
            json!([{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}]),
            json!({"baz": "qux", "foo": ["a", 2, "c"]}),
        ),
        (
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/child", "value": {"grandchild": {}}}]),
            json!({"foo": "bar", "child": {"grandchild": {}}}),
        ),
        (
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}]),
            json!({"foo": "bar", "baz": "qux"}),
        ),
        (
            json!({"/": 9, "~1": 10}),
            json!([{"op": "test", "path": "/~01", "value": 10}]),
            json!({"/": 9, "~1": 10}),
        ),
        (
            json!({"foo": ["bar"]}),
            json!([{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}]),
            json!({"foo": ["bar", ["abc", "def"]]}),
        ),
    ];
    for (target, patch, expected) in cases {
        check(PatchFormat::Json, &target, &patch, Ok(expected));
    }
}

#[test]
fn json_patches_reach_corners_of_documents() {
    let cases = [
        (json!({"a": 1}), json!([]), json!({"a": 1})),
        (json!({"a": 1}), json!([{"op": "replace", "path": "", "value": [1]}]), json!([1])),
        (json!({"": 1}), json!([{"op": "replace", "path": "/", "value": 2}]), json!({"": 2})),
        (
            json!({"a": {"b": 1}}),
            json!([{"op": "copy", "from": "/a", "path": "/a/c"}]),
            json!({"a": {"b": 1, "c": {"b": 1}}}),
        ),
        (json!({"a": 1}), json!([{"op": "move", "from": "/a", "path": "/a"}]), json!({"a": 1})),
        (
            json!({"a": 1, "ab": 2}),
            json!([{"op": "move", "from": "/a", "path": "/ab"}]),
            json!({"ab": 1}),
        ),
        (
            json!({"a": null}),
            json!([{"op": "test", "path": "/a", "value": null}]),
            json!({"a": null}),
        ),
    ];
    for (target, patch, expected) in cases {
        check(PatchFormat::Json, &target, &patch, Ok(expected));
    }
}

#[test]
fn a_test_for_null_holds_where_an_object_has_no_such_field() {
    let target = json!({"a": {}, "b": 1});
    let add = json!({"op": "add", "path": "/a/b", "value": ["me"]});
    let test = |path: &str| json!([{"op": "test", "path": path, "value": null}, add]);
    check(PatchFormat::Json, &target, &test("/a/b"), Ok(json!({"a": {"b": ["me"]}, "b": 1})));
    for (path, expected) in [
        ("/b", r#"operation 0: the test of "/b" failed"#),
        ("/c/d", r#"operation 0: cannot patch "/c/d": there is nothing at "/c""#),
    ] {
        check(PatchFormat::Json, &target, &test(path), Err(expected));
    }
}

#[test]
fn json_patches_that_cannot_be_done_say_what_stands_in_the_way() {
    let target = json!({"list": [1, 2], "name": "x", "map": {"a": 1}});
    let cases = [
        (
            json!({"op": "add", "path": "/a/b", "value": 1}),
            r#"operation 0: cannot patch "/a/b": there is nothing at "/a""#,
        ),
        (
            json!({"op": "remove", "path": "/map/b"}),
            r#"operation 0: cannot patch "/map/b": there is nothing at "/map/b""#,
        ),
        (
            json!({"op": "replace", "path": "/b", "value": 1}),
            r#"operation 0: cannot patch "/b": there is nothing at "/b""#,
        ),
        (
            json!({"op": "add", "path": "/name/b", "value": 1}),
            r#"operation 0: cannot patch "/name/b": the value at "/name" is not an object or a list"#,
        ),
        (
            json!({"op": "copy", "from": "/b", "path": "/c"}),
            r#"operation 0: cannot patch "/b": there is nothing at "/b""#,
        ),
        (
            json!({"op": "move", "from": "/map", "path": "/map/b"}),
            r#"operation 0: cannot patch "/map/b": a value cannot be moved into itself"#,
        ),
        (
            json!({"op": "move", "from": "", "path": "/b"}),
            r#"operation 0: cannot patch "/b": a value cannot be moved into itself"#,
        ),
        (
            json!({"op": "remove", "path": ""}),
            r#"operation 0: cannot patch "": the document itself cannot be removed or moved"#,
        ),
        (
            json!({"op": "add", "path": "/list/3", "value": 1}),
            r#"operation 0: cannot patch "/list/3": there is nothing at "/list/3""#,
        ),
        (
            json!({"op": "remove", "path": "/list/2"}),
            r#"operation 0: cannot patch "/list/2": there is nothing at "/list/2""#,
        ),
        (
            json!({"op": "remove", "path": "/list/-"}),
            r#"operation 0: cannot patch "/list/-": there is nothing at "/list/-""#,
        ),
        (
            json!({"op": "replace", "path": "/list/-", "value": 1}),
            r#"operation 0: cannot patch "/list/-": there is nothing at "/list/-""#,
        ),
        (
            json!({"op": "test", "path": "/name", "value": "y"}),
            r#"operation 0: the test of "/name" failed"#,
        ),
        (
            json!({"op": "test", "path": "/none", "value": 1}),
            r#"operation 0: cannot patch "/none": there is nothing at "/none""#,
        ),
    ];
    for (operation, expected) in cases {
        check(PatchFormat::Json, &target, &json!([operation]), Err(expected));
    }
    for index in ["01", "+1", "-1", "1.0", "1e0", "18446744073709551616", "١", "", " 1"] {
        let patch = json!([{"op": "add", "path": format!("/list/{index}"), "value": 1}]);
        let error = patched(PatchFormat::Json, &target, &patch, &PatchLimits::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("is not a position in a list"), "{index:?}: {error}");
    }
}

#[test]
fn malformed_patches_are_refused() {
    let json = PatchFormat::Json;
    let shorthand = PatchFormat::Shorthand;
    let cases = [
        (json, json!({}), "must be a list of operations"),
        (json, json!([1]), "operation 0: "),
        (json, json!([{"path": "/a"}]), "operation 0: missing field `op`"),
        (json, json!([{"op": "test", "path": ""}]), "operation 0: missing field `value`"),
        (json, json!([{"op": "remove"}]), "operation 0: missing field `path`"),
        (json, json!([{"op": "move", "path": "/a"}]), "operation 0: missing field `from`"),
        (json, json!([{"op": "rename", "path": "/a"}]), "operation 0: unknown variant `rename`"),
        (json, json!([{"op": "remove", "path": "a"}]), "operation 0: "),
        (json, json!([{"op": "remove", "path": "/a~2"}]), "operation 0: "),
        (json, json!([{"op": "remove", "path": "/a~"}]), "operation 0: "),
        (json, json!([{"op": "remove", "path": 1}]), "operation 0: "),
        (shorthand, json!([]), "must be an object"),
        (shorthand, json!({"": 1}), r#"path "": a name between two dots may not be empty"#),
        (shorthand, json!({"a..b": 1}), "may not be empty"),
        (shorthand, json!({".a": 1}), "may not be empty"),
        (shorthand, json!({"a.": 1}), "may not be empty"),
        (shorthand, json!({"a\\b": 1}), "a backslash may only stand before"),
        (shorthand, json!({"a\\": 1}), "a backslash may only stand before"),
        (shorthand, json!({"a": 1, "a!": 1, "a.b": 2}), r#"path "a.b" lies inside path "a""#),
    ];
    for (format, document, expected) in cases {
        match Patch::parse(format, &document) {
            Err(PatchError::Malformed(why)) => assert!(why.contains(expected), "{document}: {why}"),
            other => panic!("{document}: {other:?}"),
        }
    }
}

#[test]
fn shorthand_patches_set_and_remove_paths() {
    let target = json!({"a": {"b": 1}, "c": 2, "list": [1], "none": null, "x.y": {"z\\": 1}});
    let cases = [
        (json!({"a.b": 5, "c": null}), Ok(json!({"a": {"b": 5}}))),
        (json!({"a": {"d": null}}), Ok(json!({"a": {"d": null}, "c": 2}))),
        (json!({"n.e.w": [1]}), Ok(json!({"a": {"b": 1}, "c": 2, "n": {"e": {"w": [1]}}}))),
        (json!({"a.x.y": null, "q.r": null}), Ok(json!({"a": {"b": 1}, "c": 2}))),
        (json!({"none.x": null}), Ok(json!({"a": {"b": 1}, "c": 2}))),
        (json!({"none.x": 1}), Ok(json!({"a": {"b": 1}, "c": 2, "none": {"x": 1}}))),
        (json!({"x\\.y.z\\\\": 2}), Ok(json!({"a": {"b": 1}, "c": 2, "x.y": {"z\\": 2}}))),
        (json!({"c.d": 1}), Err(r#"cannot patch "c.d": the value at "c" is not an object"#)),
        (json!({"c.d": null}), Err(r#"cannot patch "c.d": the value at "c" is not an object"#)),
        (
            json!({"a.b": 9, "list.0": 1}),
            Err(
                r#"cannot patch "list.0": the value at "list" is a list, whose items have no path; set the list whole"#,
            ),
        ),
    ];
    for (patch, expected) in cases {
        let untouched = |mut value: Value| {
            for name in ["list", "none", "x.y"] {
                let fields = value.as_object_mut().unwrap();
                fields.entry(name).or_insert_with(|| target[name].clone());
            }
            value
        };
        check(PatchFormat::Shorthand, &target, &patch, expected.map(untouched));
    }
}

#[test]
fn limits_hold() {
    let add = |path: String| json!({"op": "add", "path": path, "value": {}});
    let text = "x".repeat(600);
    let long_list = json!({"list": vec![0; 60]});
    let too_large = PatchError::TooLarge { max: 1024 };
    let too_deep = PatchError::TooDeep { max: 6 };
    let too_many = |found| PatchError::TooManyOperations { found, max: 4 };
    let nested = json!({"a": {"a": {"a": {"a": {"a": {}}}}}});
    let cases = [
        (PatchFormat::Json, json!({}), json!(vec![add("/a".into()); 4]), None),
        (PatchFormat::Json, json!({}), json!(vec![add("/a".into()); 5]), Some(too_many(5))),
        (
            PatchFormat::Shorthand,
            json!({}),
            json!({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}),
            Some(too_many(5)),
        ),
        (PatchFormat::Merge, json!({"a": text}), json!({"b": 1}), None),
        (PatchFormat::Merge, json!({"a": text}), json!({"b": text}), Some(too_large.clone())),
        (PatchFormat::Merge, json!({}), nested.clone(), None),
        (PatchFormat::Merge, json!({}), json!({"a": nested}), Some(too_deep.clone())),
        (PatchFormat::Shorthand, json!({}), json!({"a.b.c.d.e.f": {}}), Some(too_deep.clone())),
        (PatchFormat::Shorthand, json!({}), json!({"a.b.c.d.e.f": 1}), None),
        (
            PatchFormat::Json,
            json!({}),
            json!([{"op": "add", "path": "/a", "value": nested}]),
            Some(too_deep.clone()),
        ),
        // Copies count even when the result would be small again.
        (
            PatchFormat::Json,
            json!({"a": text}),
            json!([{"op": "copy", "from": "/a", "path": "/b"}, {"op": "remove", "path": "/b"},
                   {"op": "copy", "from": "/a", "path": "/b"}, {"op": "remove", "path": "/b"}]),
            Some(too_large),
        ),
        (
            PatchFormat::Json,
            json!({"a": {"a": {}}}),
            json!([{"op": "copy", "from": "", "path": "/a/b"}, {"op": "copy", "from": "", "path": "/a/b/c"}]),
            Some(too_deep),
        ),
        (PatchFormat::Json, long_list.clone(), json!(vec![add("/list/-".into()); 4]), None),
        (
            PatchFormat::Json,
            long_list.clone(),
            json!(vec![add("/list/0".into()); 4]),
            Some(PatchError::TooMuchWork),
        ),
        (
            PatchFormat::Json,
            long_list,
            json!([{"op": "move", "from": "/list/0", "path": "/list/1"}]),
            Some(PatchError::TooMuchWork),
        ),
    ];
    for (format, target, patch, expected) in cases {
        let found = patched(format, &target, &patch, &SMALL).err();
        assert_eq!(found, expected, "{patch} on {target}");
    }
}

#[test]
fn attacks_end_early() {
    let doubling: Vec<_> = (0..9_999)
        .map(|step| json!({"op": "copy", "from": "", "path": format!("/{step}")}))
        .collect();
    let shuffling = vec![json!({"op": "move", "from": "/list/0", "path": "/list/-"}); 10_000];
    let toss = |from: &str, to: &str| json!({"op": "move", "from": from, "path": to});
    let tossing: Vec<_> =
        (0..4_900).flat_map(|_| [toss("/list", "/other"), toss("/other", "/list")]).collect();
    let target = json!({"list": vec![0; 200_000]});
    let started = Instant::now();
    for attack in [doubling, shuffling, tossing] {
        let outcome = patched(PatchFormat::Json, &target, &json!(attack), &PatchLimits::default());
        assert!(outcome.is_err());
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// Each copy of twenty short operations doubles what there is, of which no value has many bytes.
#[test]
fn small_values_cannot_be_copied_without_end() {
    let copy = |n: usize| json!({"op": "copy", "from": "/n", "path": format!("/n/a{n}")});
    for (copies, expected) in [(14, None), (19, Some(PatchError::TooMuchWork))] {
        let patch: Vec<_> = (0..copies).map(copy).collect();
        let target = json!({"n": {}});
        let limits = PatchLimits::default();
        let outcome = patched(PatchFormat::Json, &target, &json!(patch), &limits);
        assert_eq!(outcome.err(), expected, "{copies} copies");
    }
}

#[test]
fn touches_name_every_place() {
    let places = |format, document: Value| -> Vec<(Option<String>, String)> {
        let patch = Patch::parse(format, &document).unwrap();
        let owned = |touch: Touch<'_>| (touch.field.map(Cow::into_owned), touch.pointer.into());
        patch.touches().map(owned).collect()
    };
    let at = |field: &str, pointer: &str| (Some(field.to_owned()), pointer.to_owned());
    let whole = || (None, String::new());
    assert_eq!(
        places(PatchFormat::Merge, json!({"spec": {"a": 1}, "a/b~": null})),
        [at("a/b~", "/a~1b~0"), at("spec", "/spec")]
    );
    assert_eq!(places(PatchFormat::Merge, json!(null)), [whole()]);
    assert_eq!(
        places(
            PatchFormat::Json,
            json!([{"op": "test", "path": "/spec/a", "value": 1},
                   {"op": "move", "from": "/~0x/y", "path": "/status"},
                   {"op": "copy", "from": "/status", "path": ""}])
        ),
        [
            at("spec", "/spec/a"),
            at("~x", "/~0x/y"),
            at("status", "/status"),
            at("status", "/status"),
            whole()
        ]
    );
    assert_eq!(
        places(PatchFormat::Shorthand, json!({"status.a\\.b": 1, "s/c": null})),
        [at("s/c", "/s~1c"), at("status", "/status/a.b")]
    );
}

#[test]
fn media_types_name_formats() {
    for format in PatchFormat::ALL {
        assert_eq!(PatchFormat::from_media_type(format.media_type()), Some(format));
    }
    let cases = [
        ("Application/Merge-Patch+JSON; charset=utf-8", Some(PatchFormat::Merge)),
        (" application/json-patch+json ", Some(PatchFormat::Json)),
        ("application/json", None),
        ("application/strategic-merge-patch+json", None),
        ("", None),
    ];
    for (text, expected) in cases {
        assert_eq!(PatchFormat::from_media_type(text), expected, "{text:?}");
    }
}

/// Documents over few names, so that patches meet what they patch.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3_i64).prop_map(Value::from),
        "[a-c~/.\\\\]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]|~|/|a\\.b", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn operation() -> impl Strategy<Value = Value> {
    let pointer = "((/[a-c])|(/[0-2])|(/-)|(/~0)|(/~1)){0,3}";
    let name = prop_oneof![
        Just("add"),
        Just("remove"),
        Just("replace"),
        Just("move"),
        Just("copy"),
        Just("test"),
    ];
    (name, pointer, pointer, document()).prop_map(
        |(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}),
    )
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        other => other,
    }
}

/// A merge patch that makes `to` out of `from`.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (from, to) else { return to.clone() };
    let removed = old.keys().filter(|name| !new.contains_key(*name));
    let set =
        new.iter().filter(|(name, value)| old.get(*name) != Some(*value)).map(|(name, value)| {
            let before = old.get(name).unwrap_or(&Value::Null);
            (name.clone(), difference(before, value))
        });
    removed.map(|name| (name.clone(), Value::Null)).chain(set).collect()
}

proptest! {
    #[test]
    fn a_merge_patch_of_the_difference_makes_the_target(from in document(), to in document()) {
        let to = without_nulls(to);
        let patch = difference(&from, &to);
        let made = patched(PatchFormat::Merge, &from, &patch, &PatchLimits::default());
        prop_assert_eq!(made, Ok(to));
    }

    #[test]
    fn merging_twice_is_merging_once(target in document(), patch in document()) {
        let once = patched(PatchFormat::Merge, &target, &patch, &PatchLimits::default()).unwrap();
        let twice = patched(PatchFormat::Merge, &once, &patch, &PatchLimits::default());
        prop_assert_eq!(twice, Ok(once));
    }

    /// `patched` checks that a failure leaves the target as it was.
    #[test]
    fn any_json_patch_is_whole_or_nothing(
        target in document(),
        patch in prop::collection::vec(operation(), 0..6),
    ) {
        let whole = patched(PatchFormat::Json, &target, &json!(patch), &PatchLimits::default());
        let each = patch.iter().try_fold(target, |target, operation| {
            patched(PatchFormat::Json, &target, &json!([operation]), &PatchLimits::default())
        });
        prop_assert_eq!(whole.ok(), each.ok());
    }

    #[test]
    fn no_document_makes_a_patch_panic(target in document(), patch in document()) {
        for format in PatchFormat::ALL {
            if let Ok(result) = patched(format, &target, &patch, &SMALL) {
                prop_assert!(result.to_string().len() <= SMALL.result_bytes_max);
            }
        }
    }

    /// Nothing outside the fields that a patch says it touches is changed.
    #[test]
    fn only_touched_fields_change(
        target in document(),
        operations in prop::collection::vec(operation(), 0..4),
        document in document(),
    ) {
        prop_assume!(target.is_object());
        for (format, document) in [
            (PatchFormat::Json, json!(operations)),
            (PatchFormat::Merge, document.clone()),
            (PatchFormat::Shorthand, document),
        ] {
            let Ok(patch) = Patch::parse(format, &document) else { continue };
            let touched: Option<Vec<_>> = patch.touches().map(|touch| touch.field).collect();
            let Some(touched) = touched else { continue };
            let mut result = target.clone();
            if patch.apply(&mut result, &PatchLimits::default()).is_err() { continue }
            for name in ["a", "b", "c", "~", "/", "a.b"] {
                if !touched.iter().any(|field| field == name) {
                    prop_assert_eq!(result.get(name), target.get(name), "{} {}", name, document);
                }
            }
        }
    }
}
