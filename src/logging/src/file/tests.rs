use std::os::unix::fs::PermissionsExt;

use super::*;

fn program() -> Program {
    Program::new("natrium", 7)
}

fn options(limit: Option<u64>, files_max: Option<usize>) -> LoggingOptions {
    LoggingOptions { file_size_limit: limit, file_max_num: files_max, utc: true, ..LoggingOptions::default() }
}

fn open(path: &Path, options: &LoggingOptions) -> LogFile {
    LogFile::open(path, options, &program()).unwrap()
}

/// The `second`th second of a minute, at which backups get names in order.
fn at(second: usize) -> Timestamp {
    Timestamp::from_second(1_795_514_400 + i64::try_from(second).unwrap()).unwrap()
}

fn info(text: &str) -> Line {
    Line { severity: Severity::Info, at: at(0), text: text.to_owned() }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

// go: logger/log_test.go TestFileLogger
#[test]
fn lines_are_appended_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nats-server:log_1");
    fs::write(&path, "before\n").unwrap();
    let mut timeless = open(&path, &LoggingOptions { time: false, ..options(None, None) });
    timeless.write(&info("foo"), at(0)).unwrap();
    let mut timed = open(&path, &options(None, None));
    timed.write(&Line { severity: Severity::Error, ..info("foo") }, at(0)).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "before\n[7] [INF] foo\n[7] 2026/11/24 10:00:00.000000 [ERR] foo\n"
    );
}

#[test]
fn others_than_the_group_cannot_read_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    open(&path, &options(None, None));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
}

#[test]
fn a_file_that_cannot_be_opened_is_named_as_the_reference_names_it() {
    let error = LogFile::open(Path::new("/missing/nats.log"), &options(None, None), &program()).unwrap_err();
    assert_eq!(error.to_string(), "error opening file: open /missing/nats.log: no such file or directory");
}

// go: logger/log_test.go TestFileLoggerSizeLimit
#[test]
fn a_file_is_begun_anew_when_it_is_above_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut unlimited = open(&path, &options(None, None));
    for second in 0..50 {
        unlimited.write(&info("This is a line in the log file"), at(second)).unwrap();
    }
    assert_eq!(names(folder.path()), ["log"], "without a limit nothing is renamed");

    // The file is above the limit that it is now given: its next line is its last.
    let mut limited = open(&path, &options(Some(1000), None));
    assert!(limited.is_above_limit());
    limited.write(&info("Rotating logfile..."), at(50)).unwrap();
    let backup = names(folder.path()).pop().unwrap();
    assert!(backup.starts_with("log.2026.11."), "{backup}");
    let content = fs::read_to_string(&path).unwrap();
    let expected = format!("Rotated log, backup saved as \"{}/{backup}\"\r\n", folder.path().display());
    assert!(content.ends_with(&expected), "{content}");

    // The name that the next backup would have is taken by a folder, so the file stays and its limit doubles.
    let obstacle = backups::path(&path, &TimeZone::system(), at(51));
    fs::create_dir(&obstacle).unwrap();
    limited.write(&info(&"a".repeat(1000)), at(51)).unwrap();
    let content = fs::read_to_string(&path).unwrap();
    assert!(content.contains("Unable to rename logfile for rotation (is a directory)"), "{content}");
    assert!(content.ends_with("will attempt next rotation at size 2000\r\n"), "{content}");
    limited.write(&info(&"b".repeat(2000)), at(52)).unwrap();
    let kept = fs::read_to_string(backups::path(&path, &TimeZone::system(), at(52))).unwrap();
    assert!(kept.contains("size 2000"), "{kept}");

    // With a rotation that worked the limit is the configured one again.
    limited.write(&info(&"c".repeat(1000)), at(53)).unwrap();
    assert!(backups::path(&path, &TimeZone::system(), at(53)).exists());
}

/// Files after eight rotations, of which `files_max` may stay.
fn files_left(files_max: Option<usize>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nats-server.log");
    let mut file = open(&path, &options(Some(100), files_max));
    // What a rotation leaves in the new file may be above the limit already: then each line rotates.
    for second in 0..8 {
        file.write(&info(&"x".repeat(100)), at(second)).unwrap();
    }
    names(folder.path()).len()
}

#[test]
fn as_many_files_are_kept_as_configured() {
    assert_eq!(files_left(None), 9);
    assert_eq!(files_left(Some(1)), 1);
    assert_eq!(files_left(Some(5)), 5);
    assert_eq!(files_left(Some(100)), 9);
}

#[test]
fn the_oldest_backups_go_and_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(folder.path().join("log.1"), "the operator's").unwrap();
    let mut file = open(&path, &options(Some(10), Some(2)));
    let backup = |second| backups::path(&path, &TimeZone::system(), at(second));
    file.write(&info("first"), at(1)).unwrap();
    file.write(&info("second"), at(2)).unwrap();
    assert!(!backup(1).exists());
    assert!(backup(2).exists());
    assert!(folder.path().join("log.1").exists());
    let gone = backup(1).file_name().unwrap().to_str().unwrap().to_owned();
    let content = fs::read_to_string(&path).unwrap();
    assert!(content.ends_with(&format!("[INF] Purged log file \"{gone}\"\r\n")), "{content}");
}

#[test]
fn a_file_that_was_moved_away_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let moved = folder.path().join("log.bak");
    let mut file = open(&path, &options(None, None));
    file.write(&info("one"), at(0)).unwrap();
    fs::rename(&path, &moved).unwrap();
    file.reopen().unwrap();
    file.write(&info("two"), at(0)).unwrap();
    assert!(fs::read_to_string(&moved).unwrap().ends_with("one\n"));
    assert!(fs::read_to_string(&path).unwrap().ends_with("two\n"));
}
