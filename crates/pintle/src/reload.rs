//! Files that are read again when they change, while the server runs.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;

/// Files are looked at so often: what is taken back must be gone within a second.
const INTERVAL: Duration = Duration::from_millis(250);
/// A file that was written so lately may be written again without looking any different, because
/// file systems count time in ticks.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// What tells two states of a file apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// Files as they were when they were looked at last.
#[derive(Debug)]
pub(crate) struct FileWatch {
    files: Vec<PathBuf>,
    seen: Vec<Option<Stamp>>,
}

/// What came of reading files again: what is different now, in words, if anything; or what is
/// wrong with them.
pub(crate) type Reload = Result<Option<String>, String>;

impl FileWatch {
    /// To be made before the files are read for the first time, so that no change is missed.
    pub(crate) fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let files: Vec<PathBuf> = files.into_iter().collect();
        let seen = look(&files, SystemTime::now());
        Self { files, seen }
    }

    /// Calls `reload` whenever a file changed, for ever. What was wrong is said once, loudly, and
    /// changes nothing.
    pub(crate) async fn follow(mut self, reload: impl FnMut() -> Reload + Send + 'static) {
        let mut reload = reload;
        let mut complaint = None;
        loop {
            self.changed().await;
            let read = spawn_blocking(move || {
                let outcome = reload();
                (reload, outcome)
            });
            let (returned, outcome) = match read.await {
                Ok(done) => done,
                // Without this the files would count as followed.
                Err(broken) if broken.is_panic() => resume_unwind(broken.into_panic()),
                Err(_) => return,
            };
            reload = returned;
            report(&self.files, outcome, &mut complaint);
        }
    }

    /// Waits until one of the files is not what it was. It may be called off, and called again.
    async fn changed(&mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let files = self.files.clone();
            let Ok(found) = spawn_blocking(move || look(&files, SystemTime::now())).await else {
                continue;
            };
            if found.iter().any(Option::is_none) || found != self.seen {
                self.seen = found;
                return;
            }
        }
    }
}

fn report(files: &[PathBuf], outcome: Reload, complaint: &mut Option<String>) {
    let files = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    match outcome {
        Ok(changed) => {
            *complaint = None;
            if let Some(changed) = changed {
                tracing::info!(files, "read again: {changed}");
            }
        }
        Err(problem) if complaint.as_ref() != Some(&problem) => {
            tracing::error!(files, problem, "cannot be used; what was read before stays in force");
            *complaint = Some(problem);
        }
        Err(_) => {}
    }
}

/// Nothing for a file that may have changed again by now, or is not there: it is to be read again.
fn look(files: &[PathBuf], now: SystemTime) -> Vec<Option<Stamp>> {
    let looked = files.iter().map(|file| std::fs::metadata(file).ok());
    looked.map(|found| found.and_then(|metadata| settled(&metadata, now))).collect()
}

fn settled(metadata: &Metadata, now: SystemTime) -> Option<Stamp> {
    let age = metadata.modified().ok().and_then(|modified| now.duration_since(modified).ok());
    // A file of the future never settles, so it counts as it is.
    age.is_none_or(|age| age > SETTLED_AFTER).then(|| Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    fn age(file: &std::path::Path, seconds: u64) {
        let file = File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn a_file_counts_as_changed_until_it_has_settled() {
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join("a"), dir.path().join("b"));
        let stamp = || look(std::slice::from_ref(&file), SystemTime::now());
        assert_eq!(stamp(), [None], "not there");
        fs::write(&file, "1").unwrap();
        assert_eq!(stamp(), [None], "just written");
        age(&file, 60);
        let old = stamp();
        assert!(old.iter().all(Option::is_some));
        assert_eq!(stamp(), old, "nothing happened");
        fs::write(&other, "2").unwrap();
        age(&other, 60);
        fs::rename(&other, &file).unwrap();
        assert_ne!(stamp(), old, "another file in its place, as old and as long");
    }

    #[tokio::test]
    async fn a_change_is_read_and_a_fault_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        fs::write(&file, "1").unwrap();
        age(&file, 60);
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let watch = FileWatch::new([file.clone()]);
        let following = watch.follow({
            let file = file.clone();
            move || {
                let text = fs::read_to_string(&file).unwrap_or_default();
                tell.send(text.clone()).map_err(|_| "nobody listens".to_owned())?;
                if text == "bad" { Err("bad".to_owned()) } else { Ok(Some(text)) }
            }
        });
        let following = tokio::spawn(following);
        for text in ["2", "bad", "3"] {
            fs::write(&file, text).unwrap();
            let read = async { while told.recv().await.as_deref() != Some(text) {} };
            tokio::time::timeout(Duration::from_secs(30), read).await.unwrap();
        }
        following.abort();
    }

    #[test]
    fn what_is_wrong_is_said_once_and_again_after_it_was_right() {
        let mut complaint = None;
        report(&[], Err("a".to_owned()), &mut complaint);
        assert_eq!(complaint.as_deref(), Some("a"));
        report(&[], Err("b".to_owned()), &mut complaint);
        assert_eq!(complaint.as_deref(), Some("b"));
        report(&[], Ok(None), &mut complaint);
        assert_eq!(complaint, None);
    }
}
