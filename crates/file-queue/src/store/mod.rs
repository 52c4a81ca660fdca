//! The file: the only room that knows SQLite. A store is an open file, with one connection.
//!
//! # Transactions
//! Each change is one transaction, begun by `BEGIN IMMEDIATE`: SQLite then has one writer at a
//! time, from the beginning. (One that begins by reading and writes later is refused at once if
//! somebody has written in between.) While another process writes, the connection is not held: the
//! thread sleeps for a moment and tries again, until its patience ends. A body may therefore be run
//! several times, and changes nothing outside the transaction.
//!
//! Statements that change are run to their end, and what they return is read before. A
//! `DELETE … RETURNING` of which one row is read hands that row out although the disk is full and
//! the transaction is undone: its error comes at the reset of the statement, where it is dropped.
//! Nothing is handed out here before `COMMIT` has succeeded.
//!
//! # Later
//! A change that has to be made, but failed (the item of a dropped guard on a full disk), is kept
//! in `later` and made in the next transaction, whatever that is for.

mod failure;
mod inspect;
mod items;
mod place;
mod schema;
mod turn;

use std::cell::Cell;
use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::failure::Failure;
pub(crate) use self::inspect::inspect;
pub(crate) use self::items::{Bounds, Later, Peek, Row, Take, Taken, peek};
use self::turn::Turns;
use crate::builder::Builder;
use crate::error::{ErrorKind, FileQueueError};
use crate::lock_file::{Awaited, Identity, LockFile, beside, identity};
use crate::patience::{Patience, Pauses};

/// An open file.
pub(crate) struct Store {
    /// `None` only once it was forgotten.
    connection: Mutex<Option<Connection>>,
    /// The thread that has the turn finds the connection free.
    turns: Turns,
    path: PathBuf,
    /// The files that the queue consists of, and what tells each from a later one of that path.
    files: Vec<(PathBuf, Identity)>,
    pub(crate) locks: LockFile,
    later: Mutex<Vec<Later>>,
    /// The number by which other processes know that this one lives, once it has taken something.
    taker: Mutex<Option<i64>>,
}

/// A transaction under way.
pub(crate) struct Change<'a> {
    transaction: &'a Transaction<'a>,
    store: &'a Store,
    /// Items have come back that the caller knows nothing of, so others are told of them.
    has_returned: Cell<bool>,
}

/// The outcome of one try: it may be made again, or it is an error for the caller.
type Tried<R> = Result<R, Failure>;

impl Store {
    /// Opens the file, and makes it if there is none.
    pub(crate) fn open(path: &Path, settings: &Builder) -> Result<Self, FileQueueError> {
        let path = place::locate(path)?;
        let failed = |failure: Failure| failure.into_error(&path);
        let mut pauses = Pauses::new(Patience::Forever);
        let (connection, id) = loop {
            let opened = schema::open(&path, settings.sync);
            match opened {
                Err(failure) if failure.is_busy() && pauses.pause() => {}
                opened => break opened.map_err(failed)?,
            }
        };
        // SQLite names the files beside it after the real path.
        let real = path.canonicalize().map_err(|error| {
            FileQueueError::new(ErrorKind::Replaced, format!("{}: {error}", path.display()))
        })?;
        let locks = loop {
            let begun = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate);
            match begun.map_err(Failure::from) {
                Err(failure) if failure.is_busy() && pauses.pause() => {}
                begun => {
                    let _alone = begun.map_err(failed)?;
                    break LockFile::open(&real, &id)?;
                }
            }
        };
        let mut store = Self {
            connection: Mutex::new(Some(connection)),
            turns: Turns::default(),
            files: Vec::new(),
            locks,
            later: Mutex::default(),
            taker: Mutex::default(),
            path: real,
        };
        store.files = store.identities()?;
        Ok(store)
    }

    /// Notes which files these are.
    fn identities(&self) -> Result<Vec<(PathBuf, Identity)>, FileQueueError> {
        let lock = self.locks.identity();
        let mut files = vec![(self.locks.path().to_owned(), lock)];
        for end in ["", "-wal", "-shm"] {
            let path = beside(&self.path, end);
            let found = identity(&path);
            files.push((path, found));
        }
        let found = files.into_iter().map(|(path, found)| match found {
            Ok(found) => Ok((path, found)),
            Err(error) => Err(crate::lock_file::failure(&path, error)),
        });
        found.collect()
    }

    /// Fails if a file is not at its path any more: others would not see what is done here.
    fn check_files(&self) -> Tried<()> {
        for (path, found) in &self.files {
            if !identity(path).is_ok_and(|it| it == *found) {
                let detail = path.display().to_string();
                return Err(FileQueueError::new(ErrorKind::Replaced, detail).into());
            }
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a change, as one transaction: all of it or nothing.
    pub(crate) fn change<R>(
        &self,
        patience: Patience,
        body: impl FnMut(&Change<'_>) -> Tried<R>,
    ) -> Result<R, FileQueueError> {
        self.change_then(patience, body, |_| {})
    }

    /// Makes a change, and calls `note` when it is made, before another thread can use the
    /// connection.
    fn change_then<R>(
        &self,
        patience: Patience,
        mut body: impl FnMut(&Change<'_>) -> Tried<R>,
        note: impl Fn(&R),
    ) -> Result<R, FileQueueError> {
        self.with_pauses(patience, |connection| {
            let transaction =
                Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
            self.check_files()?;
            let change = Change {
                transaction: &transaction,
                store: self,
                has_returned: Cell::new(false),
            };
            let later = self.later();
            let count = later.len();
            later.iter().try_for_each(|it| change.apply(it))?;
            drop(later);
            let done = body(&change)?;
            let has_returned = change.has_returned.get();
            transaction.commit()?;
            // Only the holder of the connection takes any away.
            self.later().drain(..count);
            note(&done);
            if has_returned {
                self.locks.ring(Awaited::Item);
            }
            Ok(done)
        })
    }

    /// Reads, without waiting for others that write.
    pub(crate) fn read<R>(
        &self,
        patience: Patience,
        body: impl Fn(&Connection) -> Tried<R>,
    ) -> Result<R, FileQueueError> {
        self.with_pauses(patience, |connection| {
            self.check_files()?;
            body(connection)
        })
    }

    /// Tries something until nobody else writes, or the patience ends.
    fn with_pauses<R>(
        &self,
        patience: Patience,
        mut body: impl FnMut(&Connection) -> Tried<R>,
    ) -> Result<R, FileQueueError> {
        let mut pauses = Pauses::new(patience);
        loop {
            let turn = self.turns.wait(patience).ok_or(ErrorKind::Busy)?;
            let tried = match &*self.connection() {
                Some(connection) => body(connection),
                None => Err(FileQueueError::from(ErrorKind::Forked).into()),
            };
            drop(turn);
            match tried {
                Err(failure) if failure.is_busy() && pauses.pause() => {}
                tried => return tried.map_err(|failure| failure.into_error(&self.path)),
            }
        }
    }

    /// Returns the connection, to one who has the turn.
    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn later(&self) -> MutexGuard<'_, Vec<Later>> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a change to the next transaction.
    pub(crate) fn do_later(&self, change: Later) {
        self.later().push(change);
    }

    /// Returns `true` if a change waits to be made.
    pub(crate) fn has_later(&self) -> bool {
        !self.later().is_empty()
    }

    /// Forgets the connection, in a child of a fork: to close it would give up locks of the parent.
    pub(crate) fn forget(&mut self) {
        let connection = self.connection.get_mut();
        mem::forget(connection.unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
