//! The policy file: a short list of roles and of who has them, compiled to the same rules as RBAC.
//!
//! An entry is one of four:
//!
//! ```yaml
//! - role: controller                     # defines a role
//!   permissions: [devices:update_status]
//! - user: device-controller              # gives it to a user
//!   role: controller
//! - group: ops                           # or to a group, here in one namespace
//!   role: controller
//!   namespace: lab
//! - reads: explicit                      # switches off "who may write may also read"
//! ```
//!
//! A permission is `resource:verb`. The resource is a plural (`devices`, of any group), a plural
//! with its group (`devices.infra.example.io`; `events.core` for the core group) or `*`. The verb
//! is one of `get list watch create update patch delete update_status` or `*`; `*` alone is `*:*`.
//!
//! - `update` covers `patch`; neither covers status.
//! - `update_status` is update and patch of the status, and reading it.
//! - `get` also reads the status.
//! - `*` as the verb covers every verb on the object and on all its subresources.
//! - Who has any permission that writes a resource also has get, list and watch on it, because a
//!   controller that cannot watch is useless. `reads: explicit` turns that off.
//! - Removing a whole collection with one request is only covered by `*`.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use pintle_model::{FieldPath, NameRule, validate_name};
use serde_json::{Map, Value};

use crate::rbac::Subject;
use crate::rule_set::RuleSet;

mod permission;

use permission::Permission;

/// The JSON Schema of the file, for editors.
pub const POLICY_SCHEMA: &str = include_str!("policy/schema.json");

/// A file has at most so many entries, a role so many permissions, a name so many bytes.
const ENTRIES_MAX: usize = 10_000;
const PERMISSIONS_MAX: usize = 1_000;
const NAME_BYTES_MAX: usize = 1_024;

/// What one policy file gives to whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    assignments: Vec<Assignment>,
    /// What the file is called, where that is known.
    name: Option<Box<str>>,
}

/// One role for one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The number of the entry, counted from 1.
    entry: usize,
    role: Box<str>,
    pub(crate) subject: Subject,
    /// Nothing: everywhere.
    pub(crate) namespace: Option<Arc<str>>,
    pub(crate) rules: RuleSet,
}

/// A policy file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// The number of the entry, counted from 1; nothing when the whole file is meant.
    pub entry: Option<usize>,
    /// The key in that entry; nothing when the whole entry is meant.
    pub key: Option<String>,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl std::error::Error for PolicyError {}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("policy")?;
        if let Some(entry) = self.entry {
            write!(f, " entry {entry}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ", key {key:?}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl Policy {
    /// Reads the parsed file: a list of entries.
    pub fn from_value(value: &Value) -> Result<Self, PolicyError> {
        let whole = |problem| PolicyError { entry: None, key: None, problem };
        let entries =
            value.as_array().ok_or_else(|| whole("expected a list of entries".to_owned()))?;
        if entries.len() > ENTRIES_MAX {
            let found = entries.len();
            return Err(whole(format!("{found} entries; {ENTRIES_MAX} are allowed")));
        }
        let mut draft = Draft::default();
        for (index, entry) in entries.iter().enumerate() {
            draft.add(index + 1, entry).map_err(|fault| fault.in_entry(index + 1))?;
        }
        draft.finish()
    }

    /// The same under the name of its file, by which it is known to whoever asks why something is
    /// allowed.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    pub(crate) fn grounds_of(&self, assignment: &Assignment) -> String {
        let Assignment { entry, role, subject, .. } = assignment;
        let name = self.name.as_deref().unwrap_or("policy");
        format!("{name} entry {entry}: role {role:?} to {subject}")
    }

    pub(crate) fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }
}

/// What has been read so far. Roles may be used before they are defined, and `reads` may stand
/// last, so nothing is compiled before the end.
#[derive(Debug, Default)]
struct Draft<'v> {
    roles: BTreeMap<&'v str, Vec<Permission>>,
    uses: Vec<Use<'v>>,
    seen: HashSet<(Subject, Option<&'v str>, &'v str)>,
    reads: Option<Reads>,
}

