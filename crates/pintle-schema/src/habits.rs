//! [`Habits`]: what built-in kinds do that no schema can say. They are data, so that no kind has
//! code of its own anywhere; declared kinds have none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle_model::{FieldError, FieldPath, validate_finalizers};
use serde_json::{Map, Value};

use crate::limits;

/// What a built-in kind does that no schema can say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    /// Fields of the body that may not change after creation, and what is said to whoever tries.
    pub immutable: &'static [(&'static str, &'static str)],
    /// A field of the body that, once it is true, keeps itself and others as they are.
    pub freezes: Option<Freezing>,
    /// The status that a new object begins with, as JSON.
    pub first_status: Option<&'static str>,
    /// The label that says the name of the object.
    pub name_label: Option<&'static str>,
    /// Text under the keys of the first field goes, in base64, under those of the second.
    pub encodes: Option<(&'static str, &'static str)>,
    /// Maps whose keys are file names.
    pub keyed: &'static [&'static str],
    /// A reference whose namespace is that of the object: `involvedObject`.
    pub refers: Option<&'static str>,
    /// A part of the body and the map in it that says how much there may be of what.
    pub limits: Option<(&'static str, &'static str)>,
    /// Finalizers in the body, as `Namespace` has them.
    pub finalizers: Option<Finalizers>,
    /// Whether the Kubernetes door takes a replace that names no version, as upstream does for most
    /// built-in kinds and for no declared one.
    pub unconditional_updates: bool,
    /// Whether objects are deleted one at a time only: a request that deletes a collection of them
    /// would take along what is in each.
    pub deleted_singly: bool,
    /// Other names that field selectors have for fields.
    pub selectors: &'static [(&'static str, &'static str)],
}

/// Fields that stay as they are.
#[derive(Debug, Clone, Copy)]
pub struct Freezing {
    /// The switch, which cannot be turned back.
    pub switch: &'static str,
    /// What it keeps.
    pub fields: &'static [&'static str],
}

/// A second list of finalizers, in the body. It is written through an endpoint of its own, and
/// keeps a deleted object as the list in metadata does.
#[derive(Debug, Clone, Copy)]
pub struct Finalizers {
    /// The part of the body that the list is in.
    pub part: &'static str,
    /// The field of that part.
    pub list: &'static str,
    /// The server's own: every new object has it. What it stands for the server knows by itself,
    /// and so it keeps nothing.
    pub own: &'static str,
}

impl Finalizers {
    /// The list in a body.
    pub fn of<'b>(&self, body: &'b Map<String, Value>) -> Option<&'b Value> {
        body.get(self.part)?.get(self.list)
    }

    /// Makes this the list in a body.
    pub fn put(&self, body: &mut Map<String, Value>, list: Option<Value>) {
        let part = body.entry(self.part).or_insert_with(|| Value::Object(Map::new()));
        // What is no object, the schema complains about.
        let Some(part) = part.as_object_mut() else { return };
        match list {
            Some(list) => drop(part.insert(self.list.to_owned(), list)),
            None => drop(part.remove(self.list)),
        }
    }

    /// The list in the body without what is the server's own.
    pub fn of_others(&self, body: &Map<String, Value>) -> Vec<String> {
        self.names(body).filter(|name| *name != self.own).map(str::to_owned).collect()
    }

    /// Puts the server's own into the list of a new object; where there is none, the schema does.
    fn begin(&self, body: &mut Map<String, Value>) {
        let list = body.get_mut(self.part).and_then(|part| part.get_mut(self.list));
        if let Some(Value::Array(list)) = list
            && !list.iter().any(|name| name == self.own)
        {
            list.push(self.own.into());
        }
    }

    fn names<'b>(&self, body: &'b Map<String, Value>) -> impl Iterator<Item = &'b str> {
        self.of(body).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    fn check(&self, body: &Map<String, Value>) -> Vec<FieldError> {
        let part = FieldPath::ROOT.field(self.part);
        let path = part.field(self.list);
        let names: Vec<String> = self.names(body).map(str::to_owned).collect();
        let mut faults = validate_finalizers(path, &names);
        let vague = |name: &&String| !name.contains('/') && !self.is_usual(name);
        let told = names.iter().enumerate().filter(|(_, name)| vague(name)).take(KEYS_TOLD_MAX);
        faults.extend(told.map(|(index, name)| {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            FieldError::invalid(path.index(index), &Value::from(name.as_str()), why)
        }));
        faults
    }

    fn is_usual(&self, name: &str) -> bool {
        name == self.own || matches!(name, "orphan" | "foregroundDeletion")
    }
}

