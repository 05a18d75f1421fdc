//! The table from refusals of the engine to what upstream would say.

use http::StatusCode;
use pintle_engine::{NAMESPACES, Refusal};
use pintle_http::{Answer, Reason, Subject};
use pintle_model::{FieldError, FieldErrorKind, GroupResource, Revision, Uid};
use pintle_rules::{PatchError, Refusal as RulesRefusal};
use serde_json::{Value, json};

use crate::reply::Failure;
use crate::status::{About, Status};

/// What was done when the engine refused: the same refusal reads differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Something was read or watched.
    Read,
    /// Something was made. Whether its kind is a built-in one, whose documents upstream reads into
    /// structures: then what has the wrong type is malformed, and not just invalid.
    Create { built_in: bool },
    /// Something was replaced.
    Replace { built_in: bool },
    /// Something was patched.
    Patch { built_in: bool },
    /// Something was deleted.
    Delete {
        /// The version that was the precondition.
        expected: Option<Revision>,
        /// How many others of its collection went before.
        gone: usize,
    },
}

impl Deed {
    const fn is_built_in(self) -> bool {
        match self {
            Self::Create { built_in } | Self::Replace { built_in } | Self::Patch { built_in } => {
                built_in
            }
            Self::Read | Self::Delete { .. } => false,
        }
    }
}

const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// Looks a refusal up.
pub(crate) fn status(refusal: &Refusal, about: &About, deed: Deed) -> Status {
    let mut status = whole_status(refusal, about, deed);
    if let Deed::Delete { gone: gone @ 1.., .. } = deed {
        let message = &status.message;
        status.message = format!("{message}; {gone} others of the collection were deleted before");
    }
    status
}

fn whole_status(refusal: &Refusal, about: &About, deed: Deed) -> Status {
    match refusal {
        Refusal::Rules(refusal) => rules_status(refusal, about, deed),
        Refusal::Forbidden(forbidden) => {
            Status::new(403, "Forbidden", forbidden.to_string()).of_resource(about)
        }
        Refusal::NamespaceNotFound { namespace } => {
            let about = About {
                plural: NAMESPACES.to_owned(),
                name: namespace.clone(),
                ..About::default()
            };
            not_found(&about)
        }
        Refusal::NamespaceTerminating { namespace } => {
            let (resource, name) = (about.resource(), &about.name);
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being \
                 terminated"
            );
            let message = format!("{resource} {name:?} is forbidden: {why}");
            let cause = format!("namespace {namespace} is being terminated");
            Status::new(403, "Forbidden", message).of_resource(about).with_cause(
                "NamespaceTerminating",
                &cause,
                "metadata.namespace",
            )
        }
        Refusal::KindTerminating => Status::new(
            405,
            "MethodNotAllowed",
            "create not allowed while custom resource definition is terminating",
        )
        .of_resource(about),
        Refusal::QuotaExceeded(exceeded) => {
            // The name may have been made up on the way.
            let about = About { name: exceeded.key.name.name.to_string(), ..about.clone() };
            let message = format!("{} {:?} is forbidden: {exceeded}", about.resource(), about.name);
            Status::new(403, "Forbidden", message).of_resource(&about)
        }
        Refusal::KindGone => not_found(about),
        Refusal::NotSelectable { field } => {
            Status::bad_request(format!("field label not supported: {field}"))
        }
        Refusal::TooLarge { bytes, bytes_max } => Status::new(
            413,
            "RequestEntityTooLarge",
            format!("the object would have {bytes} bytes; {bytes_max} are allowed"),
        )
        .of_resource(about),
        Refusal::Expired { .. } | Refusal::FromTheFuture { .. } => revision_status(refusal),
        Refusal::Contended
        | Refusal::TooManyWatches
        | Refusal::Overloaded
        | Refusal::StorageFull(_)
        | Refusal::Unavailable(_)
        | Refusal::OutcomeUnknown(_)
        | Refusal::ShuttingDown
        | Refusal::Unconverted(_)
        | Refusal::Internal(_) => server_status(refusal, about),
    }
}

fn revision_status(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::FromTheFuture { asked, newest } => Status::new(
            504,
            "Timeout",
            format!("Timeout: Too large resource version: {asked}, current: {newest}"),
        )
        .with_cause("ResourceVersionTooLarge", "Too large resource version", "")
        .retry_after(1),
        Refusal::Expired { asked, oldest } => {
            Status::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
        }
        _ => Status::new(410, "Expired", "The resourceVersion is too old."),
    }
}

