//! [`Engine`]: how its parts are put together, started and stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use pintle_authz::{Policy, Reach, RuleBook, Subresource, User, Verb};
use pintle_model::{GroupResource, Object, ObjectKey, Revision, Uid};
use pintle_store::{Flushes, Store, StoreInfo};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::access::{Access, are_rules};
use crate::hub::Hub;
use crate::lens::Lens;
use crate::lifecycle::{self, Follower};
use crate::quota::QUOTAS;
use crate::turns::Turns;
use crate::vital::{Vitals, vital};
use crate::{
    Catalog, Clock, Conversions, Entropy, Hook, Limits, Measures, Refusal, Report, RuleSource,
    Selection, Written, ask_for,
};

/// What an engine is made from.
#[derive(Debug)]
pub struct Setup {
    /// Where objects live.
    pub store: Arc<dyn Store>,
    /// Who may do what.
    pub rules: RuleSource,
    /// What is asked after the rules.
    pub hook: Option<Arc<dyn Hook>>,
    /// How the versions of kinds are converted.
    pub conversions: Conversions,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub entropy: Arc<dyn Entropy>,
    /// How far it goes.
    pub limits: Limits,
}

/// Reads, writes and watches over one store.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    work: Arc<lifecycle::Work>,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
}

/// What the engine, its watchers and its lifecycle tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) access: Access,
    pub(crate) hook: Option<Arc<dyn Hook>>,
    pub(crate) conversions: Conversions,
    pub(crate) limits: Limits,
    catalog: ArcSwap<Catalog>,
    /// Counts the changes of the catalogue.
    catalog_changes: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    turns: Turns,
    hub: Arc<Hub>,
    /// How far catalog and rules have followed the log.
    followed: watch::Sender<Revision>,
    leaving: AtomicBool,
    closing: watch::Sender<bool>,
    pub(crate) measures: Measures,
    pub(crate) vitals: Vitals,
}

impl Engine {
    /// Starts an engine over a store: when this returns, the kinds and rules of the store are in
    /// force, and the lifecycle of objects is looked after.
    pub async fn start(setup: Setup) -> Result<Arc<Self>, Refusal> {
        let head = setup.store.head();
        let newest = *head.borrow();
        let shared = Arc::new(Shared {
            access: Access::new(setup.rules),
            hook: setup.hook,
            conversions: setup.conversions,
            limits: setup.limits,
            catalog: ArcSwap::from_pointee(Catalog::core()),
            catalog_changes: watch::Sender::new(0),
            clock: setup.clock,
            entropy: setup.entropy,
            turns: Turns::new(),
            hub: Hub::new(newest, &setup.limits),
            followed: watch::Sender::new(Revision::ZERO),
            leaving: AtomicBool::new(false),
            closing: watch::Sender::new(false),
            measures: Measures::default(),
            vitals: Vitals::default(),
            store: setup.store,
        });
        let mut follower = Follower::new(Arc::clone(&shared));
        follower.load().await?;
        let mut tasks = JoinSet::new();
        let hub = Arc::clone(&shared.hub).publish(head);
        tasks.spawn(vital(Arc::clone(&shared), "the telling of changes to watchers", hub));
        let work = follower.work();
        let none_yet = tokio::sync::Mutex::default();
        let engine = Arc::new(Self { shared, work: Arc::clone(&work), tasks: none_yet });
        let shared = || Arc::clone(&engine.shared);
        tasks.spawn(vital(shared(), "the follower of kinds and rules", follower.run()));
        tasks.spawn(vital(shared(), "the cutting of history", lifecycle::compact(shared())));
        let worker = lifecycle::Worker::new(Arc::downgrade(&engine), work).run();
        tasks.spawn(vital(shared(), "the lifecycle of objects", worker));
        *engine.tasks.lock().await = tasks;
        engine.ensure_default_namespace().await?;
        engine.ensure_default_rules().await?;
        Ok(engine)
    }

    /// Ends the watches, lets writes in progress finish, and closes the store.
    pub async fn close(&self) -> Result<(), Refusal> {
        self.end_watches();
        let closed = self.shared.store.close().await;
        self.tasks.lock().await.shutdown().await;
        // Nobody follows the log any more, so nobody may wait for it.
        self.shared.followed(Revision(u64::MAX));
        Ok(closed?)
    }

    /// Waits until everything that was written so far has had its consequences: definitions are
    /// established, namespaces have their phase, what lost its owner is gone.
    pub async fn calm(&self) {
        loop {
            let newest = self.newest();
            let mut followed = self.shared.followed.subscribe();
            // Closing counts as having followed everything, see `close`; an error cannot be, as
            // the sender is in `shared`.
            if followed.wait_for(|seen| *seen >= newest).await.is_err() {
                return;
            }
            self.work.todo.calm().await;
            if self.newest() == newest {
                return;
            }
        }
    }

    /// Says that the server will soon go down. Everything goes on; but it is no longer ready.
    pub fn announce_end(&self) {
        self.shared.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether the server is going down, or will soon.
    pub fn is_leaving(&self) -> bool {
        self.shared.leaving.load(Ordering::Relaxed) || self.shared.is_closing()
    }

    /// Ends the watches: their clients resume somewhere else, or here later.
    pub fn end_watches(&self) {
        self.shared.closing.send_replace(true);
    }

    /// The kinds that are served now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.shared.catalog()
    }

    /// Tells when the kinds that are served have changed. It ends with the engine.
    pub fn catalog_changes(&self) -> watch::Receiver<u64> {
        self.shared.catalog_changes.subscribe()
    }

