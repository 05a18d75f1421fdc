//! Why a run came to nothing. Failed requests are not here: they are counted and reported.

use std::io;

/// The outcome of anything that can end a run.
pub(crate) type Result<T> = std::result::Result<T, BenchError>;

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// Something local failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        source: io::Error,
    },
    /// A connection failed outside of measured load.
    #[error("{doing}: {source}")]
    Http {
        /// What was being done.
        doing: String,
        source: hyper::Error,
    },
    /// The server answered something that the run cannot go on with.
    #[error("{0}")]
    Answer(String),
    /// The server did not do something in time.
    #[error("{0}")]
    TimedOut(String),
    /// This machine or these options do not allow the run.
    #[error("{0}")]
    Refused(String),
    /// The run went through and its numbers are not to be trusted.
    #[error("{0}")]
    Unsound(String),
}

impl BenchError {
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing: doing.into(), source }
    }

    pub(crate) fn http(doing: impl Into<String>, source: hyper::Error) -> Self {
        Self::Http { doing: doing.into(), source }
    }
}
