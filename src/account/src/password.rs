//! Passwords and tokens as the configuration stores them: in clear, or as a bcrypt hash.

use std::sync::Arc;

use subtle::ConstantTimeEq;

/// A stored password or token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Password {
    Clear(Box<str>),
    Hash(Arc<str>),
}

/// What is known of a password without running a hash function.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Different,
    NeedsHash(PasswordHash),
}

/// A comparison that takes tens of milliseconds and more: to be run beside the shards.
#[derive(PartialEq, Eq)]
pub(crate) struct PasswordHash {
    stored: Arc<str>,
    presented: Box<str>,
}

impl Password {
    pub(crate) fn new(stored: &str) -> Self {
        if is_bcrypt(stored) { Self::Hash(stored.into()) } else { Self::Clear(stored.into()) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Clear(stored) => stored.is_empty(),
            Self::Hash(_) => false,
        }
    }

    pub(crate) fn is_hash(&self) -> bool {
        match self {
            Self::Clear(_) => false,
            Self::Hash(_) => true,
        }
    }

    pub(crate) fn compare(&self, presented: &str) -> Comparison {
        match self {
            Self::Clear(stored) => {
                if stored.as_bytes().ct_eq(presented.as_bytes()).into() {
                    Comparison::Equal
                } else {
                    Comparison::Different
                }
            }
            Self::Hash(stored) => Comparison::NeedsHash(PasswordHash {
                stored: Arc::clone(stored),
                presented: presented.into(),
            }),
        }
    }
}

impl PasswordHash {
    /// Whether the presented password is the stored one. A hash that cannot be read is equal to nothing.
    pub(crate) fn is_equal(&self) -> bool {
        bcrypt::verify(self.presented.as_bytes(), &self.stored).unwrap_or(false)
    }
}

/// Neither the password nor its hash belongs in a log.
impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Clear(_) => "Clear",
            Self::Hash(_) => "Hash",
        })
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// `$2a$10$...`: version a, b, x or y, and a cost of two digits.
fn is_bcrypt(stored: &str) -> bool {
    matches!(
        stored.as_bytes(),
        [b'$', b'2', b'a' | b'b' | b'x' | b'y', b'$', tens, ones, b'$', ..]
            if tens.is_ascii_digit() && ones.is_ascii_digit()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `foo`, at the lowest cost.
    const HASH_OF_FOO: &str = "$2a$04$P/.bd.7unw9Ew7yWJqXsl.f4oNRLQGvadEL2YnqQXbbb.IVQajRdK";

    #[test]
    fn only_the_bcrypt_forms_count_as_hashes() {
        for stored in [HASH_OF_FOO, "$2b$10$", "$2x$31$x", "$2y$99$"] {
            assert!(is_bcrypt(stored), "{stored}");
        }
        for stored in ["", "$", "$2a$", "$2c$10$x", "$2a$1$x", "2a$10$x", "$2a$1a$x", "$2$10$x"] {
            assert!(!is_bcrypt(stored), "{stored}");
        }
    }

    #[test]
    fn a_clear_password_equals_itself_only() {
        let password = Password::new("s3cr3t");
        assert_eq!(password.compare("s3cr3t"), Comparison::Equal);
        for wrong in ["", "s3cr3", "s3cr3t ", "S3cr3t"] {
            assert_eq!(password.compare(wrong), Comparison::Different);
        }
        assert_eq!(Password::new("").compare(""), Comparison::Equal);
    }

    #[test]
    fn a_hash_equals_the_password_it_was_made_of() {
        let is_equal = |stored: &str, presented: &str| match Password::new(stored).compare(presented) {
            Comparison::NeedsHash(hash) => hash.is_equal(),
            Comparison::Equal | Comparison::Different => panic!("{stored} was not taken for a hash"),
        };
        assert!(is_equal(HASH_OF_FOO, "foo"));
        assert!(!is_equal(HASH_OF_FOO, "bar"));
        assert!(!is_equal(HASH_OF_FOO, ""));
        assert!(!is_equal(HASH_OF_FOO, HASH_OF_FOO));
        assert!(!is_equal("$2a$04$tooshort", "foo"));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let shown =
            format!("{:?} {:?}", Password::new("s3cr3t"), Password::new(HASH_OF_FOO).compare("s3cr3t"));
        assert!(!shown.contains("s3cr3t") && !shown.contains("$2a$"), "{shown}");
    }
}
