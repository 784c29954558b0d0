use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use natrium_config::options::auth::{AccountOptions, AuthOptions, Credential, UserOptions};
use natrium_wire::Info;
use nkeys::KeyPair;

use super::fixture::{TestClient, guarded, settings, user};
use super::*;

/// Of `foo`.
const HASH_OF_FOO: &str = "$2a$04$P/.bd.7unw9Ew7yWJqXsl.f4oNRLQGvadEL2YnqQXbbb.IVQajRdK";
const VIOLATION: &str = "-ERR 'Authorization Violation'\r\n";

fn info(line: &str) -> Info {
    Info::read(line.strip_prefix("INFO ").unwrap().as_bytes()).unwrap()
}

fn token() -> AuthOptions {
    AuthOptions { token: Some("t".into()), ..AuthOptions::default() }
}

fn with_no_auth_user() -> AuthOptions {
    AuthOptions { users: vec![user("u", "p")], no_auth_user: Some("u".into()), ..AuthOptions::default() }
}

#[test]
fn the_first_info_tells_a_client_who_it_is() {
    let mut client = TestClient::new();
    client.connection.greet(&mut client.host);
    let greeting = info(&client.answer());
    let expected =
        Info { client_id: 7, client_ip: "127.0.0.1".into(), nonce: "NONCE".into(), ..settings().info };
    assert_eq!(greeting, expected);
}

// go: server/client_test.go TestClientAuthRequiredNoAuthUser
#[test]
fn the_first_info_asks_for_credentials_where_they_are_needed() {
    assert!(guarded(&token()).connection.greeting().auth_required);
    assert!(!guarded(&with_no_auth_user()).connection.greeting().auth_required);
    assert!(!TestClient::new().connection.greeting().auth_required);
}

#[test]
fn the_address_of_a_proxy_is_not_told() {
    let behind_proxy = ClientSettings { proxy_protocol: true, ..settings() };
    let client = TestClient::with(behind_proxy, &AuthOptions::default());
    assert_eq!(client.connection.greeting().client_ip, "");
}

