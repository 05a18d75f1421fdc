//! The part of an address behind the question mark.

use pintle_http::percent_decoded;
use pintle_model::{FieldSelector, LabelSelector};
use pintle_rules::{ConflictScope, FieldValidation, Propagation};

use crate::reply::Failure;

/// All parameters that the door understands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) namespace: Option<String>,
    pub(crate) by_name: bool,
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
    pub(crate) limit: Option<usize>,
    pub(crate) continue_token: Option<String>,
    pub(crate) watch: bool,
    pub(crate) resource_version: Option<String>,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) dry_run: bool,
    pub(crate) scope: ConflictScope,
    pub(crate) field_validation: FieldValidation,
    pub(crate) field_manager: Option<String>,
    pub(crate) propagation: Option<Propagation>,
}

/// One parameter: what it is for, what it takes, and where its value goes.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) uses: &'static [Use],
    pub(crate) takes: Takes,
    /// For whoever reads documentation.
    pub(crate) what: &'static str,
    /// Takes over a value that is one of those that it takes.
    set: fn(&mut Query, String) -> Result<(), Failure>,
}

/// What requests do, as far as parameters care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// List the objects of a kind, or watch them.
    Many,
    /// Make one.
    Create,
    /// Read or write one that exists.
    One,
    /// Change one, or make one.
    Write,
    /// Delete one.
    Delete,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Any text.
    Text,
    /// Printable text of 1 to so many characters.
    Line(usize),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A whole number. Zero means no limit, as upstream.
    Number,
    /// A parameter without a value is set, as `kubectl` and people write it.
    Flag,
}

const FLAGS: [&str; 5] = ["true", "1", "", "false", "0"];
const POLICIES: [&str; 3] = ["Background", "Foreground", "Orphan"];
/// The longest name of a field manager, as upstream.
const MANAGER_CHARS_MAX: usize = 128;

