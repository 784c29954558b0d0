//! Why a pair of source and destination is no transform, in the reference's words (`server/errors.go`).

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// Source or destination is no subject, the destination holds a `*`, or only one of the two ends in `>`.
    #[error("invalid subject")]
    InvalidSubject,
    #[error("invalid mapping destination: {fault}{}", InToken(token))]
    InvalidDestination {
        fault: DestinationFault,
        /// The token at fault, or the whole destination; may be empty, and is then not named.
        token: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationFault {
    #[error("invalid transform")]
    InvalidTransform,
    #[error("not using all of the token wildcard(s)")]
    NotUsingAllWildcards,
    #[error("unknown function")]
    UnknownFunction,
    #[error("wildcard index out of range")]
    IndexOutOfRange,
    #[error("not enough arguments passed to the function")]
    NotEnoughArguments,
    #[error("function argument is invalid or in the wrong format")]
    InvalidArgument,
    #[error("too many arguments passed to the function")]
    TooManyArguments,
    #[error("the only mapping function allowed for import transforms is {{{{Wildcard()}}}}")]
    NotSupportedForImport,
}

impl DestinationFault {
    pub(super) fn in_token(self, token: &[u8]) -> TransformError {
        TransformError::InvalidDestination { fault: self, token: String::from_utf8_lossy(token).into_owned() }
    }
}

struct InToken<'a>(&'a str);

impl fmt::Display for InToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " in {}", self.0) }
    }
}
