//! What is common to everything that is read as YAML.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_saphyr::{Error, SnippetMode, Spanned, UserMessageFormatter};

/// What is wrong and at which line, in the user's words.
pub(crate) fn message(error: &Error) -> String {
    error.render_with_options(serde_saphyr::render_options! {
        formatter: &UserMessageFormatter,
        snippets: SnippetMode::Off,
    })
}

/// A policy is deep in no sensible way, and duplicate keys are errors by default.
const POLICY_DEPTH_MAX: usize = 16;

/// Reads a policy file as a tree.
pub(crate) fn value(text: &str) -> Result<serde_json::Value, String> {
    read(text).map_err(|error| message(&error))
}

/// The line of the item of this number, from 1, in a policy file that [`value`] could read. The
/// file is read once more for it, so that only files with faults pay.
pub(crate) fn line_of_item(text: &str, number: usize) -> Option<u64> {
    let items: Vec<Spanned<IgnoredAny>> = read(text).ok()?;
    let item = items.get(number.checked_sub(1)?)?;
    Some(item.referenced.line())
}

/// Reads a file of settings of some shape.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let options =
        serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: POLICY_DEPTH_MAX } };
    serde_saphyr::from_str_with_options(text, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_lines() {
        let text = "# Roles\n- &r {role: r,\n  permissions: [a]}\n\n- role: s\n- *r\n";
        for (number, line) in [(0, None), (1, Some(2)), (2, Some(5)), (3, Some(6)), (4, None)] {
            assert_eq!(line_of_item(text, number), line, "{number}");
        }
        assert_eq!(line_of_item("role: r", 1), None);
    }
}
