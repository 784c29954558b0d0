//! Clients that do not read what they asked for.

use serde_json::Value;

use crate::web::{Client, Monitored};
use crate::{await_that, with_each_server};

const MEGABYTE: usize = 1024 * 1024;
/// More than a connection's sockets hold.
const TOO_MUCH: usize = 32 * MEGABYTE;

/// Publishes `bytes` to `foo` in messages of a megabyte each.
fn flood(publisher: &mut Client, bytes: usize) {
    let message = format!("PUB foo {MEGABYTE}\r\n{}\r\n", "x".repeat(MEGABYTE));
    (0..bytes / MEGABYTE).for_each(|_| publisher.say(&message));
    publisher.flush();
}

/// Waits until the log tells of `count` events in these words, and no more.
fn await_told(name: &str, server: &Monitored, words: &str, count: usize) {
    let told = await_that(name, || server.server.log().matches(words).count(), |told| *told >= count);
    assert_eq!(told, count, "{name}: {words} in {}", server.server.log());
}

fn reason(closed: &[Value]) -> &str {
    closed[0]["reason"].as_str().unwrap()
}

// go: server/client_test.go TestClientMaxPending
#[test]
fn a_backlog_may_be_allowed_beyond_two_gigabytes() {
    with_each_server("max_pending: 2147483648", |name, server| {
        let mut client = server.client("{\"verbose\":false}");
        client.tell("SUB foo 1\r\n");
        client.say("PUB foo 3\r\nmsg\r\n");
        assert_eq!(client.message(), ("MSG foo 1 3".to_owned(), b"msg".to_vec()), "{name}");
    });
}

// go: server/norace_1_test.go TestNoRaceWriteDeadline
// go: server/client_test.go TestClientSlowConsumerWithoutConnect
// go: server/client_test.go TestNoClientLeakOnSlowConsumer
#[test]
fn who_takes_nothing_until_the_deadline_is_closed_and_counted() {
    with_each_server("write_deadline: \"100ms\"", |name, server| {
        // It never said CONNECT, and is a client all the same.
        let mut slow = server.silent_client();
        slow.tell("SUB foo 1\r\n");
        let mut publisher = server.client("{\"verbose\":false}");
        flood(&mut publisher, TOO_MUCH);
        let closed = server.await_connections("state=closed", 1);
        assert_eq!(reason(&closed), "Slow Consumer (Write Deadline)", "{name}");
        assert_eq!(closed[0]["cid"], slow.id, "{name}");
        let varz = server.json("/varz");
        assert_eq!(varz["slow_consumers"], 1, "{name}");
        assert_eq!(varz["slow_consumer_stats"]["clients"], 1, "{name}");
        await_told(name, server, "Slow Consumer Detected: WriteDeadline of 100ms exceeded with ", 1);
        drop(publisher);
        server.await_connections("", 0);
    });
}

// go: server/client_test.go TestClientFlushOutboundWriteTimeoutPolicy
#[test]
fn who_took_something_is_tried_again_where_that_is_wanted() {
    for (policy, is_tried_again) in [("close", false), ("default", false), ("retry", true)] {
        let config = format!("write_deadline: \"300ms\", write_timeout: {policy}");
        with_each_server(&config, |name, server| {
            let mut slow = server.client("{\"verbose\":false}");
            slow.tell("SUB foo 1\r\n");
            let mut publisher = server.client("{\"verbose\":false}");
            flood(&mut publisher, TOO_MUCH);
            let closed = server.await_connections("state=closed", 1);
            assert_eq!(reason(&closed), "Slow Consumer (Write Deadline)", "{name}, {policy}");
            // However often its sockets took a little more before they took nothing at all.
            let counted = server.json("/varz")["slow_consumers"].as_u64().unwrap();
            assert_eq!(counted > 1, is_tried_again, "{name}, {policy}: {counted}");
            await_told(name, server, "Slow Consumer Detected: ", 1);
            await_told(name, server, "Slow Consumer State: ", usize::try_from(counted).unwrap() - 1);
        });
    }
}

#[test]
fn who_reads_on_after_being_late_gets_everything() {
    with_each_server("write_deadline: \"2s\", write_timeout: retry", |name, server| {
        let mut slow = server.client("{\"verbose\":false}");
        slow.tell("SUB foo 1\r\n");
        let mut publisher = server.client("{\"verbose\":false}");
        flood(&mut publisher, TOO_MUCH);
        await_told(name, server, "Slow Consumer Detected: ", 1);
        for _ in 0..TOO_MUCH / MEGABYTE {
            assert_eq!(slow.message().1.len(), MEGABYTE, "{name}");
        }
        slow.flush();
        await_told(name, server, "Slow Consumer Recovered: ", 1);
        assert_eq!(server.connections("").len(), 2, "{name}");
    });
}

