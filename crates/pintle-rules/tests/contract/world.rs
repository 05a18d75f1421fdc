//! One object, the kind it is of, and the writes to it: what an engine does with decisions, without
//! the engine.

use std::sync::Arc;

use pintle_model::{Change, Manner, Object, ObjectKey, Revision, Timestamp, Uid};
use pintle_rules::{
    ApplyConditions, ConditionEdit, Conduct, Decision, Document, Edit, FieldValidation,
    ForeignLane, Intent, Lane, MetadataMode, Patch, PatchFormat, PatchRoot, Precondition, Refusal,
    Situation, Stamp, UidForm, Verdict, decide,
};
use pintle_schema::{Definition, Version};
use serde_json::{Map, Value};

use crate::kinds::{core, devices};

/// The first second of the world; each written change takes one more.
const START: &str = "2026-01-01T00:00:00Z";

#[derive(Debug, Clone)]
pub(crate) struct World {
    definition: Arc<Definition>,
    version: Arc<Version>,
    key: ObjectKey,
    pub(crate) current: Option<Arc<Object>>,
    pub(crate) stamp: Stamp,
}

impl World {
    /// No device yet, to be called `default/dev-1`.
    pub(crate) fn empty() -> Self {
        Self::of(devices(), "default", "dev-1")
    }

    /// No object yet of a core kind.
    pub(crate) fn of_core(plural: &str, name: &str) -> Self {
        Self::of(core(plural), "", name)
    }

    pub(crate) fn of(definition: Arc<Definition>, namespace: &str, name: &str) -> Self {
        let stamp = Stamp {
            now: Timestamp::parse(START).unwrap(),
            uid: Uid::from("device-1"),
            name_suffix: "x7k2p".to_owned(),
            newest: Revision(9),
        };
        Self {
            version: Arc::clone(definition.storage_version()),
            key: ObjectKey::new(definition.kind.resource(), namespace, name),
            definition,
            current: None,
            stamp,
        }
    }

    /// A device that was created at revision 10 from this document, with no status yet.
    pub(crate) fn with(document: Value) -> Self {
        let mut world = Self::empty();
        world.wrote(&main(create(document)));
        world
    }

    /// A device with `{"location": "dc1"}` at revision 10 and this status at revision 11.
    pub(crate) fn reported(status: Value) -> Self {
        let mut world = Self::with(serde_json::json!({"spec": {"location": "dc1"}}));
        world.wrote(&on_status(replace_status(serde_json::json!({"status": status}))));
        world
    }

    /// The same world, seen by a client that speaks another version.
    pub(crate) fn speaking(mut self, version: &str) -> Self {
        self.version = Arc::clone(self.definition.version(version).unwrap());
        self
    }

    /// The same world after the kind was declared anew.
    pub(crate) fn redeclared(mut self, definition: Arc<Definition>) -> Self {
        self.version = Arc::clone(definition.storage_version());
        self.definition = definition;
        self
    }

    pub(crate) fn addressed(mut self, name: &str) -> Self {
        self.key = ObjectKey::new(self.key.resource.clone(), &self.key.name.namespace, name);
        self
    }

    pub(crate) fn decide(&self, intent: &Intent) -> Result<Decision, Refusal> {
        let situation = Situation {
            definition: &self.definition,
            version: &self.version,
            key: &self.key,
            current: self.current.as_ref(),
            stamp: &self.stamp,
        };
        decide(situation, intent)
    }

    /// Decides and carries out.
    pub(crate) fn write(&mut self, intent: &Intent) -> Result<Decision, Refusal> {
        let decision = self.decide(intent)?;
        if let Verdict::Change(change) = &decision.verdict {
            self.apply(change);
        }
        Ok(decision)
    }

    /// Decides and carries out a write that has to be accepted.
    pub(crate) fn wrote(&mut self, intent: &Intent) {
        self.write(intent).unwrap_or_else(|refusal| panic!("{intent:?}: {refusal:?}"));
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        assert_eq!(change.expect, self.current.as_ref().map(|current| current.revision));
        self.stamp.newest = self.stamp.newest.next();
        self.stamp.now = Timestamp(self.stamp.now.0 + 1_000_000);
        let after = Object::after(self.current.as_deref(), change, self.stamp.newest);
        self.current = after.map(Arc::new);
    }

    pub(crate) fn object(&self) -> &Object {
        self.current.as_ref().unwrap()
    }

    pub(crate) fn status(&self) -> Value {
        self.object().status.as_ref().map_or(Value::Null, pintle_model::Json::to_value)
    }
}

