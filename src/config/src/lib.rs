//! What a server is told: the configuration language, the flags, and the options both end in.

pub mod file;
pub mod flags;
pub mod language;
pub mod options;
