//! What shards promise a client, on the real binary with 1, 2 and 4 of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(shards: usize) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_natrium"))
            .args(["-a", "127.0.0.1", "-p", "-1", "--shards", &shards.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut port = None;
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            if line.contains("Listening for client connections on ") {
                port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
            }
            if line.contains("Server is ready") {
                break;
            }
            line.clear();
        }
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { process, port: port.expect("the server says where it listens") }
    }

    fn connect(&self) -> Client {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut client = Client { input: BufReader::new(socket.try_clone().unwrap()), output: socket };
        assert!(client.line().starts_with("INFO {"));
        client.send("CONNECT {\"verbose\":false}\r\n");
        client.flush();
        client
    }

    /// So many that every shard has some.
    fn connect_many(&self, count: usize) -> Vec<Client> {
        (0..count).map(|_| self.connect()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Client {
    input: BufReader<TcpStream>,
    output: TcpStream,
}

impl Client {
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.output.write_all(bytes.as_ref()).unwrap();
    }

    /// The next line; the server's PINGs, which come where a test takes its time, are passed over.
    fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.input.read_line(&mut line).unwrap();
            if line != "PING\r\n" {
                return line;
            }
        }
    }

    fn flush(&mut self) {
        self.send("PING\r\n");
        assert_eq!(self.line(), "PONG\r\n");
    }
}

#[test]
fn a_subscription_is_in_force_everywhere_once_its_ping_is_answered() {
    for shards in [1, 2, 4] {
        let server = Server::start(shards);
        let mut clients = server.connect_many(20);
        for round in 0..500 {
            let (receiver, publisher) = (round % 20, (round * 7 + 5) % 20);
            if receiver == publisher {
                continue;
            }
            let sub = format!("SUB new.{round} 1\r\n");
            clients[receiver].send(&sub);
            clients[receiver].flush();
            clients[publisher].send(format!("PUB new.{round} 2\r\nhi\r\n"));
            assert_eq!(clients[receiver].line(), format!("MSG new.{round} 1 2\r\n"), "{shards} shards");
            assert_eq!(clients[receiver].line(), "hi\r\n");
            clients[receiver].send("UNSUB 1\r\n");
            clients[receiver].flush();
            clients[publisher].send(format!("PUB new.{round} 2\r\nno\r\n"));
            clients[publisher].flush();
            clients[receiver].flush();
        }
    }
}

#[test]
fn interest_does_not_pile_up_at_a_shard_that_sleeps() {
    let server = Server::start(2);
    // The first four are on one shard, the fifth is on the other.
    let mut clients = server.connect_many(5);
    let mut far = clients.pop().unwrap();
    let near = &mut clients[0];
    // More changes than a lane holds, each in a turn of its own, and nothing besides that would wake the other shard.
    for number in 0..3_000 {
        near.send(format!("SUB churn.{number} {number}\r\nPING\r\n"));
        assert_eq!(near.line(), "PONG\r\n");
    }
    for number in [0, 1_500, 2_999] {
        far.send(format!("PUB churn.{number} 2\r\nhi\r\n"));
        assert_eq!(near.line(), format!("MSG churn.{number} {number} 2\r\n"));
        assert_eq!(near.line(), "hi\r\n");
    }
}

#[test]
fn an_answer_finds_the_inbox_its_request_came_with() {
    for shards in [1, 2, 4] {
        let server = Server::start(shards);
        let mut clients = server.connect_many(2 * 5);
        let (asking, serving) = clients.split_at_mut(5);
        for (asking, serving) in asking.iter_mut().zip(serving.iter_mut().rev()) {
            serving.send("SUB service 1\r\n");
            serving.flush();
            for round in 0..300 {
                // The subscription and the request that names it leave together, without a PING between them.
                asking.send(format!("SUB inbox.{round} {round}\r\nPUB service inbox.{round} 0\r\n\r\n"));
                assert_eq!(serving.line(), format!("MSG service 1 inbox.{round} 0\r\n"));
                serving.line();
                serving.send(format!("PUB inbox.{round} 2\r\nok\r\n"));
                assert_eq!(asking.line(), format!("MSG inbox.{round} {round} 2\r\n"), "{shards} shards");
                assert_eq!(asking.line(), "ok\r\n");
            }
            serving.send("UNSUB 1\r\n");
            serving.flush();
        }
    }
}

