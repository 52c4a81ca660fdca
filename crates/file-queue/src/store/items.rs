//! The changes that can be made to items, inside a transaction.

use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, params};

use super::{Change, Store, Tried};
use crate::error::{ErrorKind, FileQueueError};
use crate::lock_file;
use crate::patience::Patience;

/// The number of bytes that an item counts as beside its own: about as many as SQLite needs for it.
const OVERHEAD: u64 = 64;

/// An item that was taken.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: i64,
    /// How often it was taken before.
    pub(crate) takes: i64,
    put_at: i64,
    checksum: i64,
    pub(crate) body: Vec<u8>,
}

/// The place of an item after a take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// It leaves the file.
    Out,
    /// It stays in the file, as taken.
    Hold,
}

/// The outcome of a take.
#[derive(Debug)]
pub(crate) enum Taken {
    Row(Row),
    /// The item is not as it was put. It was set aside.
    Damaged(i64),
    /// There is none.
    Nothing,
}

/// The counts of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peek {
    pub(crate) ready: u64,
    pub(crate) taken: u64,
    pub(crate) bytes: u64,
    pub(crate) is_closed: bool,
}

/// The takers that hold items, other than this open queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holders {
    /// One that has died: the next take puts its items back.
    pub(crate) has_dead: bool,
    /// One that lives.
    pub(crate) has_living: bool,
}

/// How much the queue may hold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) capacity: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
}

/// A change that could not be made, and is made in the next transaction.
#[derive(Debug)]
pub(crate) enum Later {
    /// The item goes back to the queue.
    GiveBack(i64),
    /// The item, which was taken out of the file, is set aside there.
    SetAside(Row, String),
}

/// Returns what the checksum of an item is: its number belongs to it, so that a body that stands at
/// the wrong place is noticed as well.
fn checksum(id: i64, body: &[u8]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&id.to_le_bytes());
    hasher.update(body);
    hasher.finalize().into()
}

/// Returns the time in milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX))
}

/// Returns the number of bodies, and what they count as in bytes.
fn counted(bodies: &[Vec<u8>]) -> (u64, u64) {
    let bytes = bodies.iter().map(|it| it.len() as u64 + OVERHEAD);
    (bodies.len() as u64, bytes.sum())
}

impl Bounds {
    /// Returns `false` if there is too little room for the bodies now, but may be later.
    pub(crate) fn has_room(self, peek: Peek, bodies: &[Vec<u8>]) -> bool {
        let (count, bytes) = counted(bodies);
        let admitted = self.admit(peek, count, bytes);
        !admitted.is_err_and(|failure| failure.is_of_kind(ErrorKind::Full))
    }

    /// Fails if that many items, of that many bytes in all, are not, or never can be, admitted
    /// together.
    fn admit(self, peek: Peek, count: u64, bytes: u64) -> Tried<()> {
        let is_over = |held: u64, more: u64, bound: Option<u64>| {
            bound.is_some_and(|bound| held.saturating_add(more) > bound)
        };
        if is_over(0, count, self.capacity) || is_over(0, bytes, self.max_bytes) {
            return Err(ErrorKind::TooLarge.into());
        }
        if is_over(peek.ready, count, self.capacity) || is_over(peek.bytes, bytes, self.max_bytes) {
            return Err(ErrorKind::Full.into());
        }
        Ok(())
    }
}

/// Returns what is in the file.
pub(crate) fn peek(connection: &Connection) -> Tried<Peek> {
    let mut select = connection.prepare_cached("SELECT ready, taken, bytes, closed FROM queue")?;
    let peek = select.query_row([], |row| {
        Ok(Peek {
            ready: row.get(0)?,
            taken: row.get(1)?,
            bytes: row.get(2)?,
            is_closed: row.get(3)?,
        })
    })?;
    Ok(peek)
}

