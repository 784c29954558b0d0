//! A configuration file, its text any bytes: read, checked, and read again.

use std::io;
use std::path::Path;

use natrium_config::file;
use natrium_config::language::{self, Surroundings};

/// One file, which may include itself, and an environment in which each variable is worth what the file says.
struct OneFile<'a>(&'a str);

impl Surroundings for OneFile<'_> {
    fn read(&self, _path: &Path) -> io::Result<String> {
        Ok(self.0.to_owned())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.0.split_once(name).map(|(_, rest)| rest.chars().take(32).collect())
    }
}

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new("fuzz.conf");
    let surroundings = OneFile(text);
    if let Ok(map) = language::parse(text, path, &surroundings) {
        let again = language::parse(text, path, &surroundings).map(|map| language::digest(&map));
        assert_eq!(again.ok(), Some(language::digest(&map)));
    }
    match file::load(path, &surroundings) {
        Ok(loaded) => assert!(loaded.options.digest.is_some()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
