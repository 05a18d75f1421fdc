//! Who writes, by the name of the program.

use http::HeaderMap;
use http::header::USER_AGENT;

/// The longest name of a field manager, as upstream.
const MANAGER_CHARS_MAX: usize = 128;

/// Who writes, where a request does not say it with `fieldManager`: the first word of the
/// User-Agent, up to its version.
pub fn manager_of(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let word = agent.split(['/', ' ']).next().unwrap_or_default();
    if word.is_empty() {
        return "unknown".to_owned();
    }
    word.chars().take(MANAGER_CHARS_MAX).collect()
}
