//! Lists that are merged, item by item.

use std::collections::{HashMap, HashSet};

use pintle_schema::PatchMerge;
use serde_json::{Map, Value};

use super::{Fault, HOW, Place};

/// The value of a directive, which has to be a list.
pub(super) fn of(value: &Value) -> Result<&[Value], Fault> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| Fault::new("must be a list"))
}

/// Merges the items of a patch into a list: by a field of theirs, or as a set of scalars.
pub(super) fn merge(
    place: Place<'_>,
    merge: &PatchMerge,
    items: &mut Vec<Value>,
    patch: &[Value],
) -> Result<(), Fault> {
    check_alike(items, patch)?;
    match (merge.key.as_deref(), patch.first().or(items.first())) {
        (_, None) => Ok(()),
        (Some(key), Some(Value::Object(_))) => by_key(place, key, items, patch),
        (None, Some(Value::Object(_))) => {
            Err(Fault::new("its items are objects, and nothing tells them apart"))
        }
        (_, Some(_)) => {
            let before = items.clone();
            let mut seen = HashSet::new();
            items.extend_from_slice(patch);
            items.retain(|item| seen.insert(text(item)));
            arrange(None, items, patch, &before)
        }
    }
}

/// Takes scalars out of a list.
pub(super) fn remove(items: &mut Vec<Value>, gone: &[Value]) -> Result<(), Fault> {
    check_alike(items, gone)?;
    if gone.iter().any(Value::is_object) {
        return Err(Fault::new("can only take scalars out of a list"));
    }
    let gone: HashSet<_> = gone.iter().map(text).collect();
    items.retain(|item| !gone.contains(&text(item)));
    Ok(())
}

/// Items that an order, or a patch, names come as that does, the others as they stood; between the
/// two, what stood in front of another stays there.
pub(super) fn arrange(
    key: Option<&str>,
    items: &mut Vec<Value>,
    order: &[Value],
    before: &[Value],
) -> Result<(), Fault> {
    let (order, before) = (positions(key, order)?, positions(key, before)?);
    let mut named = Vec::new();
    let mut others = Vec::new();
    for item in items.drain(..) {
        let name = name_of(key, &item)?;
        let stood = before.get(&name).copied();
        match order.get(&name) {
            Some(&position) => named.push((position, stood, item)),
            None => others.push((stood.unwrap_or(usize::MAX), stood, item)),
        }
    }
    named.sort_by_key(|(position, ..)| *position);
    others.sort_by_key(|(position, ..)| *position);
    let mut named = named.into_iter().peekable();
    let mut others = others.into_iter().peekable();
    loop {
        let takes_other = match (named.peek(), others.peek()) {
            (None, None) => return Ok(()),
            (None, Some(_)) => true,
            (Some((_, Some(named), _)), Some((_, Some(other), _))) => other < named,
            (Some(_), None | Some(_)) => false,
        };
        let next = if takes_other { others.next() } else { named.next() };
        items.extend(next.map(|(.., item)| item));
    }
}

/// Fails where an order leaves out, or turns around, what the patch itself has.
pub(super) fn check_order(
    key: Option<&str>,
    patch: &[Value],
    order: &[Value],
) -> Result<(), Fault> {
    if order.is_empty() {
        return Ok(());
    }
    let mut order = order.iter();
    for item in patch.iter().filter(|item| item.get(HOW).is_none()) {
        let name = name_of(key, item)?;
        if !order.any(|other| name_of(key, other).is_ok_and(|other| other == name)) {
            return Err(Fault::new("does not have the items of the list in their order"));
        }
    }
    Ok(())
}

fn by_key(
    place: Place<'_>,
    key: &str,
    items: &mut Vec<Value>,
    patch: &[Value],
) -> Result<(), Fault> {
    let mut gone = HashSet::new();
    let mut replace = false;
    let mut rest = Vec::new();
    for item in patch {
        match item.get(HOW).map(Value::as_str) {
            None => rest.push(item.clone()),
            Some(Some("delete")) => drop(gone.insert(name_of(Some(key), item)?)),
            Some(Some("replace")) => replace = true,
            Some(_) => return Err(super::unknown_how()),
        }
    }
    if replace {
        *items = rest.iter().filter_map(super::plain).collect();
        return Ok(());
    }
    for item in items.iter() {
        name_of(Some(key), item)?;
    }
    items.retain(|item| name_of(Some(key), item).is_ok_and(|name| !gone.contains(&name)));
    let before = items.clone();
    let mut places = positions(Some(key), items)?;
    for item in &rest {
        let name = name_of(Some(key), item)?;
        let found = places.get(&name).and_then(|&index| items.get_mut(index));
        if let (Some(Value::Object(fields)), Value::Object(patch)) = (found, item) {
            super::merge(place, fields, patch).map_err(|fault| fault.inside(&name))?;
        } else {
            places.insert(name, items.len());
            items.extend(super::plain(item));
        }
    }
    arrange(Some(key), items, &rest, &before)
}

/// Where each item stands first.
fn positions(key: Option<&str>, items: &[Value]) -> Result<HashMap<String, usize>, Fault> {
    let mut positions = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        positions.entry(name_of(key, item)?).or_insert(index);
    }
    Ok(positions)
}

/// What tells an item apart, as text.
fn name_of(key: Option<&str>, item: &Value) -> Result<String, Fault> {
    let Some(key) = key else { return Ok(text(item)) };
    let value = item.as_object().map(|fields: &Map<String, Value>| fields.get(key));
    match value {
        Some(Some(value)) => Ok(text(value)),
        Some(None) => {
            Err(Fault::new(format!("an item has no {key:?}, by which the list is merged")))
        }
        None => Err(Fault::new(format!("an item is no object with {key:?}"))),
    }
}

fn text(value: &Value) -> String {
    value.to_string()
}

/// Upstream merges no list of different things, and none of lists.
fn check_alike(items: &[Value], patch: &[Value]) -> Result<(), Fault> {
    let mut sorts = items.iter().chain(patch).map(std::mem::discriminant);
    let first = sorts.next();
    if sorts.any(|sort| Some(sort) != first) {
        return Err(Fault::new("the items are of different types"));
    }
    if patch.first().or(items.first()).is_some_and(Value::is_array) {
        return Err(Fault::new("lists of lists cannot be merged"));
    }
    Ok(())
}
