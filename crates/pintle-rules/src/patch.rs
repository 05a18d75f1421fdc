//! Patches of JSON documents, as pure functions: what a patch would change is known before it is
//! applied, and one that cannot be applied whole changes nothing.
//!
//! Which patches a lane accepts is not decided here: [`Patch::touches`] says what one reads and
//! writes, and the rules judge that.

mod measure;
mod operations;
mod shorthand;
mod strategic;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use json_patch::jsonptr::Token;
use pintle_schema::Schema;
use serde_json::Value;

pub(crate) use measure::fits;
pub use operations::JsonPatch;
pub use shorthand::Shorthand;
pub use strategic::StrategicPatch;

/// How a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchFormat {
    /// JSON merge patch, RFC 7396.
    Merge,
    /// JSON patch, RFC 6902.
    Json,
    /// An object whose keys are dotted paths: `{"spec.location": "dc3", "spec.model": null}`.
    Shorthand,
}

impl PatchFormat {
    /// All of them, in the order in which to offer them.
    pub const ALL: [Self; 3] = [Self::Merge, Self::Json, Self::Shorthand];

    /// The media type of a body in this format.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Json => "application/json-patch+json",
            Self::Shorthand => "application/shorthand-patch+json",
        }
    }

    /// The format that a `Content-Type` names; parameters such as a charset do not matter.
    pub fn from_media_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next()?.trim();
        Self::ALL.into_iter().find(|format| essence.eq_ignore_ascii_case(format.media_type()))
    }
}

/// A patch that was read and can be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// The document of a merge patch.
    Merge(Value),
    /// Operations, done in order.
    Json(JsonPatch),
    /// Paths and what they are set to.
    Shorthand(Shorthand),
    /// A merge patch that knows the lists of a core kind.
    Strategic(StrategicPatch),
}

/// What one patch may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchLimits {
    /// So many operations, or paths of a shorthand patch.
    pub operations_max: usize,
    /// The result may have so many bytes as JSON text; all that is copied on the way, together,
    /// too.
    pub result_bytes_max: usize,
    /// Objects and lists may nest so deep.
    pub depth_max: usize,
    /// So many items of lists may be moved up or down to make or close gaps.
    pub shifted_items_max: usize,
    /// So many values may be copied. Small ones take far more memory than they have bytes.
    pub copied_values_max: usize,
    /// So many values may be looked at because operations put them somewhere, each time anew.
    pub visited_values_max: usize,
}

/// Objects and lists nest at most so deep, patched or not. What is stored can be read back: the
/// reader gives up at 128.
pub(crate) const DEPTH_MAX: usize = 100;

impl Default for PatchLimits {
    fn default() -> Self {
        Self {
            operations_max: 10_000,
            result_bytes_max: 16 * 1024 * 1024,
            depth_max: DEPTH_MAX,
            copied_values_max: 100_000,
            shifted_items_max: 100_000_000,
            visited_values_max: 10_000_000,
        }
    }
}

/// Why a patch was not applied. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The document is not a patch of its format.
    #[error("{0}")]
    Malformed(String),
    /// There are more operations than one patch may have.
    #[error("the patch has {found} operations; at most {max} are allowed")]
    TooManyOperations {
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// The result, or what is copied on the way to it, is too large.
    #[error("the patched object would be larger than {max} bytes")]
    TooLarge {
        /// The limit in bytes of JSON text.
        max: usize,
    },
    /// The result nests too deep.
    #[error("the patched object would nest deeper than {max} levels")]
    TooDeep {
        /// The limit in levels of objects and lists.
        max: usize,
    },
    /// Operations in front of long lists add up to too much work.
    #[error(
        "the patch moves large values, or changes the front of long lists, too often; replace them \
         instead"
    )]
    TooMuchWork,
    /// A `test` operation found something else.
    #[error("operation {index}: the test of {path:?} failed")]
    TestFailed {
        /// Which operation, from 0.
        index: usize,
        /// The JSON pointer that was tested.
        path: String,
    },
    /// The document has no place for what the patch wants to do.
    #[error("{}cannot patch {path:?}: {why}", .index.map(|index| format!("operation {index}: ")).unwrap_or_default())]
    CannotApply {
        /// Which operation of a JSON patch, from 0.
        index: Option<usize>,
        /// The JSON pointer, or the path as a shorthand patch writes it.
        path: String,
        /// What stands in the way.
        why: String,
    },
}

/// A place that a patch reads or writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch<'a> {
    /// The top-level field it lies in; nothing when it is the whole document.
    pub field: Option<Cow<'a, str>>,
    /// The place as a JSON pointer (RFC 6901).
    pub pointer: Cow<'a, str>,
}

