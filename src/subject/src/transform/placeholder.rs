//! One token of a destination: `$2`, `{{partition(10,1,2)}}`, or text that stands for itself.
//!
//! The reference finds a function anywhere between the braces, and looks for the functions in a fixed order; both show
//! when a token names two functions, so both are kept (`server/subject_transform.go`, `indexPlaceHolders`).

use super::error::{DestinationFault, TransformError};

/// What a destination's token asks for. `I` is how a wildcard is named: [`WildcardIndex`] as written, a position among
/// the source's tokens once compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Placeholder<I> {
    Text,
    Wildcard(I),
    /// FNV-1a of the named tokens, or of the whole subject if none is named, modulo `buckets`.
    Partition {
        buckets: u32,
        of: Box<[I]>,
    },
    /// A random number below `ceiling`.
    Random {
        ceiling: u32,
    },
    Split {
        of: I,
        delimiter: Box<[u8]>,
    },
    /// Cuts a token at `size` bytes; a size of 0 or less, or not below the token's length, leaves it whole.
    Cut {
        of: I,
        cut: Cut,
        size: i32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    SplitFromLeft,
    SplitFromRight,
    SliceFromLeft,
    SliceFromRight,
    Left,
    Right,
}

/// Number of a `*` of the source, from 1, as written: it may be zero, negative or beyond the last.
pub(super) type WildcardIndex = i64;

/// Reads one token of a destination.
pub(super) fn parse(token: &[u8]) -> Result<Placeholder<WildcardIndex>, TransformError> {
    if let [b'$', number @ ..] = token {
        // Subjects such as `$JS.API` must pass as they are.
        return Ok(integer(number).map_or(Placeholder::Text, Placeholder::Wildcard));
    }
    if !looks_like_function(token) {
        return Ok(Placeholder::Text);
    }
    let found = FUNCTIONS.iter().find_map(|&(name, function)| Some((function, arguments(token, name)?)));
    let Some((function, arguments)) = found else {
        return Err(DestinationFault::UnknownFunction.in_token(token));
    };
    call(function, &split_arguments(arguments)).map_err(|fault| fault.in_token(token))
}

/// The wildcard that a token stands for alone, as `$1` or `{{wildcard(1)}}`.
pub(super) fn looks_like_function(token: &[u8]) -> bool {
    token.len() > 4 && token.starts_with(b"{{") && token.ends_with(b"}}")
}

/// Whether `token` names a function that account mappings may use. The reference's check of mappings does not know
/// `left` and `right` (`ValidateMapping`).
pub(super) fn names_mapping_function(token: &[u8]) -> bool {
    FUNCTIONS.iter().any(|&(name, function)| {
        !matches!(function, Function::Cut(Cut::Left | Cut::Right)) && arguments(token, name).is_some()
    })
}

#[derive(Clone, Copy)]
enum Function {
    Wildcard,
    Partition,
    Cut(Cut),
    Split,
    Random,
}

/// In the order in which the reference looks for them. A capital may be written small, the rest is as it stands.
const FUNCTIONS: [(&[u8], Function); 10] = [
    (b"Wildcard", Function::Wildcard),
    (b"Partition", Function::Partition),
    (b"SplitFromLeft", Function::Cut(Cut::SplitFromLeft)),
    (b"SplitFromRight", Function::Cut(Cut::SplitFromRight)),
    (b"SliceFromLeft", Function::Cut(Cut::SliceFromLeft)),
    (b"SliceFromRight", Function::Cut(Cut::SliceFromRight)),
    (b"Right", Function::Cut(Cut::Right)),
    (b"Left", Function::Cut(Cut::Left)),
    (b"Split", Function::Split),
    (b"Random", Function::Random),
];

