//! Distinguished names in the text form of RFC 2253, as users mapped from certificates are written.

/// A distinguished name: its most specific part first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistinguishedName {
    pub rdns: Vec<RelativeName>,
}

/// One part of a name: usually one attribute, several where they are joined by `+`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelativeName {
    pub attributes: Vec<Attribute>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `CN`, `OU`, ...; case does not matter.
    pub kind: String,
    pub value: String,
}

/// Texts are the reference's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnError {
    #[error("got corrupted escaped character")]
    EscapeCutShort,
    #[error("failed to decode escaped character: encoding/hex: invalid byte: {}", unicode_name(.0))]
    EscapeNotHex(u8),
    #[error("unsupported BER encoding")]
    BerEncoding,
    #[error("incomplete type, value pair")]
    Incomplete,
    #[error("DN ended with incomplete type, value pair")]
    EndedIncomplete,
    #[error("the escaped octets are not UTF-8")]
    NotUtf8,
}

impl DistinguishedName {
    /// Reads `CN=a,OU=b+OU=c`. Spaces around types and values do not count unless escaped.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        let bytes = text.as_bytes();
        let mut name = Self::default();
        let mut rdn = RelativeName::default();
        let mut kind = String::new();
        let mut field = Field::default();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            match byte {
                b'\\' => {
                    let (escaped, length) = unescape(&bytes[at..])?;
                    field.push_escaped(escaped);
                    at += length;
                }
                b'=' => {
                    kind = field.take()?;
                    if bytes.get(at) == Some(&b'#') {
                        return Err(DnError::BerEncoding);
                    }
                }
                b',' | b'+' => {
                    if kind.is_empty() {
                        return Err(DnError::Incomplete);
                    }
                    rdn.attributes.push(Attribute { kind: std::mem::take(&mut kind), value: field.take()? });
                    if byte == b',' {
                        name.rdns.push(std::mem::take(&mut rdn));
                    }
                }
                byte => field.push(byte),
            }
        }
        if !field.bytes.is_empty() {
            if kind.is_empty() {
                return Err(DnError::EndedIncomplete);
            }
            rdn.attributes.push(Attribute { kind, value: field.take()? });
            name.rdns.push(rdn);
        }
        Ok(name)
    }

    pub fn is_empty(&self) -> bool {
        self.rdns.is_empty()
    }

    /// The same parts in the same order.
    pub fn matches_in_order(&self, other: &Self) -> bool {
        self.rdns.len() == other.rdns.len()
            && self.rdns.iter().zip(&other.rdns).all(|(ours, theirs)| ours.matches(theirs))
    }

    /// The same parts, in whatever order.
    pub fn matches_in_any_order(&self, other: &Self) -> bool {
        if self.rdns.len() != other.rdns.len() {
            return false;
        }
        let mut taken = vec![false; other.rdns.len()];
        self.rdns.iter().all(|ours| {
            let found =
                other.rdns.iter().zip(&mut taken).find(|(theirs, taken)| !**taken && ours.matches(theirs));
            found.map(|(_, taken)| *taken = true).is_some()
        })
    }

    /// Whether `other` ends with these parts and has more in front.
    pub fn is_ancestor_of(&self, other: &Self) -> bool {
        match other.rdns.len().checked_sub(self.rdns.len()) {
            None | Some(0) => false,
            Some(deeper) => {
                self.rdns.iter().zip(&other.rdns[deeper..]).all(|(ours, theirs)| ours.matches(theirs))
            }
        }
    }
}

impl RelativeName {
    fn matches(&self, other: &Self) -> bool {
        self.attributes.len() == other.attributes.len() && self.has_all_of(other) && other.has_all_of(self)
    }

    fn has_all_of(&self, other: &Self) -> bool {
        other.attributes.iter().all(|theirs| self.attributes.iter().any(|ours| ours.matches(theirs)))
    }
}

impl Attribute {
    fn matches(&self, other: &Self) -> bool {
        self.kind.eq_ignore_ascii_case(&other.kind) && self.value == other.value
    }
}

