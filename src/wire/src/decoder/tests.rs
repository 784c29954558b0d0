use super::*;
use crate::{ConnectOptions, Info};

mod model;
mod properties;

const LIMITS: Limits = Limits { max_control_line: 4096, max_payload: 1 << 20, headers: true };

/// The operation that is all of `input`.
#[track_caller]
fn whole(input: &[u8]) -> Op<'_> {
    match decode(input, &LIMITS) {
        Ok(Decoded::Op { op, consumed }) => {
            assert_eq!(consumed, input.len());
            op
        }
        other => panic!("{}: {other:?}", input.escape_ascii()),
    }
}

/// How many bytes `input` is said to need.
#[track_caller]
fn needed(input: &[u8]) -> usize {
    match decode(input, &LIMITS) {
        Ok(Decoded::Incomplete { needed }) => {
            assert!(needed > input.len());
            needed
        }
        other => panic!("{}: {other:?}", input.escape_ascii()),
    }
}

#[track_caller]
fn refused(input: &[u8]) -> DecodeError {
    match decode(input, &LIMITS) {
        Err(error) => error,
        Ok(other) => panic!("{}: {other:?}", input.escape_ascii()),
    }
}

fn publish<'a>(subject: &'a str, reply: Option<&'a str>, payload: &'a str) -> Op<'a> {
    Op::Publish(Publish {
        subject: subject.as_bytes(),
        reply: reply.map(str::as_bytes),
        header_len: 0,
        payload: payload.as_bytes(),
        has_headers: false,
    })
}

#[track_caller]
fn assert_incomplete_until_whole(input: &[u8], op: Op<'_>) {
    for len in 0..input.len() {
        assert!(needed(&input[..len]) <= input.len());
    }
    assert_eq!(whole(input), op);
}

// go: server/parser_test.go TestParsePing
#[test]
fn ping_is_read_whatever_stands_before_its_line_end() {
    assert_incomplete_until_whole(b"PING\r\n", Op::Ping);
    assert_incomplete_until_whole(b"PING  \r  \n", Op::Ping);
    assert_eq!(whole(b"ping x\n"), Op::Ping);
    assert_eq!(needed(b"PING  \r"), 8);
}

#[test]
fn pong_is_read_whatever_stands_before_its_line_end() {
    assert_incomplete_until_whole(b"PONG\r\n", Op::Pong);
    assert_incomplete_until_whole(b"PONG  \r  \n", Op::Pong);
    assert_eq!(needed(b"PONG  \r"), 8);
}

// go: server/parser_test.go TestParseOK
#[test]
fn ok_from_a_client_is_read() {
    assert_incomplete_until_whole(b"+OK\r\n", Op::Ok);
}

// go: server/parser_test.go TestParseConnect
#[test]
fn connect_carries_its_json() {
    let json = r#"{"verbose":false,"pedantic":true,"tls_required":false}"#;
    assert_eq!(whole(format!("CONNECT {json}\r\n").as_bytes()), Op::Connect(json.as_bytes()));
    assert_eq!(whole(format!("CONNECT{json}\r\n").as_bytes()), Op::Connect(json.as_bytes()));
}

// go: server/parser_test.go TestParseSub
#[test]
fn sub_waits_for_its_line_feed() {
    assert_eq!(needed(b"SUB foo 1\r"), 11);
    assert_eq!(whole(b"SUB foo 1\r\n"), Op::Subscribe { subject: b"foo", queue: None, sid: b"1" });
}

#[test]
fn sub_and_unsub_take_their_optional_arguments() {
    assert_eq!(
        whole(b"SUB foo bar 1\r\n"),
        Op::Subscribe { subject: b"foo", queue: Some(b"bar"), sid: b"1" }
    );
    assert_eq!(whole(b"UNSUB 1\r\n"), Op::Unsubscribe { sid: b"1", max: None });
    assert_eq!(whole(b"UNSUB\t1  5 \n"), Op::Unsubscribe { sid: b"1", max: Some(5) });
    for unlimited in ["0", "-1", "x", "1234567890"] {
        let line = format!("UNSUB 1 {unlimited}\r\n");
        assert_eq!(whole(line.as_bytes()), Op::Unsubscribe { sid: b"1", max: None }, "{unlimited}");
    }
}

