//! A client for load: it knows frames, keeps only what it has not handed out yet, and tells a whole frame from half of one.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than anything a healthy server takes on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    socket: TcpStream,
    received: Vec<u8>,
    /// How much of `received` was handed out.
    taken: usize,
    /// The `client_id` of INFO.
    pub(crate) id: u64,
}

/// What a server says to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Info(Value),
    Message(Message),
    Error(String),
    Ping,
    Pong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) sid: u64,
    pub(crate) reply: Option<String>,
    pub(crate) payload: Vec<u8>,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The beginning of a frame whose rest never came.
    pub(crate) half: String,
}

impl Client {
    /// A client the server has let in.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let mut client = Self::over(TcpStream::connect_timeout(&address, PATIENCE).unwrap());
        client.introduce();
        client
    }

    /// A client over `socket`, which has said nothing yet.
    pub(crate) fn over(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { socket, received: Vec::new(), taken: 0, id: 0 };
        let Ok(Frame::Info(info)) = client.frame() else { panic!("a server begins with INFO") };
        client.id = info["client_id"].as_u64().unwrap();
        client
    }

    pub(crate) fn introduce(&mut self) {
        self.say("CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1,\"headers\":true}\r\n");
        self.flush();
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.send(text.as_bytes());
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub(crate) fn publish(&mut self, subject: &str, payload: &[u8]) {
        let mut frame = Vec::new();
        publish(&mut frame, subject, payload);
        self.send(&frame);
    }

    /// Until all that was said before is in force. Messages that come meanwhile would be lost, so none may.
    pub(crate) fn flush(&mut self) {
        self.say("PING\r\n");
        self.await_pong();
    }

    pub(crate) fn await_pong(&mut self) {
        loop {
            match self.frame().expect("the server stays") {
                Frame::Pong => return,
                Frame::Ping | Frame::Info(_) => {}
                other @ (Frame::Message(_) | Frame::Error(_)) => panic!("a PONG was awaited, not {other:?}"),
            }
        }
    }

    /// The next message. PING and INFO are passed over, the connection is fresh enough to do without its PONG.
    ///
    /// # Errors
    /// The connection ended.
    pub(crate) fn message(&mut self) -> Result<Message, End> {
        loop {
            match self.frame()? {
                Frame::Message(message) => return Ok(message),
                Frame::Ping | Frame::Info(_) => {}
                other @ (Frame::Pong | Frame::Error(_)) => panic!("a message was awaited, not {other:?}"),
            }
        }
    }

    /// The next frame.
    ///
    /// # Errors
    /// The connection ended.
    ///
    /// # Panics
    /// If nothing comes for [`PATIENCE`].
    pub(crate) fn frame(&mut self) -> Result<Frame, End> {
        loop {
            if let Some((frame, length)) = parse(&self.received[self.taken..]) {
                self.taken += length;
                return Ok(frame);
            }
            self.received.drain(..self.taken);
            self.taken = 0;
            match self.read_some() {
                Ok(0) => return Err(End { half: self.preview() }),
                Ok(_) => {}
                Err(error) => panic!("client {}: {error} while {:?} waits", self.id, self.preview()),
            }
        }
    }

    /// Reads once; 0 bytes are the end, by FIN or by reset.
    fn read_some(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 64 * 1024];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(count) => {
                    self.received.extend_from_slice(&chunk[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn preview(&self) -> String {
        String::from_utf8_lossy(&self.received[..self.received.len().min(100)]).into_owned()
    }

    /// Vanishes: the server's next read finds a reset.
    pub(crate) fn kill(self) {
        rustix::net::sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO)).unwrap();
    }
}

/// Appends a PUB.
pub(crate) fn publish(out: &mut Vec<u8>, subject: &str, payload: &[u8]) {
    write!(out, "PUB {subject} {}\r\n", payload.len()).unwrap();
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// The frame `input` begins with and its length, or `None` while it is not whole.
fn parse(input: &[u8]) -> Option<(Frame, usize)> {
    let line_end = input.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&input[..line_end]).unwrap();
    let line = line.strip_suffix('\r').unwrap_or_else(|| panic!("{line:?} ends without CR"));
    let start = line_end + 1;
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let frame = match verb {
        "MSG" | "HMSG" => {
            return message(verb, rest, &input[start..]).map(|(frame, len)| (frame, start + len));
        }
        "INFO" => Frame::Info(serde_json::from_str(rest).unwrap()),
        "PING" => Frame::Ping,
        "PONG" => Frame::Pong,
        "-ERR" => Frame::Error(rest.to_owned()),
        _ => panic!("{line:?} is no frame"),
    };
    Some((frame, start))
}

/// The message whose control line has `fields` and whose payload begins `input`, headers included.
fn message(verb: &str, fields: &str, input: &[u8]) -> Option<(Frame, usize)> {
    let mut fields: Vec<&str> = fields.split(' ').collect();
    let size: usize = fields.pop().unwrap().parse().unwrap();
    if verb == "HMSG" {
        fields.pop();
    }
    let payload = input.get(..size)?.to_vec();
    assert_eq!(input.get(size..size + 2)?, b"\r\n", "after {fields:?}");
    let (subject, sid) = (fields[0].to_owned(), fields[1].parse().unwrap());
    let reply = fields.get(2).map(|reply| (*reply).to_owned());
    Some((Frame::Message(Message { subject, sid, reply, payload }), size + 2))
}
