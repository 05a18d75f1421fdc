//! The bodies of the fuzz targets, as plain functions: each takes any bytes and panics when
//! something is wrong.
//!
//! They are here, apart from the targets, so that the ordinary tests can run them too, without a
//! fuzzer (`crates/pintle-rules/tests/fuzz_smoke.rs`).

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use pintle_model::{
    FieldPath, FieldSelector, Json, LabelSelector, Manner, Object, ObjectKey, Put, Revision,
    Timestamp, Uid, json as text,
};
use pintle_rules::{
    Conduct, Document, Edit, FieldValidation, ForeignLane, Intent, Lane, MetadataMode, Patch,
    PatchFormat, PatchLimits, PatchRoot, Precondition, Situation, Stamp, UidForm, Verdict,
};
use pintle_schema::{Definition, Schema};
use serde_json::{Map, Value, json as tree};

/// Two documents of one input: what stands before and after the first line break.
fn halves(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut halves = data.splitn(2, |byte| *byte == b'\n');
    Some((halves.next()?, halves.next()?))
}

fn read(data: &[u8]) -> Option<Value> {
    text::parse(data).ok().map(|parsed| parsed.value)
}

/// JSON text: what the two readers make of it agrees, and canonical text is its own canonical text.
pub fn json(data: &[u8]) {
    let fields = text::Fields::split(data);
    let Ok(parsed) = text::parse(data) else { return };
    let canonical = Json::from_value(&parsed.value);
    let again = text::parse(canonical.as_bytes()).expect("canonical text is JSON");
    assert_eq!(Json::from_value(&again.value), canonical);
    assert_eq!(again.duplicates, [""; 0]);
    assert_eq!(
        Json::from_value(&canonical.to_value()),
        canonical,
        "storing and reading changes nothing"
    );
    // One has a limit on fields that the other has not.
    let (Value::Object(whole), Ok(fields)) = (&parsed.value, fields) else { return };
    assert_eq!(fields.fields.len(), whole.len());
    for (name, raw) in fields.fields {
        let part = text::parse_at(raw.get().as_bytes(), &name).expect("a part of JSON is JSON");
        assert_eq!(Some(&part.value), whole.get(&*name));
    }
}

fn format_of(letter: u8) -> PatchFormat {
    let [merge, json, shorthand] = PatchFormat::ALL;
    match letter % 3 {
        0 => merge,
        1 => json,
        _ => shorthand,
    }
}

/// A patch and a document, after a letter for the format: applied whole or not at all, and bounded.
pub fn patch(data: &[u8]) {
    let Some((letter, rest)) = data.split_first() else { return };
    let Some((patch, document)) = halves(rest) else { return };
    let (Some(patch), Some(document)) = (read(patch), read(document)) else { return };
    let format = format_of(*letter);
    let Ok(patch) = Patch::parse(format, &patch) else { return };
    assert!(patch.touches().all(|touch| touch.pointer.is_empty() == touch.field.is_none()));
    let limits = PatchLimits { result_bytes_max: 4_096, depth_max: 20, ..PatchLimits::default() };
    let mut patched = document.clone();
    if patch.apply(&mut patched, &limits).is_err() {
        assert_eq!(patched, document);
        return;
    }
    assert!(Json::from_value(&patched).len() <= limits.result_bytes_max);
    if format != PatchFormat::Json {
        let once = patched.clone();
        patch.apply(&mut patched, &limits).expect("what could be said can be said again");
        assert_eq!(patched, once);
    }
}

/// A schema and a document: pruning and defaulting are done once and for all.
pub fn schema(data: &[u8]) {
    let Some((schema, document)) = halves(data) else { return };
    let (Some(schema), Some(mut document)) = (read(schema), read(document)) else { return };
    let Ok(schema) = Schema::compile(&schema) else { return };
    schema.normalize(FieldPath::ROOT, &mut document);
    let faults = schema.validate(FieldPath::ROOT, &document);
    assert!(faults.len() <= 50);
    let mut again = document.clone();
    assert_eq!(schema.normalize(FieldPath::ROOT, &mut again), [""; 0]);
    assert_eq!(again, document);
}

/// Selectors, label and field: reading one never fails badly, and asking one neither.
pub fn selector(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(selector) = LabelSelector::parse(text) {
        let labels =
            [("app".to_owned(), "web".to_owned()), ("n".to_owned(), "5".to_owned())].into();
        let matches = selector.matches(&labels);
        assert!(matches || !selector.is_everything());
    }
    if let Ok(selector) = FieldSelector::parse(text) {
        let matches = selector.matches(|path| Cow::Owned(path.to_owned()));
        assert!(matches || !selector.is_everything());
    }
}

