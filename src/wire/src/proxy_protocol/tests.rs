use proptest::prelude::*;

use super::*;

fn text(protocol: &str, source: &str, destination: &str, source_port: u32, destination_port: u32) -> Vec<u8> {
    format!("PROXY {protocol} {source} {destination} {source_port} {destination_port}\r\n").into_bytes()
}

fn binary(version_command: u8, family_transport: u8, size: u16, data: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([version_command, family_transport]);
    header.extend(size.to_be_bytes());
    header.extend(data);
    header
}

fn binary_ipv4(source: &str, destination: &str) -> Vec<u8> {
    let (source, destination): (std::net::SocketAddrV4, std::net::SocketAddrV4) =
        (source.parse().unwrap(), destination.parse().unwrap());
    let mut data = [source.ip().octets(), destination.ip().octets()].concat();
    data.extend(source.port().to_be_bytes());
    data.extend(destination.port().to_be_bytes());
    binary(0x21, 0x11, 12, &data)
}

fn binary_ipv6(source: &str, destination: &str) -> Vec<u8> {
    let (source, destination): (std::net::SocketAddrV6, std::net::SocketAddrV6) =
        (source.parse().unwrap(), destination.parse().unwrap());
    let mut data = [source.ip().octets(), destination.ip().octets()].concat();
    data.extend(source.port().to_be_bytes());
    data.extend(destination.port().to_be_bytes());
    binary(0x21, 0x21, 36, &data)
}

