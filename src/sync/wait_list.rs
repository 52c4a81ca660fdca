//! The waiting core: who waits, in what order, and how each wait ended.
//!
//! [`WaitList`] is a list of waiters in order of arrival, kept in a slab with index links. It has
//! no lock. Its owner keeps it in a [`Mutex`](crate::primitive::Mutex), together with whatever the
//! waiters wait for, and that lock makes each decision one step. A waiter is a plain [`Waker`], so
//! threads and futures wait in one list.
//!
//! # Words
//! A waiter is *waiting* until it is *notified*. From then on it is out of the list, but keeps its
//! [`Ticket`], which it must redeem. A waiter that gives up (a timeout, a dropped future, an
//! unwinding thread) redeems its ticket too. A waiter brings a *note*: what it wants, or what it
//! offers. A waiting one can be *woken to retry*: it is woken to look for itself, and stays in the
//! list.
//!
//! # Invariants
//! 1. Each ticket is redeemed exactly once, and its slot is free from then on.
//! 2. Only waiting entries are linked, oldest first.
//! 3. A waker is called at most once for each notification, and never under the lock.
//!
//! # Why nothing is lost
//! A waiter that gives up learns from [`redeem`](WaitList::redeem), under the lock, whether it was
//! notified first. If it was, it owns what it was notified of, and must use it or pass it on. If
//! not, it is out of the list before another thread can notify it. There is no third case, so no
//! notification is spent on a waiter that has gone. Wakers are called after the lock is released,
//! because they are user code.

use std::task::Waker;

use crate::fork::Stamp;
use crate::unwind;

/// Calls all wakers. If a waker forks, the child calls no others, which are its parent's.
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

/// The largest number of entries whose memory is kept while nobody waits.
const SPARE: usize = 64;

/// Identifies a waiter in the list. Not `Copy`, so that it is redeemed once.
#[derive(Debug)]
#[must_use = "every ticket must be redeemed"]
pub(crate) struct Ticket(usize);

/// How a waiter was notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// It alone was notified. The thing that it waits for is its own now, or worth another look.
    One,
    /// All waiters were notified at once.
    All,
}

#[derive(Debug)]
enum Entry<N> {
    Waiting {
        /// `None` once the waiter was woken to retry.
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
    /// The number of entries that are not free.
    used: usize,
    head: Option<usize>,
    tail: Option<usize>,
}

impl<N> WaitList<N> {
    /// Creates an empty list.
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: None,
            used: 0,
            head: None,
            tail: None,
        }
    }

    /// Returns `true` if nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Returns the number of those that wait.
    pub(crate) fn len(&self) -> usize {
        let waits = |entry: &&Entry<N>| matches!(entry, Entry::Waiting { .. });
        self.entries.iter().filter(waits).count()
    }

    /// Returns the note of the oldest waiter.
    pub(crate) fn head(&self) -> Option<&N> {
        match &self.entries[self.head?] {
            Entry::Waiting { note, .. } => Some(note),
            _ => unreachable!("only waiting entries are linked"),
        }
    }

    /// Returns `true` if `ticket` is for the oldest waiter.
    #[must_use]
    pub(crate) fn is_head(&self, ticket: &Ticket) -> bool {
        self.head == Some(ticket.0)
    }

    /// Adds a waiter at the end of the list.
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

    /// Returns how the waiter was notified, or `None` while it waits.
    #[must_use]
    pub(crate) fn signal(&self, ticket: &Ticket) -> Option<Signal> {
        match self.entries[ticket.0] {
            Entry::Notified(signal) => Some(signal),
            _ => None,
        }
    }

    /// Replaces the waiter's waker, and returns the one that is not needed, to be dropped outside
    /// the lock.
    #[must_use = "the waker must be dropped outside the lock"]
    pub(crate) fn set_waker(&mut self, ticket: &Ticket, new: Waker) -> Option<Waker> {
        match &mut self.entries[ticket.0] {
            Entry::Waiting {
                waker: Some(waker), ..
            } if waker.will_wake(&new) => Some(new),
            Entry::Waiting { waker, .. } => waker.replace(new),
            _ => Some(new),
        }
    }

    /// Takes the wakers of all waiters that have not been woken to retry. The caller calls them
    /// once the lock is released. Each waiter has to bring another waker before it waits on.
    #[must_use = "the wakers must be called, outside the lock"]
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

    /// Takes the waker of the oldest waiter that has not been woken to retry, if `goes_on` returns
    /// `true` for its note, and for the notes of all waiters before it.
    ///
    /// The caller calls the waker once the lock is released. The waiter has to bring another waker
    /// before it waits on.
    #[must_use = "the waker must be called, outside the lock"]
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

    /// Takes the oldest waiter out of the list and notifies it.
    ///
    /// The caller calls the waker once the lock is released.
    #[must_use = "the waker must be called, outside the lock"]
    pub(crate) fn notify_one(&mut self, signal: Signal) -> Option<(Waker, N)> {
        let head = self.head?;
        Some(self.unlink(head, Entry::Notified(signal)))
    }

    /// Takes all waiters out of the list and notifies them.
    ///
    /// The caller calls the wakers once the lock is released.
    #[must_use = "the wakers must be called, outside the lock"]
    pub(crate) fn notify_all(&mut self, signal: Signal) -> Vec<(Waker, N)> {
        std::iter::from_fn(|| self.notify_one(signal)).collect()
    }

    /// Ends a wait. Returns how the waiter was notified, if it was.
    ///
    /// # Errors
    ///
    /// The waker and the note, if the waiter was not notified. The waker is to be dropped outside
    /// the lock.
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
            // Many waited at one time, and nobody does now.
            *self = Self::new();
        }
        redeemed
    }

    /// Takes a waiting entry out of the list, and leaves `instead` in its slot.
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
    fn many_waiters_leave_no_memory_behind() {
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
