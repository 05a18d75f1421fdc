//! Permission as a value: what was asked and what will be done are one thing.

use std::sync::Arc;

use crate::{Ask, Asks, Forbidden, Grounds, User};

/// Proof that the rules allowed exactly this request to exactly this user.
///
/// Only [`RuleBook::grant`](crate::RuleBook::grant) makes one, and the request cannot be changed
/// while it is inside.
#[derive(Debug)]
pub struct Granted<A> {
    request: A,
    ask: Ask,
    user: Arc<User>,
    grounds: Grounds,
}

impl<A> Granted<A> {
    /// For the rule book alone, once it has found a rule.
    pub(crate) const fn new(user: Arc<User>, ask: Ask, grounds: Grounds, request: A) -> Self {
        Self { request, ask, user, grounds }
    }

    /// The request.
    pub const fn get(&self) -> &A {
        &self.request
    }

    /// The request without its proof.
    pub fn into_inner(self) -> A {
        self.request
    }

    /// What was allowed.
    pub const fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Who was allowed to.
    pub const fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// Why it was allowed.
    pub const fn grounds(&self) -> &Grounds {
        &self.grounds
    }

    /// Turns the request into a finer one, say with its body parsed, which is done only after
    /// asking. The new request must ask for the very same thing.
    pub fn refine<B: Asks, E>(
        self,
        finer: impl FnOnce(A) -> Result<B, E>,
    ) -> Result<Granted<B>, RefineError<E>> {
        let request = finer(self.request).map_err(RefineError::Failed)?;
        let ask = request.ask();
        if ask == self.ask {
            Ok(Granted { request, ask, user: self.user, grounds: self.grounds })
        } else {
            let asked_first = "it is not what was asked for at first";
            Err(RefineError::Changed(Forbidden::new(&self.user, ask).explained(asked_first)))
        }
    }
}

/// Why a granted request did not become a finer one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefineError<E> {
    /// It could not be made.
    #[error(transparent)]
    Failed(E),
    /// It asks for something else, which was never allowed.
    #[error(transparent)]
    Changed(Forbidden),
}
