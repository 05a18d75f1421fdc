//! The memory store keeps every promise of the port.

use std::sync::Arc;

use pintle_store::conformance::Backend;
use pintle_store::{HistoryLimits, MemoryStore, Store};

#[derive(Default)]
struct Memory;

impl Backend for Memory {
    fn open(&self, limits: HistoryLimits) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(limits))
    }
}

pintle_store::conformance!(Memory);