/// A status write with any body, after a letter for the sort: nothing but status changes.
pub fn decide(data: &[u8]) {
    let Some((letter, body)) = data.split_first() else { return };
    let Some(edit) = status_edit(*letter, body) else { return };
    let (refuse, keeps_conditions) = (letter & 32 == 0, letter & 64 == 0);
    let conduct = Conduct {
        foreign: if refuse { ForeignLane::Refuse } else { ForeignLane::Ignore },
        metadata: MetadataMode::NamedOnly,
        unknown_fields: FieldValidation::Warn,
        keeps_conditions,
        patches_are: Manner::Patched,
        uids: UidForm::Kind,
    };
    let precondition = Precondition::default();
    let intent =
        Intent { lane: Lane::Status, edit, precondition, conduct, manager: "fuzzer".to_owned() };
    let decision = DEVICE.decide(&intent);
    let Ok(Verdict::Change(change)) = decision.map(|decision| decision.verdict) else { return };
    let before = &*DEVICE.object;
    assert!(matches!(change.put, Put::Status(_)));
    let after =
        Object::after(Some(before), &change, Revision(3)).expect("a status write removes nothing");
    assert!(Arc::ptr_eq(&after.metadata, &before.metadata));
    assert_eq!((&after.body, after.body_revision), (&before.body, before.body_revision));
    assert_ne!(after.status, before.status);
}

fn status_edit(letter: u8, body: &[u8]) -> Option<Edit> {
    if letter % 8 < 2 {
        return status_document(body).map(Edit::Replace);
    }
    let format = format_of(letter);
    let root = if letter & 16 == 0 { PatchRoot::Object } else { PatchRoot::Lane };
    Patch::parse(format, &read(body)?).ok().map(|patch| Edit::Patch(patch, root))
}

/// The document as a door splits it, its foreign fields unread.
fn status_document(body: &[u8]) -> Option<Document> {
    let fields = text::Fields::split(body).ok()?;
    let part = |name| fields.get(name).and_then(|raw| read(raw.get().as_bytes()));
    let metadata = part("metadata").and_then(|value| value.as_object().cloned());
    let known = ["apiVersion", "kind", "metadata", "status"];
    let names = fields.fields.iter().map(|(name, _)| name.to_string());
    let foreign = names.filter(|name| !known.contains(&name.as_str())).collect();
    Some(Document { metadata, body: None, status: part("status"), foreign })
}

/// One device that has a spec, labels and a status.
struct Device {
    definition: Definition,
    stamp: Stamp,
    object: Arc<Object>,
}

static DEVICE: LazyLock<Device> = LazyLock::new(Device::new);

impl Device {
    fn new() -> Self {
        let declaration = fields(declaration());
        let definition = Definition::from_crd("devices.infra.example.io", &declaration)
            .expect("the declaration is valid");
        let now = Timestamp::parse("2026-01-01T00:00:00Z").expect("the time is one");
        let stamp = Stamp {
            now,
            uid: Uid::from("device-1"),
            name_suffix: String::new(),
            newest: Revision(2),
        };
        let metadata = tree!({
            "name": "dev-1", "namespace": "default", "uid": "device-1", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"a": "b"},
        });
        let status = tree!({"health": "Healthy", "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
        ]});
        let object = Object {
            key: ObjectKey::new(definition.kind.resource(), "default", "dev-1"),
            metadata: Arc::new(serde_json::from_value(metadata).expect("the metadata is some")),
            body: Json::from_value(&tree!({"spec": {"location": "dc1"}})),
            status: Some(Json::from_value(&status)),
            ledger: None,
            updated_at: now,
            revision: Revision(2),
            created_revision: Revision(1),
            body_revision: Revision(1),
            status_revision: Revision(2),
            body_version: None,
            status_version: None,
        };
        Self { definition, stamp, object: Arc::new(object) }
    }

    fn decide(&self, intent: &Intent) -> Result<pintle_rules::Decision, pintle_rules::Refusal> {
        let situation = Situation {
            definition: &self.definition,
            version: self.definition.storage_version(),
            key: &self.object.key,
            current: Some(&self.object),
            stamp: &self.stamp,
        };
        pintle_rules::decide(situation, intent)
    }
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn declaration() -> Value {
    let condition = tree!({
        "type": "object", "required": ["type", "status"],
        "properties": {
            "type": {"type": "string"}, "status": {"type": "string"}, "reason": {"type": "string"},
            "observedGeneration": {"type": "integer"}, "lastTransitionTime": {"type": "string", "format": "date-time"},
        },
    });
    let status = tree!({
        "type": "object",
        "properties": {
            "health": {"type": "string"}, "load": {"type": "number"}, "phase": {"type": "string", "default": "Pending"},
            "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "conditions": {"type": "array", "items": condition},
        },
    });
    let schema = tree!({
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"location": {"type": "string"}}}, "status": status},
    });
    tree!({"spec": {
        "group": "infra.example.io", "scope": "Namespaced",
        "names": {"plural": "devices", "singular": "device", "kind": "Device"},
        "versions": [{
            "name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}},
        }],
    }})
}
