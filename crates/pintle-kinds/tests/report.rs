//! Reports that race with other writers: a table of cases, and the rule as a property.

#![cfg(test)]

use std::collections::BTreeMap;

use pintle_kinds::report::{Seen, Settled, Stale, settle};
use proptest::prelude::*;
use serde_json::{Value, json};

fn seen(status: &Value) -> Seen<'_> {
    Seen { uid: Some("device-1"), generation: Some(3), status }
}

fn conditions(pairs: &[(&str, &str)]) -> Value {
    let entry = |(kind, status): &(&str, &str)| json!({"type": kind, "status": status});
    json!({"conditions": pairs.iter().map(entry).collect::<Vec<_>>()})
}

fn other(path: &str) -> Settled {
    Settled::Stale(Stale::StatusChanged { path: path.to_owned() })
}

#[test]
fn a_report_goes_over_what_it_speaks_of_and_nothing_else() {
    let c = conditions;
    let cases = [
        // Nobody wrote the status.
        (json!({"a": 1}), json!({"a": 2}), json!({"a": 1}), Settled::Write(json!({"a": 2}))),
        (json!(null), json!({"a": 2}), json!(null), Settled::Write(json!({"a": 2}))),
        (json!(null), json!({"a": 2}), json!({}), Settled::Write(json!({"a": 2}))),
        // A field that the report writes: the last report wins.
        (json!({"a": 1}), json!({"a": 3}), json!({"a": 2}), Settled::Write(json!({"a": 3}))),
        (json!({"a": 1}), json!({"a": 2}), json!({"a": 2}), Settled::Done),
        (json!({"a": 1}), json!({}), json!({"a": 2}), Settled::Write(json!({}))),
        (json!({"a": 1}), json!({}), json!({}), Settled::Done),
        // A field that it does not write.
        (
            json!({"a": 1, "b": 1}),
            json!({"a": 2, "b": 1}),
            json!({"a": 1, "b": 2}),
            other("status.b"),
        ),
        (json!({"a": 1}), json!({"a": 2}), json!({"a": 1, "b": 1}), other("status.b")),
        (json!({"a": 1, "b": 1}), json!({"a": 2, "b": 1}), json!({"a": 1}), other("status.b")),
        (
            json!({"a": 1, "b": 1}),
            json!({"a": 2}),
            json!({"a": 1}),
            Settled::Write(json!({"a": 2})),
        ),
        (
            json!({"net": {"up": true, "mtu": 1}}),
            json!({"net": {"up": false, "mtu": 1}}),
            json!({"net": {"up": true, "mtu": 9}}),
            other("status.net.mtu"),
        ),
        // Conditions are a map by type, in the order that is stored.
        (
            c(&[("Ready", "False")]),
            c(&[("Ready", "True")]),
            c(&[("Ready", "False"), ("Calibrated", "True")]),
            other("status.conditions[Calibrated]"),
        ),
        (
            c(&[("Ready", "False"), ("Calibrated", "True")]),
            c(&[("Ready", "True"), ("Calibrated", "True")]),
            c(&[("Calibrated", "False"), ("Ready", "False")]),
            other("status.conditions[Calibrated].status"),
        ),
        (
            c(&[("A", "True"), ("B", "True")]),
            c(&[("B", "False"), ("A", "True"), ("C", "True")]),
            c(&[("B", "True"), ("A", "True")]),
            Settled::Write(c(&[("B", "False"), ("A", "True"), ("C", "True")])),
        ),
        // Other lists are values.
        (
            json!({"ips": ["a"], "n": 1}),
            json!({"ips": ["a", "b"], "n": 1}),
            json!({"ips": ["c"], "n": 1}),
            Settled::Write(json!({"ips": ["a", "b"], "n": 1})),
        ),
        (
            json!({"ips": ["a"], "n": 1}),
            json!({"ips": ["a"], "n": 2}),
            json!({"ips": ["b"], "n": 1}),
            other("status.ips"),
        ),
    ];
    for (before, wanted, current, expected) in cases {
        let found = settle(seen(&before), &wanted, seen(&current));
        assert_eq!(found, expected, "{before} -> {wanted}, stored {current}");
    }
}

#[test]
fn another_spec_or_another_object_makes_every_report_stale() {
    let status = json!({"a": 1});
    let wanted = json!({"a": 2});
    let before = seen(&status);
    for (current, stale) in [
        (Seen { generation: Some(4), ..before }, Stale::SpecChanged),
        (Seen { uid: Some("device-2"), ..before }, Stale::Recreated),
        (Seen { uid: Some("device-2"), generation: Some(4), ..before }, Stale::Recreated),
    ] {
        assert_eq!(settle(before, &wanted, current), Settled::Stale(stale));
    }
}

type Flat = BTreeMap<(u8, u8), u8>;

fn flat() -> impl Strategy<Value = Flat> {
    proptest::collection::btree_map((0_u8..3, 0_u8..3), 0_u8..3, 0..6)
}

/// Two levels of objects, so that `settle` has to look inside.
fn nested(flat: &Flat) -> Value {
    let mut status = json!({});
    for ((outer, inner), value) in flat {
        status[format!("o{outer}")][format!("i{inner}")] = json!(value);
    }
    status
}

proptest! {
    /// The rule itself, on leaves: of each, either the report changes it and it is as the report
    /// says, or it is as it was seen.
    #[test]
    fn whatever_is_written_rests_on_what_was_seen(before in flat(), wanted in flat(), current in flat()) {
        let touches = |leaf: &(u8, u8)| before.get(leaf) != wanted.get(leaf);
        let mut leaves = (0..3).flat_map(|outer| (0..3).map(move |inner| (outer, inner)));
        let stale = leaves.any(|leaf| !touches(&leaf) && before.get(&leaf) != current.get(&leaf));
        let (b, w, c) = (nested(&before), nested(&wanted), nested(&current));
        match settle(seen(&b), &w, seen(&c)) {
            Settled::Stale(_) => prop_assert!(stale),
            // Then nothing else is different, and the report can be written as it is.
            Settled::Write(status) => { prop_assert!(!stale); prop_assert_eq!(leaves_of(&status), leaves_of(&w)); }
            Settled::Done => { prop_assert!(!stale); prop_assert_eq!(leaves_of(&c), leaves_of(&w)); }
        }
    }
}

fn leaves_of(status: &Value) -> BTreeMap<String, u64> {
    let mut leaves = BTreeMap::new();
    for (outer, fields) in status.as_object().into_iter().flatten() {
        for (inner, value) in fields.as_object().into_iter().flatten() {
            leaves.insert(format!("{outer}.{inner}"), value.as_u64().unwrap());
        }
    }
    leaves
}
