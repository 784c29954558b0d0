//! TLS over one socket: rustls decides, this moves its bytes.
//!
//! An idle connection holds no buffer. What arrives is read into the shard's scratch buffer and opened there; what leaves is
//! sealed there. A connection keeps only what is incomplete: part of a record that arrived, plaintext that the reader had
//! no room for, sealed records the kernel had no room for. Each of them is bounded by [`RECEIVED_BYTES_MAX`] or by
//! [`SEALED_BYTES_MAX`].

mod outgoing;

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{CipherSuite, ProtocolVersion, ServerConfig};

use crate::network::Tcp;
use outgoing::{Outgoing, Refusal};

/// The server's side of one TLS connection.
pub(super) struct TlsStream {
    session: UnbufferedServerConnection,
    /// Received and not understood yet: less than a record, or than a handshake message of several.
    received: Vec<u8>,
    /// Opened, and not read yet.
    opened: Vec<u8>,
    /// Records the kernel has not taken yet.
    sealed: Outgoing,
    /// Bytes of plaintext in `sealed` that the caller was not told are written.
    unreported: usize,
    ending: Ending,
    has_said_farewell: bool,
}

/// How far the connection has come to its end.
enum Ending {
    Open,
    /// The peer has said that nothing follows, or is gone.
    PeerEnded,
    /// The peer broke TLS and has been told; nothing more is received or sent. The error is the reader's once it has read
    /// what came before.
    Failed(Option<io::Error>),
}

/// What both sides agreed on.
pub struct TlsFacts<'a> {
    pub version: ProtocolVersion,
    pub cipher_suite: CipherSuite,
    /// The client's certificates, its own first; empty if it was not asked for any.
    pub peer_certificates: &'a [CertificateDer<'static>],
}

impl TlsStream {
    pub(super) fn new(config: Arc<ServerConfig>, received: Vec<u8>) -> Result<Self, rustls::Error> {
        Ok(Self {
            session: UnbufferedServerConnection::new(config)?,
            received,
            opened: Vec::new(),
            sealed: Outgoing::default(),
            unreported: 0,
            ending: Ending::Open,
            has_said_farewell: false,
        })
    }

    pub(super) fn poll_handshake(&mut self, tcp: &mut Tcp, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was read before TLS began may hold the whole first flight.
        if self.session.is_handshaking() && !self.received.is_empty() {
            let mut received = std::mem::take(&mut self.received);
            self.understand(tcp, &mut received, &mut [], None)?;
        }
        loop {
            ready!(self.poll_flush(tcp, cx))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            match &self.ending {
                Ending::Open => {}
                Ending::PeerEnded => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ending::Failed(_) => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            }
            ready!(self.poll_receive(tcp, cx, RECEIVED_BYTES_MAX, &mut []))?;
        }
    }

