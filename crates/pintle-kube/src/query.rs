//! The part of an address behind the question mark.

use pintle_http::percent_decoded;

use crate::reply::Failure;

/// All parameters of a request, decoded. As upstream, those that mean nothing are passed over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, Failure> {
        let mut pairs = Vec::new();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text: &str| {
                percent_decoded(&text.replace('+', " ")).map(std::borrow::Cow::into_owned)
            };
            let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
                return Err(Failure::bad_request("the query is not encoded right"));
            };
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The first value of a parameter.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter that says something.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    /// Every value of a parameter.
    pub(crate) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// A switch; a parameter without a value is set.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.first(name) {
            None => Ok(None),
            Some("true" | "True" | "1" | "t" | "") => Ok(Some(true)),
            Some("false" | "False" | "0" | "f") => Ok(Some(false)),
            Some(other) => Err(malformed(name, other, "true or false")),
        }
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(value) = self.text(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| malformed(name, value, "a whole number"))
    }
}

fn malformed(name: &str, value: &str, expected: &str) -> Failure {
    let value: String = value.chars().take(64).collect();
    Failure::bad_request(format!("query parameter {name:?} (value {value:?}) must be {expected}"))
}
