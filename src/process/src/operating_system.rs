//! Errors of the operating system in the words operators and their tools know from the reference.

use std::io;

/// What went wrong without the number and the capital that Rust adds: `no such file or directory`.
///
/// Go prints the C library's texts in lower case, and tools look for them in the reference's messages.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let Some(code) = error.raw_os_error() else { return text };
    let text = text.strip_suffix(&format!(" (os error {code})")).unwrap_or(&text);
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        // A word in capitals (`RPC version wrong`) keeps them.
        (Some(first), Some(second)) if second.is_lowercase() || second == '/' => {
            format!("{}{}", first.to_lowercase(), &text[first.len_utf8()..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_the_reference_prints_it() {
        let cases = [
            (rustix::io::Errno::NOENT, "no such file or directory"),
            (rustix::io::Errno::ACCESS, "permission denied"),
            (rustix::io::Errno::SRCH, "no such process"),
            (rustix::io::Errno::PERM, "operation not permitted"),
            (rustix::io::Errno::IO, "input/output error"),
            (rustix::io::Errno::NOSPC, "no space left on device"),
        ];
        for (errno, expected) in cases {
            assert_eq!(reason(&io::Error::from(errno)), expected);
        }
    }

    #[test]
    fn an_error_of_our_own_is_left_as_it_is() {
        assert_eq!(reason(&io::Error::other("Odd (os error 7)")), "Odd (os error 7)");
    }
}
