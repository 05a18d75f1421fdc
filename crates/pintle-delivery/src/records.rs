//! What outlives the process: the place of a receiver, and what it did not take.

use std::path::Path;

use pintle_model::Timestamp;

use crate::dead::DeadLetter;
use crate::{DeadLetters, Place, PlaceError, Position};

/// The files of one receiver; none of a server whose objects are not kept either.
#[derive(Debug, Clone, Default)]
pub struct Records {
    files: Option<(Place, DeadLetters)>,
    position: Option<Position>,
}

impl Records {
    /// Those of the receiver `name` in `dir`, which is made when it is not there.
    pub fn open(dir: &Path, name: &str) -> Result<Self, PlaceError> {
        let place = Place::open(dir, name)?;
        let position = place.read()?;
        Ok(Self { files: Some((place, DeadLetters::new(dir, name))), position })
    }

    /// What was remembered when they were opened.
    pub const fn position(&self) -> Option<Position> {
        self.position
    }

    pub(crate) async fn save(&self, position: Position) -> Result<(), String> {
        let Some((place, _)) = self.files.clone() else { return Ok(()) };
        off_the_runtime(move || place.write(position).map_err(|error| with_source(&error))).await
    }

    pub(crate) async fn bury(&self, letter: DeadLetter, now: Timestamp) -> Result<(), String> {
        let Some((_, dead)) = self.files.clone() else { return Ok(()) };
        let file = dead.path().display().to_string();
        off_the_runtime(move || {
            dead.add(now, &letter).map_err(|error| format!("cannot write {file}: {error}"))
        })
        .await
    }
}

/// Files can be slow, and the threads of the runtime are for those who wait for nothing.
async fn off_the_runtime(
    work: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|stopped| Err(stopped.to_string()))
}

fn with_source(error: &PlaceError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