fn call(function: Function, arguments: &[&[u8]]) -> Result<Placeholder<WildcardIndex>, DestinationFault> {
    match function {
        Function::Wildcard => match arguments {
            [b""] | [] => Err(DestinationFault::NotEnoughArguments),
            [index] => Ok(Placeholder::Wildcard(argument(index)?)),
            [_, _, ..] => Err(DestinationFault::TooManyArguments),
        },
        Function::Partition => match arguments {
            [] => Err(DestinationFault::NotEnoughArguments),
            [buckets, of @ ..] => Ok(Placeholder::Partition {
                buckets: count(buckets)?.cast_unsigned(),
                of: of.iter().map(|index| argument(index)).collect::<Result<_, _>>()?,
            }),
        },
        Function::Cut(cut) => {
            let [of, size] = two(arguments)?;
            let of = argument(of)?;
            let size = i32::try_from(argument(size)?).map_err(|_| DestinationFault::InvalidArgument)?;
            Ok(Placeholder::Cut { of, cut, size })
        }
        Function::Split => {
            let [of, delimiter] = two(arguments)?;
            let of = argument(of)?;
            if delimiter.iter().any(|byte| matches!(byte, b' ' | b'.')) {
                return Err(DestinationFault::InvalidArgument);
            }
            Ok(Placeholder::Split { of, delimiter: delimiter.into() })
        }
        Function::Random => match arguments {
            // The reference takes the remainder of a signed division, whose size the divisor's sign does not change.
            [ceiling] => Ok(Placeholder::Random { ceiling: count(ceiling)?.unsigned_abs() }),
            [] | [_, _, ..] => Err(DestinationFault::NotEnoughArguments),
        },
    }
}

fn two<'a>(arguments: &[&'a [u8]]) -> Result<[&'a [u8]; 2], DestinationFault> {
    match *arguments {
        [] | [_] => Err(DestinationFault::NotEnoughArguments),
        [first, second] => Ok([first, second]),
        [_, _, _, ..] => Err(DestinationFault::TooManyArguments),
    }
}

/// A number of buckets. Only too large a number is refused; what is too small for 32 bits loses its upper bits, as in
/// the reference.
fn count(text: &[u8]) -> Result<i32, DestinationFault> {
    let number = argument(text)?;
    if number > i64::from(i32::MAX) {
        return Err(DestinationFault::InvalidArgument);
    }
    #[expect(clippy::cast_possible_truncation, reason = "said above")]
    Ok(number as i32)
}

fn argument(text: &[u8]) -> Result<i64, DestinationFault> {
    let start = text.iter().position(|&byte| byte != b' ').unwrap_or(text.len());
    let end = text.iter().rposition(|&byte| byte != b' ').map_or(start, |last| last + 1);
    integer(&text[start..end]).ok_or(DestinationFault::InvalidArgument)
}

fn integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What stands between the parentheses of the first `{{ name ( … ) }}` in `token`, as far as its last `) }}`.
fn arguments<'a>(token: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    (0..token.len()).find_map(|start| {
        let rest = token[start..].strip_prefix(b"{{")?.trim_space_start();
        let (spelled, rest) = rest.split_at_checked(name.len())?;
        if !spelled.iter().zip(name).all(|(&byte, &wanted)| byte == wanted || byte == wanted.to_ascii_lowercase()) {
            return None;
        }
        let rest = rest.trim_space_start().strip_prefix(b"(")?;
        let line_end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let is_close = |&at: &usize| {
            rest[at..].strip_prefix(b")").is_some_and(|after| after.trim_space_start().starts_with(b"}}"))
        };
        let close = (0..rest.len().min(line_end + 1)).rev().find(is_close)?;
        Some(&rest[..close])
    })
}

/// Splits at commas; white space after a comma belongs to it.
fn split_arguments(arguments: &[u8]) -> Vec<&[u8]> {
    let mut split: Vec<&[u8]> = arguments.split(|&byte| byte == b',').collect();
    for argument in split.iter_mut().skip(1) {
        *argument = argument.trim_space_start();
    }
    split
}

trait TrimSpace {
    /// Without the leading bytes that the reference's `\s` stands for.
    fn trim_space_start(&self) -> &Self;
}

impl TrimSpace for [u8] {
    fn trim_space_start(&self) -> &Self {
        let start = self.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c));
        &self[start.unwrap_or(self.len())..]
    }
}
