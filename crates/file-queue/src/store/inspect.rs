//! The contents of a file, read without opening it as a queue.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::items::peek;
use super::{Tried, place, schema};
use crate::contents::{Contents, ItemState, ListedItem};
use crate::error::{ErrorKind, FileQueueError};
use crate::lock_file::{QueueId, is_alive};
use crate::patience::{Patience, Pauses};

/// Reads what is in the file at one moment, and at most `limit` of its items.
pub(crate) fn inspect(path: &Path, limit: usize) -> Result<Contents, FileQueueError> {
    let path = place::locate(path)?;
    if !path.exists() {
        let detail = path.display().to_string();
        return Err(FileQueueError::new(ErrorKind::NotFound, detail));
    }
    let mut pauses = Pauses::new(Patience::Forever);
    loop {
        match schema::open_to_read(&path).and_then(|it| read(&it, &path, limit)) {
            Err(failure) if failure.is_busy() && pauses.pause() => {}
            read => return read.map_err(|failure| failure.into_error(&path)),
        }
    }
}

fn read(connection: &Connection, path: &Path, limit: usize) -> Tried<Contents> {
    // It only reads, so it needs no place among those that write.
    let moment = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    let id: QueueId = moment.query_row("SELECT id FROM queue", [], |row| row.get(0))?;
    let peek = peek(&moment)?;
    let set_aside = moment.query_row("SELECT count(*) FROM set_aside", [], |row| {
        row.get::<_, u64>(0)
    })?;
    let real = path.canonicalize();
    let real = real.as_deref().unwrap_or(path);
    let mut items = Vec::new();
    let mut select = moment.prepare(
        "SELECT items.id, items.takes, items.put_at, items.body, items.taker, takers.process, NULL
         FROM items LEFT JOIN takers ON takers.id = items.taker
         UNION ALL
         SELECT id, takes, put_at, body, NULL, NULL, reason FROM set_aside
         ORDER BY 1 LIMIT ?1",
    )?;
    let mut rows = select.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        let taker: Option<i64> = row.get(4)?;
        let state = match (row.get::<_, Option<String>>(6)?, taker) {
            (Some(reason), _) => ItemState::SetAside { reason },
            (None, None) => ItemState::Ready,
            (None, Some(taker)) => ItemState::Taken {
                process: row.get::<_, Option<u32>>(5)?.unwrap_or_default(),
                is_alive: is_alive(real, &id, taker),
            },
        };
        items.push(ListedItem {
            id: row.get(0)?,
            takes: row.get(1)?,
            put_at: at(row.get(2)?),
            body: row.get(3)?,
            state,
        });
    }
    Ok(Contents {
        ready: peek.ready,
        taken: peek.taken,
        set_aside,
        bytes: peek.bytes,
        is_closed: peek.is_closed,
        items,
    })
}

/// Returns the time from milliseconds since 1970.
fn at(millis: u64) -> SystemTime {
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(millis));
    at.unwrap_or(UNIX_EPOCH)
}
