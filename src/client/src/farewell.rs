//! The last word to a client whose connection the server ends.

use natrium_model::CloseReason;

/// The text of the `-ERR` that goes out before a connection is closed for `reason`; `None` where the reference closes
/// without a word, or with one that says more than the reason does: what was wrong with the client's bytes
/// ([`natrium_wire::DecodeError::client_text`]).
///
/// [`crate::Connection`] has said it when it asks to be closed; the shell says it where it ends a connection for reasons
/// of its own.
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
        CloseReason::NoRespondersRequiresHeaders => Some("no responders requires headers support"),
        // The reference has words for a handshake that takes too long, but no way left to say them.
        CloseReason::TlsHandshakeError
        | CloseReason::ClientClosed
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

#[cfg(test)]
mod tests {
    use natrium_wire::DecodeError;

    use super::*;

    #[test]
    fn a_limit_is_named_alike_by_whoever_finds_it_passed() {
        let line = DecodeError::ControlLineExceeded { max: 1 };
        assert_eq!(farewell(CloseReason::MaxControlLineExceeded), line.client_text());
        let payload = DecodeError::PayloadExceeded { size: 2, max: 1 };
        assert_eq!(farewell(CloseReason::MaxPayloadExceeded), payload.client_text());
    }

    #[test]
    fn a_server_that_stops_says_nothing() {
        assert_eq!(farewell(CloseReason::ServerShutdown), None);
        assert_eq!(farewell(CloseReason::ClientClosed), None);
    }
}
