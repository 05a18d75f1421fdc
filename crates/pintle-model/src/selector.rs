//! Label and field selectors, in the text form that lists and watches take.

use std::collections::BTreeMap;
use std::fmt;

use crate::names::{validate_label_value, validate_qualified_name};

/// A selector that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {which} selector {text:?}: {why}")]
pub struct InvalidSelector {
    which: &'static str,
    text: String,
    why: String,
}

impl InvalidSelector {
    fn new(which: &'static str, text: &str, why: impl Into<String>) -> Self {
        Self { which, text: text.chars().take(200).collect(), why: why.into() }
    }
}

/// A selector has at most so many requirements, and its text at most so many bytes.
const REQUIREMENTS_MAX: usize = 100;
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// All of its requirements must hold. The empty selector matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<(String, Requirement)>,
}

/// What one label must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// `key in (a,b)`, and `key=a`.
    In(Vec<String>),
    /// `key notin (a,b)`, and `key!=a`; a missing key matches.
    NotIn(Vec<String>),
    /// `key`.
    Exists,
    /// `!key`.
    Absent,
    /// `key>5`.
    GreaterThan(i64),
    /// `key<5`.
    LessThan(i64),
}

impl LabelSelector {
    /// Reads `app=web,tier in (front,back),!legacy`.
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        let invalid = |why: String| InvalidSelector::new("label", text, why);
        if text.len() > TEXT_BYTES_MAX {
            return Err(invalid(format!("more than {TEXT_BYTES_MAX} bytes")));
        }
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text).map_err(invalid)? {
            let requirement = parse_requirement(part.trim()).map_err(invalid)?;
            requirements.push(requirement);
        }
        if requirements.len() > REQUIREMENTS_MAX {
            return Err(invalid(format!("more than {REQUIREMENTS_MAX} requirements")));
        }
        Ok(Self { requirements })
    }

    /// A selector of requirements that were not written as text, such as those of a
    /// `metav1.LabelSelector`.
    pub fn new(requirements: Vec<(String, Requirement)>) -> Result<Self, InvalidSelector> {
        for (key, requirement) in &requirements {
            let invalid = |why| InvalidSelector::new("label", key, why);
            validate_qualified_name(key).map_err(invalid)?;
            if let Requirement::In(values) | Requirement::NotIn(values) = requirement {
                values
                    .iter()
                    .try_for_each(|value| checked_value(value).map(drop))
                    .map_err(invalid)?;
            }
        }
        if requirements.len() > REQUIREMENTS_MAX {
            let why = format!("more than {REQUIREMENTS_MAX} requirements");
            return Err(InvalidSelector::new("label", "", why));
        }
        Ok(Self { requirements })
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|(key, requirement)| requirement.holds(labels.get(key)))
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl Requirement {
    fn holds(&self, value: Option<&String>) -> bool {
        let number = || value.and_then(|text| text.parse::<i64>().ok());
        match self {
            Self::In(values) => value.is_some_and(|value| values.contains(value)),
            Self::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Self::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

/// Splits at commas that do not stand in parentheses; empty text has no parts.
fn split_outside_parentheses(text: &str) -> Result<Vec<&str>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut depth = 0_i32;
    let mut unbalanced = false;
    let parts = text
        .split(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            unbalanced |= !(0..=1).contains(&depth);
            c == ',' && depth == 0
        })
        .collect();
    if unbalanced || depth != 0 { Err("parentheses do not match".to_owned()) } else { Ok(parts) }
}

fn parse_requirement(part: &str) -> Result<(String, Requirement), String> {
    if let Some(key) = part.strip_prefix('!') {
        return Ok((checked_key(key)?, Requirement::Absent));
    }
    if let Some(requirement) = parse_set(part)? {
        return Ok(requirement);
    }
    for (operator, make) in EQUALITY {
        if let Some((key, value)) = part.split_once(operator) {
            return Ok((checked_key(key)?, make(value.trim())?));
        }
    }
    Ok((checked_key(part)?, Requirement::Exists))
}

type MakeRequirement = fn(&str) -> Result<Requirement, String>;

/// Longer operators stand first, so that `!=` is not read as `=`.
const EQUALITY: [(&str, MakeRequirement); 5] = [
    ("!=", |value| Ok(Requirement::NotIn(vec![checked_value(value)?]))),
    ("==", |value| Ok(Requirement::In(vec![checked_value(value)?]))),
    ("=", |value| Ok(Requirement::In(vec![checked_value(value)?]))),
    (">", |value| Ok(Requirement::GreaterThan(checked_number(value)?))),
    ("<", |value| Ok(Requirement::LessThan(checked_number(value)?))),
];

/// Reads `key in (a,b)` and `key notin (a,b)`.
fn parse_set(part: &str) -> Result<Option<(String, Requirement)>, String> {
    let Some((head, rest)) = part.split_once('(') else { return Ok(None) };
    let Some(values) = rest.strip_suffix(')') else {
        return Err("something follows the closing parenthesis".to_owned());
    };
    let Some((key, operator)) = head.trim_end().rsplit_once(char::is_whitespace) else {
        return Err("expected `key in (…)` or `key notin (…)`".to_owned());
    };
    let values =
        values.split(',').map(|value| checked_value(value.trim())).collect::<Result<_, _>>()?;
    let requirement = match operator {
        "in" => Requirement::In(values),
        "notin" => Requirement::NotIn(values),
        _ => return Err(format!("unknown operator {operator:?}; expected `in` or `notin`")),
    };
    Ok(Some((checked_key(key)?, requirement)))
}

fn checked_key(text: &str) -> Result<String, String> {
    let key = text.trim();
    validate_qualified_name(key).map_err(|why| format!("label key {key:?}: {why}"))?;
    Ok(key.to_owned())
}

fn checked_value(text: &str) -> Result<String, String> {
    validate_label_value(text).map_err(|why| format!("label value {text:?}: {why}"))?;
    Ok(text.to_owned())
}

fn checked_number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a whole number"))
}

