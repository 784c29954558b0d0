//! Windows's certificate store in place of certificate files: refused by name, as the reference does on Linux.

use crate::language::{Data, Value};

use super::report::Report;

/// `cert_store`: there is none here.
pub(super) fn store(key: &str, value: &Value, report: &mut Report) {
    match name(key, value, report).as_deref() {
        Some("windowscurrentuser" | "windowslocalmachine") => {
            report.error(value, "cert_store not compatible with current operating system");
        }
        Some(_) => report.error(value, "cert store type not implemented"),
        None => {}
    }
}

/// `cert_match_by`, which like the other keys beside `cert_store` means nothing without it.
pub(super) fn match_by(key: &str, value: &Value, report: &mut Report) {
    match name(key, value, report).as_deref() {
        None | Some("issuer" | "subject" | "thumbprint") => {}
        Some(_) => report.error(value, "cert match by type not implemented"),
    }
}

/// A text that is not empty, in lower case.
pub(super) fn name(key: &str, value: &Value, report: &mut Report) -> Option<String> {
    match &value.data {
        Data::String(text) if !text.is_empty() => Some(text.to_ascii_lowercase()),
        _ => {
            report.error(value, format!("expected '{key}' to be a valid non-empty string"));
            None
        }
    }
}
