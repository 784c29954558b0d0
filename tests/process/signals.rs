//! What signals do to a running server.

use std::fs;

use rustix::process::Signal;

use crate::running::Running;

const QUIET: &str = "listen: 127.0.0.1:-1\nlogfile: FOLDER/log";

// go: server/signal_test.go TestSignalInterruptHasSuccessfulExit
// go: server/signal_test.go TestSignalTermHasSuccessfulExit
// go: test/gosrv_test.go TestSimpleGoServerShutdown
#[test]
fn an_end_by_signal_is_a_success() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut server = Running::start(QUIET);
        server.signal(signal);
        assert_eq!(server.await_end(), Some(0), "{signal:?}");
        assert!(server.read("log").contains("Server Exiting.."));
    }
}

#[test]
fn a_signal_that_comes_during_the_start_is_not_lost() {
    for _ in 0..10 {
        let mut server = Running::begin(QUIET, &[]);
        while !server.read("log").contains("Starting nats-server") {}
        server.signal(Signal::TERM);
        assert_eq!(server.await_end(), Some(0));
        assert!(server.read("log").contains("Server Exiting.."));
        assert!(!server.ports_file().exists());
    }
}

// go: server/server_test.go TestConcurrentShutdown
// go: test/gosrv_test.go TestGoServerMultiShutdown
#[test]
fn many_ends_are_one() {
    let mut server = Running::start(QUIET);
    for signal in [Signal::INT, Signal::TERM].into_iter().cycle().take(32) {
        server.signal(signal);
    }
    assert_eq!(server.await_end(), Some(0));
    assert_eq!(server.read("log").matches("Server Exiting..").count(), 1);
}

// go: test/gosrv_test.go TestGoServerShutdownWithClients
#[test]
fn clients_do_not_hold_a_server_back() {
    let mut server = Running::start(QUIET);
    let mut clients: Vec<_> = (0..50).map(|_| server.client()).collect();
    for client in &mut clients {
        assert!(client.line().unwrap().unwrap().starts_with(b"INFO "));
    }
    server.signal(Signal::TERM);
    assert_eq!(server.await_end(), Some(0));
    for client in &mut clients {
        while client.line().unwrap().is_some() {}
    }
}

// go: server/signal_test.go TestSignalToReOpenLogFile
#[test]
fn a_log_that_was_moved_away_is_made_anew() {
    let mut server = Running::start(QUIET);
    server.await_that("a line", |server| server.read("log").contains("Server is ready"));
    fs::rename(server.path("log"), server.path("log.bak")).unwrap();
    server.signal(Signal::USR1);
    server.await_that("the new log", |server| server.read("log").contains("File log re-opened"));
    assert!(server.read("log.bak").contains("Server is ready"));
}

// go: server/signal_test.go TestProcessSignalTermDuringLameDuckMode
#[test]
fn a_server_that_sends_its_clients_away_is_not_hurried() {
    let mut server = Running::start(&format!("{QUIET}\nlame_duck_grace_period: \"5s\""));
    let mut client = server.client();
    client.send(b"CONNECT {\"verbose\":false}\r\nPING\r\n").unwrap();
    while client.line().unwrap().unwrap() != b"PONG\r\n" {}
    server.signal(Signal::USR2);
    server.await_that("lame duck mode", |server| server.read("log").contains("Entering lame duck mode"));
    server.signal(Signal::TERM);
    server.await_that("the end's refusal", |server| server.read("log").contains("Trapped \"terminated\""));
    client.send(b"PING\r\n").unwrap();
    // The server still answers, and ends with its last client.
    while client.line().unwrap().unwrap() != b"PONG\r\n" {}
    while client.line().unwrap().is_some() {}
    assert_eq!(server.await_end(), Some(0));
}
