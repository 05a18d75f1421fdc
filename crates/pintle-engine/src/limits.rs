//! The limits of the engine, each with a name.

use std::time::Duration;

/// What the engine refuses to go beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A write that keeps losing races gives up after this time.
    pub write_deadline: Duration,
    /// A list reads the store in pages of so many objects.
    pub list_page: usize,
    /// A watcher takes so many events at once.
    pub watch_batch: usize,
    /// So many watches may be open at once.
    pub watchers_max: usize,
    /// The longest that publication waits so that many events go out together.
    pub publish_interval_max: Duration,
    /// An object, all lanes together, may have so many bytes.
    pub object_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            write_deadline: Duration::from_secs(30),
            list_page: 1_000,
            watch_batch: 64,
            watchers_max: 50_000,
            publish_interval_max: Duration::from_millis(25),
            object_bytes_max: 16 * 1024 * 1024,
        }
    }
}
