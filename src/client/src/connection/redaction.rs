//! Secrets of a CONNECT kept out of the trace log.

use std::ops::Range;

/// `connect` with the values of its secrets replaced by [`REDACTED`].
///
/// Works on the bytes and not on the document, as the reference does: what is no JSON may hold a password too.
pub(super) fn redacted(connect: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(connect.len());
    let mut copied = 0;
    let mut at = 0;
    while at < connect.len() {
        let Some(value) = secret_at(connect, at) else {
            at += 1;
            continue;
        };
        out.extend_from_slice(&connect[copied..value.start]);
        out.extend_from_slice(REDACTED);
        copied = value.end;
        at = value.end;
    }
    out.extend_from_slice(&connect[copied..]);
    out
}

/// Where the value stands, if the name of a secret starts at `at`.
fn secret_at(text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = &text[at..];
    if let Some(name) = NAME_PREFIXES.iter().find(|name| rest.starts_with(name)) {
        let name_end = at + name.len();
        let length = text[name_end..].iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        return (name_end..=name_end + length).find_map(|end| value_after(text, end));
    }
    let starts_a_word = at == 0 || !matches!(text[at - 1], b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z');
    let name = NAMES.iter().find(|name| starts_a_word && rest.starts_with(name))?;
    value_after(text, at + name.len())
}

/// The value behind the end of a name, in JSON or in a looser form: `":"value"`, `: value`, `=value`.
fn value_after(text: &[u8], name_end: usize) -> Option<Range<usize>> {
    let at = skip_blanks(text, skip_quote(text, name_end));
    if !matches!(text.get(at), Some(b':' | b'=')) {
        return None;
    }
    let start = skip_quote(text, skip_blanks(text, at + 1));
    let length =
        text[start..].iter().take_while(|byte| !matches!(byte, b'"' | b',' | b'\r' | b'\n' | b'}')).count();
    Some(start..start + length)
}

fn skip_quote(text: &[u8], at: usize) -> usize {
    at + usize::from(text.get(at) == Some(&b'"'))
}

fn skip_blanks(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

const REDACTED: &[u8] = b"[REDACTED]";
/// Names that start like this are secrets: `pass`, `password`.
const NAME_PREFIXES: [&[u8]; 2] = [b"auth_token", b"pass"];
const NAMES: [&[u8]; 3] = [b"proxy_sig", b"nkey", b"sig"];

#[cfg(test)]
mod tests;