// go: server/client_test.go TestClientFlushOutboundNoSlowConsumer
#[test]
fn a_backlog_within_its_bounds_is_delivered_however_large() {
    const PAYLOAD: usize = 16 * MEGABYTE;
    const MESSAGES: usize = 8;
    let config = "max_pending: 140MB, max_payload: 16MB, write_deadline: \"30s\"";
    with_each_server(config, |name, server| {
        let mut reader = server.client("{\"verbose\":false}");
        reader.tell("SUB test 1\r\n");
        let mut publisher = server.client("{\"verbose\":false}");
        let message = format!("PUB test {PAYLOAD}\r\n{}\r\n", "x".repeat(PAYLOAD));
        (0..MESSAGES).for_each(|_| publisher.say(&message));
        publisher.flush();
        let query = format!("cid={}", reader.id);
        let pending = || server.connections(&query)[0]["pending_bytes"].as_u64().unwrap();
        await_that("the backlog", pending, |pending| *pending > 64 * MEGABYTE as u64);
        for _ in 0..MESSAGES {
            let (head, payload) = reader.message();
            assert_eq!((head.as_str(), payload.len()), ("MSG test 1 16777216", PAYLOAD), "{name}");
        }
        reader.flush();
        assert_eq!(server.json("/varz")["slow_consumers"], 0, "{name}");
    });
}

#[test]
fn the_log_tells_of_a_backlog_that_grew_too_large() {
    with_each_server("max_pending: 2MB", |name, server| {
        let mut slow = server.client("{\"verbose\":false}");
        slow.tell("SUB foo 1\r\n");
        let mut publisher = server.client("{\"verbose\":false}");
        flood(&mut publisher, TOO_MUCH);
        let closed = server.await_connections("state=closed", 1);
        assert_eq!(reason(&closed), "Slow Consumer (Pending Bytes)", "{name}");
        await_told(name, server, " - Slow Consumer Detected: MaxPending of 2097152 Exceeded", 1);
    });
}

// go: server/norace_2_test.go TestNoRaceProducerStallLimits
#[test]
fn a_publisher_rests_for_one_that_is_behind_and_goes_on() {
    const STEP: usize = 256 * 1024;
    with_each_server("max_pending: 16MB", |name, server| {
        let mut slow = server.client("{\"verbose\":false,\"name\":\"slow\"}");
        slow.tell("SUB foo 1\r\n");
        let mut fast = server.client("{\"verbose\":false,\"name\":\"fast\"}");
        let message = format!("PUB foo {STEP}\r\n{}\r\n", "x".repeat(STEP));
        let stalls = |id: u64| server.connections(&format!("cid={id}"))[0]["stalls"].as_u64().unwrap_or(0);
        let mut sent = 0;
        // However much the sockets hold: it is behind before it is closed.
        while stalls(slow.id) == 0 {
            assert!(sent < 1024 * STEP, "{name}: nobody was asked to rest");
            fast.say(&message);
            fast.flush();
            sent += STEP;
        }
        assert!(server.json("/varz")["stalled_clients"].as_u64().unwrap() >= 1, "{name}");
        assert_eq!(stalls(fast.id), 0, "{name}: it is the reader that stalls others");
        // It is a rest and no end: what is sent now arrives, behind all that waited.
        fast.tell("PUB foo 5\r\nHELLO\r\n");
        for _ in 0..sent / STEP {
            assert_eq!(slow.message().1.len(), STEP, "{name}");
        }
        assert_eq!(slow.message(), ("MSG foo 1 5".to_owned(), b"HELLO".to_vec()), "{name}");
    });
}

#[test]
fn messages_pass_by_one_that_is_behind_where_nobody_may_rest() {
    const STEP: usize = 256 * 1024;
    const MESSAGES: usize = 128;
    let config = "max_pending: 8MB, write_deadline: \"60s\", no_fast_producer_stall: true";
    with_each_server(config, |name, server| {
        let mut slow = server.client("{\"verbose\":false}");
        slow.tell("SUB foo 1\r\n");
        let mut fast = server.client("{\"verbose\":false}");
        let filling = "x".repeat(STEP - "000".len());
        for number in 0..MESSAGES {
            fast.tell(&format!("PUB foo {STEP}\r\n{number:03}{filling}\r\n"));
        }
        slow.say("PING\r\n");
        let mut received = 0;
        loop {
            let head = slow.line();
            if head == "PONG\r\n" {
                break;
            }
            assert_eq!(head, format!("MSG foo 1 {STEP}\r\n"), "{name}");
            let number: usize = slow.line()[.."000".len()].parse().unwrap();
            // What it missed is missing for good, and nothing comes twice or late.
            assert!(number >= received, "{name}: {number} after {received}");
            received += 1;
        }
        assert!(received > 0 && received < MESSAGES, "{name}: {received}");
        fast.tell("PUB foo 5\r\nhello\r\n");
        assert_eq!(slow.message(), ("MSG foo 1 5".to_owned(), b"hello".to_vec()), "{name}");
        let varz = server.json("/varz");
        assert_eq!((&varz["slow_consumers"], &varz["stalled_clients"]), (&0.into(), &0.into()), "{name}");
    });
}
