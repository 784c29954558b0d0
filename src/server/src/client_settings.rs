//! What the configuration means for each client.

use std::net::SocketAddr;
use std::time::Duration;

use natrium_account::{Authenticator, ConnectionType, ConnectionTypes};
use natrium_client::{ClientSettings, TraceRules};
use natrium_config::options::Options;
use natrium_model::{limits, version};
use natrium_wire::Info;

use crate::client_tls::ClientTls;
use crate::host_port::host_port;
use crate::server::ServerError;

/// Who the server is.
pub(crate) struct Identity {
    /// Its public nkey.
    pub(crate) id: String,
    /// The configured name, or the id.
    pub(crate) name: String,
}

/// Host and port that INFO tells where `client_advertise` does; without a port, the listener's own is meant.
pub(crate) fn advertised(options: &Options) -> Result<Option<(String, Option<u16>)>, ServerError> {
    let Some(text) = &options.client.advertise else { return Ok(None) };
    host_port(text).map(Some).ok_or_else(|| ServerError::Advertise(text.clone()))
}

pub(crate) fn settings(
    options: &Options,
    identity: &Identity,
    address: SocketAddr,
    authenticator: &Authenticator,
    tls: Option<&ClientTls>,
) -> Result<ClientSettings, ServerError> {
    let client = &options.client;
    let (host, port) = advertised(options)?.unwrap_or_else(|| (client.listen.host.clone(), None));
    let mut info = Info {
        server_id: identity.id.clone(),
        server_name: identity.name.clone(),
        version: version::REFERENCE.to_owned(),
        proto: version::CLIENT_PROTOCOL,
        git_commit: "natrium".to_owned(),
        go: concat!("natrium/", env!("CARGO_PKG_VERSION")).to_owned(),
        host,
        port: i32::from(port.unwrap_or(address.port())),
        headers: client.headers,
        auth_required: authenticator.auth_required(),
        api_lvl: version::JETSTREAM_API_LEVEL,
        max_payload: i32::try_from(client.max_payload).unwrap_or(i32::MAX),
        ..Info::default()
    };
    if let Some(tls) = tls {
        tell_tls(&mut info, tls);
    }
    Ok(ClientSettings {
        info,
        max_control_line: client.max_control_line,
        max_payload: client.max_payload,
        max_subscriptions: client.max_subscriptions,
        max_subscription_tokens: client.max_subscription_tokens,
        ping_interval: client.ping_interval,
        ping_max: client.ping_max,
        auth_timeout: auth_timeout(options),
        auth_required: authenticator.auth_required(),
        no_auth_user: options.auth.no_auth_user.is_some(),
        headers: client.headers,
        proxy_protocol: client.proxy_protocol,
        trace: TraceRules {
            payload_max: options.logging.traced_payload_max,
            headers_only: options.logging.trace_headers,
        },
    })
}

fn tell_tls(info: &mut Info, tls: &ClientTls) {
    let facts = tls.info();
    info.tls_required = facts.tls_required;
    info.tls_verify = facts.tls_verify;
    info.tls_available = facts.tls_available;
}

/// A client that has to shake hands first gets a second more than that may take.
pub(crate) fn auth_timeout(options: &Options) -> Duration {
    let default = match &options.client.tls {
        Some(tls) => tls.timeout + Duration::from_secs(1),
        None => limits::AUTH_TIMEOUT,
    };
    options.auth.timeout.unwrap_or(default)
}

/// The connection types whose clients are known by their certificates.
pub(crate) fn certificate_types(options: &Options) -> ConnectionTypes {
    match &options.client.tls {
        Some(tls) if tls.map_users => ConnectionTypes::of(&[ConnectionType::Standard]),
        Some(_) | None => ConnectionTypes::default(),
    }
}
