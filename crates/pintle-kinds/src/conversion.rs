//! Conversion between the versions of a kind, written as conversions of Rust types.
//!
//! Each half is converted by itself, and both ways. Whatever was written in one version then reads
//! the same after a stay in the other; `round_trip` looks whether that is so.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "schemars")]
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[cfg(feature = "schemars")]
use crate::sample::samples;

type Step = Arc<dyn Fn(Value) -> Result<Value, String> + Send + Sync>;

/// Both ways between two versions of a kind. A half of which nothing is said stays as it is.
///
/// ```
/// use pintle_kinds::Conversion;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Seconds { interval: u64 }
/// #[derive(Serialize, Deserialize)]
/// struct Minutes { minutes: u64 }
///
/// impl From<Minutes> for Seconds {
///     fn from(old: Minutes) -> Self {
///         Self { interval: old.minutes * 60 }
///     }
/// }
/// impl TryFrom<Seconds> for Minutes {
///     type Error = String;
///     fn try_from(new: Seconds) -> Result<Self, String> {
///         match new.interval % 60 {
///             0 => Ok(Self { minutes: new.interval / 60 }),
///             _ => Err("v1 has whole minutes only".to_owned()),
///         }
///     }
/// }
///
/// let conversion = Conversion::between("probes.infra.example.io", "v1", "v2")
///     .spec::<Minutes, Seconds>();
/// let converted = conversion.forth().spec(serde_json::json!({"minutes": 2}));
/// assert_eq!(converted, Ok(serde_json::json!({"interval": 120})));
/// assert!(conversion.back().spec(serde_json::json!({"interval": 61})).is_err());
/// ```
#[derive(Debug, Clone)]
pub struct Conversion {
    kind: String,
    versions: [String; 2],
    forth: Way,
    back: Way,
}

impl Conversion {
    /// Between two versions of the kind whose definition has this name.
    pub fn between(kind: &str, one: &str, other: &str) -> Self {
        let versions = [one.to_owned(), other.to_owned()];
        Self { kind: kind.to_owned(), versions, forth: Way::default(), back: Way::default() }
    }

    /// Converts the spec between these types.
    #[must_use]
    pub fn spec<One, Other>(mut self) -> Self
    where
        One: Serialize + DeserializeOwned + TryInto<Other> + 'static,
        Other: Serialize + DeserializeOwned + TryInto<One> + 'static,
        <One as TryInto<Other>>::Error: fmt::Display,
        <Other as TryInto<One>>::Error: fmt::Display,
    {
        self.forth.spec = Some(Arc::new(step::<One, Other>));
        self.back.spec = Some(Arc::new(step::<Other, One>));
        self
    }

    /// Converts the status between these types.
    #[must_use]
    pub fn status<One, Other>(mut self) -> Self
    where
        One: Serialize + DeserializeOwned + TryInto<Other> + 'static,
        Other: Serialize + DeserializeOwned + TryInto<One> + 'static,
        <One as TryInto<Other>>::Error: fmt::Display,
        <Other as TryInto<One>>::Error: fmt::Display,
    {
        self.forth.status = Some(Arc::new(step::<One, Other>));
        self.back.status = Some(Arc::new(step::<Other, One>));
        self
    }

    /// The name of the definition of the kind: `devices.infra.example.io`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The two versions.
    pub fn versions(&self) -> [&str; 2] {
        let [one, other] = &self.versions;
        [one, other]
    }

    /// From the first version to the second.
    pub const fn forth(&self) -> &Way {
        &self.forth
    }

    /// From the second version to the first.
    pub const fn back(&self) -> &Way {
        &self.back
    }
}

/// One of the ways of a [`Conversion`].
#[derive(Clone, Default)]
pub struct Way {
    spec: Option<Step>,
    status: Option<Step>,
}

impl Way {
    /// A spec in the other version, or why there is none.
    pub fn spec(&self, value: Value) -> Result<Value, String> {
        match &self.spec {
            Some(step) => step(value),
            None => Ok(value),
        }
    }

    /// A status in the other version, or why there is none.
    pub fn status(&self, value: Value) -> Result<Value, String> {
        match &self.status {
            Some(step) => step(value),
            None => Ok(value),
        }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spec, status) = (self.spec.is_some(), self.status.is_some());
        f.debug_struct("Way").field("spec", &spec).field("status", &status).finish()
    }
}

fn step<From, To>(value: Value) -> Result<Value, String>
where
    From: DeserializeOwned + TryInto<To>,
    To: Serialize,
    From::Error: fmt::Display,
{
    let from: From = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let to = from.try_into().map_err(|error| error.to_string())?;
    serde_json::to_value(to).map_err(|error| error.to_string())
}

/// A type with the values of the fields that it has in common with another: how a conversion
/// begins, before the two differ.
pub fn same_fields<From: Serialize, To: DeserializeOwned>(
    from: &From,
) -> Result<To, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(from)?)
}

/// Converts samples of both types to the other and back, and says what has not come back the same.
/// For tests of conversions.
///
/// The samples are made from the schemas: what they name as examples or defaults, and otherwise any
/// text or number; one has every field, one only those that must be there. A conversion may refuse
/// some of them, but not all: where it has to, try it with samples of your own, in
/// [`round_trip_of`].
#[cfg(feature = "schemars")]
pub fn round_trip<One, Other>() -> Result<(), String>
where
    One: JsonSchema + Serialize + DeserializeOwned + TryInto<Other>,
    Other: JsonSchema + Serialize + DeserializeOwned + TryInto<One>,
    <One as TryInto<Other>>::Error: fmt::Display,
    <Other as TryInto<One>>::Error: fmt::Display,
{
    there_and_back::<One, Other>(&samples::<One>())?;
    there_and_back::<Other, One>(&samples::<Other>())
}