/// A type or a value while it is read.
#[derive(Default)]
struct Field {
    bytes: Vec<u8>,
    /// Spaces at the end that were not escaped, and go unless something follows.
    trailing_spaces: usize,
}

impl Field {
    fn push(&mut self, byte: u8) {
        if byte == b' ' {
            if self.bytes.is_empty() {
                return;
            }
            self.trailing_spaces += 1;
        } else {
            self.trailing_spaces = 0;
        }
        self.bytes.push(byte);
    }

    fn push_escaped(&mut self, byte: u8) {
        self.trailing_spaces = 0;
        self.bytes.push(byte);
    }

    fn take(&mut self) -> Result<String, DnError> {
        let Self { mut bytes, trailing_spaces } = std::mem::take(self);
        bytes.truncate(bytes.len() - trailing_spaces);
        String::from_utf8(bytes).map_err(|_| DnError::NotUtf8)
    }
}

/// What follows a backslash: a special character as it is, or two hexadecimal digits. Gives the byte and how many
/// characters stood for it.
fn unescape(after: &[u8]) -> Result<(u8, usize), DnError> {
    match *after {
        [special @ (b' ' | b'"' | b'#' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'\\'), ..] => {
            Ok((special, 1))
        }
        [high, low, ..] => Ok((hex_digit(high)? << 4 | hex_digit(low)?, 2)),
        [_] | [] => Err(DnError::EscapeCutShort),
    }
}

fn hex_digit(byte: u8) -> Result<u8, DnError> {
    let digit = char::from(byte).to_digit(16).ok_or(DnError::EscapeNotHex(byte))?;
    Ok(u8::try_from(digit).expect("a hexadecimal digit is below 16"))
}

