//! A TCP socket that is registered with its shard's network.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

use super::{Network, Readiness};

pub(crate) struct Tcp {
    socket: socket2::Socket,
    network: Rc<Network>,
    /// Its place in [`Network::sockets`].
    key: usize,
}

impl Tcp {
    /// # Errors
    /// If the kernel does not watch it.
    pub(crate) fn new(socket: socket2::Socket) -> io::Result<Self> {
        let network = super::current();
        // The kernel says at once if there is something to read already.
        let readiness = Readiness { writable: true, ..Readiness::default() };
        let key = network.sockets.borrow_mut().insert(readiness);
        let tcp = Self { socket, network, key };
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&tcp.network.epoll, &tcp.socket, EventData::new_u64(key as u64), flags)?;
        Ok(tcp)
    }

    /// # Errors
    /// Those of the kernel.
    pub(crate) fn poll_read(&mut self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut sockets = self.network.sockets.borrow_mut();
        let readiness = &mut sockets[self.key];
        while readiness.readable {
            let offered = buffer.len();
            match recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, length)) => {
                    // Less than there was room for is all there was: what comes later is told anew, and so is the end.
                    readiness.readable = length == offered || readiness.hung_up;
                    return Poll::Ready(Ok(length));
                }
                Err(Errno::AGAIN) => readiness.readable = false,
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        super::remember(&mut readiness.reader, cx);
        Poll::Pending
    }

    /// # Errors
    /// Those of the kernel.
    pub(crate) fn poll_write(&mut self, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut sockets = self.network.sockets.borrow_mut();
        let readiness = &mut sockets[self.key];
        while readiness.writable {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let written = match slices {
                [one] => send(&self.socket, one, flags),
                several => sendmsg(&self.socket, several, &mut SendAncillaryBuffer::default(), flags),
            };
            match written {
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(Errno::AGAIN) => readiness.writable = false,
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        super::remember(&mut readiness.writer, cx);
        Poll::Pending
    }

    /// Tells the peer that nothing follows.
    ///
    /// # Errors
    /// Those of the kernel.
    pub(crate) fn shut_down(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        // Closing the descriptor, right after, ends the kernel's watch.
        let readiness = self.network.sockets.borrow_mut().remove(self.key);
        drop(readiness);
    }
}
