//! A server with its monitoring endpoint, started for one test alone.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use natrium_tests::server::{Launch, Server};
use serde_json::Value;

use crate::client::{Client, PATIENCE};

pub(crate) struct Site {
    pub(crate) server: Server,
    http: SocketAddr,
    /// Held as long as the server runs: no other test loads the machine meanwhile.
    _machine: MutexGuard<'static, ()>,
}

/// How many connections in a row the server puts on one shard before the next has its turn, as long as none leaves.
pub(crate) const TOGETHER: usize = 4;

static MACHINE: Mutex<()> = Mutex::new(());
const POLL: Duration = Duration::from_millis(5);

impl Site {
    pub(crate) fn start(shards: u32, config: &str) -> Self {
        Self::launch(Launch::natrium(shards).unwrap(), config)
    }

    fn launch(mut launch: Launch, config: &str) -> Self {
        let machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        config.clone_into(&mut launch.config);
        launch.flags.extend(["-m", "-1"].map(String::from));
        let server = launch.start().unwrap();
        let log = server.log();
        let line =
            log.lines().find(|line| line.contains("Starting http monitor on ")).expect("the log tells it");
        let http = line.rsplit(' ').next().unwrap().parse().unwrap();
        Self { server, http, _machine: machine }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.client_address()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.id()
    }

    pub(crate) fn client(&self) -> Client {
        Client::open(self.address())
    }

    /// [`TOGETHER`] clients on each of `shards` shards, by shard, on a server that has no others.
    pub(crate) fn clients_by_shard(&self, shards: u32) -> Vec<Vec<Client>> {
        let clients: Vec<Vec<Client>> =
            (0..shards).map(|_| (0..TOGETHER).map(|_| self.client()).collect()).collect();
        for shard in 0..shards {
            let sample = format!("natrium_connections{{shard=\"{shard}\"}} {TOGETHER}\n");
            let page = self.get("/metrics");
            assert!(page.contains(&sample), "{TOGETHER} connections are on shard {shard}: {page}");
        }
        clients
    }

    pub(crate) fn get(&self, target: &str) -> String {
        let mut socket = TcpStream::connect(self.http).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(socket, "GET {target} HTTP/1.1\r\nHost: monitor\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        assert!(head.starts_with("HTTP/1.1 200 "), "{target}: {answer}");
        body.to_owned()
    }

    pub(crate) fn json(&self, target: &str) -> Value {
        serde_json::from_str(&self.get(target)).unwrap()
    }

    /// A number of `/varz`.
    pub(crate) fn varz(&self, field: &str) -> u64 {
        self.json("/varz")[field].as_u64().unwrap_or_else(|| panic!("{field} is a number"))
    }

    /// Waits until `/varz` shows `count` connections.
    pub(crate) fn await_connections(&self, count: usize) {
        await_that("connections", || self.varz("connections"), |shown| *shown == count as u64);
    }

    /// Waits until client `id` is closed; returns the reason.
    pub(crate) fn await_closed(&self, id: u64) -> String {
        let shown = || {
            let page = self.json(&format!("/connz?state=closed&cid={id}"));
            page["connections"][0]["reason"].as_str().map(str::to_owned)
        };
        await_that("reason", shown, Option::is_some).unwrap()
    }
}

/// Looks until what `look` sees is `good`.
///
/// # Panics
/// After [`PATIENCE`], with what was seen last.
pub(crate) fn await_that<T: Debug>(what: &str, mut look: impl FnMut() -> T, good: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if good(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what} is still {seen:?}");
        thread::sleep(POLL);
    }
}
