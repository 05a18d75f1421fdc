//! Definitions: which are served, what their status says, and what goes when they do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use pintle_authz::ReviewKind;
use pintle_model::{GroupResource, Json, Object, ObjectKey, Revision};
use pintle_schema::{Approval, Definition, core_definitions, core_views};
use serde_json::{Map, Value, json};

use super::worker::Hands;
use crate::engine::Shared;
use crate::{Catalog, Refusal, Served};

/// The condition of definitions in groups that belong to the Kubernetes community; upstream's name.
const APPROVAL: &str = "KubernetesAPIApprovalPolicyConformant";

/// The definitions that exist, compiled.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    state: Mutex<State>,
}

/// What a door has found out about a kind, for the status of its definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether the condition holds.
    pub holds: bool,
    /// Why, for programs.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
}

type Reports = BTreeMap<&'static str, Report>;

#[derive(Debug, Default)]
struct State {
    by_name: BTreeMap<Arc<str>, Compiled>,
    /// What doors said about definitions that exist.
    reports: BTreeMap<Arc<str>, Reports>,
    /// The verdicts on their names, as they are served.
    verdicts: BTreeMap<Arc<str>, Names>,
    /// Those that were put since they were last served.
    fresh: BTreeSet<Arc<str>>,
}

#[derive(Debug, Clone)]
struct Compiled {
    key: ObjectKey,
    /// Whoever has contested names keeps them; else earlier definitions win.
    has_names: bool,
    created: Revision,
    since: Revision,
    /// The first of the versions that its status notes as stored.
    first_stored: Option<Arc<str>>,
    terminating: bool,
    definition: Result<Arc<Definition>, String>,
}

impl Definitions {
    /// Takes in a definition that is new or was changed.
    pub(crate) fn put(&self, object: &Object) {
        self.lock().put(object);
    }

    pub(crate) fn remove(&self, name: &str) {
        let mut state = self.lock();
        state.by_name.remove(name);
        state.reports.remove(name);
    }

    /// Takes in that exactly these definitions exist.
    pub(crate) fn replace(&self, objects: &[Arc<Object>]) {
        let names: BTreeSet<_> = objects.iter().map(|object| &object.key.name.name).collect();
        let mut state = self.lock();
        state.by_name.retain(|name, _| names.contains(name));
        for object in objects {
            state.put(object);
        }
    }

    /// The key of a definition, if that is being deleted.
    pub(crate) fn terminating(&self, name: &str) -> Option<ObjectKey> {
        let state = self.lock();
        state.by_name.get(name).filter(|it| it.terminating).map(|it| it.key.clone())
    }

    /// Serves the core kinds and every definition whose names are its own. Gives back the
    /// definitions of which there is something new to say.
    pub(crate) fn serve(&self, shared: &Shared) -> Vec<ObjectKey> {
        let mut state = self.lock();
        let verdicts = state.judged();
        let mut catalog = Catalog::core();
        for (name, names) in &verdicts {
            let Some(compiled) = state.by_name.get(name) else { continue };
            if let (Ok(definition), Names::Accepted { .. }) = (&compiled.definition, names) {
                let definition = Arc::clone(definition);
                let Compiled { created, since, terminating, .. } = *compiled;
                let steps = shared.conversions.of(&definition.kind.resource());
                let served = Served::new(definition, created, since, terminating);
                catalog.insert(served.converting(steps, compiled.first_stored.as_deref()));
            }
        }
        shared.serve(catalog);
        let fresh = std::mem::take(&mut state.fresh);
        let news = verdicts
            .iter()
            .filter(|(name, names)| {
                fresh.contains(*name) || state.verdicts.get(*name) != Some(names)
            })
            .filter_map(|(name, _)| state.by_name.get(name))
            .map(|compiled| compiled.key.clone())
            .collect();
        state.verdicts = verdicts;
        news
    }