/// A role given to somebody, by name.
#[derive(Debug)]
struct Use<'v> {
    entry: usize,
    subject: Subject,
    namespace: Option<&'v str>,
    role: &'v str,
}

/// Whether writing implies reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Implied,
    Explicit,
}

/// What is wrong in an entry, before its number is known.
struct Fault {
    key: Option<String>,
    problem: String,
}

impl Fault {
    fn at(key: &str, problem: impl Into<String>) -> Self {
        let key = key.chars().take(KEY_CHARS_SHOWN_MAX).collect();
        Self { key: Some(key), problem: problem.into() }
    }

    fn whole(problem: &str) -> Self {
        Self { key: None, problem: problem.to_owned() }
    }

    fn in_entry(self, entry: usize) -> PolicyError {
        PolicyError { entry: Some(entry), key: self.key, problem: self.problem }
    }
}

/// So much of a key is named in an error.
const KEY_CHARS_SHOWN_MAX: usize = 64;

const SHAPES: &str = "expected `role` with `permissions`, `user` or `group` with `role` (and \
     perhaps `namespace`), or `reads`";

/// The keys that each form of entry has, recognised by its first one.
const FORMS: [(&str, &[&str]); 4] = [
    ("reads", &["reads"]),
    ("user", &["user", "role", "namespace"]),
    ("group", &["group", "role", "namespace"]),
    ("permissions", &["permissions", "role"]),
];

/// What is wrong with an entry that is of no form: most often one of its keys is misspelt.
fn no_form(entry: &Map<String, Value>) -> Fault {
    let is_known = |key: &str| FORMS.iter().any(|(_, keys)| keys.contains(&key));
    match entry.keys().find(|key| !is_known(key)) {
        Some(unknown) => Fault::at(unknown, format!("it is unknown; {SHAPES}")),
        None => Fault::whole(SHAPES),
    }
}

impl<'v> Draft<'v> {
    fn add(&mut self, number: usize, entry: &'v Value) -> Result<(), Fault> {
        let entry = entry.as_object().ok_or_else(|| Fault::whole(SHAPES))?;
        let form = FORMS.into_iter().find(|(form, _)| entry.contains_key(*form));
        let (form, keys) = form.ok_or_else(|| no_form(entry))?;
        if let Some(unknown) = entry.keys().find(|key| !keys.contains(&key.as_str())) {
            let known = keys.join(", ");
            let problem = format!("it has no place beside {form:?}; known are {known}");
            return Err(Fault::at(unknown, problem));
        }
        match form {
            "reads" => self.add_reads(entry),
            "permissions" => self.add_role(entry),
            _ => self.add_use(number, entry),
        }
    }

    fn add_reads(&mut self, entry: &Map<String, Value>) -> Result<(), Fault> {
        let reads = match entry.get("reads").and_then(Value::as_str) {
            Some("explicit") => Reads::Explicit,
            Some("implied") => Reads::Implied,
            _ => return Err(Fault::at("reads", "expected explicit or implied")),
        };
        if self.reads.replace(reads).is_some() {
            return Err(Fault::at("reads", "it was set in an earlier entry"));
        }
        Ok(())
    }

    fn add_role(&mut self, entry: &'v Map<String, Value>) -> Result<(), Fault> {
        let name = name(entry, "role")?;
        let permissions = permissions(entry)?;
        if self.roles.insert(name, permissions).is_some() {
            return Err(Fault::at(
                "role",
                format!("role {name:?} was defined in an earlier entry"),
            ));
        }
        Ok(())
    }

