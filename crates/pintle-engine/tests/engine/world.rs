//! An engine to try things on, and the words to try them with.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pintle_authz::{MASTERS, Policy, User};
use pintle_engine::{
    AccessMode, Catalog, Clock, Conversions, Engine, Entropy, Get, Hook, Limits, List, NoneWritten,
    Refusal, RuleSource, Selection, Served, Setup, Start, Watch, WatchEvent, Watcher, Write,
    Written,
};
use pintle_model::{
    FieldSelector, GroupResource, LabelSelector, Manner, Object, ObjectKey, Revision, Timestamp,
};
use pintle_rules::{
    Conduct, DeleteOptions, Document, Edit, FieldValidation, ForeignLane, Intent, Lane,
    MetadataMode, Patch, PatchRoot, Precondition, Propagation, UidForm,
};
use pintle_schema::Version;
use pintle_store::{HistoryLimits, Store};
use serde_json::{Map, Value, json};

use crate::double::Double;

/// Nothing that is waited for takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Ticks a second with each look at it.
#[derive(Debug)]
pub(crate) struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1_000_000, Ordering::SeqCst))
    }
}

/// Counts, or repeats what it was told to first.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    next: AtomicU64,
    told: Mutex<Vec<u64>>,
}

impl Counting {
    /// The next bits, last one first.
    pub(crate) fn tell(&self, bits: &[u64]) {
        self.told.lock().unwrap().extend(bits);
    }
}

impl Entropy for Counting {
    fn bits(&self) -> u64 {
        let told = self.told.lock().unwrap().pop();
        told.unwrap_or_else(|| self.next.fetch_add(1, Ordering::SeqCst))
    }
}

pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Arc<Double>,
    pub(crate) entropy: Arc<Counting>,
    limits: Limits,
}

/// What a world is made of, where that matters.
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    pub(crate) history: HistoryLimits,
    pub(crate) mode: AccessMode,
    pub(crate) policies: Vec<Policy>,
    pub(crate) hook: Option<Arc<dyn Hook>>,
    pub(crate) conversions: Conversions,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            history: HistoryLimits::default(),
            mode: AccessMode::Rules,
            policies: Vec::new(),
            hook: None,
            conversions: Conversions::default(),
        }
    }
}

impl World {
    /// Devices are declared, and the namespace `lab` is there.
    pub(crate) async fn new() -> Self {
        Self::with(Terms::default()).await
    }

    pub(crate) async fn limited(limits: Limits) -> Self {
        Self::with(Terms { limits, ..Terms::default() }).await
    }

    pub(crate) async fn with(terms: Terms) -> Self {
        let world = Self::bare(terms).await;
        world.create_namespace("lab").await;
        world.declare(devices_crd()).await;
        world
    }

    /// Nothing is there but what every server has.
    pub(crate) async fn bare(terms: Terms) -> Self {
        let store = Arc::new(Double::new(devices(), terms.history));
        Self::over(store, terms).await
    }

    async fn over(store: Arc<Double>, terms: Terms) -> Self {
        let entropy = Arc::new(Counting::default());
        // Ids of one life do not come back in the next.
        entropy.next.store(store.head().borrow().0 << 32, Ordering::SeqCst);
        let setup = Setup {
            store: Arc::clone(&store) as Arc<dyn Store>,
            rules: RuleSource { mode: terms.mode, policies: terms.policies },
            hook: terms.hook,
            conversions: terms.conversions,
            clock: Arc::new(Ticking(AtomicI64::new(1_700_000_000_000_000))),
            entropy: Arc::clone(&entropy) as Arc<dyn Entropy>,
            limits: terms.limits,
        };
        let engine = Engine::start(setup).await.unwrap();
        Self { engine, store, entropy, limits: terms.limits }
    }

    /// The engine goes without a word, and another one finds its store.
    pub(crate) async fn crash(self) -> Self {
        let limits = self.limits;
        self.crash_limited(limits).await
    }

    pub(crate) async fn crash_limited(self, limits: Limits) -> Self {
        let Self { engine, store, .. } = self;
        drop(engine);
        Self::over(store, Terms { limits, ..Terms::default() }).await
    }

