//! What we say we are.

/// The reference release whose behaviour this server keeps. Clients switch features on it, so INFO, `/varz` and
/// `--version` carry it.
pub const REFERENCE: &str = "2.15.1";

/// Our own release.
pub const NATRIUM: &str = env!("CARGO_PKG_VERSION");

/// `proto` in INFO: 1 says that INFO may arrive at any time.
pub const CLIENT_PROTOCOL: i32 = 1;

/// `api_lvl` in INFO: the revision of the JetStream API that the reference release has. It is there without JetStream as
/// well.
pub const JETSTREAM_API_LEVEL: i32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    // go: server/server_test.go TestSemanticVersion
    #[test]
    fn versions_are_semantic() {
        for version in [REFERENCE, NATRIUM] {
            let (core, rest) = version.split_once(['-', '+']).unwrap_or((version, "x"));
            let parts: Vec<&str> = core.split('.').collect();
            assert_eq!(parts.len(), 3, "{version}");
            for part in parts {
                let number: u32 = part.parse().unwrap();
                assert_eq!(number.to_string(), part, "{version}: no zeros in front");
            }
            let is_identifier = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+');
            assert!(!rest.is_empty() && rest.chars().all(is_identifier), "{version}");
        }
    }
}
