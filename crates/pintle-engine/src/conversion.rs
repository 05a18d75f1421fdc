//! Conversion between the versions of a kind.
//!
//! Each half of an object is converted by itself: a conversion of status sees no spec and makes
//! none, so that what a status write cannot touch it cannot touch in another version either. An
//! object is stored in the storage version of its kind and is converted when it is read or written
//! in another one. Kinds without conversions are as upstream's strategy `None` has it: what a
//! version does not know is left out, and nothing else changes.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pintle_model::{GroupResource, ObjectKey};
use serde_json::Value;

/// How the halves of an object get from one version of its kind to another.
///
/// It is called in the path of requests, so it must not block; and it has to give the same for the
/// same. What it says when it fails is told to whoever wrote what cannot be converted.
pub trait Convert: fmt::Debug + Send + Sync {
    /// The `spec` as the other version has it.
    fn spec(&self, spec: Value) -> Result<Value, String>;

    /// The `status` as the other version has it.
    fn status(&self, status: Value) -> Result<Value, String>;
}

/// All conversions that a program brings along.
#[derive(Debug, Clone, Default)]
pub struct Conversions {
    kinds: BTreeMap<GroupResource, Arc<Steps>>,
}

impl Conversions {
    /// Adds the step between two versions of a kind, in the place of one that is there. Where there
    /// is no step between two versions, several are taken in a row.
    pub fn add(&mut self, kind: GroupResource, from: &str, to: &str, convert: Arc<dyn Convert>) {
        let step = Step { from: from.into(), to: to.into(), convert };
        let mut steps = self.kinds.get(&kind).map_or_else(Steps::default, |it| Steps::clone(it));
        steps.0.retain(|known| known.from != step.from || known.to != step.to);
        steps.0.push(step);
        self.kinds.insert(kind, Arc::new(steps));
    }

    /// The kinds that can be converted.
    pub fn kinds(&self) -> impl Iterator<Item = &GroupResource> {
        self.kinds.keys()
    }

    /// Whether there are steps from one version of a kind to another.
    pub fn lead(&self, kind: &GroupResource, from: &str, to: &str) -> bool {
        self.kinds.get(kind).is_some_and(|steps| steps.path(from, to).is_some())
    }

    pub(crate) fn of(&self, kind: &GroupResource) -> Option<Arc<Steps>> {
        self.kinds.get(kind).map(Arc::clone)
    }
}

/// The steps between the versions of one kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps(Vec<Step>);

#[derive(Debug, Clone)]
struct Step {
    from: Arc<str>,
    to: Arc<str>,
    convert: Arc<dyn Convert>,
}

/// A half of an object, as conversions have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// `spec`.
    Spec,
    /// `status`.
    Status,
}

impl Half {
    /// The name of its field.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Status => "status",
        }
    }
}

/// A half of a stored object that cannot be had in the version that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconverted {
    /// The object.
    pub key: ObjectKey,
    /// Which half of it.
    pub half: Half,
    /// The version that it is in.
    pub from: Arc<str>,
    /// The version that was asked for.
    pub to: Arc<str>,
    /// What the conversion said. It may speak of what the caller may not see.
    pub why: String,
}

impl Steps {
    /// A half in another version, or why there is none.
    pub(crate) fn convert(
        &self,
        half: Half,
        from: &str,
        to: &str,
        value: Value,
    ) -> Result<Value, String> {
        let path = self.path(from, to).ok_or("the program has no conversion between them")?;
        path.into_iter().try_fold(value, |value, step| step.take(half, value))
    }

    /// The fewest steps that lead from one version to another.
    fn path(&self, from: &str, to: &str) -> Option<Vec<&Step>> {
        let mut waiting = VecDeque::from([(from, Vec::new())]);
        let mut seen = vec![from];
        while let Some((at, path)) = waiting.pop_front() {
            if at == to {
                return Some(path);
            }
            for step in self.0.iter().filter(|step| *step.from == *at) {
                if !seen.contains(&&*step.to) {
                    seen.push(&step.to);
                    let path = path.iter().copied().chain([step]).collect();
                    waiting.push_back((&step.to, path));
                }
            }
        }
        None
    }
}

impl Step {
    /// A program's mistake fails the request that met it, and no other.
    fn take(&self, half: Half, value: Value) -> Result<Value, String> {
        let taken = catch_unwind(AssertUnwindSafe(|| match half {
            Half::Spec => self.convert.spec(value),
            Half::Status => self.convert.status(value),
        }));
        let Self { from, to, .. } = self;
        let panicked = |_| Err(format!("the conversion from {from} to {to} panicked"));
        taken.unwrap_or_else(panicked)
    }
}
