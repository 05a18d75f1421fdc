//! A caller, and what they showed.

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use pintle_authz::User;

use crate::life::{Lapse, Life};

/// A caller, found out.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is.
    pub user: Arc<User>,
    /// How that is known.
    pub credential: Credential,
}

/// What a caller showed. It holds nothing that could be shown again by somebody else.
#[derive(Debug, Clone)]
pub struct Credential {
    /// What it is.
    pub kind: CredentialKind,
    /// From then on it proves nothing; nothing where it has no end of its own.
    pub expires: Option<SystemTime>,
    pub(crate) life: Option<Life>,
}

/// The kinds of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// Nothing was shown.
    None,
    /// A bearer token from the token file.
    Token,
    /// A JSON Web Token.
    Jwt,
    /// A client certificate.
    Certificate,
    /// The word of the program that the server is a part of.
    Program,
}

impl CredentialKind {
    /// One word for logs and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Token => "token",
            Self::Jwt => "jwt",
            Self::Certificate => "certificate",
            Self::Program => "program",
        }
    }
}

impl Credential {
    /// Whether it still proves something at this moment.
    pub(crate) fn holds(&self, now: SystemTime) -> bool {
        let is_over = self.expires.is_some_and(|expires| expires <= now);
        !is_over && !self.life.as_ref().is_some_and(Life::has_ended)
    }
}

impl Caller {
    /// A caller who showed nothing.
    pub fn anonymous() -> Self {
        static ANYBODY: LazyLock<Arc<User>> = LazyLock::new(|| Arc::new(User::anonymous()));
        let credential = Credential { kind: CredentialKind::None, expires: None, life: None };
        Self { user: Arc::clone(&ANYBODY), credential }
    }

    /// Somebody whom the program itself vouches for.
    pub(crate) fn vouched(user: Arc<User>) -> Self {
        Self {
            user,
            credential: Credential { kind: CredentialKind::Program, expires: None, life: None },
        }
    }

    /// Completes when this caller would not be known by the same credential any more. It is for
    /// answers that go on for long; whoever only answers once has asked already.
    pub fn lapse(&self) -> Lapse {
        Lapse::new(&self.credential)
    }
}
