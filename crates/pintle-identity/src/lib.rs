//! Who is calling: what callers show, what it proves, and for how long.
//!
//! A door asks [`Authenticators`] about each request and gets a [`Caller`]. Whoever then keeps
//! answering that caller, as a watch does, holds a [`Lapse`] and ends when it does. What callers
//! may do is not decided here (that is `pintle-authz`), and no door is known here.

mod authenticators;
mod caller;
mod certificates;
mod connection;
mod jwt;
mod life;
mod tokens;

pub use authenticators::{Authenticators, Unauthenticated};
pub use caller::{Caller, Credential, CredentialKind};
pub use certificates::{CertificateError, ClientCertificates, ClientTrust, ClientTrustError};
pub use connection::Connection;
pub use jwt::{
    ClaimRules, ClaimRulesError, JwtAuthenticator, JwtError, KeySet, KeySetError, Keys, KeysError,
    Remote,
};
pub use life::{Lapse, Lapsed};
pub use tokens::{Replaced, StaticTokens, TokenFile, TokenFileError, tokens_in};
