//! What others do to the file, and rotation.

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

const NEVER: Rotation = Rotation { bytes_max: None, keep: 1 };

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    (directory, path)
}

fn put(log: &mut LogFile, text: &str) -> Place {
    let place = log.prepare(text.len()).unwrap();
    assert_eq!(log.write(text.as_bytes()).unwrap(), text.len());
    place
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn lines_are_appended_after_what_is_there() {
    for (there, expected) in [
        ("", "next\n"),
        ("line\n", "line\nnext\n"),
        ("line\nhal", "line\nhal\nnext\n"),
        ("hal", "hal\nnext\n"),
    ] {
        let (_directory, path) = directory();
        fs::write(&path, there).unwrap();
        let mut log = LogFile::open(path.clone(), NEVER).unwrap();
        assert_eq!(put(&mut log, "next\n"), Place::Same);
        assert_eq!(read(&path), expected, "{there:?}");
    }
}

#[test]
fn only_the_owner_reads_it() {
    let (_directory, path) = directory();
    let rotation = Rotation { bytes_max: Some(4), keep: 1 };
    let mut log = LogFile::open(path.clone(), rotation).unwrap();
    put(&mut log, "one\n");
    put(&mut log, "two\n");
    for file in [path, log.older(1)] {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn older_files_are_kept_as_many_as_wanted() {
    let (directory, path) = directory();
    let rotation = Rotation { bytes_max: Some(8), keep: 3 };
    let mut log = LogFile::open(path.clone(), rotation).unwrap();
    for line in ["1..\n", "2..\n", "3..\n", "4..\n", "5..\n", "6..\n", "7..\n", "8..\n", "9..\n"] {
        put(&mut log, line);
    }
    let files = [path.clone(), log.older(1), log.older(2), log.older(3), log.older(4)];
    let found = files.each_ref().map(|file| read(file));
    assert_eq!(found, ["9..\n", "7..\n8..\n", "5..\n6..\n", "3..\n4..\n", ""]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4);
    put(&mut log, "longer than a file may be\n");
    assert_eq!(read(&log.older(1)), "9..\n");
    assert_eq!(read(&path), "longer than a file may be\n", "a line is never cut");
}

#[test]
fn a_file_that_was_moved_away_is_begun_anew() {
    let (directory, path) = directory();
    let mut log = LogFile::open(path.clone(), NEVER).unwrap();
    put(&mut log, "one\n");
    let moved = directory.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    assert_eq!(put(&mut log, "two\n"), Place::Other);
    fs::remove_file(&path).unwrap();
    assert_eq!(put(&mut log, "three\n"), Place::Other);
    assert_eq!((read(&moved), read(&path)), ("one\n".to_owned(), "three\n".to_owned()));
    // Truncated in place, as `copytruncate` does.
    fs::write(&path, "").unwrap();
    assert_eq!(put(&mut log, "four\n"), Place::Same);
    assert_eq!(read(&path), "four\n");
    log.reopen();
    assert_eq!(put(&mut log, "five\n"), Place::Other);
    assert_eq!(read(&path), "four\nfive\n");
}

#[test]
fn a_directory_that_is_gone_is_an_error_until_it_is_back() {
    let (directory, path) = directory();
    let logs = directory.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let path = logs.join(path.file_name().unwrap());
    let mut log = LogFile::open(path.clone(), NEVER).unwrap();
    fs::rename(&logs, directory.path().join("away")).unwrap();
    assert_eq!(log.prepare(4).unwrap_err().kind(), io::ErrorKind::NotFound);
    fs::create_dir(&logs).unwrap();
    assert_eq!(put(&mut log, "one\n"), Place::Other);
    assert_eq!(read(&path), "one\n");
}

#[test]
fn a_file_that_cannot_be_rotated_goes_on_growing() {
    let (_directory, path) = directory();
    let rotation = Rotation { bytes_max: Some(8), keep: 1 };
    let mut log = LogFile::open(path.clone(), rotation).unwrap();
    // A directory in the way: nothing can be renamed to it.
    fs::create_dir_all(log.older(1).join("full")).unwrap();
    for _ in 0..3 {
        assert_eq!(put(&mut log, "line..\n"), Place::Same);
    }
    assert_eq!(read(&path), "line..\nline..\nline..\n");
}

#[test]
fn what_is_no_file_or_somebody_elses_is_refused() {
    let (directory, path) = directory();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _held = LogFile::open(path.clone(), NEVER).unwrap();
    for (path, why) in [
        (pipe.as_path(), "it is not a regular file"),
        (directory.path(), "it is not a regular file"),
        (Path::new("/dev/null"), "it is not a regular file"),
        (&path, "another server writes to it"),
    ] {
        let error = LogFile::open(path.to_owned(), NEVER).unwrap_err();
        assert_eq!(error.to_string(), why, "{}", path.display());
    }
}
