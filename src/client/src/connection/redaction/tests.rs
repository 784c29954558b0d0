use super::*;

fn text(connect: &str) -> String {
    String::from_utf8(redacted(connect.as_bytes())).unwrap()
}

/// Puts `key` for K and a secret or what it is replaced with for S, and compares.
#[track_caller]
fn check(template: &str, key: &str, secret: &str) {
    let with = |value: &str| template.replace('K', key).replace('S', value);
    assert_eq!(text(&with(secret)), with("[REDACTED]"), "{template} with {key} and {secret:?}");
}

// go: server/log_test.go TestRemovePassFromTrace
// go: server/log_test.go TestRemoveAuthTokenFromTrace
#[test]
fn passwords_and_tokens_are_replaced_wherever_they_stand() {
    let quoted = [
        "connect {\"user\":\"derek\",\"K\":\"S\"}\r\n",
        "connect {\"user\":\"derek\",\"K\":  \"S\"}\r\n",
        "connect {\"user\":\"derek\",\"K\":    \"S\"     }\r\n",
        "connect {\"K\":\"S\",}\r\n",
        "connect {\"K\":\"S\", \"password\": \"S\"}",
        "connect {\"K\":\"S\",\"K\":\"S\",\"pass\":\"S\",\"password\":\"S\"}\r\n",
        "connect {K = \"S\",pass= \"S\",password =\"S\"}\r\n",
        "connect {\"echo\":true,\"user\":\"foo\",\"K\":\"S\",\"tls_required\":false,\"name\":\"x\"}\r\n",
        "connect \t {\"echo\":true,\"verbose\":false,\"K\":\"S\",\"tls_required\":false}\r\n",
    ];
    let secrets = [
        "s3cr3t",
        "",
        "               ",
        "secret password which is very long",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ];
    for key in ["pass", "password", "auth_token"] {
        for template in quoted {
            for secret in secrets {
                check(template, key, secret);
            }
        }
        for template in [
            "connect {K:S,   password =  S}",
            "connect {K:S,   password=  S}",
            "connect {user = hello, K =  S}",
        ] {
            check(template, key, "s3cr3t");
        }
        check("connect {K:S\r\n", key, "s3cr3t");
        // Blanks behind a value without quotes are taken for a part of it.
        assert_eq!(text(&format!("{{{key}:s3cr3t ,  x: y}}")), format!("{{{key}:[REDACTED],  x: y}}"));
        // The same word elsewhere is no secret.
        let same = format!("{{\"user\":\"s3cr3t\",\"{key}\":\"s3cr3t\",\"name\":\"s3cr3t\"}}");
        let shown = format!("{{\"user\":\"s3cr3t\",\"{key}\":\"[REDACTED]\",\"name\":\"s3cr3t\"}}");
        assert_eq!(text(&same), shown);
    }
}

// go: server/log_test.go TestRemoveAdditionalAuthFieldsFromTrace
#[test]
fn keys_and_signatures_are_replaced_even_in_what_is_no_json() {
    for key in ["sig", "nkey", "proxy_sig"] {
        check("connect {\"K\":\"S\",\"user\":\"foo\"}\r\n", key, "signature");
        check("connect K=S\r\n", key, "abc");
        check("connect {\"name\":\"unterminated,\"K\":\"S\"}\r\n", key, "abc");
    }
    check("connect {\"proxy_sig\":\"S\",\"K\":\"S\",\"user\":\"foo\"}\r\n", "sig", "x");
    check("connect {\"sig\":\"S\",\"K\":\"S\",\"user\":\"foo\"}\r\n", "proxy_sig", "x");
    // What looks like a secret inside another value goes too, and the real one is still found.
    check("connect {\"name\":\"foo K:S\",\"K\":\"S\",\"user\":\"foo\"}\r\n", "sig", "bar");
}

#[test]
fn other_members_stay_as_they_are() {
    for connect in [r#"{"design":"x","verbose":false}"#, "{}", "", "pass", r#"{"pass"#, r#"{"signed":"x"}"#] {
        assert_eq!(text(connect), connect);
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_taken(connect in proptest::collection::vec(proptest::sample::select(b"pasig\": =,}{\n\xff".to_vec()), 0..40)) {
        let _ = redacted(&connect);
    }
}
