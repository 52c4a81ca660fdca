//! An open queue, without the type of its items: how calls look into the file, and wait.

use std::path::Path;

use crate::bell::{self, Bell, Waiter};
use crate::builder::Builder;
use crate::error::{ErrorKind, FileQueueError};
use crate::lock_file::Awaited;
use crate::patience::Patience;
use crate::stamp::Stamp;
use crate::store::{self, Bounds, Later, Peek, Row, Store, Take, Taken};

/// An open queue.
#[derive(Debug)]
pub(crate) struct Open {
    store: Store,
    bell: Bell,
    pub(crate) bounds: Bounds,
    /// Dropped last: a child that is made while the file is being closed has the connection, too.
    stamp: Stamp,
}

/// How a call looks for what it waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Look {
    /// By trying to make the change.
    Try,
    /// By reading first whether that would succeed, which disturbs nobody who writes.
    ReadFirst,
}

impl Open {
    pub(crate) fn new(path: &Path, settings: &Builder) -> Result<Self, FileQueueError> {
        let stamp = Stamp::new()?;
        Ok(Self {
            store: Store::open(path, settings)?,
            bell: Bell::new(),
            bounds: Bounds {
                capacity: settings.capacity,
                max_bytes: settings.max_bytes,
            },
            stamp,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.store.path()
    }

    /// Returns the file, unless this is a child of the process that has opened it.
    fn store(&self) -> Result<&Store, FileQueueError> {
        self.stamp.check()?;
        Ok(&self.store)
    }

    /// Returns what is in the file.
    pub(crate) fn peek(&self, patience: Patience) -> Result<Peek, FileQueueError> {
        self.store()?.read(patience, store::peek)
    }

    // One look each.

    /// Puts items, all or none. Returns `None` if there is no room.
    pub(crate) fn put(
        &self,
        bodies: &[Vec<u8>],
        look: Look,
        patience: Patience,
    ) -> Result<Option<()>, FileQueueError> {
        let store = self.store()?;
        if let Look::ReadFirst = look {
            let peek = self.peek(patience)?;
            if !peek.is_closed && !self.bounds.has_room(peek, bodies) {
                return Ok(None);
            }
        }
        match store.change(patience, |change| change.put(bodies, self.bounds)) {
            Ok(()) => {
                store.locks.ring(Awaited::Item);
                Ok(Some(()))
            }
            Err(error) if error.kind() == ErrorKind::Full => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the first item. Returns `None` if there is none.
    pub(crate) fn take(
        &self,
        take: Take,
        look: Look,
        patience: Patience,
    ) -> Result<Option<Row>, FileQueueError> {
        let store = self.store()?;
        if let Look::ReadFirst = look {
            let peek = self.peek(patience)?;
            let has_dead = || store.other_holders(patience).map(|it| it.has_dead);
            let has_none = peek.ready == 0 && !self.catches_up(patience)?;
            if has_none && (peek.taken == 0 || !has_dead()?) {
                return self.nothing(peek);
            }
        }
        if take == Take::Hold {
            store.become_taker(patience)?;
        }
        let (taken, peek) = store.change(patience, |change| {
            let taken = change.take(take)?;
            Ok((taken, change.peek()?))
        })?;
        // There is more room now, also if the item was damaged.
        if !matches!(taken, Taken::Nothing) {
            self.ring_for_room(store, peek);
        }
        match taken {
            Taken::Row(row) => Ok(Some(row)),
            Taken::Damaged(id) => {
                let error = FileQueueError::from(ErrorKind::DamagedItem);
                Err(error.of_item(id.unsigned_abs()))
            }
            Taken::Nothing => self.nothing(peek),
        }
    }

    /// Makes the changes that could not be made before. Returns `false` if there are none, or they
    /// still cannot be made: for one who waits that is no reason to stop.
    fn catches_up(&self, patience: Patience) -> Result<bool, FileQueueError> {
        let store = self.store()?;
        if !store.has_later() {
            return Ok(false);
        }
        if patience.left().is_none() {
            return Ok(true); // the take says what is wrong
        }
        match store.change(Patience::Now, |_| Ok(())) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::Busy) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Leaves a change to the next transaction, and makes those who wait here try it some times.
    fn do_later(&self, change: Later) {
        self.store.do_later(change);
        self.bell.look_again();
    }

    /// Returns what a call that finds no item says.
    fn nothing<R>(&self, peek: Peek) -> Result<Option<R>, FileQueueError> {
        match peek.is_closed {
            true => Err(ErrorKind::Closed.into()),
            false => Ok(None),
        }
    }

    /// Rings for those that wait for room, and for those that wait for the end of the last item.
    fn ring_for_room(&self, store: &Store, peek: Peek) {
        store.locks.ring(Awaited::Room);
        if peek.ready + peek.taken == 0 {
            store.locks.ring(Awaited::Done);
        }
    }

    /// Reports a taken item done.
    pub(crate) fn finish(&self, id: i64) -> Result<(), FileQueueError> {
        let store = self.store()?;
        let peek = store.change(Patience::Forever, |change| {
            change.finish(id)?;
            change.peek()
        });
        self.after_the_end_of(id, peek)
    }

    /// Puts a taken item back to its place.
    pub(crate) fn give_back(&self, id: i64) -> Result<(), FileQueueError> {
        let store = self.store()?;
        let done = store.change(Patience::Forever, |change| {
            change.give_back(id)?;
            change.peek()
        });
        self.after_the_end_of(id, done)?;
        store.locks.ring(Awaited::Item);
        Ok(())
    }

    /// Sets an item aside that cannot be decoded.
    pub(crate) fn set_aside(&self, take: Take, row: Row, reason: &str) {
        let Ok(store) = self.store() else {
            return;
        };
        let done = store.change(Patience::Forever, |change| {
            match take {
                Take::Out => change.set_aside(&row, reason)?,
                Take::Hold => change.set_taken_aside(&row, reason)?,
            }
            change.peek()
        });
        match (done, take) {
            (Ok(peek), _) => self.ring_for_room(store, peek),
            (Err(_), Take::Out) => self.do_later(Later::SetAside(row, reason.to_owned())),
            (Err(_), Take::Hold) => self.do_later(Later::GiveBack(row.id)),
        }
    }

    /// Rings after an item has left its guard. If that could not be written, the item goes back to
    /// the queue with the next change.
    fn after_the_end_of(
        &self,
        id: i64,
        done: Result<Peek, FileQueueError>,
    ) -> Result<(), FileQueueError> {
        match done {
            Ok(peek) => {
                self.ring_for_room(&self.store, peek);
                Ok(())
            }
            Err(error) => {
                if error.kind() != ErrorKind::NotTaken {
                    self.do_later(Later::GiveBack(id));
                }
                Err(error)
            }
        }
    }

    /// Puts the items back that were set aside.
    pub(crate) fn restore(&self) -> Result<u64, FileQueueError> {
        let store = self.store()?;
        let count = store.change(Patience::Forever, |change| change.restore())?;
        store.locks.ring(Awaited::Item);
        Ok(count)
    }

    /// Closes the queue, or opens it again.
    pub(crate) fn set_closed(&self, closed: bool) -> Result<(), FileQueueError> {
        let store = self.store()?;
        store.change(Patience::Forever, |change| change.set_closed(closed))?;
        for awaited in [Awaited::Item, Awaited::Room] {
            store.locks.ring(awaited);
        }
        Ok(())
    }

    /// Returns `Some` if no item is unfinished.
    pub(crate) fn is_done(&self, patience: Patience) -> Result<Option<()>, FileQueueError> {
        let patience = match patience {
            Patience::Now => Patience::Forever, // one look, which takes as long as it takes
            patience => patience,
        };
        match self.peek(patience) {
            Ok(peek) => Ok((peek.ready + peek.taken == 0).then_some(())),
            Err(error) if error.kind() == ErrorKind::Busy && patience.left().is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }

    // Waiting.

    /// Looks until something is found or the patience ends, and blocks in between.
    pub(crate) fn wait<R>(
        &self,
        awaited: Awaited,
        patience: Patience,
        mut look: impl FnMut(Look, Patience) -> Result<Option<R>, FileQueueError>,
    ) -> Result<Option<R>, FileQueueError> {
        let first = match patience {
            Patience::Now => Look::ReadFirst,
            _ => Look::Try,
        };
        if let Some(found) = look(first, patience)? {
            return Ok(Some(found));
        }
        if patience.left().is_none() {
            return Ok(None);
        }
        let waiter = self.begin_to_wait(awaited, patience)?;
        loop {
            if let Some(found) = look(Look::ReadFirst, patience)? {
                return Ok(Some(found));
            }
            match patience.left() {
                Some(left) if waiter.block(left) => {}
                _ => return Ok(None),
            }
        }
    }

    /// Looks until something is found, and waits in between without blocking the thread.
    pub(crate) async fn wait_async<R>(
        &self,
        awaited: Awaited,
        mut look: impl FnMut(Look, Patience) -> Result<Option<R>, FileQueueError>,
    ) -> Result<R, FileQueueError> {
        if let Some(found) = look(Look::Try, Patience::Forever)? {
            return Ok(found);
        }
        let waiter = self.begin_to_wait(awaited, Patience::Forever)?;
        loop {
            if let Some(found) = look(Look::ReadFirst, Patience::Forever)? {
                return Ok(found);
            }
            waiter.woken().await;
        }
    }

    fn begin_to_wait(
        &self,
        awaited: Awaited,
        patience: Patience,
    ) -> Result<Waiter<'_>, FileQueueError> {
        let store = self.store()?;
        let waiter = self.bell.wait(&store.locks, &self.stamp, awaited);
        let waiter = waiter.map_err(|error| bell::failure(store.locks.path(), error))?;
        if awaited == Awaited::Item && store.other_holders(patience)?.has_living {
            waiter.expect_an_end();
        }
        Ok(waiter)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.stamp.is_forked() {
            self.bell.forget();
            self.store.forget();
            return;
        }
        self.bell.end();
        if self.store.has_later() {
            // If that fails, the end of this taker gives the items back.
            let _ = self.store.change(Patience::Forever, |_| Ok(()));
        }
    }
}