    /// Another engine finds a store whose engine has gone.
    pub(crate) async fn found(store: Arc<Double>) -> Self {
        Self::over(store, Terms::default()).await
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.engine.catalog()
    }

    pub(crate) fn served(&self, resource: &GroupResource) -> Arc<Served> {
        Arc::clone(self.catalog().get(resource).unwrap())
    }

    /// A write of an administrator.
    pub(crate) async fn write(&self, key: &ObjectKey, want: Want) -> Result<Written, Refusal> {
        self.write_as(&master(), key, want).await
    }

    pub(crate) async fn write_as(
        &self,
        user: &Arc<User>,
        key: &ObjectKey,
        want: Want,
    ) -> Result<Written, Refusal> {
        let served = self.served(&key.resource);
        self.write_with(user, served, key, want).await
    }

    /// A write that found the kind as `served` says.
    pub(crate) async fn write_with(
        &self,
        user: &Arc<User>,
        served: Arc<Served>,
        key: &ObjectKey,
        want: Want,
    ) -> Result<Written, Refusal> {
        let write = want.into_write(served, key);
        self.engine.write(self.engine.rules().grant(user, write)?).await
    }

    /// Several writes as one.
    pub(crate) async fn write_all(
        &self,
        wants: impl IntoIterator<Item = (&str, Want)>,
    ) -> Result<Vec<Written>, NoneWritten> {
        let keyed = wants.into_iter().map(|(name, want)| (device(name), want));
        self.write_everything(keyed).await
    }

    /// The same, of objects of any kind.
    pub(crate) async fn write_everything(
        &self,
        wants: impl IntoIterator<Item = (ObjectKey, Want)>,
    ) -> Result<Vec<Written>, NoneWritten> {
        let grants = wants.into_iter().map(|(key, want)| {
            let write = want.into_write(self.served(&key.resource), &key);
            self.engine.rules().grant(&master(), write).unwrap()
        });
        self.engine.write_all(grants.collect()).await
    }

    /// A write that is accepted.
    pub(crate) async fn put(&self, key: &ObjectKey, want: Want) -> Arc<Object> {
        self.write(key, want).await.unwrap().object
    }

    pub(crate) async fn create(&self, name: &str, color: &str) -> Arc<Object> {
        self.put(&device(name), create(json!({"spec": {"color": color}}))).await
    }

    pub(crate) async fn create_namespace(&self, name: &str) -> Arc<Object> {
        self.put(&namespace(name), create(json!({}))).await
    }

    pub(crate) async fn declare(&self, crd: Value) -> Arc<Object> {
        let name = crd["metadata"]["name"].as_str().unwrap().to_owned();
        self.put(&definition(&name), create(crd)).await
    }

    pub(crate) async fn get(&self, key: &ObjectKey) -> Result<Arc<Object>, Refusal> {
        self.get_in(key, None).await
    }

    pub(crate) async fn get_in(
        &self,
        key: &ObjectKey,
        version: Option<&str>,
    ) -> Result<Arc<Object>, Refusal> {
        let served = self.catalog().get(&key.resource).cloned();
        let served = served.ok_or(Refusal::Rules(pintle_rules::Refusal::NotFound))?;
        let version = Arc::clone(version_of(&served, version));
        let get = Get { key: key.clone(), version, subresource: None };
        self.engine.get(&self.engine.rules().grant(&master(), get)?).await
    }

    pub(crate) fn peek(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.store.peek(key)
    }

    pub(crate) fn selection(&self, namespace: Option<&str>) -> Selection {
        let served = self.served(&devices());
        Selection {
            version: Arc::clone(served.default_version()),
            served,
            namespace: namespace.map(Arc::from),
            labels: LabelSelector::default(),
            fields: FieldSelector::default(),
        }
    }

    pub(crate) async fn list(&self, list: List) -> Result<pintle_engine::Listed, Refusal> {
        self.engine.list(&[self.engine.rules().grant(&master(), list)?]).await
    }

    pub(crate) async fn watch(&self, start: Start) -> Result<Watcher, Refusal> {
        self.watch_selection(self.selection(None), start).await
    }

