//! What of a client's certificate can stand for a user.

use sha2::{Digest, Sha256};
use x509_parser::{
    asn1_rs::{Any, Oid, Tag, oid},
    prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate, X509Name},
};

use crate::dn::{Attribute, DistinguishedName, RelativeName};

/// A verified certificate's names and key. Verifying it was the TLS handshake's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    emails: Vec<String>,
    dns_names: Vec<String>,
    uris: Vec<String>,
    /// `None` where an attribute has a type without a short name, or a value that is not text.
    subject: Option<DistinguishedName>,
    subject_texts: Vec<String>,
    public_key_sha256: [u8; 32],
}

/// The bytes are no certificate.
#[derive(Debug, thiserror::Error)]
#[error("not a certificate: {0}")]
pub struct CertificateError(#[from] x509_parser::nom::Err<x509_parser::error::X509Error>);

impl PeerCertificate {
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let (_, certificate) = X509Certificate::from_der(der)?;
        let subject = certificate.subject();
        let mut peer = Self {
            emails: Vec::new(),
            dns_names: Vec::new(),
            uris: Vec::new(),
            subject: distinguished_name(subject),
            subject_texts: subject_texts(subject),
            public_key_sha256: Sha256::digest(certificate.public_key().raw).into(),
        };
        for extension in certificate.extensions() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
                names.general_names.iter().for_each(|name| peer.add_alternative_name(name));
            }
        }
        Ok(peer)
    }

    /// The names to look up among the users, in this order: e-mail addresses, DNS names, URIs.
    pub fn alternative_names(&self) -> impl Iterator<Item = &str> {
        self.emails.iter().chain(&self.dns_names).chain(&self.uris).map(String::as_str)
    }

    /// The subject to compare with the users' names part by part.
    pub fn subject(&self) -> Option<&DistinguishedName> {
        self.subject.as_ref()
    }

    /// The subject as text, to look up once nothing else was found: with its domain components behind, where it has
    /// any, then without.
    pub fn subject_texts(&self) -> impl Iterator<Item = &str> {
        self.subject_texts.iter().map(String::as_str)
    }

    /// SHA-256 of the public key (SubjectPublicKeyInfo), in lower-case hexadecimal as `pinned_certs` has it.
    pub fn public_key_id(&self) -> String {
        self.public_key_sha256.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn add_alternative_name(&mut self, name: &GeneralName<'_>) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "x509-parser's enum; other kinds of names map to no user"
        )]
        match name {
            GeneralName::RFC822Name(email) => self.emails.push((*email).to_owned()),
            GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
            GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
            _ => {}
        }
    }
}

/// The subject, most specific part first, which is the reverse of its order in the certificate.
fn distinguished_name(subject: &X509Name<'_>) -> Option<DistinguishedName> {
    let mut name = DistinguishedName::default();
    for parts in subject.iter_rdn() {
        let mut attributes = Vec::new();
        for part in parts.iter() {
            let kind = short_name(part.attr_type())?.to_owned();
            attributes.push(Attribute { kind, value: text_of(part.attr_value())? });
        }
        attributes.reverse();
        if !attributes.is_empty() {
            name.rdns.push(RelativeName { attributes });
        }
    }
    name.rdns.reverse();
    Some(name)
}

/// The subject's text as the reference has it: grouped by type, in [`TEXT_ORDER`] from its end, whatever the
/// certificate's order. Domain components have no place in it; the form that has them appended comes first.
fn subject_texts(subject: &X509Name<'_>) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for (kind, repeats) in TEXT_ORDER {
        let values = subject
            .iter_attributes()
            .filter(|attribute| short_name(attribute.attr_type()) == Some(kind))
            .filter_map(|attribute| text_of(attribute.attr_value()));
        let values: Vec<String> = match repeats {
            Repeats::All => values.collect(),
            Repeats::Last => values.last().filter(|value| !value.is_empty()).into_iter().collect(),
        };
        if !values.is_empty() {
            let parts: Vec<String> =
                values.iter().map(|value| format!("{kind}={}", escaped(value))).collect();
            groups.push(parts.join("+"));
        }
    }
    groups.reverse();
    let text = groups.join(",");
    let components: Vec<String> = subject
        .iter_attributes()
        .filter(|attribute| short_name(attribute.attr_type()) == Some("DC"))
        .filter_map(|attribute| text_of(attribute.attr_value()))
        .map(|value| format!("DC={value}"))
        .collect();
    if components.is_empty() { vec![text] } else { vec![format!("{text},{}", components.join(",")), text] }
}

/// Backslashes before what RFC 2253 calls special.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (at, char) in value.char_indices() {
        let special = match char {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => at == 0 || at == value.len() - 1,
            '#' => at == 0,
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

fn short_name(kind: &Oid<'_>) -> Option<&'static str> {
    SHORT_NAMES.iter().find(|(oid, _)| oid == kind).map(|(_, name)| *name)
}

/// The text of the string types that attributes of a name may have; `None` for others and for damaged ones.
fn text_of(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::NumericString | Tag::Ia5String | Tag::T61String => {
            String::from_utf8(value.data.to_vec()).ok()
        }
        Tag::BmpString => {
            let units = value.data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

/// How often a type can stand in the subject's text.
#[derive(Clone, Copy)]
enum Repeats {
    All,
    Last,
}

/// Go's `pkix.Name.ToRDNSequence`; for a name and a serial number it keeps the last one.
const TEXT_ORDER: [(&str, Repeats); 9] = [
    ("C", Repeats::All),
    ("ST", Repeats::All),
    ("L", Repeats::All),
    ("STREET", Repeats::All),
    ("POSTALCODE", Repeats::All),
    ("O", Repeats::All),
    ("OU", Repeats::All),
    ("CN", Repeats::Last),
    ("SERIALNUMBER", Repeats::Last),
];

/// The attribute types the reference knows by name (`internal/ldap/dn.go`).
const SHORT_NAMES: [(Oid<'static>, &str); 10] = [
    (oid!(2.5.4.3), "CN"),
    (oid!(2.5.4.5), "SERIALNUMBER"),
    (oid!(2.5.4.6), "C"),
    (oid!(2.5.4.7), "L"),
    (oid!(2.5.4.8), "ST"),
    (oid!(2.5.4.9), "STREET"),
    (oid!(2.5.4.10), "O"),
    (oid!(2.5.4.11), "OU"),
    (oid!(2.5.4.17), "POSTALCODE"),
    (oid!(0.9.2342.19200300.100.1.25), "DC"),
];

#[cfg(test)]
mod tests;
