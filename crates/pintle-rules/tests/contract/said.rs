//! A decision as one line of text, so that tables can say what they expect.

use pintle_model::{Change, Json, Put, StatusPut};
use pintle_rules::{Decision, Refusal, Verdict};

/// What `decide` said: `unchanged`, `create`, `main`, `status` or `delete` with what is written,
/// and each warning behind a `!`; or why it refused.
pub(crate) fn said(answer: &Result<Decision, Refusal>) -> String {
    match answer {
        Ok(decision) => {
            let warnings = decision.warnings.iter().map(|warning| format!(" ! {warning}"));
            verdict(&decision.verdict) + &warnings.collect::<String>()
        }
        Err(refusal) => refused(refusal),
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Unchanged(_) => "unchanged".to_owned(),
        Verdict::Change(Change { put, key, .. }) => match put {
            Put::Create { body, status, .. } => {
                format!("create {} {body:?}{}", key.name, lane(" status", status.as_ref()))
            }
            Put::Main { metadata, body, status } => {
                let status =
                    status.as_ref().map_or_else(String::new, |put| format!(" {}", wrote(put)));
                format!("main g{}{}{status}", metadata.generation, lane("", body.as_ref()))
            }
            Put::Status(put) => wrote(put),
            Put::Delete => "delete".to_owned(),
        },
    }
}

fn lane(name: &str, text: Option<&Json>) -> String {
    text.map_or_else(String::new, |text| format!("{name} {text:?}"))
}

fn wrote(put: &StatusPut) -> String {
    put.status
        .as_ref()
        .map_or_else(|| "status cleared".to_owned(), |text| format!("status {text:?}"))
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotFound => "not found".to_owned(),
        Refusal::AlreadyExists { uid } => format!("exists as {uid}"),
        Refusal::Boundary { path } => format!("boundary {path}"),
        Refusal::PreconditionRequired => "precondition required".to_owned(),
        Refusal::InvalidRevision { given, .. } => format!("no version {given}"),
        Refusal::Conflict(conflict) => format!(
            "conflict {} is now {}, generation {}, spec {}, status {}",
            conflict.expected,
            conflict.current,
            conflict.generation,
            conflict.spec_changed,
            conflict.status_changed
        ),
        Refusal::UidMismatch { expected, current, .. } => {
            let expected = expected.as_ref().map_or("older", |uid| uid.as_str());
            format!("uid {expected} is now {current}")
        }
        Refusal::IdentityMismatch { path, given, expected } => {
            format!("{path} is {given:?}, not {expected:?}")
        }
        Refusal::Invalid(faults) => {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            format!("invalid {}", faults.join("; "))
        }
        Refusal::UnknownFields(fields) => format!("unknown {}", fields.join(", ")),
        Refusal::Patch(error) => format!("patch {error}"),
        Refusal::OwnedByOthers(owned) => {
            let owned: Vec<_> =
                owned.iter().map(|it| format!("{} by {}", it.kind, it.manager)).collect();
            format!("owned {}", owned.join(", "))
        }
        Refusal::NoCondition { kind } => format!("no condition {kind}"),
        Refusal::Indispensable => "indispensable".to_owned(),
    }
}