    pub(super) fn poll_read(
        &mut self,
        tcp: &mut Tcp,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if !self.opened.is_empty() {
            let length = self.opened.len().min(buffer.len());
            buffer[..length].copy_from_slice(&self.opened[..length]);
            self.opened.drain(..length);
            if self.opened.is_empty() {
                self.opened = Vec::new();
            }
            return Poll::Ready(Ok(length));
        }
        for _ in 0..RECEIVES_PER_TURN {
            // Answers of TLS itself leave here. What a writer waits for is left to it: it would never learn that it left.
            if self.unreported == 0
                && let Poll::Ready(Err(error)) = self.poll_flush(tcp, cx)
            {
                return Poll::Ready(Err(error));
            }
            match &mut self.ending {
                Ending::Open => {}
                Ending::PeerEnded => return Poll::Ready(Ok(0)),
                Ending::Failed(error) => return Poll::Ready(error.take().map_or(Ok(0), Err)),
            }
            // Plaintext is shorter than its record: reading no more than this, all of it has room in `buffer`.
            let wanted = buffer.len().saturating_sub(self.received.len()).max(RECEIVED_BYTES_MIN);
            let length = ready!(self.poll_receive(tcp, cx, wanted, buffer))?;
            if length > 0 {
                return Poll::Ready(Ok(length));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    pub(super) fn poll_write(
        &mut self,
        tcp: &mut Tcp,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(tcp, cx))?;
        let offered = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if self.unreported == 0 && offered > 0 {
            if self.session.is_handshaking() {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
            self.seal(tcp, slices)?;
            ready!(self.poll_flush(tcp, cx))?;
        }
        let written = self.unreported.min(offered);
        self.unreported -= written;
        Poll::Ready(Ok(written))
    }

    /// Sends `close_notify` behind what is sealed already.
    pub(super) fn poll_farewell(&mut self, tcp: &mut Tcp, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_said_farewell && !self.has_failed() && !self.session.is_handshaking() {
            self.has_said_farewell = true;
            self.write(tcp, Write::Farewell)?;
        }
        self.poll_flush(tcp, cx)
    }

    pub(super) fn facts(&self) -> Option<TlsFacts<'_>> {
        if self.session.is_handshaking() {
            return None;
        }
        Some(TlsFacts {
            version: self.session.protocol_version()?,
            cipher_suite: self.session.negotiated_cipher_suite()?.suite(),
            peer_certificates: self.session.peer_certificates().unwrap_or_default(),
        })
    }

    /// What the connection holds between calls besides rustls's own state.
    #[cfg(test)]
    pub(super) fn buffered_bytes(&self) -> usize {
        self.received.capacity() + self.opened.capacity() + self.sealed.capacity()
    }

    /// Reads at most `wanted` bytes of records, and the plaintext they complete into `buffer`: the bytes there. None are no
    /// end: it may have been part of a record, or a message of TLS itself.
    fn poll_receive(
        &mut self,
        tcp: &mut Tcp,
        cx: &mut Context<'_>,
        wanted: usize,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let kept = self.received.len();
            let end = (kept + wanted).min(RECEIVED_BYTES_MAX);
            if kept >= end {
                self.fail(None);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, MessageTooLong)));
            }
            scratch.received.resize(RECEIVED_BYTES_MAX, 0);
            let length = ready!(tcp.poll_read(cx, &mut scratch.received[kept..end]))?;
            if length == 0 {
                self.ending = Ending::PeerEnded;
                return Poll::Ready(Ok(0));
            }
            scratch.received[..kept].copy_from_slice(&self.received);
            Poll::Ready(self.understand(tcp, &mut scratch.received[..kept + length], buffer, None))
        })
    }

    /// Seals what is offered, up to [`SEALED_BYTES_MAX`].
    fn seal(&mut self, tcp: &mut Tcp, slices: &[IoSlice<'_>]) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|scratch| {
            let plaintext = match slices {
                [one] => &one[..one.len().min(SEALED_BYTES_MAX)],
                several => {
                    // Records of their own for small pieces would cost more than this copy.
                    scratch.gathered.clear();
                    for slice in several {
                        let room = SEALED_BYTES_MAX - scratch.gathered.len();
                        scratch.gathered.extend_from_slice(&slice[..slice.len().min(room)]);
                    }
                    &scratch.gathered
                }
            };
            self.write(tcp, Write::Plaintext(plaintext))?;
            self.unreported = plaintext.len();
            Ok(())
        })
    }

    fn write(&mut self, tcp: &mut Tcp, what: Write<'_>) -> io::Result<()> {
        if self.has_failed() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        // rustls wants to see what it has not understood yet at each call.
        let mut received = std::mem::take(&mut self.received);
        self.understand(tcp, &mut received, &mut [], Some(what))?;
        if self.has_failed() { Err(io::ErrorKind::NotConnected.into()) } else { Ok(()) }
    }

    fn has_failed(&self) -> bool {
        matches!(self.ending, Ending::Failed(_))
    }

    /// Opens what is complete in `input`, which begins with what was kept, and keeps the rest; then seals `write`. Plaintext
    /// goes into `buffer`, and what has no room there is kept too. Returns how many bytes it put into `buffer`.
    ///
    /// # Errors
    /// If the peer broke TLS; behind plaintext the error is kept for the reader.
    fn understand(
        &mut self,
        tcp: &mut Tcp,
        input: &mut [u8],
        buffer: &mut [u8],
        write: Option<Write<'_>>,
    ) -> io::Result<usize> {
        let mut length = 0;
        let opened = &mut self.opened;
        let deliver = |plaintext: &[u8]| {
            let (fits, rest) = plaintext.split_at(plaintext.len().min(buffer.len() - length));
            buffer[length..length + fits.len()].copy_from_slice(fits);
            length += fits.len();
            opened.extend_from_slice(rest);
        };
        match advance(&mut self.session, &mut self.sealed, input, deliver, write) {
            Ok(Advance { consumed, peer_ended }) => {
                if peer_ended {
                    self.ending = Ending::PeerEnded;
                }
                self.received.clear();
                self.received.extend_from_slice(&input[consumed..]);
                if self.received.is_empty() {
                    self.received = Vec::new();
                }
                Ok(length)
            }
            Err(error) => {
                // The alert: if the kernel has no room for it, the peer does without.
                let _ = self.poll_flush(tcp, &mut Context::from_waker(Waker::noop()));
                if length == 0 && self.opened.is_empty() {
                    self.fail(None);
                    Err(error)
                } else {
                    self.fail(Some(error));
                    Ok(length)
                }
            }
        }
    }

    /// Nothing more is received or sent.
    fn fail(&mut self, unread: Option<io::Error>) {
        self.ending = Ending::Failed(unread);
        self.received = Vec::new();
    }

    fn poll_flush(&mut self, tcp: &mut Tcp, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sealed.is_empty() {
            let taken = ready!(tcp.poll_write(cx, &[IoSlice::new(self.sealed.bytes())]))?;
            self.sealed.consume(taken);
        }
        Poll::Ready(Ok(()))
    }
}

