//! What happens on a connection before the client protocol: INFO, and a proxy's word for who the client is.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use log::warn;
use natrium_client::Origin;
use natrium_model::{CloseReason, limits};
use natrium_shards::{sleep, spawn};
use natrium_wire::proxy_protocol::{self, ProxyHeader};

use crate::client_task::{Client, Unread, remember_waker};
use crate::shard::Shard;

/// Bytes one read of a header takes; what is behind the header is the client's.
const READ_BYTES: usize = 512;

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
    shard.with_host(client.key, |host| client.connection.borrow().greet(host));
    shard.request_flush();
    if let Some(reason) = refused {
        return Err(shard.with_host(client.key, |host| client.connection.borrow().bid_farewell(reason, host)));
    }
    if shard.shared.settings.proxy_protocol {
        read_proxy_header(client, unread).await?;
    }
    Ok(())
}

/// A client that comes without a header speaks for itself.
async fn read_proxy_header(client: &Rc<Client>, unread: &mut Unread) -> Result<(), CloseReason> {
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
                connection.set_origin(origin);
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
    let read = poll_fn(|cx| {
        remember_waker(client, cx);
        if let Some(reason) = client.closing() {
            return Poll::Ready(Err(reason));
        }
        match client.socket.borrow_mut().poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(CloseReason::ClientClosed)),
            Poll::Ready(Ok(read)) => Poll::Ready(Ok(read)),
            Poll::Ready(Err(_)) => Poll::Ready(Err(CloseReason::ReadError)),
            Poll::Pending if deadline.has_passed() => Poll::Ready(Err(CloseReason::ProtocolViolation)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await?;
    unread.bytes.extend_from_slice(&buffer[..read]);
    Ok(())
}

/// A time until which the peer must have spoken; its client is woken then.
struct Deadline(Instant);

impl Deadline {
    fn after(patience: Duration, client: &Rc<Client>) -> Self {
        let client = Rc::clone(client);
        spawn(async move {
            sleep(patience).await;
            client.wake();
        });
        Self(Instant::now() + patience)
    }

    fn has_passed(&self) -> bool {
        Instant::now() >= self.0
    }
}
