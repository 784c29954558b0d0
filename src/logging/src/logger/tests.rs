use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};

use log::Level;

use super::*;
use crate::FATAL;

struct FileLog {
    logger: Logger,
    handle: LogHandle,
    folder: tempfile::TempDir,
}

/// Options for a file called `log` in `folder`, with everything that may vary left out of its lines.
fn in_file(folder: &Path) -> LoggingOptions {
    LoggingOptions { file: Some(folder.join("log")), time: false, ..LoggingOptions::default() }
}

fn program() -> Program {
    Program::new("natrium", 7)
}

impl FileLog {
    fn open(change: impl FnOnce(&mut LoggingOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = in_file(folder.path());
        change(&mut options);
        let (logger, handle) = Logger::open(&options, &program(), QUEUE_LINES).unwrap();
        Self { logger, handle, folder }
    }

    fn log(&self, target: &str, level: Level, text: &str) {
        self.logger.log(&Record::builder().target(target).level(level).args(format_args!("{text}")).build());
    }

    fn log_each_level(&self) {
        for level in Level::iter() {
            self.log("natrium::server", level, "foo");
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn content(&self) -> String {
        self.handle.flush();
        fs::read_to_string(self.path()).unwrap()
    }
}

// go: server/log_test.go TestSetLogger
#[test]
fn levels_are_those_of_the_last_configuration() {
    let log = FileLog::open(|options| (options.debug, options.trace) = (true, true));
    log.log_each_level();
    log.log(FATAL, Level::Error, "foo");
    let all = "[7] [ERR] foo\n[7] [WRN] foo\n[7] [INF] foo\n[7] [DBG] foo\n[7] [TRC] foo\n[7] [FTL] foo\n";
    assert_eq!(log.content(), all);
    log.handle.reconfigure(&in_file(log.folder.path())).unwrap();
    log.log("natrium", Level::Debug, "This Debug should not be traced");
    log.log("natrium", Level::Trace, "This Trace should not be traced");
    assert_eq!(log.content(), all);
}

#[test]
fn the_macros_of_log_write_to_the_logger_that_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let handle = Logger::start(&in_file(folder.path()), &program()).unwrap();
    assert!(matches!(Logger::start(&in_file(folder.path()), &program()), Err(LoggingError::AlreadyStarted)));
    log::info!("listening on {}", 4222);
    log::error!(target: FATAL, "port in use");
    handle.flush();
    let content = fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(content, "[7] [INF] listening on 4222\n[7] [FTL] port in use\n");
}

#[test]
fn what_libraries_say_is_not_written() {
    let log = FileLog::open(|options| options.trace = true);
    log.log("hyper::proto", Level::Error, "foo");
    assert_eq!(log.content(), "");
}

#[test]
fn a_new_configuration_takes_the_lines_elsewhere() {
    let log = FileLog::open(|_| ());
    log.log("natrium", Level::Info, "one");
    let elsewhere = log.folder.path().join("elsewhere");
    log.handle
        .reconfigure(&LoggingOptions { file: Some(elsewhere.clone()), ..in_file(log.folder.path()) })
        .unwrap();
    log.log("natrium", Level::Info, "two");
    assert_eq!(log.content(), "[7] [INF] one\n");
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), "[7] [INF] two\n");
}

#[test]
fn a_new_configuration_of_a_file_that_was_renamed_meanwhile_writes_to_its_name() {
    let log = FileLog::open(|options| options.file_size_limit = Some(10));
    let reloaded = Output::open(&in_file(log.folder.path()), &program()).unwrap();
    log.log("natrium", Level::Info, "a line above the limit");
    ask(&log.handle.commands, |done| Command::Replace(Box::new(reloaded), done)).unwrap();
    log.log("natrium", Level::Info, "bar");
    let content = log.content();
    assert!(content.contains("Rotated log") && content.ends_with("[7] [INF] bar\n"), "{content}");
}

#[test]
fn a_configuration_that_cannot_be_had_changes_nothing() {
    let log = FileLog::open(|_| ());
    let impossible =
        LoggingOptions { file: Some("/missing/log".into()), debug: true, ..in_file(log.folder.path()) };
    assert!(matches!(log.handle.reconfigure(&impossible), Err(LoggingError::File { .. })));
    log.log_each_level();
    assert_eq!(log.content(), "[7] [ERR] foo\n[7] [WRN] foo\n[7] [INF] foo\n");
}

// go: server/log_test.go TestReOpenLogFile
#[test]
fn reopening_makes_the_file_that_was_moved_away() {
    let log = FileLog::open(|_| ());
    log.log("natrium", Level::Info, "This is a Notice");
    assert_eq!(log.content(), "[7] [INF] This is a Notice\n");
    fs::rename(log.path(), log.folder.path().join("log.bak")).unwrap();
    log.handle.reopen();
    log.log("natrium", Level::Info, "New message");
    assert_eq!(log.content(), "[7] [INF] File log re-opened\n[7] [INF] New message\n");

    let (receiver, options) = remote_syslog(log.folder.path());
    log.handle.reconfigure(&options).unwrap();
    log.handle.reopen();
    assert_eq!(text_received(&receiver), "File log re-open ignored, not a file logger\n");
}

