//! Counts what a queue has accepted, given out and seen finished, and keeps whether it is closed.
//!
//! # Words
//! An item is *accepted* when its put has been counted, *taken* when its get has been counted, and
//! *finished* when `task_done` was called for it. The three counts only grow, except that a put
//! which finds no room afterwards is *retracted*. A queue is *closed* when it accepts nothing more,
//! and *drained* when it is closed and every accepted item has been taken.
//!
//! # Invariants
//! 1. A put is counted before its item is in the queue, and a get after it has its item, so the
//!    number of taken items never exceeds that of accepted ones. The number of finished items never
//!    exceeds that of taken ones, by an exchange that checks it.
//! 2. CLOSED is a bit of the word in which puts are counted. So each put comes either before the
//!    close, and its item will be taken, or after it, and is retracted. An item that is given back
//!    is accepted a second time, closed or not, before it is finished the first time.
//!
//! # Why `is_drained` and `unfinished` tell the truth
//! Both compare two counts, and read first the count that cannot be ahead. If in a closed queue the
//! taken items are read, then the accepted items, and both are equal, then at the moment of the
//! second reading nothing was left: the number of taken items had not shrunk, and never exceeds
//! that of accepted items, which at that moment was no larger. That holds for finished and accepted
//! items in the same way. The count that is read second is not behind the first, because
//! each count is published with Release by a thread that has seen the count before it with Acquire:
//! a get by taking the item, and a `task_done` by reading the taken items, whichever thread calls
//! it. A retraction can make two counts equal, as a get or a
//! `task_done` can, and notifies the waiters as these do: it counts, makes a full fence, and looks
//! whether the queue of waiters is empty.

use std::fmt;

use crate::primitive::{AtomicBool, AtomicUsize, Ordering, Padded, fence};
use crate::room::{Of, Room};
use crate::sync::error::TaskDoneError;
use crate::sync::wait_queue::WaitQueue;

const CLOSED: usize = 1;
/// One item in each of the counts, which all wrap around at the same number.
const ONE: usize = 2;

/// The counts, and the waiters. Puts and gets write to different cache lines, and only read the
/// third, unless somebody waits.
pub(super) struct Ledger {
    accepted: Padded<AtomicUsize>,
    given: Padded<Given>,
    waiting: Padded<Waiting>,
}

struct Given {
    taken: AtomicUsize,
    finished: AtomicUsize,
}

struct Waiting {
    /// A copy of CLOSED, for threads that do not write to that word.
    closed: AtomicBool,
    getters: WaitQueue,
    putters: WaitQueue,
    joiners: WaitQueue,
    room: Room,
    ends: Ends,
}

/// The counted ends of the queue (`ends.rs`).
struct Ends {
    producers: AtomicUsize,
    consumers: AtomicUsize,
    /// Whether the last consumer has gone.
    abandoned: AtomicBool,
}

/// A copy of the counts, for people to read.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "the fields are read by Debug")]
struct Counts {
    accepted: usize,
    taken: usize,
    finished: usize,
    closed: bool,
}

/// Returns `true` if `count` is at least `other`. Both may have wrapped around.
fn is_no_less(count: usize, other: usize) -> bool {
    count.wrapping_sub(other) as isize >= 0
}

/// A put that has been counted. Dropping it retracts the put.
#[must_use = "the put is retracted when this is dropped"]
pub(super) struct Accepted<'a>(&'a Ledger);

impl Ledger {
    /// Creates the ledger of an empty queue.
    pub(super) fn new() -> Self {
        Self {
            accepted: Padded(AtomicUsize::new(0)),
            given: Padded(Given {
                taken: AtomicUsize::new(0),
                finished: AtomicUsize::new(0),
            }),
            waiting: Padded(Waiting {
                closed: AtomicBool::new(false),
                getters: WaitQueue::new(),
                putters: WaitQueue::new(),
                joiners: WaitQueue::new(),
                room: Room::new(Of::Items),
                ends: Ends {
                    producers: AtomicUsize::new(0),
                    consumers: AtomicUsize::new(0),
                    abandoned: AtomicBool::new(false),
                },
            }),
        }
    }

