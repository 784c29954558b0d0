//! TLS of the client listener: what all shards share of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{info, warn};
use natrium_config::options::Options;
use natrium_config::options::client::ClientOptions;
use natrium_config::options::tls::{HandshakeFirst, TlsOptions};
use natrium_tls::{HandshakeRate, InfoTls, ListenerTls, TlsError};
use rustls::ServerConfig;

pub(crate) struct ClientTls {
    pub(crate) listener: ListenerTls,
    pub(crate) handshake_first: HandshakeFirst,
    /// How long a handshake may take, and a client may think about whether it wants one.
    pub(crate) timeout: Duration,
    /// Clients may go without.
    pub(crate) is_optional: bool,
    /// Asked once a handshake, whose cost makes the lock's nothing.
    rate: Option<Mutex<HandshakeRate>>,
}

/// Whether a handshake may begin.
pub(crate) enum Admission {
    Granted,
    Refused {
        /// The first since the log said how many there were: somebody has to see to it that it does.
        first: bool,
    },
}

impl ClientTls {
    /// Reads certificates and keys; `None` without a `tls` block. Blocks: not for an executor's thread.
    pub(crate) fn load(client: &ClientOptions) -> Result<Option<Self>, TlsError> {
        client.tls.as_ref().map(|options| Self::of(options, client.allow_non_tls)).transpose()
    }

    fn of(options: &TlsOptions, is_optional: bool) -> Result<Self, TlsError> {
        Ok(Self {
            listener: ListenerTls::load(options)?,
            handshake_first: options.handshake_first,
            timeout: options.timeout,
            is_optional,
            rate: options.connection_rate_limit.map(|limit| Mutex::new(HandshakeRate::new(limit))),
        })
    }

    pub(crate) fn info(&self) -> InfoTls {
        self.listener.info(self.is_optional)
    }

    /// Whether one more handshake may begin.
    pub(crate) fn admit(&self, now: Instant) -> Admission {
        let Some(mut rate) = self.rate() else { return Admission::Granted };
        if rate.admit(now) { Admission::Granted } else { Admission::Refused { first: rate.refused() == 1 } }
    }

    /// How many were refused since this was asked last.
    pub(crate) fn take_refused(&self) -> u64 {
        self.rate().map_or(0, |mut rate| rate.take_refused())
    }

    fn rate(&self) -> Option<MutexGuard<'_, HandshakeRate>> {
        self.rate.as_ref().map(|rate| rate.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tells the log how clients have to begin, in the reference's words.
pub(crate) fn tell(client: &ClientOptions) {
    if client.proxy_protocol {
        info!("PROXY protocol enabled for client connections");
    }
    let Some(tls) = &client.tls else { return };
    let is_first = tls.handshake_first == HandshakeFirst::Yes;
    if client.allow_non_tls && !is_first {
        info!("TLS available for client connections");
    } else {
        info!("TLS required for client connections");
    }
    if is_first {
        warn!("Clients that are not using \"TLS Handshake First\" option will fail to connect");
    }
}

/// What HTTPS monitoring is spoken with: the client listener's certificates, and nobody is asked for one.
pub(crate) fn for_monitoring(options: &Options) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let tls = options.monitoring.https.as_ref().and(options.client.tls.as_ref());
    let listener = tls
        .map(|tls| ListenerTls::load(&TlsOptions { verify: false, pinned_certs: Vec::new(), ..tls.clone() }));
    Ok(listener.transpose()?.map(|listener| listener.config))
}