// go: server/log_test.go TestFileLoggerSizeLimitAndReopen
#[test]
fn a_file_opened_anew_keeps_its_limit() {
    let log = FileLog::open(|options| options.file_size_limit = Some(1000));
    log.log("natrium", Level::Info, "this is a notice");
    log.handle.reopen();
    assert!(log.content().ends_with("File log re-opened\n"));
    log.log("natrium", Level::Info, &"A".repeat(800));
    log.log("natrium", Level::Info, &"B".repeat(800));
    let content = log.content();
    assert!(content.contains("Rotated log, backup saved"), "{content}");
    assert!(!content.contains("AAAAA") && !content.contains("BBBBB"), "{content}");
}

#[test]
fn a_file_above_its_limit_is_rotated_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("log"), "x".repeat(200)).unwrap();
    let options = LoggingOptions { file_size_limit: Some(100), ..in_file(folder.path()) };
    let (_logger, handle) = Logger::open(&options, &program(), QUEUE_LINES).unwrap();
    handle.flush();
    let content = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(content.starts_with("[7] [INF] Rotated log, backup saved as "), "{content}");
}

#[test]
fn a_full_queue_costs_lines_and_they_are_counted() {
    let log = FileLog::open(|_| ());
    // Nobody takes from this queue.
    let (commands, _queue) = bounded(1);
    let stuck = Logger { commands, ..log.logger };
    let record = |text| Record::builder().target("natrium").level(Level::Info).args(text).build();
    for _ in 0..4 {
        stuck.log(&record(format_args!("foo")));
    }
    assert_eq!(stuck.dropped.load(Ordering::Relaxed), 3);

    // The writer that shares the counter says so before its next line.
    let line = Line { severity: Severity::Info, at: Timestamp::now(), text: "bar".to_owned() };
    log.handle.commands.send(Command::Line(line)).unwrap();
    log.handle.flush();
    assert_eq!(
        fs::read_to_string(log.folder.path().join("log")).unwrap(),
        "[7] [WRN] 3 log lines were dropped: the log could not be written fast enough\n[7] [INF] bar\n"
    );
}

#[test]
fn a_full_disk_holds_nobody_up() {
    let log = FileLog::open(|options| options.file = Some("/dev/full".into()));
    for _ in 0..10 {
        log.log("natrium", Level::Info, "foo");
    }
    log.handle.flush();
    log.handle.reconfigure(&in_file(log.folder.path())).unwrap();
    log.log("natrium", Level::Info, "bar");
    assert_eq!(log.content(), "[7] [INF] bar\n");
}

fn remote_syslog(folder: &Path) -> (UdpSocket, LoggingOptions) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(RECEIVE_WAIT)).unwrap();
    let url = format!("udp://{}", receiver.local_addr().unwrap());
    (receiver, LoggingOptions { file: None, remote_syslog: Some(url), ..in_file(folder) })
}

/// The text of the next packet.
fn text_received(receiver: &UdpSocket) -> String {
    let mut packet = [0; 4096];
    let size = receiver.recv(&mut packet).unwrap();
    let packet = String::from_utf8(packet[..size].to_vec()).unwrap();
    packet.split_once("]: ").unwrap().1.to_owned()
}

/// What a remote syslog gets of a debug line, a trace line and an error, in this order.
fn received_with(debug: bool, trace: bool) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (receiver, options) = remote_syslog(folder.path());
    let (logger, handle) =
        Logger::open(&LoggingOptions { debug, trace, ..options }, &program(), QUEUE_LINES).unwrap();
    let log = FileLog { logger, handle, folder };
    log.log("natrium", Level::Debug, "foo debug");
    log.log("natrium", Level::Trace, "foo trace");
    log.log("natrium", Level::Error, "end");
    log.handle.flush();
    let mut texts = Vec::new();
    while texts.last().is_none_or(|text| text != "end\n") {
        texts.push(text_received(&receiver));
    }
    texts
}

// go: logger/syslog_test.go TestSysLogger
// go: logger/syslog_test.go TestSysLoggerWithDebugAndTrace
// go: logger/syslog_test.go TestRemoteSysLoggerDebug
// go: logger/syslog_test.go TestRemoteSysLoggerDebugDisabled
// go: logger/syslog_test.go TestRemoteSysLoggerTrace
// go: logger/syslog_test.go TestRemoteSysLoggerTraceDisabled
#[test]
fn a_syslog_gets_debug_lines_and_traces_if_they_are_on() {
    assert_eq!(received_with(false, false), ["end\n"]);
    assert_eq!(received_with(true, false), ["foo debug\n", "end\n"]);
    assert_eq!(received_with(false, true), ["foo trace\n", "end\n"]);
    assert_eq!(received_with(true, true), ["foo debug\n", "foo trace\n", "end\n"]);
}

/// For a packet over loopback on a busy machine.
const RECEIVE_WAIT: Duration = Duration::from_secs(10);
