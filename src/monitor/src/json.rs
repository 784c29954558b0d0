//! JSON in the reference's layout: Go's `json.MarshalIndent` with two spaces.

use serde::Serialize;

/// `document` over several lines. Empty objects and arrays stay on one.
pub(crate) fn pretty<T: Serialize>(document: &T) -> Vec<u8> {
    indent(&compact(document))
}

/// `document` on one line.
pub(crate) fn compact<T: Serialize>(document: &T) -> Vec<u8> {
    let mut out = Vec::new();
    natrium_wire::json::write(&mut out, document);
    out
}

/// Breaks compact JSON into lines.
fn indent(compact: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact.len() * 2);
    let mut depth = 0;
    let mut in_string = false;
    let mut bytes = compact.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if in_string {
            out.push(byte);
            match byte {
                b'"' => in_string = false,
                b'\\' => out.extend(bytes.next()), // an escaped quote does not end the string
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => {
                in_string = true;
                out.push(byte);
            }
            b'{' | b'[' => {
                out.push(byte);
                if let Some(close) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth -= 1;
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => out.push(byte),
        }
    }
    out
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', depth * 2));
}

/// A number as Go prints a `float64`: 2 and not 2.0.
pub(crate) fn go_float<S: serde::Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    /// Whole numbers up to here print their digits; percents, ratios and seconds stay far below.
    const WHOLE_MAX: f64 = 1e15;
    if value.fract() == 0.0 && value.abs() <= WHOLE_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the range of i64")]
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

/// For `skip_serializing_if`: a switch that is off is left out, as Go's `omitempty` does.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) fn is_off(value: &bool) -> bool {
    !*value
}

/// For `skip_serializing_if`: a number that is zero is left out.
pub(crate) fn is_zero<N: Copy + Default + PartialEq>(value: &N) -> bool {
    *value == N::default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Serialize)]
    struct Sample {
        empty: [u8; 0],
        list: [u8; 2],
        text: &'static str,
        #[serde(serialize_with = "go_float")]
        whole: f64,
        #[serde(serialize_with = "go_float")]
        part: f64,
    }

    #[test]
    fn documents_are_laid_out_as_go_does_it() {
        let sample = Sample { empty: [], list: [1, 2], text: "a.>,{\"\\", whole: 2.0, part: 0.8 };
        let expected = concat!(
            "{\n  \"empty\": [],\n  \"list\": [\n    1,\n    2\n  ],\n",
            "  \"text\": \"a.\\u003e,{\\\"\\\\\",\n  \"whole\": 2,\n  \"part\": 0.8\n}"
        );
        assert_eq!(String::from_utf8(pretty(&sample)).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn the_layout_changes_no_value(text in ".*", list in prop::collection::vec(any::<i32>(), 0..4)) {
            let value = serde_json::json!({ "k": [text.clone(), { "in": list }, {}, []], text: null });
            let read: serde_json::Value = serde_json::from_slice(&pretty(&value)).unwrap();
            prop_assert_eq!(read, value);
        }
    }
}
