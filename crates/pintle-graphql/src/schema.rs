//! The schema of the kinds that are served at one moment.
//!
//! The text is made anew from the kinds, always the same for the same kinds: core kinds first, then
//! the declared ones in the order in which they were declared. A kind has short names (`Device`)
//! unless an earlier one has them; then it has long ones that carry its group
//! (`Device_infra_example_io`). A kind that comes later therefore never renames an earlier one.

mod base;
mod kind;
mod names;
mod parts;
mod shapes;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use apollo_compiler::collections::HashMap as FastMap;
use apollo_compiler::schema::Implementers;
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Schema};
use pintle_model::GroupResource;
use pintle_schema::{Definition, Version};

use kind::KindText;
pub use kind::KindTypes;
pub use parts::Parts;
use parts::{Names, Part};
pub(crate) use shapes::Keys;

use crate::leaf::Leaf;

/// A schema that can be executed against.
#[derive(Debug)]
pub struct Published {
    /// The schema as text.
    pub sdl: Arc<str>,
    /// The kinds in it.
    pub kinds: Vec<Arc<KindTypes>>,
    /// Kinds that could not be expressed, and why.
    pub left_out: Vec<(Arc<Definition>, LeftOut)>,
    pub(crate) schema: Valid<Schema>,
    pub(crate) implementers: FastMap<Name, Implementers>,
    pub(crate) roots: HashMap<Box<str>, Root>,
    parts: Vec<Arc<Part>>,
    /// Which part a type belongs to.
    owners: FastMap<Name, usize>,
    by_resource: HashMap<GroupResource, Arc<KindTypes>>,
}

/// Which kinds a schema would have.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) chosen: Vec<Arc<Definition>>,
    pub(crate) left_out: Vec<(Arc<Definition>, LeftOut)>,
}

/// The enum of all kinds that have conditions.
static CONDITION_STATUS: LazyLock<Leaf> = LazyLock::new(|| {
    let value = |name: &str, json: &str| (Box::from(name), Box::from(json));
    Leaf::Enum(vec![value("TRUE", "True"), value("FALSE", "False"), value("UNKNOWN", "Unknown")])
});

/// Why a kind is not in the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeftOut {
    /// Its names are taken, the long ones too.
    #[error("the name {0} is taken by another kind")]
    NameConflict(String),
    /// Its types are not valid.
    #[error("its types are not valid: {0}")]
    InvalidSchema(String),
}

impl LeftOut {
    /// As a condition names it.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::NameConflict(_) => "NameConflict",
            Self::InvalidSchema(_) => "InvalidSchema",
        }
    }
}

/// What a root field does.
#[derive(Debug, Clone)]
pub(crate) enum Root {
    Node,
    Nodes,
    Resource,
    Resources,
    Get(Arc<KindTypes>),
    List(Arc<KindTypes>),
    Create(Arc<KindTypes>),
    Update(Arc<KindTypes>),
    Patch(Arc<KindTypes>),
    Delete(Arc<KindTypes>),
    UpdateStatus(Arc<KindTypes>),
    PatchStatus(Arc<KindTypes>),
    ApplyConditions(Arc<KindTypes>),
    BulkUpdateStatus(Arc<KindTypes>),
    UpdateResourceStatus,
    PatchResourceStatus,
    Watch(Arc<KindTypes>),
    WatchResources,
}

impl Published {
    /// The schema of these kinds, in this order: earlier ones win names. What was made of a kind
    /// before is taken from `made`.
    pub fn of(kinds: &[(Arc<Definition>, Arc<Version>)], made: &mut Parts) -> Self {
        made.keep();
        let Chosen { picked, left_out, .. } = Chosen::of(kinds, made);
        let part =
            |Picked { definition, version, long }: &Picked| made.part(definition, version, *long);
        let parts: Vec<Arc<Part>> = picked.iter().map(part).filter_map(Result::ok).collect();
        let texts: Vec<&KindText> = parts.iter().map(|part| &part.text).collect();
        let sdl = base::sdl(&texts).into();
        let schema = parts::composed(&parts);
        let implementers = schema.implementers_map();
        let kinds: Vec<_> = parts.iter().map(|part| Arc::clone(&part.kind)).collect();
        let roots = kinds.iter().flat_map(roots_of).chain(generic_roots()).collect();
        let owned = parts
            .iter()
            .enumerate()
            .flat_map(|(index, part)| part.type_names().map(move |name| (name.clone(), index)));
        let owners = owned.collect();
        let of_kind = |kind: &Arc<KindTypes>| (kind.definition.kind.resource(), Arc::clone(kind));
        let by_resource = kinds.iter().map(of_kind).collect();
        Self { sdl, kinds, left_out, schema, implementers, roots, parts, owners, by_resource }
    }