impl Habits {
    /// Brings a body into the form that a new object begins with.
    pub fn begin(&self, body: &mut Map<String, Value>) {
        if let Some(finalizers) = self.finalizers {
            finalizers.begin(body);
        }
    }

    /// Brings a body into the form that is stored.
    pub fn complete(&self, body: &mut Map<String, Value>) {
        let Some((text, bytes)) = self.encodes else { return };
        let is_text =
            |it: &Value| it.as_object().is_some_and(|it| it.values().all(Value::is_string));
        // What is no text stays, for the schema to complain about.
        if !body.get(text).is_some_and(is_text) {
            return;
        }
        let Some(Value::Object(given)) = body.remove(text) else { return };
        let stored = body.entry(bytes).or_insert(Value::Null);
        if stored.is_null() {
            *stored = Value::Object(Map::new());
        }
        let Some(stored) = stored.as_object_mut() else { return };
        for (key, value) in given {
            let encoded = STANDARD.encode(value.as_str().unwrap_or_default());
            stored.insert(key, Value::String(encoded));
        }
    }

    /// What is wrong with a body that its schema has let in.
    pub fn check(&self, namespace: &str, body: &Map<String, Value>) -> Vec<FieldError> {
        let mut faults = self.finalizers.map(|it| it.check(body)).unwrap_or_default();
        for map in self.keyed {
            let keys = body.get(*map).and_then(Value::as_object).into_iter().flat_map(Map::keys);
            let path = FieldPath::ROOT.field(map);
            faults.extend(
                keys.filter(|key| !is_file_name(key))
                    .take(KEYS_TOLD_MAX)
                    .map(|key| FieldError::invalid(path.key(key), &Value::from(key.as_str()), KEY)),
            );
        }
        if let Some(field) = self.refers {
            let place = body.get(field).and_then(|it| it.get("namespace"));
            let found = place.and_then(Value::as_str).unwrap_or_default();
            // What is in no namespace is told of in the one of those who name none.
            if found != namespace && !(found.is_empty() && namespace == "default") {
                let why = "does not match event.namespace";
                let path = FieldPath::ROOT.field(field);
                faults.push(FieldError::invalid(path.field("namespace"), &Value::from(found), why));
            }
        }
        if let Some((part, map)) = self.limits
            && let Some(limits) = body.get(part).and_then(|it| it.get(map)?.as_object())
        {
            let part = FieldPath::ROOT.field(part);
            faults.extend(limits::check(part.field(map), limits));
        }
        faults
    }

    /// What is wrong with a body as the successor of a stored one.
    pub fn check_successor(
        &self,
        stored: &Map<String, Value>,
        body: &Map<String, Value>,
    ) -> Vec<FieldError> {
        let changed = |field: &str| stored.get(field) != body.get(field);
        let fault = |field: &str, why: &str| {
            FieldError::invalid(field, body.get(field).unwrap_or(&Value::Null), why)
        };
        let mut faults: Vec<FieldError> = Vec::new();
        faults.extend(
            self.immutable
                .iter()
                .filter(|(field, _)| changed(field))
                .map(|(field, why)| fault(field, why)),
        );
        if let Some(Freezing { switch, fields }) = self.freezes
            && stored.get(switch) == Some(&Value::Bool(true))
        {
            let why = format!("field is immutable when `{switch}` is set");
            let kept = std::iter::once(&switch).chain(fields);
            let kept = kept.filter(|field| changed(field));
            faults.extend(kept.map(|field| FieldError::forbidden(*field, why.as_str())));
        }
        faults
    }

    /// Whether a body need not be looked into.
    pub const fn is_plain(&self) -> bool {
        self.keyed.is_empty()
            && self.refers.is_none()
            && self.limits.is_none()
            && self.finalizers.is_none()
    }
}

/// So many bad keys of one map are told.
const KEYS_TOLD_MAX: usize = 50;
const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";

fn is_file_name(key: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=253).contains(&key.len())
        && key.bytes().all(letters)
        && key != "."
        && !key.starts_with("..")
}