/// What is to be sealed.
#[derive(Clone, Copy)]
enum Write<'a> {
    Plaintext(&'a [u8]),
    /// `close_notify`.
    Farewell,
}

/// How far rustls came with its input.
struct Advance {
    /// Bytes of the input it is through with.
    consumed: usize,
    peer_ended: bool,
}

/// Leads `session` through `input` as far as it goes, then has it seal `write`. All it wants to send is put into `sealed`, all
/// plaintext is given to `deliver`.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if the peer broke TLS; the alert for it is in `sealed` then.
fn advance(
    session: &mut UnbufferedServerConnection,
    sealed: &mut Outgoing,
    input: &mut [u8],
    mut deliver: impl FnMut(&[u8]),
    write: Option<Write<'_>>,
) -> io::Result<Advance> {
    let mut consumed = 0;
    let mut peer_ended = false;
    loop {
        let UnbufferedStatus { mut discard, state } = session.process_tls_records(&mut input[consumed..]);
        let mut is_through = false;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(invalid)?;
                    discard += record.discard;
                    deliver(record.payload);
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                sealed.append(|room| data.encode(room).map_err(Refusal::from))?;
            }
            // `sealed` leaves before anything that is sealed later.
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => peer_ended = true,
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                match write {
                    Some(Write::Plaintext(plaintext)) => {
                        sealed.append(|room| traffic.encrypt(plaintext, room).map_err(Refusal::from))?;
                    }
                    Some(Write::Farewell) => {
                        sealed.append(|room| traffic.queue_close_notify(room).map_err(Refusal::from))?;
                    }
                    None => {}
                }
                is_through = true;
            }
            Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => is_through = true,
            // Early data is never offered; whatever else rustls may come to say is not asked for.
            Ok(ConnectionState::ReadEarlyData(_) | _) => is_through = true,
            Err(error) => {
                take_alert(session, sealed, &mut input[consumed + discard..])?;
                return Err(invalid(error));
            }
        }
        consumed += discard;
        if is_through {
            return Ok(Advance { consumed, peer_ended });
        }
    }
}

/// Takes the alert that `session` has for an error. Asked once only: with nothing to send it would go on to its input.
fn take_alert(
    session: &mut UnbufferedServerConnection,
    sealed: &mut Outgoing,
    input: &mut [u8],
) -> io::Result<()> {
    let UnbufferedStatus { state, .. } = session.process_tls_records(input);
    if let Ok(ConnectionState::EncodeTlsData(mut alert)) = state {
        sealed.append(|room| alert.encode(room).map_err(Refusal::from))?;
    }
    Ok(())
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The peer sends a message in so many pieces that no end is in sight.
#[derive(Debug, thiserror::Error)]
#[error("TLS message longer than {RECEIVED_BYTES_MAX} bytes")]
struct MessageTooLong;

/// What the connections of a shard read into and gather in, one at a time.
#[derive(Default)]
struct Scratch {
    received: Vec<u8>,
    gathered: Vec<u8>,
}

thread_local! {
    /// One a shard, as a shard is a thread.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Records that are read at once; also the longest handshake message, as in rustls's own buffer.
const RECEIVED_BYTES_MAX: usize = 64 * 1024;
/// Reads in a row that bring no plaintext before others have their turn.
const RECEIVES_PER_TURN: usize = 16;
/// A smaller read is not worth its system call.
const RECEIVED_BYTES_MIN: usize = 4 * 1024;
/// Plaintext that is sealed at once: what a connection whose peer does not read holds in records.
const SEALED_BYTES_MAX: usize = 64 * 1024;
