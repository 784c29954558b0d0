//! Unsigned integers of 1 to 10 bytes: seven bits a byte, the lowest first, the high bit set on all but the last.

/// Bytes of the longest one.
pub const MAX_LEN: usize = 10;

pub fn encode(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`encode`] appends.
#[must_use]
pub fn len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// The number at the start of `input` and the bytes it took. `None` where it has no end, is longer than it needs to be,
/// or does not fit 64 bits: one number has one encoding, so that a flipped bit does not read as another spelling.
#[must_use]
pub fn decode(input: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (at, &byte) in input.iter().take(MAX_LEN).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if at == MAX_LEN - 1 && bits > 1 {
            return None;
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return (at == 0 || byte != 0).then_some((value, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, &mut out);
        out
    }

    #[test]
    fn the_edges_take_the_bytes_they_should() {
        for (value, bytes) in [
            (0, vec![0]),
            (1, vec![1]),
            (127, vec![0x7f]),
            (128, vec![0x80, 1]),
            (16_383, vec![0xff, 0x7f]),
            (16_384, vec![0x80, 0x80, 1]),
            (u64::MAX, vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            assert_eq!(encoded(value), bytes, "{value}");
            assert_eq!(decode(&bytes), Some((value, bytes.len())));
        }
    }

    #[test]
    fn what_has_no_end_is_refused() {
        for bytes in [&[][..], &[0x80], &[0xff, 0xff], &[0xff; 10], &[0xff; 11]] {
            assert_eq!(decode(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_over_long_is_refused() {
        assert_eq!(decode(&[0x80, 0]), None);
        assert_eq!(decode(&[0xff, 0x80, 0]), None);
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]), None, "65 bits");
    }

    proptest! {
        #[test]
        fn every_number_comes_back(value: u64, behind: Vec<u8>) {
            let mut bytes = encoded(value);
            let took = bytes.len();
            prop_assert_eq!(took, len(value));
            bytes.extend(behind);
            prop_assert_eq!(decode(&bytes), Some((value, took)));
        }

        #[test]
        fn any_bytes_read_as_one_number_or_none(bytes: Vec<u8>) {
            if let Some((value, took)) = decode(&bytes) {
                prop_assert_eq!(encoded(value), &bytes[..took]);
            }
        }
    }
}
