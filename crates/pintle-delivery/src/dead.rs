//! Events that a receiver did not take: put away for somebody to look at.
//!
//! One JSON object a line, in a file beside the place of the receiver. The file has a bound: when
//! it is full, it takes the place of the one before it, and what was in that is gone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pintle_model::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

/// A file is full when another line would make it longer than this. There are two of them.
pub const DEAD_LETTER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// An event that was given up.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub(crate) why: String,
    pub(crate) attempts: u32,
    /// The event, as JSON.
    pub(crate) event: Vec<u8>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: Timestamp,
    why: &'a str,
    attempts: u32,
    event: &'a RawValue,
}

/// The dead letters of one receiver.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    file: PathBuf,
    bytes_max: u64,
}

impl DeadLetters {
    /// Those of the receiver `name`, in a directory that is there.
    pub fn new(dir: &Path, name: &str) -> Self {
        Self { file: dir.join(format!("{name}.dead.jsonl")), bytes_max: DEAD_LETTER_BYTES_MAX }
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Puts one away. When this returns, a crash does not undo it.
    pub(crate) fn add(&self, now: Timestamp, letter: &DeadLetter) -> io::Result<()> {
        let event = serde_json::from_slice::<&RawValue>(&letter.event)?;
        let DeadLetter { why, attempts, .. } = letter;
        let mut line = serde_json::to_vec(&Line { time: now, why, attempts: *attempts, event })?;
        line.push(b'\n');
        self.append(&line)
    }

    fn append(&self, line: &[u8]) -> io::Result<()> {
        let length = fs::metadata(&self.file).map_or(0, |found| found.len());
        if length > 0 && length + line.len() as u64 > self.bytes_max {
            fs::rename(&self.file, self.file.with_extension("jsonl.1"))?;
        }
        let mut file = OpenOptions::new().append(true).create(true).open(&self.file)?;
        let before = file.metadata()?.len();
        if let Err(error) = file.write_all(line).and_then(|()| file.sync_all()) {
            // Half a line would take the next one with it.
            file.set_len(before)?;
            return Err(error);
        }
        File::open(self.file.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(file: &Path) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn letter(why: &str, attempts: u32, event: &str) -> DeadLetter {
        DeadLetter { why: why.to_owned(), attempts, event: event.as_bytes().to_vec() }
    }

    #[test]
    fn a_dead_letter_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let dead = DeadLetters::new(dir.path(), "x");
        dead.add(Timestamp(0), &letter("400 \"no\"\n", 5, r#"{"id": "1", "n": 1e400}"#)).unwrap();
        dead.add(Timestamp(1), &letter("", 1, "{}")).unwrap();
        let text = fs::read_to_string(dead.path()).unwrap();
        let first = concat!(
            r#"{"time":"1970-01-01T00:00:00.000000Z","why":"400 \"no\"\n","attempts":5,"#,
            r#""event":{"id": "1", "n": 1e400}}"#
        );
        assert_eq!(text.lines().next(), Some(first));
        assert_eq!(text.lines().count(), 2);
        let broken = dead.add(Timestamp(0), &letter("", 1, "{"));
        assert!(broken.is_err(), "what is no JSON would break the file");
        assert_eq!(fs::read_to_string(dead.path()).unwrap(), text);
    }

    #[test]
    fn dead_letters_have_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let dead = DeadLetters { bytes_max: 250, ..DeadLetters::new(dir.path(), "x") };
        for number in 0..20 {
            dead.add(Timestamp(0), &letter("", number, "{}")).unwrap();
            assert!(fs::metadata(dead.path()).unwrap().len() <= 250);
        }
        let older = lines(&dir.path().join("x.dead.jsonl.1"));
        let all: Vec<_> = older.into_iter().chain(lines(dead.path())).collect();
        let attempts: Vec<u64> = all.iter().map(|it| it["attempts"].as_u64().unwrap()).collect();
        let expected: Vec<u64> = (20 - attempts.len() as u64..20).collect();
        assert_eq!(attempts, expected, "the newest are kept, in order");
        assert!(attempts.len() >= 4);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        let huge = format!("[{}1]", "1,".repeat(200));
        dead.add(Timestamp(0), &letter("", 99, &huge)).unwrap();
        assert_eq!(lines(dead.path()).len(), 1, "one that is longer than a file has one to itself");
    }
}