/// All parameters there are.
pub(crate) const PARAMETERS: [Parameter; 14] = [
    Parameter {
        name: "namespace",
        uses: &[Use::Many, Use::Create, Use::One],
        takes: Takes::Text,
        what: "The namespace. Without it a list or a watch covers every namespace that the caller \
               may see, and everything else means `default`.",
        set: |query, value| filled(&mut query.namespace, value),
    },
    Parameter {
        name: "by",
        uses: &[Use::One],
        takes: Takes::OneOf(&["name", "uid"]),
        what: "`name`: the id is a name. `uid`, which is the default: a uid, or else a name.",
        set: |query, value| put(&mut query.by_name, value == "name"),
    },
    Parameter {
        name: "labelSelector",
        uses: &[Use::Many],
        takes: Takes::Text,
        what: "Only objects with these labels: `app=web,tier in (front,back),!old`.",
        set: |query, value| put(&mut query.labels, LabelSelector::parse(&value)?),
    },
    Parameter {
        name: "fieldSelector",
        uses: &[Use::Many],
        takes: Takes::Text,
        what: "Only objects with these fields: `metadata.name=a`. Which fields there are beside \
               `metadata.name` and `metadata.namespace`, the kind says.",
        set: |query, value| put(&mut query.fields, FieldSelector::parse(&value)?),
    },
    Parameter {
        name: "limit",
        uses: &[Use::Many],
        takes: Takes::Number,
        what: "At most so many objects; zero is no limit. The header `Link` leads to the next page.",
        set: |query, value| put(&mut query.limit, at_most(&value)),
    },
    Parameter {
        name: "continue",
        uses: &[Use::Many],
        takes: Takes::Text,
        what: "Where the last page ended, from its `Link`.",
        set: |query, value| filled(&mut query.continue_token, value),
    },
    Parameter {
        name: "watch",
        uses: &[Use::Many],
        takes: Takes::Flag,
        what: "A stream of changes instead of a list.",
        set: |query, value| put(&mut query.watch, matches!(&*value, "true" | "1" | "")),
    },
    Parameter {
        name: "resourceVersion",
        uses: &[Use::Many],
        takes: Takes::Text,
        what: "With `watch`: go on after this version.",
        set: |query, value| filled(&mut query.resource_version, value),
    },
    Parameter {
        name: "timeoutSeconds",
        uses: &[Use::Many],
        takes: Takes::Number,
        what: "With `watch`: end it after so long; zero is never.",
        set: |query, value| put(&mut query.timeout_seconds, at_most(&value)),
    },
    Parameter {
        name: "dryRun",
        uses: &[Use::Write, Use::Delete],
        takes: Takes::OneOf(&["All"]),
        what: "Decide and answer as always, and write nothing.",
        set: |query, _| put(&mut query.dry_run, true),
    },
    Parameter {
        name: "conflictScope",
        uses: &[Use::Write],
        takes: Takes::OneOf(&["object", "status"]),
        what: "`status`: only a status write since the version that was named is a conflict. The \
               default is `object`: any write is.",
        set: |query, value| {
            let status = value == "status";
            let scope = if status { ConflictScope::Status } else { ConflictScope::Object };
            put(&mut query.scope, scope)
        },
    },
    Parameter {
        name: "fieldValidation",
        uses: &[Use::Write],
        takes: Takes::OneOf(&["Strict", "Warn", "Ignore"]),
        what: "Unknown fields are refused, dropped with a `Warning` header (the default), or \
               dropped.",
        set: |query, value| put(&mut query.field_validation, validation(&value)),
    },
    Parameter {
        name: "fieldManager",
        uses: &[Use::Write],
        takes: Takes::Line(MANAGER_CHARS_MAX),
        what: "Who writes. The default is the first word of the `User-Agent`.",
        set: |query, value| put(&mut query.field_manager, Some(value)),
    },
    Parameter {
        name: "propagationPolicy",
        uses: &[Use::Delete],
        takes: Takes::OneOf(&POLICIES),
        what: "What becomes of owned objects: they go too, go first, or stay.",
        set: |query, value| put(&mut query.propagation, Some(propagation(&value)?)),
    },
];

/// Takes a value over.
#[expect(clippy::unnecessary_wraps, reason = "the table wants one shape for all")]
fn put<T>(place: &mut T, value: T) -> Result<(), Failure> {
    *place = value;
    Ok(())
}

/// A text that says nothing counts as absent.
fn filled(place: &mut Option<String>, value: String) -> Result<(), Failure> {
    put(place, Some(value).filter(|value| !value.is_empty()))
}

/// Zero means no limit.
fn at_most<T: std::str::FromStr + PartialEq + Default>(value: &str) -> Option<T> {
    value.parse().ok().filter(|number| *number != T::default())
}

impl Takes {
    fn check(self, name: &str, value: &str) -> Result<(), Failure> {
        match self {
            Self::Text => Ok(()),
            Self::Line(chars_max) => line(name, value, chars_max),
            Self::OneOf(choices) => one_of(name, value, choices),
            Self::Flag => one_of(name, value, &FLAGS),
            Self::Number => match value.parse::<usize>() {
                Ok(_) => Ok(()),
                Err(_) => Err(bad(name, value, "must be a whole number")),
            },
        }
    }
}

impl Query {
    /// Reads a query. A parameter that is unknown, or stands twice, is an error: a filter that is
    /// misspelt must not silently select everything.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, Failure> {
        let mut query = Self::default();
        for (name, value) in pairs(text)? {
            query.set(&name, value)?;
        }
        Ok(query)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Failure> {
        let Some(parameter) = PARAMETERS.iter().find(|parameter| parameter.name == name) else {
            let known: Vec<_> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
            return Err(bad(name, &value, &format!("is unknown; known are {}", known.join(", "))));
        };
        parameter.takes.check(name, &value)?;
        (parameter.set)(self, value)
    }
}

