//! Strategic merge patches: merge patches that know which lists are sets, and what tells the items
//! of others apart. The rules are those of upstream's page `strategic-merge-patch.md`
//! (kubernetes/community, sig-api-machinery).
//!
//! Which lists those are stands in the schema (`x-kubernetes-patch-strategy` and
//! `x-kubernetes-patch-merge-key`), which only core kinds have. Everywhere else lists are replaced,
//! as in a merge patch. Where the page above is silent, this does what upstream's code does.

mod lists;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use pintle_schema::{PatchMerge, Schema};
use serde_json::{Map, Value, json};

use super::{PatchError, PatchLimits, measure};

/// The document of a strategic merge patch, and the schema of the objects that it is for.
#[derive(Debug, Clone)]
pub struct StrategicPatch {
    document: Map<String, Value>,
    schema: Schema,
}

/// Says how a map, or an item of a list, is to be merged.
const HOW: &str = "$patch";
/// The names of all fields that may be left.
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// What every object has in `metadata`.
static METADATA: LazyLock<Schema> = LazyLock::new(|| {
    let list = |items: Value| {
        json!({
            "type": "array", "items": items,
            "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "uid",
        })
    };
    let mut finalizers = list(json!({"type": "string"}));
    finalizers
        .as_object_mut()
        .expect("it was written above")
        .remove("x-kubernetes-patch-merge-key");
    let owners = list(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}));
    let schema = json!({
        "type": "object",
        "properties": {"finalizers": finalizers, "ownerReferences": owners},
    });
    Schema::compile(&schema).expect("the schema was written here")
});

impl PartialEq for StrategicPatch {
    /// Two patches for one kind.
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl Eq for StrategicPatch {}

impl StrategicPatch {
    pub(super) fn parse(document: &Value, schema: &Schema) -> Result<Self, PatchError> {
        let Value::Object(document) = document else {
            let why = "a strategic merge patch must be an object";
            return Err(PatchError::Malformed(why.to_owned()));
        };
        Ok(Self { document: document.clone(), schema: schema.clone() })
    }

    /// Leaves a half-patched document behind when it fails.
    pub(super) fn apply(
        &self,
        document: &mut Value,
        limits: &PatchLimits,
    ) -> Result<(), PatchError> {
        let found = self.document.len();
        if found > limits.operations_max {
            return Err(PatchError::TooManyOperations { found, max: limits.operations_max });
        }
        let inside = limits.depth_max.saturating_sub(1);
        if !self.document.values().all(|value| measure::fits(value, inside)) {
            return Err(PatchError::TooDeep { max: limits.depth_max });
        }
        if !document.is_object() {
            *document = Value::Object(Map::new());
        }
        let fields = document.as_object_mut().expect("it was made an object above");
        let place = Place { schema: Some(&self.schema), is_root: true };
        merge(place, fields, &self.document).map_err(Fault::into_error)
    }

    /// The top-level fields that it writes; nothing stands for the whole document.
    pub(super) fn fields(&self) -> impl Iterator<Item = Option<&str>> {
        self.document.keys().map(|key| match key.as_str() {
            HOW | RETAIN => None,
            key => Some(field_of(key)),
        })
    }

    pub(super) fn states(&self, path: &[&str]) -> bool {
        let Some((last, outer)) = path.split_last() else { return true };
        let mut outer = outer.iter();
        let fields = outer.try_fold(&self.document, |fields, name| fields.get(*name)?.as_object());
        fields.and_then(|fields| fields.get(*last)).is_some_and(|value| !value.is_null())
    }
}

/// The field that a key is about.
fn field_of(key: &str) -> &str {
    key.strip_prefix(ORDER).or_else(|| key.strip_prefix(DELETE)).unwrap_or(key)
}

/// What cannot be done, and where: the path grows on the way out.
#[derive(Debug)]
struct Fault {
    path: Vec<String>,
    why: String,
}

impl Fault {
    fn new(why: impl Into<String>) -> Self {
        Self { path: Vec::new(), why: why.into() }
    }

    fn inside(mut self, name: &str) -> Self {
        self.path.push(name.to_owned());
        self
    }

    fn into_error(self) -> PatchError {
        let path: Vec<_> = self.path.into_iter().rev().collect();
        PatchError::CannotApply { index: None, path: path.join("."), why: self.why }
    }
}

/// A place of the document, as the schema has it; nothing where it says nothing.
#[derive(Debug, Clone, Copy)]
struct Place<'s> {
    schema: Option<&'s Schema>,
    is_root: bool,
}

impl<'s> Place<'s> {
    fn field(self, name: &str) -> Self {
        let schema = if self.is_root && name == "metadata" {
            Some(&*METADATA)
        } else {
            self.schema.and_then(|schema| schema.property(name))
        };
        Self { schema, is_root: false }
    }

    fn item(self) -> Self {
        Self { schema: self.schema.and_then(Schema::items), is_root: false }
    }

