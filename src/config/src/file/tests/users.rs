//! Users as a file has them. What defaults make of them is for the account crate.

use super::*;
use crate::options::auth::{PermissionOptions, SubjectPermissionOptions, UserOptions};

const KEYS: [&str; 4] = [
    "UDKTV7HZVYJFJN64LLMYQBUR6MTNNYCDC3LAZH4VHURW3GZLL3FULBXV",
    "UA3C5TBZYK5GJQJRWPMU6NFY5JNAEVQB2V2TUZFZDHFJFUYVKTTUOFKZ",
    "UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX",
    "UBAAQWTW6CG2G6ANGNKB5U2B7HRWHSGMZEZX3AQSAJOQDAUGJD46LD2E",
];

fn list(subjects: &[&str]) -> Option<Vec<String>> {
    Some(subjects.iter().map(|&subject| subject.to_owned()).collect())
}

/// How many users have passwords, and how many have keys.
fn counts<'a>(users: impl IntoIterator<Item = &'a UserOptions>) -> (usize, usize) {
    let (passwords, keys): (Vec<_>, Vec<_>) =
        users.into_iter().partition(|user| matches!(user.credential, Credential::Password { .. }));
    (passwords.len(), keys.len())
}

// go: server/opts_test.go TestMultipleUsersConfig
#[test]
fn users_and_a_timeout_stand_together() {
    let auth = options(
        "authorization { users = [{user: alice, password: foo}, {user: bob, password: bar}], timeout: 0.5 }",
    )
    .auth;
    assert_eq!(counts(&auth.users), (2, 0));
    assert_eq!(auth.timeout, Some(Duration::from_millis(500)));
}

// go: server/opts_test.go TestNewStyleAuthorizationConfig
#[test]
fn what_is_allowed_and_what_is_denied_are_lists_of_their_own() {
    let auth = options(
        r#"authorization {
            normal = { publish = { allow = ["foo", "bar", "baz"] }, subscribe = { deny = "$SYS.>" } }
            admin = { publish = "$SYS.>", subscribe = { deny = ["foo", "bar", "baz"] } }
            users = [
                { user: alice, password: foo, permissions: $normal }
                { user: bob, password: special, permissions: $admin }
            ]
        }"#,
    )
    .auth;
    let [alice, bob] = auth.users.as_slice() else { panic!("{:?}", auth.users) };
    assert_eq!(
        alice.permissions,
        Some(PermissionOptions {
            publish: Some(SubjectPermissionOptions { allow: list(&["foo", "bar", "baz"]), deny: None }),
            subscribe: Some(SubjectPermissionOptions { allow: None, deny: list(&["$SYS.>"]) }),
            allow_responses: None,
        })
    );
    assert_eq!(
        bob.permissions,
        Some(PermissionOptions {
            publish: Some(SubjectPermissionOptions { allow: list(&["$SYS.>"]), deny: None }),
            subscribe: Some(SubjectPermissionOptions { allow: None, deny: list(&["foo", "bar", "baz"]) }),
            allow_responses: None,
        })
    );
}

// go: server/opts_test.go TestNkeyUsersConfig
// go: server/opts_test.go TestNkeyUsersWithPermsConfig
#[test]
fn keys_are_users_too() {
    let [first, second, ..] = KEYS;
    let auth = options(&format!(
        r#"authorization {{ users = [
            {{ nkey: "{first}", permissions = {{ publish = "$SYS.>", subscribe = {{ deny = ["foo", "bar", "baz"] }} }} }}
            {{ nkey: "{second}" }}
        ] }}"#
    ))
    .auth;
    assert_eq!(counts(&auth.users), (0, 2));
    let permissions = auth.users[0].permissions.as_ref().unwrap();
    let subscribe = permissions.subscribe.as_ref().unwrap();
    assert_eq!(permissions.publish.as_ref().unwrap().allow, list(&["$SYS.>"]));
    assert_eq!((&subscribe.allow, &subscribe.deny), (&None, &list(&["foo", "bar", "baz"])));
}

// go: server/opts_test.go TestBadNkeyConfig
// go: server/opts_test.go TestNkeyWithPassConfig
#[test]
fn a_key_is_a_valid_one_and_stands_alone() {
    let error = refused("authorization { users = [{nkey: \"Ufoo\"}] }");
    assert!(error.ends_with("Not a valid public nkey for a user"), "{error}");
    let error = refused(&format!("authorization {{ users = [{{nkey: \"{}\", pass: \"foo\"}}] }}", KEYS[0]));
    assert!(error.ends_with("Nkey users do not take usernames or passwords"), "{error}");
}

// go: server/opts_test.go TestTokenWithUserPass
// go: server/opts_test.go TestTokenWithUsers
#[test]
fn a_token_is_the_only_way_in() {
    for beside in ["user: user, pass: password", "users: [{user: test, password: test}]"] {
        let error = refused(&format!("authorization={{ token: $2a$11$whatever, {beside} }}"));
        assert!(error.contains("token"), "{beside}: {error}");
    }
}

// go: server/opts_test.go TestAccountUsersLoadedProperly
#[test]
fn the_order_of_authorization_and_accounts_does_not_matter() {
    let authorization =
        format!("authorization {{ users [{{user: ivan, password: bar}}, {{nkey: {}}}] }}", KEYS[2]);
    let accounts =
        format!("accounts {{ synadia {{ users [{{user: derek, password: foo}}, {{nkey: {}}}] }} }}", KEYS[3]);
    for text in [format!("{authorization}\n{accounts}"), format!("{accounts}\n{authorization}")] {
        let auth = options(&text).auth;
        let users = auth.users.iter().chain(auth.accounts.iter().flat_map(|account| &account.users));
        assert_eq!(counts(users), (2, 2), "{text}");
    }
}

// go: server/opts_test.go TestSublistNoCacheConfig
#[test]
fn matches_need_not_be_cached() {
    assert!(options("debug: false").match_cache);
    assert!(!options("disable_sublist_cache: true").match_cache);
}

// go: server/opts_test.go TestParsingResponsePermissions
#[test]
fn responses_are_bounded_in_number_and_time() {
    let text = |block: &str| {
        format!(
            "authorization {{ users [{{ user: ivan, password: pwd, permissions {{ allow_responses {{ {block} }} }} }}] }}"
        )
    };
    // Less than no time is no limit, which is zero here.
    for (block, max, expires_s) in [
        ("", 1, 120),
        ("max: 10", 10, 120),
        ("ttl: 5s", 1, 5),
        ("max: 0", 1, 120),
        ("ttl: \"0s\"", 1, 120),
        ("max: 10, ttl: \"5s\"", 10, 5),
        ("max: -1, ttl: \"5s\"", -1, 5),
        ("max: 10, ttl: \"-1s\"", 10, 0),
        ("max: -1, ttl: \"-1s\"", -1, 0),
    ] {
        let auth = options(&text(block)).auth;
        let responses = auth.users[0].permissions.as_ref().unwrap().allow_responses.unwrap();
        assert_eq!((responses.max, responses.expires), (max, Duration::from_secs(expires_s)), "{block}");
    }
    for (block, words) in [
        ("unknown_field: 123", "unknown field \"unknown_field\""),
        ("max: 10, ttl: 123", "not a duration string"),
        ("max: 10, ttl: xyz", "error parsing expires"),
    ] {
        let error = refused(&text(block));
        assert!(error.contains(words), "{block}: {error}");
    }
}
