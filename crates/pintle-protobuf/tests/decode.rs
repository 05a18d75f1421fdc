//! Bodies as Go clients send them, and bodies that nobody should send.

#![cfg(test)]

use pintle_protobuf::{Decoded, ProtobufError, decode};
use proptest::prelude::*;
use serde_json::Value;

/// One object: its name, its bytes, its JSON. Made by the program in `upstream/`.
fn objects() -> Vec<(&'static str, Vec<u8>, Value)> {
    let lines: Vec<_> = include_str!("bytes.txt").lines().collect();
    let object = |lines: &[&'static str]| {
        (lines[0], unhex(lines[1]), serde_json::from_str(lines[2]).unwrap())
    };
    lines.chunks(3).map(object).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> =
        text.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Go writes null for a list that is not there, which the wire cannot say.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

#[test]
fn bodies_of_go_clients_become_the_json_that_they_would_have_sent() {
    let objects = objects();
    assert_eq!(objects.len(), 44);
    for (name, bytes, json) in objects {
        let Decoded { api_version, kind, value } = decode(&bytes).expect(name);
        assert!(name.starts_with(&format!("{api_version} {kind} ")), "{name}");
        assert_eq!(without_nulls(value), without_nulls(json), "{name}");
    }
}

#[test]
fn a_body_that_was_cut_short_is_refused_or_a_shorter_object() {
    for (name, bytes, _) in objects() {
        for length in 0..bytes.len() {
            match decode(&bytes[..length]) {
                Ok(decoded) => assert!(decoded.value.is_object(), "{name}"),
                Err(error) => assert!(!error.to_string().is_empty(), "{name}"),
            }
        }
    }
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], with_length(bytes)].concat()
}

/// A field with a number from 16 to 31.
fn long(number: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![(number & 0xf) << 3 | 0x82, number >> 4], with_length(bytes)].concat()
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    let mut length = bytes.len();
    while length > 0x7f {
        field.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).unwrap());
    [field, bytes.to_vec()].concat()
}

fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let type_meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &type_meta), field(2, raw)].concat()
}

#[test]
fn refusals_say_what_and_where() {
    let name_is = |name: &[u8]| field(1, &field(1, name));
    let cases = [
        (
            b"{}".to_vec(),
            "the body is not Kubernetes protobuf: it does not begin with \"k8s\" and a zero byte",
        ),
        (b"k8s\0".to_vec(), "\"\" of \"\" cannot be sent as protobuf; send JSON"),
        (
            body("infra.example.io/v1", "Device", b""),
            "\"Device\" of \"infra.example.io/v1\" cannot be sent as protobuf; send JSON",
        ),
        (
            body("v2", "Namespace", b""),
            "\"Namespace\" of \"v2\" cannot be sent as protobuf; send JSON",
        ),
        (
            body("v1", "Namespace", &name_is(b"\xff")),
            "the protobuf body cannot be read at metadata.name: the text is not UTF-8",
        ),
        (
            body("v1", "Namespace", b"\x08\x01"),
            "the protobuf body cannot be read at metadata: the field has another wire type than it should",
        ),
        (
            body("v1", "Namespace", b"\x0a\x05"),
            "the protobuf body cannot be read: the message ends in the middle of a field",
        ),
        (
            [body("v1", "Namespace", b""), field(4, b"application/json")].concat(),
            "the protobuf body cannot be read at contentType: \"application/json\" inside of protobuf is not supported",
        ),
        (
            body(
                "coordination.k8s.io/v1",
                "Lease",
                &field(2, &field(4, b"\x08\xff\xff\xff\xff\xff\xff\x7f")),
            ),
            "the protobuf body cannot be read at spec.renewTime: the time is not within the years 1 to 9999",
        ),
        (
            body("v1", "Namespace", &field(1, &long(17, &field(7, &field(1, b"{"))))),
            "the protobuf body cannot be read at metadata.managedFields.fieldsV1.raw: EOF while parsing an object at line 1 column 1",
        ),
    ];
    for (body, expected) in cases {
        let error = decode(&body).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn depth_and_size_of_what_comes_out_are_bounded() {
    let not = |levels: usize| (0..levels).fold(Vec::new(), |inner, _| long(28, &inner));
    let crd = |levels| {
        let version = field(4, &field(1, &not(levels)));
        body("apiextensions.k8s.io/v1", "CustomResourceDefinition", &field(2, &field(7, &version)))
    };
    assert!(decode(&crd(90)).is_ok());
    let deep = decode(&crd(100)).unwrap_err().to_string();
    assert!(deep.ends_with("it nests deeper than 100 levels"), "{deep}");

    let rules =
        |count: usize| body("rbac.authorization.k8s.io/v1", "Role", &field(2, b"").repeat(count));
    assert!(decode(&rules(100_000)).is_ok());
    let large = decode(&rules(300_000)).unwrap_err();
    let expected = ProtobufError::Malformed {
        path: "rules".to_owned(),
        why: "the object holds too many values: 2000000 are allowed".to_owned(),
    };
    assert_eq!(large, expected);
}

#[test]
fn fields_that_nobody_knows_are_dropped_and_what_stands_twice_is_merged() {
    let meta = |inner: Vec<u8>| field(1, &inner);
    let twice = [
        meta([field(1, b"a"), field(2, b"old")].concat()),
        vec![0xf8, 0x7f, 0x01],
        meta([field(2, b"new"), field(3, b"")].concat()),
    ];
    let decoded = decode(&body("v1", "Namespace", &twice.concat())).unwrap();
    let expected = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "a", "generateName": "new"},
    });
    assert_eq!(decoded.value, expected);
}

#[test]
fn options_of_a_delete_come_in_the_name_of_every_group() {
    for group in ["v1", "meta.k8s.io/v1", "coordination.k8s.io/v1"] {
        let decoded = decode(&body(group, "DeleteOptions", &field(4, b"Background"))).unwrap();
        assert_eq!(decoded.value["propagationPolicy"], "Background", "{group}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(raw in prop::collection::vec(any::<u8>(), 0..200), which in 0..44_usize) {
        let (_, bytes, _) = objects().swap_remove(which);
        let Decoded { api_version, kind, .. } = decode(&bytes).unwrap();
        let _ = decode(&body(&api_version, &kind, &raw));
        let _ = decode(&[b"k8s\0".as_slice(), &raw].concat());
    }

    #[test]
    fn no_flipped_byte_makes_it_panic(which in 0..44_usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (_, mut bytes, _) = objects().swap_remove(which);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(&bytes);
    }
}