/// Converts these samples of one type to the other and back, and says what has not come back the
/// same, or was refused.
pub fn round_trip_of<One, Other>(samples: impl IntoIterator<Item = One>) -> Result<(), String>
where
    One: Serialize + DeserializeOwned + TryInto<Other>,
    Other: Serialize + DeserializeOwned + TryInto<One>,
    <One as TryInto<Other>>::Error: fmt::Display,
    <Other as TryInto<One>>::Error: fmt::Display,
{
    for sample in samples {
        let sent = serde_json::to_value(sample).map_err(|error| error.to_string())?;
        let there = step::<One, Other>(sent.clone()).map_err(|why| format!("{sent}: {why}"))?;
        compare::<One, Other>(&sent, &there)?;
    }
    Ok(())
}

#[cfg(feature = "schemars")]
fn there_and_back<One, Other>(samples: &[Value; 2]) -> Result<(), String>
where
    One: Serialize + DeserializeOwned + TryInto<Other>,
    Other: Serialize + DeserializeOwned + TryInto<One>,
    <One as TryInto<Other>>::Error: fmt::Display,
    <Other as TryInto<One>>::Error: fmt::Display,
{
    let name = std::any::type_name::<One>();
    let mut refused = Vec::new();
    for sample in samples {
        // As the type itself writes it, which may leave out what a sample says.
        let read: One = serde_json::from_value(sample.clone())
            .map_err(|error| format!("{name} cannot read the sample {sample}: {error}"))?;
        let sent = serde_json::to_value(read).map_err(|error| format!("{name}: {error}"))?;
        match step::<One, Other>(sent.clone()) {
            Ok(there) => compare::<One, Other>(&sent, &there)?,
            Err(why) => refused.push(format!("{sent}: {why}")),
        }
    }
    if refused.len() < samples.len() {
        return Ok(());
    }
    let refused = refused.join("; ");
    Err(format!("{name}: no sample could be converted, use `round_trip_of` with others: {refused}"))
}

/// Whether what a value became comes back as it was.
fn compare<One, Other>(sent: &Value, there: &Value) -> Result<(), String>
where
    One: Serialize,
    Other: DeserializeOwned + TryInto<One>,
    <Other as TryInto<One>>::Error: fmt::Display,
{
    let name = std::any::type_name::<One>();
    let back = step::<Other, One>(there.clone()).map_err(|why| {
        format!("{name}: {sent} became {there}, of which nothing comes back: {why}")
    })?;
    if back == *sent {
        return Ok(());
    }
    Err(format!("{name}: {sent} became {there}, and that came back as {back}"))
}

#[cfg(all(test, feature = "schemars"))]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Old {
        color: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u8>,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct New {
        colour: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u8>,
    }

    impl From<Old> for New {
        fn from(old: Old) -> Self {
            Self { colour: old.color, size: old.size }
        }
    }

    impl From<New> for Old {
        fn from(new: New) -> Self {
            Self { color: new.colour, size: new.size }
        }
    }

    /// It has no place for the size.
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Lossy {
        color: String,
    }

    impl TryFrom<Old> for Lossy {
        type Error = serde_json::Error;
        fn try_from(old: Old) -> Result<Self, Self::Error> {
            same_fields(&old)
        }
    }

    impl TryFrom<Lossy> for Old {
        type Error = serde_json::Error;
        fn try_from(new: Lossy) -> Result<Self, Self::Error> {
            same_fields(&new)
        }
    }

    #[test]
    fn halves_are_converted_both_ways() {
        let conversion = Conversion::between("lamps.x", "v1", "v2").spec::<Old, New>();
        let (forth, back) = (conversion.forth(), conversion.back());
        assert_eq!(forth.spec(json!({"color": "red"})), Ok(json!({"colour": "red"})));
        assert_eq!(back.spec(json!({"colour": "red"})), Ok(json!({"color": "red"})));
        assert_eq!(
            forth.status(json!({"any": 1})),
            Ok(json!({"any": 1})),
            "nothing was said of it"
        );
        assert!(forth.spec(json!({})).unwrap_err().contains("missing field `color`"));
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Halved {
        size: u8,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Doubled {
        #[schemars(example = 4)]
        size: u8,
    }

    impl TryFrom<Doubled> for Halved {
        type Error = String;
        fn try_from(from: Doubled) -> Result<Self, String> {
            if from.size.is_multiple_of(2) {
                Ok(Self { size: from.size / 2 })
            } else {
                Err("it is odd".to_owned())
            }
        }
    }

    impl From<Halved> for Doubled {
        fn from(from: Halved) -> Self {
            Self { size: from.size * 2 }
        }
    }

    #[test]
    fn a_conversion_may_refuse() {
        assert_eq!(round_trip::<Halved, Doubled>(), Ok(()), "the example is even");
        let refused = round_trip_of::<Doubled, Halved>([Doubled { size: 3 }]).unwrap_err();
        assert_eq!(refused, "{\"size\":3}: it is odd");
    }

    #[test]
    fn what_does_not_come_back_is_found() {
        assert_eq!(round_trip::<Old, New>(), Ok(()));
        let old = Old { color: "red".to_owned(), size: Some(2) };
        assert_eq!(round_trip_of::<Old, New>([old]), Ok(()));
        let lost = round_trip::<Old, Lossy>().unwrap_err();
        assert!(lost.contains("Old: {\"color\":") && lost.contains("\"size\":1"), "{lost}");
    }
}