    pub(crate) async fn watch_selection(
        &self,
        selection: Selection,
        start: Start,
    ) -> Result<Watcher, Refusal> {
        let granted = self.engine.rules().grant(&master(), Watch { selection, start })?;
        self.engine.watch(vec![granted]).await
    }

    /// Waits until the lifecycle has made it so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let mut head = self.store.head();
        let waiting = async {
            while !is_so(self) {
                head.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("waited in vain: {what}"));
    }

    /// The catalog follows the log, and nothing is written when it has caught up.
    pub(crate) async fn until_served_no_more(&self, resource: &GroupResource) {
        while self.catalog().get(resource).is_some() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn until_gone(&self, key: &ObjectKey) {
        self.until(&format!("{key} goes"), |world| world.peek(key).is_none()).await;
    }
}

fn version_of<'a>(served: &'a Served, name: Option<&str>) -> &'a Arc<Version> {
    let named = name.map(|name| served.definition.version(name).unwrap());
    named.unwrap_or_else(|| served.default_version())
}

/// What a write wants.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    lane: Lane,
    edit: Edit,
    precondition: Precondition,
    foreign: ForeignLane,
    dry_run: bool,
    /// Nothing for the default one.
    version: Option<&'static str>,
}

impl Want {
    fn new(lane: Lane, edit: Edit) -> Self {
        let precondition = Precondition::default();
        Self { lane, edit, precondition, foreign: CONDUCT.foreign, dry_run: false, version: None }
    }

    fn into_write(self, served: Arc<Served>, key: &ObjectKey) -> Write {
        let Self { lane, edit, precondition, foreign, dry_run, version } = self;
        let conduct = Conduct { foreign, ..CONDUCT };
        let intent = Intent { lane, edit, precondition, conduct, manager: "tests".to_owned() };
        let version = Arc::clone(version_of(&served, version));
        Write { served, version, key: key.clone(), intent, dry_run }
    }

    /// A patch of the object.
    pub(crate) fn patch(patch: Patch) -> Self {
        Self::new(Lane::Main, Edit::Patch(patch, PatchRoot::Object))
    }

    /// Of the status, as the Kubernetes door has patches: they see the whole object.
    pub(crate) fn of_status_seeing_all(mut self) -> Self {
        self.lane = Lane::Status;
        self.foreign = ForeignLane::Discard;
        self
    }

    /// Only on this version.
    pub(crate) fn at(mut self, revision: Revision) -> Self {
        self.precondition.revision = Some(revision);
        self
    }

    /// In this version of the kind.
    pub(crate) fn in_version(mut self, name: &'static str) -> Self {
        self.version = Some(name);
        self
    }

