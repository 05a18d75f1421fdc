//! Headers of responses, made of text that may hold anything.

use http::header::WARNING;
use http::{HeaderMap, HeaderName, HeaderValue};

/// So many characters all warnings of a response have together, and each of them, as upstream.
const WARNINGS_CHARS_MAX: usize = 4_096;
const WARNING_CHARS_MAX: usize = 256;

/// Sets a header whose value is known to be printable ASCII, or leaves it out.
pub fn set_header(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The warnings of a response that are told: each sentence once, and as much as fits.
pub fn told_warnings(warnings: &[String]) -> Vec<String> {
    let mut room = WARNINGS_CHARS_MAX;
    let mut told = Vec::new();
    for (index, warning) in warnings.iter().enumerate() {
        if warnings.iter().take(index).any(|earlier| earlier == warning) {
            continue;
        }
        let text: String = warning.chars().take(WARNING_CHARS_MAX).collect();
        room = room.saturating_sub(text.chars().count());
        if room == 0 {
            break;
        }
        told.push(text);
    }
    told
}

/// Adds `Warning` headers (RFC 7234, section 5.5, code 299).
pub fn add_warnings(headers: &mut HeaderMap, warnings: &[String]) {
    for warning in told_warnings(warnings) {
        let text: String = warning.chars().map(header_char).collect();
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            headers.append(WARNING, value);
        }
    }
}

fn header_char(c: char) -> char {
    if c.is_ascii_graphic() || c == ' ' { c } else { '?' }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(warnings: &[String]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        add_warnings(&mut headers, warnings);
        let texts = headers.get_all(WARNING).iter().map(|value| value.to_str().unwrap().to_owned());
        texts.collect()
    }

    #[test]
    fn each_sentence_comes_once_and_in_printable_characters() {
        let said = ["say \"no\"\n".to_owned(), "é".to_owned(), "é".to_owned()];
        assert_eq!(added(&said), [r#"299 - "say \"no\"?""#, r#"299 - "?""#]);
    }

    #[test]
    fn they_have_a_limit_each_and_one_together() {
        let many: Vec<String> = (0..100).map(|n| format!("{n:0>300}")).collect();
        let longest = format!("299 - \"{}\"", "0".repeat(WARNING_CHARS_MAX));
        assert_eq!(added(&many), vec![longest; 15]);
    }
}
