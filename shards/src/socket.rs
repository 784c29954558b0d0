//! One TCP connection on the shard that owns it, in clear or under TLS.

mod tls;

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustls::ServerConfig;

use crate::network::Tcp;
pub use tls::TlsFacts;
use tls::TlsStream;

/// A socket bound to this shard's executor.
///
/// It starts in clear. [`Socket::start_tls`] puts TLS over it once and for all; from then on the same calls move plaintext.
pub struct Socket {
    tcp: Tcp,
    layer: Layer,
}

/// What stands between the caller and the kernel.
enum Layer {
    Plain,
    /// In clear, with bytes that [`Socket::poll_peek`] read and the caller did not yet.
    Peeked(Vec<u8>),
    /// Boxed, so that a socket in clear does not pay for it.
    Tls(Box<TlsStream>),
}

impl Socket {
    /// Takes over an accepted socket; small writes leave at once.
    ///
    /// # Errors
    /// If the peer is gone already.
    pub fn new(socket: socket2::Socket) -> io::Result<Self> {
        socket.set_tcp_nodelay(true)?;
        Ok(Self { tcp: Tcp::new(socket)?, layer: Layer::Plain })
    }

    /// Reads what is there into `buffer`; 0 bytes are the end.
    ///
    /// # Errors
    /// Those of the kernel; [`io::ErrorKind::InvalidData`] with a [`rustls::Error`] inside if the peer broke TLS.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut self.layer {
            Layer::Plain => self.tcp.poll_read(cx, buffer),
            Layer::Peeked(peeked) => {
                let length = peeked.len().min(buffer.len());
                buffer[..length].copy_from_slice(&peeked[..length]);
                peeked.drain(..length);
                if peeked.is_empty() {
                    self.layer = Layer::Plain;
                }
                Poll::Ready(Ok(length))
            }
            Layer::Tls(tls) => tls.poll_read(&mut self.tcp, cx, buffer),
        }
    }

    /// Writes what the kernel takes, and is woken when it takes more.
    ///
    /// Under TLS what was sealed and not taken yet counts as unwritten: until it is, the caller offers the same bytes again,
    /// as it does for anything that was not written.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut self.layer {
            Layer::Plain | Layer::Peeked(_) => self.tcp.poll_write(cx, slices),
            Layer::Tls(tls) => tls.poll_write(&mut self.tcp, cx, slices),
        }
    }

    /// Writes what the kernel takes now; `None` if that is nothing.
    pub fn try_write(&mut self, slices: &[IoSlice<'_>]) -> Option<io::Result<usize>> {
        match self.poll_write(&mut Context::from_waker(Waker::noop()), slices) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Waits for the first byte the peer sends and leaves it to be read; `None` if the peer ends without one.
    ///
    /// Tells TLS (which begins with [`TLS_HANDSHAKE`]) from a client that speaks in clear. Under TLS there is nothing to
    /// tell, and the answer is `None`.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn poll_peek(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<u8>>> {
        match &self.layer {
            Layer::Plain => {
                let mut buffer = [0; PEEK_BYTES_MAX];
                let length = ready!(self.tcp.poll_read(cx, &mut buffer))?;
                if length > 0 {
                    self.layer = Layer::Peeked(buffer[..length].to_vec());
                }
                Poll::Ready(Ok(buffer[..length].first().copied()))
            }
            Layer::Peeked(peeked) => Poll::Ready(Ok(peeked.first().copied())),
            Layer::Tls(_) => Poll::Ready(Ok(None)),
        }
    }

    /// Begins TLS as its server; [`Socket::poll_handshake`] drives it. `already_read` is what the caller has read of it; what
    /// was only peeked is there still. A socket that speaks TLS already stays as it is.
    ///
    /// # Errors
    /// If `config` cannot serve anybody.
    pub fn start_tls(&mut self, config: Arc<ServerConfig>, already_read: &[u8]) -> io::Result<()> {
        let mut received = match &mut self.layer {
            Layer::Plain => Vec::new(),
            Layer::Peeked(peeked) => std::mem::take(peeked),
            Layer::Tls(_) => return Ok(()),
        };
        received.splice(0..0, already_read.iter().copied());
        let tls = TlsStream::new(config, received).map_err(io::Error::other)?;
        self.layer = Layer::Tls(Box::new(tls));
        Ok(())
    }

    /// Shakes hands until both sides have agreed. The caller keeps the time.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] with a [`rustls::Error`] inside if the peer is refused or broke TLS; it has been sent
    /// the alert that says why. [`io::ErrorKind::UnexpectedEof`] if it went away. Else those of the kernel.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain | Layer::Peeked(_) => Poll::Ready(Ok(())),
            Layer::Tls(tls) => tls.poll_handshake(&mut self.tcp, cx),
        }
    }

    /// What was agreed; `None` in clear and while hands are being shaken.
    pub fn tls(&self) -> Option<TlsFacts<'_>> {
        match &self.layer {
            Layer::Plain | Layer::Peeked(_) => None,
            Layer::Tls(tls) => tls.facts(),
        }
    }

    /// Tells the peer that nothing follows (under TLS: `close_notify`), behind all that was written.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Layer::Tls(tls) = &mut self.layer {
            ready!(tls.poll_farewell(&mut self.tcp, cx))?;
        }
        Poll::Ready(self.tcp.shut_down())
    }

    /// Tells the peer that nothing follows, as far as the kernel lets us now: for a connection that is dropped right after,
    /// which in clear says the same by itself.
    pub fn say_farewell(&mut self) {
        if let Layer::Tls(tls) = &mut self.layer {
            // Nobody is left to be told of a failure.
            let _ = tls.poll_farewell(&mut self.tcp, &mut Context::from_waker(Waker::noop()));
        }
    }
}

/// The first byte of TLS: a record of type handshake.
pub const TLS_HANDSHAKE: u8 = 0x16;

/// A ClientHello fits, with a post-quantum key share; what a client in clear sends first does too.
const PEEK_BYTES_MAX: usize = 2048;

#[cfg(test)]
mod tests;
