//! Regular expressions as Go's RE2 reads them, matched by the `regex` crate: both run in linear
//! time, and they differ only in spelling.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use regex::{Regex, RegexBuilder};

/// A compiled `pattern`. Cloning shares it, and so does compiling the same one again while the
/// first is in use: the schemas of many kinds embed the same types, and a compiled expression takes
/// a thousand times the room of its text.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    source: Box<str>,
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern into at most `limit` bytes.
    pub(super) fn compile(source: &str, limit: usize) -> Result<Self, PatternError> {
        if let Some(known) = Pool::lock().find(source) {
            return Ok(known);
        }
        let regex = RegexBuilder::new(&translated(source))
            .size_limit(limit)
            .dfa_size_limit(DFA_BYTES_MAX)
            .nest_limit(NESTING_MAX)
            .build()
            .map_err(PatternError::from)?;
        let pattern = Self(Arc::new(Compiled { source: source.into(), regex }));
        Pool::lock().keep(&pattern);
        Ok(pattern)
    }

    /// Whether it is found anywhere in the text.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.regex.is_match(text)
    }

    /// As the schema has it.
    pub(super) fn source(&self) -> &str {
        &self.0.source
    }
}

/// The patterns in use, by source.
static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Pool {
    patterns: HashMap<Box<str>, Weak<Compiled>>,
    sweep_at: usize,
}

impl Pool {
    /// A panic elsewhere cannot leave the map half changed, so its poison means nothing.
    fn lock() -> std::sync::MutexGuard<'static, Self> {
        POOL.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, source: &str) -> Option<Pattern> {
        self.patterns.get(source)?.upgrade().map(Pattern)
    }

    /// Forgets what nobody uses any more each time that the pool has doubled.
    fn keep(&mut self, pattern: &Pattern) {
        if self.patterns.len() >= self.sweep_at {
            self.patterns.retain(|_, pattern| pattern.strong_count() > 0);
            self.sweep_at = (self.patterns.len() * 2).max(POOL_SWEEP_MIN);
        }
        self.patterns.insert(pattern.0.source.clone(), Arc::downgrade(&pattern.0));
    }
}

const POOL_SWEEP_MIN: usize = 1024;

/// What matching may use to remember states, for each thread that matches.
const DFA_BYTES_MAX: usize = 256 * 1024;
const NESTING_MAX: u32 = 100;

/// Why a pattern was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PatternError {
    /// It needs more room than it was given.
    TooLarge,
    /// It is not a regular expression.
    Syntax(String),
}

impl From<regex::Error> for PatternError {
    fn from(error: regex::Error) -> Self {
        if matches!(error, regex::Error::CompiledTooBig(_)) {
            return Self::TooLarge;
        }
        // The lines above the last one draw the pattern and point into it.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        Self::Syntax(reason.trim_start_matches("error: ").to_owned())
    }
}

/// Spells an RE2 pattern for the `regex` crate. What neither knows is left for it to refuse.
fn translated(source: &str) -> String {
    let mut translator = Translator { rest: source, out: String::with_capacity(source.len()) };
    translator.pattern();
    translator.out
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn pattern(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape(false),
                '[' => self.class(),
                '{' => self.brace(),
                '}' => self.out.push_str("\\}"),
                c => self.out.push(c),
            }
        }
    }

    /// A `{` that begins no repetition is a plain character to RE2.
    fn brace(&mut self) {
        let repetition = self.rest.split_once('}').filter(|(inner, _)| is_repetition(inner));
        if let Some((inner, rest)) = repetition {
            self.out.extend(["{", inner, "}"]);
            self.rest = rest;
        } else {
            self.out.push_str("\\{");
        }
    }

    /// The `regex` crate has nested classes and set operations; RE2 takes their signs literally.
    fn class(&mut self) {
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.out.push('^');
            self.rest = rest;
        }
        if let Some(rest) = self.rest.strip_prefix(']') {
            self.out.push_str("\\]");
            self.rest = rest;
        }
        let mut previous = None;
        while let Some(c) = self.next() {
            match c {
                ']' => return self.out.push(']'),
                '\\' => self.escape(true),
                '[' => self.bracket_in_class(),
                '&' | '~' | '-' if previous == Some(c) => self.out.extend(['\\', c]),
                c => self.out.push(c),
            }
            previous = Some(c);
        }
    }

    /// `[:alpha:]` in a class, or a plain `[`.
    fn bracket_in_class(&mut self) {
        let named = self.rest.strip_prefix(':').and_then(|rest| rest.split_once(":]"));
        match named.filter(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase() || c == '^')) {
            Some((name, rest)) => {
                self.out.extend(["[:", name, ":]"]);
                self.rest = rest;
            }
            None => self.out.push_str("\\["),
        }
    }

    /// Perl's classes and word boundaries are about ASCII in RE2.
    fn escape(&mut self, in_class: bool) {
        let Some(c) = self.next() else { return self.out.push('\\') };
        let (class, negated) = match c {
            'd' | 'D' => ("0-9", c == 'D'),
            'w' | 'W' => ("0-9A-Za-z_", c == 'W'),
            's' | 'S' => ("\\t\\n\\f\\r\\x20", c == 'S'),
            'b' | 'B' if !in_class => return self.out.extend(["(?-u:\\", &c.to_string(), ")"]),
            '<' | '>' => return self.out.push(c),
            'Q' if !in_class => return self.quoted(),
            '0'..='7' => return self.octal(c),
            c => return self.out.extend(['\\', c]),
        };
        match (negated, in_class) {
            (false, true) => self.out.push_str(class),
            (false, false) => self.out.extend(["[", class, "]"]),
            (true, _) => self.out.extend(["[^", class, "]"]),
        }
    }

    /// Up to three octal digits stand for a character. One alone, but for `\0`, would refer back to
    /// a group, which neither knows.
    fn octal(&mut self, first: char) {
        let more = self.rest.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
        if first != '0' && more == 0 {
            return self.out.extend(['\\', first]);
        }
        let (digits, rest) = self.rest.split_at(more);
        let character = u32::from_str_radix(&format!("{first}{digits}"), 8);
        let character = character.expect("three octal digits are a number");
        write!(self.out, "\\x{{{character:x}}}").expect("text grows in memory");
        self.rest = rest;
    }

    /// `\Q…\E` is literal text.
    fn quoted(&mut self) {
        let (literal, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
        self.out.push_str(&regex::escape(literal));
        self.rest = rest;
    }
}

