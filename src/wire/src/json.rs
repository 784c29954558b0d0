//! JSON as Go's `encoding/json` reads and writes it: what clients send was always read by that library, and what they
//! read was always written by it.
//!
//! Reading is lenient in its way: member names match in any case, unknown members are skipped, `null` leaves a field as
//! it is, the last of several equal names wins, broken UTF-8 becomes U+FFFD; but a value of the wrong type is an error.

use core::fmt;
use std::io;

use serde::Serialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor,
};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// A JSON text that is malformed, or has a value of the wrong type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(#[from] serde_json::Error);

/// A JSON object with known members.
pub(crate) trait Members {
    /// Reads the value of the member `name`, given in lower case, from `map`.
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Reads the object in `json` over what `target` holds.
pub(crate) fn read_over<T: Members>(json: &[u8], target: &mut T) -> Result<(), JsonError> {
    if has_raw_control(json) {
        return Err(serde_json::Error::custom("control character in a string").into());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Object(target).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(())
}

/// Appends `value` as Go's `json.Marshal` writes it: compact, with `<`, `>`, `&`, U+2028 and U+2029 escaped.
pub fn write<T: Serialize>(out: &mut Vec<u8>, value: &T) {
    let mut serializer = serde_json::Serializer::with_formatter(out, GoFormatter);
    value.serialize(&mut serializer).expect("a Vec takes every write and our documents have string keys");
}

/// Skips the value of a member nobody knows.
pub(crate) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

/// A place for a member's value.
pub(crate) trait Field {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error>;
}

/// Scalars: anything serde reads from JSON with the strictness Go has.
macro_rules! scalar_fields {
    ($($scalar:ty),*) => {$(
        impl Field for $scalar {
            fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
                read_scalar(self, map)
            }
        }
    )*};
}
scalar_fields!(bool, i32, i64, u64);

fn read_scalar<'de, T: DeserializeOwned, A: MapAccess<'de>>(
    field: &mut T,
    map: &mut A,
) -> Result<(), A::Error> {
    if let Some(value) = map.next_value::<Option<T>>()? {
        *field = value;
    }
    Ok(())
}

impl Field for String {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        if let Some(Text(text)) = map.next_value::<Option<Text>>()? {
            *self = text;
        }
        Ok(())
    }
}

impl Field for Vec<String> {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let texts = map.next_value::<Option<Vec<Option<Text>>>>()?.unwrap_or_default();
        *self = texts.into_iter().map(|text| text.map_or_else(String::new, |Text(text)| text)).collect();
        Ok(())
    }
}

/// An object that may be absent; `null` makes it so.
impl<T: Members + Default> Field for Option<Box<T>> {
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let mut target = T::default();
        let given = map.next_value_seed(Object(&mut target))?;
        *self = given.then(|| Box::new(target));
        Ok(())
    }
}

/// Reads an object, or `null`, into what it borrows; tells whether it was an object.
struct Object<'t, T>(&'t mut T);

impl<'de, T: Members> DeserializeSeed<'de> for Object<'_, T> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Members> Visitor<'de> for Object<'_, T> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            self.0.read(&folded(name), &mut map)?;
        }
        Ok(true)
    }
}

/// A string that need not be UTF-8.
struct Text(String);

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Text, E> {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        }
        Ok(Text(text))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<Text, A::Error> {
        Err(A::Error::custom("expected a string, found an array"))
    }
}

/// Whether a string of `json` holds a control character that is not escaped. serde_json looks for them only where it
/// reads a string as UTF-8, and we do not.
fn has_raw_control(json: &[u8]) -> bool {
    let (mut in_string, mut escaped) = (false, false);
    json.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
        in_string && *byte < b' '
    })
}

/// `name` in lower case, with the two letters that fold into ASCII beyond it (the long s and the Kelvin sign).
fn folded(name: String) -> String {
    let mut name = match name.is_ascii() {
        true => name,
        false => name.replace('\u{17f}', "s").replace('\u{212a}', "k"),
    };
    name.make_ascii_lowercase();
    name
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = tail.chars();
            let escaped = chars.next().map_or(0, u32::from);
            write!(writer, "\\u{escaped:04x}")?;
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Sample {
        keys: i32,
        name: String,
        list: Vec<String>,
        inner: Option<Box<Inner>>,
    }

    #[derive(Debug, Default, PartialEq)]
    struct Inner {
        on: bool,
    }

    impl Members for Sample {
        fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
            match name {
                "keys" => self.keys.read(map),
                "name" => self.name.read(map),
                "list" => self.list.read(map),
                "inner" => self.inner.read(map),
                _ => skip(map),
            }
        }
    }

    impl Members for Inner {
        fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
            match name {
                "on" => self.on.read(map),
                _ => skip(map),
            }
        }
    }

    fn sample(json: &[u8]) -> Result<Sample, JsonError> {
        let mut sample = Sample { keys: 7, ..Sample::default() };
        read_over(json, &mut sample).map(|()| sample)
    }

    #[test]
    fn names_match_in_any_case_and_the_last_wins() {
        assert_eq!(sample(br#"{"KEYS":1,"keys":2}"#).unwrap().keys, 2);
        assert_eq!(sample("{\"\u{212a}ey\u{17f}\":3}".as_bytes()).unwrap().keys, 3);
        assert_eq!(sample(br#"{"\u006beys":4}"#).unwrap().keys, 4);
    }

    #[test]
    fn null_leaves_a_field_as_it_is() {
        assert_eq!(sample(br#"{"keys":null,"name":null,"inner":null}"#).unwrap().keys, 7);
        assert_eq!(sample(b"null").unwrap().keys, 7);
    }

    #[test]
    fn unknown_members_are_skipped_however_deep() {
        let deep = format!(r#"{{"x":{}{},"keys":1}}"#, "[".repeat(500), "]".repeat(500));
        assert_eq!(sample(deep.as_bytes()).unwrap().keys, 1);
    }

    #[test]
    fn broken_text_becomes_the_replacement_character() {
        assert_eq!(sample(b"{\"name\":\"a\xff\xfeb\"}").unwrap().name, "a\u{fffd}\u{fffd}b");
        assert!(sample(br#"{"name":"\ud800x"}"#).unwrap().name.ends_with('x'));
    }

    #[test]
    fn objects_and_lists_are_read() {
        let read = sample(br#"{"inner":{"ON":true},"list":["a",null]}"#).unwrap();
        assert_eq!(read.inner, Some(Box::new(Inner { on: true })));
        assert_eq!(read.list, ["a", ""]);
    }

    #[test]
    fn a_wrong_type_is_an_error() {
        for json in [
            r#"{"keys":"1"}"#,
            r#"{"keys":1.0}"#,
            r#"{"keys":4294967296}"#,
            r#"{"name":1}"#,
            r#"{"name":[97]}"#,
            r#"{"list":"a"}"#,
            r#"{"inner":5}"#,
            "[]",
            "1",
            "",
            "{} x",
            "{",
            "{\"name\":\"a\tb\"}",
        ] {
            assert!(sample(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn writing_escapes_what_go_escapes() {
        let mut out = Vec::new();
        write(&mut out, &"a<b>&\"\\\n\u{1}\u{2028}é");
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\u0001\\u2028é\"");
    }
}