    /// Which of these kinds a schema would have, without making it.
    pub(crate) fn checked(kinds: &[(Arc<Definition>, Arc<Version>)], made: &mut Parts) -> Checked {
        let Chosen { picked, left_out, .. } = Chosen::of(kinds, made);
        Checked { chosen: picked.into_iter().map(|it| it.definition).collect(), left_out }
    }

    /// The kind of this resource, if it is in the schema.
    pub(crate) fn kind(&self, resource: &GroupResource) -> Option<&Arc<KindTypes>> {
        self.by_resource.get(resource)
    }

    fn part_of(&self, type_name: &str) -> Option<&Part> {
        let index = self.owners.get(type_name)?;
        self.parts.get(*index).map(|part| &**part)
    }

    /// The leaf type of this name, if it is one.
    pub(crate) fn leaf(&self, type_name: &str) -> Option<Cow<'_, Leaf>> {
        if type_name == "ConditionStatus" {
            return Some(Cow::Borrowed(&CONDITION_STATUS));
        }
        let of_kind = || self.part_of(type_name)?.registry.enums.get(type_name);
        Leaf::named(type_name).map(Cow::Owned).or_else(|| of_kind().map(Cow::Borrowed))
    }

    /// The JSON names of the fields of a type of a kind.
    pub(crate) fn json_keys(&self, type_name: &str) -> Option<&Keys> {
        self.part_of(type_name)?.registry.keys.get(type_name)
    }

    /// The JSON name of a field, as raw JSON text with its quotes.
    pub(crate) fn json_key(&self, type_name: &str, field: &str) -> Box<str> {
        let known = self.json_keys(type_name).and_then(|keys| keys.get(field).cloned());
        known.unwrap_or_else(|| format!("\"{field}\"").into())
    }
}

/// The kinds that have found names.
#[derive(Debug, Default)]
struct Chosen {
    picked: Vec<Picked>,
    left_out: Vec<(Arc<Definition>, LeftOut)>,
    types: HashSet<Name>,
    fields: HashSet<Name>,
}

#[derive(Debug)]
struct Picked {
    definition: Arc<Definition>,
    version: Arc<Version>,
    /// Whether it has the long names.
    long: bool,
}

impl Chosen {
    fn of(kinds: &[(Arc<Definition>, Arc<Version>)], made: &mut Parts) -> Self {
        let mut chosen = Self::default();
        for (definition, version) in kinds {
            chosen.add(definition, version, made);
        }
        made.forget_unused();
        chosen
    }

    /// With short names if they are free, else with long ones.
    fn add(&mut self, definition: &Arc<Definition>, version: &Arc<Version>, made: &mut Parts) {
        let mut refused = LeftOut::NameConflict(definition.kind.kind.to_string());
        for long in [false, true] {
            let names = made.names(definition, version, long);
            match names.and_then(|names| self.fits(&names).map(|()| names)) {
                Ok(names) => {
                    self.types.extend(names.types.iter().cloned());
                    self.fields.extend(names.fields.iter().cloned());
                    let (definition, version) = (Arc::clone(definition), Arc::clone(version));
                    self.picked.push(Picked { definition, version, long });
                    return;
                }
                Err(why) => refused = why,
            }
        }
        self.left_out.push((Arc::clone(definition), refused));
    }

    fn fits(&self, names: &Names) -> Result<(), LeftOut> {
        let type_taken = names.types.iter().find(|name| self.types.contains(*name));
        let taken = || names.fields.iter().find(|name| self.fields.contains(*name));
        match type_taken.or_else(taken) {
            None => Ok(()),
            Some(name) => Err(LeftOut::NameConflict(name.to_string())),
        }
    }
}

fn generic_roots() -> impl Iterator<Item = (Box<str>, Root)> {
    [
        ("node", Root::Node),
        ("nodes", Root::Nodes),
        ("resource", Root::Resource),
        ("resources", Root::Resources),
        ("updateResourceStatus", Root::UpdateResourceStatus),
        ("patchResourceStatus", Root::PatchResourceStatus),
        ("watchResources", Root::WatchResources),
    ]
    .into_iter()
    .map(|(name, root)| (name.into(), root))
}

fn roots_of(kind: &Arc<KindTypes>) -> Vec<(Box<str>, Root)> {
    let name = &kind.type_name;
    let own = || Arc::clone(kind);
    let mut roots = vec![
        (kind.singular.to_string(), Root::Get(own())),
        (kind.plural.to_string(), Root::List(own())),
        (format!("create{name}"), Root::Create(own())),
        (format!("update{name}"), Root::Update(own())),
        (format!("patch{name}"), Root::Patch(own())),
        (format!("delete{name}"), Root::Delete(own())),
        (format!("watch{}", kind.plural_type()), Root::Watch(own())),
    ];
    if kind.has_status {
        roots.push((format!("update{name}Status"), Root::UpdateStatus(own())));
        roots.push((format!("patch{name}Status"), Root::PatchStatus(own())));
        roots.push((format!("bulkUpdate{name}Status"), Root::BulkUpdateStatus(own())));
    }
    if kind.has_conditions {
        roots.push((format!("apply{name}Conditions"), Root::ApplyConditions(own())));
    }
    roots.into_iter().map(|(name, root)| (name.into(), root)).collect()
}

