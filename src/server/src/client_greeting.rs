//! What happens on a connection before the client protocol: INFO, TLS, and a proxy's word for who the client is.
//!
//! The order is the reference's: INFO in clear unless TLS comes first, the proxy's header, TLS, and INFO now if it was kept
//! back.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use log::{Level, error, log, warn};
use natrium_account::PeerCertificate;
use natrium_client::{Host, Origin};
use natrium_config::options::tls::HandshakeFirst;
use natrium_model::{CloseReason, limits};
use natrium_shards::{TLS_HANDSHAKE, sleep, spawn};
use natrium_wire::encode;
use natrium_wire::proxy_protocol::{self, ProxyHeader};

use crate::client_task::{Client, Unread, remember_waker};
use crate::client_tls::{Admission, ClientTls};
use crate::shard::Shard;

/// Bytes one read of a header takes; what is behind the header is the client's.
const READ_BYTES: usize = 512;
/// What a client hears that comes when there were too many handshakes.
const THROTTLED: &str = "Connection throttling is active. Please try again later.";
/// As often as the reference looks.
const REFUSED_REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Does what is due before the client may speak. `unread` then holds what it said already.
///
/// # Errors
/// The reason to close.
pub(crate) async fn greet(
    shard: &Rc<Shard>,
    client: &Rc<Client>,
    unread: &mut Unread,
    refused: Option<CloseReason>,
) -> Result<(), CloseReason> {
    let tls = shard.shared.tls.as_ref();
    let tls_first = match tls.map_or(HandshakeFirst::No, |tls| tls.handshake_first) {
        HandshakeFirst::No => false,
        HandshakeFirst::Yes => true,
        HandshakeFirst::Auto(patience) => first_byte(client, patience).await?.is_some(),
    };
    client.set_tls_first(tls_first);
    if !tls_first {
        send_info(shard, client, false).await?;
    }
    if let Some(reason) = refused {
        return Err(shard.with_host(client.key, |host| client.connection.borrow().bid_farewell(reason, host)));
    }
    if shard.shared.settings.proxy_protocol {
        read_proxy_header(shard, client, unread).await?;
    }
    let Some(tls) = tls else { return Ok(()) };
    let wants_tls = tls_first || !tls.is_optional || begins_tls(tls, client, unread).await?;
    if wants_tls {
        shake_hands(shard, tls, client, unread).await?;
    }
    if tls_first {
        send_info(shard, client, true).await?;
    }
    Ok(())
}

/// Writes INFO, and waits until the kernel has it: what is sent next may be TLS.
async fn send_info(shard: &Rc<Shard>, client: &Rc<Client>, tls_first: bool) -> Result<(), CloseReason> {
    let mut info = client.connection.borrow().greeting();
    info.tls_required |= tls_first;
    shard.with_host(client.key, |host| host.outbox().write(|out| encode::info(out, &info)));
    let written = unless_closed(client, |cx| shard.poll_write_out(client, cx)).await?;
    client.unblock();
    written.map_err(|_| CloseReason::WriteError)
}

/// Whether the client's own first byte is one of TLS; a client that says nothing goes without.
async fn begins_tls(tls: &ClientTls, client: &Rc<Client>, unread: &Unread) -> Result<bool, CloseReason> {
    let first = match unread.bytes.first() {
        Some(first) => Some(*first),
        None => first_byte(client, tls.timeout).await?,
    };
    Ok(first == Some(TLS_HANDSHAKE))
}

/// The first byte the client sends, which stays to be read; `None` if none comes in time.
async fn first_byte(client: &Rc<Client>, patience: Duration) -> Result<Option<u8>, CloseReason> {
    let deadline = Deadline::after(patience, client);
    let peeked = unless_closed(client, |cx| match client.socket.borrow_mut().poll_peek(cx) {
        Poll::Pending if deadline.has_passed() => Poll::Ready(Ok(None)),
        peeked @ (Poll::Ready(_) | Poll::Pending) => peeked,
    });
    peeked.await?.map_err(|_| CloseReason::ReadError)
}

