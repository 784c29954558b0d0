//! Listening: one thread accepts for all shards, because whoever accepts decides where a connection lives.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

/// A listener and the thread that serves it.
pub struct Acceptor {
    listener: Arc<Socket>,
    address: SocketAddr,
    closed: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Connections the kernel completes ahead of us.
const BACKLOG: i32 = 4096;
/// The first and the longest rest after an accept that failed, as the reference has them.
const RETRY_MIN: Duration = Duration::from_millis(10);
const RETRY_MAX: Duration = Duration::from_secs(1);

impl Acceptor {
    /// Listens on `address`. Connections wait in the kernel until [`Self::start`].
    ///
    /// # Errors
    /// The address is in use, not ours, or forbidden.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        listener.set_reuse_address(true)?;
        if address.is_ipv6() && address.ip().is_unspecified() {
            listener.set_only_v6(false)?;
        }
        listener.bind(&address.into())?;
        listener.listen(BACKLOG)?;
        let address = listener.local_addr()?.as_socket().unwrap_or(address);
        Ok(Self { listener: Arc::new(listener), address, closed: Arc::default(), thread: None })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives each connection to `accepted`, and each failure to `failed`, from a thread of its own.
    ///
    /// # Errors
    /// If the thread cannot be had.
    pub fn start(
        &mut self,
        mut accepted: impl FnMut(Socket, SocketAddr) + Send + 'static,
        mut failed: impl FnMut(io::Error, Duration) + Send + 'static,
    ) -> io::Result<()> {
        let (listener, closed) = (Arc::clone(&self.listener), Arc::clone(&self.closed));
        let serve = move || {
            let mut rest = RETRY_MIN;
            while !closed.load(Ordering::Acquire) {
                match listener.accept() {
                    Ok((socket, address)) => {
                        rest = RETRY_MIN;
                        if let Some(address) = address.as_socket() {
                            accepted(socket, address);
                        }
                    }
                    Err(_) if closed.load(Ordering::Acquire) => break,
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => {
                        failed(error, rest);
                        rest_unless(&closed, rest);
                        rest = after(rest);
                    }
                }
            }
        };
        self.thread =
            Some(thread::Builder::new().name("accept".to_owned()).stack_size(STACK_BYTES).spawn(serve)?);
        Ok(())
    }

    /// Takes no more connections.
    pub fn close(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the thread out of its accept; whether the kernel calls that an error is of no interest.
        let _ = self.listener.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

const STACK_BYTES: usize = 128 * 1024;

/// Rests for as long, or until [`Acceptor::close`] wakes this thread.
fn rest_unless(closed: &AtomicBool, rest: Duration) {
    let end = Instant::now() + rest;
    while !closed.load(Ordering::Acquire) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        thread::park_timeout(left);
    }
}

/// The rest after one that did not help.
fn after(rest: Duration) -> Duration {
    (rest * 2).min(RETRY_MAX)
}

/// Whether an accept failed because of the connection that was to be accepted, and the next may well succeed.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn connections_are_handed_over_until_it_is_closed() {
        let mut acceptor = Acceptor::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (sender, receiver) = mpsc::channel();
        acceptor.start(move |_, peer| sender.send(peer).unwrap(), |_, _| {}).unwrap();
        let client = TcpStream::connect(acceptor.address()).unwrap();
        assert_eq!(receiver.recv().unwrap(), client.local_addr().unwrap());
        let address = acceptor.address();
        acceptor.close();
        drop(acceptor);
        assert!(TcpStream::connect(address).is_err());
    }

    // go: server/server_test.go TestAcceptError
    #[test]
    fn rests_grow_to_a_second_and_end_with_the_server() {
        assert!(is_of_one_connection(&io::ErrorKind::ConnectionAborted.into()), "no reason to rest");
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(24)), "too many open files");
        assert_eq!(after(Duration::from_millis(10)), Duration::from_millis(20));
        assert_eq!(after(Duration::from_millis(600)), Duration::from_secs(1));
        let closed = Arc::new(AtomicBool::new(false));
        let resting = {
            let closed = Arc::clone(&closed);
            thread::spawn(move || rest_unless(&closed, Duration::from_secs(3600)))
        };
        closed.store(true, Ordering::Release);
        resting.thread().unpark();
        resting.join().unwrap();
    }

    #[test]
    fn an_address_in_use_is_refused() {
        let first = Acceptor::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Acceptor::bind(first.address()).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
