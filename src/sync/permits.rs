//! Permits that are counted, and the line of those who wait for some.
//!
//! What a [`Semaphore`](crate::Semaphore) is made of, and the gate of a bounded pool.
//!
//! # Words
//! A *permit* is the right that is counted. The word holds the free permits and three bits, WAITING,
//! HUNGRY and CLOSED; the line holds those who wait, with what each of them wants. A permit that was
//! taken when none was free is a *debt*: the count is then below zero, and as many releases come to
//! nothing. A *newcomer* takes permits without having stood in the line.
//!
//! Those who wait are served in order. By the *fair* rule permits are handed to them, and no newcomer
//! takes any meanwhile. By the *unfair* rule they are nudged, to try again, and newcomers may be
//! faster; until the head has lost its *patience*: then it is served like a fair one, and HUNGRY
//! says so while it wants more than is free.
//!
//! # Invariants
//! 1. The line changes only under its lock. WAITING is set while somebody stands in it, unless by the
//!    unfair rule all who do have been nudged and have not looked yet.
//! 2. While a bit of `bars` is set no newcomer takes a permit: CLOSED always; WAITING by the fair
//!    rule; HUNGRY by the unfair.
//! 3. The head of a line that is served by hand-over wants more than is free, unless somebody is on
//!    the way to serve it. Debts only lower what is free.
//! 4. CLOSED, once set, stays.
//!
//! # Protocol
//! *Take:* by one exchange, if enough are free and nothing bars it, and that is all. Else, under the
//! lock, look once more; if it still cannot be, set WAITING by an exchange that expects the word as
//! it was seen, and join the line.
//! *Release:* (R1) add by one exchange; (R2) if WAITING was set in the word that it replaced, serve.
//! *Serve*, under the lock. Fair, or the head has waited for long: if it wants more than is free, set
//! WAITING, and HUNGRY if unfair, by an exchange that expects the word as it was seen; if not, take what
//! it wants off the word and notify it, whose permits they are from then on, and go on with the next.
//! Unfair: nudge all from the head on for whom there is enough after those before; then set WAITING, or
//! clear it if these were all, by such an exchange.
//! *Who was nudged*, under the lock: take what it wants and leave the line; or else set WAITING, by an
//! exchange that expects too few to be free.
//! *Give up* (timeout, dropped future): redeem the ticket; if it was notified first, the permits are
//! there and are used or released again. If not, whoever is the head now is served: it may want less.
//!
//! # Why no permit and no wake-up is lost
//! The exchange that adds permits and those that set WAITING are on one word. If the permits come
//! first, the exchange of the one who joins fails, or it has seen them; either way it looks again. If
//! WAITING comes first, R1 replaces a word with WAITING and serves, under the lock, which the one who
//! joins holds until it stands in the line. Invariant 3 can only end by a release, by a departure of
//! the head, or by its notification, and each of them serves. Whoever was nudged looks under the lock
//! before it sleeps again, and its exchange expects too few to be free. If it takes its permits, as many
//! are left for the others as were counted for them when they were nudged, or not; if it gives up, it
//! serves. What happens between a notified waiter and its own giving up is decided under the lock,
//! see [`wait_list`](crate::sync::wait_list). A future that was notified or nudged and that nobody polls
//! keeps what it was told of, not more: the others are served from the rest.
//!
//! # Why not otherwise
//! The line needs no state word for each waiter: timeout against grant could be one exchange
//! there, but the lock has to be taken to leave the line anyway, and under the lock it is a plain
//! comparison. Permits that a release adds are for a moment free before they are handed over; nobody
//! can take them but a debtor, who may.

use std::fmt;
use std::ops::Deref;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::wait_list::{Signal, Ticket, WaitList, wake_all};
use crate::fork::Stamp;
use crate::primitive::{AtomicUsize, Mutex, Ordering, lock, spin_loop};
use crate::sync::error::{AcquireError, ReleaseError, TryAcquireError};
use crate::unwind;
use crate::wait::{Deadline, block_until};

const CLOSED: usize = 1;
const WAITING: usize = 1 << 1;
const STARVING: usize = 1 << 2;
/// One permit in the word.
const PERMIT: usize = 1 << 3;

/// The most permits that the word can count.
///
/// Half of what fits, so that [few](FEW) which are given back beside others do not overflow it.
pub(crate) const MAX_PERMITS: usize = isize::MAX as usize / PERMIT / 2;

/// How many permits are given back by adding them first and taking off what is too much: so many that a
/// million threads which do so at the same moment add no more than the other half of what fits.
const FEW: usize = MAX_PERMITS >> 20;

/// The free permits in a word; below zero are debts.
fn count(word: usize) -> isize {
    (word as isize) >> PERMIT.trailing_zeros()
}

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

/// What a waiter wants.
#[derive(Debug)]
struct Want {
    permits: usize,
    /// Since when, if that matters.
    since: Option<Instant>,
}

