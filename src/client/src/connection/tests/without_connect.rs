//! Who speaks before CONNECT is the user that stands for such clients, if that one may come this way.

use natrium_account::ConnectionType;
use natrium_config::options::auth::{AuthOptions, UserOptions};

use super::fixture::{guarded, user};
use super::*;

const WAYS: [ConnectionType; 2] = [ConnectionType::Standard, ConnectionType::Websocket];

/// What a client of each of [`WAYS`] hears to the PING it begins with.
fn answers(restricted: impl Fn(UserOptions) -> UserOptions) -> Vec<String> {
    let auth = AuthOptions {
        users: vec![restricted(user("foo", "p"))],
        no_auth_user: Some("foo".into()),
        ..AuthOptions::default()
    };
    let answer = |way: &ConnectionType| {
        let mut client = guarded(&auth);
        client.host.connection_type = *way;
        let flow = client.send("PING\r\n");
        let answer = client.answer();
        assert_eq!(matches!(flow, Flow::Close(_)), answer.starts_with("-ERR"), "{flow:?} after {answer}");
        answer
    };
    WAYS.iter().map(answer).collect()
}

// go: server/parser_test.go TestParsePingNoAuthUserEnforcesUserRestrictions
#[test]
fn the_users_own_restrictions_hold() {
    const REFUSED: &str = "-ERR 'Authorization Violation'\r\n";
    assert_eq!(answers(|user| user), ["PONG\r\n", "PONG\r\n"]);
    let only_websocket =
        |user| UserOptions { allowed_connection_types: vec!["WEBSOCKET".to_owned()], ..user };
    assert_eq!(answers(only_websocket), [REFUSED, "PONG\r\n"]);
    let behind_proxy = |user| UserOptions { proxy_required: true, ..user };
    assert_eq!(answers(behind_proxy), [REFUSED, REFUSED]);
}
