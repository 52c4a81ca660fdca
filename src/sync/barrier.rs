//! `Barrier`: releases a number of waiters at once, again and again.
//!
//! # Words
//! A *party* *arrives* at the barrier and waits. The last of `parties` to arrive *opens* it: all of
//! them go on, and the barrier is as new. A waiter that gives up while the barrier has not opened
//! *takes its arrival back*.
//!
//! # Invariants
//! 1. `waiting` is the number of waiters that were not notified. It changes with the list, under
//!    its lock.
//! 2. `waiting` is less than `parties` when the lock is released.
//!
//! # Protocol
//! *Arrive*, under the lock: if `parties - 1` others wait, notify all of them and set `waiting` to
//! 0; the caller leads. Otherwise count one more, and join the list. *Give up*, under the lock:
//! redeem the ticket. If the waiter was notified, the barrier has opened with it, and it goes on.
//! Otherwise count one less.
//!
//! # Why no wake-up is lost, and no arrival
//! All of this is decided under one lock. An arrival is either in the count, or has been notified,
//! or was the last. A waiter that gives up learns which of the first two it is, so no opening
//! counts on a waiter that has left. The waiters of the next round join a list that is empty, and
//! the notified ones of the last round keep their tickets, so both rounds can be there at a time.
//!
//! # Why not otherwise
//! Java's barrier is broken for all when one waiter gives up. Then each of them needs an error, and
//! somebody has to mend the barrier. An arrival that is taken back leaves the others where they
//! were before it, as a semaphore's waiter does that gives up. A count in an atomic would arrive
//! without the lock, but each arrival except the last waits, and takes the lock to do so.

use std::fmt;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::wait_list::{Signal, Ticket, WaitList, wake_all};
use crate::primitive::{Mutex, lock};
use crate::unwind;
use crate::wait::{Cause, Deadline, block_after_a_look, pending};

/// A barrier at which a number of parties wait for each other, as often as they like.
///
/// It is like std's `Barrier` and Java's `CyclicBarrier`, with the four forms of this crate.
/// Threads, tasks of a pool and futures can wait at one barrier, all at the same time. Tasks give
/// their slots away meanwhile, so a pool may have fewer threads than the barrier has parties.
///
/// A party that gives up, because its time is over or its future is dropped, takes its arrival
/// back: the barrier then waits for another one in its place. No other party is disturbed.
///
/// # Ordering
///
/// Everything before each arrival happens before everything after each wait of that round.
///
/// # Dropping
///
/// Waiters borrow the barrier, so none can be left when it is dropped, except futures that were
/// [forgotten](std::mem::forget), whose arrival counts.
///
/// # Examples
///
/// Three tasks on one thread, which all do the first step before any of them does the second:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use workmill::{Barrier, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::new(1)?;
/// let (kneaded, table) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(3)));
/// let bakers = [(); 3].map(|()| {
///     let (kneaded, table) = (Arc::clone(&kneaded), Arc::clone(&table));
///     pool.submit(move || {
///         kneaded.fetch_add(1, Ordering::Relaxed);
///         let is_leader = table.wait().is_leader();
///         assert_eq!(kneaded.load(Ordering::Relaxed), 3);
///         is_leader
///     })
/// });
/// let leaders = bakers.into_iter().filter_map(|baker| baker.join().ok());
/// assert_eq!(leaders.filter(|is_leader| *is_leader).count(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("CyclicBarrier", "Phaser"))]
pub struct Barrier {
    parties: usize,
    round: Mutex<Round>,
}

/// The waiters of a round.
struct Round {
    /// The number of waiters that have not been notified.
    waiting: usize,
    waiters: WaitList,
}

impl Barrier {
    /// Creates a barrier that opens when the given number of parties wait.
    ///
    /// With 0 or 1 parties nobody waits: each caller is the leader of a round of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = workmill::Barrier::new(2);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| barrier.wait());
    ///     barrier.wait(); // until both are here
    /// });
    /// ```
    pub fn new(parties: usize) -> Self {
        Self {
            parties: parties.max(1),
            round: Mutex::new(Round {
                waiting: 0,
                waiters: WaitList::new(),
            }),
        }
    }

