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
///
/// Of large kinds they take half a megabyte each. While nobody asks for the schema, all that is
/// kept of a kind is which names it needs, and whether its types are valid.
#[derive(Debug, Default)]
pub struct Parts {
    made: HashMap<Key, Made>,
    kept: bool,
}

#[derive(Debug)]
struct Made {
    /// Held, so that its place in memory names it.
    _definition: Arc<Definition>,
    names: Result<Arc<Names>, LeftOut>,
    part: Option<Arc<Part>>,
    used: bool,
}

/// The names that a kind needs for itself.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) types: Vec<Name>,
    pub(super) fields: Vec<Name>,
}

impl Parts {
    /// From now on they are kept.
    pub(super) const fn keep(&mut self) {
        self.kept = true;
    }

    /// The names of a kind, if its types are valid.
    pub(super) fn names(
        &mut self,
        definition: &Arc<Definition>,
        version: &Arc<Version>,
        long: bool,
    ) -> Result<Arc<Names>, LeftOut> {
        let kept = self.kept;
        let made = self.made.entry(key(definition, version, long)).or_insert_with(|| {
            let part = Part::of(definition, version, long).map(Arc::new);
            Made {
                _definition: Arc::clone(definition),
                names: part.as_ref().map(|part| Arc::new(part.names())).map_err(Clone::clone),
                part: part.ok().filter(|_| kept),
                used: true,
            }
        });
        made.used = true;
        made.names.clone()
    }

    /// The part of a kind whose names were asked for.
    pub(super) fn part(
        &mut self,
        definition: &Arc<Definition>,
        version: &Arc<Version>,
        long: bool,
    ) -> Result<Arc<Part>, LeftOut> {
        let made = self.made.get_mut(&key(definition, version, long));
        if let Some(part) = made.as_ref().and_then(|made| made.part.clone()) {
            return Ok(part);
        }
        let part = Arc::new(Part::of(definition, version, long)?);
        if let Some(made) = made {
            made.part = Some(Arc::clone(&part));
        }
        Ok(part)
    }

    /// Forgets the parts that were not asked for since this was called last.
    pub(super) fn forget_unused(&mut self) {
        self.made.retain(|_, made| std::mem::replace(&mut made.used, false));
    }
}

fn key(definition: &Arc<Definition>, version: &Arc<Version>, long: bool) -> Key {
    (Arc::as_ptr(definition).addr(), Arc::clone(&version.name), long)
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

    fn names(&self) -> Names {
        let fields = self.field_names().cloned();
        Names { types: self.type_names().cloned().collect(), fields: fields.collect() }
    }

    /// The names of its root fields.
    fn field_names(&self) -> impl Iterator<Item = &Name> {
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
