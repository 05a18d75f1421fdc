//! Which object is meant: kinds by their names, objects by theirs or by their ids.

use std::sync::Arc;

use pintle_engine::Served;
use pintle_model::{ObjectKey, Scope, Uid};

use super::Call;
use super::input::Input;
use crate::fault::Fault;
use crate::ids;
use crate::schema::KindTypes;

/// An object of a kind that is served.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) kind: Arc<KindTypes>,
    pub(crate) served: Arc<Served>,
    pub(crate) key: ObjectKey,
}

impl Call {
    /// The kind as the engine serves it now. The schema may be a moment behind.
    pub(crate) fn served(&self, kind: &KindTypes) -> Result<Arc<Served>, Fault> {
        let catalog = self.engine.catalog();
        let served = catalog.get(&kind.definition.kind.resource()).cloned();
        served.ok_or_else(|| {
            Fault::kind_not_served(format!(
                "{} is not served any more; ask for the schema again",
                kind.definition.kind.resource()
            ))
        })
    }

    /// The kind of a pair that names one: `apiVersion` and `kind`.
    pub(crate) fn kind_named(&self, names: Input<'_>) -> Result<Arc<KindTypes>, Fault> {
        let api_version = names.text("apiVersion").unwrap_or_default();
        let name = names.text("kind").unwrap_or_default();
        let mut kinds = self.published.kinds.iter();
        let found = kinds
            .find(|kind| *kind.definition.kind.kind == *name && kind.api_version() == api_version);
        found.cloned().ok_or_else(|| {
            let short = |text: &str| text.chars().take(128).collect::<String>();
            Fault::kind_not_served(format!(
                "no kind {:?} of apiVersion {:?} is served here",
                short(name),
                short(api_version)
            ))
        })
    }

    /// The object of a kind that a `NamespacedName` names.
    pub(crate) fn target(&self, kind: &Arc<KindTypes>, names: Input<'_>) -> Result<Target, Fault> {
        let served = self.served(kind)?;
        let namespace = namespace(kind, names.text("namespace"))?;
        let name = names.text("name").unwrap_or_default();
        if name.is_empty() {
            return Err(Fault::bad_input("the name of an object is not empty"));
        }
        let key = ObjectKey::new(served.resource(), namespace, name);
        Ok(Target { kind: Arc::clone(kind), served, key })
    }

    /// The object that an id means: one that this door gave out, or, where the kind is known, a
    /// uid. An id that belongs to nothing is asked for in all namespaces, so that whoever may not
    /// look everywhere is told the same whether it exists elsewhere or not.
    pub(crate) fn target_of_id(
        &self,
        kind: Option<&Arc<KindTypes>>,
        id: &str,
    ) -> Result<Option<Target>, Fault> {
        let (resource, uid) = match (ids::parse(id), kind) {
            (Some(found), _) => found,
            (None, Some(kind)) => (kind.definition.kind.resource(), Uid::from(id)),
            (None, None) => return Ok(None),
        };
        let Some(found) = self.published.kind(&resource) else { return Ok(None) };
        if kind.is_some_and(|kind| !Arc::ptr_eq(kind, found)) {
            return Ok(None);
        }
        let served = self.served(found)?;
        let key = self.engine.resolve(&resource, &uid).map(|object| object.key.clone());
        let key = key.unwrap_or_else(|| ObjectKey::new(resource, "", uid.as_str()));
        Ok(Some(Target { kind: Arc::clone(found), served, key }))
    }
}

/// The namespace that is meant: `default` where none is named; none for kinds that live in none.
pub(crate) fn namespace<'a>(kind: &KindTypes, given: Option<&'a str>) -> Result<&'a str, Fault> {
    let given = given.filter(|given| !given.is_empty());
    match (kind.definition.kind.scope, given) {
        (Scope::Namespaced, given) => Ok(given.unwrap_or("default")),
        (Scope::Cluster, None) => Ok(""),
        (Scope::Cluster, Some(_)) => Err(Fault::bad_input(format!(
            "the objects of {} are in no namespace; leave `namespace` out",
            kind.definition.kind.resource()
        ))),
    }
}
