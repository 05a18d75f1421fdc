//! What is known of the connection that a request came over.

use std::net::SocketAddr;

/// The server adds it to the extensions of every request.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// The other end.
    pub peer: Option<SocketAddr>,
}