/// What is the server's fault, or its load's.
fn server_status(refusal: &Refusal, about: &About) -> Status {
    let (code, reason, retry) = match refusal {
        Refusal::Contended => (504, "Timeout", Some(1)),
        Refusal::TooManyWatches => (429, "TooManyRequests", Some(5)),
        Refusal::Overloaded => (429, "TooManyRequests", Some(1)),
        Refusal::StorageFull(_) => (507, "InsufficientStorage", Some(10)),
        Refusal::Unavailable(_) | Refusal::ShuttingDown => (503, "ServiceUnavailable", Some(1)),
        // Whoever tries again at once could do it twice.
        Refusal::OutcomeUnknown(_) => (504, "Timeout", None),
        _ => (500, "InternalError", None),
    };
    // The sentence says what happened and what to do; what went wrong inside goes to the log.
    let message = pintle_http::answer(refusal, &subject(about)).message;
    let message = match code {
        500 => format!("Internal error occurred: {message}"),
        _ => message,
    };
    let status = Status::new(code, reason, message).of_resource(about);
    match retry {
        Some(seconds) => status.retry_after(seconds),
        None => status,
    }
}

fn subject(about: &About) -> Subject {
    let resource = GroupResource::new(&about.group, &about.plural);
    Subject { resource, name: about.name.clone() }
}

fn not_found(about: &About) -> Status {
    let message = format!("{} {:?} not found", about.resource(), about.name);
    Status::new(404, "NotFound", message).of_resource(about)
}

fn rules_status(refusal: &RulesRefusal, about: &About, deed: Deed) -> Status {
    match refusal {
        RulesRefusal::NotFound => not_found(about),
        RulesRefusal::AlreadyExists { .. } => {
            let message = format!("{} {:?} already exists", about.resource(), about.name);
            Status::new(409, "AlreadyExists", message).of_resource(about)
        }
        RulesRefusal::PreconditionRequired => unversioned(about),
        RulesRefusal::InvalidRevision { given, why } => match deed {
            Deed::Create { .. } => Status::bad_request(*why),
            _ if given.bytes().all(|byte| byte.is_ascii_digit()) => {
                Status::conflict(about, MODIFIED)
            }
            _ => Status::bad_request(format!("invalid resourceVersion {given:?}: {why}")),
        },
        RulesRefusal::Conflict(conflict) if matches!(deed, Deed::Delete { .. }) => {
            other_version(conflict.expected, conflict.current, about)
        }
        RulesRefusal::Conflict(_) => Status::conflict(about, MODIFIED),
        RulesRefusal::UidMismatch { expected: None, revision, .. } => match deed {
            Deed::Delete { expected: Some(expected), .. } => {
                other_version(expected, *revision, about)
            }
            _ => Status::conflict(about, MODIFIED),
        },
        RulesRefusal::UidMismatch { expected: Some(expected), current, .. } => {
            other_uid(expected, current, about, deed)
        }
        RulesRefusal::IdentityMismatch { path, given, expected } => {
            other_identity((path, given, expected), about)
        }
        RulesRefusal::Invalid(faults) => invalid(faults, about, deed),
        RulesRefusal::UnknownFields(fields) => unknown_fields(fields, about, deed),
        RulesRefusal::Patch(error) => patch_status(error, about),
        RulesRefusal::Indispensable => {
            let (resource, name) = (about.resource(), &about.name);
            let message =
                format!("{resource} {name:?} is forbidden: this namespace may not be deleted");
            Status::new(403, "Forbidden", message).of_resource(about)
        }
        // Requests of this door ask for none of what these refuse.
        RulesRefusal::Boundary { .. }
        | RulesRefusal::OwnedByOthers(_)
        | RulesRefusal::NoCondition { .. } => {
            let refusal = Refusal::Rules(refusal.clone());
            let answer = pintle_http::answer(&refusal, &subject(about));
            Status::new(answer.status.as_u16(), "Invalid", answer.message).of_kind(about)
        }
    }
}

fn unversioned(about: &About) -> Status {
    let fault = FieldError::with_value(
        "metadata.resourceVersion",
        FieldErrorKind::Invalid,
        &json!(0),
        "must be specified for an update",
    );
    // Upstream names the resource here, not the kind.
    let resource = About { kind: about.plural.clone(), ..about.clone() };
    Status::invalid(&resource, &[fault])
}

/// A precondition of a delete: the details name the kind, as upstream.
fn failed_precondition(about: &About, why: &str) -> Status {
    let named = About { plural: about.kind.clone(), ..about.clone() };
    Status::conflict(&named, why)
}

fn other_version(expected: Revision, current: Revision, about: &About) -> Status {
    let why = format!(
        "the ResourceVersion in the precondition ({expected}) does not match the ResourceVersion \
         in record ({current}). The object might have been modified"
    );
    failed_precondition(about, &why)
}

