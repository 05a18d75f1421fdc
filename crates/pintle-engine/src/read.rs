//! Reads: one object, and many as they all were at one revision.

use std::borrow::Cow;
use std::sync::Arc;

use pintle_authz::{Ask, Asks, Granted, Subresource, User, Verb};
use pintle_model::{
    FieldSelector, GroupResource, LabelSelector, Object, ObjectKey, ObjectName, Revision,
};
use pintle_schema::Version;
use pintle_store::{ListQuery, Page};

use crate::lens::Lens;
use crate::{Engine, Refusal, Served, ask_for};

/// One object.
#[derive(Debug, Clone)]
pub struct Get {
    /// Which one.
    pub key: ObjectKey,
    /// The version of its kind that the request speaks.
    pub version: Arc<Version>,
    /// The part that is asked for, when rights on that part alone should do.
    pub subresource: Option<Subresource>,
}

impl Asks for Get {
    fn ask(&self) -> Ask {
        ask_for(Verb::Get, &self.key, self.subresource.clone())
    }
}

/// Which objects of a resource a list or watch is about.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The kind.
    pub served: Arc<Served>,
    /// The version of it that the request speaks, which declares what fields can be selected by.
    pub version: Arc<Version>,
    /// In one namespace; nothing for all of them, and for cluster scope.
    pub namespace: Option<Arc<str>>,
    /// By their labels.
    pub labels: LabelSelector,
    /// By their fields.
    pub fields: FieldSelector,
}

impl Selection {
    /// `devices.infra.example.io`.
    pub fn resource(&self) -> GroupResource {
        self.served.resource()
    }

    /// Refuses a field selector over fields that the kind does not declare.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let empty = serde_json::Map::new();
        for term in &self.fields.terms {
            let known = matches!(term.path.as_str(), "metadata.name" | "metadata.namespace")
                || self.version.selectable_text(&term.path, &empty, None).is_some();
            if !known {
                return Err(Refusal::NotSelectable { field: term.path.clone() });
            }
        }
        Ok(())
    }

    /// Whether an object is of the kind and lives where this looks: a matter of rights, and the
    /// same for its whole life.
    pub(crate) fn reaches(&self, object: &Object) -> bool {
        self.served.is_of(&object.key.resource)
            && self
                .namespace
                .as_deref()
                .is_none_or(|namespace| namespace == &*object.key.name.namespace)
    }

    /// Whether an object is meant.
    pub(crate) fn matches(&self, object: &Object) -> bool {
        self.reaches(object)
            && self.labels.matches(&object.metadata.labels)
            && (self.fields.is_everything() || self.fields_match(object))
    }

    /// Whether a stored object can be one of those that are selected, by all that is the same in
    /// every version. Of others nothing is said, not even that they cannot be converted.
    pub(crate) fn may_match(&self, stored: &Object) -> bool {
        self.reaches(stored)
            && self.labels.matches(&stored.metadata.labels)
            && self.fields.terms.iter().all(|term| {
                let text = match &*term.path {
                    "metadata.name" => &stored.key.name.name,
                    "metadata.namespace" => &stored.key.name.namespace,
                    _ => return true,
                };
                (**text == *term.value) == term.equal
            })
    }

    fn fields_match(&self, object: &Object) -> bool {
        // The lanes are only read as trees when a term asks for more than metadata.
        let mut lanes = None;
        self.fields.matches(|path| match path {
            "metadata.name" => Cow::Borrowed(&*object.key.name.name),
            "metadata.namespace" => Cow::Borrowed(&*object.key.name.namespace),
            path => {
                let (body, status) = lanes.get_or_insert_with(|| {
                    let status = object.status.as_ref().map(pintle_model::Json::to_value);
                    (object.body.to_map(), status)
                });
                let text = self.version.selectable_text(path, body, status.as_ref());
                Cow::Owned(text.unwrap_or_default().into_owned())
            }
        })
    }

    /// The question to the rules. As upstream, what is narrowed to one name may be done by whoever
    /// may do it to the object of that name.
    pub(crate) fn ask(&self, verb: Verb) -> Ask {
        let name = self.fields.exact("metadata.name").filter(|name| !name.is_empty());
        Ask {
            verb,
            resource: self.resource(),
            subresource: None,
            namespace: self.namespace.clone(),
            name: name.map(Arc::from),
        }
    }
}

/// Many objects.
#[derive(Debug, Clone)]
pub struct List {
    /// Which ones.
    pub selection: Selection,
    /// At most so many, at least one; nothing for all of them.
    pub limit: Option<usize>,
    /// Only those after this name: where the last page ended.
    pub after: Option<ObjectName>,
    /// As things were at this revision; nothing for now.
    pub at: Option<Revision>,
}

impl Asks for List {
    fn ask(&self) -> Ask {
        self.selection.ask(Verb::List)
    }
}

/// Many objects, which are to be removed together.
#[derive(Debug, Clone)]
pub struct Removal(pub List);

impl Asks for Removal {
    fn ask(&self) -> Ask {
        self.0.selection.ask(Verb::DeleteCollection)
    }
}

