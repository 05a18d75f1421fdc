//! What is found out about one write on the way: faults, unknown fields, warnings. And the schema
//! of the kind as it applies to the two lanes.

use std::sync::Arc;

use pintle_model::{FieldError, FieldErrorKind, Json, Manner, Metadata, Object, Put};
use pintle_schema::{Approval, Definition};
use serde_json::{Map, Value};

use crate::conditions;
use crate::decide::{Decision, Situation};
use crate::intent::{Conduct, FieldValidation, Intent};
use crate::patch::{DEPTH_MAX, fits};
use crate::refusal::Refusal;
use crate::stored::StoredStatus;

/// So many faults of one sort are told; nobody reads more, and a client can make any number.
pub(crate) const REPORTED_MAX: usize = 50;

/// Checks the parts of one write and collects what there is to say about them.
pub(crate) struct Check<'a> {
    pub(crate) situation: Situation<'a>,
    pub(crate) conduct: Conduct,
    pub(crate) manner: Manner,
    /// Who writes.
    pub(crate) manager: &'a str,
    pub(crate) warnings: Vec<String>,
    pub(crate) errors: Vec<FieldError>,
    /// Paths of fields that nobody knows.
    pub(crate) unknown: Vec<String>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(situation: Situation<'a>, intent: &'a Intent) -> Self {
        Self {
            situation,
            conduct: intent.conduct,
            manner: intent.manner(),
            manager: &intent.manager,
            warnings: Vec::new(),
            errors: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Prunes, defaults and validates a body, and gives back its canonical text.
    ///
    /// What equals what is stored is not held against the write, neither as a whole nor in parts:
    /// an older schema may have let it in.
    pub(crate) fn body(
        &mut self,
        name: &str,
        mut body: Map<String, Value>,
        stored: Option<&Json>,
    ) -> Json {
        for (field, value) in &body {
            if !self.is_shallow(field, value) {
                return Json::empty_object();
            }
        }
        let Situation { definition, version, key, .. } = self.situation;
        let habits = &definition.habits;
        habits.complete(&mut body);
        if declares_kinds(definition) {
            Definition::complete_declaration(&mut body);
        }
        self.unknown.extend(version.normalize_body(&mut body));
        let text = Json::from_map(&body);
        if stored == Some(&text) {
            return text;
        }
        let faults = version.validate_new_body(&body, || stored.map(Json::to_map));
        let sound = faults.is_empty();
        self.errors.extend(faults);
        if sound && declares_kinds(definition) {
            self.declaration(name, &body);
        }
        if sound && !habits.is_plain() {
            self.errors.extend(habits.check(&key.name.namespace, &body));
        }
        if let Some(stored) = stored
            && definition.core
        {
            self.errors.extend(habits.check_successor(&stored.to_map(), &body));
        }
        text
    }

    /// What a declaration declares must be sound, and a worthy successor of what is in force.
    fn declaration(&mut self, name: &str, body: &Map<String, Value>) {
        self.unknown.extend(Definition::unknown_keywords(body));
        match (Definition::from_crd(name, body), self.situation.current) {
            (Err(faults), _) => self.errors.extend(faults),
            (Ok(declared), Some(current)) => {
                let status = current.status.as_ref().map(Json::to_value);
                let stored = current.body.to_map();
                self.errors.extend(declared.check_successor(&stored, status.as_ref()));
            }
            (Ok(_), None) => {}
        }
    }

    /// Prunes and defaults a status. Nothing is left when there is none, or when it cannot be one.
    pub(crate) fn normal_status(&mut self, mut status: Value) -> Option<Value> {
        if !self.is_shallow("status", &status) {
            return None;
        }
        self.unknown.extend(self.situation.version.normalize_status(&mut status));
        if !status.is_object() && !status.is_null() {
            self.errors.push(FieldError::with_value(
                "status",
                FieldErrorKind::TypeInvalid,
                &status,
                "status must be an object",
            ));
        }
        Some(status).filter(Value::is_object)
    }

    /// Validates a status that takes the place of what is stored, if anything is.
    pub(crate) fn validate_status(&mut self, status: &Value, stored: Option<&StoredStatus<'_>>) {
        let before = || stored.map(|stored| conditions::looked_after(self, stored));
        let faults = self.situation.version.validate_new_status(status, before);
        self.errors.extend(faults);
    }

    /// A status of a declaration says what its objects are stored in, which later writes rely on.
    pub(crate) fn stored_versions(&mut self, stored: &StoredStatus<'_>, wanted: Option<&Value>) {
        if declares_kinds(self.situation.definition) {
            let body = stored.object.body.to_map();
            let before = Some(stored.tree());
            self.errors.extend(Definition::check_stored_versions(&body, before, wanted));
        }
    }

    /// Nothing is stored that nests deeper than what can be read back and patched. The object is
    /// the first level.
    fn is_shallow(&mut self, field: &str, value: &Value) -> bool {
        let shallow = fits(value, DEPTH_MAX - 1);
        if !shallow {
            self.errors.push(FieldError::new(
                field,
                FieldErrorKind::Invalid,
                format!("an object may nest {DEPTH_MAX} levels deep"),
            ));
        }
        shallow
    }

    /// Says that a status in a main write was ignored, unless it says what is stored anyway.
    pub(crate) fn warn_status_ignored(&mut self, given: &Value, stored: Option<&Json>) {
        let same = match stored {
            Some(stored) => Json::from_value(given) == *stored,
            None => given.as_object().is_some_and(Map::is_empty) || given.is_null(),
        };
        if !same {
            self.warnings.push(
                "status was ignored: it is written through the status subresource only".to_owned(),
            );
        }
    }

    /// The decision on a write to `current`, or all that is wrong with it.
    pub(crate) fn decided(
        self,
        current: &Arc<Object>,
        put: Option<Put>,
    ) -> Result<Decision, Refusal> {
        let Self { situation, manner, .. } = self;
        Ok(Decision::new(situation, current, manner, put, self.done()?))
    }

    /// A declaration in a group of the Kubernetes community must say who approved it. One that says
    /// what it said before is left alone, as upstream.
    pub(crate) fn approval(&mut self, wanted: &Metadata, stored: Option<&Metadata>) {
        if !declares_kinds(self.situation.definition) {
            return;
        }
        let of = |metadata: &Metadata| Approval::of(&wanted.name, &metadata.annotations);
        let found = of(wanted);
        let is_news = stored.is_none_or(|stored| of(stored) != found);
        self.errors.extend(found.filter(|_| is_news).and_then(|found| found.fault()));
    }

    /// The warnings, or all that is wrong. Unknown fields are whichever of the two the caller asked
    /// for.
    pub(crate) fn done(mut self) -> Result<Vec<String>, Refusal> {
        match self.conduct.unknown_fields {
            FieldValidation::Strict if !self.unknown.is_empty() => {
                return Err(Refusal::UnknownFields(self.unknown));
            }
            FieldValidation::Strict | FieldValidation::Ignore => {}
            FieldValidation::Warn => {
                let sentences = self.unknown.iter().map(|path| format!("unknown field {path:?}"));
                self.warnings.extend(sentences);
            }
        }
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(Refusal::Invalid(self.errors)) }
    }
}

/// Whether the objects of this kind declare kinds, so that what they declare is checked too.
fn declares_kinds(definition: &Definition) -> bool {
    &*definition.kind.plural == "customresourcedefinitions"
        && &*definition.kind.group == "apiextensions.k8s.io"
}