impl Want {
    fn has_waited(&self, starve_after: Duration) -> bool {
        self.since
            .is_some_and(|since| since.elapsed() >= starve_after)
    }
}

/// The count and the line.
pub(crate) struct Permits {
    word: AtomicUsize,
    /// The bits that keep newcomers from taking permits.
    bars: usize,
    /// How long they may pass the head of the line; `None` for the fair rule.
    starve_after: Option<Duration>,
    /// No more than so many are ever free.
    max: usize,
    waiters: Mutex<WaitList<Want>>,
}

/// What has come of serving the head.
enum Served {
    /// The waker is to be called, after which the next waiter may have to be served.
    GoOn(Waker),
    /// The waker, if there is one, is to be called, and that is all.
    Done(Option<Waker>),
}

impl AsRef<Permits> for Permits {
    fn as_ref(&self) -> &Permits {
        self
    }
}

impl Permits {
    /// So many free permits of at most `max`. With `starve_after` by the unfair rule.
    pub(crate) fn new(free: usize, max: usize, starve_after: Option<Duration>) -> Self {
        assert!(
            free <= max && max <= MAX_PERMITS,
            "a semaphore holds at most {MAX_PERMITS} permits, not {free}"
        );
        Self {
            word: AtomicUsize::new(free * PERMIT),
            bars: CLOSED
                | if starve_after.is_none() {
                    WAITING
                } else {
                    STARVING
                },
            starve_after,
            max,
            waiters: Mutex::new(WaitList::new()),
        }
    }

    /// Counts the free permits, a snapshot, may be stale.
    pub(crate) fn available(&self) -> usize {
        usize::try_from(count(self.word.load(Ordering::Relaxed))).unwrap_or(0)
    }

