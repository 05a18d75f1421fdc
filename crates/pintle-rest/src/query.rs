//! The part of an address behind the question mark.

use pintle_model::{FieldSelector, LabelSelector};
use pintle_rules::{ConflictScope, FieldValidation, Propagation};

use crate::reply::Failure;
use crate::route::percent_decoded;

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

const KNOWN: &str = "namespace, by, labelSelector, fieldSelector, limit, continue, watch, \
     resourceVersion, timeoutSeconds, dryRun, conflictScope, fieldValidation, fieldManager, \
     propagationPolicy";

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
        match name {
            "namespace" => self.namespace = Some(value).filter(|value| !value.is_empty()),
            "by" => self.by_name = choice(name, &value, &[("name", true), ("uid", false)])?,
            "labelSelector" => self.labels = LabelSelector::parse(&value)?,
            "fieldSelector" => self.fields = FieldSelector::parse(&value)?,
            "limit" => self.limit = number(name, &value)?,
            "continue" => self.continue_token = Some(value).filter(|value| !value.is_empty()),
            "watch" => self.watch = flag(name, &value)?,
            "resourceVersion" => {
                self.resource_version = Some(value).filter(|value| !value.is_empty());
            }
            "timeoutSeconds" => self.timeout_seconds = number(name, &value)?,
            "dryRun" => self.dry_run = choice(name, &value, &[("All", true)])?,
            "conflictScope" => {
                let scopes = [("object", ConflictScope::Object), ("status", ConflictScope::Status)];
                self.scope = choice(name, &value, &scopes)?;
            }
            "fieldValidation" => self.field_validation = choice(name, &value, &VALIDATIONS)?,
            "fieldManager" => self.field_manager = Some(manager(value)?),
            "propagationPolicy" => self.propagation = Some(propagation(&value)?),
            _ => return Err(bad(name, &value, &format!("is unknown; known are {KNOWN}"))),
        }
        Ok(())
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

const VALIDATIONS: [(&str, FieldValidation); 3] = [
    ("Strict", FieldValidation::Strict),
    ("Warn", FieldValidation::Warn),
    ("Ignore", FieldValidation::Ignore),
];

/// Reads a propagation policy, from a query or from delete options.
pub(crate) fn propagation(value: &str) -> Result<Propagation, Failure> {
    let policies = [
        ("Background", Propagation::Background),
        ("Foreground", Propagation::Foreground),
        ("Orphan", Propagation::Orphan),
    ];
    choice("propagationPolicy", value, &policies)
}

fn manager(value: String) -> Result<String, Failure> {
    let printable = value.chars().all(|c| !c.is_control());
    if value.is_empty() || value.chars().count() > 128 || !printable {
        return Err(bad("fieldManager", &value, "must be 1 to 128 printable characters"));
    }
    Ok(value)
}

fn choice<T: Copy>(name: &str, value: &str, choices: &[(&str, T)]) -> Result<T, Failure> {
    choices.iter().find(|(text, _)| *text == value).map(|(_, choice)| *choice).ok_or_else(|| {
        let texts = choices.iter().map(|(text, _)| *text).filter(|text| !text.is_empty());
        let texts: Vec<_> = texts.collect();
        bad(name, value, &format!("must be one of {}", texts.join(", ")))
    })
}

/// A parameter without a value is set, as `kubectl` and people write it.
fn flag(name: &str, value: &str) -> Result<bool, Failure> {
    let choices = [("true", true), ("1", true), ("", true), ("false", false), ("0", false)];
    choice(name, value, &choices)
}

/// Zero means no limit, as upstream.
pub(crate) fn number<T: std::str::FromStr + PartialEq + Default>(
    name: &str,
    value: &str,
) -> Result<Option<T>, Failure> {
    let parsed: T = value.parse().map_err(|_| bad(name, value, "must be a whole number"))?;
    Ok(Some(parsed).filter(|number| *number != T::default()))
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
        ];
        for (text, good) in cases {
            assert_eq!(Query::parse(Some(text)).is_ok(), good, "{text}");
        }
        assert_eq!(Query::parse(Some("limit=0")).unwrap().limit, None);
        assert_eq!(Query::parse(Some("limit=7")).unwrap().limit, Some(7));
    }
}
