//! What becomes of a report (a status that somebody computed) when the object was written
//! meanwhile.
//!
//! A report may only be written over what it does not speak of when nothing of that is different
//! from what its author saw: otherwise it may rest on what is no longer so, and has to be computed
//! again. [`settle`] is that rule, as a function of three values.
//!
//! Lists of objects that each have a `type` of their own, as conditions do, count as maps by it.
//! Every other list is one value.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// What a report depends on, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// `metadata.uid`; another one is another object.
    pub uid: Option<&'a str>,
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// The status; nothing and `null` are the same.
    pub status: &'a Value,
}

/// What to do with a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// All of it is stored already.
    Done,
    /// Write this: the current status with the report in it.
    Write(Value),
    /// Compute it again.
    Stale(Stale),
}

/// Why a report has to be computed again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// The object was deleted, and made anew.
    #[error("the object was deleted and made anew since it was read")]
    Recreated,
    /// What is wanted is different.
    #[error("what is wanted has changed since the object was read")]
    SpecChanged,
    /// A part of the status is different that the report does not speak of.
    #[error("somebody else wrote {path} since the object was read")]
    StatusChanged {
        /// Where, such as `status.conditions[Calibrated].status`.
        path: String,
    },
}

/// Decides about a report that was computed from `before`, when the object is `current`.
pub fn settle(before: Seen<'_>, wanted: &Value, current: Seen<'_>) -> Settled {
    if before.uid != current.uid {
        return Settled::Stale(Stale::Recreated);
    }
    if before.generation != current.generation {
        return Settled::Stale(Stale::SpecChanged);
    }
    let merged =
        merge(some(before.status), some(wanted), some(current.status), &mut "status".to_owned());
    match merged {
        Err(stale) => Settled::Stale(stale),
        Ok(merged) if merged.as_ref() == some(current.status) => Settled::Done,
        Ok(merged) => Settled::Write(merged.unwrap_or_default()),
    }
}

fn some(value: &Value) -> Option<&Value> {
    Some(value).filter(|value| !value.is_null())
}

/// The current value with what the report changes of it. `path` is where these values stand.
fn merge(
    before: Option<&Value>,
    wanted: Option<&Value>,
    current: Option<&Value>,
    path: &mut String,
) -> Result<Option<Value>, Stale> {
    if before == wanted {
        let same = before == current;
        return same.then(|| current.cloned()).ok_or_else(|| changed(before, current, path));
    }
    match (entries(before), entries(wanted), entries(current)) {
        (Some(before), Some(wanted), Some(current)) if wanted.can_join(&current) => {
            merge_entries(&before, &wanted, &current, path).map(Some)
        }
        // The report speaks of this value as a whole.
        _ => Ok(wanted.cloned()),
    }
}

fn merge_entries(
    before: &Entries<'_>,
    wanted: &Entries<'_>,
    current: &Entries<'_>,
    path: &mut String,
) -> Result<Value, Stale> {
    let mut merged = Vec::new();
    // What is there keeps its place; what is new comes behind it, as the report has it.
    let new = wanted.order.iter().filter(|key| !current.by_key.contains_key(*key));
    let gone = before.order.iter().filter(|key| !current.by_key.contains_key(*key));
    let gone = gone.filter(|key| !wanted.by_key.contains_key(*key));
    for key in current.order.iter().chain(new).chain(gone) {
        let length = path.len();
        wanted.push_key(path, key);
        let value = merge(before.get(key), wanted.get(key), current.get(key), path)?;
        path.truncate(length);
        merged.extend(value.map(|value| ((*key).to_owned(), value)));
    }
    Ok(if wanted.is_list {
        merged.into_iter().map(|(_, value)| value).collect()
    } else {
        Value::Object(merged.into_iter().collect::<Map<_, _>>())
    })
}

/// Where exactly two values are different.
fn changed(before: Option<&Value>, current: Option<&Value>, path: &mut String) -> Stale {
    let both = before.is_some() && current.is_some();
    if let (Some(before), Some(current)) = (entries(before), entries(current))
        && both
        && before.can_join(&current)
    {
        let mut keys = before.order.iter().chain(&current.order);
        if let Some(key) = keys.find(|key| before.get(key) != current.get(key)) {
            current.push_key(path, key);
            return changed(before.get(key), current.get(key), path);
        }
    }
    Stale::StatusChanged { path: path.clone() }
}

/// A value as a map, if it is one: an object, or a list by `type`. What is not there is an empty
/// one.
struct Entries<'a> {
    is_list: bool,
    is_empty: bool,
    order: Vec<&'a str>,
    by_key: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Entries<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.by_key.get(key).copied()
    }

    fn can_join(&self, other: &Self) -> bool {
        self.is_list == other.is_list || self.is_empty || other.is_empty
    }

    fn push_key(&self, path: &mut String, key: &str) {
        let pushed = if self.is_list { write!(path, "[{key}]") } else { write!(path, ".{key}") };
        pushed.expect("text grows in memory");
    }
}

fn entries(value: Option<&Value>) -> Option<Entries<'_>> {
    let (is_list, pairs): (bool, Vec<(&str, &Value)>) = match value {
        None => (false, Vec::new()),
        Some(Value::Object(fields)) => {
            (false, fields.iter().map(|(key, value)| (key.as_str(), value)).collect())
        }
        Some(Value::Array(items)) => {
            let keyed = items.iter().map(|item| Some((item.get("type")?.as_str()?, item)));
            (true, keyed.collect::<Option<_>>()?)
        }
        Some(_) => return None,
    };
    let by_key: BTreeMap<_, _> = pairs.iter().copied().collect();
    // A type that stands twice makes it a list like others.
    (by_key.len() == pairs.len()).then(|| Entries {
        is_list,
        is_empty: pairs.is_empty(),
        order: pairs.into_iter().map(|(key, _)| key).collect(),
        by_key,
    })
}
