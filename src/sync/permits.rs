//! Counted permits, and the queue of the waiters for them.
//!
//! A [`Semaphore`](crate::Semaphore) and the capacity of a bounded pool are made of these.
//!
//! # Words
//! A *permit* is the right that is counted. The word holds the number of free permits and three
//! bits: WAITING, STARVING and CLOSED. The queue holds the waiters in order of arrival, each with
//! the number of permits that it wants. A *newcomer* takes permits without having waited in the
//! queue. A permit that is taken when none is free is a *debt*: the count is then below zero, and a
//! release pays a debt before it frees a permit.
//!
//! Waiters are served from the head of the queue, by one of two rules. The *fair* rule serves by
//! *hand-off*: the permits are taken off the word for the waiter, and while the queue is not empty
//! no newcomer takes any. The *unfair* rule *wakes* waiters *to retry*: they stay in the queue
//! until they have taken permits themselves, and newcomers may be faster. A head that has waited
//! for `starve_after` is served by hand-off by the unfair rule too. STARVING is set while such a
//! head wants more permits than are free.
//!
//! # Invariants
//! 1. The queue changes only under its lock. WAITING is set while the queue is not empty, except by
//!    the unfair rule when all waiters have been woken to retry and have not retried yet.
//! 2. While a bit of `bars` is set, no newcomer takes a permit. `bars` contains CLOSED, and WAITING
//!    by the fair rule or STARVING by the unfair rule. Only `take_free` ignores CLOSED, and only
//!    `take_anyway` and `take_away` ignore all three.
//! 3. If the head is served by hand-off, either too few permits are free for it or some thread is
//!    about to serve. Debts, and permits that are taken away, only lower the number of free
//!    permits.
//! 4. CLOSED, once set, stays set.
//!
//! # Protocol
//! - *Take:* take the permits by one exchange, if enough are free and no bit bars it. Otherwise
//!   look once more under the lock. If the permits still cannot be taken, set WAITING, by an
//!   exchange that expects the word that was seen, and join the queue.
//! - *Release:* (R1) add the permits by one exchange; (R2) if WAITING was set in the word that R1
//!   replaced, serve.
//! - *Serve* by hand-off, under the lock: if the head wants more permits than are free, set
//!   WAITING, and STARVING by the unfair rule, by an exchange that expects the word that was seen.
//!   Otherwise take the permits off the word, notify the head, which owns them from then on, and go
//!   on with the next waiter.
//! - *Serve* by waking, under the lock: from the head on, wake each waiter to retry for which
//!   enough permits are free after those of the waiters before it. Then set WAITING, or clear it if
//!   all waiters have been woken, by an exchange that expects the word that was seen.
//! - *Retry*, under the lock: take the permits and leave the queue. If too few are free, or the
//!   waiter is behind a starving head, set WAITING, by an exchange that expects the word that was
//!   seen.
//! - *Give up* (a timeout, a dropped future): redeem the ticket. If the waiter was notified first,
//!   the permits are its own, and it uses or releases them. Otherwise serve the head, which may be
//!   another waiter now and want less.
//!
//! # Why no permit and no wake-up is lost
//! The exchanges that add permits and those that set WAITING are on one word. If the permits come
//! first, the exchange of the waiter that joins fails, or the waiter has seen the permits; either
//! way it tries to take them. If WAITING comes first, R1 replaces a word with WAITING and serves,
//! under the lock, which the waiter holds until it is in the queue.
//!
//! Invariant 3 can only be broken by a release, by a departure of the head, or by its notification,
//! and each of them serves. A waiter that was woken to retry does so under the lock before it
//! sleeps again, and its exchange expects a word in which it cannot take its permits. If it takes
//! them, the other waiters are left with the number that decided whether they were woken. If it
//! gives up, it serves.
//!
//! Whether a waiter is notified before it gives up is decided under the lock, see
//! [`wait_list`](crate::sync::wait_list). A future that was notified or woken to retry, and that is
//! not polled, keeps no more than the permits that it wants: the other waiters are served from the
//! rest.
//!
//! # Why not otherwise
//! A waiter needs no state word of its own. Timeout against grant could be one exchange there, but
//! the lock has to be taken to leave the queue anyway, and under the lock it is a plain comparison.
//! Permits that a release adds are free for a moment before they are handed over. By the fair rule
//! only a debt, or a caller that takes permits away for good, can take them in that moment, and
//! both may.

