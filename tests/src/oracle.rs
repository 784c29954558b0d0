//! One script, several servers, equal transcripts.
//!
//! A [`Script`] says who connects, which bytes each client sends and what it waits for (the language:
//! `oracle/README.md`). [`play`] runs it against one server and returns a [`Transcript`]: all bytes each
//! client received and whether the server closed it, with ids, times and versions taken out. Two servers
//! behave alike where their transcripts are equal.

mod escape;
mod play;
mod script;
mod transcript;

pub use play::{PlayError, play};
pub use script::{Script, ScriptError};
pub use transcript::Transcript;
