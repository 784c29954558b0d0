//! The last word to a client whose connection the server ends.

use natrium_model::CloseReason;

/// The text of the `-ERR` that goes out before a connection is closed for `reason`; `None` where the reference closes
/// without a word, be it that the client ended the connection itself or that what was wrong with its bytes is for the
/// log alone.
///
/// [`crate::Connection`] writes it for what it finds itself; this is for the shell, which refuses and ends connections
/// for reasons of its own.
pub fn farewell(reason: CloseReason) -> Option<&'static str> {
    match reason {
        CloseReason::AuthenticationTimeout => Some("Authentication Timeout"),
        CloseReason::AuthenticationViolation | CloseReason::ProxyNotTrusted | CloseReason::ProxyRequired => {
            Some("Authorization Violation")
        }
        CloseReason::StaleConnection => Some("Stale Connection"),
        CloseReason::BadClientProtocolVersion => Some("invalid client protocol"),
        CloseReason::MaxAccountConnectionsExceeded => Some("maximum account active connections exceeded"),
        CloseReason::MaxConnectionsExceeded => Some("maximum connections exceeded"),
        CloseReason::MaxPayloadExceeded => Some("Maximum Payload Violation"),
        CloseReason::MaxControlLineExceeded => Some("maximum control line exceeded"),
        CloseReason::MaxSubscriptionsExceeded => Some("maximum subscriptions exceeded"),
        CloseReason::AuthenticationExpired => Some("User Authentication Expired"),
        CloseReason::Revocation => Some("User Authentication Revoked"),
        CloseReason::MissingAccount => Some("Failed Account Registration"),
        CloseReason::TlsHandshakeError => Some("Secure Connection - TLS Required"),
        CloseReason::NoRespondersRequiresHeaders => Some("no responders requires headers support"),
        CloseReason::ClientClosed
        | CloseReason::SlowConsumerPendingBytes
        | CloseReason::SlowConsumerWriteDeadline
        | CloseReason::WriteError
        | CloseReason::ReadError
        | CloseReason::ParseError
        | CloseReason::ProtocolViolation
        | CloseReason::WrongPort
        | CloseReason::ServerShutdown
        | CloseReason::MsgHeaderViolation
        | CloseReason::Kicked => None,
    }
}
