//! A server as the system sees it: the files it leaves, the signals it takes, how it begins and ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod files;
mod running;
mod signals;
mod start;
