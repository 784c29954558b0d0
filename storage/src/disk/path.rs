//! Paths stay below the root of a disk.

use std::path::{Component, Path};

use super::Cause;

/// The names on the way from the root; none for the root itself.
pub(super) fn parts(path: &Path) -> Result<Vec<&str>, Cause> {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(name) => name.to_str().ok_or(Cause::BadPath),
            Component::Prefix(_) | Component::RootDir | Component::ParentDir | Component::CurDir => {
                Err(Cause::BadPath)
            }
        })
        .collect()
}