    pub(crate) fn dry(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

pub(crate) fn create(document: Value) -> Want {
    Want::new(Lane::Main, Edit::Create(split(document)))
}

pub(crate) fn replace(document: Value) -> Want {
    Want::new(Lane::Main, Edit::Replace(split(document)))
}

pub(crate) fn report(status: Value) -> Want {
    let document = Document { status: Some(status), ..Document::default() };
    Want::new(Lane::Status, Edit::Replace(document))
}

pub(crate) fn merge(document: Value) -> Want {
    Want::new(Lane::Main, Edit::Patch(Patch::Merge(document), PatchRoot::Object))
}

pub(crate) fn merge_status(document: Value) -> Want {
    Want::new(Lane::Status, Edit::Patch(Patch::Merge(document), PatchRoot::Lane))
}

pub(crate) fn delete() -> Want {
    delete_with(Propagation::Background)
}

pub(crate) fn delete_with(propagation: Propagation) -> Want {
    Want::new(Lane::Main, Edit::Delete(DeleteOptions { propagation, ..DeleteOptions::default() }))
}

fn split(document: Value) -> Document {
    let Value::Object(mut body) = document else { panic!("not an object: {document}") };
    body.remove("apiVersion");
    body.remove("kind");
    let metadata = body.remove("metadata").and_then(|value| value.as_object().cloned());
    let status = body.remove("status");
    let body = Some(body).filter(|body: &Map<String, Value>| !body.is_empty());
    Document { metadata, body, status, foreign: Vec::new() }
}

const CONDUCT: Conduct = Conduct {
    foreign: ForeignLane::Refuse,
    metadata: MetadataMode::NamedOnly,
    unknown_fields: FieldValidation::Warn,
    keeps_conditions: true,
    patches_are: Manner::Patched,
    uids: UidForm::Kind,
};

pub(crate) fn master() -> Arc<User> {
    Arc::new(User::authenticated("root", None, [MASTERS.into()]))
}

pub(crate) fn user(name: &str) -> Arc<User> {
    Arc::new(User::authenticated(name, None, []))
}

pub(crate) fn devices() -> GroupResource {
    GroupResource::new("infra.example.io", "devices")
}

/// A device in the namespace `lab`.
pub(crate) fn device(name: &str) -> ObjectKey {
    device_in("lab", name)
}

pub(crate) fn device_in(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(devices(), namespace, name)
}

pub(crate) fn namespace(name: &str) -> ObjectKey {
    ObjectKey::new(GroupResource::from_text("namespaces"), "", name)
}

pub(crate) fn definition(name: &str) -> ObjectKey {
    let resource = "customresourcedefinitions.apiextensions.k8s.io";
    ObjectKey::new(GroupResource::from_text(resource), "", name)
}

pub(crate) fn devices_crd() -> Value {
    crd("devices", "Device")
}

/// A namespaced kind of the group `infra.example.io` with color, size and a status.
pub(crate) fn crd(plural: &str, kind: &str) -> Value {
    json!({
        "metadata": {"name": format!("{plural}.infra.example.io")},
        "spec": {
            "group": "infra.example.io",
            "names": {"plural": plural, "kind": kind},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.color"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {
                        "color": {"type": "string"},
                        "size": {"type": "integer"},
                        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                    }},
                    "status": {"type": "object", "properties": {
                        "phase": {"type": "string"},
                        "seen": {"type": "object", "additionalProperties": {"type": "string"}},
                    }},
                }}},
            }],
        },
    })
}

/// `everything` in a list.
pub(crate) fn all(selection: Selection) -> List {
    List { selection, limit: None, after: None, at: None }
}

pub(crate) fn names(objects: &[Arc<Object>]) -> Vec<String> {
    objects.iter().map(|object| object.key.name.name.to_string()).collect()
}

pub(crate) fn spec(object: &Object) -> Value {
    object.body.to_value()["spec"].clone()
}

pub(crate) fn status(object: &Object) -> Value {
    object.status.as_ref().map_or(Value::Null, pintle_model::Json::to_value)
}

/// `ADDED a`, `BOOKMARK`.
pub(crate) fn told(event: &WatchEvent) -> String {
    let (word, object) = match event {
        WatchEvent::Existing(object) => ("EXISTING", object),
        WatchEvent::Added(object) => ("ADDED", object),
        WatchEvent::Modified { object, .. } => ("MODIFIED", object),
        WatchEvent::Deleted(object) => ("DELETED", object),
        WatchEvent::Bookmark { ends_state, .. } => {
            return if *ends_state { "STATE" } else { "BOOKMARK" }.to_owned();
        }
    };
    format!("{word} {}", object.key.name.name)
}

/// Reads until the watcher has told everything up to `to`, of which it may not see the last.
pub(crate) async fn tell_until(watcher: &mut Watcher, to: Revision) -> Vec<WatchEvent> {
    let mut events = Vec::new();
    let telling = async {
        while watcher.cursor().is_none_or(|cursor| cursor < to) {
            tokio::select! {
                biased;
                next = watcher.next() => events.extend(next.unwrap()),
                () = tokio::task::yield_now() => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, telling).await.expect("a watcher comes to the end");
    events
}

pub(crate) fn revision_of(event: &WatchEvent) -> Revision {
    match event {
        WatchEvent::Existing(object)
        | WatchEvent::Added(object)
        | WatchEvent::Modified { object, .. }
        | WatchEvent::Deleted(object) => object.revision,
        WatchEvent::Bookmark { revision, .. } => *revision,
    }
}
