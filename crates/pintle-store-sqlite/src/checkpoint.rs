//! Keeping the WAL short: a thread of its own moves pages into the database file, and the writer
//! does the last few itself.
//!
//! A passive checkpoint from another connection never starts the WAL anew while writes go on,
//! because there is always a frame that it has not moved yet: measured, the WAL grew by 100 MB a
//! second. So when the WAL is long and the thread has just moved nearly all of it, the writer moves
//! the rest between two transactions; its next write then begins at the front of the file.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::schema::{Role, connect};

/// The writer looks at the WAL after so many changes; looking takes microseconds, too.
const LOOK_CHANGES: usize = 256;

/// With so many frames to move, the thread starts.
const WORTH_MOVING: i64 = 1_000;

/// A WAL of so many frames (32 MiB) should start anew, when few enough frames are left to move.
const LONG: i64 = 8_000;
const FEW: i64 = 2_000;

/// A WAL of so many frames (256 MiB) starts anew, however many are left to move.
const TOO_LONG: i64 = 64_000;

/// The writer's side: when to move pages, and the thread that does.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
    changes_since_look: usize,
}

#[derive(Debug)]
struct Signal {
    phase: Mutex<Phase>,
    wake: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Asked,
    Stopping,
}

/// How long the WAL is, in frames.
struct Wal {
    frames: i64,
    moved: i64,
}

impl Checkpoints {
    /// Starts the thread.
    pub(crate) fn start(file: PathBuf) -> std::io::Result<Self> {
        let signal = Arc::new(Signal { phase: Mutex::new(Phase::Idle), wake: Condvar::new() });
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned()).spawn({
            let signal = Arc::clone(&signal);
            move || signal.serve(&file)
        })?;
        Ok(Self { signal, thread: Some(thread), changes_since_look: 0 })
    }

    /// Notes that something was written.
    pub(crate) const fn count(&mut self, changes: usize) {
        self.changes_since_look += changes;
    }

    /// Sees to the WAL, where it is time to.
    pub(crate) fn look(&mut self, connection: &Connection) {
        if self.changes_since_look < LOOK_CHANGES {
            return;
        }
        self.changes_since_look = 0;
        if let Err(error) = self.see_to_wal(connection) {
            tracing::warn!(%error, "the WAL cannot be moved into the database now");
        }
    }

    fn see_to_wal(&self, connection: &Connection) -> rusqlite::Result<()> {
        let wal = Wal::checkpoint(connection, "NOOP")?;
        let left = wal.frames - wal.moved;
        let mut phase = self.signal.lock();
        if *phase != Phase::Idle {
            return Ok(());
        }
        if wal.frames > TOO_LONG || (wal.frames > LONG && left < FEW) {
            Wal::checkpoint(connection, "PASSIVE")?;
        } else if left > WORTH_MOVING {
            *phase = Phase::Asked;
            self.signal.wake.notify_one();
        }
        Ok(())
    }

    /// Ends the thread.
    pub(crate) fn stop(&mut self) {
        *self.signal.lock() = Phase::Stopping;
        self.signal.wake.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpoint thread panicked");
        }
    }
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().expect("nothing panics while it holds this lock")
    }

    /// What the thread does.
    fn serve(&self, file: &std::path::Path) {
        while self.is_asked() {
            let moved = connect(file, Role::Checkpointer)
                .and_then(|connection| self.move_while_asked(&connection));
            if let Err(error) = moved {
                tracing::warn!(%error, "the WAL cannot be moved into the database now");
                self.rest();
            }
        }
    }

    fn move_while_asked(&self, connection: &Connection) -> rusqlite::Result<()> {
        while self.is_asked() {
            Wal::checkpoint(connection, "PASSIVE")?;
            self.rest();
        }
        Ok(())
    }

    /// Waits until there is something to do; false when there never will be.
    fn is_asked(&self) -> bool {
        let mut phase = self.lock();
        while *phase == Phase::Idle {
            phase = self.wake.wait(phase).expect("nothing panics while it holds this lock");
        }
        *phase == Phase::Asked
    }

    fn rest(&self) {
        let mut phase = self.lock();
        if *phase == Phase::Asked {
            *phase = Phase::Idle;
        }
    }
}

impl Wal {
    fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Self> {
        connection
            .prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
            .query_one([], |row| Ok(Self { frames: row.get(1)?, moved: row.get(2)? }))
    }
}