    /// Returns the number of parties that the barrier opens for; 1 if it was created for 0.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(workmill::Barrier::new(3).parties(), 3);
    /// ```
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// Returns the number of parties that wait. This is a snapshot and may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// let table = workmill::Barrier::new(2);
    /// assert_eq!((table.waiting(), table.parties()), (0, 2));
    /// ```
    #[doc(alias = "getNumberWaiting")]
    pub fn waiting(&self) -> usize {
        lock(&self.round).waiting
    }

    /// Arrives at the barrier, and blocks until all parties have arrived.
    ///
    /// # Blocking
    ///
    /// Blocks until the last party arrives, and not at all if this is the last.
    ///
    /// # Examples
    ///
    /// ```
    /// let table = workmill::Barrier::new(2);
    /// std::thread::scope(|scope| {
    ///     let other = scope.spawn(|| table.wait().is_leader());
    ///     let is_leader = table.wait().is_leader();
    ///     assert_ne!(is_leader, other.join().unwrap()); // one of both
    /// });
    /// ```
    pub fn wait(&self) -> BarrierWaitResult {
        self.wait_until(Deadline::NEVER)
            .expect("there is no deadline")
    }

    /// Arrives at the barrier if this is the last party, and opens it. Returns `None` if others are
    /// missing: nothing has changed then. Never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let table = workmill::Barrier::new(2);
    /// assert!(table.try_wait().is_none());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| table.wait());
    ///     while table.try_wait().is_none() {
    ///         std::thread::yield_now();
    ///     }
    /// });
    /// ```
    pub fn try_wait(&self) -> Option<BarrierWaitResult> {
        let woken = lock(&self.round).open(self.parties);
        woken.map(BarrierWaitResult::leader)
    }

    /// Arrives at the barrier, and blocks until all parties have arrived, but no longer than
    /// `timeout`. Returns `None` if the time was over first: the arrival is taken back then, and
    /// the barrier waits for another in its place.
    ///
    /// [`Duration::ZERO`] checks once, as [`try_wait`](Self::try_wait) does. [`Duration::MAX`]
    /// waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until the last party arrives or the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let table = workmill::Barrier::new(2);
    /// assert!(table.wait_timeout(Duration::from_millis(5)).is_none());
    /// assert_eq!(table.waiting(), 0);
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Option<BarrierWaitResult> {
        match self.try_wait() {
            None if !timeout.is_zero() => self.wait_until(Deadline::after(timeout)),
            decided => decided,
        }
    }

    /// Arrives at the barrier, and waits until all parties have arrived, without blocking the
    /// thread.
    ///
    /// # Cancellation
    ///
    /// The future arrives when it is first polled. If it is dropped before the barrier has opened,
    /// its arrival is taken back, and the barrier waits for another in its place.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Barrier, block_on};
    ///
    /// let table = Barrier::new(2);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| table.wait()); // one blocks,
    ///     block_on(table.wait_async()); // one awaits, and both go on together
    /// });
    /// ```
    pub async fn wait_async(&self) -> BarrierWaitResult {
        let mut arrival = Arrival::new(self);
        poll_fn(|cx| match arrival.poll(cx.waker()) {
            Some(result) => Poll::Ready(result),
            None => pending(Cause::Arrival),
        })
        .await
    }

    /// Arrives, and blocks until the barrier opens. Returns `None` if `deadline` comes first.
    pub(super) fn wait_until(&self, deadline: Deadline) -> Option<BarrierWaitResult> {
        let mut arrival = Arrival::new(self);
        let opened = block_after_a_look(Cause::Arrival, deadline, |waker| arrival.poll(waker));
        // The barrier may have opened at the deadline.
        opened.or_else(|| arrival.give_up())
    }
}

impl Round {
    /// Opens the barrier if all parties except the caller wait. Returns the wakers of the others,
    /// for the caller to call.
    #[must_use = "the wakers must be called, outside the lock"]
    fn open(&mut self, parties: usize) -> Option<Vec<(Waker, ())>> {
        if self.waiting + 1 < parties {
            return None;
        }
        let woken = self.waiters.notify_all(Signal::All);
        debug_assert_eq!(woken.len(), self.waiting, "invariant 1");
        self.waiting = 0;
        Some(woken)
    }

