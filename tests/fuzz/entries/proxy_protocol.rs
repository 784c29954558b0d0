//! The first bytes of a connection behind a proxy.

use natrium_wire::ProxyHeader;
use natrium_wire::proxy_protocol::parse;

pub(crate) fn run(input: &[u8]) {
    let whole = parse(input);
    if let Ok(ProxyHeader::Local { consumed } | ProxyHeader::Proxied { consumed, .. }) = whole {
        assert!(0 < consumed && consumed <= input.len());
    }
    for len in 0..input.len() {
        match parse(&input[..len]) {
            Ok(ProxyHeader::Incomplete { needed }) => assert!(needed > len),
            decided => return assert_eq!(decided, whole, "decided at {len}"),
        }
    }
}
