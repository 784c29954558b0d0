//! Values of one piece: words, numbers, dates, strings and blocks.

use super::cursor::{Cursor, is_newline, is_space};
use super::{Data, SyntaxProblem};

/// A value, or the name of a variable that stands for one.
pub(super) enum Scalar {
    Data(Data),
    Variable(String),
}

/// What a bare word begins with if it is a bcrypt hash and not a variable.
const BCRYPT_PREFIX: &str = "$2a$";

/// Reads a value that is neither map nor array.
pub(super) fn scalar(cursor: &mut Cursor<'_>) -> Result<Scalar, SyntaxProblem> {
    let data = match cursor.peek() {
        Some('\'') => raw_string(cursor)?,
        Some('"') => quoted_string(cursor)?,
        Some('(') => block(cursor)?,
        Some('-') => return negative(cursor).map(Scalar::Data),
        Some(c) if c.is_ascii_digit() => return number_or_word(cursor),
        Some('.') => return Err(SyntaxProblem::IncompleteFloat),
        Some(_) | None => return word(cursor, cursor.offset()),
    };
    Ok(Scalar::Data(Data::String(data)))
}

/// `'...'`: as it stands.
fn raw_string(cursor: &mut Cursor<'_>) -> Result<String, SyntaxProblem> {
    cursor.bump();
    let text = cursor.take_while(|c| c != '\'').to_owned();
    if cursor.take('\'') { Ok(text) } else { Err(SyntaxProblem::UnexpectedEnd("a string")) }
}

/// `"..."`: with escapes, over several lines if it likes.
fn quoted_string(cursor: &mut Cursor<'_>) -> Result<String, SyntaxProblem> {
    cursor.bump();
    let mut bytes = Vec::new();
    loop {
        match cursor.bump() {
            Some('"') => return String::from_utf8(bytes).map_err(|_| SyntaxProblem::NotUtf8),
            Some('\\') => bytes.push(escape(cursor)?),
            Some(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            None => return Err(SyntaxProblem::UnexpectedEnd("a string")),
        }
    }
}

fn escape(cursor: &mut Cursor<'_>) -> Result<u8, SyntaxProblem> {
    match cursor.bump() {
        Some('t') => Ok(b'\t'),
        Some('n') => Ok(b'\n'),
        Some('r') => Ok(b'\r'),
        Some('"') => Ok(b'"'),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let mut digit = || cursor.bump().and_then(|c| c.to_digit(16));
            let (high, low) = (digit(), digit());
            let byte = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            byte.ok_or(SyntaxProblem::InvalidHexEscape)
        }
        Some(c) => Err(SyntaxProblem::InvalidEscape(c)),
        None => Err(SyntaxProblem::UnexpectedEnd("a string")),
    }
}

/// `(`, lines, and `)` alone on its line; the value is what stands between the two.
fn block(cursor: &mut Cursor<'_>) -> Result<String, SyntaxProblem> {
    cursor.bump();
    let start = cursor.offset();
    loop {
        let text = cursor.since(start);
        if cursor.peek() == Some(')') && text.ends_with('\n') {
            cursor.bump();
            if cursor.peek().is_none_or(is_newline) {
                return Ok(text.to_owned());
            }
        } else if cursor.bump().is_none() {
            return Err(SyntaxProblem::UnexpectedEnd("a block"));
        }
    }
}

