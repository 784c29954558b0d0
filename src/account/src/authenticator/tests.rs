use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use natrium_config::options::auth::{
    AccountOptions, Credential, PermissionOptions, SubjectPermissionOptions, UserOptions,
};
use natrium_model::{AccountId, CloseReason};
use nkeys::KeyPair;

use super::*;
use crate::nonce::SignatureError;

mod certificates;

/// Of `foo`.
const HASH_OF_FOO: &str = "$2a$04$P/.bd.7unw9Ew7yWJqXsl.f4oNRLQGvadEL2YnqQXbbb.IVQajRdK";
const NKEY: &str = "UBO2MQV67TQTVIRV3XFTEZOACM4WLOCMCDMAWN5QVN5PI2N6JHTVDRON";
const NONCE: &[u8] = b"PXoWU7zWAMt75FY";
/// A certificate whose subject is `C=US, ST=CA, ..., CN=first, CN= app#1 é`.
const SUBJECT_ONLY: &[u8] = include_bytes!("../peer_certificate/fixtures/subject_only.der");
const ALTERNATIVE_NAMES: &[u8] = include_bytes!("../peer_certificate/fixtures/alternative_names.der");
const EMPTY_SUBJECT: &[u8] = include_bytes!("../peer_certificate/fixtures/empty_subject.der");
const DOMAIN_COMPONENTS: &[u8] = include_bytes!("../peer_certificate/fixtures/domain_components.der");

fn user(name: &str, password: &str) -> UserOptions {
    with_credential(Credential::Password { user: name.into(), password: password.into() })
}

fn nkey(key: &str) -> UserOptions {
    with_credential(Credential::Nkey(key.into()))
}

fn with_credential(credential: Credential) -> UserOptions {
    UserOptions { credential, permissions: None, allowed_connection_types: Vec::new(), proxy_required: false }
}

fn users(users: impl Into<Vec<UserOptions>>) -> AuthOptions {
    AuthOptions { users: users.into(), ..AuthOptions::default() }
}

fn account(name: &str, users: impl Into<Vec<UserOptions>>) -> AccountOptions {
    AccountOptions { name: name.into(), users: users.into(), ..AccountOptions::default() }
}

fn build(options: &AuthOptions, certificate_types: ConnectionTypes) -> Result<Authenticator, AuthError> {
    Authenticator::new(options, &Accounts::from_options(options)?, certificate_types)
}

fn authenticator(options: &AuthOptions) -> Authenticator {
    build(options, ConnectionTypes::NONE).unwrap()
}

fn mapping(options: &AuthOptions) -> Authenticator {
    build(options, ConnectionTypes::of(&[ConnectionType::Standard])).unwrap()
}

fn refusal(options: &AuthOptions) -> String {
    build(options, ConnectionTypes::NONE).unwrap_err().to_string()
}

fn nothing() -> Presented<'static> {
    Presented::nothing(ConnectionType::Standard)
}

fn named<'a>(user: &'a str, pass: &'a str) -> Presented<'a> {
    Presented { user, pass, ..nothing() }
}

/// The decision, with the hash run where one is needed.
fn decided(decision: Decision) -> Result<Grant, Denial> {
    match decision {
        Decision::Granted(grant) => Ok(grant),
        Decision::Denied(denial) => Err(denial),
        Decision::NeedsPasswordHash(job) => decided(job.run().resume()),
    }
}

fn authenticate(authenticator: &Authenticator, presented: &Presented<'_>) -> Result<Grant, Denial> {
    decided(authenticator.authenticate(presented, NONCE))
}

/// Account number and shown user.
fn granted(authenticator: &Authenticator, presented: &Presented<'_>) -> (u32, Option<String>) {
    let grant = authenticate(authenticator, presented).unwrap();
    (grant.account.0, grant.user.as_deref().map(str::to_owned))
}

fn denied(authenticator: &Authenticator, presented: &Presented<'_>) -> Denial {
    authenticate(authenticator, presented).unwrap_err()
}