// go: server/parser_test.go TestParsePub
#[test]
fn pub_waits_for_the_end_of_its_payload() {
    let input = b"PUB foo 5\r\nhello\r\n";
    assert_eq!(needed(&input[..17]), 18);
    assert_eq!(whole(input), publish("foo", None, "hello"));
    let input = b"PUB foo.bar INBOX.22 11\r\nhello world\r\n";
    assert_eq!(needed(&input[..37]), 38);
    assert_eq!(whole(input), publish("foo.bar", Some("INBOX.22"), "hello world"));
    assert_eq!(
        refused(b"PUB foo.bar 11\r\nhello world hello world\r"),
        DecodeError::UnknownOperation { at: 27 }
    );
}

// go: server/parser_test.go TestParsePubSizeOverflow
// go: server/parser_test.go TestParsePubBadSize
#[test]
fn a_size_has_at_most_nine_digits() {
    let overflow = format!("PUB foo {}\r\n", "3".repeat(64));
    assert_eq!(refused(overflow.as_bytes()), DecodeError::PublishSize { args: 4..72 });
    let limits = Limits { max_payload: 32768, ..LIMITS };
    let error = decode(b"PUB foo 2222222222222222\r\n", &limits);
    assert_eq!(error, Err(DecodeError::PublishSize { args: 4..24 }));
}

// go: server/parser_test.go TestParsePubArg
// go: server/util_test.go TestParseSize
// go: server/util_test.go TestParseSInt64
#[test]
fn a_size_is_digits_and_nothing_else() {
    assert_eq!(size_of(b""), None);
    assert_eq!(size_of(b"12345678"), Some(12_345_678));
    assert_eq!(size_of(b"12345invalid678"), None);
    assert_eq!(size_of(b"-1"), None);
}

#[test]
fn pub_arguments_stand_between_any_blanks() {
    let cases = [
        ("a 2", "a", None, 2),
        ("a 222", "a", None, 222),
        ("foo 22", "foo", None, 22),
        (" foo 22", "foo", None, 22),
        ("foo 22 ", "foo", None, 22),
        ("foo   22", "foo", None, 22),
        (" foo 22 ", "foo", None, 22),
        (" foo   22 ", "foo", None, 22),
        ("foo bar 22", "foo", Some("bar"), 22),
        (" foo bar 22", "foo", Some("bar"), 22),
        ("foo bar 22 ", "foo", Some("bar"), 22),
        ("foo  bar  22", "foo", Some("bar"), 22),
        (" foo bar 22 ", "foo", Some("bar"), 22),
        ("  foo   bar  22  ", "foo", Some("bar"), 22),
        ("  foo   bar  2222  ", "foo", Some("bar"), 2222),
        ("  foo     2222  ", "foo", None, 2222),
        ("a\t2", "a", None, 2),
        ("a\t222", "a", None, 222),
        ("foo\t22", "foo", None, 22),
        ("\tfoo\t22", "foo", None, 22),
        ("foo\t22\t", "foo", None, 22),
        ("foo\t\t\t22", "foo", None, 22),
        ("\tfoo\t22\t", "foo", None, 22),
        ("\tfoo\t\t\t22\t", "foo", None, 22),
        ("foo\tbar\t22", "foo", Some("bar"), 22),
        ("\tfoo\tbar\t22", "foo", Some("bar"), 22),
        ("foo\tbar\t22\t", "foo", Some("bar"), 22),
        ("foo\t\tbar\t\t22", "foo", Some("bar"), 22),
        ("\tfoo\tbar\t22\t", "foo", Some("bar"), 22),
        ("\t \tfoo\t \t \tbar\t \t22\t \t", "foo", Some("bar"), 22),
        ("\t\tfoo\t\t\tbar\t\t2222\t\t", "foo", Some("bar"), 2222),
        ("\t \tfoo\t \t \t\t\t2222\t \t", "foo", None, 2222),
    ];
    for (args, subject, reply, size) in cases {
        let payload = "x".repeat(size);
        let input = format!("PUB {args}\r\n{payload}\r\n");
        assert_eq!(whole(input.as_bytes()), publish(subject, reply, &payload), "{args:?}");
    }
}

