//! A socket to a syslog, whose sends do not wait for long.

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
            Target::Udp(address) => dial("udp", address, udp),
            Target::Tcp(address) => dial("tcp", address, tcp),
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

fn udp(address: SocketAddr) -> io::Result<Connection> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    Ok(Connection::Udp(socket))
}

fn tcp(address: SocketAddr) -> io::Result<Connection> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(Connection::Tcp(stream))
}

/// Tries the addresses of a name in turn; the error is the last one's.
fn dial(
    network: &str,
    address: &str,
    connect: impl Fn(SocketAddr) -> io::Result<Connection>,
) -> io::Result<Connection> {
    if address.rsplit_once(':').is_none_or(|(_, port)| port.ends_with(']')) {
        let text = format!("dial {network}: address {address}: missing port in address");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut outcome = Err(io::Error::other("no such host"));
    for address in address.to_socket_addrs().map_err(|error| dial_error(network, address, &error))? {
        outcome = connect(address);
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map_err(|error| dial_error(network, address, &error))
}

/// In the words of Go's `net`.
fn dial_error(network: &str, address: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("dial {network} {address}: connect: {}", reason(error)))
}

/// For one connection or one line; the thread that writes the log may wait, though not without end.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