    /// Says in the status of a declared kind what a door has found out about it, as a condition of
    /// this type. That all is well is only said where the opposite was said before.
    pub fn report(&self, kind: &GroupResource, condition: &'static str, report: Report) {
        if let Some(definition) = self.work.definitions.report(kind, condition, report) {
            self.work.todo.note(lifecycle::Task::Definition(definition));
        }
    }

    /// The rules in force now.
    pub fn rules(&self) -> Arc<RuleBook> {
        self.shared.access.rules()
    }

    /// Where a caller may do something to objects without naming one.
    pub fn reach(
        &self,
        user: &User,
        verb: &Verb,
        resource: &GroupResource,
        subresource: Option<&Subresource>,
    ) -> Reach {
        self.rules().namespaces(user, verb, resource, subresource)
    }

    /// The object of a resource that has this uid: how doors turn a uid into an address. What a
    /// caller is told of it is subject to a grant on that address.
    pub fn resolve(&self, resource: &GroupResource, uid: &Uid) -> Option<Arc<Object>> {
        self.shared.store.find(resource, uid)
    }

    /// Puts these policies in the place of those before.
    pub fn replace_policies(&self, policies: Vec<Policy>) {
        self.shared.access.replace_policies(policies);
    }

    /// Whether a caller may read this object: by the rules, and by the hook.
    pub fn shows(&self, user: &User, object: &Arc<Object>) -> bool {
        let ask = ask_for(Verb::Get, &object.key, None);
        // A version of it may lack what the hook goes by, so that is asked about what is stored.
        let stored = self.shared.store.peek(&object.key).filter(|it| it.uid() == object.uid());
        let stored = stored.as_ref().unwrap_or(object);
        self.rules().allows(user, &ask)
            && self.shared.hook_lets(stored, |hook, seen| hook.can_get(user, seen))
    }

    /// Whether there is an object of this name that a caller may read. What it says is of the
    /// moment, and gives no rights.
    pub fn shows_any(&self, user: &User, key: &ObjectKey) -> bool {
        self.shared.store.peek(key).is_some_and(|object| self.shows(user, &object))
    }

    /// The newest revision.
    pub fn newest(&self) -> Revision {
        *self.shared.store.head().borrow()
    }

    /// What is counted and timed.
    pub fn measures(&self) -> &Measures {
        &self.shared.measures
    }

    /// How many watchers there are.
    pub fn watchers(&self) -> usize {
        self.shared.hub.watchers()
    }

    /// The watcher that is the furthest behind has told everything up to this revision; nothing
    /// when nobody watches, or everybody is still being told the state.
    pub fn slowest_watcher(&self) -> Option<Revision> {
        self.shared.hub.slowest()
    }

    /// How far catalogue and rules have followed what was written.
    pub fn followed_up_to(&self) -> Revision {
        *self.shared.followed.borrow()
    }

    /// Facts about the store.
    pub fn store_info(&self) -> StoreInfo {
        self.shared.store.info()
    }

    /// What the store has written, flush by flush.
    pub fn flushes(&self) -> &Flushes {
        self.shared.store.flushes()
    }

    /// How much of the lifecycle of objects is still to be done, or being done.
    pub fn tasks(&self) -> usize {
        self.work.todo.len()
    }

    /// Turns true when the server is going down.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.shared.closing.subscribe()
    }

    /// Waits until a write that changes kinds, rules or quotas is in force: whoever got its answer
    /// can rely on it. What was written stays written, so that the deadline only ends the waiting.
    pub(crate) async fn settle(&self, written: &Written, deadline: Instant) {
        let Written { object, changed: true, .. } = written else { return };
        let resource = &object.key.resource;
        let settled = async {
            if lifecycle::declares_kinds(resource) || are_rules(resource) {
                let mut followed = self.shared.followed.subscribe();
                drop(followed.wait_for(|seen| *seen >= object.revision).await);
            } else if *resource == *QUOTAS && !wrote_status_alone(object) {
                // Creates that looked before it was there have gone on without it.
                self.turns().closed().await;
            }
        };
        if timeout_at(deadline, settled).await.is_err() {
            tracing::warn!(key = %object.key, "written, and not yet in force");
        }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.shared.store
    }

    pub(crate) fn access(&self) -> &Access {
        &self.shared.access
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.shared.turns
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.shared.hub
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.shared.entropy
    }
}

fn wrote_status_alone(object: &Object) -> bool {
    object.status_revision == object.revision && object.created_revision != object.revision
}

impl Shared {
    /// Whether the watches have been ended, and the store is next.
    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// How a selection sees objects now.
    pub(crate) fn lens(&self, selection: &Selection) -> Lens {
        let catalog = self.catalog();
        let served = catalog.get(&selection.resource()).unwrap_or(&selection.served);
        let version = served.definition.version(&selection.version.name);
        Lens::new(served, version.unwrap_or(&selection.version))
    }

    pub(crate) fn serve(&self, catalog: Catalog) {
        self.catalog.store(Arc::new(catalog));
        self.catalog_changes.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn followed(&self, revision: Revision) {
        self.followed.send_replace(revision);
    }

    /// How far catalog and rules have followed the log, and a wake-up whenever they go on.
    pub(crate) fn follow(&self) -> watch::Receiver<Revision> {
        self.followed.subscribe()
    }

    pub(crate) fn now(&self) -> pintle_model::Timestamp {
        self.clock.now()
    }
}
