//! What can be wrong with the text of a configuration.

use std::io;
use std::path::PathBuf;

use super::Position;

/// The text cannot be understood from here on.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct SyntaxError {
    pub at: Position,
    #[source]
    pub problem: SyntaxProblem,
}

#[derive(Debug, thiserror::Error)]
pub enum SyntaxProblem {
    #[error("cannot read {path:?}: {source}")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{0:?} includes itself")]
    IncludeCycle(PathBuf),
    #[error("more than {0} maps, arrays or files inside one another")]
    TooDeep(usize),
    #[error("unexpected end of file in {0}")]
    UnexpectedEnd(&'static str),
    #[error("expected a key, found {0:?}")]
    NoKey(char),
    #[error("expected a value for {0:?}")]
    NoValue(String),
    #[error("expected a value, found {0:?}")]
    UnexpectedValue(char),
    #[error("expected a new line, ',', ';' or a comment after the value, found {0:?}")]
    UnexpectedAfterValue(char),
    #[error("expected ',' or '}}' after the value, found {0:?}")]
    UnexpectedInMap(char),
    #[error("expected ',' or ']' after the value, found {0:?}")]
    UnexpectedInArray(char),
    #[error("invalid escape '\\{0}'; there are \\xXX, \\t, \\n, \\r, \\\" and \\\\")]
    InvalidEscape(char),
    #[error("expected two hexadecimal digits after \\x")]
    InvalidHexEscape,
    #[error("the string is not UTF-8")]
    NotUtf8,
    #[error("integer {0:?} is out of range")]
    IntegerOutOfRange(String),
    #[error("number {0:?} is out of range")]
    FloatOutOfRange(String),
    #[error("a number needs digits before and after its '.'")]
    IncompleteFloat,
    #[error("expected a digit after '-'")]
    NoDigit,
    #[error("expected a date like 2016-05-04T18:53:41Z")]
    InvalidDate,
    #[error("expected the name of a file after include")]
    NoIncludeFile,
    #[error("variable reference for '{0}' can not be found")]
    UnknownVariable(String),
    #[error("variable reference cycle for '{0}'")]
    VariableCycle(String),
    #[error("the environment's value of '{name}' could not be parsed: {source}")]
    EnvironmentValue {
        name: String,
        #[source]
        source: Box<SyntaxError>,
    },
}