fn unicode_name(byte: &u8) -> String {
    let char = char::from(*byte);
    if byte.is_ascii_graphic() || *byte == b' ' {
        format!("U+{byte:04X} '{char}'")
    } else {
        format!("U+{byte:04X}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dn(rdns: &[&[(&str, &str)]]) -> DistinguishedName {
        let attribute = |&(kind, value): &(&str, &str)| Attribute { kind: kind.into(), value: value.into() };
        let rdn = |attributes: &&[_]| RelativeName { attributes: attributes.iter().map(attribute).collect() };
        DistinguishedName { rdns: rdns.iter().map(rdn).collect() }
    }

    fn parse(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap()
    }

    // go: internal/ldap/dn_test.go TestSuccessfulDNParsing
    #[test]
    fn names_are_read_with_their_escapes_and_without_their_padding() {
        let sales: &[_] = &[("OU", "Sales"), ("CN", "J. Smith")];
        let cases = [
            ("", dn(&[])),
            (
                r"cn=Jim\2C \22Hasse Hö\22 Hansson!,dc=dummy,dc=com",
                dn(&[&[("cn", "Jim, \"Hasse Hö\" Hansson!")], &[("dc", "dummy")], &[("dc", "com")]]),
            ),
            (
                "UID=jsmith,DC=example,DC=net",
                dn(&[&[("UID", "jsmith")], &[("DC", "example")], &[("DC", "net")]]),
            ),
            ("OU=Sales+CN=J. Smith,DC=example,DC=net", dn(&[sales, &[("DC", "example")], &[("DC", "net")]])),
            (r"CN=Lu\C4\8Di\C4\87", dn(&[&[("CN", "Lučić")]])),
            (r"  CN  =  Lu\C4\8Di\C4\87  ", dn(&[&[("CN", "Lučić")]])),
            ("   A   =   1   ,   B   =   2   ", dn(&[&[("A", "1")], &[("B", "2")]])),
            ("   A   =   1   +   B   =   2   ", dn(&[&[("A", "1"), ("B", "2")]])),
            (
                r"   \ \ A\ \    =   \ \ 1\ \    ,   \ \ B\ \    =   \ \ 2\ \    ",
                dn(&[&[("  A  ", "  1  ")], &[("  B  ", "  2  ")]]),
            ),
            (
                r"   \ \ A\ \    =   \ \ 1\ \    +   \ \ B\ \    =   \ \ 2\ \    ",
                dn(&[&[("  A  ", "  1  "), ("  B  ", "  2  ")]]),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    // go: internal/ldap/dn_test.go TestErrorDNParsing
    #[test]
    fn malformed_names_are_refused_with_the_references_texts() {
        let cases = [
            ("*", "DN ended with incomplete type, value pair"),
            (r"cn=Jim\0Test", "failed to decode escaped character: encoding/hex: invalid byte: U+0054 'T'"),
            (r"cn=Jim\0", "got corrupted escaped character"),
            ("DC=example,=net", "DN ended with incomplete type, value pair"),
            ("test,DC=example,DC=com", "incomplete type, value pair"),
            ("=test,DC=example,DC=com", "incomplete type, value pair"),
            ("1=#0402486", "unsupported BER encoding"),
        ];
        for (text, expected) in cases {
            assert_eq!(DistinguishedName::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    // go: internal/ldap/dn_test.go TestDNEqual
    #[test]
    fn names_match_by_parts_in_order_and_types_without_case() {
        let cases = [
            ("", "", true),
            ("o=A", "o=A", true),
            ("o=A", "o=B", false),
            ("o=A,o=B", "o=A,o=B", true),
            ("o=A,o=B", "o=A,o=C", false),
            ("o=A+o=B", "o=A+o=B", true),
            ("o=A+o=B", "o=A+o=C", false),
            ("o=A", "O=A", true),
            ("o=A,o=B", "o=A,O=B", true),
            ("o=A+o=B", "o=A+O=B", true),
            ("o=a", "O=A", false),
            ("o=a,o=B", "o=A,O=B", false),
            ("o=a+o=B", "o=A+O=B", false),
            ("o=A+o=B", "O=B+o=A", true),
            ("o=A+o=B", "O=B+o=A+O=B", false),
            ("o=A+o=B", "O=B+o=A+O=C", false),
            ("o=A+o=B+o=C", "O=B+o=A", false),
            ("cn=John Doe, ou=People, dc=sun.com", "cn=John Doe, ou=People, dc=sun.com", true),
            ("cn=John Doe, ou=People, dc=sun.com", "cn=John Doe,ou=People,dc=sun.com", true),
            ("cn=John Doe, ou=People, dc=sun.com", "cn=John  Doe, ou=People, dc=sun.com", false),
        ];
        for (a, b, expected) in cases {
            assert_eq!(parse(a).matches_in_order(&parse(b)), expected, "{a} and {b}");
            assert_eq!(parse(b).matches_in_order(&parse(a)), expected, "{b} and {a}");
        }
    }

    // go: internal/ldap/dn_test.go TestDNAncestor
    #[test]
    fn an_ancestor_is_a_proper_end_of_the_name() {
        let cases = [
            ("", "", false),
            ("o=A", "o=A", false),
            ("o=A,o=B", "o=A,o=B", false),
            ("o=A+o=B", "o=A+o=B", false),
            ("ou=C,ou=B,o=A", "ou=E,ou=D,ou=B,o=A", false),
            ("ou=C,ou=B,o=A", "ou=E,ou=C,ou=B,o=A", true),
        ];
        for (a, b, expected) in cases {
            assert_eq!(parse(a).is_ancestor_of(&parse(b)), expected, "{a} of {b}");
        }
    }

    // go: internal/ldap/dn_test.go TestDNReverseMatchDuplicates
    #[test]
    fn a_part_is_matched_once_only() {
        let twice = parse("CN=Alice,CN=Alice,O=NATS");
        assert!(!twice.matches_in_any_order(&parse("CN=Alice,O=NATS,OU=Users")));
        assert!(!parse("CN=Alice,O=NATS,OU=Users").matches_in_any_order(&twice));
        assert!(twice.matches_in_any_order(&parse("CN=Alice,O=NATS,CN=Alice")));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r"[ -~é\\,+=#]{0,40}") {
            if let Ok(name) = DistinguishedName::parse(&text) {
                prop_assert!(name.matches_in_order(&name));
                prop_assert!(name.matches_in_any_order(&name));
                prop_assert!(!name.is_ancestor_of(&name));
            }
        }
    }
}
