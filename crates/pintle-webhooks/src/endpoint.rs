//! What there is to say about an endpoint.

use std::path::PathBuf;
use std::time::Duration;

use pintle_outbound::{SecretFile, Url};

/// How events become requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The whole event is the body, one a request.
    #[default]
    Structured,
    /// The data is the body, the rest are headers.
    Binary,
    /// Several whole events are the body, as a list.
    Batch,
}

/// An endpoint, and how to talk to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub url: Url,
    /// What it understands.
    pub mode: Mode,
    /// A bearer token that says who is calling.
    pub token: Option<SecretFile>,
    /// A key that requests are signed with.
    pub secret: Option<SecretFile>,
    /// Certificates to believe besides those that the machine trusts.
    pub ca_file: Option<PathBuf>,
    /// A request is answered within this, or has failed.
    pub timeout: Duration,
}
