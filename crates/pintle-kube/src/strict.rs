//! What a close reading of a document finds: keys that stand twice, and fields that nobody knows.
//! The client says what becomes of it (`fieldValidation`).

use pintle_authz::Granted;
use pintle_engine::{Refusal, Write, Written};
use pintle_rules::{FieldValidation, Refusal as RulesRefusal};

use crate::api::Call;
use crate::options::WriteOptions;
use crate::refusals::{self, Deed};
use crate::reply::Failure;
use crate::status::About;
use crate::write::carry_out;

/// What was found, in full sentences.
#[derive(Debug)]
pub(crate) struct Findings {
    validation: FieldValidation,
    found: Vec<String>,
}

impl Findings {
    pub(crate) fn of(
        validation: FieldValidation,
        duplicates: &[String],
        unknown: &[String],
    ) -> Self {
        let twice = duplicates.iter().map(|path| format!("duplicate field {path:?}"));
        let found = twice.chain(unknown.iter().map(|path| is_unknown(path))).collect();
        Self { validation, found }
    }

    /// Whether they are reason enough to refuse the write.
    pub(crate) fn refuse(&self) -> bool {
        self.validation == FieldValidation::Strict && !self.found.is_empty()
    }

    /// How the write is carried out: one that is refused goes on without a trace, to find out what
    /// else there is to say.
    pub(crate) fn bound(&self, options: WriteOptions) -> WriteOptions {
        WriteOptions { dry_run: options.dry_run || self.refuse(), ..options }
    }

    /// What the answer to an accepted write says of them.
    pub(crate) fn warnings(self) -> Vec<String> {
        match self.validation {
            FieldValidation::Warn => self.found,
            FieldValidation::Ignore | FieldValidation::Strict => Vec::new(),
        }
    }

    /// A refusal for them, and for the fields that turned out to be unknown later.
    pub(crate) fn refusal(&self, unknown: &[String], about: &About, deed: Deed) -> Failure {
        let unknown = unknown.iter().map(|path| is_unknown(path));
        let all: Vec<String> = self.found.iter().cloned().chain(unknown).collect();
        Failure::told(refusals::strict(&all.join(", "), about, deed))
    }

    /// Carries a write out, unless they refuse it.
    pub(crate) async fn carry_out(
        &self,
        call: &Call<'_>,
        write: Granted<Write>,
        name: &str,
        deed: Deed,
    ) -> Result<Written, Failure> {
        let done = carry_out(call, write, name, deed).await;
        if !self.refuse() {
            return done;
        }
        let refusal = match &done {
            Err(Failure::Refused(refused)) => Some(&refused.refusal),
            _ => None,
        };
        let unknown = match refusal {
            // There is nothing to read the document for.
            Some(Refusal::Rules(RulesRefusal::NotFound)) => return done,
            Some(Refusal::Rules(RulesRefusal::UnknownFields(fields))) => fields.as_slice(),
            _ => &[],
        };
        Err(self.refusal(unknown, &call.about(name), deed))
    }
}

fn is_unknown(path: &str) -> String {
    format!("unknown field {path:?}")
}
