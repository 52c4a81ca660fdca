//! The tables, and how a file is recognised as a queue.
//!
//! `items` has what is in the queue, and what is taken from it and not done. `set_aside` has items
//! that cannot be read, out of the way of the others. `takers` has the open queues that have taken
//! something. `queue` has one row: the counts, so that nothing is ever counted item by item, and
//! the next numbers, so that none is given twice.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::Tried;
use crate::builder::SyncMode;
use crate::error::{ErrorKind, FileQueueError};
use crate::lock_file::QueueId;

/// The mark in the file's header that it belongs to this crate: "WMFQ".
const APPLICATION: i64 = 0x574d_4651;

/// The version of the tables.
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE queue (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id BLOB NOT NULL,             -- by which the lock file is recognised
        next_item INTEGER NOT NULL,
        next_taker INTEGER NOT NULL,
        ready INTEGER NOT NULL,       -- items that can be taken
        taken INTEGER NOT NULL,       -- items that are taken and not done
        bytes INTEGER NOT NULL,       -- what all these are counted as
        closed INTEGER NOT NULL
    );
    CREATE TABLE items (
        id INTEGER PRIMARY KEY,       -- in the order of the puts
        taker INTEGER,                -- NULL while it can be taken
        takes INTEGER NOT NULL,       -- how often it was taken
        put_at INTEGER NOT NULL,      -- milliseconds since 1970
        checksum INTEGER NOT NULL,
        body BLOB NOT NULL
    );
    CREATE INDEX ready ON items (id) WHERE taker IS NULL;
    CREATE INDEX taken ON items (taker) WHERE taker IS NOT NULL;
    CREATE TABLE set_aside (
        id INTEGER PRIMARY KEY,
        takes INTEGER NOT NULL,
        put_at INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        body BLOB NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE TABLE takers (
        id INTEGER PRIMARY KEY,
        process INTEGER NOT NULL
    );
";

/// Returns `true` for a version of SQLite, as it numbers them, that may lose changes when several
/// connections write at the same time: <https://www.sqlite.org/wal.html#the_wal_reset_bug>.
const fn loses_changes(version: i32) -> bool {
    let is_mended = version >= 3_051_003 || (version >= 3_050_007 && version < 3_051_000);
    !is_mended
}

const _: () = {
    assert!(loses_changes(3_045_003) && loses_changes(3_050_006) && loses_changes(3_051_002));
    assert!(!loses_changes(3_050_007) && !loses_changes(3_051_003) && !loses_changes(3_054_001));
};

/// Fails if the SQLite of this program, which may be the system's, may lose changes.
fn check_version() -> Tried<()> {
    if loses_changes(rusqlite::version_number()) {
        let detail = format!(
            "SQLite {} may lose changes: use 3.51.3 or newer, or the feature `bundled`",
            rusqlite::version()
        );
        return Err(FileQueueError::new(ErrorKind::Io, detail).into());
    }
    Ok(())
}

/// Opens the file, makes the tables if it is new, and returns the queue's own number.
pub(super) fn open(path: &Path, sync: SyncMode) -> Tried<(Connection, QueueId)> {
    check_version()?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection)?;
    // Nothing is written before it is known to be a queue, or empty.
    let is_new = is_new(&connection)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        let detail = "the file system has no memory that processes share";
        return Err(FileQueueError::new(ErrorKind::Io, detail).into());
    }
    if is_new {
        create(&connection)?;
    }
    let level = match sync {
        SyncMode::Full => "full",
        SyncMode::Normal => "normal",
    };
    connection.pragma_update(None, "synchronous", level)?;
    let id = connection.query_row("SELECT id FROM queue", [], |row| row.get(0))?;
    Ok((connection, id))
}

/// Opens the file for reading, if it is a queue.
pub(super) fn open_to_read(path: &Path) -> Tried<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection)?;
    match is_new(&connection)? {
        true => Err(FileQueueError::new(ErrorKind::NotAQueue, "it is empty").into()),
        false => Ok(connection),
    }
}

fn set_up(connection: &Connection) -> Tried<()> {
    connection.busy_timeout(std::time::Duration::ZERO)?;
    connection.set_prepared_statement_cache_capacity(32);
    // Damage is noticed where it is, not later, and a foreign schema can run nothing.
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

/// Returns `true` if the file is empty, and fails if it is no queue, or a newer one.
fn is_new(connection: &Connection) -> Tried<bool> {
    // In one statement, so at one moment: another process may be making the tables.
    let (application, version, tables): (i64, i64, i64) = connection.query_row(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
         FROM pragma_application_id, pragma_user_version",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    if application == APPLICATION {
        return match version {
            VERSION => Ok(false),
            _ => {
                let detail = format!("its version is {version}, and {VERSION} is known here");
                Err(FileQueueError::new(ErrorKind::Newer, detail).into())
            }
        };
    }
    if application != 0 || version != 0 || tables != 0 {
        let detail = "it is a database of another program";
        return Err(FileQueueError::new(ErrorKind::NotAQueue, detail).into());
    }
    Ok(true)
}

/// Makes the tables, unless somebody else has done so meanwhile.
fn create(connection: &Connection) -> Tried<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    if is_new(&transaction)? {
        transaction.execute_batch(TABLES)?;
        transaction.execute(
            "INSERT INTO queue VALUES (1, randomblob(16), 1, 1, 0, 0, 0, 0)",
            [],
        )?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}
