//! Names of files in a store's folder.

use std::path::{Path, PathBuf};

use crate::store::block::BlockNumber;

/// A block's name: its number, for people and for order, and its salt, so that no name is ever used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockName {
    pub number: BlockNumber,
    pub salt: u64,
}

impl BlockName {
    #[must_use]
    pub fn path(self, folder: &Path) -> PathBuf {
        folder.join(format!("{:010}-{:016x}.blk", self.number, self.salt))
    }

    /// Where a block is written that will take another's place.
    #[must_use]
    pub fn path_of_new(self, folder: &Path) -> PathBuf {
        folder.join(format!("{:010}-{:016x}.blk.new", self.number, self.salt))
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (number, salt) = name.strip_suffix(".blk")?.split_once('-')?;
        let is_of =
            |text: &str, len: usize, radix| text.len() >= len && text.chars().all(|c| c.is_digit(radix));
        if !is_of(number, 10, 10) || !is_of(salt, 16, 16) || salt.len() != 16 {
            return None;
        }
        Some(Self { number: number.parse().ok()?, salt: u64::from_str_radix(salt, 16).ok()? })
    }
}

/// Whether a file was being written to take a block's place when the writer stopped.
#[must_use]
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(".new").is_some_and(|name| BlockName::parse(name).is_some())
}

/// Where files are put that nothing is known of, below the store's folder.
pub(crate) const ASIDE: &str = "aside";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_the_order_of_their_numbers() {
        let names = [
            BlockName { number: 1, salt: u64::MAX },
            BlockName { number: 9, salt: 0 },
            BlockName { number: 10, salt: 0xfeed },
            BlockName { number: 12_345_678_901, salt: 1 },
        ];
        let texts: Vec<String> =
            names.iter().map(|name| name.path(Path::new("")).to_str().unwrap().to_owned()).collect();
        for (text, name) in texts.iter().zip(names) {
            assert_eq!(BlockName::parse(text), Some(name));
            assert!(is_unfinished(&format!("{text}.new")) && !is_unfinished(text));
        }
        assert!(texts[..3].is_sorted());
    }

    #[test]
    fn other_names_are_refused() {
        for name in
            ["", "1.blk", "0000000001.blk", "0000000001-feed.blk", "0000000001-000000000000000g.blk", "x"]
        {
            assert_eq!(BlockName::parse(name), None, "{name}");
        }
    }
}