    /// How a list here is merged; nothing where it is replaced.
    fn list(self) -> Option<&'s PatchMerge> {
        self.schema.and_then(Schema::patch_merge)
    }
}

/// Merges a patch into the fields of an object.
fn merge(
    place: Place<'_>,
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), Fault> {
    match patch.get(HOW).map(Value::as_str) {
        None => {}
        Some(Some("replace")) => {
            let mut whole = patch.clone();
            whole.remove(HOW);
            *target = whole;
            return Ok(());
        }
        Some(Some("delete")) => {
            target.clear();
            return Ok(());
        }
        Some(_) => return Err(unknown_how()),
    }
    retain(target, patch)?;
    for (key, value) in patch {
        let Some(name) = key.strip_prefix(ORDER) else { continue };
        order(place.field(name), target, patch, name, value).map_err(|fault| fault.inside(key))?;
    }
    for (key, value) in patch {
        let done = match key.strip_prefix(DELETE) {
            Some(name) => delete(target, name, value),
            None if key == RETAIN || key.starts_with(ORDER) => Ok(()),
            None if patch.contains_key(&format!("{ORDER}{key}")) => Ok(()),
            None => set(place.field(key), target, key, value),
        };
        done.map_err(|fault| fault.inside(key))?;
    }
    Ok(())
}

fn unknown_how() -> Fault {
    Fault::new("must be \"replace\", \"delete\" or left out").inside(HOW)
}

/// `$retainKeys`: whatever it does not name goes.
fn retain(target: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), Fault> {
    let Some(names) = patch.get(RETAIN) else { return Ok(()) };
    let fault = |why: String| Fault::new(why).inside(RETAIN);
    let names = names
        .as_array()
        .and_then(|names| names.iter().map(Value::as_str).collect::<Option<BTreeSet<_>>>());
    let names = names.ok_or_else(|| fault("must be a list of names".to_owned()))?;
    let directive = |key: &str| key == RETAIN || key.starts_with(ORDER) || key.starts_with(DELETE);
    let mut set = patch.iter().filter(|(key, value)| !value.is_null() && !directive(key));
    if let Some((key, _)) = set.find(|(key, _)| !names.contains(key.as_str())) {
        return Err(fault(format!("does not name {key:?}, which the patch sets")));
    }
    target.retain(|key, _| names.contains(key.as_str()));
    Ok(())
}

/// `$deleteFromPrimitiveList`: these values go.
fn delete(target: &mut Map<String, Value>, name: &str, gone: &Value) -> Result<(), Fault> {
    let gone = lists::of(gone)?;
    match target.get_mut(name) {
        Some(Value::Array(items)) => lists::remove(items, gone),
        _ => Ok(()),
    }
}

/// One field that the patch names.
fn set(
    place: Place<'_>,
    target: &mut Map<String, Value>,
    name: &str,
    value: &Value,
) -> Result<(), Fault> {
    match (target.get_mut(name), value) {
        (_, Value::Null) => {
            target.remove(name);
        }
        (Some(Value::Object(fields)), Value::Object(patch)) => merge(place, fields, patch)?,
        (Some(Value::Array(items)), Value::Array(patch)) => match place.list() {
            Some(merge) => lists::merge(place.item(), merge, items, patch)?,
            None => items.clone_from(patch),
        },
        _ => match plain(value) {
            Some(value) => {
                target.insert(name.to_owned(), value);
            }
            None => {
                target.remove(name);
            }
        },
    }
    Ok(())
}

/// `$setElementOrder`: the list, patched and put in order.
fn order(
    place: Place<'_>,
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    name: &str,
    order: &Value,
) -> Result<(), Fault> {
    let order = lists::of(order)?;
    let key = place.list().and_then(|merge| merge.key.as_deref());
    let patched = patch.get(name).map(lists::of).transpose()?;
    lists::check_order(key, patched.unwrap_or_default(), order)?;
    let before = match target.get(name) {
        None => None,
        Some(Value::Array(items)) => Some(items.clone()),
        Some(_) => return Err(Fault::new("what stands there is no list")),
    };
    let mut items = match (before.clone(), patched) {
        (None, None) => return Ok(()),
        (Some(items), None) => items,
        (None, Some(patch)) => patch.iter().filter_map(plain).collect(),
        (Some(mut items), Some(patch)) => {
            match place.list() {
                Some(merge) => lists::merge(place.item(), merge, &mut items, patch)?,
                None => items = patch.to_vec(),
            }
            items
        }
    };
    lists::arrange(key, &mut items, order, &before.unwrap_or_default())?;
    target.insert(name.to_owned(), Value::Array(items));
    Ok(())
}

/// A value as it stands where nothing stood before: without nulls and without what is a directive.
fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(HOW) => None,
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields = fields.filter_map(|(name, value)| Some((name.clone(), plain(value)?)));
            Some(Value::Object(fields.collect()))
        }
        Value::Array(items) => Some(Value::Array(items.iter().filter_map(plain).collect())),
        other => Some(other.clone()),
    }
}
