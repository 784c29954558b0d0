//! A metadata file: any bytes, and any head and body under a checksum that is right.

use natrium_storage::meta::{HEAD_LEN, Meta};
use xxhash_rust::xxh64::Xxh64;

pub(crate) fn run(input: &[u8]) {
    read(input);
    let mut file = input.to_vec();
    file.resize(file.len().max(HEAD_LEN), 0);
    file[..8].copy_from_slice(b"NTRMETA\0");
    file[8..12].copy_from_slice(&1u32.to_le_bytes());
    let body_len = (file.len() - HEAD_LEN) as u64;
    file[56..64].copy_from_slice(&body_len.to_le_bytes());
    let mut hash = Xxh64::new(0);
    hash.update(&file[..64]);
    hash.update(&file[HEAD_LEN..]);
    let checksum = hash.digest();
    file[64..HEAD_LEN].copy_from_slice(&checksum.to_le_bytes());
    file.resize(file.len().next_multiple_of(4096), 0);
    read(&file);
}

/// What is read is written again as it was, but for bytes that version 1 leaves 0.
fn read(file: &[u8]) {
    let Ok(stored) = Meta::decode(file, None) else { return };
    assert!(!stored.is_sealed, "opened without a key");
    let again = stored.meta.encode(None, &mut NoChance);
    assert_eq!(Meta::decode(&again, None), Ok(stored));
    assert_eq!(again.len(), file.len());
}

/// What is not sealed takes no chance.
struct NoChance;

impl rand_core::RngCore for NoChance {
    fn next_u32(&mut self) -> u32 {
        unreachable!("nothing is sealed")
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("nothing is sealed")
    }

    fn fill_bytes(&mut self, _: &mut [u8]) {
        unreachable!("nothing is sealed")
    }
}
