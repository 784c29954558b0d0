//! A server with a monitoring endpoint, asked as a probe would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use natrium_tests::server::{Launch, Server};
use natrium_tests::wire::Connection;
use serde_json::Value;

pub(crate) struct Monitored {
    pub(crate) server: Server,
    pub(crate) http: SocketAddr,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As they came, lines and all.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Longer than anything a healthy server takes on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

impl Monitored {
    pub(crate) fn natrium(shards: u32, config: &str) -> Self {
        Self::start(Launch::natrium(shards).unwrap(), config)
    }

    pub(crate) fn reference(config: &str) -> Self {
        Self::start(Launch::reference().unwrap(), config)
    }

    fn start(mut launch: Launch, config: &str) -> Self {
        config.clone_into(&mut launch.config);
        launch.flags.extend(["-m", "-1"].map(String::from));
        let server = launch.start().unwrap();
        let log = server.log();
        let line =
            log.lines().find(|line| line.contains("Starting http monitor on ")).expect("the log tells it");
        let http = line.rsplit(' ').next().unwrap().parse().unwrap();
        Self { server, http }
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        let mut socket = self.open();
        write!(socket, "GET {target} HTTP/1.1\r\nHost: monitor\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        Answer::read(&answer)
    }

    pub(crate) fn json(&self, target: &str) -> Value {
        let answer = self.get(target);
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        assert_eq!(answer.header("Content-Type"), Some("application/json"), "{target}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The connections of a page of `/connz`.
    pub(crate) fn connections(&self, query: &str) -> Vec<Value> {
        self.json(&format!("/connz?{query}"))["connections"].as_array().unwrap().clone()
    }

    /// Waits until `/connz` with `query` shows `count` connections.
    pub(crate) fn await_connections(&self, query: &str, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let connections = self.connections(query);
            if connections.len() == count {
                return connections;
            }
            assert!(Instant::now() < deadline, "{query}: {count} are awaited, there are {connections:?}");
            thread::sleep(POLL);
        }
    }

    pub(crate) fn last_activity(&self, client: &Client) -> String {
        self.connections(&format!("cid={}", client.id))[0]["last_activity"].as_str().unwrap().to_owned()
    }

    /// A socket to the endpoint.
    pub(crate) fn open(&self) -> TcpStream {
        let socket = TcpStream::connect(self.http).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// A client that said `connect` and that the server has heard.
    pub(crate) fn client(&self, connect: &str) -> Client {
        let mut client = self.silent_client();
        client.say(&format!("CONNECT {connect}\r\n"));
        client.flush();
        client
    }

    /// A client that has said nothing.
    pub(crate) fn silent_client(&self) -> Client {
        let mut connection = Connection::open(self.server.client_address(), PATIENCE).unwrap();
        let info = connection.line().unwrap().unwrap();
        let info: Value = serde_json::from_slice(&info[b"INFO ".len()..]).unwrap();
        Client { connection, id: info["client_id"].as_u64().unwrap() }
    }
}

pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) id: u64,
}

impl Client {
    pub(crate) fn say(&mut self, text: &str) {
        self.connection.send(text.as_bytes()).unwrap();
    }

    /// Until all that was said before is in force; what came meanwhile is read and forgotten.
    pub(crate) fn flush(&mut self) {
        self.say("PING\r\n");
        while self.connection.line().unwrap().expect("the server closed the connection") != b"PONG\r\n" {}
    }

    /// Says it, and waits until the server has heard.
    pub(crate) fn tell(&mut self, text: &str) {
        self.say(text);
        self.flush();
    }

    pub(crate) fn await_line(&mut self, start: &str) {
        while !self
            .connection
            .line()
            .unwrap()
            .expect("the server closed the connection")
            .starts_with(start.as_bytes())
        {}
    }
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Self { status, head: head.to_owned(), body: body.to_owned() };
        if answer.header("Transfer-Encoding") == Some("chunked") {
            answer.body = joined(body);
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = |line: &'_ str| -> Option<usize> {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value.len())
        };
        self.head.lines().find_map(|line| header(line).map(|length| &line[line.len() - length..]))
    }
}

/// The body that came in chunks, as the reference sends longer ones. All documents are ASCII.
fn joined(chunks: &str) -> String {
    let mut body = String::new();
    let mut rest = chunks;
    while let Some((length, chunk)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            break;
        }
        body.push_str(&chunk[..length]);
        rest = &chunk[length + 2..];
    }
    body
}
