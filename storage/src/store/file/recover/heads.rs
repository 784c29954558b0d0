//! What a file of the folder is, by its name and its head alone: the first half of the table in `decisions`. Values in, values
//! out: recovery asks it, and so does who only looks at a store.

use crate::block::header::{Encryption, HEAD_LEN, Header, HeaderError, StreamId};
use crate::coding::BlockCipher;
use crate::disk::PAGE_SIZE;
use crate::keys::{BlockIdentity, StreamKey};
use crate::store::file::decisions::Condition;
use crate::store::file::losses::is_losses;
use crate::store::file::names::{BlockName, is_unfinished};

/// What a file's name says.
pub(crate) enum Named {
    Block(BlockName),
    /// What is known of lost messages.
    Losses,
    Other(Condition),
}

impl Named {
    pub(crate) fn of(name: &str) -> Self {
        match BlockName::parse(name) {
            Some(name) => Self::Block(name),
            None if is_unfinished(name) => Self::Other(Condition::UnfinishedRewrite),
            None if is_losses(name) => Self::Losses,
            None => Self::Other(Condition::ForeignName),
        }
    }
}

/// Why a block's file has no head that could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headless {
    TooShort,
    Version(u32),
    /// [`Condition::Zeros`] where the file has nothing else either, else [`Condition::NoHead`].
    Unreadable,
}

/// The head in the first bytes of a file, up to [`HEAD_LEN`] of them: of the two copies the one that can be read. One that is
/// of another version says so although the other is damaged.
pub(crate) fn head_of(bytes: &[u8]) -> Result<Header, Headless> {
    let mut version = None;
    for copy in [bytes, bytes.get(PAGE_SIZE..).unwrap_or_default()] {
        match Header::decode(copy) {
            Ok(_) if bytes.len() < HEAD_LEN => return Err(Headless::TooShort),
            Ok(header) => return Ok(header),
            Err(HeaderError::Version(of)) => version = Some(of),
            Err(HeaderError::NotABlock | HeaderError::Damaged) => {}
        }
    }
    match version {
        Some(version) => Err(Headless::Version(version)),
        None if bytes.len() < HEAD_LEN => Err(Headless::TooShort),
        None => Err(Headless::Unreadable),
    }
}

/// Why a head is not that of the block its file is named after.
pub(crate) fn misplaced(header: &Header, name: BlockName, stream: StreamId) -> Option<Condition> {
    if header.stream != stream {
        return Some(Condition::OtherStream);
    }
    ((header.number, header.salt) != (name.number, name.salt)).then_some(Condition::WrongName)
}

/// What opens the frames of a block; `None` where it is not encrypted.
///
/// # Errors
/// [`Condition::NoKey`], [`Condition::WrongKey`].
pub(crate) fn cipher_of(header: &Header, key: Option<&StreamKey>) -> Result<Option<BlockCipher>, Condition> {
    if header.coding.encryption == Encryption::None {
        return Ok(None);
    }
    let key = key.ok_or(Condition::NoKey)?;
    let identity = BlockIdentity {
        stream: header.stream,
        number: header.number,
        generation: header.generation,
        encryption: header.coding.encryption,
    };
    let block_key = key.unwrap_block_key(&header.wrapped_key, identity).ok_or(Condition::WrongKey)?;
    Ok(BlockCipher::new(header.coding.encryption, &block_key))
}

/// Of each number the block of the latest generation, in order; and the others, which are superseded. `blocks` are in the
/// order of their numbers; `life` gives number and generation.
pub(crate) fn latest<T>(blocks: Vec<T>, life: impl Fn(&T) -> (u64, u64)) -> (Vec<T>, Vec<T>) {
    let (mut kept, mut superseded): (Vec<T>, Vec<T>) = (Vec::new(), Vec::new());
    for block in blocks {
        let (number, generation) = life(&block);
        match kept.last_mut().filter(|last| life(last).0 == number) {
            Some(last) if life(last).1 > generation => superseded.push(block),
            Some(last) => superseded.push(std::mem::replace(last, block)),
            None => kept.push(block),
        }
    }
    (kept, superseded)
}

#[cfg(test)]
mod tests {
    use natrium_model::Timestamp;
    use xxhash_rust::xxh64::xxh64;

    use super::*;
    use crate::block::header::Coding;

    fn header() -> Header {
        Header {
            stream: StreamId([1; 16]),
            number: 7,
            generation: 0,
            salt: 9,
            created: Timestamp(1),
            first: 5,
            absorbed_below: 0,
            coding: Coding::default(),
            wrapped_key: Vec::new(),
        }
    }

    #[test]
    fn of_two_copies_of_a_head_one_is_enough() {
        let head = header().encode();
        assert_eq!(head_of(&head), Ok(header()));
        for at in [20, PAGE_SIZE + 20] {
            let mut damaged = head.clone();
            damaged[at] ^= 1;
            assert_eq!(head_of(&damaged), Ok(header()), "byte {at}");
        }
        let mut damaged = head.clone();
        damaged[20] ^= 1;
        damaged[PAGE_SIZE + 20] ^= 1;
        assert_eq!(head_of(&damaged), Err(Headless::Unreadable));
        assert_eq!(head_of(&[0; HEAD_LEN]), Err(Headless::Unreadable));
        for len in [0, 100, PAGE_SIZE, HEAD_LEN - 1] {
            assert_eq!(head_of(&head[..len]), Err(Headless::TooShort), "{len} bytes");
        }
    }

    #[test]
    fn one_copy_is_enough_to_tell_another_version() {
        let mut head = header().encode();
        for page in head.chunks_mut(PAGE_SIZE) {
            page[8] = 9;
            let checksum = xxh64(&page[..PAGE_SIZE - 8], 0);
            page[PAGE_SIZE - 8..].copy_from_slice(&checksum.to_le_bytes());
        }
        assert_eq!(head_of(&head), Err(Headless::Version(9)));
        for at in [20, PAGE_SIZE + 20] {
            let mut damaged = head.clone();
            damaged[at] ^= 1;
            assert_eq!(head_of(&damaged), Err(Headless::Version(9)), "byte {at}");
        }
    }

    #[test]
    fn a_head_belongs_to_its_stream_and_its_name() {
        let (header, name) = (header(), BlockName { number: 7, salt: 9 });
        assert_eq!(misplaced(&header, name, StreamId([1; 16])), None);
        assert_eq!(misplaced(&header, name, StreamId([2; 16])), Some(Condition::OtherStream));
        for name in [BlockName { number: 8, salt: 9 }, BlockName { number: 7, salt: 8 }] {
            assert_eq!(misplaced(&header, name, StreamId([1; 16])), Some(Condition::WrongName));
        }
    }

    #[test]
    fn of_one_number_the_latest_generation_is_kept() {
        let blocks = vec![(1, 0), (2, 3), (2, 1), (3, 0), (3, 1), (4, 2)];
        let (kept, superseded) = latest(blocks, |block| *block);
        assert_eq!(kept, [(1, 0), (2, 3), (3, 1), (4, 2)]);
        assert_eq!(superseded, [(2, 1), (3, 0)]);
    }
}