    /// The most that can ever be free.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Takes permits by one exchange, if enough are free.
    #[inline]
    pub(crate) fn try_take(&self, permits: usize) -> Result<(), TryAcquireError> {
        let (mut word, mut pauses) = (self.word.load(Ordering::Relaxed), 16);
        loop {
            // Who wants nothing overtakes nobody.
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

    /// Reads the word again after an exchange on it has failed: a little later each time, so that the
    /// one who was faster may go on with the cache line at hand.
    #[cold]
    fn word_after_a_pause(&self, pauses: &mut u32) -> usize {
        (0..*pauses).for_each(|_| spin_loop());
        *pauses = (*pauses * 2).min(64);
        self.word.load(Ordering::Relaxed)
    }

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

    /// Takes permits off the word, if it is as it was seen.
    #[inline]
    fn take_from(&self, word: usize, permits: usize) -> Result<(), usize> {
        debug_assert!(has(word, permits), "{:?} has not {permits}", Word(word));
        let less = word.wrapping_sub(permits * PERMIT);
        // ORDERING: Acquire takes what the last owner released in `add`.
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
        match self.try_take(permits) {
            Err(TryAcquireError::NoPermits) => self.wait_until(permits, deadline),
            decided => decided,
        }
    }

    #[cold]
    fn wait_until(&self, permits: usize, deadline: Deadline) -> Result<(), TryAcquireError> {
        let mut wait = Wait::new(self, permits);
        let granted = block_until(deadline, |waker| match wait.poll(waker) {
            Poll::Ready(granted) => Some(granted),
            Poll::Pending => None,
        });
        match granted {
            Some(granted) => granted.map_err(TryAcquireError::from),
            None => wait.give_up().unwrap_or(Err(TryAcquireError::NoPermits)),
        }
    }

    /// Adds permits: some for those who wait, and the rest is free. Too many change nothing.
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
            // ORDERING: Release hands our writes to `take_from`, by way of the line too: who serves
            // acquires before it notifies.
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

    /// Gives back permits that were taken. If someone else has added some in their place meanwhile, so
    /// many come to nothing.
    #[inline]
    pub(crate) fn give_back(&self, permits: usize) {
        if permits > FEW {
            return self.give_back_many(permits);
        }
        // ORDERING: as in `add`.
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

    /// The same for so many that the word might overflow before what is too much is taken off again.
    #[cold]
    fn give_back_many(&self, permits: usize) {
        let max = self.max as isize;
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            // What is above the most already is about to be taken off by whoever brought it.
            let more = (max - count(word)).clamp(0, permits as isize) as usize;
            let new = word.wrapping_add(more * PERMIT);
            debug_assert!(count(new) <= max.max(count(word)), "{:?}", Word(new));
            // ORDERING: as in `add`.
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

    /// Takes a permit whether one is free or not, closed or not; `true` if one was free.
    pub(crate) fn take_anyway(&self) -> bool {
        // ORDERING: as in `take_from`.
        count(self.word.fetch_sub(PERMIT, Ordering::Acquire)) > 0
    }

    /// Takes a permit if one is free, closed or not.
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

    /// Refuses everyone who waits, now or later.
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

    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Serves those at the head of the line as far as the permits go.
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
            // A waker may fork; those who wait are of the parent.
            if !process.is_here() {
                return;
            }
        }
    }

    /// Serves the head of the line, and says whether another may have to be served too.
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
                return match waiters.is_empty() {
                    true => Served::Done(Some(waker)),
                    false => Served::GoOn(waker),
                };
            }
        }
        Served::Done(None)
    }

    /// Nudges the first that was not, if enough is free for it and all before it; `None` if the word is
    /// no longer as it was seen.
    fn wake_next_to_retry(&self, waiters: &mut WaitList<Want>, word: usize) -> Option<Served> {
        let mut free = count(word);
        let woken = waiters.wake_next_to_retry(|want| {
            free -= want.permits as isize;
            free >= 0
        });
        let is_settled = match woken {
            Some(waker) => return Some(Served::GoOn(waker)),
            // All are on the way, and look after what is released meanwhile.
            None if free >= 0 => self.exchange(word, word & !WAITING),
            None => self.exchange(word, word | WAITING),
        };
        is_settled.then_some(Served::Done(None))
    }

    /// Changes the word from what was seen.
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

    /// Only `close` changes CLOSED. By the fair rule STARVING is never set, and only `settle` clears
    /// WAITING.
    fn may_become(&self, seen: usize, new: usize) -> bool {
        let is_unfair = self.starve_after.is_some();
        seen & CLOSED == new & CLOSED
            && (is_unfair || new & STARVING == 0)
            && (is_unfair || seen & WAITING <= new & WAITING)
    }

    /// Takes permits for one who stands in an unfair line, or has it wait on.
    #[must_use]
    fn retry(&self, permits: usize, is_head: bool) -> bool {
        loop {
            let seen = self.word.load(Ordering::Relaxed);
            if has(seen, permits) && (is_head || seen & STARVING == 0) {
                if self.take_from(seen, permits).is_ok() {
                    return true;
                }
            } else if self.exchange(seen, seen | WAITING) {
                return false;
            }
        }
    }

    /// Keeps invariant 1 after someone has left the line. If it was the head, the next one is not hungry
    /// yet.
    fn settle(&self, waiters: &WaitList<Want>, head_left: bool) {
        let waiting = if waiters.is_empty() { WAITING } else { 0 };
        let starving = if head_left { STARVING } else { 0 };
        let gone = waiting | starving;
        let word = self.word.fetch_and(!gone, Ordering::Relaxed) & !gone;
        // Both bits are only changed under the lock.
        debug_assert!(
            match waiters.is_empty() {
                true => word & (WAITING | STARVING) == 0,
                false => word & WAITING != 0 || self.starve_after.is_some(),
            },
            "{:?}, and the queue is {}",
            Word(word),
            if waiters.is_empty() { "empty" } else { "not" }
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

/// One wait for permits; dropped, it leaves the line and passes on what it was given.
#[must_use = "a wait ends when this is dropped"]
pub(crate) struct Wait<P: Deref<Target: AsRef<Permits>>> {
    from: P,
    permits: usize,
    ticket: Option<Ticket>,
}

impl<P: Deref<Target: AsRef<Permits>>> Wait<P> {
    pub(crate) fn new(from: P, permits: usize) -> Self {
        Self {
            from,
            permits,
            ticket: None,
        }
    }

    /// Whose permits, and how many.
    pub(crate) fn what(&self) -> (&P, usize) {
        (&self.from, self.permits)
    }

    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Result<(), AcquireError>> {
        if self.ticket.is_none() {
            let taken = (*self.from).as_ref().try_take(self.permits);
            match taken.map_err(TryAcquireError::for_good) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(Some(error)) => return Poll::Ready(Err(error)),
                Err(None) => {}
            }
        }
        // Cloned before anything changes, and what is left over dropped when all is settled,
        // outside the lock: it is user code.
        let waker = waker.clone();
        let (answer, left_over) = match self.ticket.take() {
            Some(ticket) => self.poll_ticket(ticket, waker),
            None => self.join_queue(waker),
        };
        unwind::discard(left_over);
        answer
    }

    /// Takes permits after all, or stands at the end of the line; gives back an unused waker.
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

    /// Looks what has become of the ticket; gives back a waker that is not needed (any more).
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
        if from.starve_after.is_some() && from.retry(self.permits, is_head) {
            let left = waiters.redeem(ticket).err();
            from.settle(&waiters, is_head);
            return (Poll::Ready(Ok(())), left.map(|(other, _)| other));
        }
        let other = waiters.set_waker(&ticket, waker);
        self.ticket = Some(ticket);
        (Poll::Pending, other)
    }

    /// Leaves the line; `None` if nothing came in time.
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
