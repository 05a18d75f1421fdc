//! What the doors share: the server that accepts connections, who is calling, the one table from
//! refusals to status codes, entity tags, bodies with limits, and events made once for many.
//!
//! A door is a [`Door`]: a function from request to response. It knows the engine; this crate knows
//! neither paths nor JSON shapes.

mod body;
mod connections;
mod doors;
mod entity_tag;
mod entrance;
mod event_cache;
mod exchange;
mod headers;
pub mod health;
mod hosts;
mod impersonation;
mod manager;
mod metrics;
mod page_token;
mod percent;
mod reason;
mod refusals;
mod server;
mod tls;
mod unread;
pub mod websocket;

pub use body::{Body, BodyError, RequestBody, read_body};
pub use connections::Connections;
pub use doors::Doors;
pub use entity_tag::{EntityTags, InvalidEntityTag};
pub use entrance::{Entrance, Misdirected};
pub use event_cache::{Audience, ByAddress, EventCache};
pub use exchange::{
    Decision, Details, Exchange, Gate, Observer, Observers, Outcome, Pass, Passage, Phase,
    Recording, RequestId, RequestLog, Serving, Step, TraceParent,
};
pub use headers::{add_warnings, set_header, told_warnings};
pub use hosts::{ForeignHost, NotOneHost, check_host, check_local};
pub use impersonation::{NotActing, asks_to_act};
pub use manager::manager_of;
pub use metrics::{Collector, Format, Metrics, Text};
pub use page_token::PageToken;
pub use percent::percent_decoded;
pub use pintle_identity::{Authenticators, Caller, Connection, Lapse, Lapsed, Unauthenticated};
pub use reason::Reason;
pub use refusals::{Answer, Subject, answer};
pub use server::{Door, ServerLimits, serve};
pub use tls::{CertificateFault, ServerCertificate, Tls};