/// Objects as they all were at one revision.
#[derive(Debug, Clone)]
pub struct Listed {
    /// In key order.
    pub objects: Vec<Arc<Object>>,
    /// The revision of the snapshot.
    pub revision: Revision,
    /// Whether there may be more after the last one; then the next page starts after this name.
    pub next: Option<ObjectName>,
}

impl Engine {
    /// One object, as fresh as the store has it.
    pub async fn get(&self, granted: &Granted<Get>) -> Result<Arc<Object>, Refusal> {
        let Get { key, version, .. } = granted.get();
        let found = self.store().get(key).await?;
        let found = found.ok_or(Refusal::Rules(pintle_rules::Refusal::NotFound))?;
        // First, so that nothing is said of an object that the caller is not to know of.
        let for_hook = || self.shared().for_hook(&found);
        self.ask_hook(granted, |hook, user| hook.can_get(user, &*for_hook()?))?;
        let catalog = self.catalog();
        let shown = match catalog.get(&key.resource) {
            Some(served) => {
                let version = served.definition.version(&version.name);
                Lens::new(served, version.unwrap_or(served.default_version())).show(&found)?
            }
            None => Arc::clone(&found),
        };
        Ok(shown)
    }

    /// Many objects from one snapshot. Each grant adds one namespace (or all of them) of the same
    /// resource; limit and position are taken from the first.
    pub async fn list(&self, grants: &[Granted<List>]) -> Result<Listed, Refusal> {
        let granted = grants.first().ok_or(Refusal::Internal("a list of nothing".into()))?;
        let lists: Vec<&List> = grants.iter().map(Granted::get).collect();
        self.list_for(granted.user(), &lists).await
    }

    /// What somebody may remove together, from one snapshot. What the hook does not let them list
    /// is not among it.
    pub async fn list_to_remove(&self, granted: &Granted<Removal>) -> Result<Listed, Refusal> {
        self.list_for(granted.user(), &[&granted.get().0]).await
    }

    async fn list_for(&self, user: &User, lists: &[&List]) -> Result<Listed, Refusal> {
        let first = lists.first().ok_or(Refusal::Internal("a list of nothing".into()))?;
        let shared = self.shared();
        let is_shown =
            |it: &Arc<Object>| shared.hook_lets(it, |hook, seen| hook.can_list(user, seen));
        let mut selections: Vec<_> = lists.iter().map(|list| &list.selection).collect();
        check_selections(&selections)?;
        // Where a page ends says nothing of namespaces that come later.
        selections.sort_by(|a, b| a.namespace.cmp(&b.namespace));
        let limit = first.limit.unwrap_or(usize::MAX);
        let mut listed = Listed { objects: Vec::new(), revision: Revision::ZERO, next: None };
        let mut at = first.at;
        for selection in selections {
            let lens = self.shared().lens(selection);
            let mut after = first.after.clone();
            loop {
                let page = self.page(selection, after.as_ref(), at).await?;
                at = Some(page.revision);
                listed.revision = page.revision;
                after = page.objects.last().map(|object| object.key.name.clone());
                let stored = page.objects.iter();
                for stored in stored.filter(|it| selection.may_match(it) && is_shown(it)) {
                    let object = lens.show(stored)?;
                    if !selection.matches(&object) {
                        continue;
                    }
                    if listed.objects.len() == limit {
                        listed.next = listed.objects.last().map(|last| last.key.name.clone());
                        return Ok(listed);
                    }
                    listed.objects.push(object);
                }
                if !page.more {
                    break;
                }
                // A long list takes turns with everybody else.
                tokio::task::yield_now().await;
            }
        }
        Ok(listed)
    }

    /// How many objects there are after a name, in what a list was granted for, as of a revision.
    /// Selectors are not looked at. Nothing where a hook decides which of them are shown: how many
    /// it hides is nobody's business.
    pub async fn count_after(
        &self,
        granted: &Granted<List>,
        after: &ObjectName,
        at: Revision,
    ) -> Result<Option<usize>, Refusal> {
        if self.shared().hook.is_some() {
            return Ok(None);
        }
        let selection = &granted.get().selection;
        let mut after = after.clone();
        let mut count = 0;
        loop {
            let page = self.page(selection, Some(&after), Some(at)).await?;
            count += page.objects.len();
            match page.objects.last() {
                Some(last) if page.more => after = last.key.name.clone(),
                _ => return Ok(Some(count)),
            }
            // As a long list does.
            tokio::task::yield_now().await;
        }
    }

    async fn page(
        &self,
        selection: &Selection,
        after: Option<&ObjectName>,
        at: Option<Revision>,
    ) -> Result<Page, Refusal> {
        let resource = selection.resource();
        let query = ListQuery {
            resource: &resource,
            namespace: selection.namespace.as_deref(),
            after,
            limit: self.limits().list_page,
            at,
        };
        Ok(self.store().list(query).await?)
    }
}

/// Refuses selections that do not belong together, and fields that cannot be selected by.
fn check_selections(selections: &[&Selection]) -> Result<(), Refusal> {
    let differ = |pair: &[&Selection]| matches!(pair, [a, b] if a.resource() != b.resource());
    if selections.windows(2).any(differ) {
        return Err(Refusal::Internal("a read of several resources at once".into()));
    }
    selections.iter().try_for_each(|selection| selection.check())
}
