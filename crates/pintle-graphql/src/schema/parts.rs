//! What the schema has of each kind, made once for each state of the kind.
//!
//! Writing, parsing and checking the types of a large kind takes longer than everything else, and
//! a change of one kind says nothing about the others: a schema is put together from parts.

use std::collections::HashMap;
use std::sync::Arc;

use apollo_compiler::Name;
use apollo_compiler::Schema;
use apollo_compiler::parser::SourceMap;
use apollo_compiler::schema::{Component, ExtendedType, FieldDefinition};
use apollo_compiler::validation::Valid;
use pintle_schema::{Definition, Version};

use super::kind::{KindText, KindTypes, Taken, names_of, write};
use super::shapes::Registry;
use super::{LeftOut, base};

/// The types and root fields of one kind, checked.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) kind: Arc<KindTypes>,
    pub(crate) text: KindText,
    pub(crate) registry: Registry,
    types: Vec<(Name, ExtendedType)>,
    roots: Vec<(&'static str, Fields)>,
    sources: SourceMap,
}

type Fields = Vec<(Name, Component<FieldDefinition>)>;

const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

/// A kind in one of its versions, with short names or with long ones.
type Key = (usize, Arc<str>, bool);

/// The parts that were made, kept for as long as their kinds stay as they are.
#[derive(Debug, Default)]
pub struct Parts {
    made: HashMap<Key, Made>,
}

#[derive(Debug)]
struct Made {
    /// Held, so that its place in memory names it.
    _definition: Arc<Definition>,
    part: Result<Arc<Part>, LeftOut>,
    used: bool,
}

impl Parts {
    /// The part of a kind.
    pub(super) fn part(
        &mut self,
        definition: &Arc<Definition>,
        version: &Arc<Version>,
        long: bool,
    ) -> Result<Arc<Part>, LeftOut> {
        let key = (Arc::as_ptr(definition).addr(), Arc::clone(&version.name), long);
        let made = self.made.entry(key).or_insert_with(|| Made {
            _definition: Arc::clone(definition),
            part: Part::of(definition, version, long).map(Arc::new),
            used: true,
        });
        made.used = true;
        made.part.clone()
    }

    /// Forgets the parts that were not asked for since this was called last.
    pub(super) fn forget_unused(&mut self) {
        self.made.retain(|_, made| std::mem::replace(&mut made.used, false));
    }
}

impl Part {
    fn of(
        definition: &Arc<Definition>,
        version: &Arc<Version>,
        long: bool,
    ) -> Result<Self, LeftOut> {
        let mut taken = Taken { types: base::type_names(), ..Taken::default() };
        let mut registry = Registry::default();
        let names = names_of(definition, long);
        let (kind, text) = write(definition, version, names, &mut taken, &mut registry)
            .map_err(LeftOut::NameConflict)?;
        let schema = base::with(&text).map_err(LeftOut::InvalidSchema)?;
        let known = base::schema();
        let types = schema.types.iter().filter(|(name, _)| !known.types.contains_key(*name));
        let types = types.map(|(name, ty)| (name.clone(), ty.clone())).collect();
        let roots = ROOTS.map(|root| (root, fields_beyond(&schema, known, root))).into();
        let sources = Arc::clone(&schema.sources);
        Ok(Self { kind: Arc::new(kind), text, registry, types, roots, sources })
    }

    /// The names of its types, as far as no other kind may have them.
    pub(super) fn type_names(&self) -> impl Iterator<Item = &Name> {
        self.types.iter().filter(|(_, ty)| !ty.is_built_in()).map(|(name, _)| name)
    }

    /// The names of its root fields.
    pub(super) fn field_names(&self) -> impl Iterator<Item = &Name> {
        self.roots.iter().flat_map(|(_, fields)| fields.iter().map(|(name, _)| name))
    }
}

/// The root fields that a schema has and another one has not.
fn fields_beyond(schema: &Schema, known: &Schema, root: &str) -> Fields {
    let Some(object) = schema.get_object(root) else { return Vec::new() };
    let is_known = |name: &Name| known.type_field(root, name).is_ok();
    let new = object.fields.iter().filter(|(name, _)| !is_known(name));
    new.map(|(name, field)| (name.clone(), field.clone())).collect()
}

/// The schema of these parts, no two of which have a name in common.
pub(super) fn composed(parts: &[Arc<Part>]) -> Valid<Schema> {
    let mut schema = base::schema().clone().into_inner();
    let sources = Arc::make_mut(&mut schema.sources);
    for part in parts {
        sources.extend(part.sources.iter().map(|(id, source)| (*id, Arc::clone(source))));
        schema.types.extend(part.types.iter().cloned());
        for (root, fields) in &part.roots {
            if let Some(ExtendedType::Object(object)) = schema.types.get_mut(*root) {
                object.make_mut().fields.extend(fields.iter().cloned());
            }
        }
    }
    // Each part is valid beside the shared types, and names nothing of another one.
    Valid::assume_valid(schema)
}
