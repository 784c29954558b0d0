//! Health checks and scanners that connect to a TLS port without speaking TLS.

use rustls::{Error, InvalidMessage};

/// Whether a failed handshake looks like a probe: its first bytes are no record of TLS. The reference logs those at debug
/// level, as it does timeouts, and all other failures as errors.
pub fn is_probe(error: &Error) -> bool {
    use InvalidMessage::{InvalidContentType, MessageTooLarge, UnknownProtocolVersion};
    matches!(error, Error::InvalidMessage(InvalidContentType | UnknownProtocolVersion | MessageTooLarge))
}
