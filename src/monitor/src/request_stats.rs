//! How often each page of the monitoring endpoint was asked for: `http_req_stats` of `/varz`.

use std::collections::BTreeMap;

/// Requests by path, without the base path. Kept by the shard that serves the endpoint; a path appears with its first
/// request.
#[derive(Clone, Debug, Default, serde::Serialize)]
#[serde(transparent)]
pub struct RequestStats(BTreeMap<&'static str, u64>);

impl RequestStats {
    pub(crate) fn count(&mut self, path: &'static str) {
        *self.0.entry(path).or_default() += 1;
    }

    /// Path and count, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(path, count)| (*path, *count))
    }
}
