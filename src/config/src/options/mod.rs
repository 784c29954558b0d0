//! The checked configuration of one server.

pub mod auth;
