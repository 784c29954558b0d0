//! `feature_flags`: what of the reference is turned on or off by name.

use std::collections::BTreeMap;

/// The flags of the pinned release, and which of them are on unless the configuration says otherwise. All of them are of
/// JetStream.
pub const KNOWN: [(&str, bool); 4] = [
    ("js_ack_fc_v2", false),
    ("js_api_reply_v2", false),
    ("js_raft_delete_range", true),
    ("js_snapshot_sources", false),
];

/// What the configuration says of flags, also of those that are not known, or no longer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureFlags(pub BTreeMap<String, bool>);

impl FeatureFlags {
    /// Every known flag, on or off. Pass [`KNOWN`].
    pub fn merged(&self, known: &[(&str, bool)]) -> BTreeMap<String, bool> {
        let configured = |name: &str| self.0.get(name).copied();
        known.iter().map(|&(name, default)| (name.to_owned(), configured(name).unwrap_or(default))).collect()
    }

    /// How the known flags that are configured relate to their defaults, for the log: `a (opt-in), b (disabled)`.
    pub fn configured(&self, known: &[(&str, bool)]) -> String {
        let default =
            |name: &str| known.iter().find(|(known, _)| *known == name).map(|(_, default)| *default);
        let state = |(name, is_on): (&String, &bool)| {
            let word = match (default(name)?, is_on) {
                (true, true) => "enabled",
                (true, false) => "opt-out",
                (false, true) => "opt-in",
                (false, false) => "disabled",
            };
            Some(format!("{name} ({word})"))
        };
        let states: Vec<String> = self.0.iter().filter_map(state).collect();
        if states.is_empty() { "none".to_owned() } else { states.join(", ") }
    }

    /// The configured flags that are not known: `a, b`.
    pub fn unsupported(&self, known: &[(&str, bool)]) -> String {
        let is_known = |name: &str| known.iter().any(|(known, _)| *known == name);
        let names: Vec<&str> = self.0.keys().map(String::as_str).filter(|name| !is_known(name)).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(flags: &[(&str, bool)]) -> FeatureFlags {
        FeatureFlags(flags.iter().map(|&(name, is_on)| (name.to_owned(), is_on)).collect())
    }

    // go: server/feature_flags_test.go TestGetFeatureFlag
    #[test]
    fn the_configuration_goes_before_the_default_and_revives_nothing() {
        let known = [("test_flag", true)];
        let is_on =
            |flags: FeatureFlags, known: &[(&str, bool)], name: &str| flags.merged(known).get(name).copied();
        assert_eq!(is_on(flags(&[]), &known, ""), None);
        assert_eq!(is_on(flags(&[]), &known, "test_flag"), Some(true));
        assert_eq!(is_on(flags(&[("test_flag", false)]), &known, "test_flag"), Some(false));
        assert_eq!(is_on(flags(&[("test_flag", true)]), &[], "test_flag"), None);
    }

    // go: server/feature_flags_test.go TestGetMergedFeatureFlags
    #[test]
    fn only_known_flags_are_shown() {
        let merged = flags(&[("test_flag", false), ("unknown_flag", false)])
            .merged(&[("test_flag", true), ("test_flag_default", true)]);
        let expected =
            BTreeMap::from([("test_flag".to_owned(), false), ("test_flag_default".to_owned(), true)]);
        assert_eq!(merged, expected);
    }

    #[test]
    fn the_log_tells_known_from_unknown() {
        let known = [("a", true), ("b", true), ("c", false), ("d", false)];
        let some = flags(&[("a", true), ("b", false), ("c", true), ("d", false), ("x", true), ("y", false)]);
        assert_eq!(some.configured(&known), "a (enabled), b (opt-out), c (opt-in), d (disabled)");
        assert_eq!(some.unsupported(&known), "x, y");
        assert_eq!(flags(&[("x", true)]).configured(&known), "none");
    }
}
