//! What the doors share: the server that accepts connections, who is calling, the one table from
//! refusals to status codes, entity tags, and bodies with limits.
//!
//! A door is a [`Door`]: a function from request to response. It knows the engine; this crate knows
//! neither paths nor JSON shapes.

mod body;
mod caller;
mod entity_tag;
mod hosts;
mod reason;
mod refusals;
mod server;
mod tokens;

pub use body::{Body, BodyError, read_body};
pub use caller::{Authentication, Caller, Unauthenticated, manager_of};
pub use entity_tag::{EntityTags, InvalidEntityTag};
pub use hosts::{ForeignHost, NotOneHost, check_host, check_local};
pub use reason::Reason;
pub use refusals::{Answer, Subject, answer};
pub use server::{Door, ServerLimits, serve};
pub use tokens::{StaticTokens, TokenFileError};