#[test]
fn without_authentication_everybody_is_in_the_global_account() {
    let open = authenticator(&AuthOptions::default());
    assert!(!open.auth_required() && !open.advertises_auth_required() && !open.needs_nonce());
    assert_eq!(granted(&open, &nothing()), (0, None));
    assert_eq!(granted(&open, &named("who", "ever")), (0, Some("who".into())));
    assert!(decided(open.authenticate_without_connect(ConnectionType::Standard, None)).is_ok());
}

#[test]
fn a_token_is_compared_and_never_shown() {
    for stored in ["foo", HASH_OF_FOO] {
        let options = AuthOptions { token: Some(stored.into()), ..AuthOptions::default() };
        let authenticator = authenticator(&options);
        assert!(authenticator.auth_required() && authenticator.advertises_auth_required());
        let token = |token| Presented { token, ..nothing() };
        assert_eq!(granted(&authenticator, &token("foo")), (0, Some("[REDACTED]".into())));
        assert_eq!(denied(&authenticator, &token("bar")), Denial::WrongToken);
        assert_eq!(denied(&authenticator, &nothing()), Denial::WrongToken);
        assert_eq!(denied(&authenticator, &named("foo", "foo")), Denial::WrongToken);
    }
}

#[test]
fn a_single_user_needs_its_name_and_password() {
    for stored in ["foo", HASH_OF_FOO] {
        let options = AuthOptions {
            user: Some("derek".into()),
            password: Some(stored.into()),
            ..AuthOptions::default()
        };
        let authenticator = authenticator(&options);
        assert_eq!(granted(&authenticator, &named("derek", "foo")), (0, Some("derek".into())));
        assert_eq!(denied(&authenticator, &named("derek", "bar")), Denial::WrongPassword);
        assert_eq!(denied(&authenticator, &named("derek2", "foo")), Denial::UnknownUser);
        assert_eq!(denied(&authenticator, &nothing()), Denial::UnknownUser);
        let without = authenticator.authenticate_without_connect(ConnectionType::Standard, None);
        assert_eq!(decided(without), Err(Denial::NothingPresented));
    }
}

#[test]
fn a_stored_hash_is_never_run_on_the_spot() {
    let authenticator = authenticator(&users([user("alice", HASH_OF_FOO), user("bob", "bar")]));
    let hashed = authenticator.authenticate(&named("alice", "foo"), NONCE);
    assert!(matches!(hashed, Decision::NeedsPasswordHash(_)), "{hashed:?}");
    let clear = authenticator.authenticate(&named("bob", "bar"), NONCE);
    assert!(matches!(clear, Decision::Granted(_)), "{clear:?}");
    assert_eq!(denied(&authenticator, &named("alice", "wrong")), Denial::WrongPassword);
}

#[test]
fn users_get_their_accounts_and_permissions() {
    let foo_only = PermissionOptions {
        publish: Some(SubjectPermissionOptions { allow: Some(vec!["foo".into()]), deny: None }),
        ..PermissionOptions::default()
    };
    let bar_only = PermissionOptions {
        publish: Some(SubjectPermissionOptions { allow: Some(vec!["bar".into()]), deny: None }),
        ..PermissionOptions::default()
    };
    let own = UserOptions { permissions: Some(bar_only), ..user("own", "p") };
    let mut options = users([user("global", "p")]);
    options.accounts = vec![
        AccountOptions {
            default_permissions: Some(foo_only),
            ..account("A", [own, user("a", "p"), user("a2", "p")])
        },
        account("B", [user("b", "p")]),
    ];
    let authenticator = authenticator(&options);
    let grant = |name| authenticate(&authenticator, &named(name, "p")).unwrap();
    assert_eq!(grant("global").account, AccountId::GLOBAL);
    assert_eq!((grant("a").account, grant("b").account), (AccountId(2), AccountId(3)));
    assert_eq!((grant("global").permissions, grant("b").permissions), (None, None));
    let (by_default, its_own) = (grant("a").permissions.unwrap(), grant("own").permissions.unwrap());
    assert!(by_default.publish_allowed(b"foo") && !by_default.publish_allowed(b"bar"));
    assert!(its_own.publish_allowed(b"bar") && !its_own.publish_allowed(b"foo"));
    assert!(Arc::ptr_eq(&by_default, &grant("a2").permissions.unwrap()), "one copy serves all users");
}

