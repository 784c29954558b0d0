//! The configured keys, and the way from them to a stream's.

use std::fmt;

use rand_core::RngCore;
use zeroize::Zeroizing;

use super::secret::{Secret, StreamKey};
use super::wrap::{self, WRAPPED_LEN};
use crate::block::header::StreamId;

/// `encryption_key` of the configuration: any string. Nothing makes a short one strong.
#[derive(Clone)]
pub struct ServerKey(Zeroizing<Vec<u8>>);

/// `encryption_key`, and `prev_encryption_key` for what was written before it was changed.
#[derive(Clone, Debug)]
pub struct KeyRing {
    pub current: ServerKey,
    pub previous: Option<ServerKey>,
}

/// A stream's key, out of its file.
#[derive(Debug)]
pub struct Unwrapped {
    pub key: StreamKey,
    /// Only the previous key opened it: wrap it anew and replace the file, or it is lost when that key is forgotten.
    pub is_stale: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "stream {stream:?} of account {account:?}: encryption_key does not open its key; set encryption_key or \
         prev_encryption_key to the one it was stored with"
    )]
    WrongKey { account: String, stream: String },
    #[error(
        "stream {stream:?} of account {account:?}: its key is stored in a form this program does not know"
    )]
    Unknown { account: String, stream: String },
}

/// Whose key it is: what an operator calls it, and the life of it.
#[derive(Clone, Copy, Debug)]
pub struct StreamIdentity<'a> {
    pub account: &'a str,
    pub stream: &'a str,
    pub id: StreamId,
}

impl ServerKey {
    /// `None` for an empty string, which is how the configuration says that there is no encryption.
    #[must_use]
    pub fn new(configured: &str) -> Option<Self> {
        (!configured.is_empty()).then(|| Self(Zeroizing::new(configured.as_bytes().to_vec())))
    }

    fn key_of_stream_key(&self, stream: StreamIdentity<'_>) -> Secret {
        Secret::derive(
            &self.0,
            &[b"natrium stream key 1", stream.account.as_bytes(), stream.stream.as_bytes()],
        )
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(..)")
    }
}

impl KeyRing {
    /// `key` under the current configured key, for the file beside the stream's metadata.
    #[must_use]
    pub fn wrap(&self, key: &StreamKey, stream: StreamIdentity<'_>, rng: &mut impl RngCore) -> Vec<u8> {
        wrap::wrap(&self.current.key_of_stream_key(stream), key.secret(), &aad(stream.id), rng)
    }

    /// # Errors
    /// [`KeyError`]: the stream stays closed, and its files as they are.
    pub fn unwrap(&self, wrapped: &[u8], stream: StreamIdentity<'_>) -> Result<Unwrapped, KeyError> {
        let open = |key: &ServerKey| {
            let secret = wrap::unwrap(&key.key_of_stream_key(stream), wrapped, &aad(stream.id))?;
            Some(StreamKey::from_secret(secret))
        };
        if let Some(key) = open(&self.current) {
            return Ok(Unwrapped { key, is_stale: false });
        }
        if let Some(key) = self.previous.as_ref().and_then(open) {
            return Ok(Unwrapped { key, is_stale: true });
        }
        let (account, stream) = (stream.account.to_owned(), stream.stream.to_owned());
        let is_known = wrapped.len() == WRAPPED_LEN && wrapped[0] == wrap::VERSION;
        Err(if is_known {
            KeyError::WrongKey { account, stream }
        } else {
            KeyError::Unknown { account, stream }
        })
    }
}

fn aad(id: StreamId) -> Vec<u8> {
    let mut aad = b"natrium stream key 1\0".to_vec();
    aad.extend_from_slice(&id.0);
    aad
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    const STREAM: StreamIdentity<'_> =
        StreamIdentity { account: "A", stream: "ORDERS", id: StreamId([1; 16]) };

    fn ring(current: &str, previous: Option<&str>) -> KeyRing {
        KeyRing { current: ServerKey::new(current).unwrap(), previous: previous.and_then(ServerKey::new) }
    }

    fn wrapped(by: &KeyRing) -> (StreamKey, Vec<u8>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let key = StreamKey::generate(&mut rng);
        let wrapped = by.wrap(&key, STREAM, &mut rng);
        (key, wrapped)
    }

    fn is_same(a: &StreamKey, b: &StreamKey) -> bool {
        a.secret().bytes() == b.secret().bytes()
    }

    #[test]
    fn the_current_key_opens_and_nothing_is_stale() {
        for configured in ["s", "s3cr3t", &"long ".repeat(100)] {
            let (key, wrapped) = wrapped(&ring(configured, None));
            let back = ring(configured, Some("other")).unwrap(&wrapped, STREAM).unwrap();
            assert!(is_same(&back.key, &key));
            assert!(!back.is_stale);
        }
    }

    #[test]
    fn the_previous_key_opens_and_says_so() {
        let (key, old) = wrapped(&ring("old", None));
        let rolled = ring("new", Some("old"));
        let back = rolled.unwrap(&old, STREAM).unwrap();
        assert!(is_same(&back.key, &key));
        assert!(back.is_stale);
        let new = rolled.wrap(&back.key, STREAM, &mut Xoshiro256PlusPlus::seed_from_u64(2));
        let back = ring("new", None).unwrap(&new, STREAM).unwrap();
        assert!(is_same(&back.key, &key));
        assert!(!back.is_stale);
    }

    #[test]
    fn a_wrong_key_names_the_stream() {
        let (_, wrapped) = wrapped(&ring("right", None));
        for wrong in [ring("wrong", None), ring("wrong", Some("wrong too"))] {
            let error = wrong.unwrap(&wrapped, STREAM).unwrap_err();
            assert_eq!(error, KeyError::WrongKey { account: "A".into(), stream: "ORDERS".into() });
            assert!(error.to_string().contains(r#"stream "ORDERS" of account "A""#), "{error}");
        }
    }

    #[test]
    fn a_key_does_not_open_for_another_stream() {
        let ring = ring("s3cr3t", None);
        let (_, wrapped) = wrapped(&ring);
        for other in [
            StreamIdentity { account: "B", ..STREAM },
            StreamIdentity { stream: "ORDERS2", ..STREAM },
            StreamIdentity { id: StreamId([2; 16]), ..STREAM },
        ] {
            assert!(matches!(ring.unwrap(&wrapped, other), Err(KeyError::WrongKey { .. })), "{other:?}");
        }
    }

    #[test]
    fn a_form_from_the_future_is_not_called_a_wrong_key() {
        let ring = ring("s3cr3t", None);
        let (_, mut wrapped) = wrapped(&ring);
        wrapped[0] += 1;
        assert!(matches!(ring.unwrap(&wrapped, STREAM), Err(KeyError::Unknown { .. })));
        assert!(matches!(ring.unwrap(&[], STREAM), Err(KeyError::Unknown { .. })));
    }

    #[test]
    fn no_string_is_no_key_and_no_key_is_shown() {
        assert!(ServerKey::new("").is_none());
        assert_eq!(
            format!("{:?}", ring("s3cr3t", None)),
            "KeyRing { current: ServerKey(..), previous: None }"
        );
    }
}