    /// Takes in what a door says of a kind. Gives back the definition, if that is news.
    pub(crate) fn report(
        &self,
        kind: &GroupResource,
        condition: &'static str,
        report: Report,
    ) -> Option<ObjectKey> {
        let mut state = self.lock();
        let (name, compiled) = state.by_name.get_key_value(kind.as_str())?;
        let (name, key) = (Arc::clone(name), compiled.key.clone());
        let reports = state.reports.entry(name).or_default();
        if reports.get(condition) == Some(&report) {
            return None;
        }
        reports.insert(condition, report);
        Some(key)
    }

    /// What became of one definition.
    fn judge(&self, name: &str) -> Option<(Compiled, Names, Reports)> {
        let state = self.lock();
        let reports = state.reports.get(name).cloned().unwrap_or_default();
        Some((state.by_name.get(name)?.clone(), state.verdicts.get(name)?.clone(), reports))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

impl State {
    fn put(&mut self, object: &Object) {
        let name = Arc::clone(&object.key.name.name);
        let known = self.by_name.get(&name);
        let definition = match known.filter(|known| known.since == object.body_revision) {
            Some(known) => known.definition.clone(),
            None => compile(object),
        };
        let keeps_names = known.is_some_and(|known| {
            self.verdicts.get(&name).is_some_and(Names::are_accepted)
                && same_claims(&known.definition, &definition)
        });
        let compiled = Compiled {
            key: object.key.clone(),
            has_names: keeps_names || says_names_accepted(object),
            created: object.created_revision,
            since: object.body_revision,
            first_stored: first_stored(object),
            terminating: object.metadata.is_terminating(),
            definition,
        };
        self.fresh.insert(Arc::clone(&name));
        self.by_name.insert(name, compiled);
    }

    /// The verdict on the names of every definition.
    fn judged(&self) -> BTreeMap<Arc<str>, Names> {
        let mut all: Vec<(&Arc<str>, &Compiled)> = self.by_name.iter().collect();
        all.sort_by_key(|(_, compiled)| (!compiled.has_names, compiled.created));
        let mut taken = claims_of_the_server();
        let judged = all.into_iter().map(|(name, compiled)| {
            let names = match &compiled.definition {
                Ok(definition) => claim(&mut taken, definition),
                Err(_) => Names::Accepted { shared_with: Vec::new() },
            };
            (Arc::clone(name), names)
        });
        let mut verdicts = judged.collect();
        note_shared(&mut verdicts);
        verdicts
    }
}

/// Whether the names of a definition are its own.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    Accepted {
        /// The definitions of other groups with the same plural: then it stands for none of them
        /// alone, or for the server's own kind.
        shared_with: Vec<Arc<str>>,
    },
    Taken(String),
}

impl Names {
    const fn are_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }

    fn shared_in_words(&self) -> Option<String> {
        let Self::Accepted { shared_with } = self else { return None };
        let (first, more) = shared_with.split_first()?;
        let more = match more.len() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        Some(format!("{first}{more} has the same plural: name the group, too, in paths"))
    }
}

/// Notes who shares a plural with whom. The names of definitions begin with it.
fn note_shared(verdicts: &mut BTreeMap<Arc<str>, Names>) {
    let core = core_definitions();
    let of_the_server = core.iter().map(|it| Arc::from(it.kind.resource().as_str()));
    let accepted = verdicts.iter().filter(|(_, names)| names.are_accepted());
    let mut by_plural: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
    for name in accepted.map(|(name, _)| Arc::clone(name)).chain(of_the_server) {
        by_plural.entry(plural_of(&name).into()).or_default().push(name);
    }
    for (name, names) in verdicts {
        if let Names::Accepted { shared_with } = names {
            let same = by_plural.get(plural_of(name)).into_iter().flatten();
            *shared_with = same.filter(|other| *other != name).cloned().collect();
        }
    }
}

fn plural_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(plural, _)| plural)
}

/// The names that a definition claims: within a group, each of them belongs to one kind.
fn claims(definition: &Definition) -> Vec<(Arc<str>, &'static str, Arc<str>)> {
    let kind = &definition.kind;
    let group = &kind.group;
    let resources = [&kind.plural, &kind.singular].into_iter().chain(&kind.short_names);
    let kinds = [&kind.kind, &kind.list_kind];
    let mut claims: Vec<_> = resources
        .map(|name| (Arc::clone(group), "resource", Arc::clone(name)))
        .chain(kinds.map(|name| (Arc::clone(group), "kind", Arc::clone(name))))
        .collect();
    claims.sort();
    claims.dedup();
    claims
}

