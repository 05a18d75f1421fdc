//! An engine over memory with a few kinds, and the writes to try events with.

use std::sync::Arc;
use std::time::Duration;

use pintle_authz::{MASTERS, RuleBook, User};
use pintle_engine::{
    AccessMode, Engine, Limits, RuleSource, Setup, SystemClock, SystemEntropy, Write,
};
use pintle_events::{Bus, CloudEvent, Cursor, Names, Pattern, Subscription};
use pintle_model::{GroupResource, Manner, Object, ObjectKey};
use pintle_rules::{
    ConditionEdit, Conduct, DeleteOptions, Document, Edit, FieldValidation, ForeignLane, Intent,
    Lane, MetadataMode, Patch, PatchRoot, Precondition, UidForm,
};
use pintle_store::MemoryStore;
use serde_json::{Map, Value, json};

pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
}

impl World {
    /// Devices, and gauges of two groups.
    pub(crate) async fn new() -> Self {
        let setup = Setup {
            store: Arc::new(MemoryStore::default()),
            rules: RuleSource { mode: AccessMode::Open, policies: Vec::new() },
            hook: None,
            conversions: pintle_engine::Conversions::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            limits: Limits::default(),
        };
        let world = Self { engine: Engine::start(setup).await.unwrap() };
        for (group, plural, kind) in [
            ("infra.example.io", "devices", "Device"),
            ("one.example.io", "gauges", "Gauge"),
            ("two.example.io", "gauges", "Gauge"),
        ] {
            let resource = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
            let key = ObjectKey::new(resource, "", &format!("{plural}.{group}"));
            world.write(&key, create(crd(group, plural, kind))).await;
        }
        world.engine.calm().await;
        world
    }

    /// A write that is accepted.
    pub(crate) async fn write(&self, key: &ObjectKey, (lane, edit): Want) -> Arc<Object> {
        let served = Arc::clone(self.engine.catalog().get(&key.resource).unwrap());
        let intent = Intent {
            lane,
            edit,
            precondition: Precondition::default(),
            conduct: CONDUCT,
            manager: "tests".to_owned(),
        };
        let version = Arc::clone(served.default_version());
        let write = Write { served, version, key: key.clone(), intent, dry_run: false };
        let root = Arc::new(User::authenticated("root", None, [MASTERS.into()]));
        let granted = RuleBook::allow_all().grant(&root, write).unwrap();
        self.engine.write(granted).await.unwrap().object
    }
}

pub(crate) type Want = (Lane, Edit);

const CONDUCT: Conduct = Conduct {
    foreign: ForeignLane::Refuse,
    metadata: MetadataMode::NamedOnly,
    unknown_fields: FieldValidation::Warn,
    keeps_conditions: true,
    patches_are: Manner::Patched,
    uids: UidForm::Kind,
};

pub(crate) fn device(name: &str) -> ObjectKey {
    ObjectKey::new(GroupResource::new("infra.example.io", "devices"), "default", name)
}

pub(crate) fn gauge(group: &str, name: &str) -> ObjectKey {
    ObjectKey::new(GroupResource::new(group, "gauges"), "default", name)
}

pub(crate) fn create(document: Value) -> Want {
    (Lane::Main, Edit::Create(split(document)))
}

pub(crate) fn replace(document: Value) -> Want {
    (Lane::Main, Edit::Replace(split(document)))
}

pub(crate) fn merge(document: Value) -> Want {
    (Lane::Main, Edit::Patch(Patch::Merge(document), PatchRoot::Object))
}

pub(crate) fn report(status: Value) -> Want {
    let document = Document { status: Some(status), ..Document::default() };
    (Lane::Status, Edit::Replace(document))
}

pub(crate) fn merge_status(document: Value) -> Want {
    (Lane::Status, Edit::Patch(Patch::Merge(document), PatchRoot::Lane))
}

pub(crate) fn put_condition(kind: &str, fields: Value) -> Want {
    let Value::Object(fields) = fields else { panic!("not an object: {fields}") };
    (Lane::Status, Edit::Condition(ConditionEdit::Put { kind: kind.to_owned(), fields }))
}

pub(crate) fn remove_condition(kind: &str) -> Want {
    (Lane::Status, Edit::Condition(ConditionEdit::Remove { kind: kind.to_owned() }))
}

pub(crate) fn delete() -> Want {
    (Lane::Main, Edit::Delete(DeleteOptions::default()))
}

fn split(document: Value) -> Document {
    let Value::Object(mut body) = document else { panic!("not an object: {document}") };
    let metadata = body.remove("metadata").and_then(|value| value.as_object().cloned());
    let body = Some(body).filter(|body: &Map<String, Value>| !body.is_empty());
    Document { metadata, body, status: None, foreign: Vec::new() }
}

fn crd(group: &str, plural: &str, kind: &str) -> Value {
    json!({
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "names": {"plural": plural, "kind": kind},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"color": {"type": "string"}}},
                    "status": {"type": "object", "properties": {
                        "phase": {"type": "string"},
                        "conditions": {"type": "array", "items": {
                            "type": "object",
                            "required": ["type", "status"],
                            "properties": {
                                "type": {"type": "string"},
                                "status": {"type": "string"},
                                "reason": {"type": "string"},
                                "lastTransitionTime": {"type": "string"},
                            },
                        }},
                    }},
                }}},
            }],
        },
    })
}

/// Nothing that is waited for takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn bus(world: &World) -> Arc<Bus> {
    let names = Names::new("io.fabrica", None, "fabrica-api").unwrap();
    Bus::new(Arc::clone(&world.engine), names)
}

pub(crate) fn types(pattern: &str) -> Pattern {
    Pattern::parse(pattern).unwrap()
}

/// Reads until everything that is committed now has been told.
pub(crate) async fn rest(world: &World, subscription: &mut Subscription) -> Vec<Arc<CloudEvent>> {
    let newest = Cursor::after(world.engine.newest());
    let mut events = Vec::new();
    loop {
        while let Some(event) = subscription.next_now() {
            events.push(event);
        }
        if subscription.cursor() == newest {
            return events;
        }
        tokio::time::timeout(PATIENCE, subscription.look()).await.unwrap().unwrap();
    }
}

pub(crate) async fn since(
    world: &World,
    bus: &Arc<Bus>,
    from: Cursor,
    pattern: &str,
) -> Vec<Arc<CloudEvent>> {
    let mut subscription = bus.subscribe(types(pattern), Some(from)).await.unwrap();
    rest(world, &mut subscription).await
}

pub(crate) fn of_types(events: &[Arc<CloudEvent>]) -> Vec<&str> {
    events.iter().map(|event| event.event_type()).collect()
}
