//! How deep and how large a value is, without walking further than the limit.

use std::io;

use serde_json::Value;

use super::{PatchError, PatchLimits};

/// Fails when `value`, standing inside `outer` objects and lists, nests deeper than allowed.
pub(super) fn check_depth(
    value: &Value,
    outer: usize,
    limits: &PatchLimits,
) -> Result<(), PatchError> {
    let max = limits.depth_max;
    match max.checked_sub(outer) {
        Some(left) if fits(value, left) => Ok(()),
        _ => Err(PatchError::TooDeep { max }),
    }
}

/// Whether `value` nests no deeper than so many levels.
pub(crate) fn fits(value: &Value, levels: usize) -> bool {
    let inside = levels.checked_sub(1);
    match value {
        Value::Object(map) => {
            inside.is_some_and(|levels| map.values().all(|value| fits(value, levels)))
        }
        Value::Array(items) => {
            inside.is_some_and(|levels| items.iter().all(|value| fits(value, levels)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// How many values `value` consists of; nothing when they are more than `max`.
pub(super) fn count(value: &Value, max: usize) -> Option<usize> {
    let inside = max.checked_sub(1)?;
    let left = match value {
        Value::Object(map) => map.values().try_fold(inside, |left, value| left_after(value, left)),
        Value::Array(items) => items.iter().try_fold(inside, |left, value| left_after(value, left)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(inside),
    };
    left.map(|left| max - left)
}

fn left_after(value: &Value, left: usize) -> Option<usize> {
    count(value, left).map(|values| left - values)
}

/// How many bytes `value` has as JSON text; fails when that is more than `max`.
pub(super) fn check_size(
    value: &Value,
    max: usize,
    limits: &PatchLimits,
) -> Result<usize, PatchError> {
    let mut counter = Counter { left: max };
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => Ok(max - counter.left),
        Err(_) => Err(PatchError::TooLarge { max: limits.result_bytes_max }),
    }
}

/// Counts what is written to it, until there is no room left.
struct Counter {
    left: usize,
}

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
