//! Webhooks: events brought to HTTP endpoints, in the HTTP binding of CloudEvents 1.0.
//!
//! [`Webhook`] is the [`Transport`](pintle_delivery::Transport) of one endpoint: it makes a request
//! of events (`message.rs`), signs it (`sign.rs`), sends it, and knows what the answer means
//! (`answer.rs`). Order, trying again and remembering are the business of `pintle-delivery`; how to
//! call a server, of `pintle-outbound`.
//!
//! The handshake of the CloudEvents webhook specification (`OPTIONS` with `WebHook-Request-Origin`)
//! is not made: it protects receivers from senders whom strangers can point at them, and these
//! endpoints are named by the operator of the server.

mod answer;
mod endpoint;
mod message;
mod sign;
mod webhook;

pub use endpoint::{Endpoint, Mode};
pub use message::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
pub use webhook::{Webhook, WebhookError};
