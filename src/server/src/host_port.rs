//! `host` or `host:port`, as `client_advertise` has it.

/// Host, and the port if there is one: 0 and -1 stand for the port that is meant without one. Blanks around either do not
/// count. `None` if it is neither form: no host, two colons outside brackets, a port that is no number.
pub(crate) fn host_port(text: &str) -> Option<(String, Option<u16>)> {
    let text = text.trim();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            match behind.trim() {
                "" => (host, None),
                behind => (host, Some(behind.strip_prefix(':')?)),
            }
        }
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => return None,
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port.map(str::trim) {
        None | Some("0" | "-1") => None,
        Some(port) => Some(port.parse().ok()?),
    };
    let host = host.trim();
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    // go: server/util_test.go TestParseHostPort
    #[test]
    fn a_host_may_have_a_port_and_blanks() {
        for text in ["addr:1234", " addr:1234 ", " addr : 1234 "] {
            assert_eq!(host_port(text), Some(("addr".to_owned(), Some(1234))), "{text:?}");
        }
        for port in ["", ":-1", ":0", " : -1", " : 0"] {
            for text in [format!("addr{port}"), format!(" addr{port} ")] {
                assert_eq!(host_port(&text), Some(("addr".to_owned(), None)), "{text:?}");
            }
        }
        for text in ["addr:addr", "addr:::1234", ""] {
            assert_eq!(host_port(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_address_with_colons_stands_in_brackets() {
        assert_eq!(host_port("[::1]:1234"), Some(("::1".to_owned(), Some(1234))));
        assert_eq!(host_port("[::1]"), Some(("::1".to_owned(), None)));
        for text in ["::1", "[::1", "[::1]1", "[]:1", ":1", "addr:70000"] {
            assert_eq!(host_port(text), None, "{text:?}");
        }
    }
}
