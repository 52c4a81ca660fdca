//! Where a queue's file is, and whether one can be there. SQLite finds less, and says less.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{ErrorKind, FileQueueError};
use crate::lock_file;

/// The longest name that a file system takes.
const LONGEST_NAME: usize = 255;

/// The longest end of the name of a file beside the queue's own.
const LONGEST_END: &str = "-lock-new";

/// Returns the absolute path, in a folder that exists and is named without symbolic links. What is
/// there may be a queue, as far as that is seen without opening it.
pub(super) fn locate(path: &Path) -> Result<PathBuf, FileQueueError> {
    let failed = |kind, why: &dyn std::fmt::Display| {
        FileQueueError::new(kind, format!("{}: {why}", path.display()))
    };
    let absolute =
        std::path::absolute(path).map_err(|error| failed(ErrorKind::NotFound, &error))?;
    let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(failed(ErrorKind::NotAQueue, &"it is a folder"));
    };
    let not_there = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            failed(ErrorKind::NotFound, &error)
        }
        _ => lock_file::failure(path, error),
    };
    let folder = folder.canonicalize().map_err(not_there)?;
    if name.len() + LONGEST_END.len() > LONGEST_NAME {
        let why = "the name is too long, since those of the files beside it are longer";
        return Err(failed(ErrorKind::Io, &why));
    }
    let real = folder.join(name);
    match fs::metadata(&real) {
        Ok(found) if !found.is_file() => {
            Err(failed(ErrorKind::NotAQueue, &"it is no regular file"))
        }
        // SQLite would take it for an empty one, and write over it.
        Ok(found) if found.len() == 1 => Err(failed(ErrorKind::NotAQueue, &"it has one byte")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(not_there(error)),
        _ => Ok(real),
    }
}