#[track_caller]
fn assert_proxied(input: &[u8], source: &str, destination: &str) -> usize {
    match parse(input) {
        Ok(ProxyHeader::Proxied { source: from, destination: to, consumed }) => {
            assert_eq!(from.to_string(), source);
            assert_eq!(to.to_string(), destination);
            consumed
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_invalid(input: &[u8], expected: ProxyError) {
    assert_eq!(parse(input), Err(expected));
    assert!(expected.to_string().starts_with("invalid PROXY protocol header: "), "{expected}");
}

#[track_caller]
fn assert_unsupported(input: &[u8], expected: ProxyError) {
    assert_eq!(parse(input), Err(expected));
    assert!(expected.to_string().starts_with("unsupported PROXY protocol feature: "), "{expected}");
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV2ParseIPv4
#[test]
fn binary_ipv4_addresses_are_read() {
    let header = binary_ipv4("192.168.1.50:12345", "10.0.0.1:4222");
    assert_eq!(assert_proxied(&header, "192.168.1.50:12345", "10.0.0.1:4222"), header.len());
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV2ParseIPv6
#[test]
fn binary_ipv6_addresses_are_read() {
    let header = binary_ipv6("[2001:db8::1]:54321", "[2001:db8::2]:4222");
    assert_eq!(assert_proxied(&header, "[2001:db8::1]:54321", "[2001:db8::2]:4222"), header.len());
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV2ParseLocalCommand
#[test]
fn a_local_command_keeps_the_connection_s_own_address() {
    assert_eq!(parse(&binary(0x20, 0x00, 0, b"")), Ok(ProxyHeader::Local { consumed: 16 }));
    assert_eq!(parse(&binary(0x20, 0x00, 3, b"abcd")), Ok(ProxyHeader::Local { consumed: 19 }));
    assert_eq!(parse(&binary(0x21, 0x01, 0, b"")), Ok(ProxyHeader::Local { consumed: 16 }));
}

#[test]
fn extensions_behind_the_addresses_are_skipped() {
    let mut header = binary(0x21, 0x11, 15, &[1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 0, 81]);
    assert_eq!(parse(&header), Ok(ProxyHeader::Incomplete { needed: 31 }));
    header.extend(b"tlvPING\r\n");
    assert_eq!(assert_proxied(&header, "1.2.3.4:80", "5.6.7.8:81"), 31);
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV2InvalidSignature
#[test]
fn a_wrong_second_half_of_the_signature_is_refused() {
    let mut header = binary(0x20, 0x11, 12, b"");
    header[11] = b'_';
    assert_invalid(&header, ProxyError::Signature);
    // The first half decides whether it is a header at all; the reference's server asks in this order too.
    assert_eq!(parse(b"INVALID_SIG_\x20\x11\x00\x0c"), Ok(ProxyHeader::NotProxy));
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV2InvalidVersion
#[test]
fn a_binary_header_of_another_version_is_refused() {
    assert_invalid(&binary(0x11, 0x11, 0, b""), ProxyError::Version(0x10));
    assert_eq!(ProxyError::Version(0x10).to_string(), "invalid PROXY protocol header: invalid version 0x10");
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV2UnsupportedFamily
#[test]
fn unix_addresses_are_unsupported() {
    assert_unsupported(&binary(0x21, 0x31, 0, b""), ProxyError::Family(0x30));
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV2UnsupportedProtocol
#[test]
fn datagrams_are_unsupported() {
    assert_unsupported(&binary(0x21, 0x12, 12, b""), ProxyError::Transport);
}

#[test]
fn an_unknown_command_is_refused() {
    assert_eq!(parse(&binary(0x22, 0x11, 12, b"")), Err(ProxyError::Command(2)));
    assert_eq!(ProxyError::Command(2).to_string(), "unknown PROXY protocol command: 0x02");
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV2TruncatedHeader
#[test]
fn a_truncated_header_waits_for_more() {
    let header = binary_ipv4("192.168.1.50:12345", "10.0.0.1:4222");
    assert_eq!(parse(&header[..10]), Ok(ProxyHeader::Incomplete { needed: 12 }));
    assert_eq!(parse(&header[..12]), Ok(ProxyHeader::Incomplete { needed: 16 }));
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV2ShortAddressData
#[test]
fn truncated_addresses_wait_for_more() {
    let header = binary(0x21, 0x11, 12, &[1, 2, 3, 4, 5]);
    assert_eq!(parse(&header), Ok(ProxyHeader::Incomplete { needed: 28 }));
}

#[test]
fn addresses_declared_too_short_are_refused_at_once() {
    let error = ProxyError::AddressTooShort { family: BinaryFamily::Ipv4, size: 11 };
    assert_eq!(parse(&binary(0x21, 0x11, 11, b"")), Err(error));
    assert_eq!(error.to_string(), "IPv4 address data too short: 11 bytes");
    let error = ProxyError::AddressTooShort { family: BinaryFamily::Ipv6, size: 35 };
    assert_eq!(parse(&binary(0x21, 0x21, 35, b"")), Err(error));
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1ParseTCP4
#[test]
fn text_ipv4_addresses_are_read() {
    let header = text("TCP4", "192.168.1.50", "10.0.0.1", 12345, 4222);
    assert_eq!(assert_proxied(&header, "192.168.1.50:12345", "10.0.0.1:4222"), header.len());
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1ParseTCP6
#[test]
fn text_ipv6_addresses_are_read() {
    let header = text("TCP6", "2001:db8::1", "2001:db8::2", 54321, 4222);
    assert_proxied(&header, "[2001:db8::1]:54321", "[2001:db8::2]:4222");
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1ParseTCP6IPv4Mapped
#[test]
fn mapped_ipv4_addresses_are_ipv6_by_their_writing() {
    let header = text("TCP6", "::ffff:192.0.2.1", "::ffff:10.0.0.1", 1234, 4222);
    assert_proxied(&header, "192.0.2.1:1234", "10.0.0.1:4222");
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1MismatchedDestProtocol
// go: server/client_proxyproto_test.go TestClientProxyProtoV1MismatchedProtocol
#[test]
fn addresses_of_another_family_are_refused() {
    let tcp4 = ProxyError::FamilyMismatch { protocol: TextProtocol::Tcp4 };
    let tcp6 = ProxyError::FamilyMismatch { protocol: TextProtocol::Tcp6 };
    assert_invalid(&text("TCP4", "192.168.1.1", "2001:db8::2", 12345, 443), tcp4);
    assert_invalid(&text("TCP6", "2001:db8::1", "10.0.0.1", 12345, 443), tcp6);
    assert_invalid(&text("TCP4", "2001:db8::1", "2001:db8::2", 12345, 443), tcp4);
    assert_invalid(&text("TCP6", "192.168.1.1", "10.0.0.1", 12345, 443), tcp6);
    assert_eq!(tcp4.to_string(), "invalid PROXY protocol header: TCP4 with IPv6 address");
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1ParseUnknown
#[test]
fn an_unknown_source_keeps_the_connection_s_own_address() {
    assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Ok(ProxyHeader::Local { consumed: 15 }));
    assert_eq!(parse(b"PROXY UNKNOWN a b c d e f\r\nPING"), Ok(ProxyHeader::Local { consumed: 27 }));
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1PreservesCoalescedClientBytes
#[test]
fn what_follows_the_header_is_left_alone() {
    let connect = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1}\r\n";
    let mut input = text("TCP4", "192.168.1.50", "10.0.0.1", 12345, 4222);
    input.extend(connect);
    let consumed = assert_proxied(&input, "192.168.1.50:12345", "10.0.0.1:4222");
    assert_eq!(&input[consumed..], connect);
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1InvalidFormat
#[test]
fn a_text_header_has_five_words() {
    assert_invalid(b"PROXY TCP4 192.168.1.1\r\n", ProxyError::Format);
    assert_invalid(b"PROXY \r\n", ProxyError::Format);
    assert_invalid(b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n", ProxyError::Format);
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1LineTooLong
#[test]
fn a_text_header_has_at_most_107_bytes() {
    assert_invalid(&text("TCP4", &"1234567890".repeat(12), "10.0.0.1", 12345, 443), ProxyError::LineTooLong);
    let mut line = text("TCP4", "1.1.1.1", "1.1.1.1", 1, 1);
    line.splice(6..6, core::iter::repeat_n(b' ', 107 - line.len()));
    assert_eq!(assert_proxied(&line, "1.1.1.1:1", "1.1.1.1:1"), 107);
    line.insert(6, b' ');
    assert_eq!(parse(&line[..106]), Ok(ProxyHeader::Incomplete { needed: 107 }));
    assert_invalid(&line[..107], ProxyError::LineTooLong);
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1InvalidIP
#[test]
fn a_name_is_no_address() {
    assert_invalid(b"PROXY TCP4 not.an.ip.addr 10.0.0.1 12345 443\r\n", ProxyError::Address);
}

// go: server/client_proxyproto_test.go TestClientProxyProtoV1InvalidPort
#[test]
fn a_port_has_16_bits() {
    assert_eq!(parse(b"PROXY TCP4 192.168.1.1 10.0.0.1 99999 443\r\n"), Err(ProxyError::SourcePort));
    assert_eq!(parse(b"PROXY TCP4 192.168.1.1 10.0.0.1 443 +1\r\n"), Err(ProxyError::DestinationPort));
}

#[test]
fn another_text_protocol_is_refused() {
    assert_invalid(b"PROXY UDP4 192.168.1.1 10.0.0.1 1 1\r\n", ProxyError::Protocol);
}

// go: server/client_proxyproto_test.go TestClientProxyProtoVersionDetection
#[test]
fn the_version_shows_in_the_first_bytes() {
    let header = text("TCP4", "192.168.1.1", "10.0.0.1", 12345, 443);
    assert_proxied(&header, "192.168.1.1:12345", "10.0.0.1:443");
    let header = binary_ipv4("192.168.1.2:54321", "10.0.0.1:443");
    assert_proxied(&header, "192.168.1.2:54321", "10.0.0.1:443");
}

// go: server/client_proxyproto_test.go TestClientProxyProtoUnrecognizedVersion
#[test]
fn other_bytes_are_the_client_s_own() {
    assert_eq!(parse(b"HELLO WORLD\r\n"), Ok(ProxyHeader::NotProxy));
    assert_eq!(parse(b"PING\r\n"), Ok(ProxyHeader::NotProxy));
    assert_eq!(parse(b"\x16\x03\x01"), Ok(ProxyHeader::NotProxy));
    assert_eq!(parse(b""), Ok(ProxyHeader::Incomplete { needed: 1 }));
    assert_eq!(parse(b"P"), Ok(ProxyHeader::Incomplete { needed: 2 }));
    assert_eq!(parse(b"\r\n\r"), Ok(ProxyHeader::Incomplete { needed: 4 }));
}

fn any_header() -> impl Strategy<Value = Vec<u8>> {
    let noise = proptest::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        "PROXY (TCP4|TCP6|UNKNOWN|X) [0-9a-f:. ]{0,60} ?[0-9]{0,6} [0-9]{0,6}\r?\n?.{0,8}"
            .prop_map(String::into_bytes),
        (any::<[u8; 2]>(), 0_u16..50, noise.clone()).prop_map(|([a, b], size, data)| binary(
            0x20 | (a & 0x13),
            b & 0x33,
            size,
            &data
        )),
        noise,
    ]
}

proptest! {
    #[test]
    fn the_answer_does_not_depend_on_how_the_bytes_come(input in any_header()) {
        let whole = parse(&input);
        let mut needed = 0;
        for len in 0..=input.len() {
            let part = parse(&input[..len]);
            if len < needed {
                prop_assert!(matches!(part, Ok(ProxyHeader::Incomplete { .. })), "{:?} at {}", part, len);
            }
            match part {
                Ok(ProxyHeader::Incomplete { needed: more }) => {
                    prop_assert!(more > len);
                    needed = more;
                }
                answer => {
                    prop_assert_eq!(answer, whole);
                    break;
                }
            }
        }
        if let Ok(ProxyHeader::Local { consumed } | ProxyHeader::Proxied { consumed, .. }) = whole {
            prop_assert!(consumed <= input.len());
        }
    }
}
