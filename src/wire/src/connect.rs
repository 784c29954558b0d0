//! The JSON document of CONNECT: who the client is and what it wants.

use serde::de::MapAccess;

use crate::json::{Field, JsonError, Members, read_over, skip};
use crate::subject_permissions::SubjectPermissions;

/// What a client said in CONNECT (`nats-server:server/client.go`, `ClientOpts`). [`ConnectOptions::default`] is what
/// holds for a connection that never sent one. A text that was not given is empty; no reader makes a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectOptions {
    /// The connection receives what it publishes itself.
    pub echo: bool,
    /// Operations are answered with `+OK`.
    pub verbose: bool,
    /// Subjects of publishes are checked.
    pub pedantic: bool,
    pub tls_required: bool,
    /// Public user key.
    pub nkey: String,
    pub jwt: String,
    /// The signed nonce, base64url.
    pub sig: String,
    pub auth_token: String,
    pub user: String,
    pub pass: String,
    pub name: String,
    pub lang: String,
    pub version: String,
    /// 0 or 1 from a client that will be let in.
    pub protocol: i64,
    /// Not empty, as `new_account`: a reason to refuse.
    pub account: String,
    pub new_account: bool,
    pub headers: bool,
    pub no_responders: bool,
    /// Routes and leaf nodes.
    pub import: Option<Box<SubjectPermissions>>,
    /// Routes and leaf nodes.
    pub export: Option<Box<SubjectPermissions>>,
    /// Leaf nodes.
    pub remote_account: String,
    /// The nonce signed by a trusted proxy.
    pub proxy_sig: String,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            echo: true,
            verbose: true,
            pedantic: true,
            tls_required: false,
            nkey: String::new(),
            jwt: String::new(),
            sig: String::new(),
            auth_token: String::new(),
            user: String::new(),
            pass: String::new(),
            name: String::new(),
            lang: String::new(),
            version: String::new(),
            protocol: 0,
            account: String::new(),
            new_account: false,
            headers: false,
            no_responders: false,
            import: None,
            export: None,
            remote_account: String::new(),
            proxy_sig: String::new(),
        }
    }
}

impl ConnectOptions {
    /// Reads the text after `CONNECT`. A repeated CONNECT is read over the options of the one before: what it does not
    /// name stays.
    ///
    /// # Errors
    /// The text is no JSON object, or a member has the wrong type. The reference closes such a connection without a
    /// word to the client, as a protocol violation; `self` may then be changed in part.
    pub fn read_over(&mut self, json: &[u8]) -> Result<(), JsonError> {
        read_over(json, self)
    }
}

impl Members for ConnectOptions {
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "echo" => self.echo.read(map),
            "verbose" => self.verbose.read(map),
            "pedantic" => self.pedantic.read(map),
            "tls_required" => self.tls_required.read(map),
            "nkey" => self.nkey.read(map),
            "jwt" => self.jwt.read(map),
            "sig" => self.sig.read(map),
            "auth_token" => self.auth_token.read(map),
            "user" => self.user.read(map),
            "pass" => self.pass.read(map),
            "name" => self.name.read(map),
            "lang" => self.lang.read(map),
            "version" => self.version.read(map),
            "protocol" => self.protocol.read(map),
            "account" => self.account.read(map),
            "new_account" => self.new_account.read(map),
            "headers" => self.headers.read(map),
            "no_responders" => self.no_responders.read(map),
            "import" => self.import.read(map),
            "export" => self.export.read(map),
            "remote_account" => self.remote_account.read(map),
            "proxy_sig" => self.proxy_sig.read(map),
            _ => skip(map),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ConnectOptions, JsonError> {
        let mut options = ConnectOptions::default();
        options.read_over(json.as_bytes()).map(|()| options)
    }

    #[test]
    fn an_empty_document_leaves_the_defaults() {
        let options = read("{}").unwrap();
        assert_eq!(options, ConnectOptions::default());
        assert!(options.verbose && options.pedantic && options.echo);
    }

    #[test]
    fn every_member_is_read() {
        let options = read(
            r#"{"echo":false,"verbose":false,"pedantic":false,"tls_required":true,"nkey":"N","jwt":"J","sig":"S",
                "auth_token":"T","user":"U","pass":"P","name":"n","lang":"rust","version":"1","protocol":1,
                "account":"A","new_account":true,"headers":true,"no_responders":true,
                "import":{"allow":["a"]},"export":{"deny":["b"]},"remote_account":"R","proxy_sig":"X"}"#,
        );
        let expected = ConnectOptions {
            echo: false,
            verbose: false,
            pedantic: false,
            tls_required: true,
            nkey: "N".into(),
            jwt: "J".into(),
            sig: "S".into(),
            auth_token: "T".into(),
            user: "U".into(),
            pass: "P".into(),
            name: "n".into(),
            lang: "rust".into(),
            version: "1".into(),
            protocol: 1,
            account: "A".into(),
            new_account: true,
            headers: true,
            no_responders: true,
            import: Some(Box::new(SubjectPermissions { allow: vec!["a".into()], deny: vec![] })),
            export: Some(Box::new(SubjectPermissions { allow: vec![], deny: vec!["b".into()] })),
            remote_account: "R".into(),
            proxy_sig: "X".into(),
        };
        assert_eq!(options.unwrap(), expected);
    }

    #[test]
    fn a_second_document_changes_only_what_it_names() {
        let mut options = read(r#"{"verbose":false,"name":"a"}"#).unwrap();
        options.read_over(br#"{"name":"b"}"#).unwrap();
        assert!(!options.verbose);
        assert_eq!(options.name, "b");
    }

    #[test]
    fn a_wrong_type_is_an_error() {
        for json in [
            r#"{"verbose":"x"}"#,
            r#"{"protocol":1.0}"#,
            r#"{"import":5}"#,
            r#"{"import":{"allow":"x"}}"#,
            r#"{"new_account":"yes"}"#,
            "[]",
            "",
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
