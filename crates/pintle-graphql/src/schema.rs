//! The schema of the kinds that are served at one moment.
//!
//! The text is made anew from the kinds, always the same for the same kinds: core kinds first, then
//! the declared ones in the order in which they were declared. A kind has short names (`Device`)
//! unless an earlier one has them; then it has long ones that carry its group
//! (`Device_infra_example_io`). A kind that comes later therefore never renames an earlier one.

mod kind;
mod names;
mod shapes;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use apollo_compiler::collections::HashMap as FastMap;
use apollo_compiler::schema::Implementers;
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Schema};
use pintle_schema::{Definition, Version};

pub use kind::KindTypes;
use kind::{KindText, Taken, names_of, write};
use shapes::Registry;

use crate::leaf::Leaf;

/// The types that belong to no kind.
const BASE: &str = include_str!("schema/base.graphql");

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
    registry: Registry,
}

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

const QUERY: &str = r#"  "An object by its id; null when there is none, or when the caller may not read it."
  node(id: ID!): Node
  "Objects by their ids, in that order."
  nodes(ids: [ID!]!): [Node]!
  "An object of any kind."
  resource(ref: ResourceRefInput!): Resource
  "Objects of any kind."
  resources(kind: KindRefInput!, namespace: String, labelSelector: String, fieldSelector: String, first: Int = 100, after: String, resourceVersion: ResourceVersion, resourceVersionMatch: ResourceVersionMatch): ResourceConnection!
"#;
const MUTATION: &str = r#"  "The whole status of an object of any kind is replaced."
  updateResourceStatus(input: UpdateResourceStatusInput!): ResourcePayload
  "What is left out of the status stays, a null clears, conditions are merged by type."
  patchResourceStatus(input: PatchResourceStatusInput!): ResourcePayload
"#;
const SUBSCRIPTION: &str = r#"  "Every change of objects of several kinds, in one order, from a version on. Kinds that are declared later can be asked for as well."
  watchResources(kinds: [KindRefInput!]!, namespace: String, labelSelector: String, resourceVersion: ResourceVersion, sendInitialEvents: Boolean, allowBookmarks: Boolean = true, onlyWhenChanged: Boolean = false): ResourceWatchEvent!
"#;

impl Published {
    /// The schema of these kinds, in this order: earlier ones win names.
    pub fn of(kinds: &[(Arc<Definition>, Arc<Version>)]) -> Self {
        let mut left_out = Vec::new();
        let mut kinds: Vec<_> = kinds.to_vec();
        loop {
            let made = Draft::of(&kinds);
            left_out.extend(made.left_out);
            match Schema::parse_and_validate(made.sdl.as_str(), "schema.graphql") {
                Ok(schema) => {
                    return Self::finished(made.sdl, made.kinds, left_out, schema, made.registry);
                }
                Err(invalid) => {
                    // Found by trying: which of them is not valid is not said by name.
                    let why = first_line(&invalid.errors.to_string());
                    let culprit = kinds.iter().position(|kind| !is_valid_alone(kind));
                    let (definition, _) = kinds.remove(culprit.unwrap_or(kinds.len() - 1));
                    left_out.push((definition, LeftOut::InvalidSchema(why)));
                }
            }
        }
    }

    fn finished(
        sdl: String,
        kinds: Vec<Arc<KindTypes>>,
        left_out: Vec<(Arc<Definition>, LeftOut)>,
        schema: Valid<Schema>,
        registry: Registry,
    ) -> Self {
        let implementers = schema.implementers_map();
        let roots = kinds.iter().flat_map(roots_of).chain(generic_roots()).collect();
        Self { sdl: sdl.into(), kinds, left_out, schema, implementers, roots, registry }
    }

    /// The leaf type of this name, if it is one.
    pub(crate) fn leaf(&self, type_name: &str) -> Option<Leaf> {
        if type_name == "ConditionStatus" {
            let value = |name: &str, json: &str| (Box::from(name), Box::from(json));
            return Some(Leaf::Enum(vec![
                value("TRUE", "True"),
                value("FALSE", "False"),
                value("UNKNOWN", "Unknown"),
            ]));
        }
        Leaf::named(type_name).or_else(|| self.registry.enums.get(type_name).cloned())
    }

    /// The JSON name of a field, as raw JSON text with its quotes.
    pub(crate) fn json_key(&self, type_name: &str, field: &str) -> Box<str> {
        let known = self.registry.keys.get(type_name).and_then(|fields| fields.get(field));
        known.cloned().unwrap_or_else(|| format!("\"{field}\"").into())
    }

