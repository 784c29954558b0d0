//! Users with keys beside users with passwords.

use super::options;
use crate::options::auth::Credential;

// go: server/nkey_test.go TestMixedClientConfig
#[test]
fn a_list_of_users_may_hold_keys_and_names() {
    const NKEY: &str = "UDKTV7HZVYJFJN64LLMYQBUR6MTNNYCDC3LAZH4VHURW3GZLL3FULBXV";
    let auth = options(&format!(
        "authorization {{\n  users = [\n    {{nkey: \"{NKEY}\"}}\n    {{user: alice, password: foo}}\n  ]\n}}"
    ))
    .auth;
    let credentials: Vec<&Credential> = auth.users.iter().map(|user| &user.credential).collect();
    let alice = Credential::Password { user: "alice".into(), password: "foo".into() };
    assert_eq!(credentials, [&Credential::Nkey(NKEY.into()), &alice]);
}
