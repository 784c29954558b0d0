//! What `/connz` shows of a connection's TLS.

use std::fmt::Write;

use natrium_account::PeerCertificate;
use natrium_account::dn::{Attribute, DistinguishedName, RelativeName};
use natrium_monitor::TlsFacts;
use sha2::{Digest, Sha256};

use crate::client_task::Client;

/// Whether the client's certificates are wanted: they are parsed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certificates {
    Shown,
    Hidden,
}

/// `None` in clear and during the handshake.
pub(super) fn tls_facts(client: &Client, certificates: Certificates) -> Option<TlsFacts> {
    let socket = client.socket.borrow();
    let agreed = socket.tls()?;
    let peer_certificates = match certificates {
        Certificates::Shown => agreed.peer_certificates.iter().map(|der| peer_certificate(der)).collect(),
        Certificates::Hidden => Vec::new(),
    };
    Some(TlsFacts {
        version: natrium_tls::version_name(agreed.version),
        cipher_suite: natrium_tls::cipher_suite_name(agreed.cipher_suite),
        first: client.is_tls_first(),
        peer_certificates,
    })
}

/// One whose names cannot be read shows its digest alone.
fn peer_certificate(der: &[u8]) -> natrium_monitor::PeerCertificate {
    let parsed = PeerCertificate::from_der(der).ok();
    natrium_monitor::PeerCertificate {
        subject: parsed.as_ref().and_then(PeerCertificate::subject).map(subject_text).unwrap_or_default(),
        spki_sha256: parsed.as_ref().map(PeerCertificate::public_key_id).unwrap_or_default(),
        cert_sha256: Sha256::digest(der).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a String takes every write");
            hex
        }),
    }
}

/// As RFC 2253 writes it, the most specific part first.
fn subject_text(name: &DistinguishedName) -> String {
    let attribute = |Attribute { kind, value }: &Attribute| format!("{kind}={}", escaped(value));
    let part = |RelativeName { attributes }: &RelativeName| {
        attributes.iter().map(attribute).collect::<Vec<_>>().join("+")
    };
    name.rdns.iter().map(part).collect::<Vec<_>>().join(",")
}

fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(value.len());
    for (at, letter) in value.chars().enumerate() {
        let is_special = match letter {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            '#' => at == 0,
            ' ' => at == 0 || at == last,
            _ => false,
        };
        if is_special {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_what_it_was() {
        let texts = ["CN=natrium", "CN=a\\, b,OU=x+OU=y,O=\\#1 \\\"q\\\"", "CN=\\ spaced\\ ,DC=com"];
        for text in texts {
            assert_eq!(subject_text(&DistinguishedName::parse(text).unwrap()), text);
        }
    }
}
