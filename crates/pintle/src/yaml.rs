//! What is common to everything that is read as YAML.

use serde_saphyr::{Error, SnippetMode, UserMessageFormatter};

/// What is wrong and at which line, in the user's words.
pub(crate) fn message(error: &Error) -> String {
    error.render_with_options(serde_saphyr::render_options! {
        formatter: &UserMessageFormatter,
        snippets: SnippetMode::Off,
    })
}
