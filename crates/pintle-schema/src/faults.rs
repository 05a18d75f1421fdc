//! A bounded list of faults: enough to work with, little enough to send, however large or wrong the
//! input.

use pintle_model::FieldError;

const COUNT_MAX: usize = 50;
/// Paths and expressions may be as long as the input is, and each fault repeats them.
const BYTES_MAX: usize = 64 * 1024;

/// Faults in the order they were found. Those that find no more room are dropped.
#[derive(Debug)]
pub(crate) struct Faults {
    list: Vec<FieldError>,
    count_max: usize,
    bytes: usize,
}

impl Faults {
    /// Room for as many as are worth reporting.
    pub(crate) const fn new() -> Self {
        Self { list: Vec::new(), count_max: COUNT_MAX, bytes: 0 }
    }

    /// Room for one, for whoever only asks whether there is any.
    pub(crate) const fn first() -> Self {
        Self { list: Vec::new(), count_max: 1, bytes: 0 }
    }

    pub(crate) fn push(&mut self, fault: FieldError) {
        if !self.is_full() {
            self.bytes += fault.path.len() + fault.detail.len();
            self.list.push(fault);
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= self.count_max || self.bytes >= BYTES_MAX
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn into_vec(self) -> Vec<FieldError> {
        self.list
    }
}
