//! Where the endpoint is listened for.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Instant;

use log::{error, info};
use natrium_config::options::monitoring::{Listen, MonitoringOptions};
use natrium_logging::Repeats;
use natrium_shards::Acceptor;

use super::Endpoint;
use crate::shard::Letter;

/// The endpoint's listener.
pub(crate) struct Monitor {
    acceptor: Acceptor,
    host: String,
    /// `http` or `https`.
    scheme: &'static str,
}

/// Why the endpoint cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("can't listen to the monitor port {host}:{port}: {error}")]
pub(crate) struct MonitorError {
    host: String,
    port: u16,
    #[source]
    error: io::Error,
}

impl Monitor {
    /// Listens, if that is configured. Connections wait in the kernel until [`Self::start`].
    ///
    /// # Errors
    /// The address cannot be had.
    pub(crate) fn bind(options: &MonitoringOptions) -> Result<Option<Self>, MonitorError> {
        let http = options.http.as_ref().map(|listen| (listen, "http"));
        let listener = http.or(options.https.as_ref().map(|listen| (listen, "https")));
        listener.map(|(listen, scheme)| Self::listen(listen, scheme)).transpose()
    }

    fn listen(listen: &Listen, scheme: &'static str) -> Result<Self, MonitorError> {
        let failed = |error| MonitorError { host: listen.host.clone(), port: listen.port, error };
        let address = (listen.host.as_str(), listen.port).to_socket_addrs().map_err(failed)?.next();
        let address = address.ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
        let acceptor = Acceptor::bind(address).map_err(failed)?;
        Ok(Self { acceptor, host: listen.host.clone(), scheme })
    }

    /// Hands each connection to the first of the endpoint's shards.
    ///
    /// # Errors
    /// If the thread that accepts cannot be had.
    pub(crate) fn start(&mut self, endpoint: Arc<Endpoint>) -> Result<(), MonitorError> {
        let port = self.acceptor.address().port();
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        info!("Starting {} monitor on {host}:{port}", self.scheme);
        let mut repeats = Repeats::default();
        let accepted = move |socket: socket2::Socket, address: SocketAddr| {
            let letter = Letter::Monitor { socket, endpoint: Arc::clone(&endpoint) };
            // A full box drops the connection: whoever asks sees it closed and tries again.
            if endpoint.first_shard().send(letter).is_err()
                && repeats.is_news("the first shard is too busy", Instant::now())
            {
                error!("{address} - the first shard is too busy to take a monitoring connection");
            }
        };
        let failed = |error: io::Error, rest| {
            error!("Temporary Monitor Accept Error ({error}), sleeping {rest:?}");
        };
        let failure = |error| MonitorError { host: self.host.clone(), port, error };
        self.acceptor.start(accepted, failed).map_err(failure)
    }

    pub(crate) fn scheme(&self) -> &'static str {
        self.scheme
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    pub(crate) fn close(&mut self) {
        self.acceptor.close();
    }
}