/// What the REST door does.
pub(crate) const REST: Conduct = Conduct {
    foreign: ForeignLane::Refuse,
    metadata: MetadataMode::NamedOnly,
    unknown_fields: FieldValidation::Warn,
    keeps_conditions: true,
    patches_are: Manner::Patched,
    uids: UidForm::Kind,
};

/// What the Kubernetes door does.
pub(crate) const KUBE: Conduct = Conduct {
    foreign: ForeignLane::Ignore,
    metadata: MetadataMode::Whole,
    unknown_fields: FieldValidation::Warn,
    keeps_conditions: false,
    patches_are: Manner::Patched,
    uids: UidForm::Kind,
};

pub(crate) fn main(edit: Edit) -> Intent {
    intent(Lane::Main, edit)
}

pub(crate) fn on_status(edit: Edit) -> Intent {
    intent(Lane::Status, edit)
}

pub(crate) fn intent(lane: Lane, edit: Edit) -> Intent {
    let precondition = Precondition::default();
    Intent { lane, edit, precondition, conduct: REST, manager: "tester".to_owned() }
}

/// Changes to an intent, so that a table can say what is special about one.
pub(crate) trait But: Sized {
    fn through(self, conduct: Conduct) -> Self;
    fn strictly(self) -> Self;
    fn expecting(self, revision: u64) -> Self;
    fn by(self, manager: &str) -> Self;
}

impl But for Intent {
    fn through(mut self, conduct: Conduct) -> Self {
        self.conduct = conduct;
        self
    }

    fn strictly(mut self) -> Self {
        self.conduct.unknown_fields = FieldValidation::Strict;
        self
    }

    fn expecting(mut self, revision: u64) -> Self {
        self.precondition.revision = Some(Revision(revision));
        self
    }

    fn by(mut self, manager: &str) -> Self {
        manager.clone_into(&mut self.manager);
        self
    }
}

pub(crate) fn create(document: Value) -> Edit {
    Edit::Create(main_document(document))
}

pub(crate) fn replace(document: Value) -> Edit {
    Edit::Replace(main_document(document))
}

/// A status document: whatever is not status or metadata is foreign.
pub(crate) fn replace_status(document: Value) -> Edit {
    let mut fields = fields(document);
    let (metadata, status) = (metadata(&mut fields), fields.remove("status"));
    let foreign = fields.into_iter().map(|(field, _)| field).collect();
    Edit::Replace(Document { metadata, body: None, status, foreign })
}

pub(crate) fn put_condition(kind: &str, fields_given: Value) -> Edit {
    Edit::Condition(ConditionEdit::Put { kind: kind.to_owned(), fields: fields(fields_given) })
}

/// `{"status": …}`, of which what is not status is foreign.
pub(crate) fn merge_status(document: Value) -> Edit {
    match replace_status(document) {
        Edit::Replace(document) => Edit::MergeStatus(document),
        other => other,
    }
}

/// A list of conditions to set, and of types to remove.
pub(crate) fn apply(set: Value, remove: &[&str]) -> ApplyConditions {
    let set = set.as_array().unwrap().iter().cloned().map(fields).collect();
    let remove = remove.iter().map(|kind| (*kind).to_owned()).collect();
    ApplyConditions { set, remove, ..ApplyConditions::default() }
}

pub(crate) fn remove_condition(kind: &str) -> Edit {
    Edit::Condition(ConditionEdit::Remove { kind: kind.to_owned() })
}

pub(crate) fn merge(document: Value) -> Edit {
    patch(PatchFormat::Merge, document, PatchRoot::Object)
}

pub(crate) fn json_patch(document: Value) -> Edit {
    patch(PatchFormat::Json, document, PatchRoot::Object)
}

pub(crate) fn shorthand(document: Value) -> Edit {
    patch(PatchFormat::Shorthand, document, PatchRoot::Object)
}

pub(crate) fn patch(format: PatchFormat, document: Value, root: PatchRoot) -> Edit {
    Edit::Patch(Patch::parse(format, &document).unwrap(), root)
}

/// A document as a door splits it.
pub(crate) fn main_document(document: Value) -> Document {
    let mut fields = fields(document);
    let (metadata, status) = (metadata(&mut fields), fields.remove("status"));
    let body = Some(fields).filter(|fields| !fields.is_empty());
    Document { metadata, body, status, foreign: Vec::new() }
}

fn metadata(fields: &mut Map<String, Value>) -> Option<Map<String, Value>> {
    fields.remove("apiVersion");
    fields.remove("kind");
    match fields.remove("metadata") {
        Some(Value::Object(metadata)) => Some(metadata),
        _ => None,
    }
}

/// The fields of an object, read as a door reads them: numbers in their canonical form.
pub(crate) fn fields(document: Value) -> Map<String, Value> {
    match pintle_model::json::parse(document.to_string().as_bytes()).unwrap().value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