/// The parameters of a query, none of them twice.
pub(crate) fn pairs(text: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if pairs.iter().any(|(seen, _)| *seen == name) {
            return Err(bad(&name, &value, "stands twice"));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Reads a propagation policy, from a query or from delete options.
pub(crate) fn propagation(value: &str) -> Result<Propagation, Failure> {
    one_of("propagationPolicy", value, &POLICIES)?;
    Ok(match value {
        "Foreground" => Propagation::Foreground,
        "Orphan" => Propagation::Orphan,
        _ => Propagation::Background,
    })
}

fn validation(value: &str) -> FieldValidation {
    match value {
        "Strict" => FieldValidation::Strict,
        "Ignore" => FieldValidation::Ignore,
        _ => FieldValidation::Warn,
    }
}

/// Zero means no limit, as upstream.
pub(crate) fn number<T: std::str::FromStr + PartialEq + Default>(
    name: &str,
    value: &str,
) -> Result<Option<T>, Failure> {
    let parsed: T = value.parse().map_err(|_| bad(name, value, "must be a whole number"))?;
    Ok(Some(parsed).filter(|number| *number != T::default()))
}

fn line(name: &str, value: &str, chars_max: usize) -> Result<(), Failure> {
    let printable = value.chars().all(|c| !c.is_control());
    if value.is_empty() || value.chars().count() > chars_max || !printable {
        return Err(bad(name, value, &format!("must be 1 to {chars_max} printable characters")));
    }
    Ok(())
}

fn one_of(name: &str, value: &str, choices: &[&str]) -> Result<(), Failure> {
    if choices.contains(&value) {
        return Ok(());
    }
    let texts = choices.iter().copied().filter(|text| !text.is_empty());
    let texts: Vec<&str> = texts.collect();
    Err(bad(name, value, &format!("must be one of {}", texts.join(", "))))
}

/// Query text writes a space as `+`.
fn decode(text: &str) -> Result<String, Failure> {
    let spaced = text.replace('+', " ");
    percent_decoded(&spaced).map(std::borrow::Cow::into_owned).ok_or_else(|| {
        Failure::bad_request(format!("the query {text:?} is not percent-encoded UTF-8"))
    })
}

/// A parameter that cannot be used.
pub(crate) fn bad(name: &str, value: &str, problem: &str) -> Failure {
    let (name, value): (String, String) =
        (name.chars().take(64).collect(), value.chars().take(64).collect());
    Failure::bad_request(format!("query parameter {name:?} (value {value:?}) {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_or_refused() {
        let cases = [
            ("", true),
            ("watch", true),
            ("watch=true&resourceVersion=5", true),
            ("labelSelector=app%3Dweb,tier+in+(a,b)", true),
            ("limit=0", true),
            ("limit=-1", false),
            ("limit=x", false),
            ("dryRun=All", true),
            ("dryRun=Some", false),
            ("conflictScope=status", true),
            ("conflictScope=spec", false),
            ("labelselector=app", false),
            ("watch=true&watch=false", false),
            ("labelSelector=%zz", false),
            ("labelSelector=a==b==c", false),
            ("fieldManager=", false),
            ("by=uid", true),
            ("by=label", false),
            ("propagationPolicy=Orphan", true),
            ("propagationPolicy=orphan", false),
        ];
        for (text, good) in cases {
            assert_eq!(Query::parse(Some(text)).is_ok(), good, "{text}");
        }
        let query = Query::parse(Some("by=name&fieldValidation=Ignore&propagationPolicy=Orphan"));
        let query = query.unwrap();
        assert!(query.by_name);
        assert_eq!(query.field_validation, FieldValidation::Ignore);
        assert_eq!(query.propagation, Some(Propagation::Orphan));
        assert_eq!(Query::parse(Some("limit=0")).unwrap().limit, None);
        assert_eq!(Query::parse(Some("limit=7")).unwrap().limit, Some(7));
    }
}
