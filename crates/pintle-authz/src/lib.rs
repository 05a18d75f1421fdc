//! Who may do what, as values: the question ([`Ask`]), the rules ([`RuleBook`]), and the proof that
//! the rules allowed a request ([`Granted`]).
//!
//! There is one evaluator for two sources: Kubernetes RBAC objects, which mean exactly what they
//! mean upstream, and the policy file ([`Policy`]), which compiles to the same rules. Rules only
//! ever add rights. Who a caller *is* gets decided elsewhere, by an authenticator.
//!
//! [`default_objects`] are the roles that every server has.
//!
//! Pure: no I/O, no clock, no randomness.

mod ask;
mod book;
mod builder;
mod defaults;
mod escalation;
mod forbidden;
mod granted;
mod grounds;
mod impersonation;
mod policy;
mod rbac;
mod review;
mod roles;
mod rule;
mod rule_set;
mod user;

pub use ask::{Ask, Asks, Subresource, Verb};
pub use book::{Reach, RuleBook};
pub use builder::{RuleBookBuilder, RuleError, RuleObject};
pub use defaults::{DefaultObject, SECRETS, default_objects, kind_objects};
pub use escalation::RuleWrite;
pub use forbidden::{Forbidden, PathForbidden};
pub use granted::{Granted, RefineError};
pub use grounds::Grounds;
pub use impersonation::Impersonation;
pub use policy::{POLICY_SCHEMA, Policy, PolicyError};
pub use review::{ReviewError, ReviewKind};
pub use user::{
    ALL_AUTHENTICATED, ALL_UNAUTHENTICATED, ANONYMOUS, Actor, MASTERS, MONITORING,
    SERVICE_ACCOUNT_PREFIX, User,
};