// go: server/parser_test.go TestParseHeaderPub
#[test]
fn hpub_waits_for_the_end_of_its_payload() {
    let cases = [("foo 12 17", None, 12), ("foo INBOX.22 12 17", Some(&b"INBOX.22"[..]), 12)];
    for (args, reply, header_len) in cases {
        let input = format!("HPUB {args}\r\nname:derek\r\nHELLO\r\n");
        assert_eq!(needed(&input.as_bytes()[..input.len() - 1]), input.len());
        let payload = b"name:derek\r\nHELLO";
        let expected = Publish { subject: b"foo", reply, header_len, payload, has_headers: true };
        assert_eq!(whole(input.as_bytes()), Op::Publish(expected));
    }
    let expected = Publish {
        subject: b"foo",
        reply: Some(b"INBOX.22"),
        header_len: 0,
        payload: b"HELLO",
        has_headers: true,
    };
    assert_eq!(needed(b"HPUB foo INBOX.22 0 5\r\nHELLO\r"), 30);
    assert_eq!(whole(b"HPUB foo INBOX.22 0 5\r\nHELLO\r\n"), Op::Publish(expected));
}

// go: server/parser_test.go TestParseHeaderPubArg
#[test]
fn hpub_arguments_stand_between_any_blanks() {
    let cases = [
        ("a 2 4", "a", None, 2, 4),
        ("a 22 222", "a", None, 22, 222),
        ("foo 3 22", "foo", None, 3, 22),
        (" foo   1 22", "foo", None, 1, 22),
        ("foo 0   22 ", "foo", None, 0, 22),
        ("foo  0     22", "foo", None, 0, 22),
        (" foo 1 22 ", "foo", None, 1, 22),
        (" foo   3 22 ", "foo", None, 3, 22),
        ("foo bar 1 22", "foo", Some("bar"), 1, 22),
        (" foo bar 11 22", "foo", Some("bar"), 11, 22),
        ("foo bar 11 22 ", "foo", Some("bar"), 11, 22),
        ("foo  bar  11  22", "foo", Some("bar"), 11, 22),
        (" foo bar  11 22 ", "foo", Some("bar"), 11, 22),
        ("  foo   bar  11   22  ", "foo", Some("bar"), 11, 22),
        ("  foo   bar  22   2222  ", "foo", Some("bar"), 22, 2222),
        ("  foo 1    2222  ", "foo", None, 1, 2222),
        ("a\t2\t22", "a", None, 2, 22),
        ("a\t2\t\t222", "a", None, 2, 222),
        ("foo\t2 22", "foo", None, 2, 22),
        ("\tfoo\t11\t  22", "foo", None, 11, 22),
        ("foo\t11\t22\t", "foo", None, 11, 22),
        ("foo\t\t\t11 22", "foo", None, 11, 22),
        ("\tfoo\t11\t \t 22\t", "foo", None, 11, 22),
        ("\tfoo\t\t\t11 22\t", "foo", None, 11, 22),
        ("foo\tbar\t2 22", "foo", Some("bar"), 2, 22),
        ("\tfoo\tbar\t11\t22", "foo", Some("bar"), 11, 22),
        ("foo\tbar\t11\t\t22\t ", "foo", Some("bar"), 11, 22),
        ("foo\t\tbar\t\t11\t\t\t22", "foo", Some("bar"), 11, 22),
        ("\tfoo\tbar\t11\t22\t", "foo", Some("bar"), 11, 22),
        ("\t \tfoo\t \t \tbar\t \t11\t 22\t \t", "foo", Some("bar"), 11, 22),
        ("\t\tfoo\t\t\tbar\t\t22\t\t\t2222\t\t", "foo", Some("bar"), 22, 2222),
        ("\t \tfoo\t \t \t\t\t11\t\t 2222\t \t", "foo", None, 11, 2222),
    ];
    for (args, subject, reply, header_len, size) in cases {
        let payload = "x".repeat(size);
        let input = format!("HPUB {args}\r\n{payload}\r\n");
        let expected = Publish {
            subject: subject.as_bytes(),
            reply: reply.map(str::as_bytes),
            header_len,
            payload: payload.as_bytes(),
            has_headers: true,
        };
        assert_eq!(whole(input.as_bytes()), Op::Publish(expected), "{args:?}");
    }
}