/// Returns the numbers of the takers, other than the one given, that `select` finds.
fn takers(connection: &Connection, select: &str, except: Option<i64>) -> Tried<Vec<i64>> {
    let mut select = connection.prepare_cached(select)?;
    let found = select.query_map([except], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Finds all takers.
const ALL: &str = "SELECT id FROM takers WHERE id IS NOT ?1";

/// Finds the takers that hold an item.
const HOLDERS: &str = "SELECT id FROM takers WHERE id IS NOT ?1
                       AND EXISTS (SELECT 1 FROM items WHERE taker = takers.id)";

impl Store {
    /// Returns this queue's own number as a taker, if it has one.
    pub(crate) fn taker(&self) -> Option<i64> {
        *self.taker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes this queue a taker, unless it is one.
    pub(crate) fn become_taker(&self, patience: Patience) -> Result<(), FileQueueError> {
        if self.taker().is_some() {
            return Ok(());
        }
        let mut locked = None;
        let body = |change: &Change<'_>| {
            if let Some(taker) = locked.take() {
                self.locks.unlock_taker(taker); // of a try before
            }
            if self.taker().is_none() {
                locked = Some(change.add_taker()?);
            }
            Ok(locked)
        };
        // Noted while no other thread can use the connection: it would take this one for dead.
        let note = |taker: &Option<i64>| {
            if let Some(taker) = *taker {
                *self.taker.lock().unwrap_or_else(PoisonError::into_inner) = Some(taker);
            }
        };
        let made = self.change_then(patience, body, note);
        if let (Err(_), Some(taker)) = (&made, locked) {
            self.locks.unlock_taker(taker);
        }
        made.map(drop)
    }

    /// Returns whether others hold items.
    pub(crate) fn other_holders(&self, patience: Patience) -> Result<Holders, FileQueueError> {
        let read = |connection: &Connection| takers(connection, HOLDERS, self.taker());
        let others = self.read(patience, read)?;
        let living = others.iter().filter(|it| self.locks.is_alive(**it)).count();
        Ok(Holders {
            has_dead: living < others.len(),
            has_living: living > 0,
        })
    }
}

impl Change<'_> {
    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Tried<usize> {
        Ok(self.transaction.prepare_cached(sql)?.execute(values)?)
    }

    pub(crate) fn peek(&self) -> Tried<Peek> {
        peek(self.transaction)
    }

    /// Adds to the counts.
    fn count(&self, ready: i64, taken: i64, bytes: i64) -> Tried<()> {
        let add = "UPDATE queue SET ready = ready + ?1, taken = taken + ?2, bytes = bytes + ?3";
        self.execute(add, [ready, taken, bytes]).map(drop)
    }

    /// Puts items at the end, all or none.
    pub(crate) fn put(&self, bodies: &[Vec<u8>], bounds: Bounds) -> Tried<()> {
        let peek = self.peek()?;
        if peek.is_closed {
            return Err(ErrorKind::Closed.into());
        }
        let (count, bytes) = counted(bodies);
        bounds.admit(peek, count, bytes)?;
        let next = "SELECT next_item FROM queue";
        let first: i64 = self
            .transaction
            .prepare_cached(next)?
            .query_row([], |row| row.get(0))?;
        let insert = "INSERT INTO items (id, taker, takes, put_at, checksum, body)
                      VALUES (?1, NULL, 0, ?2, ?3, ?4)";
        let mut insert = self.transaction.prepare_cached(insert)?;
        let now = now();
        for (id, body) in (first..).zip(bodies) {
            insert.execute(params![id, now, checksum(id, body), body])?;
        }
        let add = "UPDATE queue SET next_item = next_item + ?1, ready = ready + ?1,
                   bytes = bytes + ?2";
        self.execute(add, params![count, bytes]).map(drop)
    }

    /// Takes the first item. Those of takers that have died are back in the queue before that.
    pub(crate) fn take(&self, take: Take) -> Tried<Taken> {
        self.recover()?;
        let first = "SELECT id, takes, put_at, checksum, body FROM items INDEXED BY ready
                     WHERE taker IS NULL ORDER BY id LIMIT 1";
        let row = self
            .transaction
            .prepare_cached(first)?
            .query_row([], |row| {
                Ok(Row {
                    id: row.get(0)?,
                    takes: row.get(1)?,
                    put_at: row.get(2)?,
                    checksum: row.get(3)?,
                    body: row.get(4)?,
                })
            })
            .optional()?;
        let Some(row) = row else {
            return Ok(Taken::Nothing);
        };
        if row.checksum != checksum(row.id, &row.body) {
            self.remove(row.id, row.body.len(), [-1, 0])?;
            self.set_aside(&row, "its checksum is another")?;
            return Ok(Taken::Damaged(row.id));
        }
        match take {
            Take::Out => self.remove(row.id, row.body.len(), [-1, 0])?,
            Take::Hold => {
                let taker = self.store.taker().expect("it became a taker before");
                self.execute(
                    "UPDATE items SET taker = ?1, takes = takes + 1 WHERE id = ?2",
                    [taker, row.id],
                )?;
                self.count(-1, 1, 0)?;
            }
        }
        Ok(Taken::Row(row))
    }

    /// Takes an item out of the file, and adds to the counts.
    fn remove(&self, id: i64, length: usize, [ready, taken]: [i64; 2]) -> Tried<()> {
        self.execute("DELETE FROM items WHERE id = ?1", [id])?;
        self.count(ready, taken, -(length as i64 + OVERHEAD as i64))
    }

    /// Returns the length of an item that this queue has taken.
    fn length_of_taken(&self, id: i64) -> Tried<Option<usize>> {
        let select = "SELECT length(body) FROM items WHERE id = ?1 AND taker = ?2";
        let mut select = self.transaction.prepare_cached(select)?;
        Ok(select
            .query_row(params![id, self.store.taker()], |row| row.get(0))
            .optional()?)
    }

    /// Ends an item that this queue has taken.
    pub(crate) fn finish(&self, id: i64) -> Tried<()> {
        match self.length_of_taken(id)? {
            Some(length) => self.remove(id, length, [0, -1]),
            None => Err(not_taken(id)),
        }
    }

    /// Puts an item that this queue has taken back to its place.
    pub(crate) fn give_back(&self, id: i64) -> Tried<()> {
        let put_back = "UPDATE items SET taker = NULL WHERE id = ?1 AND taker = ?2";
        match self.execute(put_back, params![id, self.store.taker()])? {
            0 => Err(not_taken(id)),
            _ => self.count(1, -1, 0),
        }
    }

    /// Sets an item aside that this queue has taken.
    pub(crate) fn set_taken_aside(&self, row: &Row, reason: &str) -> Tried<()> {
        match self.length_of_taken(row.id)? {
            Some(length) => self.remove(row.id, length, [0, -1])?,
            None => return Err(not_taken(row.id)),
        }
        self.set_aside(row, reason)
    }

    /// Writes an item to those that are set aside.
    pub(crate) fn set_aside(&self, row: &Row, reason: &str) -> Tried<()> {
        let insert = "INSERT OR REPLACE INTO set_aside (id, takes, put_at, checksum, body, reason)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let takes = row.takes + 1;
        let values = params![row.id, takes, row.put_at, row.checksum, row.body, reason];
        self.execute(insert, values).map(drop)
    }

    /// Puts all items that were set aside back to their places, and returns how many these are.
    pub(crate) fn restore(&self) -> Tried<u64> {
        let all = "SELECT count(*), coalesce(sum(length(body)), 0) FROM set_aside";
        let (count, bytes): (i64, i64) = self
            .transaction
            .query_row(all, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.execute(
            "INSERT INTO items (id, taker, takes, put_at, checksum, body)
             SELECT id, NULL, takes, put_at, checksum, body FROM set_aside",
            [],
        )?;
        self.execute("DELETE FROM set_aside", [])?;
        self.count(count, 0, bytes + count * OVERHEAD as i64)?;
        Ok(count.unsigned_abs())
    }

    /// Notes that the queue is closed, or open again.
    pub(crate) fn set_closed(&self, closed: bool) -> Tried<()> {
        self.execute("UPDATE queue SET closed = ?1", [closed])
            .map(drop)
    }

    /// Makes a change that could not be made before.
    pub(super) fn apply(&self, later: &Later) -> Tried<()> {
        match later {
            Later::GiveBack(id) => match self.give_back(*id) {
                // Somebody has returned it meanwhile.
                Err(failure) if failure.is_of_kind(ErrorKind::NotTaken) => Ok(()),
                given => {
                    self.has_returned.set(true);
                    given
                }
            },
            Later::SetAside(row, reason) => self.set_aside(row, reason),
        }
    }

    /// Puts the items of all takers that have died back to their places.
    fn recover(&self) -> Tried<()> {
        for taker in takers(self.transaction, ALL, self.store.taker())? {
            if self.store.locks.is_alive(taker) {
                continue;
            }
            let put_back = "UPDATE items SET taker = NULL WHERE taker = ?1";
            let count = self.execute(put_back, [taker])? as i64;
            self.count(count, -count, 0)?;
            self.execute("DELETE FROM takers WHERE id = ?1", [taker])?;
            if count > 1 {
                self.has_returned.set(true); // one of them is taken now
            }
        }
        Ok(())
    }

    /// Makes this queue a taker with a number of its own, and returns it.
    fn add_taker(&self) -> Tried<i64> {
        let locks = &self.store.locks;
        loop {
            let next = "SELECT next_taker FROM queue";
            let taker: i64 = self.transaction.query_row(next, [], |row| row.get(0))?;
            self.execute("UPDATE queue SET next_taker = next_taker + 1", [])?;
            let locked = locks.lock_taker(taker);
            // Somebody else has the byte if a queue was copied together with its lock file.
            if locked.map_err(|error| lock_file::failure(locks.path(), error))? {
                let insert = "INSERT INTO takers (id, process) VALUES (?1, ?2)";
                self.execute(insert, [taker, std::process::id().into()])?;
                return Ok(taker);
            }
        }
    }
}

/// The error of an item that this queue has not taken, or not any more.
fn not_taken(id: i64) -> super::Failure {
    let error = FileQueueError::from(ErrorKind::NotTaken);
    error.of_item(id.unsigned_abs()).into()
}
