//! Core NATS as clients meet it, where a script cannot tell it: what is random, what the log or the monitoring endpoint
//! has to say of it, TLS, slow readers and the end of a server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../tls/pki.rs"]
#[allow(dead_code, reason = "shared with the tests of the listener, which use more of it")]
mod pki;
#[path = "../monitor/web.rs"]
#[allow(dead_code, reason = "shared with the tests of the monitoring endpoint, which use more of it")]
mod web;

mod handshakes;
mod lame_duck;
mod messages;
mod proxied;
mod queues;
mod refusals;
mod slow_readers;
mod subscriptions;
mod tracing;
mod welcome;

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

use web::{Client, Monitored, PATIENCE};

const POLL: Duration = Duration::from_millis(5);

/// Calls `test` with the reference, and with natrium on one shard and on two, each started with `config`.
fn with_each_server(config: &str, test: impl Fn(&str, &Monitored)) {
    test("reference", &Monitored::reference(config));
    for shards in [1, 2] {
        test(&format!("natrium, {shards} shards"), &Monitored::natrium(shards, config));
    }
}

/// Looks until what `look` sees is `good`.
fn await_that<T: Debug>(what: &str, mut look: impl FnMut() -> T, good: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if good(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: still {seen:?}");
        thread::sleep(POLL);
    }
}

impl Client {
    /// The next line, with its end. The server's PINGs, which come where a test takes its time, are passed over.
    fn line(&mut self) -> String {
        loop {
            let line = self.connection.line().unwrap().expect("the server closed the connection");
            if line != b"PING\r\n" {
                return String::from_utf8(line.to_vec()).unwrap();
            }
        }
    }

    /// The next message: its control line without the end, and its payload.
    fn message(&mut self) -> (String, Vec<u8>) {
        let head = self.line();
        let head = head.strip_suffix("\r\n").unwrap().to_owned();
        assert!(head.starts_with("MSG ") || head.starts_with("HMSG "), "{head}");
        let size: usize = head.rsplit(' ').next().unwrap().parse().unwrap();
        let payload = self.connection.bytes(size + 2).unwrap().expect("the server closed the connection");
        (head, payload[..size].to_vec())
    }

    /// Waits for the server's close.
    fn closed(&mut self) {
        self.connection.closed().unwrap();
    }
}