#[test]
fn hpub_sizes_must_agree_and_headers_be_negotiated() {
    assert_eq!(refused(b"HPUB foo 3 2\r\n"), DecodeError::HeaderSizeAboveTotal { args: 5..12 });
    assert_eq!(refused(b"HPUB foo x 2\r\n"), DecodeError::HeaderSize { args: 5..12 });
    assert_eq!(refused(b"HPUB foo 1 -2\r\n"), DecodeError::TotalSize { args: 5..13 });
    assert_eq!(refused(b"HPUB foo 1\r\n"), DecodeError::HeaderPublishArguments { args: 5..10 });
    assert_eq!(refused(b"HPUB a b 1 1 1\r\n"), DecodeError::HeaderPublishArguments { args: 5..14 });
    let without = Limits { headers: false, ..LIMITS };
    assert_eq!(decode(b"HPUB nonsense\r\n", &without), Err(DecodeError::HeadersNotSupported));
}

#[test]
fn hmsg_from_a_client_publishes_nothing_to_nowhere() {
    let nothing = Publish { subject: b"", reply: None, header_len: 0, payload: b"", has_headers: true };
    assert_eq!(whole(b"HMSG foo 1 2 3\r\n\r\n"), Op::Publish(nothing));
}

/// What the reference's `TestShouldFail` sends as a client.
#[test]
fn wrong_operations_are_refused() {
    let wrong = [
        "xxx",
        "Px",
        "PIx",
        "PINx",
        " PING",
        "POx",
        "PONx",
        "+x",
        "+Ox",
        "-x",
        "-Ex",
        "-ERx",
        "-ERRx",
        "Cx",
        "COx",
        "CONx",
        "CONNx",
        "CONNEx",
        "CONNECx",
        "PUx",
        "PUB foo\r\n",
        "PUB  \r\n",
        "PUB foo bar       \r\n",
        "PUB foo 2\r\nok \r\n",
        "PUB foo 2\r\nok\r \n",
        "Sx",
        "SUx",
        "SUB\r\n",
        "SUB  \r\n",
        "SUB foo\r\n",
        "SUB foo bar baz 22\r\n",
        "Ux",
        "UNx",
        "UNSx",
        "UNSUx",
        "UNSUBx",
        "UNSUBUNSUB 1\r\n",
        "UNSUB_2\r\n",
        "UNSUB_UNSUB_UNSUB 2\r\n",
        "UNSUB_\t2\r\n",
        "UNSUB\r\n",
        "UNSUB \r\n",
        "UNSUB          \t       \r\n",
        "Ix",
        "INx",
        "INFx",
        "M",
        "MSG \r\n",
        "A+ a\r\n",
        "RS+ a\r\n",
        "LS+ a\r\n",
    ];
    for input in wrong {
        refused(input.as_bytes());
    }
    // These are lines, but of no JSON.
    let Op::Connect(json) = whole(b"CONNECT \r\n") else { panic!() };
    assert!(ConnectOptions::default().read_over(json).is_err());
    let Op::Info(json) = whole(b"INFO  \r\n") else { panic!() };
    assert!(Info::read(json).is_err());
}

