//! The documents, field by field in the reference's order (`server/monitor.go`), each made from the snapshots.

pub(crate) mod accounts;
pub(crate) mod cluster;
pub(crate) mod connz;
pub(crate) mod healthz;
pub(crate) mod index;
pub(crate) mod process;
pub(crate) mod subsz;
pub(crate) mod varz;

#[cfg(test)]
mod tests;
