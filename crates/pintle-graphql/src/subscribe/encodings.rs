//! Events as results, made once for all subscriptions that tell them alike.
//!
//! What an event looks like follows from the schema, the fields that are asked for, and those
//! variables that the fields below the root use. Where a subscription began and what it selects
//! decides *which* events it tells, so subscriptions that differ in that alone share their results.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use apollo_compiler::Name;
use apollo_compiler::ast::Value as Literal;
use apollo_compiler::response::{JsonMap, JsonValue};
use bytes::Bytes;
use pintle_http::{Audience as Alike, EventCache};
use pintle_model::{Object, Revision};
use serde_json::Value;

use crate::data::{Data, Record, Shown};
use crate::executor::field_fault;
use crate::numbers::Numbers;
use crate::plan::{Plan, Selection, Shape, ShapeOf};
use crate::prepare::Prepared;
use crate::project::{Path, Writer};
use crate::schema::{KindTypes, Published};

/// What an event does to what its reader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// It was there when the subscription began: an ADDED that is told to one subscription alone.
    Existing,
    Added,
    Modified,
    Deleted,
}

impl EventKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Existing | Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// Subscriptions that tell events alike.
#[derive(Debug)]
pub(crate) struct Audience {
    /// By a number that is never given out again.
    told: Alike<u64>,
    published: Arc<Published>,
    prepared: Prepared,
    /// The variables that results depend on.
    variables: Vec<(Name, JsonValue)>,
    only_when_changed: bool,
}

/// The newest results, and who they are for.
#[derive(Debug)]
pub(crate) struct Encodings {
    audiences: Mutex<Audiences>,
    next: AtomicU64,
    results: EventCache<u64>,
    numbers: Arc<Numbers>,
}

/// Those that there are, by the addresses of their plans.
#[derive(Debug, Default)]
struct Audiences {
    by_plan: HashMap<usize, Vec<Weak<Audience>>>,
    /// When there are so many plans, those are forgotten that nobody uses any more.
    sweep_at: usize,
}

impl Audiences {
    fn sweep(&mut self) {
        if self.by_plan.len() < self.sweep_at {
            return;
        }
        self.by_plan.retain(|_, alike| {
            alike.retain(|audience| audience.strong_count() > 0);
            !alike.is_empty()
        });
        self.sweep_at = (2 * self.by_plan.len()).max(64);
    }
}

impl Encodings {
    pub(crate) fn new(numbers: Arc<Numbers>) -> Self {
        Self {
            audiences: Mutex::default(),
            next: AtomicU64::new(0),
            results: EventCache::default(),
            numbers,
        }
    }

    /// The subscriptions that tell events as this one does.
    pub(crate) fn audience(
        &self,
        published: &Arc<Published>,
        prepared: Prepared,
        only_when_changed: bool,
    ) -> Arc<Audience> {
        let variables = used_variables(&prepared.plan, &prepared.variables);
        let mut audiences = locked(&self.audiences);
        audiences.sweep();
        // Plans are shared by those who sent the same document, and held by the audience, so their
        // address is theirs for as long as it lasts.
        let address = Arc::as_ptr(&prepared.plan).addr();
        let alike = audiences.by_plan.entry(address).or_default();
        alike.retain(|audience| audience.strong_count() > 0);
        let is_same = |known: &Arc<Audience>| {
            Arc::ptr_eq(&known.published, published)
                && Arc::ptr_eq(&known.prepared.plan, &prepared.plan)
                && known.only_when_changed == only_when_changed
                && known.variables == variables
        };
        if let Some(known) = alike.iter().filter_map(Weak::upgrade).find(is_same) {
            return known;
        }
        let told = Alike::new(self.next.fetch_add(1, Ordering::Relaxed));
        let published = Arc::clone(published);
        let made = Arc::new(Audience { told, published, prepared, variables, only_when_changed });
        alike.push(Arc::downgrade(&made));
        made
    }

    /// An event as a result; nothing when nothing of it that is asked for changed.
    pub(crate) fn event(
        &self,
        audience: &Audience,
        kind: &Arc<KindTypes>,
        event: EventKind,
        object: &Arc<Object>,
        before: Option<&Arc<Object>>,
    ) -> Option<Bytes> {
        self.numbers.one_told();
        if event == EventKind::Existing {
            return self.make(audience, kind, event, object, before);
        }
        self.results.get_or_nothing(&audience.told, event.name(), object, || {
            self.make(audience, kind, event, object, before)
        })
    }

    fn make(
        &self,
        audience: &Audience,
        kind: &Arc<KindTypes>,
        event: EventKind,
        object: &Arc<Object>,
        before: Option<&Arc<Object>>,
    ) -> Option<Bytes> {
        self.numbers.one_encoded();
        if audience.only_when_changed
            && let Some(before) = before
            && audience.shows_alike(kind, object, before)
        {
            return None;
        }
        Some(audience.result(&event_data(kind, event.name(), object)))
    }

