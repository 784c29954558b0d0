//! From the text of a configuration to what its users may do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{io, path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use natrium_account::{
    Accounts, Authenticator, ConnectionType, ConnectionTypes, Decision, Permissions, Presented,
    SubscribeDecision,
};
use natrium_config::{
    file,
    language::Surroundings,
    options::auth::{AuthOptions, ResponsePermissionOptions},
};
use nkeys::KeyPair;

/// A file of this text.
struct Text(String);

impl Surroundings for Text {
    fn read(&self, _path: &Path) -> io::Result<String> {
        Ok(self.0.clone())
    }

    fn variable(&self, _name: &str) -> Option<String> {
        None
    }
}

fn auth(text: &str) -> AuthOptions {
    file::load(Path::new("x.conf"), &Text(text.to_owned())).unwrap().options.auth
}

fn authenticator(options: &AuthOptions) -> Authenticator {
    let accounts = Accounts::from_options(options).unwrap();
    Authenticator::new(options, &accounts, ConnectionTypes::default()).unwrap()
}

/// What the user called `user` may do; all passwords are `p`.
fn permissions(authenticator: &Authenticator, user: &str) -> Arc<Permissions> {
    granted(authenticator, &Presented { user, pass: "p", ..Presented::nothing(ConnectionType::Standard) })
}

/// What the user with this key may do.
fn permissions_of_key(authenticator: &Authenticator, key: &KeyPair) -> Arc<Permissions> {
    let (nkey, sig) = (key.public_key(), URL_SAFE_NO_PAD.encode(key.sign(NONCE).unwrap()));
    granted(
        authenticator,
        &Presented { nkey: &nkey, sig: &sig, ..Presented::nothing(ConnectionType::Standard) },
    )
}

fn granted(authenticator: &Authenticator, presented: &Presented<'_>) -> Arc<Permissions> {
    match authenticator.authenticate(presented, NONCE) {
        Decision::Granted(grant) => {
            grant.permissions.unwrap_or_else(|| panic!("{presented:?} may do anything"))
        }
        other @ (Decision::Denied(_) | Decision::NeedsPasswordHash(_)) => panic!("{presented:?}: {other:?}"),
    }
}

const NONCE: &[u8] = b"PXoWU7zWAMt75FY";

fn publishes(permissions: &Permissions, subject: &str) -> bool {
    permissions.publish_allowed(subject.as_bytes())
}

fn subscribes(permissions: &Permissions, filter: &str) -> bool {
    permissions.subscribe_allowed(filter.as_bytes(), None) == SubscribeDecision::Allowed
}

// go: server/opts_test.go TestAuthorizationConfig
#[test]
fn roles_and_defaults_come_to_permissions() {
    let options = auth(
        r#"authorization {
            everything = { publish = "*", subscribe = ">" }
            requestor = { publish = ["req.foo", "req.bar"], subscribe = "_INBOX.>" }
            anybody = { subscribe = "PUBLIC.>" }
            service = { subscribe = "my.service.req", publish_allow_responses: true }
            stream_service = { subscribe = "my.service.req", allow_responses: {max: 10, expires: "1m"} }
            default_permissions: $anybody
            users = [
                {user: alice, password: p, permissions: $everything}
                {user: bob, password: p, permissions: $requestor}
                {user: susan, password: p}
                {user: svca, password: p, permissions: $service}
                {user: svcb, password: p, permissions: $stream_service}
            ]
        }"#,
    );
    assert_eq!(options.users.len(), 5);
    let authenticator = authenticator(&options);
    let of = |user| permissions(&authenticator, user);

    let alice = of("alice");
    assert!(publishes(&alice, "a") && !publishes(&alice, "a.b"));
    assert!(subscribes(&alice, "a.b.c") && subscribes(&alice, ">"));

    let bob = of("bob");
    assert!(publishes(&bob, "req.foo") && publishes(&bob, "req.bar") && !publishes(&bob, "req.baz"));
    assert!(subscribes(&bob, "_INBOX.x") && !subscribes(&bob, "x"));

    let susan = of("susan");
    assert!(publishes(&susan, "anything.at.all"));
    assert!(subscribes(&susan, "PUBLIC.x") && !subscribes(&susan, "PRIVATE.x"));

    let responses = |place: usize| options.users[place].permissions.as_ref().unwrap().allow_responses;
    for (user, place, max, expires_s) in [("svca", 3, 1, 120), ("svcb", 4, 10, 60)] {
        let service = of(user);
        assert!(subscribes(&service, "my.service.req") && !subscribes(&service, "my.service"), "{user}");
        assert!(!publishes(&service, "my.service.req"), "{user} publishes responses alone");
        let expected = ResponsePermissionOptions { max, expires: Duration::from_secs(expires_s) };
        assert_eq!(responses(place), Some(expected), "{user}");
    }
}

// go: server/opts_test.go TestNkeyUsersDefaultPermissionsConfig
#[test]
fn defaults_are_for_those_who_have_no_permissions_of_their_own() {
    let keys: Vec<KeyPair> = (0..4).map(|_| KeyPair::new_user()).collect();
    let users = |prefix: &str, first: usize| {
        let own = "permissions = { subscribe = \"bar\" }";
        format!(
            "default_permissions = {{ publish = \"foo\" }}
            users = [
                {{ user: {prefix}plain, password: p }}
                {{ user: {prefix}own, password: p, {own} }}
                {{ nkey: {} }}
                {{ nkey: {}, {own} }}
            ]",
            keys[first].public_key(),
            keys[first + 1].public_key()
        )
    };
    let options =
        auth(&format!("authorization {{ {} }}\naccounts {{ A {{ {} }} }}", users("", 0), users("acc", 2)));
    let authenticator = authenticator(&options);
    let check = |by_default: &Permissions, own: &Permissions| {
        assert!(publishes(by_default, "foo") && !publishes(by_default, "bar"));
        assert!(subscribes(by_default, ">"), "the default says nothing of it");
        assert!(subscribes(own, "bar") && !subscribes(own, "foo"));
        assert!(publishes(own, "bar"), "the default does not complete it");
    };
    for prefix in ["", "acc"] {
        check(
            &permissions(&authenticator, &format!("{prefix}plain")),
            &permissions(&authenticator, &format!("{prefix}own")),
        );
    }
    for pair in keys.chunks(2) {
        check(&permissions_of_key(&authenticator, &pair[0]), &permissions_of_key(&authenticator, &pair[1]));
    }
}
