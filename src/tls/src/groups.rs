//! Key exchange groups under the reference's names, which calls them curves.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::kx_group;

use crate::TlsError;

/// The groups of a listener, the preferred first: those configured, or all.
///
/// # Errors
/// Names the first group that is unknown or that rustls does not have.
pub(crate) fn select(configured: &[String]) -> Result<Vec<&'static dyn SupportedKxGroup>, TlsError> {
    for name in configured {
        if !GROUPS.iter().any(|(known, _)| known == name) {
            return Err(if UNSUPPORTED.contains(&name.as_str()) {
                TlsError::UnsupportedCurve(name.clone())
            } else {
                TlsError::UnknownCurve(name.clone())
            });
        }
    }
    let is_wanted = |name: &str| configured.is_empty() || configured.iter().any(|wanted| wanted == name);
    Ok(GROUPS.iter().filter(|(name, _)| is_wanted(name)).map(|(_, group)| *group).collect())
}

/// In the reference's order of preference, which configuration does not change.
const GROUPS: [(&str, &dyn SupportedKxGroup); 5] = [
    ("X25519MLKEM768", kx_group::X25519MLKEM768),
    ("SecP256r1MLKEM768", kx_group::SECP256R1MLKEM768),
    ("X25519", kx_group::X25519),
    ("CurveP256", kx_group::SECP256R1),
    ("CurveP384", kx_group::SECP384R1),
];

/// [`GROUPS`] for the operator.
pub(crate) const SUPPORTED: &str = "X25519MLKEM768, SecP256r1MLKEM768, X25519, CurveP256, CurveP384";

/// What the reference has besides.
const UNSUPPORTED: [&str; 2] = ["CurveP521", "SecP384r1MLKEM1024"];
