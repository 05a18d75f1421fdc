//! New objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_model::{
    Change, FieldPath, Generation, Json, Manner, Metadata, ObjectKey, Put, validate_metadata_maps,
    validate_name,
};
use serde_json::{Map, Value};

use crate::check::Check;
use crate::decide::{Decision, Situation, Verdict};
use crate::intent::{Document, Intent};
use crate::metadata;
use crate::refusal::Refusal;

/// Makes a new object. A status that came along is ignored where it has its own subresource.
pub(crate) fn create(
    situation: Situation<'_>,
    document: &Document,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    if let Some(current) = situation.current {
        return Err(Refusal::AlreadyExists { uid: current.uid().clone() });
    }
    if let Some(revision) = intent.precondition.revision {
        return Err(Refusal::InvalidRevision {
            given: revision.to_string(),
            why: "resourceVersion should not be set on objects to be created",
        });
    }
    let mut check = Check::new(situation, intent);
    let metadata = new_metadata(&mut check, document);
    check_name(&mut check, &metadata.name);
    let mut body = document.body.clone().unwrap_or_default();
    situation.definition.habits.begin(&mut body);
    let body = check.body(&metadata.name, body, None);
    check.approval(&metadata, None);
    let status = first_status(&mut check, document);
    let warnings = check.done()?;
    let resource = situation.key.resource.clone();
    let key = ObjectKey::new(resource, &metadata.namespace, &metadata.name);
    let put = Put::Create { metadata: Arc::new(metadata), body, status };
    let change = Change {
        key,
        expect: None,
        put,
        at: situation.stamp.now,
        manner: Manner::Replaced,
        version: Some(Arc::clone(&situation.version.name)),
    };
    Ok(Decision { verdict: Verdict::Change(change), warnings, last: None })
}

fn new_metadata(check: &mut Check<'_>, document: &Document) -> Metadata {
    let Situation { key, stamp, .. } = check.situation;
    let empty = Map::new();
    let given = document.metadata.as_ref().unwrap_or(&empty);
    let mut made = Metadata {
        name: key.name.name.to_string(),
        generate_name: None,
        namespace: key.name.namespace.to_string(),
        uid: stamp.uid.clone(),
        generation: Generation::FIRST,
        creation_timestamp: stamp.now.truncated(),
        deletion_timestamp: None,
        deletion_grace_period_seconds: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        finalizers: Vec::new(),
        owner_references: Vec::new(),
    };
    // Of a new object nothing is named but what is given, so that both modes are one.
    metadata::apply(check, &mut made, given, check.conduct.metadata);
    generate_name(&mut made, given, &stamp.name_suffix);
    if let Some(label) = check.situation.definition.habits.name_label {
        made.labels.insert(label.to_owned(), made.name.clone());
    }
    check.errors.extend(validate_metadata_maps(&made));
    made
}

/// A generated name keeps so much of its prefix that the whole fits a label.
const GENERATED_PREFIX_MAX: usize = 58;

/// Fills in the name of a new object from the document: `name`, or `generateName` and a suffix.
fn generate_name(metadata: &mut Metadata, given: &Map<String, Value>, suffix: &str) {
    let text = |field| given.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    if metadata.name.is_empty()
        && let Some(name) = text("name")
    {
        name.clone_into(&mut metadata.name);
    }
    if let Some(prefix) = text("generateName") {
        metadata.generate_name = Some(prefix.to_owned());
        if metadata.name.is_empty() {
            let kept: String = prefix.chars().take(GENERATED_PREFIX_MAX).collect();
            metadata.name = kept + suffix;
        }
    }
}

fn check_name(check: &mut Check<'_>, name: &str) {
    let Situation { definition, version, .. } = check.situation;
    let path = FieldPath::ROOT.field("metadata");
    match validate_name(path.field("name"), name, definition.name_rule) {
        Ok(()) => check.errors.extend(version.validate_name(name)),
        Err(error) => check.errors.push(error),
    }
}

/// The status of a new object: only versions without the subresource take it from the document.
fn first_status(check: &mut Check<'_>, document: &Document) -> Option<Json> {
    let begins = check.situation.definition.habits.first_status;
    let begins = begins.map(|text| Json::from_stored(text.as_bytes().into()));
    let Some(status) = document.status.as_ref() else { return begins };
    if check.situation.version.status_subresource {
        check.warn_status_ignored(status, None);
        return begins;
    }
    let status = check.normal_status(status.clone())?;
    check.validate_status(&status, None);
    Some(Json::from_value(&status))
}