    pub(crate) const fn numbers(&self) -> &Arc<Numbers> {
        &self.numbers
    }
}

impl Audience {
    /// The key of the field in results.
    pub(crate) fn key(&self) -> &str {
        self.prepared.plan.root.fields.first().map_or("", |field| &field.key)
    }

    /// Everything up to here was told.
    pub(crate) fn bookmark(&self, revision: Revision, ends_state: bool) -> Bytes {
        let event = Record::new("")
            .with("type", Data::Name("BOOKMARK"))
            .with("resourceVersion", revision.to_string())
            .with("initialEventsEnd", ends_state);
        self.result(&event.into())
    }

    /// The root field with this value.
    fn result(&self, event: &Data) -> Bytes {
        let mut writer = Writer::new(&self.prepared.variables);
        let written = writer.fields(&self.prepared.plan.root, None, |writer, field, at| {
            writer.value(event, &field.shape, at)
        });
        let Writer { out, errors, .. } = writer;
        let data = if written.is_ok() { &*out } else { "null" };
        if errors.is_empty() {
            return format!("{{\"data\":{data}}}").into();
        }
        let errors = errors.into_iter().map(|error| {
            let mut told = field_fault(&self.prepared, error).to_json("");
            // It is told to many, so it belongs to no one request.
            if let Some(extensions) = told.get_mut("extensions").and_then(Value::as_object_mut) {
                extensions.remove("requestId");
            }
            told
        });
        let errors = Value::Array(errors.collect());
        format!("{{\"errors\":{errors},\"data\":{data}}}").into()
    }

    /// Whether two versions of an object look the same here. What is asked about the event itself
    /// is not looked at; where nothing is asked about the object, nothing looks the same.
    fn shows_alike(&self, kind: &Arc<KindTypes>, a: &Arc<Object>, b: &Arc<Object>) -> bool {
        let (a, b) = (self.shown(kind, a), self.shown(kind, b));
        !a.is_empty() && a == b
    }

    fn shown(&self, kind: &Arc<KindTypes>, object: &Arc<Object>) -> String {
        let shown = shown(kind, object);
        let mut writer = Writer::new(&self.prepared.variables);
        for root in &self.prepared.plan.root.fields {
            let ShapeOf::Object(event) = &root.shape.of else { continue };
            for field in event.fields.iter().filter(|field| *field.name == *"object") {
                // What cannot be given is null in both.
                let _same = writer.value(&shown, &field.shape, Path::root(&field.key));
                writer.out.push(',');
            }
        }
        writer.out
    }
}

fn shown(kind: &Arc<KindTypes>, object: &Arc<Object>) -> Data {
    let (kind, object) = (Arc::clone(kind), Arc::clone(object));
    Arc::new(Shown { kind, object, whole: true }).into()
}

fn event_data(kind: &Arc<KindTypes>, event: &'static str, object: &Arc<Object>) -> Data {
    let event = Record::new("")
        .with("type", Data::Name(event))
        .with("resourceVersion", object.revision.to_string())
        .with("object", shown(kind, object))
        .with("initialEventsEnd", false);
    event.into()
}

/// The variables that fields below the root use, with their values.
fn used_variables(plan: &Plan, variables: &JsonMap) -> Vec<(Name, JsonValue)> {
    let mut names = Vec::new();
    let mut open: Vec<&Selection> = Vec::new();
    for field in &plan.root.fields {
        below(&field.shape, &mut open);
    }
    while let Some(selection) = open.pop() {
        for field in &selection.fields {
            for argument in &field.asked.arguments {
                named(&argument.value, &mut names);
            }
            below(&field.shape, &mut open);
        }
    }
    names.sort_unstable();
    names.dedup();
    let value = |name: Name| variables.get(name.as_str()).cloned().map(|value| (name, value));
    names.into_iter().filter_map(value).collect()
}

fn below<'p>(shape: &'p Shape, open: &mut Vec<&'p Selection>) {
    match &shape.of {
        ShapeOf::List(item) => below(item, open),
        ShapeOf::Object(selection) => open.push(selection),
        ShapeOf::Abstract(by_type) => open.extend(by_type.values().map(|selection| &**selection)),
        ShapeOf::TypeName | ShapeOf::Leaf(_) | ShapeOf::Introspection => {}
    }
}

fn named(literal: &Literal, names: &mut Vec<Name>) {
    match literal {
        Literal::Variable(name) => names.push(name.clone()),
        Literal::List(items) => items.iter().for_each(|item| named(item, names)),
        Literal::Object(fields) => fields.iter().for_each(|(_, value)| named(value, names)),
        Literal::Null
        | Literal::Boolean(_)
        | Literal::String(_)
        | Literal::Enum(_)
        | Literal::Int(_)
        | Literal::Float(_) => {}
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