#[test]
fn messages_of_one_publisher_keep_their_order() {
    const COUNT: usize = 50_000;
    for shards in [1, 2, 4] {
        let server = Server::start(shards);
        let mut clients = server.connect_many(18);
        let publisher = clients.remove(0);
        for client in &mut clients {
            client.send("SUB numbers.> 9\r\n");
            client.flush();
        }
        let publishing = thread::spawn(move || {
            let mut publisher = publisher;
            let all: String =
                (0..COUNT).map(|number| format!("PUB numbers.x 5\r\n{number:05}\r\n")).collect();
            publisher.send(all);
            publisher.flush();
        });
        let reading: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                thread::spawn(move || {
                    for number in 0..COUNT {
                        assert_eq!(client.line(), "MSG numbers.x 9 5\r\n");
                        assert_eq!(client.line(), format!("{number:05}\r\n"));
                    }
                })
            })
            .collect();
        publishing.join().unwrap();
        reading.into_iter().for_each(|reader| reader.join().unwrap());
    }
}

#[test]
fn a_slow_consumer_is_closed_and_the_fast_one_gets_everything() {
    const PAYLOAD: usize = 64 * 1024;
    const COUNT: usize = 2_000;
    for shards in [1, 2] {
        let server = Server::start(shards);
        let mut clients = server.connect_many(6);
        let (mut publisher, mut fast, mut slow) =
            (clients.remove(0), clients.pop().unwrap(), clients.remove(1));
        for client in [&mut fast, &mut slow] {
            client.send("SUB big 1\r\n");
            client.flush();
        }
        let publishing = thread::spawn(move || {
            let message =
                [format!("PUB big {PAYLOAD}\r\n").into_bytes(), vec![b'x'; PAYLOAD], b"\r\n".to_vec()]
                    .concat();
            (0..COUNT).for_each(|_| publisher.send(&message));
            publisher.flush();
        });
        let mut body = vec![0; PAYLOAD + 2];
        for _ in 0..COUNT {
            assert_eq!(fast.line(), format!("MSG big 1 {PAYLOAD}\r\n"));
            fast.input.read_exact(&mut body).unwrap();
        }
        publishing.join().unwrap();
        let mut left = Vec::new();
        // The end, or a reset: either way it comes before all messages do.
        let _ = slow.input.read_to_end(&mut left);
        assert!(left.len() < COUNT * PAYLOAD, "{shards} shards: {} bytes", left.len());
    }
}

#[test]
fn a_connection_that_dies_in_the_middle_of_a_message_harms_nobody() {
    for shards in [1, 2] {
        let server = Server::start(shards);
        let mut clients = server.connect_many(6);
        let mut dying = clients.remove(0);
        dying.send("SUB foo 1\r\n");
        dying.flush();
        dying.send("PUB foo 1000\r\nonly the beginning");
        drop(dying);
        for client in &mut clients {
            client.send("SUB foo 1\r\nPUB foo 2\r\nok\r\nUNSUB 1\r\nPING\r\n");
            assert_eq!(
                [client.line(), client.line(), client.line()],
                ["MSG foo 1 2\r\n", "ok\r\n", "PONG\r\n"]
            );
        }
    }
}

#[test]
fn a_message_may_arrive_byte_by_byte() {
    let server = Server::start(2);
    let mut clients = server.connect_many(6);
    let mut receiver = clients.pop().unwrap();
    receiver.send("SUB foo.> 1\r\n");
    receiver.flush();
    clients[0].send("CONNECT {\"verbose\":false,\"headers\":true}\r\n");
    for byte in b"HPUB foo.bar reply 12 17\r\nNATS/1.0\r\n\r\nhello\r\nPING\r\n" {
        clients[0].send([*byte]);
    }
    assert_eq!(clients[0].line(), "PONG\r\n");
    // The receiver did not say that it takes headers.
    assert_eq!([receiver.line(), receiver.line()], ["MSG foo.bar 1 reply 5\r\n", "hello\r\n"]);
}

#[test]
fn a_termination_closes_every_client() {
    let mut server = Server::start(2);
    let mut clients = server.connect_many(8);
    let pid = server.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(server.process.wait().unwrap().code().is_some());
    assert!(clients.iter_mut().all(|client| client.line().is_empty()));
}

#[test]
fn a_lame_duck_says_so_and_takes_nobody_new() {
    let server = Server::start(2);
    let mut clients = server.connect_many(6);
    for client in &mut clients {
        client.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
        assert_eq!(client.line(), "PONG\r\n");
    }
    let pid = server.process.id().to_string();
    assert!(Command::new("kill").args(["-USR2", &pid]).status().unwrap().success());
    for client in &mut clients {
        let info = client.line();
        assert!(info.starts_with("INFO {") && info.contains("\"ldm\":true"), "{info}");
        client.flush();
    }
    assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err());
}
