//! The one waiting core: who waits, in what order, and what became of it.
//!
//! A list of waiters in order of arrival, kept in a slab with index links. It has no
//! lock: its owner keeps it in a [`Mutex`](crate::primitive::Mutex) together with whatever
//! the waiters wait for, and that lock is what makes each decision one step. A waiter is a plain
//! [`Waker`], so threads and futures stand in one line.
//!
//! # Words
//! A waiter is *waiting* until it is *notified*; it is then out of the line but keeps its
//! [`Ticket`], which it must redeem. A waiter that gives up (a timeout, a dropped future,
//! an unwinding thread) redeems its ticket too. A waiter brings a *note*: what it wants, or what it
//! has to give. One that waits may be *nudged*: it is woken to look by itself, and stays where it is.
//!
//! # Invariants
//! 1. Each ticket is redeemed exactly once, and its slot is free from then on.
//! 2. Only waiting entries are linked, oldest first.
//! 3. A waker is called at most once for each notification, and never under the lock.
//!
//! # Why nothing is lost
//! A waiter that gives up learns from [`redeem`](WaitList::redeem), under the lock, whether it
//! was notified first. If so it owns what it was notified of and must use it or pass it on; if
//! not it is out of the line before anyone can notify it. There is no third
//! case, so a notification is never spent on a waiter that has gone. Wakers run after the lock is
//! released, because they are user code.

use std::task::Waker;

use crate::fork::Stamp;
use crate::unwind;

/// Wakes all of these. If a waker forks, the child wakes no more: the others are of its parent.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    let process = Stamp::now();
    let mut wakers = wakers.into_iter();
    while let Some(waker) = wakers.next() {
        unwind::wake(waker);
        if !process.is_here() {
            return std::mem::forget(wakers);
        }
    }
}

/// So many entries are kept when nobody waits.
const SPARE: usize = 64;

/// A place in the line; not `Copy`, so that it is redeemed once.
#[derive(Debug)]
#[must_use = "every ticket is redeemed"]
pub(crate) struct Ticket(usize);

/// What a waiter was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// It alone was told: what it waited for is its own now, or worth another look.
    One,
    /// All who waited were told at once.
    All,
}

#[derive(Debug)]
enum Entry<N> {
    Waiting {
        /// `None` once it was nudged.
        waker: Option<Waker>,
        note: N,
        previous: Option<usize>,
        next: Option<usize>,
    },
    Notified(Signal),
    Free {
        next: Option<usize>,
    },
}

/// Waiters in order of arrival, each with a note.
#[derive(Debug)]
pub(crate) struct WaitList<N = ()> {
    entries: Vec<Entry<N>>,
    free: Option<usize>,
    /// How many of the entries are not free.
    used: usize,
    head: Option<usize>,
    tail: Option<usize>,
}

