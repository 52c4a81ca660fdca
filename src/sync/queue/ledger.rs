//! What a queue has accepted, given out and seen finished, and whether it is closed.
//!
//! # Words
//! An item is *accepted* when its put has been counted, *taken* when its get has, *finished* when
//! `task_done` was called for it. The three counts only grow, but that a put which then finds no room
//! *retracts*. A queue is *closed* when it accepts nothing more, and *drained* when nothing accepted
//! is left to take.
//!
//! # Invariants
//! 1. A put is counted before its item is in the queue, and a get after it has its item. So taken is
//!    never more than accepted; and finished is never more than taken, by an exchange that looks.
//! 2. CLOSED is a bit of the very word that puts count in, so each put comes before the close, and will
//!    be taken, or after, and is retracted.
//!
//! # Why drained and done are told truly
//! Both compare two counts, the one that cannot be ahead first. If taken, and then accepted in a closed
//! queue, are read equal, then at the moment of the second reading nothing was left: taken had not
//! shrunk, and accepted, with whatever is to be retracted, was no larger. The same for finished and
//! accepted. A retraction makes them equal as a get or a `task_done` does, and looks after those who
//! wait for it as these do: count, full fence, look who stands in the line.

use std::fmt;

use crate::primitive::{AtomicBool, AtomicUsize, Ordering, Padded, fence};
use crate::sync::error::TaskDoneError;
use crate::sync::wait_queue::WaitQueue;

const CLOSED: usize = 1;
/// One item in the counts. All of them wrap alike.
const ONE: usize = 2;

/// The counts, and who waits for them. Those who put, those who get, and those who do neither write to
/// different cache lines.
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
    /// Whether CLOSED is set, for those who do not write to that word.
    closed: AtomicBool,
    getters: WaitQueue,
    putters: WaitQueue,
    joiners: WaitQueue,
}

/// A copy of what a ledger counts, for people to read.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "the fields are read by Debug")]
struct Counts {
    accepted: usize,
    taken: usize,
    finished: usize,
    closed: bool,
}

/// Returns `true` if a count is as high as another, both of which may have wrapped around.
fn is_no_less(count: usize, other: usize) -> bool {
    count.wrapping_sub(other) as isize >= 0
}

/// A put that has been counted; dropped, it is retracted.
#[must_use = "the put is retracted when this is dropped"]
pub(super) struct Accepted<'a>(&'a Ledger);

impl Ledger {
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
            }),
        }
    }

    /// Those who wait for an item.
    pub(super) fn getters(&self) -> &WaitQueue {
        &self.waiting.getters
    }

    /// Those who wait for room.
    pub(super) fn putters(&self) -> &WaitQueue {
        &self.waiting.putters
    }

    /// Those who wait until nothing is unfinished.
    pub(super) fn joiners(&self) -> &WaitQueue {
        &self.waiting.joiners
    }

    /// Counts a put. If the queue is closed what comes back is to be dropped, outside of any lock.
    #[inline]
    pub(super) fn accept(&self) -> Result<Accepted<'_>, Option<Accepted<'_>>> {
        // Looked at first, so that puts which are refused anyway keep nobody from the end.
        if self.is_closed() {
            return Err(None);
        }
        // ORDERING: AcqRel keeps the counts in step with what is counted; who compares them acquires.
        let before = self.accepted.fetch_add(ONE, Ordering::AcqRel);
        match before & CLOSED {
            0 => Ok(Accepted(self)),
            _ => Err(Some(Accepted(self))),
        }
    }

    /// Counts a get, and tells those whom it concerns: a putter, for there is room, and if it was the
    /// last of a closed queue everyone who waits for another.
    #[inline]
    pub(super) fn take(&self) {
        // ORDERING: as in `accept`.
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
        // With the full fence that the look at `closed` needs: it pairs with that in `close`.
        self.putters().notify_one();
        self.tell_getters();
    }

    /// Counts an item that was taken as finished. An error changes nothing.
    pub(super) fn finish(&self) -> Result<(), TaskDoneError> {
        let Given { taken, finished } = &*self.given;
        let more = |before: usize| {
            let taken = taken.load(Ordering::Relaxed);
            debug_assert!(is_no_less(taken, before), "{:?}", self.counts());
            let is_open = taken != before;
            is_open.then(|| before.wrapping_add(ONE))
        };
        // ORDERING: Release gives what was done with the item to those who join. Acquire, so that
        // `taken` is seen to be no less than `finished`.
        match finished.fetch_update(Ordering::AcqRel, Ordering::Acquire, more) {
            Ok(_) => {
                self.tell_joiners();
                Ok(())
            }
            Err(_) => Err(TaskDoneError),
        }
    }

    /// Counts the items that were accepted and are not finished, a snapshot, may be stale.
    pub(super) fn unfinished(&self) -> usize {
        let finished = self.given.finished.load(Ordering::Acquire);
        let accepted = self.accepted.load(Ordering::Acquire) & !CLOSED;
        debug_assert!(is_no_less(accepted, finished), "{:?}", self.counts());
        accepted.wrapping_sub(finished) / ONE
    }

    /// Tells whether the queue is closed and nothing is left in it, nor on its way into it.
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

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.waiting.closed.load(Ordering::Acquire)
    }

    /// Returns the counts; each of them is read at another moment.
    fn counts(&self) -> Counts {
        // Those that cannot be ahead first.
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

    /// Accepts nothing from now on.
    pub(super) fn close(&self) {
        self.accepted.fetch_or(CLOSED, Ordering::AcqRel);
        self.waiting.closed.store(true, Ordering::Release);
        // Each with a full fence.
        self.getters().notify_all();
        self.putters().notify_all();
    }

    /// The caller has made a full fence since it last counted.
    #[inline]
    fn tell_getters(&self) {
        if self.is_closed() && self.is_drained() {
            self.getters().notify_all();
        }
    }

    fn tell_joiners(&self) {
        // ORDERING: pairs with the fence of those who stand in line.
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
    /// The item is where it can be taken.
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