#[cfg(test)]
mod tests {
    use pintle_schema::core_definitions;

    use super::*;

    fn core() -> Vec<(Arc<Definition>, Arc<Version>)> {
        let with_version = |definition: Arc<Definition>| {
            let version = Arc::clone(definition.storage_version());
            (definition, version)
        };
        core_definitions().into_iter().map(with_version).collect()
    }

    /// Of the declarations of real projects, those of at most so many bytes are tried.
    const CORPUS_BYTES_MAX: usize = 60_000;

    /// What could not be expressed, in a few words.
    fn left_out(published: &Published) -> Vec<String> {
        let line = |(definition, why): &(Arc<Definition>, LeftOut)| {
            format!("{}: {why}", definition.kind.resource())
        };
        published.left_out.iter().map(line).collect()
    }

    #[test]
    fn core_kinds_are_expressed() {
        let published = Published::of(&core(), &mut Parts::default());
        assert_eq!(left_out(&published), [""; 0]);
        assert_eq!(published.kinds.len(), core().len());
        for field in
            ["namespace", "updateNamespaceStatus", "applyCustomResourceDefinitionConditions"]
        {
            assert!(published.roots.contains_key(field), "{field}");
        }
        assert!(!published.roots.contains_key("updateRoleStatus"));
        let again = Published::of(&core(), &mut Parts::default());
        assert_eq!(published.sdl, again.sdl);
    }

    #[test]
    fn what_is_composed_is_what_the_text_says() {
        let published = Published::of(&core(), &mut Parts::default());
        let parsed = Schema::parse_and_validate(&*published.sdl, "schema.graphql").unwrap();
        let names = |schema: &Schema| {
            let mut names: Vec<_> = schema.types.keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(names(&published.schema), names(&parsed));
        for (name, ty) in &parsed.types {
            assert_eq!(published.schema.types.get(name), Some(ty), "{name}");
        }
    }

    #[test]
    fn what_is_only_checked_is_chosen_as_if_it_were_made() {
        let mut made = Parts::default();
        let Checked { chosen, left_out } = Published::checked(&core(), &mut made);
        let published = Published::of(&core(), &mut made);
        let names = |kinds: &[Arc<Definition>]| -> Vec<_> {
            kinds.iter().map(|definition| definition.kind.resource()).collect()
        };
        let in_it: Vec<_> =
            published.kinds.iter().map(|kind| Arc::clone(&kind.definition)).collect();
        assert_eq!((names(&chosen), left_out.len()), (names(&in_it), published.left_out.len()));
    }

    #[test]
    fn a_kind_that_stays_is_not_made_again() {
        let (mut made, mut kinds) = (Parts::default(), core());
        let first = Published::of(&kinds, &mut made);
        let gone = kinds.pop().unwrap();
        let second = Published::of(&kinds, &mut made);
        let same = first.parts.iter().zip(&second.parts).all(|(a, b)| Arc::ptr_eq(a, b));
        assert!(same && second.parts.len() + 1 == first.parts.len());
        assert!(second.kind(&gone.0.kind.resource()).is_none());
        kinds.push(gone);
        let third = Published::of(&kinds, &mut made);
        assert_eq!(third.sdl, first.sdl);
        let remade = first.parts.last().zip(third.parts.last());
        assert!(remade.is_some_and(|(a, b)| !Arc::ptr_eq(a, b)), "what was unused is forgotten");
    }

    /// The declarations of real projects, where they are beside the checkout.
    #[test]
    fn kinds_of_real_projects_are_expressed() {
        let projects = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/crds");
        let Ok(projects) = std::fs::read_dir(projects) else {
            println!("skipped: there are no declarations beside the checkout");
            return;
        };
        let folders = projects.flatten().filter(|entry| entry.path().is_dir());
        let files = folders.flat_map(|project| std::fs::read_dir(project.path()).unwrap());
        let mut files: Vec<_> = files.flatten().map(|file| file.path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
        let mut kinds = core();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let document: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
            let name = document["metadata"]["name"].as_str().unwrap();
            // The largest take seconds each where nothing is optimised.
            if text.len() > CORPUS_BYTES_MAX {
                continue;
            }
            let definition = Definition::from_crd(name, document.as_object().unwrap()).unwrap();
            let definition = Arc::new(definition);
            kinds.push((Arc::clone(&definition), Arc::clone(definition.storage_version())));
        }
        let started = std::time::Instant::now();
        let published = Published::of(&kinds, &mut Parts::default());
        println!(
            "{} kinds, {} kB of text, {:?}",
            published.kinds.len(),
            published.sdl.len() / 1000,
            started.elapsed()
        );
        assert_eq!(left_out(&published), [""; 0]);
    }
}
