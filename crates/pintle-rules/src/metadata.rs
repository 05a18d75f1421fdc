//! The parts of metadata that users own, as clients send them.

use pintle_model::{
    FieldError, FieldErrorKind, FieldPath, Metadata, OwnerReference, REFERENCES_MAX,
};
use pintle_schema::object_meta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::check::{Check, REPORTED_MAX};
use crate::deletion::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER};
use crate::intent::MetadataMode;

/// What clients may send: what is taken over, and what the server answers with and keeps itself.
const KNOWN: [&str; 17] = [
    "annotations",
    "createdAt",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
    "updatedAt",
];

/// Takes over what users own: labels, annotations, finalizers and owner references.
///
/// A `null` counts as absent, and an absent part stays or goes as `mode` says.
pub(crate) fn apply(
    check: &mut Check<'_>,
    metadata: &mut Metadata,
    given: &Map<String, Value>,
    mode: MetadataMode,
) {
    if check.conduct.metadata == MetadataMode::Whole {
        read_closely(check, given);
    } else {
        let unknown = given.keys().filter(|field| !KNOWN.contains(&field.as_str()));
        check.unknown.extend(unknown.map(|field| format!("metadata.{field}")).take(REPORTED_MAX));
    }
    let (errors, warnings) = (&mut check.errors, &mut check.warnings);
    let mut take = Take { given, mode, errors, warnings };
    take.part("labels", "map of strings", &mut metadata.labels);
    take.part("annotations", "map of strings", &mut metadata.annotations);
    let before = metadata.finalizers.clone();
    take.part("finalizers", "list of strings", &mut metadata.finalizers);
    take.owners(&mut metadata.owner_references);
    // Upstream says so of declared kinds, and only its clients expect it.
    if mode == MetadataMode::Whole && !check.situation.definition.core {
        let new = metadata.finalizers.iter().filter(|name| !before.contains(name));
        let unqualified = new.filter(|name| !name.contains('/') && !OWN.contains(&name.as_str()));
        check.warnings.extend(unqualified.take(REPORTED_MAX).map(|name| {
            format!(
                "metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name including \
                 a path (/) to avoid accidental conflicts with other finalizer writers"
            )
        }));
    }
}

/// Reads all of metadata as upstream does, also what the server passes over then: what is malformed
/// is no metadata, whoever it belongs to.
fn read_closely(check: &mut Check<'_>, given: &Map<String, Value>) {
    let rest = given.iter().filter(|(field, _)| !READ_ELSEWHERE.contains(&field.as_str()));
    let rest = rest.map(|(field, value)| (field.clone(), value.clone())).collect();
    let (path, mut rest) = (FieldPath::ROOT.field("metadata"), Value::Object(rest));
    check.unknown.extend(object_meta().normalize(path, &mut rest));
    check.errors.extend(object_meta().validate(path, &rest));
}

/// What may be long, and is taken over as it is.
const READ_ELSEWHERE: [&str; 3] = ["annotations", "finalizers", "labels"];

/// Finalizers of the server itself, and the one that upstream's namespaces have.
const OWN: [&str; 3] = [FOREGROUND_FINALIZER, ORPHAN_FINALIZER, "kubernetes"];

/// Takes parts over one by one and collects what is wrong with them.
struct Take<'a> {
    given: &'a Map<String, Value>,
    mode: MetadataMode,
    errors: &'a mut Vec<FieldError>,
    warnings: &'a mut Vec<String>,
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
        let Some(Value::Array(list)) = self.given.get("ownerReferences") else {
            return self.part("ownerReferences", "list of references", target);
        };
        let path = FieldPath::ROOT.field("metadata");
        let path = path.field("ownerReferences");
        if list.len() > REFERENCES_MAX {
            let detail = format!("{} entries; {REFERENCES_MAX} are allowed", list.len());
            self.errors.push(FieldError::new(path, FieldErrorKind::TooMany, detail));
            return;
        }
        let mut owners: Vec<OwnerReference> = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            match OwnerReference::deserialize(value) {
                Ok(owner) if owners.contains(&owner) => self.warnings.push(format!(
                    "metadata.ownerReferences[{index}] says again what one before it says, and was \
                     left out: uid {:?}",
                    owner.uid.as_str()
                )),
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
