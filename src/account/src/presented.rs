//! What a client says of itself.

use natrium_wire::quote::quoted;

use crate::{connection_type::ConnectionType, peer_certificate::PeerCertificate};

/// The credentials of one CONNECT, with what the connection itself proves. A field that is absent is empty: the
/// reference makes no difference, nor do we.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    pub user: &'a str,
    pub pass: &'a str,
    /// `auth_token`.
    pub token: &'a str,
    pub nkey: &'a str,
    /// The nonce signed by `nkey`.
    pub sig: &'a str,
    pub jwt: &'a str,
    /// `None` where the client presented no certificate, or spoke without TLS.
    pub certificate: Option<&'a PeerCertificate>,
    pub connection_type: ConnectionType,
}

impl<'a> Presented<'a> {
    /// Nothing at all.
    pub fn nothing(connection_type: ConnectionType) -> Self {
        Self { user: "", pass: "", token: "", nkey: "", sig: "", jwt: "", certificate: None, connection_type }
    }

    /// Who the client is as the monitoring documents show it (`authorized_user`), believed or not; `None` for nobody.
    pub fn shown_user(&self) -> Option<&'a str> {
        match self.kind() {
            Kind::Nkey => Some(self.nkey),
            Kind::User => Some(self.user),
            Kind::Token => Some(REDACTED),
            Kind::Nobody => None,
        }
    }

    /// The line the log gets when the client is refused.
    pub fn refusal_text(&self) -> String {
        match self.kind() {
            Kind::Nkey => format!("authentication error - Nkey {}", quoted(self.nkey.as_bytes())),
            Kind::User => format!("authentication error - User {}", quoted(self.user.as_bytes())),
            Kind::Token => format!("authentication error - Token \"{REDACTED}\""),
            Kind::Nobody => "authentication error".to_owned(),
        }
    }

    /// What a connection's log prefix says of its user once it is let in.
    pub fn label(&self) -> Option<String> {
        match self.kind() {
            Kind::Nkey => Some(format!("nkey:{}", self.nkey)),
            Kind::User => Some(format!("user:{}", self.user)),
            Kind::Token => Some("token".to_owned()),
            Kind::Nobody => None,
        }
    }

    /// By which of its credentials a client goes when it presents several.
    fn kind(&self) -> Kind {
        if !self.nkey.is_empty() {
            Kind::Nkey
        } else if !self.user.is_empty() {
            Kind::User
        } else if !self.token.is_empty() {
            Kind::Token
        } else {
            Kind::Nobody
        }
    }
}

enum Kind {
    Nkey,
    User,
    Token,
    Nobody,
}

/// Stands for a token in everything that is shown.
const REDACTED: &str = "[REDACTED]";