    /// Arrives, and joins the list.
    fn join(&mut self, waker: Waker) -> Ticket {
        self.waiting += 1;
        self.waiters.enqueue(waker, ())
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("waiting", &self.waiting())
            .finish()
    }
}

/// One arrival at a barrier. Dropping it before the barrier has opened takes it back.
#[must_use = "the arrival is taken back when this is dropped"]
struct Arrival<'a> {
    barrier: &'a Barrier,
    /// `Some` while the waiter is in the list, or notified and not aware of it.
    ticket: Option<Ticket>,
}

impl<'a> Arrival<'a> {
    /// Creates an arrival. It begins with the first [`poll`](Self::poll).
    fn new(barrier: &'a Barrier) -> Self {
        Self {
            barrier,
            ticket: None,
        }
    }

    /// Arrives, if it has not yet. Returns the result if the barrier has opened. If not, `waker` is
    /// called when it does.
    fn poll(&mut self, waker: &Waker) -> Option<BarrierWaitResult> {
        // Cloning and dropping a waker is user code. The clone is made before anything changes, and
        // the waker that is left over is dropped outside the lock, when all is settled.
        let waker = waker.clone();
        let (result, left_over) = match self.ticket.take() {
            Some(ticket) => self.poll_ticket(ticket, waker),
            None => self.arrive(waker),
        };
        unwind::discard(left_over);
        result
    }

    /// Opens the barrier or joins the list. Returns the waker if it is not used.
    fn arrive(&mut self, waker: Waker) -> (Option<BarrierWaitResult>, Option<Waker>) {
        let woken = {
            let mut round = lock(&self.barrier.round);
            match round.open(self.barrier.parties) {
                Some(woken) => woken,
                None => {
                    self.ticket = Some(round.join(waker));
                    return (None, None);
                }
            }
        };
        (Some(BarrierWaitResult::leader(woken)), Some(waker))
    }

    /// Polls a waiter that has arrived before. Returns the waker that is not needed any more.
    fn poll_ticket(
        &mut self,
        ticket: Ticket,
        waker: Waker,
    ) -> (Option<BarrierWaitResult>, Option<Waker>) {
        let mut round = lock(&self.barrier.round);
        if round.waiters.signal(&ticket).is_none() {
            let other = round.waiters.set_waker(&ticket, waker);
            self.ticket = Some(ticket);
            return (None, other);
        }
        let redeemed = round.waiters.redeem(ticket);
        debug_assert!(redeemed.is_ok(), "the ticket was notified");
        (Some(BarrierWaitResult { is_leader: false }), Some(waker))
    }

    /// Takes the arrival back. Returns the result if the barrier has opened before.
    fn give_up(&mut self) -> Option<BarrierWaitResult> {
        let ticket = self.ticket.take()?;
        let redeemed = {
            let mut round = lock(&self.barrier.round);
            let redeemed = round.waiters.redeem(ticket);
            if redeemed.is_err() {
                round.waiting -= 1;
            }
            redeemed
        };
        match redeemed {
            Ok(_) => Some(BarrierWaitResult { is_leader: false }),
            Err((waker, ())) => {
                unwind::discard(waker);
                None
            }
        }
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// The result of a wait at a [`Barrier`], which tells one of the parties from the others.
///
/// # Examples
///
/// ```
/// let barrier = workmill::Barrier::new(1);
/// if barrier.wait().is_leader() {
///     println!("one of each round cleans up");
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarrierWaitResult {
    is_leader: bool,
}

impl BarrierWaitResult {
    /// Wakes the others, for the last party that arrived.
    fn leader(others: Vec<(Waker, ())>) -> Self {
        wake_all(others.into_iter().map(|(waker, ())| waker));
        Self { is_leader: true }
    }

    /// Returns `true` for exactly one party of each round: the one that arrived last and opened the
    /// barrier.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(workmill::Barrier::new(1).wait().is_leader());
    /// ```
    pub fn is_leader(&self) -> bool {
        self.is_leader
    }
}