/// Whether what stands in braces is `n`, `n,` or `n,m`.
fn is_repetition(inner: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match inner.split_once(',') {
        Some((min, max)) => !min.is_empty() && digits(min) && digits(max),
        None => !inner.is_empty() && digits(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;

    #[test]
    fn patterns_mean_what_go_says_they_mean() {
        let cases = [
            ("a", "cat", true),
            ("^a", "cat", false),
            (r"^\d+$", "123", true),
            (r"^\d+$", "\u{661}", false),
            (r"^[\d.]+$", "1.2", true),
            (r"^[^\d]$", "x", true),
            (r"^[\D]$", "5", false),
            (r"^\w+$", "é", false),
            (r"^\S+$", "a b", false),
            (r"^\/a\-b\_c\@$", "/a-b_c@", true),
            (r"^\<a\>$", "<a>", true),
            (r"^{a}$", "{a}", true),
            (r"^a{,2}$", "a{,2}", true),
            (r"^a{2,}$", "aaa", true),
            (r"^a{1,2}$", "aaa", false),
            (r"^[[a]$", "[", true),
            (r"^[]a]+$", "]a", true),
            (r"^[^]]$", "]", false),
            (r"^[a&&b]+$", "a&b", true),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "web-1", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"\bcat\b", "a cat!", true),
            (r"a\Bb", "ab", true),
            (r"^(?i)abc$", "ABC", true),
            (r"^\x41\pL$", "Aé", true),
            (r"^(?P<n>a)$", "a", true),
            (r"^\101\0[\102]\0101$", "A\0B\u{8}1", true),
            ("^.{1,1000}$", "x", true),
        ];
        for (source, text, expected) in cases {
            let pattern = Pattern::compile(source, LIMIT).expect(source);
            assert_eq!(pattern.matches(text), expected, "{source} on {text}");
        }
    }

    #[test]
    fn the_same_pattern_is_compiled_once_while_it_is_in_use() {
        let source = "^compiled-once$";
        let first = Pattern::compile(source, LIMIT).unwrap();
        let second = Pattern::compile(source, LIMIT).unwrap();
        assert!(Arc::ptr_eq(&first.0, &second.0));
        let weak = Arc::downgrade(&first.0);
        drop((first, second));
        assert_eq!(weak.strong_count(), 0);
        assert!(Pattern::compile(source, LIMIT).unwrap().matches("compiled-once"));
    }

    #[test]
    fn the_pool_forgets_what_nobody_uses() {
        let mut pool = Pool::default();
        let regex = Regex::new("a").unwrap();
        for n in 0..10 * POOL_SWEEP_MIN {
            let source = n.to_string().into();
            pool.keep(&Pattern(Arc::new(Compiled { source, regex: regex.clone() })));
        }
        assert!(pool.patterns.len() <= POOL_SWEEP_MIN, "{}", pool.patterns.len());
    }

    #[test]
    fn what_is_no_regular_expression_is_refused_with_a_reason() {
        let cases = [
            ("(", "unclosed group"),
            ("(?=a)", "look-around, including look-ahead and look-behind, is not supported"),
            ("[b-a]", "invalid character class range, the start must be <= the end"),
            ("*", "repetition operator missing expression"),
            (r"(a)\1", "backreferences are not supported"),
            (r"[\7]", "backreferences are not supported"),
            ("\\", "incomplete escape sequence, reached end of pattern prematurely"),
        ];
        for (source, reason) in cases {
            let error = Pattern::compile(source, LIMIT).unwrap_err();
            assert_eq!(error, PatternError::Syntax(reason.to_owned()), "{source}");
        }
        assert_eq!(
            Pattern::compile("((a{900}){900}){900}", LIMIT).unwrap_err(),
            PatternError::TooLarge
        );
    }
}