    fn add_use(&mut self, entry_number: usize, entry: &'v Map<String, Value>) -> Result<(), Fault> {
        let subject = if entry.contains_key("user") {
            Subject::User(subject_name(entry, "user")?.into())
        } else {
            Subject::Group(subject_name(entry, "group")?.into())
        };
        let (namespace, role) = (namespace(entry)?, name(entry, "role")?);
        if !self.seen.insert((subject.clone(), namespace, role)) {
            return Err(Fault::at(
                "role",
                "an earlier entry gives the same role to the same subject",
            ));
        }
        self.uses.push(Use { entry: entry_number, subject, namespace, role });
        Ok(())
    }

    fn finish(self) -> Result<Policy, PolicyError> {
        let reads = self.reads.unwrap_or(Reads::Implied);
        let compiled: BTreeMap<&str, RuleSet> = self
            .roles
            .into_iter()
            .map(|(name, permissions)| (name, permission::compile(&permissions, reads)))
            .collect();
        let assignments = self.uses.into_iter().map(|each| {
            let rules = compiled.get(each.role).ok_or_else(|| {
                Fault::at("role", unknown_role(each.role, &compiled)).in_entry(each.entry)
            })?;
            let namespace = each.namespace.map(Arc::from);
            let (entry, role, subject) = (each.entry, each.role.into(), each.subject);
            Ok(Assignment { entry, role, subject, namespace, rules: rules.clone() })
        });
        Ok(Policy { assignments: assignments.collect::<Result<_, PolicyError>>()?, name: None })
    }
}

/// So many roles are named in an error.
const ROLES_SHOWN_MAX: usize = 20;

fn unknown_role(role: &str, roles: &BTreeMap<&str, RuleSet>) -> String {
    if roles.is_empty() {
        return format!("role {role:?} is not defined; this file defines none");
    }
    let shown: Vec<&str> = roles.keys().copied().take(ROLES_SHOWN_MAX).collect();
    let more = if roles.len() > ROLES_SHOWN_MAX { ", …" } else { "" };
    format!("role {role:?} is not defined; this file defines {}{more}", shown.join(", "))
}

fn permissions(entry: &Map<String, Value>) -> Result<Vec<Permission>, Fault> {
    let fault = |problem| Fault::at("permissions", problem);
    let list = entry
        .get("permissions")
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
        .ok_or_else(|| fault("expected a list of at least one permission".to_owned()))?;
    if list.len() > PERMISSIONS_MAX {
        let found = list.len();
        return Err(fault(format!("{found} permissions; {PERMISSIONS_MAX} are allowed")));
    }
    let mut seen = HashSet::new();
    let read = |value: &Value| {
        let text = value.as_str().ok_or_else(|| fault(permission::EXPECTED.to_owned()))?;
        let permission = Permission::parse(text).map_err(fault)?;
        if seen.insert(text.to_owned()) {
            Ok(permission)
        } else {
            Err(fault(format!("{text:?} stands twice")))
        }
    };
    list.iter().map(read).collect()
}

fn name<'v>(entry: &'v Map<String, Value>, key: &'static str) -> Result<&'v str, Fault> {
    match entry.get(key) {
        None => Err(Fault::at(key, "it is missing")),
        Some(value) => value
            .as_str()
            .filter(|text| !text.is_empty() && text.len() <= NAME_BYTES_MAX)
            .ok_or_else(|| {
                Fault::at(key, format!("expected a text of 1 to {NAME_BYTES_MAX} bytes"))
            }),
    }
}

fn subject_name<'v>(entry: &'v Map<String, Value>, key: &'static str) -> Result<&'v str, Fault> {
    match name(entry, key)? {
        "*" => Err(Fault::at(
            key,
            "* does not stand for everybody; name the group system:authenticated instead",
        )),
        name => Ok(name),
    }
}

fn namespace(entry: &Map<String, Value>) -> Result<Option<&str>, Fault> {
    if !entry.contains_key("namespace") {
        return Ok(None);
    }
    let namespace = name(entry, "namespace")?;
    validate_name(FieldPath::ROOT, namespace, NameRule::Label)
        .map_err(|error| Fault::at("namespace", error.message()))?;
    Ok(Some(namespace))
}

#[cfg(test)]
mod tests;