fn other_uid(expected: &Uid, current: &Uid, about: &About, deed: Deed) -> Status {
    match deed {
        Deed::Delete { .. } => {
            let why = format!(
                "the UID in the precondition ({expected}) does not match the UID in record \
                 ({current}). The object might have been deleted and then recreated"
            );
            failed_precondition(about, &why)
        }
        Deed::Patch { .. } => {
            let value = Value::from(expected.as_str());
            let fault = FieldError::invalid("metadata.uid", &value, "field is immutable");
            Status::invalid(about, &[fault])
        }
        Deed::Read | Deed::Create { .. } | Deed::Replace { .. } => {
            let why = format!(
                "Precondition failed: UID in precondition: {expected}, UID in object meta: \
                 {current}"
            );
            Status::conflict(about, &why)
        }
    }
}

fn other_identity((path, given, expected): (&str, &str, &str), about: &About) -> Status {
    match path {
        "metadata.name" => Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({expected})"
        )),
        "metadata.namespace" => Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        "kind" => {
            let value = Value::from(given);
            let fault = FieldError::invalid("kind", &value, format!("must be {expected}"));
            Status::invalid(about, &[fault])
        }
        _ => Status::bad_request(format!(
            "the API version in the data ({given}) does not match the expected API version \
             ({expected})"
        )),
    }
}

fn invalid(faults: &[FieldError], about: &About, deed: Deed) -> Status {
    // Metadata, and all of a built-in kind, upstream reads into structures first.
    let unreadable = |fault: &&FieldError| match fault.kind {
        FieldErrorKind::Malformed => true,
        FieldErrorKind::TypeInvalid => deed.is_built_in() || fault.path.starts_with("metadata"),
        _ => false,
    };
    match faults.iter().find(unreadable) {
        Some(fault) => unreadable_as(about, &fault.to_string()),
        None => Status::invalid(about, faults),
    }
}

/// A body that cannot be read as what is asked for.
pub(crate) fn unreadable_as(about: &About, why: &str) -> Status {
    let About { kind, version, .. } = about;
    let message = format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}");
    Status::bad_request(message)
}

fn unknown_fields(fields: &[String], about: &About, deed: Deed) -> Status {
    let listed: Vec<String> =
        fields.iter().map(|field| format!("unknown field {field:?}")).collect();
    strict(&listed.join(", "), about, deed)
}

/// What a strict reading finds: unknown fields, and those that stand twice.
pub(crate) fn strict(found: &str, about: &About, deed: Deed) -> Status {
    let found = format!("strict decoding error: {found}");
    if matches!(deed, Deed::Patch { .. }) {
        let fault = FieldError::new("patch", FieldErrorKind::Invalid, found);
        return Status::invalid(about, &[fault]);
    }
    unreadable_as(about, &found)
}

fn patch_status(error: &PatchError, about: &About) -> Status {
    match error {
        PatchError::Malformed(why) => Status::bad_request(why.clone()),
        PatchError::TooManyOperations { .. }
        | PatchError::TooLarge { .. }
        | PatchError::TooMuchWork => {
            Status::new(413, "RequestEntityTooLarge", error.to_string()).of_resource(about)
        }
        PatchError::TestFailed { .. }
        | PatchError::CannotApply { .. }
        | PatchError::TooDeep { .. } => unpatchable(&error.to_string()),
    }
}

/// A patch that does not fit the object. Upstream's sentence says nothing; the cause does.
pub(crate) fn unpatchable(why: &str) -> Status {
    Status::new(422, "Invalid", "the server rejected our request due to an error in our request")
        .with_cause("UnexpectedServerResponse", why, "")
}

const fn is_for_the_log(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Internal(_) | Refusal::Unconverted(_))
}

/// The failure in the words of the table that all doors share, for logs and records.
pub(crate) fn answer(failure: &Failure, status: &Status) -> Answer {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let shared = match failure {
        // What is for the log was logged when the status was made.
        Failure::Refused(refused) if !is_for_the_log(&refused.refusal) => {
            pintle_http::answer(&refused.refusal, &subject(&refused.about))
        }
        _ => Answer::of(reason(status.code), status.message.clone()),
    };
    Answer { status: code, ..shared }
}

const fn reason(code: u16) -> Reason {
    match code {
        401 => Reason::Unauthenticated,
        403 => Reason::Forbidden,
        404 => Reason::NotFound,
        405 => Reason::MethodNotAllowed,
        406 => Reason::NotAcceptable,
        408 => Reason::RequestTimeout,
        409 => Reason::Conflict,
        410 => Reason::Expired,
        413 => Reason::TooLarge,
        415 => Reason::UnsupportedMediaType,
        422 => Reason::Invalid,
        429 => Reason::Throttled,
        503 => Reason::Unavailable,
        504 => Reason::Timeout,
        507 => Reason::StorageFull,
        500 => Reason::Internal,
        _ => Reason::BadRequest,
    }
}
