//! What a configuration can refer to outside itself.

use std::io;
use std::path::Path;

/// Files that are included, and variables of the environment.
pub trait Surroundings {
    /// # Errors
    /// As the file system has it; a file that is not UTF-8 is `InvalidData`.
    fn read(&self, path: &Path) -> io::Result<String>;

    fn variable(&self, name: &str) -> Option<String>;
}

/// The file system and the environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Surroundings for System {
    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
