//! JSON patch, RFC 6902: `json-patch` does the operations, this keeps their cost within bounds and
//! says what stands in the way of one that cannot be done.

use std::slice;

use json_patch::jsonptr::index::Index;
use json_patch::jsonptr::{Pointer, PointerBuf, Token};
use json_patch::{PatchErrorKind, PatchOperation};
use serde::Deserialize;
use serde_json::Value;

use super::{PatchError, PatchLimits, Touch, measure};

/// The operations of a JSON patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPatch(Vec<PatchOperation>);

impl JsonPatch {
    pub(super) fn parse(document: &Value) -> Result<Self, PatchError> {
        let Value::Array(operations) = document else {
            return Err(PatchError::Malformed("a JSON patch must be a list of operations".into()));
        };
        let parse = |(index, operation)| {
            PatchOperation::deserialize(operation)
                .map_err(|error| PatchError::Malformed(format!("operation {index}: {error}")))
        };
        operations.iter().enumerate().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Leaves a half-patched document behind when it fails.
    pub(super) fn apply(
        &self,
        document: &mut Value,
        limits: &PatchLimits,
    ) -> Result<(), PatchError> {
        let found = self.0.len();
        if found > limits.operations_max {
            return Err(PatchError::TooManyOperations { found, max: limits.operations_max });
        }
        let mut budget = Budget::new(limits);
        for (index, operation) in self.0.iter().enumerate() {
            if is_absent_as_tested(document, operation) {
                continue;
            }
            budget.charge(document, operation)?;
            json_patch::patch_unsafe(document, slice::from_ref(operation))
                .map_err(|error| explain(document, index, operation, &error.kind))?;
        }
        Ok(())
    }

    pub(super) fn touches(&self) -> impl Iterator<Item = Touch<'_>> {
        self.0.iter().flat_map(|operation| {
            from(operation).into_iter().chain([operation.path()]).map(Touch::of_pointer)
        })
    }
}

impl JsonPatch {
    /// Whether an operation puts or tests a value at exactly this path.
    pub(super) fn states(&self, path: &[&str]) -> bool {
        self.0.iter().any(|operation| match operation {
            PatchOperation::Add(_) | PatchOperation::Replace(_) | PatchOperation::Test(_) => {
                let names = operation.path().tokens().map(|token| token.decoded().into_owned());
                names.eq(path.iter().copied())
            }
            PatchOperation::Remove(_) | PatchOperation::Move(_) | PatchOperation::Copy(_) => false,
        })
    }

    pub(super) fn reads(&self) -> bool {
        self.0.iter().any(|operation| match operation {
            PatchOperation::Test(_) | PatchOperation::Move(_) | PatchOperation::Copy(_) => true,
            PatchOperation::Add(_) | PatchOperation::Replace(_) | PatchOperation::Remove(_) => {
                false
            }
        })
    }

    pub(super) fn writing_only(&self, inside: impl Fn(&str) -> bool) -> Self {
        let counts = |operation: &&PatchOperation| match operation {
            PatchOperation::Test(_) | PatchOperation::Move(_) => true,
            PatchOperation::Add(_)
            | PatchOperation::Remove(_)
            | PatchOperation::Replace(_)
            | PatchOperation::Copy(_) => inside(operation.path().as_str()),
        };
        Self(self.0.iter().filter(counts).cloned().collect())
    }
}

impl<'a> Touch<'a> {
    fn of_pointer(pointer: &'a Pointer) -> Self {
        Self {
            field: pointer.first().map(|token| token.decoded().into_owned().into()),
            pointer: pointer.as_str().into(),
        }
    }
}

/// Whether a test for `null` finds an object without that field. RFC 6902 has it fail; it holds
/// with Kubernetes, whose clients make sure by it that they are the first to write a field.
fn is_absent_as_tested(document: &Value, operation: &PatchOperation) -> bool {
    let PatchOperation::Test(test) = operation else { return false };
    let parent = test.path.split_back().map(|(parent, _)| parent);
    let parent = parent.and_then(|parent| document.pointer(parent.as_str()));
    test.value.is_null()
        && parent.is_some_and(Value::is_object)
        && document.pointer(test.path.as_str()).is_none()
}

fn from(operation: &PatchOperation) -> Option<&Pointer> {
    match operation {
        PatchOperation::Move(operation) => Some(&operation.from),
        PatchOperation::Copy(operation) => Some(&operation.from),
        PatchOperation::Add(_)
        | PatchOperation::Remove(_)
        | PatchOperation::Replace(_)
        | PatchOperation::Test(_) => None,
    }
}

/// What the operations of one patch may still cost.
///
/// Every operation pays before it runs: a few short `copy` operations can otherwise double a
/// document until memory ends, and a few thousand at the front of a long list take minutes.
struct Budget<'a> {
    limits: &'a PatchLimits,
    copy_bytes: usize,
    copied_values: usize,
    shifted_items: usize,
    visited_values: usize,
}

