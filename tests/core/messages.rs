//! From one publisher to its subscribers.

use std::thread;

use crate::web::Monitored;
use crate::with_each_server;

// go: test/proto_test.go TestProtoBasics
#[test]
fn each_subscription_gets_its_own() {
    with_each_server("", |name, server| {
        let mut client = server.client("{\"verbose\":false}");
        client.tell("");
        client.say("SUB foo 1\r\nPUB foo 5\r\nhello\r\n");
        assert_eq!(client.message(), ("MSG foo 1 5".to_owned(), b"hello".to_vec()), "{name}");
        client.say("SUB * 2\r\nPUB foo 2\r\nok\r\n");
        let mut both = [client.message(), client.message()];
        both.sort();
        let expected = ["MSG foo 1 2", "MSG foo 2 2"].map(|head| (head.to_owned(), b"ok".to_vec()));
        assert_eq!(both, expected, "{name}");
    });
}

// go: server/client_test.go TestUnsubRace
#[test]
fn unsubscribing_while_messages_come_ends_them() {
    const MESSAGES: usize = 10_000;
    with_each_server("", |name, server| {
        let mut subscriber = server.client("{\"verbose\":false}");
        let mut publisher = server.client("{\"verbose\":false}");
        subscriber.tell("SUB foo 1\r\n");
        let publishing = thread::spawn(move || {
            for number in 0..MESSAGES {
                publisher.say(&format!("PUB foo 5\r\n{number:05}\r\n"));
            }
            publisher.flush();
        });
        assert_eq!(subscriber.message().1, b"00000", "{name}");
        subscriber.say("UNSUB 1\r\nPING\r\n");
        let mut next = 1;
        loop {
            let line = subscriber.line();
            if line == "PONG\r\n" {
                break;
            }
            assert_eq!(line, "MSG foo 1 5\r\n", "{name}");
            assert_eq!(subscriber.line(), format!("{next:05}\r\n"), "{name}");
            next += 1;
        }
        publishing.join().unwrap();
        // Nothing is on its way any more.
        subscriber.say("PING\r\n");
        assert_eq!(subscriber.line(), "PONG\r\n", "{name}");
        let shown = &server.connections(&format!("cid={}", subscriber.id))[0];
        assert_eq!(shown["subscriptions"], 0, "{name}");
    });
}

// go: server/client_test.go TestClientTraceRace
#[test]
fn tracing_everything_loses_nothing() {
    const MESSAGES: usize = 5_000;
    for shards in [1, 2] {
        let server = Monitored::natrium(shards, "trace: true");
        let mut subscriber = server.client("{\"verbose\":false}");
        subscriber.tell("SUB foo 1\r\n");
        thread::scope(|scope| {
            for subject in ["foo", "bar", "baz"] {
                let mut publisher = server.client("{\"verbose\":false}");
                let message = format!("PUB {subject} 5\r\nhello\r\n");
                scope.spawn(move || {
                    (0..MESSAGES).for_each(|_| publisher.say(&message));
                    publisher.flush();
                });
            }
            for _ in 0..MESSAGES {
                assert_eq!(subscriber.message(), ("MSG foo 1 5".to_owned(), b"hello".to_vec()));
            }
        });
    }
}
