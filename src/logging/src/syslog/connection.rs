//! A socket to a syslog, none of whose operations waits for long.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use natrium_process::reason;

use super::Target;

#[derive(Debug)]
pub(super) enum Connection {
    Udp(UdpSocket),
    Tcp(TcpStream),
    UnixDatagram(UnixDatagram),
    UnixStream(UnixStream),
}

impl Connection {
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        match target {
            Target::Local(paths) => local(paths),
            Target::Udp(address) => udp(address).map_err(|error| dial_error("udp", address, &error)),
            Target::Tcp(address) => tcp(address).map_err(|error| dial_error("tcp", address, &error)),
            Target::Unix(path) => {
                stream(path).map_err(|error| dial_error("unix", &path.display().to_string(), &error))
            }
        }
    }

    pub(super) fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(frame).map(drop),
            Self::Tcp(stream) => stream.write_all(frame),
            Self::UnixDatagram(socket) => socket.send(frame).map(drop),
            Self::UnixStream(stream) => stream.write_all(frame),
        }
    }
}

fn local(paths: &[PathBuf]) -> io::Result<Connection> {
    let mut attempts = paths.iter().map(|path| datagram(path)).chain(paths.iter().map(|path| stream(path)));
    attempts.find_map(Result::ok).ok_or_else(|| io::Error::other("Unix syslog delivery error"))
}

fn datagram(path: &Path) -> io::Result<Connection> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(Connection::UnixDatagram(socket))
}

fn stream(path: &Path) -> io::Result<Connection> {
    let stream = UnixStream::connect(path)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(Connection::UnixStream(stream))
}

fn udp(address: &str) -> io::Result<Connection> {
    first_of(address, |address| {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(address)?;
        Ok(Connection::Udp(socket))
    })
}

fn tcp(address: &str) -> io::Result<Connection> {
    first_of(address, |address| {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Connection::Tcp(stream))
    })
}

/// Tries the addresses of a name in turn; the error is the last one's.
fn first_of(address: &str, connect: impl Fn(SocketAddr) -> io::Result<Connection>) -> io::Result<Connection> {
    let mut outcome = Err(io::Error::other("no such host"));
    for address in address.to_socket_addrs()? {
        outcome = connect(address);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// In the words of Go's `net`.
fn dial_error(network: &str, address: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("dial {network} {address}: connect: {}", reason(error)))
}

/// For one connection or one line; the thread that writes the log may wait, though not without end.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
