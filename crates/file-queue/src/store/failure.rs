//! The errors of SQLite, in the words of this crate.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::{ErrorKind, FileQueueError};

/// Why a transaction failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite reported it.
    Sqlite(rusqlite::Error),
    /// This crate did.
    Own(FileQueueError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<FileQueueError> for Failure {
    fn from(error: FileQueueError) -> Self {
        Self::Own(error)
    }
}

impl From<ErrorKind> for Failure {
    fn from(kind: ErrorKind) -> Self {
        Self::Own(kind.into())
    }
}

impl Failure {
    /// Returns `true` if another connection was in the way, and trying again may help.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            // The second is what SQLite says if others were faster several times in a row.
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::FileLockingProtocolFailed)
            ),
            Self::Own(_) => false,
        }
    }

    /// Returns `true` if this crate reported it, and for that reason.
    pub(crate) fn is_of_kind(&self, kind: ErrorKind) -> bool {
        matches!(self, Self::Own(error) if error.kind() == kind)
    }

    /// Returns the error for the caller.
    pub(crate) fn into_error(self, path: &Path) -> FileQueueError {
        let error = match self {
            Self::Own(error) => return error,
            Self::Sqlite(error) => error,
        };
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Busy,
            Some(ErrorCode::FileLockingProtocolFailed) => ErrorKind::Busy,
            Some(ErrorCode::DiskFull) => ErrorKind::NoSpace,
            Some(ErrorCode::SystemIoFailure) if is_full(path) => ErrorKind::NoSpace,
            Some(ErrorCode::DatabaseCorrupt) => ErrorKind::Damaged,
            Some(ErrorCode::NotADatabase) => ErrorKind::NotAQueue,
            Some(ErrorCode::ReadOnly) if is_moved(&error) => ErrorKind::Replaced,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => ErrorKind::ReadOnly,
            Some(ErrorCode::TooBig) => ErrorKind::TooLarge,
            Some(ErrorCode::CannotOpen) => cannot_open(path),
            Some(_) => ErrorKind::Io,
            // This crate does not write what was read.
            None => ErrorKind::Damaged,
        };
        FileQueueError::new(kind, format!("{}: {error}", path.display()))
    }
}

/// Returns `true` if the file system has no room for a few pages: SQLite reports some failures of
/// that kind, as that of its shared memory, as others.
fn is_full(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    let asked = nix::sys::statvfs::statvfs(folder);
    // One that the system only pretends to have, as that of the processes, has no blocks at all.
    asked.is_ok_and(|it| {
        it.blocks() > 0 && it.blocks_available().saturating_mul(it.fragment_size()) < 65_536
    })
}

/// Returns `true` if SQLite has noticed itself that the file is not at its path any more.
fn is_moved(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|it| it.extended_code);
    code == Some(rusqlite::ffi::SQLITE_READONLY_DBMOVED)
}

/// The longest path that SQLite takes, in bytes, together with the ends of the names beside it.
const LONGEST_PATH: usize = 512 - "-journal".len();

/// Returns why a file cannot be opened, which SQLite does not say.
fn cannot_open(path: &Path) -> ErrorKind {
    let folder = path.parent().unwrap_or(path);
    if !folder.is_dir() {
        ErrorKind::NotFound
    } else if is_full(path) {
        ErrorKind::NoSpace
    } else if path.as_os_str().len() > LONGEST_PATH {
        ErrorKind::Io
    } else {
        ErrorKind::ReadOnly
    }
}
