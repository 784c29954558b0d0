//! The monitoring endpoint of a running server, over HTTP: what clients did is what its pages say, on one shard and on
//! two, and the pages are those of the reference.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod caching;
mod closed;
mod connections;
mod endpoint;
mod latency;
mod like_the_reference;
mod pages;
mod start;
mod tls;
mod web;