#[test]
fn errors_come_with_the_first_impossible_byte() {
    assert_eq!(refused(b"x"), DecodeError::UnknownOperation { at: 0 });
    assert_eq!(refused(b"\r\n"), DecodeError::UnknownOperation { at: 0 });
    assert_eq!(refused(b"\x0b"), DecodeError::UnknownOperation { at: 0 });
    assert_eq!(refused(b"PUB\r"), DecodeError::UnknownOperation { at: 3 });
    assert_eq!(refused(b"PUB foo 2\r\nokx"), DecodeError::UnknownOperation { at: 13 });
    assert_eq!(refused(b"PUB foo 2\r\nok\rx"), DecodeError::UnknownOperation { at: 14 });
    assert_eq!(refused(b"PUB foo 2\nhi\nPING\r\n"), DecodeError::UnknownOperation { at: 12 });
    assert_eq!(
        refused(b"PUB foo 1048577\r\n"),
        DecodeError::PayloadExceeded { size: 1_048_577, max: 1 << 20 }
    );
    assert_eq!(refused(b"PUB foo -1\r\n"), DecodeError::PublishSize { args: 4..10 });
    assert_eq!(refused(b"PUB foo 1 2 3 4\r\n"), DecodeError::PublishArguments { args: 4..15 });
    assert_eq!(refused(b"-ERR\r\n"), DecodeError::UnknownOperation { at: 4 });
}

#[test]
fn a_control_line_is_measured_by_its_arguments() {
    let limits = Limits { max_control_line: 8, ..LIMITS };
    let exceeded = Err(DecodeError::ControlLineExceeded { max: 8 });
    // What the reference's TestMaxControlLine sends as a client.
    assert_eq!(decode(b"PUB foo.bar.ba", &limits), exceeded);
    assert_eq!(decode(b"PUB foo.bar.baz 2\r\nok\r\n", &limits), exceeded);
    assert_eq!(decode(b"SUB  \t abcdef 1\r\n", &limits).map(consumed), Ok(Some(17)));
    assert_eq!(decode(b"SUB abcdef 1\r", &limits).map(consumed), Ok(None));
    assert_eq!(decode(b"SUB abcdefg 1", &limits), exceeded);
    assert_eq!(decode(b"SUB abcdefg 1\r\n", &limits), exceeded);
    assert_eq!(decode(b"CONNECT {\"a\":22}\r\n", &limits).map(consumed), Ok(Some(18)));
    assert_eq!(decode(b"CONNECT {\"a\":222}", &limits), exceeded);
}

/// The reference keeps no bytes of these and has no limit; we keep them, so we have one.
#[test]
fn what_is_ignored_is_bounded_too() {
    let limits = Limits { max_control_line: 8, ..LIMITS };
    let exceeded = Err(DecodeError::ControlLineExceeded { max: 8 });
    assert_eq!(decode(b"PING 1234567\r\n", &limits).map(consumed), Ok(Some(14)));
    assert_eq!(decode(b"PING 123456789", &limits), exceeded);
    assert_eq!(decode(b"SUB        a 1\r\n", &limits).map(consumed), Ok(Some(16)));
    assert_eq!(decode(b"SUB         ", &limits), exceeded);
}

fn consumed(decoded: Decoded<'_>) -> Option<usize> {
    match decoded {
        Decoded::Op { consumed, .. } => Some(consumed),
        Decoded::Incomplete { .. } => None,
    }
}

#[test]
fn line_feeds_end_control_lines_and_stray_carriage_returns_shorten_them() {
    assert_eq!(whole(b"PUB foo 2\nhi\r\n"), publish("foo", None, "hi"));
    assert_eq!(whole(b"SUB foo\r 12\r\n"), Op::Subscribe { subject: b"foo", queue: None, sid: b"12" });
    assert_eq!(whole(b"SUB foo\r 12\n"), Op::Subscribe { subject: b"foo", queue: None, sid: b"1" });
    assert_eq!(whole(b"SUB \nfoo 1\r\n"), Op::Subscribe { subject: b"foo", queue: None, sid: b"1" });
    assert_eq!(whole(b"PUB \nfoo 0\r\n\r\n"), publish("\nfoo", None, ""));
    assert_eq!(whole(b"CONNECT\n{}\n"), Op::Connect(b"\n{}"));
    assert_eq!(whole(b"-ERR 'x'\r\n"), Op::Err(b"'x'"));
}