    /// Returns the waiters for an item.
    pub(super) fn getters(&self) -> &WaitQueue {
        &self.waiting.getters
    }

    /// Returns the waiters for room.
    pub(super) fn putters(&self) -> &WaitQueue {
        &self.waiting.putters
    }

    /// Returns the room that putters wait for.
    pub(super) fn room(&self) -> &Room {
        &self.waiting.room
    }

    /// Returns the waiters for the moment at which nothing is unfinished.
    pub(super) fn joiners(&self) -> &WaitQueue {
        &self.waiting.joiners
    }

    /// Counts a put.
    ///
    /// # Errors
    ///
    /// If the queue is closed. A put that was counted nevertheless is in the error, and is to be
    /// dropped outside any lock.
    #[inline]
    pub(super) fn accept(&self) -> Result<Accepted<'_>, Option<Accepted<'_>>> {
        // Checked first, so that puts which are refused anyway do not put off the moment at which
        // the queue is drained.
        if self.is_closed() {
            return Err(None);
        }
        // ORDERING: AcqRel keeps the counts in step with what is counted. It pairs with Acquire in
        // the methods that compare counts.
        let before = self.accepted.fetch_add(ONE, Ordering::AcqRel);
        match before & CLOSED {
            0 => Ok(Accepted(self)),
            _ => Err(Some(Accepted(self))),
        }
    }

