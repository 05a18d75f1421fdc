//! A bounded list of faults: enough to work with, little enough to send, however large or wrong the
//! input.

use pintle_model::FieldError;

const COUNT_MAX: usize = 50;
/// Paths and expressions may be as long as the input is, and each fault repeats them.
const BYTES_MAX: usize = 64 * 1024;

/// Faults in the order they were found. Those that find no more room are dropped.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<FieldError>,
    bytes: usize,
    only_whether: bool,
    any: bool,
}

impl Faults {
    /// Room for as many as are worth reporting.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// For whoever only asks whether there is any: it is full after the first, and keeps none.
    pub(crate) fn only_whether() -> Self {
        Self { only_whether: true, ..Self::default() }
    }

    pub(crate) fn push(&mut self, fault: FieldError) {
        self.push_with(|| fault);
    }

    /// The fault is made only if it is kept.
    pub(crate) fn push_with(&mut self, fault: impl FnOnce() -> FieldError) {
        if !self.is_full() && !self.only_whether {
            let fault = fault();
            self.bytes += fault.path.len() + fault.detail.len();
            self.list.push(fault);
        }
        self.any = true;
    }

    pub(crate) fn is_full(&self) -> bool {
        let kept = self.list.len() >= COUNT_MAX || self.bytes >= BYTES_MAX;
        kept || (self.only_whether && self.any)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        !self.any
    }

    pub(crate) fn into_vec(self) -> Vec<FieldError> {
        self.list
    }
}
