//! From a configuration file to [`Options`].
//!
//! Every key of the reference is known here: it works, or it is refused as "not supported yet" (`not_yet`). What is wrong
//! is collected and told all at once.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a reader names the kinds of value it takes; each other one is the wrong kind"
)]

mod accounts;
mod authorization;
mod cert_store;
mod listen;
mod mappings;
mod nkey;
mod not_yet;
mod permissions;
mod report;
mod tls;
mod top;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use crate::language::{self, Surroundings, SyntaxError};
use crate::options::Options;
pub use report::Finding;
use report::Report;

/// A configuration that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub options: Options,
    /// Questionable, and no reason not to start.
    pub warnings: Vec<Finding>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error("{}", Lines(.warnings, .errors))]
    Invalid { warnings: Vec<Finding>, errors: Vec<Finding> },
}

/// Reads and checks a configuration file.
///
/// # Errors
/// The text cannot be understood, or something in it is unknown, of the wrong kind, out of range or not supported.
pub fn load(path: &Path, surroundings: &dyn Surroundings) -> Result<Loaded, FileError> {
    let map = language::parse_file(path, surroundings)?;
    let mut report = Report::default();
    let mut options = top::read(&map, &mut report);
    options.digest = Some(language::digest(&map));
    let Report { errors, mut warnings } = report;
    if map.is_empty() {
        warnings.push(Finding {
            at: None,
            text: format!("{}: config has no values or is empty", path.display()),
        });
    }
    if errors.is_empty() {
        Ok(Loaded { options, warnings })
    } else {
        Err(FileError::Invalid { warnings, errors })
    }
}

/// Findings, one a line.
struct Lines<'a>(&'a [Finding], &'a [Finding]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for finding in self.0.iter().chain(self.1) {
            write!(f, "{separator}{finding}")?;
            separator = "\n";
        }
        Ok(())
    }
}