#[test]
fn verbs_are_read_in_any_case() {
    assert_eq!(whole(b"pUb foo 2\r\nok\r\n"), publish("foo", None, "ok"));
    assert_eq!(whole(b"+ok\r\n"), Op::Ok);
    assert_eq!(whole(b"uNsUb 1\r\n"), Op::Unsubscribe { sid: b"1", max: None });
    assert_eq!(whole(b"iNfO {}\r\n"), Op::Info(b"{}"));
}

#[test]
fn a_missing_payload_names_its_size_at_once() {
    // Up to the first byte after the payload, which may already be wrong.
    assert_eq!(needed(b"PUB foo 100000\r\n"), 16 + 100_000 + 1);
    let mut input = b"PUB foo 100000\r\n".to_vec();
    input.resize(16 + 100_000, b'x');
    input.push(b'\r');
    assert_eq!(needed(&input), input.len() + 1);
}

/// The client is told of some errors only; the log of all.
#[test]
fn errors_speak_the_reference_s_words() {
    let cases: [(&[u8], Option<&str>, &str); 8] = [
        (b"PUB\r\n", Some("Unknown Protocol Operation"), r#"Client parser ERROR, i=3: proto='"\r"...'"#),
        (b"PUB foo -1\r\n", None, r#"processPub Bad or Missing Size: "foo -1""#),
        (b"PUB foo 1 2 3 4\r\n", None, r#"processPub Parse Error: "foo 1 2 3 4""#),
        (
            b"PUB foo 1048577\r\n",
            Some("Maximum Payload Violation"),
            "maximum payload exceeded: 1048577 vs 1048576",
        ),
        (b"SUB foo\r\n", None, r#"processSub Parse Error: "foo""#),
        (b"UNSUB \r\n", None, r#"processUnsub Parse Error: "\r""#),
        (b"HPUB foo 3 2\r\n", None, r#"processHeaderPub Header Size larger then TotalSize: "foo 3 2""#),
        (b"HPUB foo x 2\r\n", None, r#"processHeaderPub Bad or Missing Header Size: "foo x 2""#),
    ];
    for (input, client, log) in cases {
        let error = refused(input);
        assert_eq!(error.client_text(), client);
        assert_eq!(error.log_text(input), log);
    }
    let long = DecodeError::ControlLineExceeded { max: 1 };
    assert_eq!(long.client_text(), Some("maximum control line exceeded"));
    assert_eq!(long.log_text(b""), "maximum control line exceeded");
    assert_eq!(DecodeError::HeadersNotSupported.client_text(), None);
    assert_eq!(DecodeError::HeadersNotSupported.log_text(b""), "message headers not supported");
}

// go: server/split_test.go TestSplitBufferPubOp
// go: server/split_test.go TestSplitBufferPubOp2
// go: server/split_test.go TestSplitBufferPubOp3
// go: server/split_test.go TestSplitBufferPubOp4
// go: server/split_test.go TestSplitBufferPubOp5
#[test]
fn pub_may_come_in_any_pieces() {
    let input = b"PUB foo.bar INBOX.22 11\r\nhello world\r\n";
    assert_incomplete_until_whole(input, publish("foo.bar", Some("INBOX.22"), "hello world"));
    assert_incomplete_until_whole(
        b"PUB foo bar 11\r\nhello world\r\n",
        publish("foo", Some("bar"), "hello world"),
    );
    assert_incomplete_until_whole(b"PUB foo 11\r\nhello world\r\n", publish("foo", None, "hello world"));
}

// go: server/split_test.go TestSplitConnectArg
#[test]
fn connect_may_come_in_any_pieces() {
    let json = r#"{"verbose":false,"tls_required":false,"user":"test","pedantic":true,"pass":"pass"}"#;
    assert_incomplete_until_whole(format!("CONNECT {json}\r\n").as_bytes(), Op::Connect(json.as_bytes()));
}

#[test]
fn sub_and_unsub_may_come_in_any_pieces() {
    assert_incomplete_until_whole(
        b"SUB foo 1\r\n",
        Op::Subscribe { subject: b"foo", queue: None, sid: b"1" },
    );
    assert_incomplete_until_whole(b"UNSUB 1024\r\n", Op::Unsubscribe { sid: b"1024", max: None });
}
