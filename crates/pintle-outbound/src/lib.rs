//! The one way in which Pintle calls other servers.
//!
//! [`Client`] sends a [`Message`] to a [`Url`] and takes an answer, over HTTP/1.1 with or without
//! TLS. Whatever is at the other end may be slow, broken or hostile, so everything has a bound:
//! [`ClientSettings`] has the times, the bytes and the connections that are kept.
//!
//! What it does not do, on purpose:
//!
//! - it follows no redirect: a 3xx is an answer like any other, and credentials go only to where
//!   the settings say;
//! - it looks at no proxy variable (`HTTP_PROXY` and others): a request goes where its URL says;
//! - it restricts no address: its URLs come from the operator's settings, never from requests;
//! - it shows no secret: errors and `Debug` name the scheme, host and port of a URL, and nothing
//!   behind them, because paths and queries of URLs are used as passwords.

mod client;
mod file;
mod message;
mod secret;
mod tls;
mod url;

pub use client::{Client, ClientSettings, SendError};
pub use message::Message;
pub use secret::{Secret, SecretFile, SecretFileError};
pub use tls::{CaFileError, tls_config};
pub use url::{Url, UrlError};

/// What requests say about who sends them.
pub const USER_AGENT: &str = concat!("pintle/", env!("CARGO_PKG_VERSION"));
