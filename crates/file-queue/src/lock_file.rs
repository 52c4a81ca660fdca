//! The file beside the queue, by which processes tell each other that they live and what they have
//! done: the queue's path with `-lock` at its end.
//!
//! # What is in it
//! The first 16 bytes are the queue's own number. A lock file that is left of another queue, which
//! once had the same path, has another number, and is replaced; those who still have that queue
//! open keep the old one. The next byte is the *bell*: it is written, with any value, after a
//! change was committed, and a watch on the file reports that (`bell.rs`).
//!
//! # Locks
//! Far behind the end of the file each byte is a lock, of the kind that belongs to an open file
//! description (OFD): it ends with the last descriptor of it, so with the process, however that
//! ends. Each open queue has a description of its own, so two in one process are told apart.
//! - Byte `TAKERS + n` is locked by the taker with the number n for as long as it lives. A taker's
//!   number is never given twice, so a byte that is free means that its taker is gone for good.
//! - `ROOM` and `DONE` are locked, shared, while somebody waits for room, or for the queue to be
//!   done. A call that makes room, or ends the last item, rings only if somebody waits.
//!
//! None of these locks is on SQLite's own files: the locks there belong to the process, and go when
//! it closes any descriptor of the file.
//!
//! # Why no wake-up is lost
//! *Waiter:* (W1) watch the bell, (W2) lock `ROOM` or `DONE` if it waits for one of those, (W3)
//! look into the file, (W4) sleep until the watch reports something, then look again.
//! *Writer:* (C1) commit, (C2) see whether the byte is locked, (C3) write the bell.
//!
//! Looks and commits are transactions. If the look comes after the commit, the waiter sees the
//! change. Else the commit comes after the look, so C2 after W2, and C3 after W1: the writer sees
//! the lock, and the watch reports the bell. Threads of one open queue have one description, in
//! which a lock is no obstacle; they note in `own` that they wait, and their looks and commits are
//! ordered by the lock on the connection.
//!
//! The bell is written when the commit is visible. A watch on SQLite's own `-wal` file would
//! report what is written before that, and no more when it becomes visible.
//!
//! A writer that dies between C1 and C3 closes the lock file, which the watch reports, too. (Not
//! if a forked child of it lives. Then the item, whose put has not returned, is found by the next
//! look.) `tests/it/model.rs` tries every order of these steps and deaths, and the same with seven
//! bugs, each of which it finds.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, flock};

use crate::error::{ErrorKind, FileQueueError};

/// The number by which a queue is told from another of the same path.
pub(crate) type QueueId = [u8; 16];

/// The place of the bell, behind the number of the queue.
const BELL: u64 = size_of::<QueueId>() as u64;

/// The byte that is locked while somebody waits for room.
const ROOM: i64 = 1 << 32;

/// The byte that is locked while somebody waits for the queue to be done.
const DONE: i64 = ROOM + 1;

/// The byte before that of the first taker.
const TAKERS: i64 = 1 << 33;

/// The event that a waiter waits for, so that others know when to ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// An item. That one was put is always rung.
    Item,
    /// Room for one more item.
    Room,
    /// The end of the last item.
    Done,
}

impl Awaited {
    /// Returns the byte that is locked meanwhile, and the index of those who wait for it here.
    fn byte(self) -> Option<(i64, usize)> {
        match self {
            Self::Item => None,
            Self::Room => Some((ROOM, 0)),
            Self::Done => Some((DONE, 1)),
        }
    }
}

/// The open file.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
    path: PathBuf,
    /// The path of the queue's own file.
    queue: PathBuf,
    /// How many threads of this open queue wait for room, and for the queue to be done: a lock is
    /// no obstacle to the description that has it.
    own: Mutex<[usize; 2]>,
}

/// Returns the path with more at its end.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The device of a file and its number there, which no other file has as long as somebody has it
/// open.
pub(crate) type Identity = (u64, u64);

/// Returns what tells the file at the path from all others.
pub(crate) fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|it| (it.dev(), it.ino()))
}

impl LockFile {
    /// Opens the lock file of the queue, and makes one if there is none, or one of another queue.
    /// No other process does so meanwhile: the caller has a write transaction of the queue.
    pub(crate) fn open(queue: &Path, id: &QueueId) -> Result<Self, FileQueueError> {
        let path = beside(queue, "-lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match options.open(&path) {
            Ok(file) => {
                let mut found = QueueId::default();
                let is_whole = file.read_exact_at(&mut found, 0).is_ok();
                if is_whole && found == *id {
                    return Ok(Self::new(file, path, queue));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failure(&path, error)),
        }
        // It is written elsewhere and put there at once, so that nobody finds the half of it.
        let fresh = beside(&path, "-new");
        let _ = fs::remove_file(&fresh);
        let made = options.create_new(true).open(&fresh).and_then(|file| {
            give_away(&file, queue);
            file.write_all_at(&[&id[..], &[0]].concat(), 0)?;
            fs::rename(&fresh, &path)?;
            Ok(file)
        });
        let file = made.map_err(|error| failure(&path, error))?;
        Ok(Self::new(file, path, queue))
    }

    fn new(file: File, path: PathBuf, queue: &Path) -> Self {
        Self {
            file,
            path,
            queue: queue.to_owned(),
            own: Mutex::default(),
        }
    }

    fn own(&self) -> MutexGuard<'_, [usize; 2]> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn queue(&self) -> &Path {
        &self.queue
    }

