//! Functions as a destination's tokens name them.

use smallvec::SmallVec;

use super::{Part, Shape, TransformError};

/// A call, its wildcards still numbered as they are written: from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Function {
    Wildcard(i64),
    /// Of one wildcard and a size.
    Sized {
        name: Sized,
        wildcard: i64,
        size: i32,
    },
    Split {
        wildcard: i64,
        separator: Box<[u8]>,
    },
    Partition {
        buckets: i32,
        wildcards: SmallVec<[i64; 4]>,
    },
    Random(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sized {
    SplitFromLeft,
    SplitFromRight,
    SliceFromLeft,
    SliceFromRight,
    Left,
    Right,
}

const SIZED: [(&str, Sized); 6] = [
    ("SplitFromLeft", Sized::SplitFromLeft),
    ("SplitFromRight", Sized::SplitFromRight),
    ("SliceFromLeft", Sized::SliceFromLeft),
    ("SliceFromRight", Sized::SliceFromRight),
    ("Left", Sized::Left),
    ("Right", Sized::Right),
];

impl Function {
    /// `None` for a token that stands for itself.
    pub(super) fn read(token: &str) -> Result<Option<Self>, TransformError> {
        if let Some(number) = token.strip_prefix('$') {
            return Ok(number.parse().ok().map(Self::Wildcard));
        }
        let call = token.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        let Some(call) = call.filter(|call| !call.is_empty()) else { return Ok(None) };
        let unknown = || TransformError::UnknownFunction(token.to_owned());
        let (name, arguments) = call.trim().split_once('(').ok_or_else(unknown)?;
        let arguments = arguments.strip_suffix(')').ok_or_else(unknown)?;
        // White space in front of an argument belongs to the comma before it.
        let mut arguments: Vec<&str> = arguments.split(',').collect();
        for argument in arguments.iter_mut().skip(1) {
            *argument = argument.trim_start();
        }
        Self::call(name.trim_end(), &arguments, token)?.map(Some).ok_or_else(unknown)
    }

    fn call(name: &str, arguments: &[&str], token: &str) -> Result<Option<Self>, TransformError> {
        let invalid = || TransformError::InvalidArgument(token.to_owned());
        let too_few = || TransformError::NotEnoughArguments(token.to_owned());
        let too_many = || TransformError::TooManyArguments(token.to_owned());
        let wildcard = |text: &str| text.trim_matches(' ').parse::<i64>().map_err(|_| invalid());
        let size = |text: &str| text.trim_matches(' ').parse::<i32>().map_err(|_| invalid());
        if is_named(name, "Wildcard") {
            return match arguments {
                [""] => Err(too_few()),
                [index] => Ok(Some(Self::Wildcard(wildcard(index)?))),
                _ => Err(too_many()),
            };
        }
        if is_named(name, "Partition") {
            let (buckets, wildcards) = arguments.split_first().ok_or_else(too_few)?;
            let wildcards = wildcards.iter().map(|text| wildcard(text)).collect::<Result<_, _>>()?;
            return Ok(Some(Self::Partition { buckets: size(buckets)?, wildcards }));
        }
        if is_named(name, "Random") {
            return match arguments {
                [ceiling] => Ok(Some(Self::Random(size(ceiling)?))),
                _ => Err(too_few()),
            };
        }
        let sized = SIZED.into_iter().find(|(known, _)| is_named(name, known));
        if sized.is_none() && !is_named(name, "Split") {
            return Ok(None);
        }
        let (index, second) = match arguments {
            [] | [_] => return Err(too_few()),
            [index, second] => (wildcard(index)?, *second),
            _ => return Err(too_many()),
        };
        Ok(Some(match sized {
            Some((_, name)) => Self::Sized { name, wildcard: index, size: size(second)? },
            None if second.contains([' ', '.']) => return Err(invalid()),
            None => Self::Split { wildcard: index, separator: second.as_bytes().into() },
        }))
    }

    pub(super) fn is_wildcard(&self) -> bool {
        matches!(self, Self::Wildcard(_))
    }

    /// How many wildcards it uses.
    pub(super) fn arguments(&self) -> usize {
        match self {
            Self::Wildcard(_) | Self::Sized { .. } | Self::Split { .. } => 1,
            Self::Partition { wildcards, .. } => wildcards.len(),
            Self::Random(_) => 0,
        }
    }

    /// Puts places in the subject for the numbers of wildcards; `stars` holds those places. A source without wildcards has
    /// no tokens to offer, and arguments of its partitions mean nothing.
    pub(super) fn resolve(
        self,
        token: &str,
        stars: &[usize],
        is_literal: bool,
    ) -> Result<Part, TransformError> {
        let place = |index: i64| match usize::try_from(index) {
            Ok(index) if index > stars.len() => {
                Err(TransformError::IndexOutOfRange(format!("{token}: [{index}]")))
            }
            Ok(index @ 1..) => Ok(stars[index - 1]),
            // The reference takes zero and less for the first token.
            Ok(_) | Err(_) => Ok(0),
        };
        if is_literal && !matches!(self, Self::Partition { .. } | Self::Random(_)) {
            return Err(TransformError::IndexOutOfRange(token.to_owned()));
        }
        Ok(match self {
            Self::Wildcard(index) => Part::Token(place(index)?, Shape::Whole),
            Self::Sized { name, wildcard, size } => {
                // A size of nothing or less cuts nothing.
                let size = usize::try_from(size).unwrap_or(0);
                Part::Token(
                    place(wildcard)?,
                    match name {
                        Sized::SplitFromLeft => Shape::SplitFromLeft(size),
                        Sized::SplitFromRight => Shape::SplitFromRight(size),
                        Sized::SliceFromLeft => Shape::SliceFromLeft(size),
                        Sized::SliceFromRight => Shape::SliceFromRight(size),
                        Sized::Left => Shape::Left(size),
                        Sized::Right => Shape::Right(size),
                    },
                )
            }
            Self::Split { wildcard, separator } => Part::Token(place(wildcard)?, Shape::SplitAt(separator)),
            Self::Partition { buckets, wildcards } => {
                let tokens = match is_literal {
                    true => SmallVec::new(),
                    false => wildcards.into_iter().map(place).collect::<Result<_, _>>()?,
                };
                // As the reference counts: a negative number is a very large one.
                Part::Partition { buckets: buckets.cast_unsigned(), tokens }
            }
            Self::Random(ceiling) => Part::Random { ceiling },
        })
    }
}

/// Whether `name` is `known`, whose capitals may be written small.
fn is_named(name: &str, known: &str) -> bool {
    name.len() == known.len()
        && name.bytes().zip(known.bytes()).all(|(given, known)| {
            given == known || (known.is_ascii_uppercase() && given == known.to_ascii_lowercase())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    // go: server/subject_transform_test.go TestPlaceHolderIndex
    #[test]
    fn calls_are_read_with_their_arguments() {
        let partition = Function::Partition { buckets: 10, wildcards: [1, 2, 3].into_iter().collect() };
        let again = Function::Partition { buckets: 10, wildcards: [1, 2, 3].into_iter().collect() };
        for (token, expected) in [
            ("$1", Function::Wildcard(1)),
            ("{{partition(10,1,2,3)}}", partition),
            ("{{ Partition (10,1,2,3) }}", again),
            ("{{wildcard(2)}}", Function::Wildcard(2)),
            ("{{SplitFromLeft(2,1)}}", Function::Sized { name: Sized::SplitFromLeft, wildcard: 2, size: 1 }),
            (
                "{{SplitFromRight(3,2)}}",
                Function::Sized { name: Sized::SplitFromRight, wildcard: 3, size: 2 },
            ),
            ("{{SliceFromLeft(2,2)}}", Function::Sized { name: Sized::SliceFromLeft, wildcard: 2, size: 2 }),
            ("{{Left(3,2)}}", Function::Sized { name: Sized::Left, wildcard: 3, size: 2 }),
            ("{{Right(3,2)}}", Function::Sized { name: Sized::Right, wildcard: 3, size: 2 }),
        ] {
            assert_eq!(Function::read(token), Ok(Some(expected)), "{token}");
        }
        for token in ["bar", "$foo", "$", "{{}}", "{x}"] {
            assert_eq!(Function::read(token), Ok(None), "{token}");
        }
    }
}
