//! Users that prove a key, at the client's port: each test is played to the reference and to natrium with 1 and 2 shards.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use natrium_tests::server::{Launch, Server};
use natrium_tests::wire::Connection;
use nkeys::KeyPair;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(10);

/// Calls `test` with each server, started with this configuration.
fn with_each_server(config: &str, test: impl Fn(&str, &Server)) {
    for (name, mut launch) in Launch::each().unwrap() {
        launch.config = config.to_owned();
        let server = launch.start().unwrap_or_else(|error| panic!("{name}: {error}"));
        test(name, &server);
    }
}

/// A connection and the challenge it was greeted with.
fn open(server: &Server) -> (Connection, Option<String>) {
    let mut connection = Connection::open(server.client_address(), PATIENCE).unwrap();
    let info = connection.line().unwrap().unwrap();
    let info: Value = serde_json::from_slice(info.strip_prefix(b"INFO ").unwrap()).unwrap();
    let nonce = info.get("nonce").map(|nonce| nonce.as_str().unwrap().to_owned());
    (connection, nonce)
}

/// The first answer to these members of a CONNECT, and to a PING behind it.
fn answer(connection: &mut Connection, members: &str) -> String {
    let said = format!("CONNECT {{{members}\"verbose\":true,\"pedantic\":true}}\r\nPING\r\n");
    connection.send(said.as_bytes()).unwrap();
    String::from_utf8(connection.line().unwrap().unwrap().to_vec()).unwrap()
}

fn signed(key: &KeyPair, nonce: &str) -> String {
    let signature = URL_SAFE_NO_PAD.encode(key.sign(nonce.as_bytes()).unwrap());
    format!("\"nkey\":\"{}\",\"sig\":\"{signature}\",", key.public_key())
}

const REFUSED: &str = "-ERR 'Authorization Violation'\r\n";

// go: server/nkey_test.go TestServerInfoNonce
#[test]
fn each_client_gets_a_challenge_of_its_own_where_users_have_keys() {
    with_each_server("", |name, server| assert_eq!(open(server).1, None, "{name}"));
    let config = format!("authorization {{ users = [{{nkey: {}}}] }}", KeyPair::new_user().public_key());
    with_each_server(&config, |name, server| {
        let (_first, first) = open(server);
        let (_second, second) = open(server);
        assert!(first.as_ref().is_some_and(|nonce| !nonce.is_empty()), "{name}");
        assert!(second.as_ref().is_some_and(|nonce| !nonce.is_empty()), "{name}");
        assert_ne!(first, second, "{name}");
    });
}

// go: server/nkey_test.go TestNkeyClientConnect
#[test]
fn a_key_is_proved_by_its_signature_of_the_challenge() {
    let key = KeyPair::new_user();
    let public = key.public_key();
    with_each_server(&format!("authorization {{ users = [{{nkey: {public}}}] }}"), |name, server| {
        let bad = format!("\"nkey\":\"{public}\",\"sig\":\"bad_sig\",");
        for members in ["", &format!("\"nkey\":\"{public}\","), &bad] {
            let (mut connection, _) = open(server);
            assert_eq!(answer(&mut connection, members), REFUSED, "{name}: {members}");
            assert_eq!(connection.closed().unwrap(), b"", "{name}: {members}");
        }
        let (mut connection, nonce) = open(server);
        assert_eq!(answer(&mut connection, &signed(&key, &nonce.unwrap())), "+OK\r\n", "{name}");
        assert_eq!(connection.line().unwrap(), Some(&b"PONG\r\n"[..]), "{name}");
        // The challenge of another connection proves nothing.
        let ((mut connection, _), (_other, nonce)) = (open(server), open(server));
        assert_eq!(answer(&mut connection, &signed(&key, &nonce.unwrap())), REFUSED, "{name}");
    });
}

// go: server/nkey_test.go TestMixedClientConnect
#[test]
fn users_with_keys_and_users_with_passwords_share_a_server() {
    let key = KeyPair::new_user();
    let config = format!(
        "authorization {{ users = [{{nkey: {}}}, {{user: derek, password: foo}}] }}",
        key.public_key()
    );
    with_each_server(&config, |name, server| {
        let (mut connection, _) = open(server);
        assert_eq!(answer(&mut connection, "\"user\":\"derek\",\"pass\":\"foo\","), "+OK\r\n", "{name}");
        let (mut connection, nonce) = open(server);
        assert_eq!(answer(&mut connection, &signed(&key, &nonce.unwrap())), "+OK\r\n", "{name}");
        let (mut connection, _) = open(server);
        assert_eq!(answer(&mut connection, "\"user\":\"derek\",\"pass\":\"bar\","), REFUSED, "{name}");
    });
}

// go: server/client_test.go TestClientUserInfo
#[test]
fn the_log_tells_who_was_refused_and_no_secret() {
    let key = KeyPair::new_user().public_key();
    let config = format!("authorization {{ users = [{{nkey: {key}}}, {{user: derek, password: foo}}] }}");
    let cases = [
        (format!("\"nkey\":\"{key}\",\"sig\":\"bad_sig\","), format!(" - Nkey \"{key}\"")),
        ("\"user\":\"foo\",\"pass\":\"s3cr3t!\",".to_owned(), " - User \"foo\"".to_owned()),
        // Who says nothing is nobody.
        (String::new(), String::new()),
        ("\"auth_token\":\"s3cr3t!\",".to_owned(), " - Token \"[REDACTED]\"".to_owned()),
    ];
    with_each_server(&config, |name, server| {
        for (said, _) in &cases {
            let (mut connection, _) = open(server);
            assert_eq!(answer(&mut connection, said), REFUSED, "{name}: {said}");
            assert_eq!(connection.closed().unwrap(), b"", "{name}: {said}");
        }
        let deadline = Instant::now() + PATIENCE;
        let told = loop {
            let log = server.log();
            let texts = log.lines().filter_map(|line| line.split_once(" - authentication error"));
            let told: Vec<String> = texts.map(|(_, text)| text.to_owned()).collect();
            if told.len() >= cases.len() {
                break told;
            }
            assert!(Instant::now() < deadline, "{name}: {log}");
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut expected: Vec<&str> = cases.iter().map(|(_, told)| told.as_str()).collect();
        let mut told: Vec<&str> = told.iter().map(String::as_str).collect();
        // Two shards write at the same time.
        expected.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, expected, "{name}");
        assert!(!server.log().contains("s3cr3t!"), "{name}");
    });
}