    /// Counts an item once more that is given back. If the caller panics before it has put the item
    /// into the queue, that is retracted.
    pub(super) fn accept_again(&self) -> Accepted<'_> {
        self.accepted.fetch_add(ONE, Ordering::AcqRel);
        Accepted(self)
    }

    /// Counts a get. Notifies a putter, since there is room, and all getters if the item was the
    /// last of a closed queue.
    #[inline]
    pub(super) fn take(&self) {
        // ORDERING: AcqRel keeps the counts in step with what is counted, as in `accept`.
        let before = self.given.taken.fetch_add(ONE, Ordering::AcqRel);
        // Not under the model, where each load multiplies the schedules.
        debug_assert!(
            cfg!(workmill_loom)
                || is_no_less(
                    self.accepted.load(Ordering::Relaxed) & !CLOSED,
                    before.wrapping_add(ONE)
                ),
            "{:?}",
            self.counts()
        );
        // This makes the full fence that the look at `closed` needs. It pairs with the one in
        // `close`.
        self.putters().notify_one_after(|| self.room().served());
        self.tell_getters();
    }

    /// Counts a taken item as finished.
    ///
    /// # Errors
    ///
    /// If no more items were taken than are finished. Nothing has changed then.
    pub(super) fn finish(&self) -> Result<(), TaskDoneError> {
        let Given { taken, finished } = &*self.given;
        let more = |before: usize| {
            // ORDERING: Acquire pairs with `take`. The thread may have taken nothing itself, and a
            // thread that sees its finish has to see the puts of all items that it counts.
            let taken = taken.load(Ordering::Acquire);
            debug_assert!(is_no_less(taken, before), "{:?}", self.counts());
            let is_open = taken != before;
            is_open.then(|| before.wrapping_add(ONE))
        };
        // ORDERING: Release pairs with Acquire in `unfinished`, so a thread that joins sees what
        // was done with the item. Acquire makes sure that `taken` is seen to be at least
        // `finished`.
        match finished.fetch_update(Ordering::AcqRel, Ordering::Acquire, more) {
            Ok(_) => {
                self.tell_joiners();
                Ok(())
            }
            Err(_) => Err(TaskDoneError),
        }
    }

    /// Returns the number of items that are accepted and not finished. This is a snapshot and may
    /// be stale.
    pub(super) fn unfinished(&self) -> usize {
        let finished = self.given.finished.load(Ordering::Acquire);
        let accepted = self.accepted.load(Ordering::Acquire) & !CLOSED;
        debug_assert!(is_no_less(accepted, finished), "{:?}", self.counts());
        accepted.wrapping_sub(finished) / ONE
    }

    /// Returns `true` if the queue is closed, and no item is in it or on its way into it.
    #[must_use]
    pub(super) fn is_drained(&self) -> bool {
        self.is_closed() && {
            let taken = self.given.taken.load(Ordering::Acquire);
            let accepted = self.accepted.load(Ordering::Acquire);
            debug_assert!(accepted & CLOSED != 0, "{:?}", self.counts());
            debug_assert!(is_no_less(accepted & !CLOSED, taken), "{:?}", self.counts());
            accepted == taken.wrapping_add(CLOSED)
        }
    }

    /// Returns `true` if the queue is closed.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.waiting.closed.load(Ordering::Acquire)
    }

    /// Returns the counts, each read at another moment.
    fn counts(&self) -> Counts {
        // A count that cannot be ahead of the next is read before it.
        let finished = self.given.finished.load(Ordering::Acquire);
        let taken = self.given.taken.load(Ordering::Acquire);
        let accepted = self.accepted.load(Ordering::Acquire);
        Counts {
            accepted: accepted / ONE,
            taken: taken / ONE,
            finished: finished / ONE,
            closed: accepted & CLOSED != 0,
        }
    }

    /// Closes the queue: nothing is accepted from now on.
    pub(super) fn close(&self) {
        self.accepted.fetch_or(CLOSED, Ordering::AcqRel);
        self.waiting.closed.store(true, Ordering::Release);
        // Each makes a full fence first.
        self.getters().notify_all();
        self.putters().notify_all();
    }

    /// Counts a producer.
    pub(super) fn add_producer(&self) {
        self.waiting.ends.producers.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a producer less. Returns `true` if it was the last.
    #[must_use = "`true`: the queue is to be closed"]
    pub(super) fn remove_producer(&self) -> bool {
        // ORDERING: the close comes after what all producers have put before they have gone.
        self.waiting.ends.producers.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Counts a consumer.
    pub(super) fn add_consumer(&self) {
        self.waiting.ends.consumers.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a consumer if there are others. Returns `true` if it was counted.
    pub(super) fn add_consumer_if_any(&self) -> bool {
        let consumers = &self.waiting.ends.consumers;
        let more = |before: usize| (before > 0).then_some(before + 1);
        consumers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    /// Counts a consumer less. Returns `true` if it was the last.
    #[must_use = "`true`: the queue is to be abandoned"]
    pub(super) fn remove_consumer(&self) -> bool {
        // ORDERING: a joiner that sees the queue abandoned sees what all consumers have finished.
        self.waiting.ends.consumers.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// E2: notes that the last consumer has gone.
    pub(super) fn note_abandoned(&self) {
        // ORDERING: pairs with Acquire in `is_abandoned`.
        self.waiting.ends.abandoned.store(true, Ordering::Release);
    }

    /// Returns `true` if the last consumer has gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.waiting.ends.abandoned.load(Ordering::Acquire)
    }

    /// Notifies all getters if the queue is drained. The caller has made a full fence since it
    /// counted.
    #[inline]
    fn tell_getters(&self) {
        if self.is_closed() && self.is_drained() {
            self.getters().notify_all();
        }
    }

    /// Notifies all joiners if nothing is unfinished.
    fn tell_joiners(&self) {
        // ORDERING: SeqCst pairs with the fence that a joiner makes when it joins the queue of
        // waiters.
        fence(Ordering::SeqCst);
        if self.joiners().waiting() > 0 && self.unfinished() == 0 {
            self.joiners().notify_all();
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts().fmt(f)
    }
}

impl Accepted<'_> {
    /// Keeps the put: its item is where it can be taken.
    #[inline]
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Accepted<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.accepted.fetch_sub(ONE, Ordering::AcqRel);
        self.0.tell_joiners();
        self.0.tell_getters();
    }
}