use std::fmt;
use std::ops::Deref;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::wait_list::{Signal, Ticket, WaitList, wake_all};
use crate::fork::Stamp;
use crate::primitive::{AtomicUsize, Mutex, Ordering, lock, spin_loop};
use crate::room::{Of, Room};
use crate::sync::error::{AcquireError, ReleaseError, TryAcquireError};
use crate::unwind;
use crate::wait::{Cause, Deadline, block_until, pending};

const CLOSED: usize = 1;
const WAITING: usize = 1 << 1;
const STARVING: usize = 1 << 2;
/// One permit in the word. The count is in the bits above the three flags.
const PERMIT: usize = 1 << 3;

/// The largest number of permits that the word counts.
///
/// It is half of what fits, so that permits given back by several threads at once, up to [`FEW`]
/// each, do not overflow the word.
pub(crate) const MAX_PERMITS: usize = isize::MAX as usize / PERMIT / 2;

/// The largest number of permits that is given back by adding first and taking off the excess
/// afterwards. A million threads that do so at the same moment add no more than the other half of
/// what fits into the word.
const FEW: usize = MAX_PERMITS >> 20;

/// Returns the number of free permits in `word`; a negative number is that of debts.
fn count(word: usize) -> isize {
    (word as isize) >> PERMIT.trailing_zeros()
}

/// Returns `true` if at least `permits` permits are free in `word`.
fn has(word: usize, permits: usize) -> bool {
    isize::try_from(permits).is_ok_and(|permits| count(word) >= permits)
}

/// A copy of the word that names its bits.
#[derive(Clone, Copy)]
struct Word(usize);

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Word")
            .field("permits", &count(self.0))
            .field("waiting", &(self.0 & WAITING != 0))
            .field("closed", &(self.0 & CLOSED != 0))
            .field("starving", &(self.0 & STARVING != 0))
            .finish()
    }
}

/// The permits that a waiter wants.
#[derive(Debug)]
struct Want {
    permits: usize,
    /// When the waiter joined the queue; `None` by the fair rule.
    since: Option<Instant>,
}

impl Want {
    /// Returns `true` if the waiter has waited for `starve_after`.
    fn has_waited(&self, starve_after: Duration) -> bool {
        self.since
            .is_some_and(|since| since.elapsed() >= starve_after)
    }
}

/// Counted permits, and the queue of the waiters for them.
pub(crate) struct Permits {
    word: AtomicUsize,
    /// The bits of the word that keep newcomers from taking permits.
    bars: usize,
    /// How long the head of the queue waits before newcomers are kept from passing it; `None` for
    /// the fair rule.
    starve_after: Option<Duration>,
    /// The largest number of permits that can be free.
    max: usize,
    /// The permits as room, if they are a limit. A wait for permits that are signals is one for
    /// something that arrives.
    room: Option<Room>,
    waiters: Mutex<WaitList<Want>>,
}

/// The outcome of a step of serving.
#[must_use = "the waker is called outside the lock"]
enum Served {
    /// Call the waker, and then serve again: another waiter may have enough permits too.
    GoOn(Waker),
    /// Call the waker, if there is one. Nobody else can be served.
    Done(Option<Waker>),
}

impl AsRef<Permits> for Permits {
    fn as_ref(&self) -> &Permits {
        self
    }
}