#[test]
fn an_nkey_user_proves_its_key_over_the_nonce() {
    let key = KeyPair::new_user();
    let public = key.public_key();
    let authenticator = authenticator(&users([nkey(&public), user("alice", "foo")]));
    assert!(authenticator.needs_nonce());
    let signature = URL_SAFE_NO_PAD.encode(key.sign(NONCE).unwrap());
    let with = |nkey, sig| Presented { nkey, sig, ..nothing() };
    assert_eq!(granted(&authenticator, &with(&public, &signature)), (0, Some(public.clone())));
    assert_eq!(denied(&authenticator, &with(&public, "")), Denial::Signature(SignatureError::Missing));
    assert_eq!(denied(&authenticator, &with(NKEY, &signature)), Denial::UnknownNkey);
    let other_nonce = authenticator.authenticate(&with(&public, &signature), b"another");
    assert_eq!(decided(other_nonce), Err(Denial::Signature(SignatureError::NotVerified)));
    // A key that is presented decides alone; a name only without one.
    let both = Presented { user: "alice", pass: "foo", ..with(NKEY, "") };
    assert_eq!(denied(&authenticator, &both), Denial::UnknownNkey);
    assert_eq!(granted(&authenticator, &named("alice", "foo")), (0, Some("alice".into())));
}

#[test]
fn a_key_is_overlooked_where_no_user_has_one() {
    let authenticator = authenticator(&users([user("alice", "foo")]));
    assert!(!authenticator.needs_nonce());
    let both = Presented { nkey: NKEY, ..named("alice", "foo") };
    assert_eq!(granted(&authenticator, &both), (0, Some(NKEY.into())));
}

#[test]
fn connection_types_bound_a_user() {
    let websocket = UserOptions { allowed_connection_types: vec!["WEBSOCKET".into()], ..user("ws", "p") };
    let key = UserOptions { allowed_connection_types: vec!["WEBSOCKET".into()], ..nkey(NKEY) };
    let authenticator = authenticator(&users([websocket, key]));
    assert_eq!(denied(&authenticator, &named("ws", "p")), Denial::ConnectionType);
    assert_eq!(denied(&authenticator, &Presented { nkey: NKEY, ..nothing() }), Denial::ConnectionType);
    let over_websocket = Presented { connection_type: ConnectionType::Websocket, ..named("ws", "p") };
    assert_eq!(granted(&authenticator, &over_websocket), (0, Some("ws".into())));
}

