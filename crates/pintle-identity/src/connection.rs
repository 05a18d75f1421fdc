//! What is known of the connection that a request came over.

use std::net::SocketAddr;
use std::sync::Arc;

use pintle_authz::User;

use crate::ClientCertificates;

/// The server adds it to the extensions of every request.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// The other end.
    pub peer: Option<SocketAddr>,
    /// The certificates that the other end showed, whatever they prove.
    pub certificates: Option<Arc<ClientCertificates>>,
    /// Whom the program itself says this is. There is no connection then: only code in the same
    /// process can make such a request, as nothing that is sent becomes an extension.
    pub user: Option<Arc<User>>,
}
