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

    /// The first value of `name`, empty if there is none. Pairs with a broken escape or a semicolon do not exist.
    pub(crate) fn text(&self, name: &str) -> String {
        self.0
            .split('&')
            .filter(|pair| !pair.contains(';'))
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .filter_map(|(key, value)| Some((unescape(key, Plus::IsSpace)?, unescape(value, Plus::IsSpace)?)))
            .find(|(key, _)| key == name)
            .map_or_else(String::new, |(_, value)| value)
    }

    pub(crate) fn bool(&self, name: &str) -> Result<bool, Response> {
        let text = self.text(name);
        match text.as_str() {
            "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            _ => Err(refusal("boolean", name, "ParseBool", &text, "invalid syntax")),
        }
    }

    pub(crate) fn u64(&self, name: &str) -> Result<u64, Response> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(0);
        }
        // Rust takes a plus sign here, Go does not.
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refusal("uint64", name, "ParseUint", &text, "invalid syntax"));
        }
        text.parse().map_err(|_| refusal("uint64", name, "ParseUint", &text, "value out of range"))
    }

    pub(crate) fn int(&self, name: &str) -> Result<i64, Response> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(0);
        }
        let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refusal("int", name, "Atoi", &text, "invalid syntax"));
        }
        text.parse().map_err(|_| refusal("int", name, "Atoi", &text, "value out of range"))
    }
}

/// The path without its escapes, or `None` if one is broken. A plus sign stands for itself in a path.
pub(super) fn unescape_path(raw: &str) -> Option<String> {
    unescape(raw, Plus::IsPlus)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    IsSpace,
    IsPlus,
}

/// `None` for a `%` without two hex digits behind it. Bytes that are not UTF-8 become U+FFFD: no name here has them.
fn unescape(raw: &str, plus: Plus) -> Option<String> {
    let mut bytes = raw.bytes();
    let mut out = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            b'+' if plus == Plus::IsSpace => b' ',
            _ => byte,
        });
    }
    Some(
        String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The reference's text: its own words around those of Go's `strconv`.
fn refusal(kind: &str, name: &str, function: &str, text: &str, cause: &str) -> Response {
    let value = quoted(text.as_bytes());
    Response::bad_request(format!(
        "Error decoding {kind} for '{name}': strconv.{function}: parsing {value}: {cause}"
    ))
}