/// A word without quotes from `start` on: boolean, variable or string.
fn word(cursor: &mut Cursor<'_>, start: usize) -> Result<Scalar, SyntaxProblem> {
    let mut escaped: Option<Vec<u8>> = None;
    let end = loop {
        let end = cursor.offset();
        match cursor.peek() {
            Some('\\') => {
                let bytes = escaped.get_or_insert_with(|| cursor.since(start).as_bytes().to_vec());
                cursor.bump();
                bytes.push(escape(cursor)?);
                continue;
            }
            // Such a quote ends the word, and is gone.
            Some('\'') => {
                cursor.bump();
                break end;
            }
            Some(c) if !ends_word(c) => {
                cursor.bump();
                if let Some(bytes) = &mut escaped {
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            Some(_) | None => break end,
        }
    };
    if let Some(bytes) = escaped {
        let text = String::from_utf8(bytes).map_err(|_| SyntaxProblem::NotUtf8)?;
        return Ok(Scalar::Data(Data::String(text)));
    }
    let text = &cursor.since(start)[..end - start];
    Ok(match (boolean(text), text.strip_prefix('$')) {
        (Some(value), _) => Scalar::Data(Data::Bool(value)),
        (None, Some(name)) if !text.starts_with(BCRYPT_PREFIX) => Scalar::Variable(name.to_owned()),
        (None, _) => Scalar::Data(Data::String(text.to_owned())),
    })
}

fn ends_word(c: char) -> bool {
    is_newline(c) || is_space(c) || matches!(c, ';' | ',' | ']' | '}')
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn negative(cursor: &mut Cursor<'_>) -> Result<Data, SyntaxProblem> {
    let start = cursor.offset();
    cursor.bump();
    if cursor.take_while(|c| c.is_ascii_digit()).is_empty() {
        return Err(SyntaxProblem::NoDigit);
    }
    if cursor.take('.') {
        if cursor.take_while(|c| c.is_ascii_digit()).is_empty() {
            return Err(SyntaxProblem::IncompleteFloat);
        }
        return float(cursor.since(start));
    }
    let digits = cursor.since(start);
    let unit = cursor.take_while(|c| c.is_ascii_alphabetic());
    integer(digits, unit).unwrap_or(Err(SyntaxProblem::NoDigit))
}

/// Digits begin an integer with or without a unit, a number with decimals, a date, an address, or any word.
fn number_or_word(cursor: &mut Cursor<'_>) -> Result<Scalar, SyntaxProblem> {
    let start = cursor.offset();
    let digits = cursor.take_while(|c| c.is_ascii_digit());
    match cursor.peek() {
        Some('-') if digits.len() == 4 => date(cursor, start).map(Scalar::Data),
        Some('-') => Err(SyntaxProblem::InvalidDate),
        Some('.') => {
            cursor.bump();
            if cursor.take_while(|c| c.is_ascii_digit()).is_empty() {
                return Err(SyntaxProblem::IncompleteFloat);
            }
            if cursor.peek() != Some('.') {
                return float(cursor.since(start)).map(Scalar::Data);
            }
            cursor.take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':' | '-'));
            Ok(Scalar::Data(Data::String(cursor.since(start).to_owned())))
        }
        Some(_) | None => {
            let unit = cursor.take_while(|c| c.is_ascii_alphabetic());
            match integer(digits, unit) {
                Some(data) if cursor.peek().is_none_or(ends_word) => data.map(Scalar::Data),
                Some(_) | None => word(cursor, start),
            }
        }
    }
}

fn float(text: &str) -> Result<Data, SyntaxProblem> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Data::Float(value)),
        Ok(_) | Err(_) => Err(SyntaxProblem::FloatOutOfRange(text.to_owned())),
    }
}

/// `None` if there is no such unit.
fn integer(digits: &str, unit: &str) -> Option<Result<Data, SyntaxProblem>> {
    let factor = factor(unit)?;
    let value = digits.parse::<i64>().ok().and_then(|value| value.checked_mul(factor));
    Some(value.map(Data::Integer).ok_or_else(|| SyntaxProblem::IntegerOutOfRange(format!("{digits}{unit}"))))
}

/// `k` is a thousand; `kb`, `ki` and `kib` are 1024.
fn factor(unit: &str) -> Option<i64> {
    let unit = unit.to_ascii_lowercase();
    let mut letters = unit.chars();
    let power = match letters.next() {
        None => return Some(1),
        Some(letter) => 1 + u32::try_from("kmgtpe".find(letter)?).ok()?,
    };
    match letters.as_str() {
        "" => Some(1000_i64.pow(power)),
        "b" | "i" | "ib" => Some(1024_i64.pow(power)),
        _ => None,
    }
}

fn date(cursor: &mut Cursor<'_>, start: usize) -> Result<Data, SyntaxProblem> {
    const PATTERN: &str = "-00-00T00:00:00Z";
    for expected in PATTERN.chars() {
        let fits = |c: char| if expected == '0' { c.is_ascii_digit() } else { c == expected };
        if !cursor.bump().is_some_and(fits) {
            return Err(SyntaxProblem::InvalidDate);
        }
    }
    let text = cursor.since(start);
    let field = |from: usize, to: usize| text[from..to].parse::<u32>().unwrap_or(u32::MAX);
    let (year, month, day) = (field(0, 4), field(5, 7), field(8, 10));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let exists = (1..=days).contains(&day) && field(11, 13) < 24 && field(14, 16) < 60 && field(17, 19) < 60;
    if exists { Ok(Data::DateTime(text.to_owned())) } else { Err(SyntaxProblem::InvalidDate) }
}
