//! The challenge of INFO and the signature that answers it.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use nkeys::KeyPair;
use rand_core::RngCore;

/// A challenge: 11 random bytes as 15 characters of base64url. The characters are what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce([u8; Self::LEN]);

impl Nonce {
    pub const LEN: usize = 15;

    /// `rng` must be unpredictable to clients: a nonce that comes twice lets an old signature pass.
    pub fn generate(rng: &mut impl RngCore) -> Self {
        let mut raw = [0; RAW_LEN];
        rng.fill_bytes(&mut raw);
        let mut text = [0; Self::LEN];
        let length = URL_SAFE_NO_PAD.encode_slice(raw, &mut text).expect("11 bytes encode to 15 characters");
        assert_eq!(length, Self::LEN);
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64 is ASCII")
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why a signature does not prove a key. The texts are the reference's, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("Signature missing")]
    Missing,
    #[error("Signature not valid base64")]
    NotBase64,
    #[error("User nkey not valid")]
    KeyNotValid,
    #[error("Signature not verified")]
    NotVerified,
}

/// Whether `public_key` (`U...`) signed `nonce` with `signature`: base64url without padding, or standard base64.
pub(crate) fn verify_signature(
    public_key: &str,
    nonce: &[u8],
    signature: &str,
) -> Result<(), SignatureError> {
    if signature.is_empty() {
        return Err(SignatureError::Missing);
    }
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .or_else(|_| STANDARD.decode(signature))
        .map_err(|_| SignatureError::NotBase64)?;
    let key = KeyPair::from_public_key(public_key).map_err(|_| SignatureError::KeyNotValid)?;
    key.verify(nonce, &signature).map_err(|_| SignatureError::NotVerified)
}

/// Whether `text` has the form of a user's public key. A form that is right may still be no key of the curve: such a
/// user is configured, and never authenticated.
pub(crate) fn is_public_user_key(text: &str) -> bool {
    nkeys::from_public_key(text).is_ok_and(|(prefix, _)| prefix == USER_PREFIX)
}

const RAW_LEN: usize = 11;
/// Encodes to `U` as the first of the base32 characters.
const USER_PREFIX: u8 = 20 << 3;

#[cfg(test)]
mod tests {
    use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn nonces_are_fifteen_characters_and_differ() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let nonce = Nonce::generate(&mut rng);
        assert_eq!(nonce.as_str().len(), 15);
        assert!(
            nonce.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        );
        assert_ne!(nonce, Nonce::generate(&mut rng));
    }

    #[test]
    fn a_signature_is_taken_in_either_base64_and_for_its_nonce_and_key_only() {
        let key = KeyPair::new_user();
        let other = KeyPair::new_user();
        let raw = key.sign(b"nonce").unwrap();
        for signature in [URL_SAFE_NO_PAD.encode(&raw), STANDARD.encode(&raw)] {
            assert_eq!(verify_signature(&key.public_key(), b"nonce", &signature), Ok(()));
            assert_eq!(
                verify_signature(&key.public_key(), b"other", &signature),
                Err(SignatureError::NotVerified)
            );
            assert_eq!(
                verify_signature(&other.public_key(), b"nonce", &signature),
                Err(SignatureError::NotVerified)
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_signature_is_named() {
        let key = KeyPair::new_user().public_key();
        assert_eq!(verify_signature(&key, b"n", ""), Err(SignatureError::Missing));
        assert_eq!(verify_signature(&key, b"n", "!!"), Err(SignatureError::NotBase64));
        assert_eq!(verify_signature(&key, b"n", "c2hvcnQ"), Err(SignatureError::NotVerified));
        assert_eq!(verify_signature("UABC", b"n", "c2hvcnQ"), Err(SignatureError::KeyNotValid));
    }

    #[test]
    fn only_user_keys_name_users() {
        assert!(is_public_user_key(&KeyPair::new_user().public_key()));
        assert!(is_public_user_key("UBO2MQV67TQTVIRV3XFTEZOACM4WLOCMCDMAWN5QVN5PI2N6JHTVDRON"));
        assert!(!is_public_user_key(&KeyPair::new_account().public_key()));
        assert!(!is_public_user_key("UBO2MQV67TQTVIRV3XFTEZOACM4WLOCMCDMAWN5QVN5PI2N6JHTVDROM"));
        assert!(!is_public_user_key(""));
    }
}
