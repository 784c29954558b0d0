//! The digest that tells two configurations apart, the same as the reference shows.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::{Data, Map};

/// `sha256:` and lower-case hex of the JSON that the reference's encoder makes of the tree: keys sorted, no white space,
/// a line end behind.
pub fn digest(map: &Map) -> String {
    let mut json = String::new();
    write_map(map, &mut json);
    json.push('\n');
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(json.as_bytes()) {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn write_map(map: &Map, out: &mut String) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    out.push('{');
    for (index, (key, entry)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(key, out);
        out.push(':');
        write_data(&entry.value.data, out);
    }
    out.push('}');
}

fn write_data(data: &Data, out: &mut String) {
    match data {
        Data::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Data::Integer(value) => {
            let _ = write!(out, "{value}");
        }
        Data::Float(value) => write_float(*value, out),
        Data::String(value) | Data::DateTime(value) => write_string(value, out),
        Data::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_data(&value.data, out);
            }
            out.push(']');
        }
        Data::Map(map) => write_map(map, out),
    }
}

/// The shortest digits; with an exponent where ECMAScript writes one.
fn write_float(value: f64, out: &mut String) {
    let size = value.abs();
    let _ = if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => write!(out, "{digits}e+{exponent}"),
            Some(_) | None => write!(out, "{text}"),
        }
    } else {
        write!(out, "{value}")
    };
}

/// With the characters escaped that could end a script in a web page.
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}
