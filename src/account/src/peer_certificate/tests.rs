//! The fixtures are self-signed certificates made with `openssl req -x509 -newkey ec`; what they hold stands in the
//! tests.

use super::*;

const ALTERNATIVE_NAMES: &[u8] = include_bytes!("fixtures/alternative_names.der");
const SUBJECT_ONLY: &[u8] = include_bytes!("fixtures/subject_only.der");
const DOMAIN_COMPONENTS: &[u8] = include_bytes!("fixtures/domain_components.der");
const ALL_ATTRIBUTES: &[u8] = include_bytes!("fixtures/all_attributes.der");
const UNKNOWN_ATTRIBUTE: &[u8] = include_bytes!("fixtures/unknown_attribute.der");

fn read(der: &[u8]) -> PeerCertificate {
    PeerCertificate::from_der(der).unwrap()
}

fn texts(certificate: &PeerCertificate) -> Vec<&str> {
    certificate.subject_texts().collect()
}

#[test]
fn alternative_names_come_in_the_order_they_are_tried() {
    let certificate = read(ALTERNATIVE_NAMES);
    let names: Vec<_> = certificate.alternative_names().collect();
    assert_eq!(names, ["ann@example.com", "bob@example.com", "app.example.com", "spiffe://example.com/app"]);
}

#[test]
fn a_subject_reads_from_its_most_specific_part_on() {
    let certificate = read(SUBJECT_ONLY);
    let expected =
        DistinguishedName::parse(r"CN=\ app#1 é,CN=first,OU=Dev,OU=Ops+OU=Eng,O=NATS\, Inc.,ST=CA,C=US");
    assert_eq!(certificate.subject(), expected.as_ref().ok());
    assert_eq!(certificate.alternative_names().count(), 0);
}

#[test]
fn the_subjects_text_is_what_go_writes() {
    // By Go's crypto/x509: `certificate.Subject.ToRDNSequence().String()`.
    assert_eq!(texts(&read(SUBJECT_ONLY)), [r"CN=\ app#1 é,OU=Eng+OU=Ops+OU=Dev,O=NATS\, Inc.,ST=CA,C=US"]);
    assert_eq!(texts(&read(UNKNOWN_ATTRIBUTE)), ["CN=app"]);
    // By the reference's log of a certificate with every attribute that has a place.
    let all = "SERIALNUMBER=77,CN=first,OU=Eng,O=NATS,POSTALCODE=12345,STREET=Main,L=LA,ST=CA,C=US";
    assert_eq!(texts(&read(ALL_ATTRIBUTES)), [all]);
}

#[test]
fn domain_components_are_appended_for_the_first_try() {
    assert_eq!(texts(&read(DOMAIN_COMPONENTS)), ["CN=app,O=NATS,DC=com,DC=example", "CN=app,O=NATS"]);
    let subject = DistinguishedName::parse("CN=app,O=NATS,DC=example,DC=com");
    assert_eq!(read(DOMAIN_COMPONENTS).subject(), subject.as_ref().ok());
}

#[test]
fn a_subject_with_an_unknown_attribute_is_not_compared_by_parts() {
    assert_eq!(read(UNKNOWN_ATTRIBUTE).subject(), None);
}

#[test]
fn a_key_is_known_by_the_hash_of_its_public_part() {
    // openssl x509 -pubkey | openssl pkey -pubin -outform DER | sha256sum
    let expected = "992f1fd439f9ff8c6bf0067a2c8a1bd46e62622d1037c73f7564d028e4b00e1e";
    assert_eq!(read(SUBJECT_ONLY).public_key_id(), expected);
}

#[test]
fn bytes_that_are_no_certificate_are_refused() {
    assert!(PeerCertificate::from_der(b"").is_err());
    for length in 0..SUBJECT_ONLY.len() {
        assert!(PeerCertificate::from_der(&SUBJECT_ONLY[..length]).is_err(), "{length} bytes");
    }
    for at in 0..SUBJECT_ONLY.len() {
        let mut damaged = SUBJECT_ONLY.to_vec();
        damaged[at] ^= 0x55;
        // Read or refused, never a panic.
        let _ = PeerCertificate::from_der(&damaged);
    }
}
