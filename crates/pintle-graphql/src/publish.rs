//! The schema of the moment: made anew when the kinds have changed, and swapped as a whole.
//!
//! Whoever asks gets the schema of the kinds that are served now, if it can be made in a moment,
//! so that a program which has just declared a kind finds it here. What takes longer is made beside
//! the requests, which go on with the schema before. Nothing that goes on is disturbed by a swap:
//! it holds on to the schema that it began with.
//!
//! Until somebody asks for the first time, kinds are only checked, so that their definitions can
//! say what is wrong with them: the schema of many large kinds takes much memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_engine::{Catalog, Engine, Report, Served};
use pintle_schema::{Definition, Version};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::prepare::Documents;
use crate::schema::{Checked, LeftOut, Parts, Published};

/// A request waits so long for a schema that is being made, if there is one before it.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// After a change of the kinds, others may follow for so long before a schema is made.
const SETTLE_TIME: Duration = Duration::from_millis(50);
/// What is said of a kind in the status of its definition.
const CONDITION: &str = "GraphQLSchemaReady";

/// One schema, and what belongs to it alone.
#[derive(Debug, Clone)]
pub(crate) struct Edition {
    catalog: Arc<Catalog>,
    kinds: Arc<[Kind]>,
    pub(crate) published: Arc<Published>,
    /// Names the text of the schema.
    pub(crate) entity_tag: Arc<str>,
    pub(crate) documents: Arc<Documents>,
}

type Kind = (Arc<Definition>, Arc<Version>);

/// Makes editions.
#[derive(Debug)]
pub(crate) struct Publisher {
    engine: Arc<Engine>,
    newest: ArcSwapOption<Edition>,
    /// Held by whoever makes one.
    press: Mutex<Parts>,
    /// Whether anybody has ever asked for one.
    asked: AtomicBool,
}

impl Publisher {
    pub(crate) fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self {
            engine,
            newest: ArcSwapOption::empty(),
            press: Mutex::default(),
            asked: AtomicBool::new(false),
        })
    }

    /// The schema of the kinds that are served now; or the one before, while it is being made.
    pub(crate) async fn edition(self: &Arc<Self>) -> Arc<Edition> {
        self.asked.store(true, Ordering::Relaxed);
        match self.newest.load_full() {
            Some(newest) if self.is_current(&newest) => newest,
            Some(before) => {
                let making = tokio::spawn(Arc::clone(self).print());
                let made = tokio::time::timeout(WAIT_MAX, making).await;
                made.ok().and_then(Result::ok).unwrap_or(before)
            }
            None => Arc::clone(self).print().await,
        }
    }

    /// Makes a schema whenever the kinds have changed, for as long as the engine runs; or looks
    /// whether one could be made.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut changes = self.engine.catalog_changes();
        loop {
            changes.mark_unchanged();
            if self.asked.load(Ordering::Relaxed) {
                Arc::clone(&self).print().await;
            } else {
                self.check().await;
            }
            if changes.changed().await.is_err() {
                return;
            }
            // Kinds often come many at a time.
            tokio::time::sleep(SETTLE_TIME).await;
        }
    }

    async fn check(&self) {
        let mut press = self.press.lock().await;
        let kinds = kinds(&self.engine.catalog());
        let mut parts = std::mem::take(&mut *press);
        let checked = tokio::task::spawn_blocking(move || {
            let checked = Published::checked(&kinds, &mut parts);
            (checked, parts)
        });
        let (Checked { chosen, left_out }, parts) =
            checked.await.expect("checking a kind does not panic");
        *press = parts;
        self.report(&chosen, &left_out);
    }

    fn is_current(&self, edition: &Edition) -> bool {
        Arc::ptr_eq(&edition.catalog, &self.engine.catalog())
    }

    async fn print(self: Arc<Self>) -> Arc<Edition> {
        let mut press = self.press.lock().await;
        let before = self.newest.load_full();
        if let Some(before) = &before
            && self.is_current(before)
        {
            return Arc::clone(before);
        }
        let catalog = self.engine.catalog();
        let kinds: Arc<[Kind]> = kinds(&catalog).into();
        let edition = match before {
            // What changed says nothing of the schema: a status, or what is being deleted.
            Some(before) if are_same(&before.kinds, &kinds) => {
                Edition { catalog, ..Edition::clone(&before) }
            }
            _ => {
                let (edition, parts) = make(catalog, kinds, std::mem::take(&mut *press)).await;
                *press = parts;
                edition
            }
        };
        let edition = Arc::new(edition);
        self.newest.store(Some(Arc::clone(&edition)));
        let published = &edition.published;
        let in_schema = published.kinds.iter().map(|kind| Arc::clone(&kind.definition));
        self.report(&in_schema.collect::<Vec<_>>(), &published.left_out);
        edition
    }

    /// Says in the status of a definition that its kind is not in the schema, and when it is again.
    fn report(&self, in_schema: &[Arc<Definition>], left_out: &[(Arc<Definition>, LeftOut)]) {
        for definition in in_schema {
            let message = "the kind is in the schema".to_owned();
            let report = Report { holds: true, reason: "Published", message };
            self.engine.report(&definition.kind.resource(), CONDITION, report);
        }
        for (definition, why) in left_out {
            let resource = definition.kind.resource();
            tracing::warn!(%resource, %why, "a kind is not in the GraphQL schema");
            let report = Report { holds: false, reason: why.reason(), message: why.to_string() };
            self.engine.report(&resource, CONDITION, report);
        }
    }
}

/// Makes a schema. It keeps a processor busy for as long as it takes, so not one that serves.
async fn make(catalog: Arc<Catalog>, kinds: Arc<[Kind]>, mut parts: Parts) -> (Edition, Parts) {
    let wanted = Arc::clone(&kinds);
    let made = tokio::task::spawn_blocking(move || {
        let published = Published::of(&wanted, &mut parts);
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(published.sdl.as_bytes()));
        (Arc::new(published), format!("\"{hash}\"").into(), parts)
    });
    let (published, entity_tag, parts) = made.await.expect("making a schema does not panic");
    let documents = Arc::default();
    (Edition { catalog, kinds, published, entity_tag, documents }, parts)
}

/// The kinds in the order in which they get their names: core kinds, and then the earlier ones
/// before the later ones.
fn kinds(catalog: &Catalog) -> Vec<Kind> {
    let mut served: Vec<&Arc<Served>> =
        catalog.iter().filter(|it| it.default_version().served).collect();
    served.sort_by_key(|served| (!served.definition.core, served.declared, served.resource()));
    let with_version =
        |it: &Arc<Served>| (Arc::clone(&it.definition), Arc::clone(it.default_version()));
    served.into_iter().map(with_version).collect()
}

fn are_same(before: &[Kind], now: &[Kind]) -> bool {
    let same = |((a, _), (b, _)): (&Kind, &Kind)| Arc::ptr_eq(a, b);
    before.len() == now.len() && before.iter().zip(now).all(same)
}
