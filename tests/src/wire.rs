//! A raw client: a socket, and the bytes that came from it.
//!
//! It knows lines and nothing else of the protocol, so that a test can send what no client library would.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// One connection to a server. Every read has a deadline; nothing waits for ever.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    received: Vec<u8>,
    /// How much of `received` was handed out as lines or bytes.
    taken: usize,
    /// The server's side has ended, by a FIN or by a reset: which of the two depends on whether the server
    /// had read all we sent, and so on timing.
    ended: bool,
    read_limit: Duration,
}

impl Connection {
    /// # Errors
    /// The connection cannot be made.
    pub fn open(address: SocketAddr, read_limit: Duration) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, read_limit)?;
        // Each `send` is a segment of its own: scripts say where the server's reads split.
        socket.set_nodelay(true)?;
        Ok(Self { socket, received: Vec::new(), taken: 0, ended: false, read_limit })
    }

    /// Sends all of `bytes`. A server that has closed already is no error here: what it answered before is
    /// what a test looks at.
    ///
    /// # Errors
    /// Any other failure of the socket.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.socket.write_all(bytes) {
            Err(error) if is_closed_by_peer(&error) => Ok(()),
            outcome => outcome,
        }
    }

    /// Ends our side of the stream; the server's side stays readable.
    ///
    /// # Errors
    /// Any failure but that of a socket the server has closed already.
    pub fn hang_up(&mut self) -> io::Result<()> {
        match self.socket.shutdown(Shutdown::Write) {
            Err(error) if is_closed_by_peer(&error) => Ok(()),
            outcome => outcome,
        }
    }

    /// The next line with its line end, or `None` once the server has closed and no whole line is left.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] after the read limit.
    pub fn line(&mut self) -> io::Result<Option<&[u8]>> {
        let mut searched = self.taken;
        let end = self.read_until(|received| {
            let found = received[searched..].iter().position(|&byte| byte == b'\n');
            let end = found.map(|at| searched + at + 1);
            searched = received.len();
            end
        })?;
        Ok(end.map(|end| self.take_to(end)))
    }

    /// The next `count` bytes, or `None` if the server closed before it sent as many.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] after the read limit.
    pub fn bytes(&mut self, count: usize) -> io::Result<Option<&[u8]>> {
        let wanted = self.taken + count;
        let end = self.read_until(|received| (received.len() >= wanted).then_some(wanted))?;
        Ok(end.map(|end| self.take_to(end)))
    }

    /// Waits until the server has closed and returns what was left to read.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if the server is still there at the read limit.
    pub fn closed(&mut self) -> io::Result<&[u8]> {
        self.read_until(|_| None::<usize>)?;
        Ok(self.take_to(self.received.len()))
    }

    /// All bytes received so far, from the start of the connection.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Whether the server was seen to have ended the connection.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads until `found` gives an answer (then `Some`) or the server closes (then `None`).
    fn read_until<T>(&mut self, mut found: impl FnMut(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
        let deadline = Instant::now() + self.read_limit;
        loop {
            if let Some(answer) = found(&self.received) {
                return Ok(Some(answer));
            }
            if self.ended {
                return Ok(None);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout(Some(left))?;
            self.read_some()?;
        }
    }

    fn read_some(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        match self.socket.read(&mut chunk) {
            Ok(0) => self.ended = true,
            Ok(count) => self.received.extend_from_slice(&chunk[..count]),
            Err(error) if is_closed_by_peer(&error) => self.ended = true,
            // The caller looks at its own deadline.
            Err(error) if is_retried(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn take_to(&mut self, end: usize) -> &[u8] {
        let start = self.taken;
        self.taken = end;
        &self.received[start..end]
    }
}

fn is_closed_by_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
    )
}

fn is_retried(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
