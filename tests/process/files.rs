//! What a server writes besides its answers.

use std::fs;

use rustix::process::Signal;

use crate::running::Running;

// go: test/pid_test.go TestPidFile
#[test]
fn the_pid_file_outlives_the_server() {
    let mut server = Running::start("listen: 127.0.0.1:-1\npid_file: FOLDER/pid\nlogfile: FOLDER/log");
    server.signal(Signal::TERM);
    assert_eq!(server.await_end(), Some(0));
    assert_eq!(server.read("pid"), server.id().to_string());
}

#[test]
fn the_ports_file_lives_as_long_as_the_server() {
    let mut server = Running::start("listen: 127.0.0.1:-1\nhttp: -1\nlogfile: FOLDER/log");
    assert!(server.url("nats").starts_with("nats://127.0.0.1:"), "{}", server.url("nats"));
    assert!(server.url("monitoring").starts_with("http://127.0.0.1:"), "{}", server.url("monitoring"));
    assert!(server.ports_file().exists());
    server.signal(Signal::TERM);
    assert_eq!(server.await_end(), Some(0));
    assert!(!server.ports_file().exists());
}

// go: test/ports_test.go TestPortsFileReload
#[test]
fn a_reload_moves_the_ports_file_and_writes_another_pid_file() {
    let mut server = Running::start("listen: 127.0.0.1:-1\npid_file: FOLDER/pid\nlogfile: FOLDER/log");
    let before = fs::read(server.ports_file()).unwrap();
    let elsewhere = server.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    server.configure(&format!(
        "ports_file_dir: {elsewhere:?}\nlisten: 127.0.0.1:-1\npid_file: FOLDER/pid2\nlogfile: FOLDER/log"
    ));
    server.signal(Signal::HUP);
    server.await_that("the reload", |server| server.read("log").contains("Reloaded server configuration"));
    let moved = elsewhere.join(server.ports_file().file_name().unwrap());
    assert_eq!(fs::read(&moved).unwrap(), before);
    assert!(!server.ports_file().exists());
    assert_eq!((server.read("pid"), server.read("pid2")), (server.id().to_string(), server.id().to_string()));
    server.signal(Signal::TERM);
    assert_eq!(server.await_end(), Some(0));
    assert!(!moved.exists());
}

#[test]
fn a_ports_file_that_cannot_be_moved_stays() {
    let mut server = Running::start("listen: 127.0.0.1:-1\nlogfile: FOLDER/log");
    server.configure("ports_file_dir: FOLDER/missing\nlisten: 127.0.0.1:-1\nlogfile: FOLDER/log");
    server.signal(Signal::HUP);
    server.await_that("the refusal", |server| {
        server.read("log").contains("Failed to reload server configuration: Error writing ports file")
    });
    assert!(server.ports_file().exists());
}

// go: server/server_test.go TestServerLogsConfigurationFile
#[test]
fn the_log_names_the_configuration() {
    let mut server = Running::start("port: -1\nlogfile: 'FOLDER/log'");
    server.signal(Signal::TERM);
    assert_eq!(server.await_end(), Some(0));
    let expected = format!("Using configuration file: {} (sha256:", server.path("server.conf").display());
    assert!(server.read("log").contains(&expected), "{}", server.read("log"));
}

/// Files of a log that was begun anew after nearly every line of one life, and whether its first line is still there.
fn archives(config: &str) -> (usize, bool) {
    let config = format!("listen: 127.0.0.1:-1\nlog_file: FOLDER/log/nats-server.log\n{config}");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("log")).unwrap();
    let config = config.replace("FOLDER", folder.path().to_str().unwrap());
    let mut server = Running::start(&config);
    server.signal(Signal::TERM);
    assert_eq!(server.await_end(), Some(0));
    let files: Vec<_> = fs::read_dir(folder.path().join("log")).unwrap().map(|file| file.unwrap()).collect();
    let first =
        |file: &fs::DirEntry| fs::read_to_string(file.path()).unwrap().contains("Starting nats-server");
    (files.len(), files.iter().any(first))
}

// go: test/log_test.go TestLogMaxArchives
#[test]
fn as_many_log_files_are_kept_as_configured() {
    for all in ["", "logfile_max_num: 0", "logfile_max_num: -42", "logfile_max_num: 100"] {
        let (count, has_first) = archives(&format!("logfile_size_limit: 100\n{all}"));
        assert!(count > 5 && has_first, "{all}: {count} files");
    }
    assert_eq!(archives("logfile_size_limit: 100\nlogfile_max_num: 1"), (1, false));
    assert_eq!(archives("log_size_limit: 100\nlog_max_num: 5"), (5, false));
}
