//! Looking into JSON text without building trees of it.
//!
//! The texts are lanes of stored objects: valid, canonical, without white space. What is not so is
//! answered with nothing found, never with a panic.

use memchr::memchr2;

/// The members of an object, as raw text: the name with its quotes, and the value. Nothing when the
/// text is not an object.
pub(crate) fn members(text: &str) -> Option<Members<'_>> {
    text.strip_prefix('{').map(|rest| Members { rest })
}

/// The items of a list, as raw text. Nothing when the text is not a list.
pub(crate) fn items(text: &str) -> Option<Items<'_>> {
    text.strip_prefix('[').map(|rest| Items { rest })
}

/// The value of a member that is an object, with whatever comes behind it. Who walks over the
/// members of that object stops where it ends, and need not know beforehand where that is.
pub(crate) fn open_object<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text.strip_prefix('{')?;
    loop {
        let (found, after) = take_value(after_separator(rest))?;
        let value = after.strip_prefix(':')?;
        if found.strip_prefix('"').and_then(|it| it.strip_suffix('"')) == Some(name) {
            return Some(value).filter(|value| value.starts_with('{'));
        }
        (_, rest) = take_value(value)?;
    }
}

/// See [`members`].
#[derive(Debug, Clone)]
pub(crate) struct Members<'a> {
    rest: &'a str,
}

/// See [`items`].
#[derive(Debug, Clone)]
pub(crate) struct Items<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = after_separator(self.rest);
        let (name, rest) = take_value(rest).filter(|(name, _)| name.starts_with('"'))?;
        let (value, rest) = take_value(rest.strip_prefix(':')?)?;
        self.rest = rest;
        Some((name, value))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<Self::Item> {
        let (value, rest) = take_value(after_separator(self.rest))?;
        self.rest = rest;
        Some(value)
    }
}

fn after_separator(text: &str) -> &str {
    text.strip_prefix(',').unwrap_or(text)
}

/// The value that a text begins with, and what comes after it; nothing at the end of a container.
fn take_value(text: &str) -> Option<(&str, &str)> {
    let end = match text.as_bytes().first()? {
        b'"' => string_end(text.as_bytes())?,
        b'{' | b'[' => container_end(text.as_bytes())?,
        b'}' | b']' => return None,
        _ => text.bytes().position(|byte| matches!(byte, b',' | b'}' | b']')).unwrap_or(text.len()),
    };
    text.split_at_checked(end)
}

const SHORT_BYTES: usize = 24;

/// Behind the closing quote of the string that `bytes` begins with.
fn string_end(bytes: &[u8]) -> Option<usize> {
    // Most are names, and too short for the search that pays off in long ones.
    let short =
        bytes.iter().take(SHORT_BYTES).skip(1).position(|byte| matches!(byte, b'"' | b'\\'));
    let mut at = short.map_or_else(|| bytes.len().clamp(1, SHORT_BYTES), |at| at + 1);
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        // What is escaped is at least one byte, and no quote.
        at += 2;
    }
}

/// Behind the closing bracket of the object or list that `bytes` begins with.
fn container_end(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut rest = bytes.iter();
    loop {
        match rest.next()? {
            b'"' => {
                let string = &bytes.get(bytes.len() - rest.len() - 1..)?;
                rest = string.get(string_end(string)?..)?.iter();
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(bytes.len() - rest.len());
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_object_is_found_without_looking_for_its_end() {
        let text = r#"{"a":{"x":1},"b":{"y":"}"},"c":7,"d":{}}"#;
        let inside = |name: &str| -> Option<Vec<(&str, &str)>> {
            Some(members(open_object(text, name)?)?.collect())
        };
        assert_eq!(inside("a"), Some(vec![("\"x\"", "1")]));
        assert_eq!(inside("b"), Some(vec![("\"y\"", "\"}\"")]));
        assert_eq!(inside("d"), Some(vec![]));
        for none in ["c", "e", "x"] {
            assert_eq!(inside(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_no_container_has_nothing_inside() {
        for text in ["", "1", "\"{\"", "null", "[", "{\"a\"", "{\"a\":", "{]", "[\"\\", "{1:2}"] {
            let members: Vec<_> = members(text).into_iter().flatten().collect();
            let items: Vec<_> = items(text).into_iter().flatten().collect();
            assert!(members.is_empty() && items.is_empty(), "{text:?}: {members:?} {items:?}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[\"\\\\{}\\[\\]:, a\u{e9}\n]{0,6}".prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 32, 5, |inner| {
            let name = "[\"\\\\{}:, a\u{e9}]{0,4}";
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(name, inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn rebuilt(text: &str) -> Value {
        if let Some(members) = members(text) {
            let read = |name: &str| serde_json::from_str::<String>(name).unwrap();
            return Value::Object(members.map(|(k, v)| (read(k), rebuilt(v))).collect());
        }
        if let Some(items) = items(text) {
            return Value::Array(items.map(rebuilt).collect());
        }
        serde_json::from_str(text).unwrap()
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_added(value in json()) {
            prop_assert_eq!(rebuilt(&value.to_string()), value);
        }

        #[test]
        fn any_text_ends(text in "[\"\\\\{}\\[\\]:,a1]{0,24}") {
            let _ = members(&text).into_iter().flatten().count();
            let _ = items(&text).into_iter().flatten().count();
        }
    }
}
