//! One connection that speaks the raw protocol, in the clear or through TLS.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::error::{RigError, STALL_SECONDS};

pub(crate) struct Client {
    stream: Stream,
    /// Read behind a line and not yet asked for; nearly always empty.
    held: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Client {
    /// Connects, waits for INFO, answers with CONNECT and returns once the server has taken it.
    pub(crate) fn connect(port: u16, tls: Option<&Arc<ClientConfig>>) -> Result<Self, RigError> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(RigError::io("connecting"))?;
        socket.set_nodelay(true).map_err(RigError::io("setting TCP_NODELAY"))?;
        let stall = Some(Duration::from_secs(STALL_SECONDS));
        socket.set_read_timeout(stall).map_err(RigError::io("setting a time limit"))?;
        socket.set_write_timeout(stall).map_err(RigError::io("setting a time limit"))?;
        let mut client = Self { stream: Stream::Plain(socket), held: Vec::new() };
        client.read_line()?;
        if let Some(config) = tls {
            client = client.upgrade(config)?;
        }
        client.send(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")?;
        client.flush()?;
        Ok(client)
    }

    fn upgrade(self, config: &Arc<ClientConfig>) -> Result<Self, RigError> {
        let Stream::Plain(socket) = self.stream else { return Ok(self) };
        let name = ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
        let session = ClientConnection::new(Arc::clone(config), name)?;
        Ok(Self { stream: Stream::Tls(Box::new(StreamOwned::new(session, socket))), held: self.held })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), RigError> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes),
        }
        .map_err(RigError::io("sending"))
    }

    /// Reads what is there, at least one byte.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, RigError> {
        if !self.held.is_empty() {
            let count = buffer.len().min(self.held.len());
            buffer[..count].copy_from_slice(&self.held[..count]);
            self.held.drain(..count);
            return Ok(count);
        }
        let read = match &mut self.stream {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        };
        match read {
            Ok(0) => Err(RigError::Closed),
            Ok(count) => Ok(count),
            Err(source) => Err(RigError::Io { doing: "receiving", source }),
        }
    }

    /// Returns once the server has handled all that was sent before. A message that arrives meanwhile is an error:
    /// callers flush when all they expect is there, so it would be one too many.
    pub(crate) fn flush(&mut self) -> Result<(), RigError> {
        self.send(b"PING\r\n")?;
        let mut answered = false;
        while !answered {
            let line = self.read_line()?;
            match line.as_slice() {
                b"PONG\r\n" => answered = true,
                b"PING\r\n" => {}
                other if other.starts_with(b"INFO ") => {}
                other => return Err(RigError::Unexpected(String::from_utf8_lossy(other).into_owned())),
            }
        }
        Ok(())
    }

    /// Reads exactly `text`, which may stand behind a PING.
    pub(crate) fn expect(&mut self, text: &str) -> Result<(), RigError> {
        for line in text.split_inclusive("\r\n") {
            let mut got = self.read_line()?;
            while got == b"PING\r\n" {
                got = self.read_line()?;
            }
            if got != line.as_bytes() {
                return Err(RigError::Unexpected(String::from_utf8_lossy(&got).into_owned()));
            }
        }
        Ok(())
    }

    fn read_line(&mut self) -> Result<Vec<u8>, RigError> {
        let mut read = Vec::new();
        let mut chunk = [0; 1024];
        loop {
            let count = self.receive(&mut chunk)?;
            read.extend_from_slice(&chunk[..count]);
            if let Some(end) = read.windows(2).position(|pair| pair == b"\r\n") {
                self.held.splice(..0, read.drain(end + 2..));
                return Ok(read);
            }
        }
    }
}

/// Only a connection in the clear is ready when its socket is: TLS may hold plaintext that was read before.
impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Plain(socket) => socket.as_fd(),
            Stream::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

/// Is `error` the end of the time limit of a read?
pub(crate) fn is_stall(error: &RigError) -> bool {
    matches!(error, RigError::Io { source, .. } if source.kind() == io::ErrorKind::WouldBlock)
}