// go: server/auth_test.go TestUserUnknownAllowedConnectionType
#[test]
fn connection_types_are_known_ones_in_any_case() {
    for credential in [user("user", "pwd"), nkey(NKEY)] {
        let with = |names: &[&str]| UserOptions {
            allowed_connection_types: names.iter().map(|name| (*name).to_owned()).collect(),
            ..credential.clone()
        };
        let error = refusal(&users([with(&["STANDARD", "someNewType"])]));
        assert_eq!(error, r#"unknown connection type "someNewType""#);
        let authenticator = authenticator(&users([with(&["websocket"])]));
        let presented = match &credential.credential {
            Credential::Password { user, password } => named(user, password),
            Credential::Nkey(nkey) => Presented { nkey, ..nothing() },
        };
        assert_eq!(denied(&authenticator, &presented), Denial::ConnectionType);
        let over_websocket = Presented { connection_type: ConnectionType::Websocket, ..presented };
        let outcome = authenticate(&authenticator, &over_websocket);
        assert_ne!(outcome, Err(Denial::ConnectionType));
    }
}

// go: server/auth_test.go TestNoAuthUser
#[test]
fn who_presents_nothing_is_the_no_auth_user() {
    let options = AuthOptions {
        accounts: vec![account("FOO", [user("foo", "pwd1")]), account("BAR", [user("bar", "pwd2")])],
        no_auth_user: Some("foo".into()),
        ..AuthOptions::default()
    };
    let authenticator = authenticator(&options);
    assert!(authenticator.auth_required() && !authenticator.advertises_auth_required());
    assert_eq!(granted(&authenticator, &named("bar", "pwd2")), (3, Some("bar".into())));
    assert_eq!(denied(&authenticator, &named("bar", "wrong")), Denial::WrongPassword);
    // "some token" and "user used without pwd": clients send a lone user part of a URL as a token.
    for token in ["sometoken", "bar"] {
        assert_eq!(denied(&authenticator, &Presented { token, ..nothing() }), Denial::NothingPresented);
    }
    assert_eq!(denied(&authenticator, &named("bar", "")), Denial::WrongPassword);
    assert_eq!(granted(&authenticator, &nothing()), (2, Some("foo".into())));
    assert_eq!(denied(&authenticator, &named("", "pwd1")), Denial::NothingPresented);
    let without_connect = authenticator.authenticate_without_connect(ConnectionType::Standard, None);
    assert_eq!(decided(without_connect).unwrap().account, AccountId(2));
}

#[test]
fn the_no_auth_user_may_be_a_key_that_is_not_proved() {
    let options = AuthOptions {
        accounts: vec![account("FOO", [user("foo", "pwd1")]), account("BAR", [nkey(NKEY)])],
        no_auth_user: Some(NKEY.into()),
        ..AuthOptions::default()
    };
    let authenticator = authenticator(&options);
    assert_eq!(granted(&authenticator, &nothing()), (3, Some(NKEY.into())));
    assert_eq!(granted(&authenticator, &Presented { nkey: NKEY, ..nothing() }), (3, Some(NKEY.into())));
    // Any other key is proved as ever.
    let other = KeyPair::new_user().public_key();
    let options = AuthOptions { users: vec![nkey(&other)], ..options };
    let presented = Presented { nkey: &other, ..nothing() };
    assert_eq!(
        denied(&build(&options, ConnectionTypes::NONE).unwrap(), &presented),
        Denial::Signature(SignatureError::Missing)
    );
    // Without CONNECT only a user with a name is taken, as in the reference.
    let without_connect = authenticator.authenticate_without_connect(ConnectionType::Standard, None);
    assert_eq!(decided(without_connect), Err(Denial::NothingPresented));
}

#[test]
fn the_no_auth_user_is_bound_by_its_own_conditions() {
    let build = |no_auth: UserOptions| {
        let options = AuthOptions { no_auth_user: Some("guest".into()), ..users([no_auth]) };
        authenticator(&options)
    };
    let websocket = UserOptions { allowed_connection_types: vec!["WEBSOCKET".into()], ..user("guest", "") };
    let proxied = UserOptions { proxy_required: true, ..user("guest", "") };
    for (guest, expected) in [
        (websocket, Denial::ConnectionType),
        (proxied, Denial::ProxyRequired),
        (user("guest", HASH_OF_FOO), Denial::NoAuthUserHashed),
    ] {
        let authenticator = build(guest);
        assert_eq!(denied(&authenticator, &nothing()), expected);
        let without = authenticator.authenticate_without_connect(ConnectionType::Standard, None);
        assert_eq!(decided(without), Err(expected));
    }
    assert_eq!(Denial::ProxyRequired.close_reason(), CloseReason::ProxyRequired);
    assert_eq!(Denial::ConnectionType.close_reason(), CloseReason::AuthenticationViolation);
}

#[test]
fn beside_a_system_account_alone_everybody_else_stays_anonymous() {
    let mut options = AuthOptions {
        accounts: vec![account("SYS", [user("admin", "p")])],
        system_account: Some("SYS".into()),
        ..AuthOptions::default()
    };
    let anonymous = authenticator(&options);
    assert!(anonymous.auth_required() && anonymous.advertises_auth_required());
    assert_eq!(granted(&anonymous, &nothing()), (0, Some("nats-anonymous".into())));
    assert_eq!(granted(&anonymous, &named("admin", "p")), (1, Some("admin".into())));
    let without = anonymous.authenticate_without_connect(ConnectionType::Standard, None);
    assert_eq!(decided(without).unwrap().account, AccountId::GLOBAL);

    options.timeout = Some(Duration::from_secs(3));
    assert_eq!(denied(&authenticator(&options), &nothing()), Denial::NothingPresented);
    options.timeout = None;
    options.accounts.push(account("A", []));
    assert_eq!(denied(&authenticator(&options), &nothing()), Denial::NothingPresented);
}

#[test]
fn certificates_map_to_users_by_their_names_in_order() {
    let in_order =
        ["ann@example.com", "bob@example.com", "app.example.com", "spiffe://example.com/app", "CN=ignored"];
    let certificate = PeerCertificate::from_der(ALTERNATIVE_NAMES).unwrap();
    for first in 0..in_order.len() {
        let options = users(in_order[first..].iter().rev().map(|name| user(name, "")).collect::<Vec<_>>());
        let presented = Presented { certificate: Some(&certificate), ..named("someone else", "") };
        assert_eq!(granted(&mapping(&options), &presented), (0, Some(in_order[first].into())));
    }
}

#[test]
fn a_subject_maps_by_parts_in_order_then_in_any_order_then_as_text() {
    let exact = "cn=\\ app#1 é, cn=first, ou=Dev, ou=Eng+ou=Ops, o=NATS\\, Inc., st=CA, c=US";
    let shuffled = "C=US,ST=CA,O=NATS\\, Inc.,OU=Eng+OU=Ops,OU=Dev,CN=first,CN=\\ app#1 é";
    let text = "CN=\\ app#1 é,OU=Eng+OU=Ops+OU=Dev,O=NATS\\, Inc.,ST=CA,C=US";
    let certificate = PeerCertificate::from_der(SUBJECT_ONLY).unwrap();
    let presented = Presented { certificate: Some(&certificate), ..nothing() };
    for (names, expected) in
        [(&[text, shuffled, exact][..], exact), (&[text, shuffled], shuffled), (&[text, "CN=first"], text)]
    {
        let options = users(names.iter().map(|name| user(name, "")).collect::<Vec<_>>());
        assert_eq!(granted(&mapping(&options), &presented), (0, Some(expected.into())));
    }
    let strangers = mapping(&users([user("CN=first", ""), user("cn=", "")]));
    assert_eq!(denied(&strangers, &presented), Denial::CertificateNotMapped);

    let certificate = PeerCertificate::from_der(DOMAIN_COMPONENTS).unwrap();
    let presented = Presented { certificate: Some(&certificate), ..nothing() };
    for (name, other) in
        [("CN=app,O=NATS,DC=com,DC=example", "CN=app,O=NATS"), ("CN=app,O=NATS", "CN=app,DC=com,O=NATS")]
    {
        let options = users([user(other, ""), user(name, "")]);
        assert_eq!(granted(&mapping(&options), &presented), (0, Some(name.into())));
    }
}

#[test]
fn a_certificate_without_a_subject_is_nobody_by_its_subject() {
    let certificate = PeerCertificate::from_der(EMPTY_SUBJECT).unwrap();
    let presented = Presented { certificate: Some(&certificate), ..nothing() };
    let nameless = [user("cn=", ""), user(" ", "")];
    assert_eq!(denied(&mapping(&users(nameless.clone())), &presented), Denial::CertificateNotMapped);
    let options = users([&nameless[..], &[user("nobody.example.com", "")]].concat());
    assert_eq!(granted(&mapping(&options), &presented), (0, Some("nobody.example.com".into())));
}

#[test]
fn a_mapped_user_that_is_not_allowed_here_is_passed_over() {
    let websocket =
        UserOptions { allowed_connection_types: vec!["WEBSOCKET".into()], ..user("ann@example.com", "") };
    let certificate = PeerCertificate::from_der(ALTERNATIVE_NAMES).unwrap();
    let presented = Presented { certificate: Some(&certificate), ..nothing() };
    let authenticator = mapping(&users([websocket, user("app.example.com", "")]));
    assert_eq!(granted(&authenticator, &presented), (0, Some("app.example.com".into())));
}

#[test]
fn where_certificates_map_nothing_else_will_do() {
    let authenticator = mapping(&users([user("alice", "foo"), user("app.example.com", "s3cr3t")]));
    assert_eq!(denied(&authenticator, &named("alice", "foo")), Denial::NoCertificate);
    let inside = Presented { connection_type: ConnectionType::InProcess, ..named("alice", "foo") };
    assert_eq!(denied(&authenticator, &inside), Denial::NoCertificate);

    // The password of a mapped user is asked for as well.
    let certificate = PeerCertificate::from_der(ALTERNATIVE_NAMES).unwrap();
    let with = |pass| Presented { certificate: Some(&certificate), ..named("", pass) };
    assert_eq!(denied(&authenticator, &with("")), Denial::WrongPassword);
    assert_eq!(granted(&authenticator, &with("s3cr3t")), (0, Some("app.example.com".into())));
}

#[test]
fn a_certificates_name_without_password_opens_no_other_listener() {
    let names = "CN=example.com,OU=NATS.io";
    let options = AuthOptions {
        no_auth_user: Some("guest".into()),
        ..users([user(names, ""), user("guest", ""), user("CN=with,OU=password", "s3cr3t")])
    };
    let authenticator = mapping(&options);
    let over_websocket =
        |user, pass| Presented { connection_type: ConnectionType::Websocket, ..named(user, pass) };
    assert_eq!(granted(&authenticator, &over_websocket("", "")), (0, Some("guest".into())));
    assert_eq!(granted(&authenticator, &over_websocket("guest", "")), (0, Some("guest".into())));
    assert_eq!(denied(&authenticator, &over_websocket(names, "")), Denial::CertificateRequired);
    assert_eq!(denied(&authenticator, &over_websocket(names, "wrong")), Denial::CertificateRequired);
    let with_password = over_websocket("CN=with,OU=password", "s3cr3t");
    assert!(authenticate(&authenticator, &with_password).is_ok());
    assert_eq!(denied(&authenticator, &over_websocket("CN=with,OU=password", "")), Denial::WrongPassword);
    // Without verify_and_map anywhere such a name is a user with an empty password.
    let unmapped = build(&options, ConnectionTypes::NONE).unwrap();
    assert!(authenticate(&unmapped, &over_websocket(names, "")).is_ok());
}

#[test]
fn users_that_are_there_twice_are_refused() {
    assert_eq!(refusal(&users([user("a", "1"), user("a", "2")])), r#"Duplicate user "a" detected"#);
    assert_eq!(refusal(&users([nkey(NKEY), nkey(NKEY)])), format!("Duplicate nkey \"{NKEY}\" detected"));
    let in_two = AuthOptions {
        accounts: vec![account("A", [user("a", "1")]), account("B", [user("a", "2")])],
        ..AuthOptions::default()
    };
    assert_eq!(refusal(&in_two), r#"Duplicate user "a" detected"#);
    let in_both = AuthOptions { accounts: vec![account("A", [user("a", "1")])], ..users([user("a", "2")]) };
    assert_eq!(refusal(&in_both), r#"Duplicate user "a" detected"#);
}

#[test]
fn unusable_users_are_refused() {
    assert_eq!(refusal(&users([nkey("UNOTAKEY")])), "Not a valid public nkey for a user");
    let account_key = KeyPair::new_account().public_key();
    assert_eq!(refusal(&users([nkey(&account_key)])), "Not a valid public nkey for a user");
    assert_eq!(refusal(&users([user("", "p")])), "User entry requires a user");
    let permissions = PermissionOptions {
        publish: Some(SubjectPermissionOptions { allow: Some(vec!["foo q".into()]), deny: None }),
        ..PermissionOptions::default()
    };
    let bad = |user| users([UserOptions { permissions: Some(permissions.clone()), ..user }]);
    let reason = r#"publish allow: subject "foo q" is not a valid subject"#;
    assert_eq!(refusal(&bad(user("a", "p"))), format!("invalid permissions for user \"a\": {reason}"));
    assert_eq!(refusal(&bad(nkey(NKEY))), format!("invalid permissions for nkey \"{NKEY}\": {reason}"));
}

#[test]
fn a_no_auth_user_that_is_not_there_is_refused() {
    let with = |options| AuthOptions { no_auth_user: Some("ghost".into()), ..options };
    assert_eq!(
        refusal(&with(AuthOptions::default())),
        r#"no_auth_user: "ghost" present, but users/nkeys are not defined"#
    );
    assert_eq!(
        refusal(&with(users([user("a", "p")]))),
        r#"no_auth_user: "ghost" not present as user or nkey in authorization block or account configuration"#
    );
}

#[test]
fn a_shared_secret_beside_users_is_for_those_who_name_none() {
    let token = Some("t".into());
    let single = AuthOptions { user: Some("u".into()), password: Some("p".into()), ..AuthOptions::default() };
    let both = AuthOptions { token, ..single.clone() };
    let presents_token = Presented { token: "t", ..nothing() };
    let by_token = authenticator(&both);
    assert!(authenticate(&by_token, &presents_token).is_ok());
    assert_eq!(denied(&by_token, &named("u", "p")), Denial::WrongToken);
    let beside_users = authenticator(&AuthOptions { users: vec![user("a", "b")], ..both });
    assert!(authenticate(&beside_users, &named("a", "b")).is_ok());
    assert!(authenticate(&beside_users, &presents_token).is_ok());
    assert_eq!(denied(&beside_users, &named("u", "p")), Denial::UnknownUser);
    assert_eq!(denied(&beside_users, &Presented { token: "t", ..named("a", "") }), Denial::WrongPassword);
    let beside_nkeys = authenticator(&AuthOptions { users: vec![nkey(NKEY)], ..single });
    assert!(authenticate(&beside_nkeys, &named("u", "p")).is_ok());
    assert_eq!(
        denied(&beside_nkeys, &Presented { nkey: NKEY, ..named("u", "p") }),
        Denial::Signature(SignatureError::Missing)
    );
}

#[test]
fn clear_passwords_are_worth_a_warning_unless_a_certificate_stands_for_them() {
    let warns = |options: &AuthOptions| mapping(options).has_clear_passwords();
    assert!(warns(&users([user("a", "clear")])));
    assert!(!warns(&users([user("a", HASH_OF_FOO), user("CN=mapped", ""), nkey(NKEY)])));
    let only_websocket = UserOptions { allowed_connection_types: vec!["WEBSOCKET".into()], ..user("a", "") };
    assert!(warns(&users([only_websocket])));
    assert!(!warns(&AuthOptions { token: Some("clear".into()), ..AuthOptions::default() }));
    let single = |password: &str| AuthOptions {
        user: Some("u".into()),
        password: Some(password.into()),
        ..AuthOptions::default()
    };
    assert!(warns(&single("clear")) && !warns(&single(HASH_OF_FOO)) && !warns(&single("")));
}

#[test]
fn what_is_logged_of_a_client_names_it_and_no_secret() {
    let all = Presented { token: "s3cr3t", nkey: NKEY, ..named("u\"x", "s3cr3t") };
    assert_eq!(all.refusal_text(), format!("authentication error - Nkey \"{NKEY}\""));
    let user = Presented { nkey: "", ..all };
    assert_eq!(user.refusal_text(), r#"authentication error - User "u\"x""#);
    assert_eq!(user.label().as_deref(), Some("user:u\"x"));
    let token = Presented { user: "", ..user };
    assert_eq!(token.refusal_text(), r#"authentication error - Token "[REDACTED]""#);
    assert_eq!(token.label().as_deref(), Some("token"));
    assert_eq!(nothing().refusal_text(), "authentication error");
    assert_eq!(nothing().label(), None);
}