async fn shake_hands(
    shard: &Rc<Shard>,
    tls: &ClientTls,
    client: &Rc<Client>,
    unread: &mut Unread,
) -> Result<(), CloseReason> {
    if let Admission::Refused { first } = tls.admit(Instant::now()) {
        if first {
            spawn(report_refused(Rc::clone(shard)));
        }
        shard.with_host(client.key, |host| host.outbox().write(|out| encode::err(out, THROTTLED)));
        return Err(CloseReason::MaxConnectionsExceeded);
    }
    let failed = |error: io::Error| {
        // Whoever knocks without speaking TLS, or without speaking at all, is no news.
        let level = if is_probe(&error) { Level::Debug } else { Level::Error };
        log!(level, "{} - TLS handshake error: {error}", client.connection.borrow().log_name());
        CloseReason::TlsHandshakeError
    };
    let config = Arc::clone(&tls.listener.config);
    let already_read = std::mem::take(&mut unread.bytes);
    client.socket.borrow_mut().start_tls(config, &already_read).map_err(failed)?;
    let deadline = Deadline::after(tls.timeout, client);
    let shaken = unless_closed(client, |cx| match client.socket.borrow_mut().poll_handshake(cx) {
        Poll::Pending if deadline.has_passed() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        shaken @ (Poll::Ready(_) | Poll::Pending) => shaken,
    });
    shaken.await?.map_err(failed)?;
    let socket = client.socket.borrow();
    let certificates = socket.tls().map_or(&[][..], |facts| facts.peer_certificates);
    if let Err(error) = tls.listener.check_pinned(certificates) {
        error!("{} - TLS handshake error: {error}", client.connection.borrow().log_name());
        return Err(CloseReason::TlsHandshakeError);
    }
    let certificate = match certificates.first().map(|certificate| PeerCertificate::from_der(certificate)) {
        Some(Ok(certificate)) => Some(Arc::new(certificate)),
        // TLS took it, so this is a matter of names we cannot read; it then stands for no user.
        Some(Err(error)) => {
            warn!("{} - client certificate: {error}", client.connection.borrow().log_name());
            None
        }
        None => None,
    };
    client.connection.borrow_mut().tls_established(certificate, Instant::now());
    Ok(())
}

/// Tells the operator how many handshakes were refused, once for all of a second.
async fn report_refused(shard: Rc<Shard>) {
    sleep(REFUSED_REPORT_INTERVAL).await;
    let refused = shard.shared.tls.as_ref().map_or(0, ClientTls::take_refused);
    warn!("Rejected {refused} connections due to TLS rate limiting");
}

fn is_probe(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    error.kind() == io::ErrorKind::TimedOut || cause.is_some_and(natrium_tls::is_probe)
}

/// A client that comes without a header speaks for itself.
async fn read_proxy_header(
    shard: &Shard,
    client: &Rc<Client>,
    unread: &mut Unread,
) -> Result<(), CloseReason> {
    let deadline = Deadline::after(limits::PROXY_PROTOCOL_TIMEOUT, client);
    loop {
        match proxy_protocol::parse(&unread.bytes) {
            Ok(ProxyHeader::NotProxy) => return Ok(()),
            Ok(ProxyHeader::Local { consumed }) => {
                unread.bytes.drain(..consumed);
                return Ok(());
            }
            Ok(ProxyHeader::Proxied { source, consumed, .. }) => {
                unread.bytes.drain(..consumed);
                let mut connection = client.connection.borrow_mut();
                let origin = Origin { address: source, ..*connection.origin() };
                shard.with_host(client.key, |host| connection.set_origin(origin, host));
                return Ok(());
            }
            Ok(ProxyHeader::Incomplete { .. }) => read_more(client, unread, &deadline).await?,
            Err(error) => {
                let address = client.connection.borrow().origin().address;
                warn!("Error reading PROXY protocol header from {address}: {error}");
                return Err(CloseReason::ProtocolViolation);
            }
        }
    }
}

async fn read_more(client: &Rc<Client>, unread: &mut Unread, deadline: &Deadline) -> Result<(), CloseReason> {
    let mut buffer = [0; READ_BYTES];
    let read = unless_closed(client, |cx| match client.socket.borrow_mut().poll_read(cx, &mut buffer) {
        Poll::Pending if deadline.has_passed() => Poll::Ready(Err(CloseReason::ProtocolViolation)),
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(0)) => Poll::Ready(Err(CloseReason::ClientClosed)),
        Poll::Ready(Ok(read)) => Poll::Ready(Ok(read)),
        Poll::Ready(Err(_)) => Poll::Ready(Err(CloseReason::ReadError)),
    })
    .await??;
    unread.bytes.extend_from_slice(&buffer[..read]);
    Ok(())
}

/// Polls until there is an answer, or the client is to be closed.
async fn unless_closed<T>(
    client: &Rc<Client>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Result<T, CloseReason> {
    poll_fn(|cx| {
        remember_waker(client, cx);
        match client.closing() {
            Some(reason) => Poll::Ready(Err(reason)),
            None => poll(cx).map(Ok),
        }
    })
    .await
}

/// A time until which the peer must have spoken; its client is woken then.
struct Deadline(Instant);

impl Deadline {
    fn after(patience: Duration, client: &Rc<Client>) -> Self {
        let weak = Rc::downgrade(client);
        spawn(async move {
            sleep(patience).await;
            if let Some(client) = weak.upgrade() {
                client.wake();
            }
        });
        Self(Instant::now() + patience)
    }

    fn has_passed(&self) -> bool {
        Instant::now() >= self.0
    }
}
