//! Subject transforms: from a subject that matches a source to another subject, made of its tokens.
//!
//! A destination is a row of tokens. Each stands for itself, or for what a function makes of the tokens that matched the
//! source's wildcards: `$1` and `{{wildcard(1)}}`, `{{partition(10,1,2)}}`, `{{split(1,-)}}`, `{{splitFromLeft(1,3)}}`,
//! `{{sliceFromRight(1,2)}}`, `{{left(1,3)}}`, `{{random(10)}}` and their kin. A last `>` takes what the source's `>`
//! matched. The rules are the reference's (`server/subject_transform.go`).

mod apply;
mod function;

#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use crate::grammar::{self, STAR, TAIL};
use function::Function;

/// A source and a destination that fit each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    parts: Box<[Part]>,
    /// Tokens of the source before its `>`, where the destination ends in `>` too.
    tail_after: Option<usize>,
}

/// One token of a destination, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<[u8]>),
    /// The token at this place of the subject, counted from 0, as the function leaves it.
    Token(usize, Shape),
    /// A number below `buckets` from the hash of these tokens, or of the whole subject if there are none.
    Partition {
        buckets: u32,
        tokens: SmallVec<[usize; 4]>,
    },
    /// A number whose size is below that of `ceiling`.
    Random {
        ceiling: i32,
    },
}

/// What becomes of a token. Sizes that do not cut it leave it whole.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Whole,
    SplitFromLeft(usize),
    SplitFromRight(usize),
    SliceFromLeft(usize),
    SliceFromRight(usize),
    Left(usize),
    Right(usize),
    /// At each of these; empty pieces are left out.
    SplitAt(Box<[u8]>),
}

/// Whether all wildcards of the source have to be used, and by nothing but `wildcard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// For mappings: the destination may forget.
    Lax,
    /// For imports, which are undone on the way back.
    Reversible,
}

/// Why a destination does not do; in the reference's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    #[error("invalid subject")]
    InvalidSubject,
    #[error("invalid mapping destination: invalid transform in {0}")]
    InvalidTransform(String),
    #[error("invalid mapping destination: not using all of the token wildcard(s) in {0}")]
    NotAllWildcards(String),
    #[error("invalid mapping destination: unknown function in {0}")]
    UnknownFunction(String),
    #[error("invalid mapping destination: wildcard index out of range in {0}")]
    IndexOutOfRange(String),
    #[error("invalid mapping destination: not enough arguments passed to the function in {0}")]
    NotEnoughArguments(String),
    #[error("invalid mapping destination: function argument is invalid or in the wrong format in {0}")]
    InvalidArgument(String),
    #[error("invalid mapping destination: too many arguments passed to the function in {0}")]
    TooManyArguments(String),
    #[error(
        "invalid mapping destination: the only mapping function allowed for import transforms is {{{{Wildcard()}}}} in {0}"
    )]
    NotReversible(String),
}

impl Transform {
    /// # Errors
    /// Malformed subjects, functions that are unknown or wrongly called, wildcards that are not there.
    pub fn new(source: &str, destination: &str, strictness: Strictness) -> Result<Self, TransformError> {
        let source = if source.is_empty() { ">" } else { source };
        let is_shaped = |subject: &str| grammar::has_filter_shape(subject.as_bytes());
        if !is_shaped(source) || !is_shaped(destination) || has_star(destination) {
            return Err(TransformError::InvalidSubject);
        }
        let (source_tail, destination_tail) = (has_tail(source), has_tail(destination));
        if source_tail != destination_tail {
            return Err(TransformError::InvalidSubject);
        }
        let stars: Vec<usize> =
            source.split('.').enumerate().filter(|(_, token)| *token == "*").map(|(at, _)| at).collect();
        let is_literal = stars.is_empty() && !source_tail;
        let mut used = 0;
        let mut parts = Vec::new();
        for token in destination.split('.') {
            if destination_tail && token == ">" {
                break;
            }
            let part = match Function::read(token)? {
                Some(function) => {
                    if strictness == Strictness::Reversible && !function.is_wildcard() {
                        return Err(TransformError::NotReversible(token.to_owned()));
                    }
                    used += function.arguments();
                    function.resolve(token, &stars, is_literal)?
                }
                None => Part::Literal(token.as_bytes().into()),
            };
            parts.push(part);
        }
        if strictness == Strictness::Reversible && used < stars.len() {
            return Err(TransformError::NotAllWildcards(destination.to_owned()));
        }
        let tail_after = destination_tail.then(|| source.split('.').count() - 1);
        Ok(Self { parts: parts.into(), tail_after })
    }
}

fn has_star(subject: &str) -> bool {
    grammar::tokens(subject.as_bytes()).any(|token| token == [STAR])
}

fn has_tail(subject: &str) -> bool {
    grammar::tokens(subject.as_bytes()).last() == Some(&[TAIL])
}