impl Permits {
    /// Creates `free` free permits, of which at most `max` are ever free. With `starve_after`
    /// waiters are served by the unfair rule, with `None` by the fair one.
    ///
    /// Waiters wait for signals, until the permits are made a [limit](Self::as_limit_of).
    pub(crate) fn new(free: usize, max: usize, starve_after: Option<Duration>) -> Self {
        assert!(
            free <= max && max <= MAX_PERMITS,
            "a semaphore holds at most {MAX_PERMITS} permits, not {free}"
        );
        Self {
            word: AtomicUsize::new(free * PERMIT),
            bars: CLOSED | starve_after.map_or(WAITING, |_| STARVING),
            starve_after,
            max,
            room: None,
            waiters: Mutex::new(WaitList::new()),
        }
    }

    /// Makes the permits a limit: those who wait for one wait for room.
    pub(crate) fn as_limit_of(self, of: Of) -> Self {
        let room = Some(Room::new(of));
        Self { room, ..self }
    }

    /// Returns what a wait for the permits is for.
    pub(crate) fn cause(&self) -> Cause<'_> {
        self.room.as_ref().map_or(Cause::Arrival, Cause::Room)
    }

    /// Records that a waiter was served.
    fn served(&self) {
        self.room.iter().for_each(Room::served);
    }

    /// Returns the number of free permits. This is a snapshot and may be stale.
    pub(crate) fn available(&self) -> usize {
        usize::try_from(count(self.word.load(Ordering::Relaxed))).unwrap_or(0)
    }

    /// Returns the largest number of permits that can be free.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Takes permits by one exchange, if enough are free and no bit bars it. Never waits.
    #[inline]
    pub(crate) fn try_take(&self, permits: usize) -> Result<(), TryAcquireError> {
        let (mut word, mut pauses) = (self.word.load(Ordering::Relaxed), 16);
        loop {
            // A caller that wants no permits overtakes nobody.
            let bars = if permits == 0 { CLOSED } else { self.bars };
            if word & bars != 0 || !has(word, permits) {
                return Err(self.why_not(word, permits));
            }
            match self.take_from(word, permits) {
                Ok(()) => return Ok(()),
                Err(_) => word = self.word_after_a_pause(&mut pauses),
            }
        }
    }

    /// Reads the word again after an exchange on it has failed. Each call pauses longer than the
    /// one before, so that the thread whose exchange succeeded can go on with the cache line at
    /// hand.
    #[cold]
    fn word_after_a_pause(&self, pauses: &mut u32) -> usize {
        (0..*pauses).for_each(|_| spin_loop());
        *pauses = (*pauses * 2).min(64);
        self.word.load(Ordering::Relaxed)
    }

    /// Returns why `permits` permits cannot be taken from `word`.
    #[cold]
    fn why_not(&self, word: usize, permits: usize) -> TryAcquireError {
        if permits > self.max {
            TryAcquireError::TooMany
        } else if word & CLOSED != 0 {
            TryAcquireError::Closed
        } else {
            TryAcquireError::NoPermits
        }
    }

    /// Takes permits off the word, if it still is `word`, which must have as many.
    #[inline]
    fn take_from(&self, word: usize, permits: usize) -> Result<(), usize> {
        debug_assert!(has(word, permits), "{permits} of {:?}", Word(word));
        let less = word.wrapping_sub(permits * PERMIT);
        // ORDERING: Acquire pairs with Release in `add`, by which the last owner handed its writes
        // on.
        self.word
            .compare_exchange_weak(word, less, Ordering::Acquire, Ordering::Relaxed)
            .map(drop)
    }

    /// Waits for permits until `deadline`.
    #[inline]
    pub(crate) fn take_until(
        &self,
        permits: usize,
        deadline: Deadline,
    ) -> Result<(), TryAcquireError> {
        self.take_until_told(permits, deadline, || {})
    }

    /// [`take_until`](Self::take_until), which calls `waits` when the caller is in the queue.
    #[inline]
    pub(crate) fn take_until_told(
        &self,
        permits: usize,
        deadline: Deadline,
        waits: impl Fn(),
    ) -> Result<(), TryAcquireError> {
        match self.try_take(permits) {
            Err(TryAcquireError::NoPermits) => self.wait_until(permits, deadline, waits),
            decided => decided,
        }
    }

    #[cold]
    fn wait_until(
        &self,
        permits: usize,
        deadline: Deadline,
        waits: impl Fn(),
    ) -> Result<(), TryAcquireError> {
        let mut wait = Wait::new(self, permits);
        let granted = block_until(self.cause(), deadline, |waker| match wait.poll(waker) {
            Poll::Ready(granted) => Some(granted),
            Poll::Pending => {
                waits();
                None
            }
        });
        match granted {
            Some(granted) => granted.map_err(TryAcquireError::from),
            None => wait.give_up().unwrap_or(Err(TryAcquireError::NoPermits)),
        }
    }

    /// Adds permits. Waiters are served from them, and the rest is free. Changes nothing if more
    /// than `max` permits would be free.
    #[inline]
    pub(crate) fn add(&self, permits: usize) -> Result<(), ReleaseError> {
        let most = self.max as isize;
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if permits > self.max || count(word) > most - permits as isize {
                return Err(ReleaseError);
            }
            let more = word.wrapping_add(permits * PERMIT);
            debug_assert!(count(more) <= most, "{:?}, of {most}", Word(more));
            // ORDERING: Release pairs with Acquire in `take_from`. That holds for waiters too: the
            // thread that serves acquires in `take_from` before it notifies.
            match self
                .word
                .compare_exchange_weak(word, more, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(seen) => word = seen,
            }
        }
        if word & WAITING != 0 {
            self.serve();
        }
        Ok(())
    }

    /// Puts back permits that were taken. If others were added in their place meanwhile, those
    /// above `max` are dropped.
    #[inline]
    pub(crate) fn give_back(&self, permits: usize) {
        if permits > FEW {
            return self.give_back_many(permits);
        }
        // ORDERING: Release pairs with Acquire in `take_from`, as in `add`.
        let before = self.word.fetch_add(permits * PERMIT, Ordering::Release);
        debug_assert!(
            before.wrapping_add(permits * PERMIT) as isize >= before as isize,
            "{:?} overflows by {permits}",
            Word(before)
        );
        if before & WAITING != 0 || count(before) > self.max as isize - permits as isize {
            self.after_giving_back();
        }
    }

    /// Puts back more permits than [`FEW`]. Added in one piece, these might overflow the word
    /// before the excess is taken off again.
    #[cold]
    fn give_back_many(&self, permits: usize) {
        let max = self.max as isize;
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            // An excess that is there already is taken off by the thread that added it.
            let more = (max - count(word)).clamp(0, permits as isize) as usize;
            let new = word.wrapping_add(more * PERMIT);
            debug_assert!(count(new) <= max.max(count(word)), "{:?}", Word(new));
            // ORDERING: Release pairs with Acquire in `take_from`, as in `add`.
            match self
                .word
                .compare_exchange_weak(word, new, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(seen) => word = seen,
            }
        }
        self.serve();
    }

    /// Takes off the permits above `max`, and serves.
    #[cold]
    fn after_giving_back(&self) {
        loop {
            let word = self.word.load(Ordering::Relaxed);
            let excess = count(word) - self.max as isize;
            if excess <= 0 || self.exchange(word, word - excess as usize * PERMIT) {
                break;
            }
        }
        self.serve();
    }

    /// Takes a permit even if none is free or the permits are closed. Returns `true` if one was
    /// free.
    pub(crate) fn take_anyway(&self) -> bool {
        // ORDERING: Acquire pairs with Release in `add`, as in `take_from`.
        count(self.word.fetch_sub(PERMIT, Ordering::Acquire)) > 0
    }

    /// Takes a permit if one is free, even if the permits are closed. Returns `true` if it did.
    #[must_use]
    pub(crate) fn take_free(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & self.bars & !CLOSED == 0 && has(word, 1) {
            match self.take_from(word, 1) {
                Ok(()) => return true,
                Err(seen) => word = seen,
            }
        }
        false
    }

    /// Takes permits that are free, for good: as many as there are, and at most the given number.
    /// Neither waiters nor CLOSED bar it, since it is no use of the permits. Returns the number.
    pub(crate) fn take_away(&self, permits: usize) -> usize {
        self.take_up_to(permits, 0)
    }

    /// Takes all permits that are free, by one exchange, if no bit bars it. Returns the number.
    #[must_use]
    pub(crate) fn take_all(&self) -> usize {
        self.take_up_to(usize::MAX, self.bars)
    }

    /// Takes as many permits as are free, and at most the given number, unless one of the bits
    /// `bars` is set.
    fn take_up_to(&self, permits: usize, bars: usize) -> usize {
        let (mut word, mut pauses) = (self.word.load(Ordering::Relaxed), 16);
        loop {
            let free = usize::try_from(count(word)).unwrap_or(0).min(permits);
            if free == 0 || word & bars != 0 {
                return 0;
            }
            match self.take_from(word, free) {
                Ok(()) => return free,
                Err(_) => word = self.word_after_a_pause(&mut pauses),
            }
        }
    }

    /// Refuses all waiters, and from now on everyone who wants a permit.
    pub(crate) fn close(&self) {
        let woken = {
            let mut waiters = lock(&self.waiters);
            self.word.fetch_or(CLOSED, Ordering::AcqRel);
            let woken = waiters.notify_all(Signal::All);
            self.settle(&waiters, true);
            woken
        };
        wake_all(woken.into_iter().map(|(waker, _)| waker));
    }

    /// Returns `true` if waiters are in the queue that nobody has notified; a snapshot, may be
    /// stale.
    pub(crate) fn has_waiters(&self) -> bool {
        self.word.load(Ordering::Relaxed) & WAITING != 0
    }

    /// Returns `true` if the permits are closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Serves waiters, from the head of the queue on, as far as the permits go.
    #[cold]
    fn serve(&self) {
        let process = Stamp::now();
        loop {
            let served = {
                let mut waiters = lock(&self.waiters);
                self.serve_head(&mut waiters)
            };
            match served {
                Served::GoOn(waker) => unwind::wake(waker),
                Served::Done(waker) => return waker.into_iter().for_each(unwind::wake),
            }
            // A waker may fork. In the child the waiters are those of its parent.
            if !process.is_here() {
                return;
            }
        }
    }

    /// Serves one waiter, if the permits suffice.
    fn serve_head(&self, waiters: &mut WaitList<Want>) -> Served {
        while let Some(want) = waiters.head() {
            let word = self.word.load(Ordering::Relaxed);
            let hands_over = self
                .starve_after
                .is_none_or(|starve_after| want.has_waited(starve_after));
            if !hands_over {
                if let Some(decided) = self.wake_next_to_retry(waiters, word) {
                    return decided;
                }
            } else if !has(word, want.permits) {
                if self.exchange(word, word | WAITING | self.bars & !CLOSED) {
                    break;
                }
            } else if self.take_from(word, want.permits).is_ok() {
                let (waker, _) = waiters
                    .notify_one(Signal::One)
                    .expect("the queue has a head");
                self.settle(waiters, true);
                self.served();
                return match waiters.is_empty() {
                    true => Served::Done(Some(waker)),
                    false => Served::GoOn(waker),
                };
            }
        }
        Served::Done(None)
    }

    /// Wakes the first waiter that has not been woken to retry, if enough permits are free for it
    /// and all waiters before it. Returns `None` if the word is no longer `word`.
    fn wake_next_to_retry(&self, waiters: &mut WaitList<Want>, word: usize) -> Option<Served> {
        let mut free = count(word);
        let woken = waiters.wake_next_to_retry(|want| {
            free -= want.permits as isize;
            free >= 0
        });
        let is_settled = match woken {
            Some(waker) => {
                self.served();
                return Some(Served::GoOn(waker));
            }
            // All waiters have been woken, and will see what is released before they retry.
            None if free >= 0 => self.exchange(word, word & !WAITING),
            None => self.exchange(word, word | WAITING),
        };
        is_settled.then_some(Served::Done(None))
    }

    /// Changes the word from `seen` to `new`. Returns `false` if the word is no longer `seen`.
    #[must_use]
    fn exchange(&self, seen: usize, new: usize) -> bool {
        debug_assert!(
            self.may_become(seen, new),
            "{:?} to {:?}",
            Word(seen),
            Word(new)
        );
        self.word
            .compare_exchange(seen, new, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Returns `true` if an exchange may change the word from `seen` to `new`: CLOSED changes only
    /// in `close`, and by the fair rule STARVING is never set and WAITING is cleared only in
    /// `settle`.
    fn may_become(&self, seen: usize, new: usize) -> bool {
        let is_unfair = self.starve_after.is_some();
        seen & CLOSED == new & CLOSED
            && (is_unfair || new & STARVING == 0)
            && (is_unfair || seen & WAITING <= new & WAITING)
    }

    /// Takes permits for a waiter that is in the queue, by the unfair rule, unless one of the bits
    /// `bars` is set. Returns `false` if it has to wait on.
    #[must_use]
    fn retry(&self, permits: usize, bars: usize) -> bool {
        loop {
            let seen = self.word.load(Ordering::Relaxed);
            if has(seen, permits) && seen & bars == 0 {
                if self.take_from(seen, permits).is_ok() {
                    return true;
                }
            } else if self.exchange(seen, seen | WAITING) {
                return false;
            }
        }
    }

    /// Restores invariant 1 after a waiter has left the queue, whose lock the caller holds. If the
    /// head left, the next waiter is not known to starve.
    fn settle(&self, waiters: &WaitList<Want>, head_left: bool) {
        let waiting = if waiters.is_empty() { WAITING } else { 0 };
        let starving = if head_left { STARVING } else { 0 };
        let gone = waiting | starving;
        let word = self.word.fetch_and(!gone, Ordering::Relaxed) & !gone;
        // Both bits change only under the lock.
        debug_assert!(
            match waiters.is_empty() {
                true => word & (WAITING | STARVING) == 0,
                false => word & WAITING != 0 || self.starve_after.is_some(),
            },
            "{:?}, {waiters:?}",
            Word(word)
        );
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits")
            .field("word", &Word(self.word.load(Ordering::Relaxed)))
            .field("max", &self.max)
            .field("starve_after", &self.starve_after)
            .finish_non_exhaustive()
    }
}

/// One wait for permits. Dropping it leaves the queue and passes on permits that it was given.
#[must_use = "the wait ends when this is dropped"]
pub(crate) struct Wait<P: Deref<Target: AsRef<Permits>>> {
    from: P,
    permits: usize,
    /// `Some` while the waiter is in the queue, or notified and not aware of it.
    ticket: Option<Ticket>,
}

impl<P: Deref<Target: AsRef<Permits>>> Wait<P> {
    /// Creates a wait. It begins with the first [`poll`](Self::poll).
    pub(crate) fn new(from: P, permits: usize) -> Self {
        Self {
            from,
            permits,
            ticket: None,
        }
    }

    /// Returns the owner of the permits, and the number of permits that are waited for.
    pub(crate) fn what(&self) -> (&P, usize) {
        (&self.from, self.permits)
    }

    /// Takes the permits, or waits in the queue and has `waker` called when this is to be polled
    /// again.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Result<(), AcquireError>> {
        if self.ticket.is_none() {
            let taken = (*self.from).as_ref().try_take(self.permits);
            match taken.map_err(TryAcquireError::for_good) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(Some(error)) => return Poll::Ready(Err(error)),
                Err(None) => {}
            }
        }
        // Cloning and dropping a waker is user code. The clone is made before anything changes, and
        // the waker that is left over is dropped outside the lock, when all is settled.
        let waker = waker.clone();
        let (answer, left_over) = match self.ticket.take() {
            Some(ticket) => self.poll_ticket(ticket, waker),
            None => self.join_queue(waker),
        };
        unwind::discard(left_over);
        answer
    }

    /// [`poll`](Self::poll) of a future, which notes what it waits for.
    pub(crate) fn poll_noted(&mut self, waker: &Waker) -> Poll<Result<(), AcquireError>> {
        match self.poll(waker) {
            Poll::Pending => pending((*self.from).as_ref().cause()),
            ready => ready,
        }
    }

    /// Takes the permits after all, or joins the queue. Returns the waker if it is not used.
    fn join_queue(&mut self, waker: Waker) -> (Poll<Result<(), AcquireError>>, Option<Waker>) {
        let from = (*self.from).as_ref();
        let mut waiters = lock(&from.waiters);
        loop {
            let seen = from.word.load(Ordering::Relaxed);
            if seen & CLOSED != 0 {
                return (Poll::Ready(Err(AcquireError::Closed)), Some(waker));
            }
            if seen & from.bars == 0 && has(seen, self.permits) {
                if from.take_from(seen, self.permits).is_ok() {
                    return (Poll::Ready(Ok(())), Some(waker));
                }
            } else if from.exchange(seen, seen | WAITING) {
                let want = Want {
                    permits: self.permits,
                    since: from.starve_after.map(|_| Instant::now()),
                };
                self.ticket = Some(waiters.enqueue(waker, want));
                return (Poll::Pending, None);
            }
        }
    }

    /// Polls a waiter that has joined the queue before. Returns the waker that is not needed any
    /// more.
    fn poll_ticket(
        &mut self,
        ticket: Ticket,
        waker: Waker,
    ) -> (Poll<Result<(), AcquireError>>, Option<Waker>) {
        let from = (*self.from).as_ref();
        let mut waiters = lock(&from.waiters);
        if waiters.signal(&ticket).is_some() {
            let answer = match waiters.redeem(ticket) {
                Ok(Signal::One) => Ok(()),
                Ok(Signal::All) => Err(AcquireError::Closed),
                Err(_) => unreachable!("the ticket was notified"),
            };
            return (Poll::Ready(answer), Some(waker));
        }
        let is_head = waiters.is_head(&ticket);
        let bars = if is_head { 0 } else { STARVING };
        if from.starve_after.is_some() && from.retry(self.permits, bars) {
            let left = waiters.redeem(ticket).err();
            from.settle(&waiters, is_head);
            return (Poll::Ready(Ok(())), left.map(|(other, _)| other));
        }
        let other = waiters.set_waker(&ticket, waker);
        self.ticket = Some(ticket);
        (Poll::Pending, other)
    }

    /// Ends the wait and leaves the queue. Returns what the waiter was notified of; `None` if it
    /// was not notified, or did not wait.
    pub(crate) fn give_up(&mut self) -> Option<Result<(), TryAcquireError>> {
        let ticket = self.ticket.take()?;
        let from = (*self.from).as_ref();
        let redeemed = {
            let mut waiters = lock(&from.waiters);
            let is_head = waiters.is_head(&ticket);
            let redeemed = waiters.redeem(ticket);
            if redeemed.is_err() {
                from.settle(&waiters, is_head);
            }
            redeemed
        };
        match redeemed {
            Ok(Signal::One) => Some(Ok(())),
            Ok(Signal::All) => Some(Err(TryAcquireError::Closed)),
            Err((waker, _)) => {
                from.serve();
                unwind::discard(waker);
                None
            }
        }
    }
}

impl<P: Deref<Target: AsRef<Permits>>> Drop for Wait<P> {
    fn drop(&mut self) {
        if let Some(Ok(())) = self.give_up() {
            (*self.from).as_ref().give_back(self.permits);
        }
    }
}
