//! What is common to everything that is read as YAML.

use serde_saphyr::{Error, SnippetMode, UserMessageFormatter};

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
    let options =
        serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: POLICY_DEPTH_MAX } };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| message(&error))
}