// go: server/client_test.go TestClientConnect
// go: server/client_test.go TestClientConnectProto
#[test]
fn connect_is_read_member_by_member() {
    let cases = [
        (
            r#"{"verbose":true,"pedantic":true,"tls_required":false,"echo":false}"#,
            ConnectOptions { echo: false, ..ConnectOptions::default() },
        ),
        (
            r#"{"user":"derek","pass":"foo"}"#,
            ConnectOptions { user: "derek".into(), pass: "foo".into(), ..ConnectOptions::default() },
        ),
        (
            r#"{"user":"derek","pass":"foo","name":"router"}"#,
            ConnectOptions {
                user: "derek".into(),
                pass: "foo".into(),
                name: "router".into(),
                ..ConnectOptions::default()
            },
        ),
        (
            r#"{"auth_token":"YZZ222","name":"router"}"#,
            ConnectOptions {
                auth_token: "YZZ222".into(),
                name: "router".into(),
                ..ConnectOptions::default()
            },
        ),
        (r#"{"verbose":true,"pedantic":true,"tls_required":false}"#, ConnectOptions::default()),
        (
            r#"{"verbose":true,"pedantic":true,"tls_required":false,"protocol":1}"#,
            ConnectOptions { protocol: 1, ..ConnectOptions::default() },
        ),
    ];
    for (json, expected) in cases {
        let mut client = TestClient::new();
        assert_eq!(client.ask(&format!("CONNECT {json}\r\n")), "+OK\r\n");
        assert_eq!(*client.connection.options(), expected, "{json}");
    }
    let (reason, answer) = TestClient::new().fail("CONNECT {\"protocol\":22}\r\n");
    assert_eq!(reason, CloseReason::BadClientProtocolVersion);
    assert_eq!(answer, "-ERR 'invalid client protocol'\r\n");
}

#[test]
fn a_connect_that_is_no_json_object_closes_without_a_word() {
    for json in ["", "[]", "{\"verbose\":1}", "x"] {
        let failed = TestClient::new().fail(&format!("CONNECT {json}\r\nPING\r\n"));
        assert_eq!(failed, (CloseReason::ProtocolViolation, String::new()), "{json}");
    }
}

#[test]
fn no_responders_needs_headers() {
    for (headers, json) in
        [(true, r#"{"no_responders":true}"#), (false, r#"{"no_responders":true,"headers":true}"#)]
    {
        let mut client = TestClient::with(ClientSettings { headers, ..settings() }, &AuthOptions::default());
        let (reason, answer) = client.fail(&format!("CONNECT {json}\r\n"));
        assert_eq!(reason, CloseReason::NoRespondersRequiresHeaders);
        assert_eq!(answer, "-ERR 'no responders requires headers support'\r\n");
    }
    let mut client = TestClient::new();
    assert_eq!(client.ask("CONNECT {\"no_responders\":true,\"headers\":true}\r\n"), "+OK\r\n");
    assert_eq!(client.calls(), [r#"bind $G "" echo=true headers=true no_responders=true"#]);
}

#[test]
fn naming_an_account_is_a_violation() {
    for member in [r#""account":"x""#, r#""new_account":true"#] {
        let mut client = guarded(&token());
        let failed = client.fail(&format!("CONNECT {{\"auth_token\":\"t\",{member}}}\r\n"));
        assert_eq!(failed, (CloseReason::AuthenticationViolation, VIOLATION.to_owned()));
        // The violation is found before what else is wrong.
        let failed = TestClient::new().fail(&format!("CONNECT {{\"protocol\":9,{member}}}\r\n"));
        assert_eq!(failed, (CloseReason::AuthenticationViolation, VIOLATION.to_owned()));
    }
}

#[test]
fn who_is_known_is_let_in_and_who_is_not_is_refused() {
    let mut client = guarded(&token());
    assert_eq!(client.ask("CONNECT {\"auth_token\":\"t\",\"echo\":false}\r\nPING\r\n"), "+OK\r\nPONG\r\n");
    assert_eq!(client.connection.user().map(|user| &**user), Some("[REDACTED]"));
    assert_eq!(
        client.calls(),
        [r#"bind $G "[REDACTED]" echo=false headers=false no_responders=false"#, "barrier"]
    );
    for json in ["{}", r#"{"auth_token":"x"}"#] {
        let mut client = guarded(&token());
        let failed = client.fail(&format!("CONNECT {json}\r\nPING\r\n"));
        assert_eq!(failed, (CloseReason::AuthenticationViolation, VIOLATION.to_owned()));
        assert_eq!(client.calls(), [""; 0]);
    }
}

#[test]
fn speaking_before_connect_is_a_violation() {
    for input in ["PING\r\n", "P", "x", "SUB a 1\r\n", " CONNECT {}\r\n"] {
        let failed = guarded(&token()).fail(input);
        assert_eq!(failed, (CloseReason::AuthenticationViolation, VIOLATION.to_owned()), "{input}");
    }
}

// go: server/client_test.go TestAuthorizationTimeout
#[test]
fn a_client_that_does_not_say_who_it_is_is_sent_away() {
    for auth in [token(), with_no_auth_user()] {
        let mut client = guarded(&auth);
        assert_eq!(client.send("CONNECT {\"auth_"), Flow::Read { needed: 16 });
        let timeout = settings().auth_timeout;
        assert_eq!(client.connection.poll_timeout(), client.now + timeout);
        assert_eq!(client.wait(timeout / 2), Ok(()));
        assert_eq!(client.wait(timeout / 2), Err(CloseReason::AuthenticationTimeout));
        assert_eq!(client.answer(), "-ERR 'Authentication Timeout'\r\n");
    }
}

#[test]
fn once_connected_there_is_no_hurry() {
    let mut client = guarded(&token());
    client.ask("CONNECT {\"auth_token\":\"t\"}\r\n");
    assert_eq!(client.wait(settings().auth_timeout * 2), Ok(()));
}

#[test]
fn the_time_to_authenticate_begins_after_tls() {
    let mut client = guarded(&token());
    client.now += settings().auth_timeout / 2;
    client.connection.tls_established(None, client.now);
    assert_eq!(client.connection.poll_timeout(), client.now + settings().auth_timeout);
}

#[test]
fn a_hashed_password_is_checked_while_the_input_waits() {
    let auth = AuthOptions { users: vec![user("u", HASH_OF_FOO)], ..AuthOptions::default() };
    let mut client = guarded(&auth);
    let flow = client.send("CONNECT {\"user\":\"u\",\"pass\":\"foo\"}\r\nPING\r\n");
    assert_eq!(flow, Flow::Paused(Pause::Authenticating));
    assert_eq!(client.send("SUB a 1\r\n"), Flow::Paused(Pause::Authenticating));
    assert_eq!(client.answer(), "");
    assert_eq!(client.wait(settings().auth_timeout * 2), Ok(()), "the check may take its time");
    assert_eq!(client.answer(), "PING\r\n");
    assert_eq!(client.verify(), Ok(()));
    assert_eq!(client.ask(""), "+OK\r\nPONG\r\n+OK\r\n");

    let mut client = guarded(&auth);
    let _ = client.send("CONNECT {\"user\":\"u\",\"pass\":\"bar\"}\r\nPING\r\n");
    assert_eq!(client.verify(), Err(CloseReason::AuthenticationViolation));
    assert_eq!(client.answer(), VIOLATION);
}

#[test]
fn who_presents_nothing_may_have_a_user() {
    let mut client = guarded(&with_no_auth_user());
    assert_eq!(client.ask("PING\r\nSUB a 1\r\n"), "PONG\r\n+OK\r\n");
    assert_eq!(
        client.calls(),
        [r#"bind $G "u" echo=true headers=false no_responders=false"#, "barrier", "subscribe a 1"]
    );
    // It counts as connected: this CONNECT is a second one, and its PING not the first.
    assert_eq!(client.ask("CONNECT {\"protocol\":1}\r\nPING\r\n"), "+OK\r\nPONG\r\n");
    assert_eq!(client.calls()[0], "unsubscribe all");
}

#[test]
fn who_presents_nothing_learns_later_that_it_could_have() {
    let mut client = guarded(&with_no_auth_user());
    let answer = client.ask("CONNECT {\"protocol\":1,\"verbose\":false}\r\nPING\r\n");
    assert!(info(answer.strip_prefix("PONG\r\n").unwrap()).auth_required);
}

#[test]
fn a_user_for_everybody_may_not_come_this_way() {
    let elsewhere = |change: fn(&mut natrium_config::options::auth::UserOptions)| {
        let mut auth = with_no_auth_user();
        change(&mut auth.users[0]);
        guarded(&auth).fail("PING\r\n")
    };
    let refused = (CloseReason::AuthenticationViolation, VIOLATION.to_owned());
    assert_eq!(elsewhere(|user| user.allowed_connection_types = vec!["WEBSOCKET".into()]), refused);
    let proxied = elsewhere(|user| user.proxy_required = true);
    assert_eq!(proxied.1, VIOLATION);
}

// go: server/client_test.go TestClientRepeatConnectSwitchesAccountAndCleansOldSubs
#[test]
fn a_second_connect_drops_subscriptions_and_moves_the_connection() {
    let account = |name: &str, user_name: &str| AccountOptions {
        name: name.into(),
        users: vec![user(user_name, "p")],
        ..AccountOptions::default()
    };
    let auth = AuthOptions { accounts: vec![account("A", "a"), account("B", "b")], ..AuthOptions::default() };
    for (second, bound) in [("b", "B"), ("a", "A")] {
        let mut client = guarded(&auth);
        client.ask("CONNECT {\"verbose\":false,\"user\":\"a\",\"pass\":\"p\"}\r\nSUB foo 1\r\n");
        client.calls();
        assert_eq!(client.ask(&format!("CONNECT {{\"user\":\"{second}\"}}\r\nPING\r\n")), "PONG\r\n");
        let bind = format!("bind {bound} \"{second}\" echo=true headers=false no_responders=false");
        assert_eq!(client.calls(), ["unsubscribe all", &bind, "barrier"]);
        assert_eq!(client.host.subscription_count(), 0);
    }
    let mut client = guarded(&auth);
    client.ask("CONNECT {\"user\":\"a\",\"pass\":\"p\"}\r\n");
    assert_eq!(
        client.fail("CONNECT {\"pass\":\"x\"}\r\n"),
        (CloseReason::AuthenticationViolation, VIOLATION.to_owned())
    );
}

#[test]
fn a_first_connect_keeps_what_was_subscribed_before() {
    let mut client = TestClient::new();
    client.ask("SUB a 1\r\nCONNECT {}\r\n");
    assert_eq!(client.host.subscription_count(), 1);
}

#[test]
fn after_the_first_pong_a_client_learns_where_it_is() {
    let mut client = TestClient::new();
    assert_eq!(client.ask("PING\r\nCONNECT {\"protocol\":1,\"verbose\":false}\r\n"), "PONG\r\n");
    let answer = client.ask("PING\r\n");
    let told = info(answer.strip_prefix("PONG\r\n").unwrap());
    let expected = Info {
        client_id: 7,
        client_ip: "127.0.0.1".into(),
        connect_info: true,
        remote_account: "$G".into(),
        ..settings().info
    };
    assert_eq!(told, expected);
    assert_eq!(client.ask("PING\r\n"), "PONG\r\n");
}

// go: test/client_auth_test.go TestClientConnectInfo
#[test]
fn the_account_is_told_and_whether_it_is_the_systems() {
    let account = |name: &str, user_name: &str| AccountOptions {
        name: name.into(),
        users: vec![user(user_name, "pwd")],
        ..AccountOptions::default()
    };
    let accounts = vec![account("SYS", "sys"), account("A", "a"), account("B", "b")];
    for system_account in [None, Some("SYS".to_owned())] {
        let has_system = system_account.is_some();
        let auth = AuthOptions { accounts: accounts.clone(), system_account, ..AuthOptions::default() };
        for (name, expected, is_system) in [("a", "A", false), ("b", "B", false), ("sys", "SYS", has_system)]
        {
            let connect = |protocol: u8| {
                let json = format!(
                    r#"{{"user":"{name}","pass":"pwd","pedantic":false,"verbose":false,"protocol":{protocol}}}"#
                );
                guarded(&auth).ask(&format!("CONNECT {json}\r\nPING\r\n"))
            };
            assert_eq!(connect(0), "PONG\r\n");
            let told = info(connect(1).strip_prefix("PONG\r\n").unwrap());
            assert!(told.connect_info);
            assert_eq!((told.remote_account.as_str(), told.acc_is_sys), (expected, is_system));
        }
    }
}

#[test]
fn news_goes_to_those_who_take_it() {
    let lame_duck = Info { ldm: true, ..settings().info };
    let mut old = TestClient::connected(settings(), "{}");
    old.ask("PING\r\n");
    old.connection.push_info(&lame_duck, &mut old.host);
    assert_eq!(old.answer(), "");

    let mut client = TestClient::connected(settings(), r#"{"protocol":1}"#);
    client.connection.push_info(&lame_duck, &mut client.host);
    assert_eq!(client.answer(), "", "not before the first PONG");
    client.ask("PING\r\n");
    client.connection.push_info(&lame_duck, &mut client.host);
    let told = info(&client.answer());
    assert!(told.ldm && !told.connect_info);
    assert_eq!(told.client_id, 7);
}

// go: server/client_test.go TestConnectionStringWithLogConnectionInfo
#[test]
fn the_log_name_is_what_the_first_connect_said() {
    let mut client = TestClient::new();
    assert_eq!(client.connection.log_name().to_string(), "127.0.0.1:4000 - cid:7");
    for name in ["test-client", "test-client", "test-client:new"] {
        client.ask(&format!("CONNECT {{\"version\":\"1.0.0\",\"lang\":\"go\",\"name\":\"{name}\"}}\r\n"));
        let expected = r#"127.0.0.1:4000 - cid:7 - "v1.0.0:go:test-client""#;
        assert_eq!(client.connection.log_name().to_string(), expected);
        assert_eq!(client.connection.identity().name, name);
    }
}

// go: server/client_test.go TestLogConnectionAuthInfo
#[test]
fn the_log_name_tells_how_a_client_proved_who_it_is() {
    let key = KeyPair::new_user();
    let nkey = UserOptions { credential: Credential::Nkey(key.public_key()), ..user("", "") };
    let signature = URL_SAFE_NO_PAD.encode(key.sign(b"NONCE").unwrap());
    let users = |user| AuthOptions { users: vec![user], ..AuthOptions::default() };
    let single = AuthOptions { user: Some("u".into()), password: Some("p".into()), ..AuthOptions::default() };
    let cases = [
        (single.clone(), r#"{"user":"u","pass":"p"}"#.to_owned(), r#" - "$G/user:u""#.to_owned()),
        (token(), r#"{"auth_token":"t"}"#.to_owned(), r#" - "$G/token""#.to_owned()),
        (
            users(nkey),
            format!(r#"{{"nkey":"{}","sig":"{signature}"}}"#, key.public_key()),
            format!(r#" - "$G/nkey:{}""#, key.public_key()),
        ),
        (
            single,
            r#"{"user":"u","pass":"p","version":"1.0.0","lang":"go","name":"n"}"#.to_owned(),
            r#" - "v1.0.0:go:n" - "$G/user:u""#.to_owned(),
        ),
        (with_no_auth_user(), "{}".to_owned(), r#" - "$G/user:u""#.to_owned()),
    ];
    for (auth, json, suffix) in cases {
        let mut client = guarded(&auth);
        client.ask(&format!("CONNECT {json}\r\n"));
        assert_eq!(client.connection.log_name().to_string(), format!("127.0.0.1:4000 - cid:7{suffix}"));
    }
    let mut open = TestClient::new();
    open.ask("CONNECT {}\r\n");
    assert_eq!(open.connection.log_name().to_string(), "127.0.0.1:4000 - cid:7");
}
