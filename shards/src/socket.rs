//! One TCP connection on the shard that owns it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio_ng::net::TcpStream;

/// A socket bound to this shard's executor.
pub struct Socket(TcpStream);

impl Socket {
    /// Takes over an accepted socket; small writes leave at once.
    ///
    /// # Errors
    /// If the peer is gone already.
    pub fn new(socket: socket2::Socket) -> io::Result<Self> {
        socket.set_tcp_nodelay(true)?;
        Ok(Self(TcpStream::from(socket)))
    }

    /// Reads what is there into `buffer`; 0 bytes are the end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    /// Writes what the kernel takes, and is woken when it takes more.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    /// Writes what the kernel takes now; `None` if that is nothing.
    pub fn try_write(&mut self, slices: &[IoSlice<'_>]) -> Option<io::Result<usize>> {
        match self.poll_write(&mut Context::from_waker(Waker::noop()), slices) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }
}