    /// The kind whose object type has this name.
    pub(crate) fn kind_of_type(&self, type_name: &str) -> Option<&Arc<KindTypes>> {
        self.kinds.iter().find(|kind| *kind.type_name == *type_name)
    }
}

/// A schema that has not been parsed yet.
#[derive(Debug)]
struct Draft {
    sdl: String,
    kinds: Vec<Arc<KindTypes>>,
    left_out: Vec<(Arc<Definition>, LeftOut)>,
    registry: Registry,
}

impl Draft {
    fn of(kinds: &[(Arc<Definition>, Arc<Version>)]) -> Self {
        let mut draft = Self {
            sdl: String::new(),
            kinds: Vec::new(),
            left_out: Vec::new(),
            registry: Registry::default(),
        };
        let mut taken = taken_by_base();
        let mut all = KindText::default();
        for (definition, version) in kinds {
            match draft.add(definition, version, &mut taken) {
                Ok((kind, text)) => {
                    draft.kinds.push(Arc::new(kind));
                    all.append(&text);
                }
                Err(name) => {
                    let why = LeftOut::NameConflict(name);
                    draft.left_out.push((Arc::clone(definition), why));
                }
            }
        }
        draft.sdl = all.into_sdl();
        draft
    }

    /// With short names if they are free, else with long ones.
    fn add(
        &mut self,
        definition: &Arc<Definition>,
        version: &Arc<Version>,
        taken: &mut Taken,
    ) -> Result<(KindTypes, KindText), String> {
        let mut refused = String::new();
        for long in [false, true] {
            let mut tried = taken.clone();
            let names = names_of(definition, long);
            match write(definition, version, names, &mut tried, &mut self.registry) {
                Ok(written) => {
                    *taken = tried;
                    return Ok(written);
                }
                Err(name) => refused = name,
            }
        }
        Err(refused)
    }
}

impl KindText {
    fn append(&mut self, other: &Self) {
        self.types.push_str(&other.types);
        self.query.push_str(&other.query);
        self.mutation.push_str(&other.mutation);
        self.subscription.push_str(&other.subscription);
    }

    fn into_sdl(self) -> String {
        let mut sdl = BASE.to_owned();
        sdl.push_str(&self.types);
        let roots = [
            ("Query", QUERY, &self.query),
            ("Mutation", MUTATION, &self.mutation),
            ("Subscription", SUBSCRIPTION, &self.subscription),
        ];
        for (name, fixed, fields) in roots {
            let _infallible = write!(sdl, "\ntype {name} {{\n{fixed}{fields}}}\n");
        }
        sdl
    }
}

/// The names that no kind can have.
fn taken_by_base() -> Taken {
    let definitions = BASE.lines().filter_map(|line| {
        let mut words = line.split([' ', '{', '@']);
        let keyword = words.next()?;
        let name = words.next().filter(|name| !name.is_empty())?;
        let defines = ["scalar", "enum", "interface", "type", "input", "union"].contains(&keyword);
        defines.then(|| name.to_owned())
    });
    let built_in = ["Query", "Mutation", "Subscription", "String", "Int", "Float", "Boolean", "ID"];
    let mut taken = Taken { types: definitions.collect(), ..Taken::default() };
    taken.types.extend(built_in.map(str::to_owned));
    taken.fields.extend(generic_roots().map(|(name, _)| name.into_string()));
    taken
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

fn is_valid_alone(kind: &(Arc<Definition>, Arc<Version>)) -> bool {
    let draft = Draft::of(std::slice::from_ref(kind));
    Schema::parse_and_validate(draft.sdl.as_str(), "schema.graphql").is_ok()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
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
    const CORPUS_BYTES_MAX: usize = 12_000;

    /// What could not be expressed, in a few words.
    fn left_out(published: &Published) -> Vec<String> {
        let line = |(definition, why): &(Arc<Definition>, LeftOut)| {
            format!("{}: {why}", definition.kind.resource())
        };
        published.left_out.iter().map(line).collect()
    }

    #[test]
    fn core_kinds_are_expressed() {
        let published = Published::of(&core());
        assert_eq!(left_out(&published), [""; 0]);
        assert_eq!(published.kinds.len(), 7);
        for field in
            ["namespace", "updateNamespaceStatus", "applyCustomResourceDefinitionConditions"]
        {
            assert!(published.roots.contains_key(field), "{field}");
        }
        assert!(!published.roots.contains_key("updateRoleStatus"));
        let again = Published::of(&core());
        assert_eq!(published.sdl, again.sdl);
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
        let published = Published::of(&kinds);
        println!(
            "{} kinds, {} kB of text, {:?}",
            published.kinds.len(),
            published.sdl.len() / 1000,
            started.elapsed()
        );
        assert_eq!(left_out(&published), [""; 0]);
    }
}
