//! The PROXY protocol, versions 1 (text) and 2 (binary): a load balancer's word for who the client is
//! (`nats-server:server/client_proxyproto.go`; haproxy's `proxy-protocol.txt`).
//!
//! A pure function of the first bytes of a connection. How long to wait for them (the reference: 5 s) is the caller's.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a connection starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// Undecided; fewer than `needed` bytes, from the start of the connection, tell nothing new.
    Incomplete {
        needed: usize,
    },
    /// Not a PROXY header: the client speaks for itself, and what was read is its own.
    NotProxy,
    /// The proxy speaks for itself (a health check), or cannot say for whom: the connection's own address counts.
    Local {
        consumed: usize,
    },
    Proxied {
        source: SocketAddr,
        destination: SocketAddr,
        consumed: usize,
    },
}

/// Why a header that started as one of the PROXY protocol cannot be used; the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("invalid PROXY protocol header: v1 line too long")]
    LineTooLong,
    #[error("invalid PROXY protocol header: invalid v1 format")]
    Format,
    #[error("invalid PROXY protocol header: invalid address")]
    Address,
    #[error("invalid source port")]
    SourcePort,
    #[error("invalid dest port")]
    DestinationPort,
    #[error("invalid PROXY protocol header: {protocol} with {} address", other_family(.protocol))]
    FamilyMismatch { protocol: TextProtocol },
    #[error("invalid PROXY protocol header: invalid protocol")]
    Protocol,
    #[error("invalid PROXY protocol header: invalid signature")]
    Signature,
    #[error("invalid PROXY protocol header: invalid version {0:#04x}")]
    Version(u8),
    #[error("unknown PROXY protocol command: {0:#04x}")]
    Command(u8),
    #[error("unsupported PROXY protocol feature: only STREAM protocol supported")]
    Transport,
    #[error("unsupported PROXY protocol feature: unsupported address family {0:#04x}")]
    Family(u8),
    #[error("{family} address data too short: {size} bytes")]
    AddressTooShort { family: BinaryFamily, size: u16 },
}

/// What version 1 says of both addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextProtocol {
    Tcp4,
    Tcp6,
}

impl fmt::Display for TextProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp4 => "TCP4",
            Self::Tcp6 => "TCP6",
        })
    }
}

/// What version 2 says of both addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryFamily {
    Ipv4,
    Ipv6,
}

impl fmt::Display for BinaryFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// Reads the PROXY header at the start of a connection.
///
/// # Errors
/// [`ProxyError`], as soon as the bytes at hand show it.
pub fn parse(input: &[u8]) -> Result<ProxyHeader, ProxyError> {
    if let Some(line) = input.strip_prefix(TEXT_PREFIX) {
        return parse_text(line);
    }
    // The first half of the signature decides, as in the reference: with it, the rest must follow.
    if input.starts_with(&SIGNATURE[..DETECT_SIZE]) {
        return parse_binary(input);
    }
    if TEXT_PREFIX.starts_with(input) || SIGNATURE.starts_with(input) {
        return Ok(ProxyHeader::Incomplete { needed: input.len() + 1 });
    }
    Ok(ProxyHeader::NotProxy)
}

/// `line` is what follows the prefix.
fn parse_text(line: &[u8]) -> Result<ProxyHeader, ProxyError> {
    let allowed = &line[..line.len().min(TEXT_SIZE_MAX - TEXT_PREFIX.len())];
    let Some(end) = allowed.windows(2).position(|pair| pair == b"\r\n") else {
        let read = TEXT_PREFIX.len() + line.len();
        return match read < TEXT_SIZE_MAX {
            true => Ok(ProxyHeader::Incomplete { needed: read + 1 }),
            false => Err(ProxyError::LineTooLong),
        };
    };
    let consumed = TEXT_PREFIX.len() + end + 2;
    let text = String::from_utf8_lossy(&allowed[..end]);
    let mut words = text.split_whitespace();
    let mut word = || words.next().ok_or(ProxyError::Format);
    let protocol = word()?;
    if protocol == "UNKNOWN" {
        return Ok(ProxyHeader::Local { consumed });
    }
    let (source, destination, source_port, destination_port) = (word()?, word()?, word()?, word()?);
    if words.next().is_some() {
        return Err(ProxyError::Format);
    }
    let source: IpAddr = source.parse().map_err(|_| ProxyError::Address)?;
    let destination: IpAddr = destination.parse().map_err(|_| ProxyError::Address)?;
    let source_port = port(source_port).ok_or(ProxyError::SourcePort)?;
    let destination_port = port(destination_port).ok_or(ProxyError::DestinationPort)?;
    // How an address is written decides, so that TCP6 may carry IPv4 addresses mapped into IPv6.
    let (protocol, agrees) = match protocol {
        "TCP4" => (TextProtocol::Tcp4, source.is_ipv4() && destination.is_ipv4()),
        "TCP6" => (TextProtocol::Tcp6, source.is_ipv6() && destination.is_ipv6()),
        _ => return Err(ProxyError::Protocol),
    };
    if !agrees {
        return Err(ProxyError::FamilyMismatch { protocol });
    }
    let endpoints = [SocketAddr::new(source, source_port), SocketAddr::new(destination, destination_port)];
    Ok(proxied(endpoints, consumed))
}

