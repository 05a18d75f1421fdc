//! The store on disk keeps every promise of the port.

#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pintle_store::conformance::Backend;
use pintle_store::{HistoryLimits, Store};
use pintle_store_sqlite::SqliteStore;
use tempfile::TempDir;

struct OnDisk {
    dir: TempDir,
    opened: AtomicU32,
}

impl Default for OnDisk {
    fn default() -> Self {
        Self { dir: TempDir::new().unwrap(), opened: AtomicU32::new(0) }
    }
}

impl Backend for OnDisk {
    fn open(&self, limits: HistoryLimits) -> Arc<dyn Store> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let dir = self.dir.path().join(number.to_string());
        Arc::new(SqliteStore::open(&dir, limits).unwrap())
    }
}

pintle_store::conformance!(OnDisk);
