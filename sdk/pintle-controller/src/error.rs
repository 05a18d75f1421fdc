//! Why a reconcile did not come to its end.

use std::error::Error as _;
use std::time::Duration;

use pintle_kinds::report::Stale;

use crate::ReportError;

/// Why an object has to be reconciled again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object was written meanwhile: what was decided may be wrong now. Nobody's fault, and
    /// soon over.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The object is gone. It is not reconciled again.
    #[error("the object is gone")]
    Gone,
    /// The server refused something, or cannot be reached.
    #[error("{}", explain(.0))]
    Api(Box<kube::Error>),
    /// It took too long, and was ended.
    #[error("the reconcile was ended after {0:?}")]
    TimedOut(Duration),
    /// It panicked, with these words.
    #[error("the reconcile panicked: {0}")]
    Panicked(String),
    /// Anything else.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// Why a call failed, in one line and with what is behind it: `client error (Connect): tcp connect
/// error: Connection refused (os error 111)`. What a server refuses is told in its own words.
pub fn explain(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return format!("{} ({} {})", status.message, status.code, status.reason);
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(behind) = cause {
        // Some errors say what is behind them themselves.
        let said = behind.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = behind.source();
    }
    if text.contains("invalid peer certificate") {
        text.push_str(" (the CA in the kubeconfig is not that of the server)");
    }
    text
}

impl Error {
    /// Anything that went wrong.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// One word for metrics.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Stale(_) => "stale",
            Self::Gone => "gone",
            Self::Api(_) => "api",
            Self::TimedOut(_) => "timeout",
            Self::Panicked(_) => "panic",
            Self::Other(_) => "error",
        }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 404 => Self::Gone,
            other => Self::Api(Box::new(other)),
        }
    }
}

impl From<ReportError> for Error {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Stale(stale) => Self::Stale(stale),
            ReportError::Gone => Self::Gone,
            ReportError::Api(error) => Self::Api(error),
            other @ (ReportError::Unnamed | ReportError::Json(_) | ReportError::Contended) => {
                Self::other(other)
            }
        }
    }
}
