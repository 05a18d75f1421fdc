//! The codes that programs look at: one table of names, statuses and meanings.

use std::fmt;

use http::StatusCode;

/// Makes the enum and everything that is said about its variants from one table.
macro_rules! reasons {
    ($($variant:ident $text:literal $status:ident $meaning:literal;)*) => {
        /// Why a request was not answered with what it asked for. The texts are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)*
        }

        impl Reason {
            /// All of them, in the order of their statuses.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As answers and messages write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The status that goes with it, before a door has its say.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),* }
            }

            /// What it means, in half a sentence for whoever reads documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

reasons! {
    BadRequest "BAD_REQUEST" BAD_REQUEST
        "malformed: JSON, a query parameter, a header, a selector, or a document for another object";
    UnknownField "UNKNOWN_FIELD" BAD_REQUEST
        "fields that the schema does not know, with `fieldValidation=Strict`";
    InvalidResourceVersion "INVALID_RESOURCE_VERSION" BAD_REQUEST
        "a version that the server never gave out";
    Unauthenticated "UNAUTHENTICATED" UNAUTHORIZED
        "no credentials where some are needed, or some that prove nothing";
    Forbidden "FORBIDDEN" FORBIDDEN
        "the rules do not allow it; `error` ends with the permission that is missing";
    ForeignHost "FOREIGN_HOST" FORBIDDEN
        "`Host` or `Origin` is not this machine, on a server that asks for no credentials";
    NamespaceTerminating "NAMESPACE_TERMINATING" FORBIDDEN
        "nothing new can be made in a namespace that is being deleted";
    QuotaExceeded "QUOTA_EXCEEDED" FORBIDDEN
        "the namespace may hold no more objects of the kind; `error` says which `ResourceQuota` limits it";
    NotFound "NOT_FOUND" NOT_FOUND
        "no such path, or no such object";
    KindNotServed "KIND_NOT_SERVED" NOT_FOUND
        "no kind has this plural name";
    AmbiguousKind "AMBIGUOUS_KIND" NOT_FOUND
        "two declared kinds have this plural name; `paths` has the names to use";
    NamespaceNotFound "NAMESPACE_NOT_FOUND" NOT_FOUND
        "the namespace of a create does not exist";
    ConditionNotFound "CONDITION_NOT_FOUND" NOT_FOUND
        "the object has no such condition, or its kind has none";
    MethodNotAllowed "METHOD_NOT_ALLOWED" METHOD_NOT_ALLOWED
        "the path cannot do that; `Allow` lists what it can";
    KindTerminating "KIND_TERMINATING" METHOD_NOT_ALLOWED
        "the kind is being deleted, and nothing new can be made";
    VersionNotServed "VERSION_NOT_SERVED" NOT_ACCEPTABLE
        "the kind has no such version";
    NotAcceptable "NOT_ACCEPTABLE" NOT_ACCEPTABLE
        "`Accept` takes nothing of what there is; the text lists it";
    RequestTimeout "REQUEST_TIMEOUT" REQUEST_TIMEOUT
        "the body took too long to arrive";
    AlreadyExists "ALREADY_EXISTS" CONFLICT
        "an object of this name exists; `uid` is its own";
    Conflict "CONFLICT" CONFLICT
        "the object has another version than the one that was named";
    FieldManagerConflict "FIELD_MANAGER_CONFLICT" CONFLICT
        "conditions that other managers own";
    UidMismatch "UID_MISMATCH" CONFLICT
        "the object was deleted and made anew since";
    Expired "EXPIRED" GONE
        "a watch or a page of a list from before the history that is kept";
    TooLarge "TOO_LARGE" PAYLOAD_TOO_LARGE
        "the body, the object or the patch breaks a limit";
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" UNSUPPORTED_MEDIA_TYPE
        "a `Content-Type` that is not understood, or a body that is compressed";
    Invalid "INVALID" UNPROCESSABLE_ENTITY
        "the object breaks its schema or a rule; `causes` has each fault";
    SpecWriteForbidden "SPEC_WRITE_FORBIDDEN" UNPROCESSABLE_ENTITY
        "a status write that names more than status; `path` says what";
    PatchTestFailed "PATCH_TEST_FAILED" UNPROCESSABLE_ENTITY
        "a `test` of a JSON patch does not hold";
    PatchFailed "PATCH_FAILED" UNPROCESSABLE_ENTITY
        "the patch does not fit the object";
    PreconditionRequired "PRECONDITION_REQUIRED" PRECONDITION_REQUIRED
        "this server wants to know the version that a status is computed from";
    Throttled "THROTTLED" TOO_MANY_REQUESTS
        "too many writes are waiting, or too many watches are open";
    Internal "INTERNAL" INTERNAL_SERVER_ERROR
        "a fault of the server; its log says more";
    Unavailable "UNAVAILABLE" SERVICE_UNAVAILABLE
        "the server shuts down, or its store does not answer; nothing was written";
    AuditUnavailable "AUDIT_UNAVAILABLE" SERVICE_UNAVAILABLE
        "the write could not be recorded in the audit log; nothing was written";
    Timeout "TIMEOUT" GATEWAY_TIMEOUT
        "others wrote the object all the time; nothing was written";
    OutcomeUnknown "OUTCOME_UNKNOWN" GATEWAY_TIMEOUT
        "whether it was written is not known: read before writing again";
    StorageFull "STORAGE_FULL" INSUFFICIENT_STORAGE
        "the disk is full; nothing was written";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_of_a_kind_and_in_the_order_of_statuses() {
        let mut texts: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Reason::ALL.len());
        assert!(Reason::ALL.is_sorted_by_key(|reason| reason.status().as_u16()));
        assert!(Reason::ALL.iter().all(|reason| reason.status().as_u16() >= 400));
    }
}
