//! The monitoring endpoint: HTTP on the first shard, documents from what all shards report.
//!
//! A thread accepts and hands each socket to shard 0 ([`Monitor`]), which speaks HTTP over it ([`http`]), asks every shard
//! for what the request needs ([`collect`]), and lets a thread that may block write the document. Each shard answers from
//! its own state ([`report`]) and from what it counted beside its broker ([`Tally`]). What the documents say is decided in
//! `natrium_monitor`.

mod collect;
mod endpoint;
mod http;
mod listeners;
mod report;
mod stream;
mod tally;
mod tls_facts;
mod usage;

pub(crate) use collect::{Desk, Question};
pub(crate) use endpoint::{Endpoint, ServerFacts};
pub(crate) use http::serve;
pub(crate) use listeners::{Monitor, MonitorError};
pub(crate) use report::{closed_connection, report};
pub(crate) use tally::Tally;
