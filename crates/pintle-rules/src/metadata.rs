//! Metadata as clients send it: who it says it is, and the parts of it that users own.

use pintle_model::{FieldError, FieldErrorKind, FieldPath, Metadata, ObjectKey, OwnerReference};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::intent::MetadataMode;
use crate::refusal::Refusal;

/// Refuses a document that names another object than the one addressed.
///
/// In a create the addressed name may be empty: then the document decides.
pub(crate) fn check_identity(given: &Map<String, Value>, key: &ObjectKey) -> Result<(), Refusal> {
    let addressed = [("name", &*key.name.name), ("namespace", &*key.name.namespace)];
    for (field, expected) in addressed {
        let Some(value) = given.get(field).filter(|value| !value.is_null()) else { continue };
        let Some(text) = value.as_str() else {
            return Err(Refusal::Invalid(vec![wrong_type(field, value, "string")]));
        };
        let decided_by_document = field == "name" && expected.is_empty();
        if text != expected && !text.is_empty() && !decided_by_document {
            return Err(Refusal::IdentityMismatch {
                path: format!("metadata.{field}"),
                given: text.to_owned(),
                expected: expected.to_owned(),
            });
        }
    }
    Ok(())
}

/// Takes over what users own: labels, annotations, finalizers and owner references.
///
/// A `null` counts as absent, and an absent part stays or goes as `mode` says.
pub(crate) fn apply(
    metadata: &mut Metadata,
    given: &Map<String, Value>,
    mode: MetadataMode,
) -> Result<(), Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut take = Take { given, mode, errors: &mut errors };
    take.part("labels", "map of strings", &mut metadata.labels);
    take.part("annotations", "map of strings", &mut metadata.annotations);
    take.part("finalizers", "list of strings", &mut metadata.finalizers);
    take.owners(&mut metadata.owner_references);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Takes parts over one by one and collects what is wrong with them.
struct Take<'a> {
    given: &'a Map<String, Value>,
    mode: MetadataMode,
    errors: &'a mut Vec<FieldError>,
}

impl Take<'_> {
    fn part<T: DeserializeOwned + Default>(
        &mut self,
        field: &str,
        shape: &'static str,
        target: &mut T,
    ) {
        match self.given.get(field) {
            None | Some(Value::Null) if self.mode == MetadataMode::NamedOnly => {}
            None | Some(Value::Null) => *target = T::default(),
            Some(value) => match T::deserialize(value) {
                Ok(part) => *target = part,
                Err(_) => self.errors.push(wrong_type(field, value, shape)),
            },
        }
    }

    /// Owner references have fields of their own, so a fault in one is named more closely.
    fn owners(&mut self, target: &mut Vec<OwnerReference>) {
        let list = match self.given.get("ownerReferences") {
            Some(Value::Array(list)) => list,
            _ => return self.part("ownerReferences", "list of references", target),
        };
        let path = FieldPath::ROOT.field("metadata");
        let path = path.field("ownerReferences");
        let mut owners: Vec<OwnerReference> = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            match <OwnerReference as serde::Deserialize>::deserialize(value) {
                Ok(owner) if owners.contains(&owner) => {}
                Ok(owner) => owners.push(owner),
                Err(error) => self.errors.push(FieldError::invalid(
                    path.index(index),
                    value,
                    format!("an owner reference has apiVersion, kind, name and uid: {error}"),
                )),
            }
        }
        *target = owners;
    }
}

fn wrong_type(field: &str, value: &Value, shape: &str) -> FieldError {
    FieldError::with_value(
        format_args!("metadata.{field}"),
        FieldErrorKind::TypeInvalid,
        value,
        format!("must be a {shape}"),
    )
}

/// A generated name keeps so much of its prefix that the whole fits a label.
const GENERATED_PREFIX_MAX: usize = 58;

/// Fills in the name of a new object from the document: `name`, or `generateName` and a suffix.
pub(crate) fn generate_name(metadata: &mut Metadata, given: &Map<String, Value>, suffix: &str) {
    let text = |field| given.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    if metadata.name.is_empty()
        && let Some(name) = text("name")
    {
        metadata.name = name.to_owned();
    }
    if let Some(prefix) = text("generateName") {
        metadata.generate_name = Some(prefix.to_owned());
        if metadata.name.is_empty() {
            let kept: String = prefix.chars().take(GENERATED_PREFIX_MAX).collect();
            metadata.name = kept + suffix;
        }
    }
}
