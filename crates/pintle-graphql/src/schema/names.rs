//! Names: what JSON, kinds and groups are called in GraphQL, which allows letters, digits and `_`.

/// A field or type name made of any text: what is not allowed becomes `_`. Never empty, never
/// beginning with a digit or with the `__` that belongs to introspection.
pub(crate) fn sanitized(text: &str) -> String {
    let mut name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with("__") {
        name.replace_range(..name.len() - name.trim_start_matches('_').len(), "");
    }
    match name.bytes().next() {
        None => "_".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{name}"),
        Some(_) => name,
    }
}

/// `fooBar` for `foo-bar`: plural and singular names of kinds are DNS labels.
pub(crate) fn camel(label: &str) -> String {
    let mut words = label.split(['-', '.', '_']).filter(|word| !word.is_empty());
    let mut name = words.next().unwrap_or_default().to_owned();
    name.extend(words.map(capitalized));
    sanitized(&name)
}

/// `Devices` for `devices`.
pub(crate) fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Whether a value may be one of an enum (`true`, `false` and `null` are not names there).
pub(crate) fn is_enum_value(text: &str) -> bool {
    let mut bytes = text.bytes();
    let starts = bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    starts
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !text.starts_with("__")
        && !matches!(text, "true" | "false" | "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_a_name() {
        let cases = [
            ("phase", "phase"),
            ("$ref", "_ref"),
            ("x-y.z", "x_y_z"),
            ("2fa", "_2fa"),
            ("__typename", "typename"),
            ("__2", "_2"),
            ("", "_"),
            ("é", "_"),
        ];
        for (text, name) in cases {
            assert_eq!(sanitized(text), name, "{text:?}");
        }
        assert_eq!(camel("foo-bars"), "fooBars");
        assert_eq!(camel("devices"), "devices");
        assert_eq!(capitalized("fooBars"), "FooBars");
    }

    #[test]
    fn only_names_are_enum_values() {
        for (text, expected) in
            [("Ready", true), ("True", true), ("true", false), ("50%", false), ("", false)]
        {
            assert_eq!(is_enum_value(text), expected, "{text:?}");
        }
    }
}
