//! The configuration language: a superset of JSON with comments, bare words, units, variables, blocks and includes.
//!
//! [`parse_file`] makes a tree of [`Value`]s, each with the [`Position`] it comes from. What a key means is not known here.
//! The rules are the reference's (`nats-server:conf/`), which has no other description.

mod cursor;
mod digest;
mod error;
mod parser;
mod scalar;
mod surroundings;
mod value;

#[cfg(test)]
mod tests;

pub use digest::digest;
pub use error::{SyntaxError, SyntaxProblem};
pub use parser::{parse, parse_file};
pub use surroundings::{Surroundings, System};
pub use value::{Data, Entry, Map, Position, Value};