impl<N> WaitList<N> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: None,
            used: 0,
            head: None,
            tail: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// The note of the oldest waiter.
    pub(crate) fn head(&self) -> Option<&N> {
        match &self.entries[self.head?] {
            Entry::Waiting { note, .. } => Some(note),
            _ => unreachable!("only waiting entries are linked"),
        }
    }

    /// Tells whether `ticket` is for the head of the line.
    #[must_use]
    pub(crate) fn is_head(&self, ticket: &Ticket) -> bool {
        self.head == Some(ticket.0)
    }

    /// Joins the end of the line.
    pub(crate) fn enqueue(&mut self, waker: Waker, note: N) -> Ticket {
        let entry = Entry::Waiting {
            waker: Some(waker),
            note,
            previous: self.tail,
            next: None,
        };
        let index = match self.free {
            Some(index) => {
                let Entry::Free { next } = self.entries[index] else {
                    unreachable!("the free list holds free entries");
                };
                self.free = next;
                self.entries[index] = entry;
                index
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        self.used += 1;
        match self.tail {
            Some(tail) => *self.next_of(tail) = Some(index),
            None => self.head = Some(index),
        }
        self.tail = Some(index);
        Ticket(index)
    }

    /// What the waiter was told, or `None` while it waits.
    #[must_use]
    pub(crate) fn signal(&self, ticket: &Ticket) -> Option<Signal> {
        match self.entries[ticket.0] {
            Entry::Notified(signal) => Some(signal),
            _ => None,
        }
    }

    /// Changes whom to wake; gives the other waker back, to be dropped outside the lock.
    #[must_use = "the waker that is left over is dropped outside the lock"]
    pub(crate) fn set_waker(&mut self, ticket: &Ticket, new: Waker) -> Option<Waker> {
        match &mut self.entries[ticket.0] {
            Entry::Waiting {
                waker: Some(waker), ..
            } if waker.will_wake(&new) => Some(new),
            Entry::Waiting { waker, .. } => waker.replace(new),
            _ => Some(new),
        }
    }

    /// Nudges all who wait, as [`wake_next_to_retry`](Self::wake_next_to_retry) does one.
    #[must_use = "the caller wakes them, outside the lock"]
    pub(crate) fn wake_all_to_retry(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        let mut at = self.head;
        while let Some(index) = at {
            let Entry::Waiting { waker, next, .. } = &mut self.entries[index] else {
                unreachable!("only waiting entries are linked");
            };
            wakers.extend(waker.take());
            at = *next;
        }
        wakers
    }

    /// Nudges the first in the line that was not nudged, if `goes_on` says yes to its note, and to the
    /// notes of all before it. The caller wakes what it is given once the lock is released; the one that
    /// it wakes has to bring another waker before it waits on.
    #[must_use = "the caller wakes it, outside the lock"]
    pub(crate) fn wake_next_to_retry(
        &mut self,
        mut goes_on: impl FnMut(&N) -> bool,
    ) -> Option<Waker> {
        let mut at = self.head;
        while let Some(index) = at {
            let Entry::Waiting {
                waker, note, next, ..
            } = &mut self.entries[index]
            else {
                unreachable!("only waiting entries are linked");
            };
            if !goes_on(note) {
                return None;
            }
            if let Some(waker) = waker.take() {
                return Some(waker);
            }
            at = *next;
        }
        None
    }

    /// Takes the oldest waiter out of the line and notifies it.
    ///
    /// The caller wakes what it is given once the lock is released.
    #[must_use = "the caller wakes it, outside the lock"]
    pub(crate) fn notify_one(&mut self, signal: Signal) -> Option<(Waker, N)> {
        let head = self.head?;
        Some(self.unlink(head, Entry::Notified(signal)))
    }

    /// Notifies all who wait now; the caller wakes them once the lock is released.
    #[must_use = "the caller wakes them, outside the lock"]
    pub(crate) fn notify_all(&mut self, signal: Signal) -> Vec<(Waker, N)> {
        std::iter::from_fn(|| self.notify_one(signal)).collect()
    }

    /// Ends a wait, and says whether a notification came first.
    ///
    /// The waker and the note of a waiter that was not notified come back, the waker to be dropped
    /// outside the lock.
    pub(crate) fn redeem(&mut self, ticket: Ticket) -> Result<Signal, (Waker, N)> {
        let index = ticket.0;
        let freed = Entry::Free { next: self.free };
        let redeemed = match self.entries[index] {
            Entry::Notified(signal) => {
                self.entries[index] = freed;
                Ok(signal)
            }
            _ => Err(self.unlink(index, freed)),
        };
        self.free = Some(index);
        self.used -= 1;
        if self.used == 0 && self.entries.capacity() > SPARE {
            // Many have waited at a time, and nobody does now.
            *self = Self::new();
        }
        redeemed
    }

    /// Takes a waiting entry out of the line, leaving `instead` in its slot.
    fn unlink(&mut self, index: usize, instead: Entry<N>) -> (Waker, N) {
        match std::mem::replace(&mut self.entries[index], instead) {
            Entry::Waiting {
                waker,
                note,
                previous,
                next,
            } => {
                match previous {
                    Some(previous) => *self.next_of(previous) = next,
                    None => self.head = next,
                }
                match next {
                    Some(next) => *self.previous_of(next) = previous,
                    None => self.tail = previous,
                }
                (waker.unwrap_or_else(|| Waker::noop().clone()), note)
            }
            _ => unreachable!("only waiting entries are linked"),
        }
    }

    fn next_of(&mut self, index: usize) -> &mut Option<usize> {
        match &mut self.entries[index] {
            Entry::Waiting { next, .. } => next,
            _ => unreachable!("only waiting entries are linked"),
        }
    }

    fn previous_of(&mut self, index: usize) -> &mut Option<usize> {
        match &mut self.entries[index] {
            Entry::Waiting { previous, .. } => previous,
            _ => unreachable!("only waiting entries are linked"),
        }
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn many_who_have_waited_leave_no_memory_behind() {
        let mut list = WaitList::new();
        let wait = |list: &mut WaitList| {
            let tickets = (0..100_000).map(|_| list.enqueue(Waker::noop().clone(), ()));
            tickets.collect::<Vec<_>>()
        };
        for notified in [false, true] {
            let tickets = wait(&mut list);
            if notified {
                assert_eq!(list.notify_all(Signal::All).len(), tickets.len());
            }
            for ticket in tickets {
                assert_eq!(list.redeem(ticket).is_ok(), notified);
            }
            assert!(list.is_empty() && list.entries.capacity() <= SPARE);
        }
    }
}
