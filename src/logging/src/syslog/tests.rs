use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};

use super::*;
use crate::line::Severity;

fn program() -> Program {
    Program::new("/usr/bin/ServerLoggerTag", 7)
}

fn info(text: &str) -> Line {
    Line { severity: Severity::Info, at: jiff::Timestamp::now(), text: text.to_owned() }
}

fn udp_receiver() -> (UdpSocket, Target) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(RECEIVE_WAIT)).unwrap();
    let target = Target::parse(&format!("udp://{}", receiver.local_addr().unwrap())).unwrap();
    (receiver, target)
}

fn received(receiver: &UdpSocket) -> String {
    let mut packet = [0; 4096];
    let size = receiver.recv(&mut packet).unwrap();
    String::from_utf8(packet[..size].to_vec()).unwrap()
}

// go: logger/syslog_test.go TestSysLoggerTag
// go: logger/syslog_test.go TestRemoteSysLogger
// go: logger/syslog_test.go TestRemoteSysLoggerNotice
#[test]
fn a_packet_carries_the_name_of_the_program_and_the_text() {
    let (receiver, target) = udp_receiver();
    Syslog::open(target, &program()).unwrap().write(&info("foo bar")).unwrap();
    let packet = received(&receiver);
    let (head, text) = packet.split_once("]: ").unwrap();
    assert_eq!(text, "foo bar\n");
    assert!(head.starts_with("<5>") && head.ends_with(" ServerLoggerTag[7"), "{head}");
}

#[test]
fn a_tcp_receiver_that_came_back_gets_the_lines_again() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::parse(&format!("tcp://{}", receiver.local_addr().unwrap())).unwrap();
    let mut syslog = Syslog::open(target, &program()).unwrap();
    let (first, _) = receiver.accept().unwrap();
    syslog.write(&info("one")).unwrap();
    let mut line = String::new();
    BufReader::new(first).read_line(&mut line).unwrap();
    assert!(line.ends_with("]: one\n"), "{line}");
    // The reader is dropped and the connection with it; TCP tells the sender at the second line at the latest.
    let receiver_again = receiver.try_clone().unwrap();
    let second = std::thread::spawn(move || {
        let (second, _) = receiver_again.accept().unwrap();
        let mut line = String::new();
        BufReader::new(second).read_line(&mut line).unwrap();
        line
    });
    while !second.is_finished() {
        syslog.write(&info("again")).unwrap();
    }
    assert!(second.join().unwrap().ends_with("]: again\n"));
}

#[test]
fn a_local_daemon_gets_datagrams_without_a_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let target = Target::Local(vec![folder.path().join("missing"), path]);
    Syslog::open(target, &program()).unwrap().write(&info("foo")).unwrap();
    let mut packet = [0; 4096];
    let size = receiver.recv(&mut packet).unwrap();
    let packet = std::str::from_utf8(&packet[..size]).unwrap();
    assert!(packet.starts_with("<29>") && packet.ends_with(" ServerLoggerTag[7]: foo\n"), "{packet}");
}

#[test]
fn a_local_daemon_may_listen_on_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let receiver = UnixListener::bind(&path).unwrap();
    let mut syslog = Syslog::open(Target::Local(vec![path]), &program()).unwrap();
    syslog.write(&info("foo")).unwrap();
    let mut line = String::new();
    BufReader::new(receiver.accept().unwrap().0).read_line(&mut line).unwrap();
    assert!(line.ends_with("]: foo\n"), "{line}");
}

#[test]
fn a_syslog_that_is_gone_refuses_at_once_until_it_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let mut syslog = Syslog::open(Target::Local(vec![path.clone()]), &program()).unwrap();
    drop(receiver);
    std::fs::remove_file(&path).unwrap();
    let first = syslog.write(&info("lost")).unwrap_err();
    assert_eq!(first.to_string(), "Unix syslog delivery error");
    assert_eq!(syslog.write(&info("lost")).unwrap_err().kind(), io::ErrorKind::NotConnected);

    let _receiver = UnixDatagram::bind(&path).unwrap();
    syslog.link = Link::Down { try_at: Instant::now() };
    syslog.write(&info("found")).unwrap();
}

#[test]
fn nobody_at_the_start_is_an_error_in_the_reference_s_words() {
    let error = Syslog::open(Target::Local(Vec::new()), &program()).unwrap_err();
    assert_eq!(error.to_string(), "error connecting to syslog: \"Unix syslog delivery error\"");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Syslog::open(Target::Tcp(address.to_string()), &program()).unwrap_err();
    let expected = format!("error connecting to syslog: \"dial tcp {address}: connect: connection refused\"");
    assert_eq!(error.to_string(), expected);
    for host in ["127.0.0.1", "[::1]"] {
        let error = Syslog::open(Target::Udp(host.to_owned()), &program()).unwrap_err();
        let expected =
            format!("error connecting to syslog: \"dial udp: address {host}: missing port in address\"");
        assert_eq!(error.to_string(), expected);
    }
}

/// For a packet over loopback on a busy machine.
const RECEIVE_WAIT: Duration = Duration::from_secs(10);
