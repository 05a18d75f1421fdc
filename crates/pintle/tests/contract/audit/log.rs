//! Reading an audit log, strictly.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The records of one file. Lines that a killed server left half written are told apart.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) records: Vec<Value>,
    pub(super) torn: usize,
}

impl Log {
    pub(super) fn read(file: &Path) -> Self {
        let mut log = Self::default();
        for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
            match serde_json::from_str(line) {
                Ok(record) => log.records.push(record),
                Err(_) => log.torn += 1,
            }
        }
        log
    }
}

/// The records of a file whose lines must all be whole, and numbered without a gap.
pub(super) fn lines(file: &Path) -> Vec<Value> {
    let log = Log::read(file);
    assert_eq!(log.torn, 0, "{}", file.display());
    check_numbers(&log.records);
    log.records
}

/// Numbers go up one by one from the first.
pub(super) fn check_numbers(records: &[Value]) {
    let numbers: Vec<u64> = records.iter().filter_map(|record| record["seq"].as_u64()).collect();
    let first = numbers.first().copied().unwrap_or(1);
    let expected: Vec<u64> = (first..first + records.len() as u64).collect();
    assert_eq!(numbers, expected);
}

/// The record of a request.
pub(super) fn find<'r>(records: &'r [Value], id: &str) -> Option<&'r Value> {
    records.iter().find(|record| record["id"] == id)
}

/// A file and its older ones, the oldest first.
pub(super) fn with_older(file: &Path) -> Vec<PathBuf> {
    let older = (1..).map(|number| PathBuf::from(format!("{}.{number}", file.display())));
    let mut files: Vec<PathBuf> = older.take_while(|file| file.exists()).collect();
    files.reverse();
    files.push(file.to_owned());
    files
}
