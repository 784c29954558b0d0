//! The parameters behind the `?`, read as Go's `net/url` and `strconv` read them.

use natrium_wire::quoted;

use crate::respond::Response;

/// The query of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Params<'a>(&'a str);

impl<'a> Params<'a> {
    /// `raw`: what stands behind the `?`.
    pub(crate) fn new(raw: &'a str) -> Self {
        Self(raw)
    }

    /// The first value of `name`, empty if there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        let value = self.value(name);
        String::from_utf8(value)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    pub(crate) fn bool(&self, name: &str) -> Result<bool, Response> {
        let value = self.value(name);
        match value.as_slice() {
            b"" | b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False" => Ok(false),
            b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True" => Ok(true),
            _ => Err(refusal("boolean", name, "ParseBool", &value, SYNTAX)),
        }
    }

    pub(crate) fn u64(&self, name: &str) -> Result<u64, Response> {
        let value = self.value(name);
        if value.is_empty() {
            return Ok(0);
        }
        number(&value).map_err(|cause| refusal("uint64", name, "ParseUint", &value, cause))
    }

    pub(crate) fn int(&self, name: &str) -> Result<i64, Response> {
        let value = self.value(name);
        let (negative, digits) = match value.as_slice() {
            [] => return Ok(0),
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] | digits => (false, digits),
        };
        number(digits)
            .and_then(|number| {
                let signed =
                    if negative { 0_i64.checked_sub_unsigned(number) } else { i64::try_from(number).ok() };
                signed.ok_or(RANGE)
            })
            .map_err(|cause| refusal("int", name, "Atoi", &value, cause))
    }

    /// Pairs with a broken escape or a semicolon do not exist.
    fn value(&self, name: &str) -> Vec<u8> {
        self.0
            .split('&')
            .filter(|pair| !pair.contains(';'))
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .filter_map(|(key, value)| Some((unescape(key, Plus::IsSpace)?, unescape(value, Plus::IsSpace)?)))
            .find(|(key, _)| key == name.as_bytes())
            .map_or_else(Vec::new, |(_, value)| value)
    }
}

/// A decimal number. What is wrong first is the cause, as in Go: digits beyond the range before a letter.
fn number(digits: &[u8]) -> Result<u64, &'static str> {
    if digits.is_empty() {
        return Err(SYNTAX);
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = if byte.is_ascii_digit() { byte - b'0' } else { return Err(SYNTAX) };
        number.checked_mul(10).and_then(|number| number.checked_add(digit.into())).ok_or(RANGE)
    })
}

/// The path without its escapes, or `None` if one is broken. A plus sign stands for itself in a path.
pub(super) fn unescape_path(raw: &str) -> Option<Vec<u8>> {
    unescape(raw, Plus::IsPlus)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    IsSpace,
    IsPlus,
}

/// `None` for a `%` without two hex digits behind it.
fn unescape(raw: &str, plus: Plus) -> Option<Vec<u8>> {
    let mut bytes = raw.bytes();
    let mut out = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            b'+' if plus == Plus::IsSpace => b' ',
            _ => byte,
        });
    }
    Some(out)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The reference's text: its own words around those of Go's `strconv`.
fn refusal(kind: &str, name: &str, function: &str, value: &[u8], cause: &str) -> Response {
    let value = quoted(value);
    Response::bad_request(format!(
        "Error decoding {kind} for '{name}': strconv.{function}: parsing {value}: {cause}"
    ))
}

const SYNTAX: &str = "invalid syntax";
const RANGE: &str = "value out of range";
