//! `pid_file`: the number of the process, for scripts that signal it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::reason;

/// Writes `pid` in decimal digits with no line end (some tools parse the content untrimmed), over what was there.
///
/// The file stays when the server ends, as with the reference.
///
/// # Errors
/// If the file cannot be made or written; the message is the reference's.
pub fn write_pid_file(path: &Path, pid: u32) -> Result<(), PidFileError> {
    let fail = |operation| move |source| PidFileError { operation, path: path.to_owned(), source };
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PID_FILE_MODE)
        .open(path)
        .map_err(fail("open"))?
        .write_all(pid.to_string().as_bytes())
        .map_err(fail("write"))
}

#[derive(Debug, thiserror::Error)]
#[error("Could not write pidfile: {operation} {}: {}", .path.display(), reason(.source))]
pub struct PidFileError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Before the umask, as the reference's `defaultFilePerms`.
const PID_FILE_MODE: u32 = 0o600;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_holds_digits_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("natrium.pid");
        fs::write(&path, "a longer text than a pid").unwrap();
        write_pid_file(&path, 4217).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "4217");
    }

    #[test]
    fn a_new_file_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("natrium.pid");
        write_pid_file(&path, 1).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_missing_folder_is_named_as_the_reference_names_it() {
        let error = write_pid_file(Path::new("/missing/folder/natrium.pid"), 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Could not write pidfile: open /missing/folder/natrium.pid: no such file or directory"
        );
    }
}
