//! Patterns of structural schemas are RE2's; those of JSON Schema are ECMA-262's, which readers
//! compile in Unicode mode. The same expression, spelt for the other side, where it can be.

/// Spells an RE2 pattern for ECMA-262; nothing when it says what the other cannot.
pub(crate) fn spelt(source: &str) -> Option<String> {
    let mut speller = Speller { rest: source, out: String::with_capacity(source.len()) };
    speller.pattern()?;
    Some(speller.out)
}

struct Speller<'a> {
    rest: &'a str,
    out: String,
}

/// What has a meaning in a pattern, and so may have a backslash before it.
const SYNTAX: &str = "^$\\.*+?()[]{}|/";

impl Speller<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn pattern(&mut self) -> Option<()> {
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' => self.group()?,
                '{' => self.brace(),
                '}' | ']' => self.out.extend(['\\', c]),
                c => self.out.push(c),
            }
        }
        Some(())
    }

    /// Groups may have names or no number. Flags inside of a pattern are RE2's alone.
    fn group(&mut self) -> Option<()> {
        self.out.push('(');
        let Some(rest) = self.rest.strip_prefix('?') else { return Some(()) };
        if let Some(rest) = rest.strip_prefix(':') {
            self.rest = rest;
            self.out.push_str("?:");
            return Some(());
        }
        self.rest = rest.strip_prefix("P<").or_else(|| rest.strip_prefix('<'))?;
        self.out.push_str("?<");
        Some(())
    }

    /// A `{` that begins no repetition is a plain character to RE2.
    fn brace(&mut self) {
        match self.rest.split_once('}').filter(|(inner, _)| is_repetition(inner)) {
            Some((inner, rest)) => {
                self.out.extend(["{", inner, "}"]);
                self.rest = rest;
            }
            None => self.out.push_str("\\{"),
        }
    }

    fn class(&mut self) -> Option<()> {
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.rest = rest;
            self.out.push('^');
        }
        if let Some(rest) = self.rest.strip_prefix(']') {
            self.rest = rest;
            self.out.push_str("\\]");
        }
        loop {
            match self.next()? {
                ']' => break self.out.push(']'),
                '\\' => self.escape(true)?,
                // `[:alpha:]` and its like.
                '[' if self.rest.starts_with(':') => return None,
                '[' => self.out.push_str("\\["),
                c => self.out.push(c),
            }
        }
        Some(())
    }

    fn escape(&mut self, in_class: bool) -> Option<()> {
        match self.next()? {
            c @ ('d' | 'D' | 'w' | 'W' | 's' | 'S' | 't' | 'n' | 'r' | 'f' | 'v') => {
                self.out.extend(['\\', c]);
            }
            c @ ('b' | 'B') if !in_class => self.out.extend(['\\', c]),
            'A' if !in_class => self.out.push('^'),
            'z' if !in_class => self.out.push('$'),
            'x' => self.hexadecimal()?,
            'p' | 'P' if self.rest.starts_with('{') => return None,
            c if c.is_ascii_alphanumeric() => return None,
            '-' if in_class => self.out.push_str("\\-"),
            c if SYNTAX.contains(c) => self.out.extend(['\\', c]),
            c => self.out.push(c),
        }
        Some(())
    }

    /// `\x41` is both sides' own.
    fn hexadecimal(&mut self) -> Option<()> {
        let (digits, rest) = self.rest.split_at_checked(2)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.out.extend(["\\x", digits]);
        self.rest = rest;
        Some(())
    }
}

/// Whether what stands in braces is `n`, `n,` or `n,m`.
fn is_repetition(inner: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (min, max) = inner.split_once(',').unwrap_or((inner, ""));
    !min.is_empty() && digits(min) && digits(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_spelt_for_the_other_side_or_left_out() {
        let cases = [
            ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", Some("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")),
            (r"^\d+\.\d{1,3}$", Some(r"^\d+\.\d{1,3}$")),
            (r"^\/a\-b\_c\@$", Some(r"^\/a-b_c@$")),
            (r"^[\w\-\_\.\[]+$", Some(r"^[\w\-_\.\[]+$")),
            (r"^\<a\>$", Some("^<a>$")),
            ("^{a}$", Some(r"^\{a\}$")),
            ("^a{,2}$", Some(r"^a\{,2\}$")),
            ("^[[a]$", Some(r"^[\[a]$")),
            ("^[]a]+$", Some(r"^[\]a]+$")),
            ("^[^]]$", Some(r"^[^\]]$")),
            ("a]", Some(r"a\]")),
            ("^(?P<n>a)(?:b)$", Some("^(?<n>a)(?:b)$")),
            (r"\Aab\z", Some("^ab$")),
            (r"\x41", Some(r"\x41")),
            (r"\x{10FFFF}", None),
            ("(?i)abc", None),
            ("[[:alpha:]]", None),
            (r"\pL", None),
            (r"\p{L}", None),
            (r"\Qa.b\E", None),
            (r"\101", None),
            (r"[\b]", None),
            (r"\", None),
            ("[a", None),
        ];
        for (source, expected) in cases {
            assert_eq!(spelt(source).as_deref(), expected, "{source}");
        }
    }
}