impl Patch {
    /// Reads a patch.
    ///
    /// Numbers are compared as they stand, so the document should come from
    /// [`pintle_model::json::parse`], which writes equal numbers equally.
    pub fn parse(format: PatchFormat, document: &Value) -> Result<Self, PatchError> {
        Ok(match format {
            PatchFormat::Merge => Self::Merge(document.clone()),
            PatchFormat::Json => Self::Json(JsonPatch::parse(document)?),
            PatchFormat::Shorthand => Self::Shorthand(Shorthand::parse(document)?),
        })
    }

    /// Reads a strategic merge patch, whose media type is [`Self::STRATEGIC_MEDIA_TYPE`], for
    /// objects of this schema.
    ///
    /// It is no [`PatchFormat`]: only core kinds have schemas that say how lists are merged, and
    /// for all others it must be refused.
    pub fn strategic(document: &Value, schema: &Schema) -> Result<Self, PatchError> {
        StrategicPatch::parse(document, schema).map(Self::Strategic)
    }

    /// The media type of a strategic merge patch.
    pub const STRATEGIC_MEDIA_TYPE: &str = "application/strategic-merge-patch+json";

    /// Changes `target` as the patch says, or leaves it as it was.
    pub fn apply(&self, target: &mut Value, limits: &PatchLimits) -> Result<(), PatchError> {
        let mut result = target.clone();
        match self {
            Self::Merge(patch) => {
                // Merging recurses as deep as the patch does.
                measure::check_depth(patch, 0, limits)?;
                json_patch::merge(&mut result, patch);
            }
            Self::Json(patch) => patch.apply(&mut result, limits)?,
            Self::Shorthand(patch) => patch.apply(&mut result, limits)?,
            Self::Strategic(patch) => patch.apply(&mut result, limits)?,
        }
        measure::check_depth(&result, 0, limits)?;
        measure::check_size(&result, limits.result_bytes_max, limits)?;
        *target = result;
        Ok(())
    }

    /// Whether it can tell its sender something about the document: by a `test`, or by putting one
    /// part of it into another.
    pub fn reads(&self) -> bool {
        matches!(self, Self::Json(patch) if patch.reads())
    }

    /// Every place that the patch reads or writes, `from` and `test` included. A merge patch is
    /// reported by top-level field.
    pub fn touches(&self) -> Box<dyn Iterator<Item = Touch<'_>> + '_> {
        match self {
            Self::Merge(Value::Object(fields)) => {
                Box::new(fields.keys().map(|name| Touch::of_path(std::slice::from_ref(name))))
            }
            Self::Merge(_) => Box::new(std::iter::once(Touch::of_path(&[]))),
            Self::Json(patch) => Box::new(patch.touches()),
            Self::Shorthand(patch) => Box::new(patch.touches()),
            Self::Strategic(patch) => Box::new(patch.fields().map(Touch::of_field)),
        }
    }

    /// Whether the patch says what stands, or shall stand, at a path.
    pub(crate) fn states(&self, path: &[&str]) -> bool {
        match self {
            Self::Merge(document) => has(document, path),
            Self::Json(patch) => patch.states(path),
            Self::Shorthand(patch) => patch.states(path),
            Self::Strategic(patch) => patch.states(path),
        }
    }

    /// The same patch without the operations that write outside of some places and read nothing
    /// there. Patches in the other formats can be applied whatever else they write.
    pub(crate) fn writing_only(&self, inside: impl Fn(&str) -> bool) -> Self {
        match self {
            Self::Json(patch) => Self::Json(patch.writing_only(inside)),
            Self::Merge(_) | Self::Shorthand(_) | Self::Strategic(_) => self.clone(),
        }
    }
}

/// Whether there is something at a path; null is nothing.
fn has(value: &Value, path: &[&str]) -> bool {
    path.iter().try_fold(value, |value, name| value.get(name)).is_some_and(|value| !value.is_null())
}

impl<'a> Touch<'a> {
    fn of_field(field: Option<&'a str>) -> Self {
        match field {
            Some(name) => Self {
                field: Some(Cow::Borrowed(name)),
                pointer: Cow::Owned(format!("/{}", Token::new(name).encoded())),
            },
            None => Self { field: None, pointer: Cow::Borrowed("") },
        }
    }

    fn of_path(path: &'a [String]) -> Self {
        let pointer = path.iter().fold(String::new(), |mut pointer, segment| {
            pointer.push('/');
            pointer.push_str(Token::new(segment.as_str()).encoded());
            pointer
        });
        let field = path.first().map(|name| Cow::Borrowed(name.as_str()));
        Self { field, pointer: Cow::Owned(pointer) }
    }
}
