//! What the trace log tells of messages.

use crate::await_that;
use crate::web::Monitored;

/// What the log tells of deliveries, once there are `count` lines of it.
fn deliveries(server: &Monitored, count: usize) -> Vec<String> {
    let look = || {
        let log = server.server.log();
        let told = |line: &str| Some(line.split_once(" - ->> ")?.1.to_owned());
        log.lines().filter_map(told).filter(|text| text.contains("MSG")).collect::<Vec<_>>()
    };
    await_that("lines of the log", look, |lines| lines.len() >= count)
}

// go: server/client_test.go TestTraceMsgDelivery
#[test]
fn what_is_delivered_is_traced_with_its_headers_and_its_body() {
    let told = |server: &Monitored| {
        let connect = "{\"verbose\":false,\"headers\":true}";
        let (mut serving, mut asking) = (server.client(connect), server.client(connect));
        serving.tell("SUB foo 1\r\nSUB bar 2\r\n");
        asking.tell("SUB inbox 7\r\n");
        asking.say("HPUB foo inbox 20 32\r\nNATS/1.0\r\nA: A:1\r\n\r\nHello Traced\r\n");
        serving.message();
        serving.say("HPUB inbox 18 27\r\nNATS/1.0\r\nB: 2\r\n\r\nHi Traced\r\n");
        asking.message();
        asking.say("PUB bar inbox 0\r\n\r\n");
        serving.message();
        serving.say("PUB inbox 14\r\nPlain Response\r\n");
        asking.message();
        deliveries(server, 7)
    };
    let config = "trace: true, logtime: false";
    let reference = told(&Monitored::reference(config));
    assert_eq!(
        reference,
        [
            "[HMSG foo 1 inbox 20 32]",
            r#"MSG_PAYLOAD: ["NATS/1.0\r\nA: A:1\r\n\r\nHello Traced"]"#,
            "[HMSG inbox 7 18 27]",
            r#"MSG_PAYLOAD: ["NATS/1.0\r\nB: 2\r\n\r\nHi Traced"]"#,
            "[MSG bar 2 inbox 0]",
            "[MSG inbox 7 14]",
            r#"MSG_PAYLOAD: ["Plain Response"]"#,
        ]
    );
    for shards in [1, 2] {
        assert_eq!(told(&Monitored::natrium(shards, config)), reference, "{shards} shards");
    }
}

#[test]
fn subscriptions_that_end_are_traced() {
    let told = |server: &Monitored| {
        let mut client = server.client("{\"verbose\":false}");
        client.tell("SUB foo 1\r\nUNSUB 1 2\r\nSUB bar q 2\r\n");
        client.say("PUB foo 1\r\na\r\nPUB foo 1\r\nb\r\n");
        client.message();
        client.message();
        client.tell("UNSUB 2\r\nUNSUB 7\r\nSUB baz 3\r\n");
        drop(client);
        let ends = |text: &&str| text.contains("DELSUB") || text.contains("Auto-unsubscribe");
        let look = || {
            let log = server.server.log();
            let texts = log.lines().filter_map(|line| line.split_once(" - cid:")?.1.split_once(" - "));
            texts.map(|(_, text)| text).filter(ends).map(str::to_owned).collect::<Vec<_>>()
        };
        await_that("lines of the log", look, |lines| lines.len() >= 4)
    };
    let config = "debug: true, trace: true";
    let reference = told(&Monitored::reference(config));
    assert_eq!(
        reference,
        [
            "Auto-unsubscribe limit of 2 reached for sid '1'",
            "<-> [DELSUB 1]",
            "<-> [DELSUB 2]",
            "<-> [DELSUB 3]"
        ]
    );
    for shards in [1, 2] {
        assert_eq!(told(&Monitored::natrium(shards, config)), reference, "{shards} shards");
    }
}
