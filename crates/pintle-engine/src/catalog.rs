//! Which kinds are served now.
//!
//! A [`Catalog`] is an immutable snapshot; the lifecycle of definitions swaps it as a whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pintle_model::{GroupResource, Revision};
use pintle_schema::{Definition, Version, View, core_definitions, core_views};

use crate::conversion::Steps;

/// One kind that is served.
#[derive(Debug, Clone)]
pub struct Served {
    /// What it is.
    pub definition: Arc<Definition>,
    /// The revision at which its schemas last changed; zero for core kinds.
    pub since: Revision,
    /// The revision at which it was declared; zero for core kinds. Where kinds contest a name, the
    /// earlier one has it.
    pub declared: Revision,
    /// Whether it is being deleted: what exists can be read and removed, nothing new be made.
    pub terminating: bool,
    /// The version that values are in of which it was not noted.
    pub(crate) first_stored: Arc<str>,
    /// How its versions are converted; nothing where they are not.
    pub(crate) steps: Option<Arc<Steps>>,
    /// Its key, made once: every request needs it.
    resource: GroupResource,
}

impl Served {
    pub(crate) fn new(
        definition: Arc<Definition>,
        declared: Revision,
        since: Revision,
        terminating: bool,
    ) -> Self {
        let resource = definition.kind.resource();
        let first_stored = Arc::clone(&definition.storage_version().name);
        let steps = None;
        Self { definition, since, declared, terminating, first_stored, steps, resource }
    }

    /// The same kind with its conversions, and with what its values were stored in at first.
    pub(crate) fn converting(self, steps: Option<Arc<Steps>>, first_stored: Option<&str>) -> Self {
        let first_stored = first_stored.map_or(self.first_stored, Arc::from);
        Self { first_stored, steps, ..self }
    }

    /// The version that doors without versions in their paths speak: the stored one if it is
    /// served, else the preferred one.
    pub fn default_version(&self) -> &Arc<Version> {
        let storage = self.definition.storage_version();
        if storage.served {
            storage
        } else {
            self.definition.preferred_version().unwrap_or(storage)
        }
    }

    /// `devices.infra.example.io`.
    pub fn resource(&self) -> GroupResource {
        self.resource.clone()
    }

    /// Whether the objects of this resource are its own.
    pub(crate) fn is_of(&self, resource: &GroupResource) -> bool {
        self.resource == *resource
    }
}

/// All kinds that are served.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    by_resource: BTreeMap<GroupResource, Arc<Served>>,
    /// In the order of their groups.
    by_plural: HashMap<Arc<str>, Vec<Arc<Served>>>,
    /// By the resource that they are asked for as.
    views: BTreeMap<GroupResource, (Arc<Served>, Arc<View>)>,
}

impl Catalog {
    /// The kinds that the server has without being told.
    pub(crate) fn core() -> Self {
        let mut catalog = Self::default();
        for definition in core_definitions() {
            catalog.insert(Served::new(definition, Revision::ZERO, Revision::ZERO, false));
        }
        for view in core_views() {
            let served =
                Served::new(Arc::clone(&view.definition), Revision::ZERO, Revision::ZERO, false);
            catalog.views.insert(served.resource(), (Arc::new(served), view));
        }
        catalog
    }

    /// The kind that shows, under this resource, the objects of another one.
    pub fn view(&self, resource: &GroupResource) -> Option<&(Arc<Served>, Arc<View>)> {
        self.views.get(resource)
    }

    /// All kinds that show the objects of others. They are for doors that have Kubernetes' names.
    pub fn views(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.views.values().map(|(served, _)| served)
    }

    /// What a server would serve that was given these definitions and nothing else.
    pub fn declaring(definitions: impl IntoIterator<Item = Definition>) -> Self {
        let mut catalog = Self::core();
        for definition in definitions {
            let definition = Arc::new(definition);
            catalog.insert(Served::new(definition, Revision::ZERO, Revision::ZERO, false));
        }
        catalog
    }

    /// The kind of this resource.
    pub fn get(&self, resource: &GroupResource) -> Option<&Arc<Served>> {
        self.by_resource.get(resource)
    }

    /// The kinds that share this plural name, in the order of their groups.
    pub fn by_plural(&self, plural: &str) -> impl Iterator<Item = &Arc<Served>> {
        self.by_plural.get(plural).into_iter().flatten()
    }

    /// The kind that a plural name alone stands for. A kind that the server has by itself keeps its
    /// name whatever somebody declares; among declared kinds, nobody is first.
    pub fn by_short_name(&self, plural: &str) -> Option<&Arc<Served>> {
        match &**self.by_plural.get(plural)? {
            [only] => Some(only),
            same => same.iter().find(|served| served.definition.core),
        }
    }

    /// Whether its plural name alone stands for this kind.
    pub fn has_short_name(&self, served: &Served) -> bool {
        let found = self.by_short_name(&served.definition.kind.plural);
        found.is_some_and(|found| found.resource == served.resource)
    }

    /// All kinds, in the order of their resources.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.by_resource.values()
    }

    /// The resource of `kind` in the group of `api_version`.
    pub fn resource_of(&self, api_version: &str, kind: &str) -> Option<GroupResource> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.iter()
            .find(|served| {
                *served.definition.kind.group == *group && *served.definition.kind.kind == *kind
            })
            .map(|served| served.resource())
    }

    pub(crate) fn insert(&mut self, served: Served) {
        let served = Arc::new(served);
        let same = self.by_plural.entry(Arc::clone(&served.definition.kind.plural)).or_default();
        same.retain(|other| other.resource != served.resource);
        same.push(Arc::clone(&served));
        same.sort_by(|one, other| one.resource.cmp(&other.resource));
        self.by_resource.insert(served.resource(), served);
    }
}
