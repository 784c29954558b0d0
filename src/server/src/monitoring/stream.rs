//! A socket as hyper wants it, and the time its peer may take.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Write};
use natrium_shards::{Socket, sleep};

/// An HTTP connection's socket.
pub(super) struct HttpStream {
    socket: Socket,
    pace: Rc<Pace>,
}

/// Until when the peer must have done what it is at.
///
/// hyper has a timer of its own, but only for one that may move between threads, and those of an executor may not.
pub(super) struct Pace {
    deadline: Cell<Instant>,
    at: Cell<Step>,
}

/// What an HTTP connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The rest of a request's head.
    Head,
    /// Our answer.
    Answer,
    /// That the peer takes the answer.
    Write,
    /// The next request.
    Idle,
}

/// As the reference's `ReadHeaderTimeout`.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// From the end of a request's head until the answer is written.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Longer than the usual interval between two scrapes.
const IDLE_LIMIT: Duration = Duration::from_secs(75);
/// How late a deadline may be noticed.
const TICK: Duration = Duration::from_secs(1);
/// Bytes a read takes; a request's head is a few hundred.
const READ_BYTES: usize = 4096;

impl HttpStream {
    pub(super) fn new(socket: Socket, pace: Rc<Pace>) -> Self {
        Self { socket, pace }
    }
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { deadline: Cell::new(now + HEAD_LIMIT), at: Cell::new(Step::Head) }
    }

    /// A request's head is complete.
    pub(super) fn answering(&self, now: Instant) {
        self.enter(Step::Answer, now + ANSWER_LIMIT);
    }

    /// The answer is there to be written; the deadline stays.
    pub(super) fn answered(&self) {
        self.at.set(Step::Write);
    }

    /// Ends when the peer took too long.
    pub(super) async fn expire(&self) {
        loop {
            let left = self.deadline.get().saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(TICK)).await;
        }
    }

    /// Bytes came: of the next request, unless one is being answered.
    fn received(&self, now: Instant) {
        if self.at.get() == Step::Idle {
            self.enter(Step::Head, now + HEAD_LIMIT);
        }
    }

    /// The peer's kernel took all there was to write.
    fn flushed(&self, now: Instant) {
        if self.at.get() == Step::Write {
            self.enter(Step::Idle, now + IDLE_LIMIT);
        }
    }

    fn enter(&self, step: Step, deadline: Instant) {
        self.at.set(step);
        self.deadline.set(deadline);
    }
}

impl Read for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut target: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut buffer = [0; READ_BYTES];
        let room = READ_BYTES.min(target.remaining());
        let read = ready!(self.socket.poll_read(cx, &mut buffer[..room]))?;
        if read > 0 {
            self.pace.received(Instant::now());
        }
        target.put_slice(&buffer[..read]);
        Poll::Ready(Ok(()))
    }
}

impl Write for HttpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.socket.poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Writes go to the kernel at once, and hyper flushes when it has none left.
        self.pace.flushed(Instant::now());
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_close(cx)
    }
}