fn port(digits: &str) -> Option<u16> {
    // A sign is no digit, though `parse` takes one.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// `input` starts with the first half of the signature.
fn parse_binary(input: &[u8]) -> Result<ProxyHeader, ProxyError> {
    let Some(signature) = input.first_chunk::<SIGNATURE_SIZE>() else {
        return Ok(ProxyHeader::Incomplete { needed: SIGNATURE_SIZE });
    };
    if signature != SIGNATURE {
        return Err(ProxyError::Signature);
    }
    let Some([_, .., version_command, family_transport, high, low]) =
        input.first_chunk::<BINARY_HEADER_SIZE>()
    else {
        return Ok(ProxyHeader::Incomplete { needed: BINARY_HEADER_SIZE });
    };
    let size = u16::from_be_bytes([*high, *low]);
    let version = version_command & 0xf0;
    if version != VERSION_2 {
        return Err(ProxyError::Version(version));
    }
    match version_command & 0x0f {
        COMMAND_LOCAL => return Ok(skip_addresses(input, size)),
        COMMAND_PROXY => {}
        command => return Err(ProxyError::Command(command)),
    }
    if family_transport & 0x0f != TRANSPORT_STREAM {
        return Err(ProxyError::Transport);
    }
    match family_transport & 0xf0 {
        FAMILY_UNSPECIFIED => Ok(skip_addresses(input, size)),
        FAMILY_INET => addresses(input, size, BinaryFamily::Ipv4, |data: &[u8; IPV4_SIZE]| {
            let [s0, s1, s2, s3, d0, d1, d2, d3, sp0, sp1, dp0, dp1] = *data;
            [
                SocketAddr::new(Ipv4Addr::new(s0, s1, s2, s3).into(), u16::from_be_bytes([sp0, sp1])),
                SocketAddr::new(Ipv4Addr::new(d0, d1, d2, d3).into(), u16::from_be_bytes([dp0, dp1])),
            ]
        }),
        FAMILY_INET6 => addresses(input, size, BinaryFamily::Ipv6, |data: &[u8; IPV6_SIZE]| {
            let (source, rest) = data.split_first_chunk::<16>().expect("36 bytes start with 16");
            let (destination, rest) = rest.split_first_chunk::<16>().expect("20 bytes start with 16");
            let [sp0, sp1, dp0, dp1] = *rest.first_chunk().expect("4 bytes are left");
            [
                SocketAddr::new(Ipv6Addr::from(*source).into(), u16::from_be_bytes([sp0, sp1])),
                SocketAddr::new(Ipv6Addr::from(*destination).into(), u16::from_be_bytes([dp0, dp1])),
            ]
        }),
        family => Err(ProxyError::Family(family)),
    }
}

/// Passes over addresses nobody wants.
fn skip_addresses(input: &[u8], size: u16) -> ProxyHeader {
    let end = BINARY_HEADER_SIZE + usize::from(size);
    match input.len() < end {
        true => ProxyHeader::Incomplete { needed: end },
        false => ProxyHeader::Local { consumed: end },
    }
}

/// Reads two addresses and two ports, `SIZE` bytes in all, and passes over the extensions (TLVs) behind them.
fn addresses<const SIZE: usize>(
    input: &[u8],
    size: u16,
    family: BinaryFamily,
    read: fn(&[u8; SIZE]) -> [SocketAddr; 2],
) -> Result<ProxyHeader, ProxyError> {
    if usize::from(size) < SIZE {
        return Err(ProxyError::AddressTooShort { family, size });
    }
    let end = BINARY_HEADER_SIZE + usize::from(size);
    let Some(data) = input.get(BINARY_HEADER_SIZE..end).and_then(|data| data.first_chunk()) else {
        return Ok(ProxyHeader::Incomplete { needed: end });
    };
    Ok(proxied(read(data), end))
}

/// An IPv4 address mapped into IPv6 is shown, and counted, as the IPv4 address it is.
fn proxied(endpoints: [SocketAddr; 2], consumed: usize) -> ProxyHeader {
    let [source, destination] =
        endpoints.map(|endpoint| SocketAddr::new(endpoint.ip().to_canonical(), endpoint.port()));
    ProxyHeader::Proxied { source, destination, consumed }
}

fn other_family(protocol: &TextProtocol) -> &'static str {
    match protocol {
        TextProtocol::Tcp4 => "IPv6",
        TextProtocol::Tcp6 => "IPv4",
    }
}

const TEXT_PREFIX: &[u8; DETECT_SIZE] = b"PROXY ";
/// Bytes of a version 1 header at most, its line end included.
const TEXT_SIZE_MAX: usize = 107;
const SIGNATURE: &[u8; SIGNATURE_SIZE] = b"\r\n\r\n\0\r\nQUIT\n";
const SIGNATURE_SIZE: usize = 12;
/// Bytes that tell the two versions and everything else apart.
const DETECT_SIZE: usize = 6;
/// Signature, version and command, family and transport, size of the addresses.
const BINARY_HEADER_SIZE: usize = 16;
const VERSION_2: u8 = 0x20;
const COMMAND_LOCAL: u8 = 0x0;
const COMMAND_PROXY: u8 = 0x1;
const TRANSPORT_STREAM: u8 = 0x1;
const FAMILY_UNSPECIFIED: u8 = 0x00;
const FAMILY_INET: u8 = 0x10;
const FAMILY_INET6: u8 = 0x20;
const IPV4_SIZE: usize = 12;
const IPV6_SIZE: usize = 36;

#[cfg(test)]
mod tests;
