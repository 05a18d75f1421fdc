//! JSON values as YAML that people can read: block style, and texts in quotes unless they are
//! plainly words.

use std::fmt::Write as _;

use serde_json::Value;

/// The value as one YAML document.
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

fn block(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (index, (key, value)) in fields.iter().enumerate() {
                // The first line of an item stands behind its dash.
                indent(if index == 0 && text.ends_with("- ") { 0 } else { depth }, text);
                write!(text, "{}:", scalar(key)).expect("text grows in memory");
                below(value, depth, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                indent(if index == 0 && text.ends_with("- ") { 0 } else { depth }, text);
                text.push_str("- ");
                block(item, depth + 1, text);
            }
        }
        Value::String(word) => writeln!(text, "{}", scalar(word)).expect("text grows in memory"),
        other => writeln!(text, "{other}").expect("text grows in memory"),
    }
}

fn below(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            block(value, depth + 1, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            block(value, depth, text);
        }
        other => {
            text.push(' ');
            block(other, depth, text);
        }
    }
}

fn indent(depth: usize, text: &mut String) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

/// A text in quotes, as JSON has it, unless nobody could take it for anything but a word.
fn scalar(word: &str) -> String {
    let plain = word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        && !MEANT_OTHERWISE.contains(&word.to_ascii_lowercase().as_str());
    if plain { word.to_owned() } else { Value::from(word).to_string() }
}

/// Words that YAML readers of one age or another take for something else.
const MEANT_OTHERWISE: [&str; 10] =
    ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_reads_well_and_means_the_same() {
        let value = json!({
            "kind": "Device",
            "pattern": "^a$",
            "enum": ["True", "False", "a b"],
            "empty": {}, "none": [], "number": 1.5, "flag": true, "nothing": null,
            "versions": [{"name": "v1", "schema": {"type": "object"}}, {"name": "v2"}],
            "nested": [[1, 2], ["x"]],
        });
        let expected = "\
empty: {}
enum:
- \"True\"
- \"False\"
- \"a b\"
flag: true
kind: Device
nested:
- - 1
  - 2
- - x
none: []
nothing: null
number: 1.5
pattern: \"^a$\"
versions:
- name: v1
  schema:
    type: object
- name: v2
";
        assert_eq!(yaml(&value), expected);
    }
}
