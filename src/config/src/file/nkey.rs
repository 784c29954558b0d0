//! Public keys as they stand in a configuration.

/// What the first byte of a key says of whom it is: encoded, the first letter.
const ACCOUNT: u8 = 0;
const USER: u8 = 20 << 3;

/// Whether `text` is the public half of a user's key (`U...`), checksum and all.
pub(super) fn is_of_user(text: &str) -> bool {
    is_of(USER, text)
}

/// Whether `text` is the public half of an account's key (`A...`).
pub(super) fn is_of_account(text: &str) -> bool {
    is_of(ACCOUNT, text)
}

fn is_of(kind: u8, text: &str) -> bool {
    nkeys::from_public_key(text).is_ok_and(|(prefix, _)| prefix == kind)
}