    /// Returns what tells the open file from all others.
    pub(crate) fn identity(&self) -> io::Result<Identity> {
        self.file.metadata().map(|it| (it.dev(), it.ino()))
    }

    /// Rings the bell, if somebody may wait for it.
    pub(crate) fn ring(&self, change: Awaited) {
        if let Some((byte, index)) = change.byte()
            && self.own()[index] == 0
            && !self.is_locked(byte)
        {
            return;
        }
        if self.file.write_at(&[1], BELL).is_err() {
            // A file system may need room even to overwrite a byte. The end of a file that was
            // open for writing is reported as well.
            drop(OpenOptions::new().write(true).open(&self.path));
        }
    }

    /// Notes that a thread of this open queue waits for that.
    pub(crate) fn announce(&self, awaited: Awaited) -> io::Result<()> {
        if let Some((byte, index)) = awaited.byte() {
            let mut own = self.own();
            if own[index] == 0 {
                self.set(byte, libc::F_RDLCK)?;
            }
            own[index] += 1;
        }
        Ok(())
    }

    /// Takes the note back.
    pub(crate) fn withdraw(&self, awaited: Awaited) {
        if let Some((byte, index)) = awaited.byte() {
            let mut own = self.own();
            own[index] -= 1;
            if own[index] == 0 {
                // A lock of one's own can be given back.
                let _ = self.set(byte, libc::F_UNLCK);
            }
        }
    }

    /// Locks the byte of a taker, until the file is closed. Returns `false` if somebody else has
    /// it.
    pub(crate) fn lock_taker(&self, taker: i64) -> io::Result<bool> {
        match self.set(TAKERS + taker, libc::F_WRLCK) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Unlocks the byte of a taker that has taken nothing.
    pub(crate) fn unlock_taker(&self, taker: i64) {
        let _ = self.set(TAKERS + taker, libc::F_UNLCK);
    }

    /// Returns `true` if the taker, which is not this one, lives.
    pub(crate) fn is_alive(&self, taker: i64) -> bool {
        self.is_locked(TAKERS + taker)
    }

    fn set(&self, byte: i64, kind: libc::c_int) -> io::Result<()> {
        let lock = lock(byte, kind);
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&lock)) {
            Ok(_) => Ok(()),
            // POSIX leaves open which of the two says that another has it.
            Err(Errno::EACCES) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns `true` if somebody else has a lock on the byte. If the system cannot say it, that
    /// counts as a lock: a taker that may live keeps its items, and a bell too many does no harm.
    fn is_locked(&self, byte: i64) -> bool {
        let mut found = lock(byte, libc::F_WRLCK);
        let asked = fcntl(&self.file, FcntlArg::F_OFD_GETLK(&mut found));
        asked.is_err() || libc::c_int::from(found.l_type) != libc::F_UNLCK
    }
}

/// Returns `true` if somebody has locked the byte of the taker in the queue's lock file.
pub(crate) fn is_alive(queue: &Path, id: &QueueId, taker: i64) -> bool {
    let path = beside(queue, "-lock");
    let Ok(file) = File::open(&path) else {
        return false;
    };
    let mut found = QueueId::default();
    let is_own = file.read_exact_at(&mut found, 0).is_ok() && found == *id;
    is_own && LockFile::new(file, path, queue).is_alive(taker)
}

/// Gives the file to those who own the queue's file, and may read and write it, whatever the umask
/// is: SQLite does so with the files beside it.
fn give_away(file: &File, queue: &Path) {
    // Where that is not possible, as on a file system without owners, it is this user's file.
    if let Ok(found) = fs::metadata(queue) {
        let _ = fchown(file, Some(found.uid()), Some(found.gid()));
        let _ = file.set_permissions(Permissions::from_mode(0o666 & found.mode()));
    }
}

/// A lock on one byte, as the system takes it.
fn lock(byte: i64, kind: libc::c_int) -> flock {
    flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0, // asked for by locks of open file descriptions
    }
}

/// Returns the error of a lock file that cannot be used.
pub(crate) fn failure(path: &Path, error: io::Error) -> FileQueueError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
        io::ErrorKind::NotFound => ErrorKind::Replaced,
        _ => ErrorKind::Io,
    };
    FileQueueError::new(kind, format!("{}: {error}", path.display()))
}
