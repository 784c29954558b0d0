//! The `tls` block of the client listener.

use std::path::PathBuf;

use crate::language::{Data, Value};
use crate::options::tls::{HandshakeFirst, KeyPairFiles, TlsOptions, TlsVersion};
use natrium_model::{go_duration, limits};

use super::cert_store;
use super::not_yet::Block;
use super::report::{Report, set};

/// `cert_file` and `key_file`, while only one of them may have been seen.
#[derive(Default)]
struct Pair {
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

pub(super) fn read(value: &Value, report: &mut Report) -> Option<TlsOptions> {
    let map = report.map("tls", value)?;
    let mut tls = TlsOptions::default();
    let mut pair = Pair::default();
    for (key, entry) in map.iter() {
        let value = &entry.value;
        match key.to_ascii_lowercase().as_str() {
            "cert_file" => pair.cert_file = report.string(key, value).map(Into::into),
            "key_file" => pair.key_file = report.string(key, value).map(Into::into),
            "ca_file" => tls.ca_file = report.string(key, value).map(Into::into),
            "certs" | "certificates" => certificates(key, value, &mut tls, report),
            "verify" => tls.verify |= report.bool(key, value).unwrap_or(false),
            "verify_and_map" => {
                tls.map_users = report.bool(key, value).unwrap_or(false);
                tls.verify |= tls.map_users;
            }
            "verify_cert_and_check_known_urls" => {
                if report.bool(key, value) == Some(true) {
                    report.error(value, "verify_cert_and_check_known_urls not supported in this context");
                }
            }
            // Neither does anything at a listener: the one is for connections made, and there is no insecure suite here.
            "insecure" | "allow_insecure_cipher_suites" => {
                report.bool(key, value);
            }
            "cipher_suites" => set(&mut tls.cipher_suites, names(key, value, report)),
            "curve_preferences" => set(&mut tls.curve_preferences, names(key, value, report)),
            "timeout" => {
                if let Some(timeout) = report.seconds(key, value) {
                    tls.timeout = timeout.unwrap_or(limits::TLS_TIMEOUT);
                }
            }
            "connection_rate_limit" => {
                let limit = report.limit(key, value).flatten();
                tls.connection_rate_limit = limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
            }
            "pinned_certs" => pinned(key, value, &mut tls, report),
            "handshake_first" | "first" | "immediate" => {
                set(&mut tls.handshake_first, handshake_first(key, value, report));
            }
            "min_version" => match report.string(key, value).as_deref() {
                Some("1.2") => tls.min_version = TlsVersion::V1_2,
                Some("1.3") => tls.min_version = TlsVersion::V1_3,
                Some(version) => {
                    report.error(value, format!("unsupported TLS version: {version}; there are 1.2 and 1.3"));
                }
                None => {}
            },
            "cert_store" => cert_store::store(key, value, report),
            "cert_match_by" => cert_store::match_by(key, value, report),
            "cert_match" => drop(cert_store::name(key, value, report)),
            "cert_match_skip_invalid" => drop(report.bool(key, value)),
            "ca_certs_match" => drop(report.strings(key, value)),
            _ => report.not_read(Block::Tls, key, entry),
        }
    }
    add_pair(pair, value, &mut tls, report);
    Some(tls)
}

fn add_pair(pair: Pair, value: &Value, tls: &mut TlsOptions, report: &mut Report) {
    match (pair.cert_file, pair.key_file) {
        (Some(_), _) if !tls.certificates.is_empty() => {
            report.error(value, "cannot combine 'cert_file' option with 'certs' option");
        }
        (Some(cert_file), Some(key_file)) => tls.certificates.push(KeyPairFiles { cert_file, key_file }),
        (Some(_), None) => report.error(value, "missing 'key_file' in TLS configuration"),
        (None, Some(_)) => report.error(value, "missing 'cert_file' in TLS configuration"),
        (None, None) if tls.certificates.is_empty() => {
            report.error(value, "a listener with TLS needs 'cert_file' and 'key_file', or 'certs'");
        }
        (None, None) => {}
    }
}

fn certificates(key: &str, value: &Value, tls: &mut TlsOptions, report: &mut Report) {
    for item in report.array(key, value).unwrap_or_default() {
        let Some(map) = report.map(key, item) else { continue };
        let mut pair = Pair::default();
        for (key, entry) in map.iter() {
            match key {
                "cert_file" => pair.cert_file = report.string(key, &entry.value).map(Into::into),
                "key_file" => pair.key_file = report.string(key, &entry.value).map(Into::into),
                _ => report.not_read(Block::Complete, key, entry),
            }
        }
        match (pair.cert_file, pair.key_file) {
            (Some(cert_file), Some(key_file)) => tls.certificates.push(KeyPairFiles { cert_file, key_file }),
            (None, _) | (_, None) => {
                report.error(item, "both 'cert_file' and 'key_file' options are required");
            }
        }
    }
}

/// Names of suites or curves; which there are is known where TLS is done.
fn names(key: &str, value: &Value, report: &mut Report) -> Option<Vec<String>> {
    let values = report.array(key, value)?;
    if values.is_empty() {
        report.error(value, format!("'{key}' cannot be empty"));
    }
    values.iter().map(|value| report.string(key, value)).collect()
}

fn pinned(key: &str, value: &Value, tls: &mut TlsOptions, report: &mut Report) {
    for item in report.array(key, value).unwrap_or_default() {
        let Some(text) = report.string(key, item) else { continue };
        match digest(&text) {
            Some(digest) => tls.pinned_certs.push(digest),
            None => report.error(
                item,
                format!(
                    "'pinned_certs' key {text} does not look like hex-encoded sha256 of DER encoded \
                     SubjectPublicKeyInfo"
                ),
            ),
        }
    }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

fn handshake_first(key: &str, value: &Value, report: &mut Report) -> Option<HandshakeFirst> {
    let text = match &value.data {
        Data::Bool(true) => return Some(HandshakeFirst::Yes),
        Data::Bool(false) => return Some(HandshakeFirst::No),
        _ => report.string(key, value)?,
    };
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" => Some(HandshakeFirst::Yes),
        "false" | "off" => Some(HandshakeFirst::No),
        "auto" | "auto_fallback" => Some(HandshakeFirst::Auto(limits::TLS_HANDSHAKE_FIRST_FALLBACK)),
        _ => match go_duration(&text) {
            Ok(0) => Some(HandshakeFirst::Yes),
            Ok(nanos) if nanos > 0 => {
                Some(HandshakeFirst::Auto(std::time::Duration::from_nanos(nanos.unsigned_abs())))
            }
            Ok(_) | Err(_) => {
                report.error(value, format!("field {key:?}'s value {text:?} is invalid"));
                None
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::file::load;
    use crate::language::Surroundings;

    struct Text(String);

    impl Surroundings for Text {
        fn read(&self, _path: &Path) -> io::Result<String> {
            Ok(self.0.clone())
        }

        fn variable(&self, _name: &str) -> Option<String> {
            None
        }
    }

    // go: server/client_test.go TestTLSClientHandshakeFirstFallbackDelayConfigValues
    #[test]
    fn tls_comes_first_at_once_or_after_a_while_or_not() {
        const AUTO: HandshakeFirst = HandshakeFirst::Auto(limits::TLS_HANDSHAKE_FIRST_FALLBACK);
        for (value, expected) in [
            ("true", HandshakeFirst::Yes),
            ("false", HandshakeFirst::No),
            ("\"true\"", HandshakeFirst::Yes),
            ("\"false\"", HandshakeFirst::No),
            ("on", HandshakeFirst::Yes),
            ("off", HandshakeFirst::No),
            ("auto", AUTO),
            ("auto_fallback", AUTO),
            ("300ms", HandshakeFirst::Auto(Duration::from_millis(300))),
        ] {
            let text = format!("tls {{ cert_file: a.pem, key_file: b.pem, timeout: 1, first: {value} }}");
            let loaded = load(Path::new("x.conf"), &Text(text)).unwrap();
            assert_eq!(loaded.options.client.tls.unwrap().handshake_first, expected, "{value}");
        }
    }
}