impl<'a> Budget<'a> {
    const fn new(limits: &'a PatchLimits) -> Self {
        Self {
            limits,
            copy_bytes: limits.result_bytes_max,
            copied_values: limits.copied_values_max,
            shifted_items: limits.shifted_items_max,
            visited_values: limits.visited_values_max,
        }
    }

    fn charge(&mut self, document: &Value, operation: &PatchOperation) -> Result<(), PatchError> {
        if let Some(value) = entering(document, operation) {
            // What is moved to and fro is looked at each time.
            self.visited_values = measure::count(value, self.visited_values)
                .and_then(|values| self.visited_values.checked_sub(values))
                .ok_or(PatchError::TooMuchWork)?;
            measure::check_depth(value, operation.path().count(), self.limits)?;
            if matches!(operation, PatchOperation::Copy(_)) {
                self.copy_bytes -= measure::check_size(value, self.copy_bytes, self.limits)?;
                self.copied_values = measure::count(value, self.copied_values)
                    .and_then(|values| self.copied_values.checked_sub(values))
                    .ok_or(PatchError::TooMuchWork)?;
            }
        }
        let shifted = gaps(operation).map(|place| items_after(document, place)).sum();
        self.shifted_items =
            self.shifted_items.checked_sub(shifted).ok_or(PatchError::TooMuchWork)?;
        Ok(())
    }
}

/// The value that the operation puts somewhere.
fn entering<'a>(document: &'a Value, operation: &'a PatchOperation) -> Option<&'a Value> {
    match operation {
        PatchOperation::Add(operation) => Some(&operation.value),
        PatchOperation::Replace(operation) => Some(&operation.value),
        PatchOperation::Move(_)
        | PatchOperation::Copy(_)
        | PatchOperation::Remove(_)
        | PatchOperation::Test(_) => document.pointer(from(operation)?.as_str()),
    }
}

/// The places where the operation makes or closes a gap, should they lie in a list.
fn gaps(operation: &PatchOperation) -> impl Iterator<Item = &Pointer> {
    let (closed, opened) = match operation {
        PatchOperation::Add(operation) => (None, Some(&operation.path)),
        PatchOperation::Copy(operation) => (None, Some(&operation.path)),
        PatchOperation::Move(operation) => (Some(&operation.from), Some(&operation.path)),
        PatchOperation::Remove(operation) => (Some(&operation.path), None),
        PatchOperation::Replace(_) | PatchOperation::Test(_) => (None, None),
    };
    [closed, opened].into_iter().flatten().map(PointerBuf::as_ptr)
}

/// How many items of a list stand at or behind `place`.
fn items_after(document: &Value, place: &Pointer) -> usize {
    let list = |(parent, token): (&Pointer, Token<'_>)| {
        let items = document.pointer(parent.as_str())?.as_array()?;
        match token.to_index() {
            Ok(Index::Num(index)) => Some(items.len().saturating_sub(index)),
            Ok(Index::Next) | Err(_) => None,
        }
    };
    place.split_back().and_then(list).unwrap_or(0)
}

fn explain(
    document: &Value,
    index: usize,
    operation: &PatchOperation,
    kind: &PatchErrorKind,
) -> PatchError {
    let path = operation.path();
    let cannot = |place: &Pointer, why| PatchError::CannotApply {
        index: Some(index),
        path: place.as_str().to_owned(),
        why,
    };
    match (kind, from(operation)) {
        (PatchErrorKind::TestFailed, _) => {
            PatchError::TestFailed { index, path: path.as_str().to_owned() }
        }
        (PatchErrorKind::CannotMoveInsideItself, _) => {
            cannot(path, "a value cannot be moved into itself".to_owned())
        }
        (PatchErrorKind::InvalidFromPointer, Some(from)) => cannot(from, obstacle(document, from)),
        (_, _) => cannot(path, obstacle(document, path)),
    }
}

/// What the walk along `path` runs into.
fn obstacle(document: &Value, path: &Pointer) -> String {
    let mut place = document;
    let mut walked = PointerBuf::root();
    for token in path.tokens() {
        let next = match place {
            Value::Object(fields) => fields.get(token.decoded().as_ref()),
            Value::Array(items) => match token.to_index() {
                Ok(Index::Num(index)) => items.get(index),
                Ok(Index::Next) => None,
                Err(error) => return format!("{token} is not a position in a list: {error}"),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return format!("the value at {:?} is not an object or a list", walked.as_str());
            }
        };
        walked.push_back(&token);
        let Some(next) = next else {
            return format!("there is nothing at {:?}", walked.as_str());
        };
        place = next;
    }
    "the document itself cannot be removed or moved".to_owned()
}