/// What no declaration may claim: the core kinds, and the questions about rights, which are no
/// kinds. A kind of such a name would give its readers and writers the right to ask them.
fn claims_of_the_server() -> BTreeSet<(Arc<str>, &'static str, Arc<str>)> {
    let of_reviews = ReviewKind::ALL.into_iter().flat_map(|review| {
        let resource = review.resource();
        let group: Arc<str> = resource.group().into();
        [
            (Arc::clone(&group), "resource", resource.plural().into()),
            (group, "kind", review.kind().into()),
        ]
    });
    let core = core_definitions();
    let views = core_views();
    let of_views = views.iter().flat_map(|view| claims(&view.definition));
    core.iter().flat_map(|it| claims(it)).chain(of_reviews).chain(of_views).collect()
}

fn claim(
    taken: &mut BTreeSet<(Arc<str>, &'static str, Arc<str>)>,
    definition: &Definition,
) -> Names {
    let claims = claims(definition);
    if let Some((_, _, name)) = claims.iter().find(|claim| taken.contains(*claim)) {
        return Names::Taken(format!("{name:?} is already in use in this group"));
    }
    taken.extend(claims);
    Names::Accepted { shared_with: Vec::new() }
}

fn same_claims(a: &Result<Arc<Definition>, String>, b: &Result<Arc<Definition>, String>) -> bool {
    matches!((a, b), (Ok(a), Ok(b)) if claims(a) == claims(b))
}

/// Whether the status says that these very names were accepted, as it does after a restart.
fn says_names_accepted(object: &Object) -> bool {
    let Some(status) = object.status.as_ref().map(Json::to_value) else { return false };
    let body = object.body.to_map();
    let names = body.get("spec").and_then(|spec| spec.get("names"));
    names.is_some() && status.get("acceptedNames") == names
}

/// The version that objects of a kind were stored in first, as far as its status says.
pub(crate) fn first_stored(object: &Object) -> Option<Arc<str>> {
    let status = object.status.as_ref()?.to_value();
    let first = status.get("storedVersions")?.as_array()?.first()?;
    first.as_str().map(Arc::from)
}

fn compile(object: &Object) -> Result<Arc<Definition>, String> {
    Definition::from_crd(&object.key.name.name, &object.body.to_map())
        .map(Arc::new)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// Writes what became of a definition, and cleans up after one that is deleted.
pub(super) async fn look_after(hands: &Hands, key: &ObjectKey) -> Result<(), Refusal> {
    let Some(object) = hands.peek(key) else { return Ok(()) };
    let Some((compiled, names, reports)) = hands.work.definitions.judge(&key.name.name) else {
        return Ok(());
    };
    let status = status(&object, &compiled, &names, &reports, hands);
    hands.write_status(key, status).await?;
    let finalizer = pintle_rules::cleanup_finalizer(&key.resource).unwrap_or_default();
    let cleans_up = object.metadata.finalizers.iter().any(|name| name == finalizer);
    if object.metadata.is_terminating() && cleans_up {
        let resource = GroupResource::from_text(&key.name.name);
        // Names that never were its own have no objects that are its own.
        let owns = names.are_accepted();
        if !owns || hands.delete_all(&resource, None).await? {
            hands.let_go(&object).await?;
        }
    }
    Ok(())
}

/// The status of a definition, as Kubernetes words it.
fn status(
    object: &Object,
    compiled: &Compiled,
    names: &Names,
    reports: &Reports,
    hands: &Hands,
) -> Value {
    let (accepted, why, message) = match (&compiled.definition, names) {
        (Err(faults), _) => ("False", "InvalidDefinition", faults.as_str()),
        (Ok(_), Names::Taken(what)) => ("False", "NamesConflict", what.as_str()),
        (Ok(_), Names::Accepted { .. }) => ("True", "NoConflicts", "no conflicts found"),
    };
    let served = accepted == "True";
    let established = if served {
        ("True", "InitialNamesAccepted", "the initial names have been accepted")
    } else {
        ("False", "NotAccepted", "not all names are accepted")
    };
    let mut conditions =
        vec![("NamesAccepted", (accepted, why, message)), ("Established", established)];
    let shared = names.shared_in_words();
    if let Some(message) = &shared {
        conditions.push(("ShortNameUnique", ("False", "PluralIsShared", message)));
    }
    let approval = Approval::of(&object.key.name.name, &object.metadata.annotations);
    let approval = approval.as_ref().map(|approval| (approval, approval.to_string()));
    if let Some((approval, message)) = &approval {
        let status = if approval.is_given() { "True" } else { "False" };
        conditions.push((APPROVAL, (status, approval.reason(), message)));
    }
    if object.metadata.is_terminating() {
        let message = "the objects of this kind are being removed";
        conditions.push(("Terminating", ("True", "InstanceDeletionInProgress", message)));
    }
    let stored = object.status.as_ref().map(Json::to_value).unwrap_or_default();
    let now = hands.now().seconds();
    let mut conditions: Vec<Value> =
        conditions.into_iter().map(|(kind, found)| condition(&stored, kind, found, &now)).collect();
    conditions.extend(other_conditions(&stored, reports, &now));
    let body = object.body.to_map();
    let names = body.get("spec").and_then(|spec| spec.get("names")).cloned();
    json!({
        "acceptedNames": names.filter(|_| served).unwrap_or_else(|| json!({"plural": "", "kind": ""})),
        "conditions": conditions,
        "storedVersions": stored_versions(&stored, &body),
    })
}

/// The conditions that are not about names and lives: what doors report, and what others have
/// written.
fn other_conditions(stored: &Value, reports: &Reports, now: &str) -> Vec<Value> {
    const OWN: [&str; 5] =
        ["NamesAccepted", "Established", "ShortNameUnique", APPROVAL, "Terminating"];
    let list = stored.get("conditions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let kind_of = |entry: &Value| entry.get("type").and_then(Value::as_str).map(str::to_owned);
    let is_other = |entry: &&Value| {
        kind_of(entry).is_some_and(|kind| !OWN.contains(&&*kind) && !reports.contains_key(&*kind))
    };
    let told = reports.iter().filter(|(kind, report)| {
        // That all is well goes without saying, unless the opposite was said.
        !report.holds || list.iter().any(|entry| kind_of(entry).as_deref() == Some(**kind))
    });
    let told = told.map(|(kind, report)| {
        let status = if report.holds { "True" } else { "False" };
        condition(stored, kind, (status, report.reason, &report.message), now)
    });
    told.chain(list.iter().filter(is_other).cloned()).collect()
}

fn condition(
    stored: &Value,
    kind: &str,
    (status, reason, message): (&str, &str, &str),
    now: &str,
) -> Value {
    let before = stored
        .get("conditions")
        .and_then(Value::as_array)
        .and_then(|list| list.iter().find(|entry| entry.get("type") == Some(&json!(kind))))
        .filter(|entry| entry.get("status") == Some(&json!(status)));
    let since = before.and_then(|entry| entry.get("lastTransitionTime")).cloned();
    json!({
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since.unwrap_or_else(|| json!(now)),
    })
}

/// Versions that objects may have been stored in: those noted before, and the one of now.
fn stored_versions(stored: &Value, body: &Map<String, Value>) -> Vec<Value> {
    let noted = stored.get("storedVersions").and_then(Value::as_array);
    let mut versions: Vec<Value> = noted.cloned().unwrap_or_default();
    let declared = body.get("spec").and_then(|spec| spec.get("versions")).and_then(Value::as_array);
    let storage = declared
        .and_then(|list| list.iter().find(|version| version.get("storage") == Some(&json!(true))))
        .and_then(|version| version.get("name"));
    if let Some(storage) = storage
        && !versions.contains(storage)
    {
        versions.push(storage.clone());
    }
    versions
}