/// Terms over fields that the kind declares selectable; all of them must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// The terms, in the order of the text.
    pub terms: Vec<FieldTerm>,
}

/// `path=value` or `path!=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldTerm {
    /// `metadata.name`, `spec.color`.
    pub path: String,
    /// What the field is compared with, as text.
    pub value: String,
    /// Whether equality is asked for or its opposite.
    pub equal: bool,
}

impl FieldSelector {
    /// Reads `metadata.name=a,spec.color!=red`. A backslash escapes `\`, `,` and `=`.
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        let invalid = |why: String| InvalidSelector::new("field", text, why);
        if text.len() > TEXT_BYTES_MAX {
            return Err(invalid(format!("more than {TEXT_BYTES_MAX} bytes")));
        }
        let mut terms = Vec::new();
        for part in split_unescaped(text).filter(|part| !part.is_empty()) {
            terms.push(parse_field_term(part).map_err(invalid)?);
        }
        if terms.len() > REQUIREMENTS_MAX {
            return Err(invalid(format!("more than {REQUIREMENTS_MAX} terms")));
        }
        Ok(Self { terms })
    }

    /// Whether all terms hold; `field` gives the text of a field, empty when it is not set.
    pub fn matches<'v>(&self, mut field: impl FnMut(&str) -> std::borrow::Cow<'v, str>) -> bool {
        self.terms.iter().all(|term| (field(&term.path) == term.value) == term.equal)
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// What a field must be, where a term says that it is one thing.
    pub fn exact(&self, path: &str) -> Option<&str> {
        let term = self.terms.iter().find(|term| term.equal && term.path == path);
        term.map(|term| term.value.as_str())
    }
}

fn split_unescaped(text: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |c: char| {
        let separates = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        separates
    })
}

fn parse_field_term(part: &str) -> Result<FieldTerm, String> {
    let Some(at) = part.find(['=', '!']) else {
        return Err(format!("{part:?} has no operator; expected =, == or !="));
    };
    let (path, rest) = part.split_at(at);
    let (equal, value) = if let Some(value) = rest.strip_prefix("!=") {
        (false, value)
    } else if let Some(value) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
        (true, value)
    } else {
        return Err(format!("{part:?} has no operator; expected =, == or !="));
    };
    if path.is_empty() {
        return Err(format!("{part:?} names no field"));
    }
    Ok(FieldTerm { path: path.to_owned(), value: unescaped(value)?, equal })
}

fn unescaped(value: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                _ => return Err("a backslash may only stand before \\, comma or =".to_owned()),
            },
            '=' => return Err("a = in a value must be written \\=".to_owned()),
            c => out.push(c),
        }
    }
    Ok(out)
}

impl fmt::Display for FieldTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.path, if self.equal { "=" } else { "!=" }, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors_select() {
        let labels = BTreeMap::from([
            ("app".to_owned(), "web".to_owned()),
            ("example.io/tier".to_owned(), "front".to_owned()),
            ("size".to_owned(), "5".to_owned()),
        ]);
        let cases = [
            ("", Some(true)),
            ("app=web", Some(true)),
            ("app==web", Some(true)),
            ("app = web , size=5", Some(true)),
            ("app!=web", Some(false)),
            ("missing!=x", Some(true)),
            ("app in (api, web)", Some(true)),
            ("example.io/tier notin (back),app", Some(true)),
            ("!app", Some(false)),
            ("!missing", Some(true)),
            ("size>4", Some(true)),
            ("size<5", Some(false)),
            ("app=", Some(false)),
            ("missing in ()", Some(false)),
            ("app in web", None),
            ("app in (web", None),
            ("app in ((web))", None),
            ("=x", None),
            ("a,,b", None),
            ("app like (x)", None),
            ("app=a b", None),
            ("size>x", None),
        ];
        for (text, expected) in cases {
            let found = LabelSelector::parse(text).ok().map(|selector| selector.matches(&labels));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn requirements_are_checked_like_text() {
        let selector = |key: &str, value: &str| {
            LabelSelector::new(vec![(key.to_owned(), Requirement::In(vec![value.to_owned()]))])
        };
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        assert_eq!(selector("app", "web").map(|selector| selector.matches(&labels)), Ok(true));
        for (key, value) in [("", "web"), ("app ", "web"), ("app", "web,tier"), ("a/b/c", "x")] {
            assert!(selector(key, value).is_err(), "{key:?} {value:?}");
        }
    }

    #[test]
    fn field_selectors_select() {
        let field = |path: &str| match path {
            "metadata.name" => "a,b".into(),
            "spec.color" => "red".into(),
            _ => "".into(),
        };
        let cases = [
            ("", Some(true)),
            ("metadata.name=a\\,b", Some(true)),
            ("spec.color!=red", Some(false)),
            ("spec.color==red,metadata.name!=x", Some(true)),
            ("spec.color", None),
            ("=red", None),
            ("spec.color=a=b", None),
            ("spec.color=\\x", None),
            ("spec.color!red", None),
        ];
        for (text, expected) in cases {
            let found = FieldSelector::parse(text).ok().map(|selector| selector.matches(field));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
