//! A counting semaphore that serves its waiters in order of arrival.
//!
//! # Words
//! A *permit* is the right that the semaphore counts. The word holds the free permits and two
//! bits, WAITING and CLOSED; the line holds those who wait. A permit that was taken when none was
//! free is a *debt*: the count is then below zero, and as many releases come to nothing.
//!
//! # Invariants
//! 1. WAITING is set exactly while the line is not empty. It changes only under the lock.
//! 2. While WAITING is set no permit is free, and the count changes only under the lock, but for
//!    debts, which only lower it.
//! 3. CLOSED, once set, stays.
//!
//! # Protocol
//! *Acquire:* take a permit by one exchange if one is free, and that is all. Else, under the
//! lock, look once more; if none is free, set WAITING by an exchange that expects none
//! free, and join the line.
//! *Release:* add a permit by one exchange that expects WAITING clear. Else, under the lock, pay
//! a debt if there is one; if not, notify the head, whose permit it is from then on: the count does
//! not move, so no newcomer can overtake. (A debt made at that moment comes after the hand-over.)
//! *Give up* (timeout, dropped future): redeem the ticket; if it was notified first, the permit is
//! there and is used or released again.
//!
//! # Why no permit and no wake-up is lost
//! The exchange that adds a permit and the one that sets WAITING are on one word. If the permit
//! comes first, the other fails, looks again and takes it. If WAITING comes first, the release
//! fails and goes to the lock, where it finds the line: its owner joins it before it
//! lets the lock go. What happens between a notified waiter and its own giving up is
//! decided under the lock, see [`wait_list`](crate::sync::wait_list).
//!
//! # Why not otherwise
//! The line needs no state word for each waiter: timeout against grant could be one exchange
//! there, but the lock has to be taken to leave the line anyway, and under the lock it is a plain
//! comparison.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::wait_list::{Signal, Ticket, WaitList};
use crate::error::{AcquireError, TryAcquireError};
use crate::primitive::{AtomicUsize, Deadline, Mutex, Ordering, block_until, lock};
use crate::unwind;

const CLOSED: usize = 1;
const WAITING: usize = 1 << 1;
/// One permit in the word.
const PERMIT: usize = 1 << 2;

/// The free permits in a word; below zero are debts.
fn count(word: usize) -> isize {
    (word as isize) >> PERMIT.trailing_zeros()
}

/// Counts permits, and lets those who find none wait their turn.
///
/// Like Python's `threading.Semaphore` and tokio's, with the four forms of this crate: they
/// may all wait at one semaphore at the same time, threads and futures of any runtime alike.
///
/// # Fairness
///
/// First come, first served, with hand-off: a released permit belongs to the longest
/// waiter at once, and nobody who comes later can take it. Under contention this costs a
/// thread switch for each permit; that is the price of nobody starving.
///
/// # Dropping
///
/// Waiters borrow the semaphore, so none can be left when it is dropped.
///
/// # Examples
///
/// ```
/// use workmill::Semaphore;
///
/// let keys = Semaphore::new(2);
/// let first = keys.acquire()?;
/// let second = keys.acquire()?;
/// assert!(keys.try_acquire().is_err());
/// drop(first);
/// assert!(keys.try_acquire().is_ok());
/// # drop(second);
/// # Ok::<(), workmill::AcquireError>(())
/// ```
pub struct Semaphore {
    word: AtomicUsize,
    line: Mutex<WaitList>,
}

impl Semaphore {
    /// The largest number of permits that a semaphore can hold.
    pub const MAX_PERMITS: usize = isize::MAX as usize / PERMIT;

    /// Makes a semaphore with so many free permits.
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    pub fn new(permits: usize) -> Self {
        assert!(
            permits <= Self::MAX_PERMITS,
            "a semaphore holds at most {} permits, not {permits}",
            Self::MAX_PERMITS
        );
        Self {
            word: AtomicUsize::new(permits * PERMIT),
            line: Mutex::new(WaitList::default()),
        }
    }

    /// Waits for a permit.
    ///
    /// # Blocking
    ///
    /// Until a permit is handed to this thread or the semaphore is closed. What was done before a
    /// permit was released has happened before the next owner of it goes on.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] if the semaphore is or gets closed.
    pub fn acquire(&self) -> Result<Permit<'_>, AcquireError> {
        match self.acquire_until(Deadline::NEVER) {
            Ok(()) => Ok(Permit { semaphore: self }),
            Err(_) => Err(AcquireError),
        }
    }

    /// Takes a permit if one is free; never waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::NoPermits`] if none is free, which is so while anyone waits;
    /// [`TryAcquireError::Closed`] if the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Semaphore, TryAcquireError};
    ///
    /// let keys = Semaphore::new(1);
    /// let permit = keys.try_acquire()?;
    /// assert_eq!(keys.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    /// # drop(permit);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.try_take().map(|()| Permit { semaphore: self })
    }

    /// Waits for a permit, but no longer than `timeout`.
    ///
    /// [`Duration::ZERO`] takes what is there; [`Duration::MAX`] waits for ever.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::NoPermits`] when the time is over, [`TryAcquireError::Closed`] if the
    /// semaphore is or gets closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let empty = workmill::Semaphore::new(0);
    /// assert!(empty.acquire_timeout(Duration::from_millis(5)).is_err());
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_>, TryAcquireError> {
        self.acquire_until(Deadline::after(timeout))
            .map(|()| Permit { semaphore: self })
    }

    /// Returns a future that waits for a permit.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the line; a permit that it was given meanwhile goes to the
    /// next waiter.
    ///
    /// # Errors
    ///
    /// The future gives [`AcquireError`] if the semaphore is or gets closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::future::block_on;
    ///
    /// let keys = workmill::Semaphore::new(1);
    /// let permit = block_on(keys.acquire_async())?;
    /// # drop(permit);
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    pub fn acquire_async(&self) -> Acquire<'_> {
        Acquire {
            wait: Wait::new(self),
        }
    }

    /// Tells how many permits are free, as of a moment ago.
    pub fn available_permits(&self) -> usize {
        usize::try_from(count(self.word.load(Ordering::Relaxed))).unwrap_or(0)
    }

    /// Closes the semaphore: all who wait, now or later, get an error.
    ///
    /// Permits that are out stay valid. Closing twice does nothing more.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::new(0);
    /// std::thread::scope(|scope| {
    ///     let waiter = scope.spawn(|| keys.acquire().is_err());
    ///     keys.close();
    ///     assert!(waiter.join().unwrap());
    /// });
    /// ```
    pub fn close(&self) {
        let woken = {
            let mut line = lock(&self.line);
            self.word.fetch_or(CLOSED, Ordering::AcqRel);
            let woken = line.notify_all(Signal::Closed);
            self.word.fetch_and(!WAITING, Ordering::AcqRel);
            woken
        };
        woken.into_iter().for_each(unwind::wake);
    }

    /// Tells whether the semaphore was closed.
    pub fn is_closed(&self) -> bool {
        self.word.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Takes a permit by one exchange, if one is free.
    pub(crate) fn try_take(&self) -> Result<(), TryAcquireError> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 {
                return Err(TryAcquireError::Closed);
            }
            if count(word) <= 0 {
                return Err(TryAcquireError::NoPermits);
            }
            // ORDERING: Acquire takes what the last owner released in `release`.
            match self.word.compare_exchange_weak(
                word,
                word - PERMIT,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(seen) => word = seen,
            }
        }
    }

    /// As [`try_take`](Self::try_take), for one who will wait if there is none.
    fn take_or_refuse(&self) -> Option<Result<(), AcquireError>> {
        match self.try_take() {
            Ok(()) => Some(Ok(())),
            Err(TryAcquireError::Closed) => Some(Err(AcquireError)),
            Err(TryAcquireError::NoPermits) => None,
        }
    }

    pub(crate) fn acquire_until(&self, deadline: Deadline) -> Result<(), TryAcquireError> {
        let mut wait = Wait::new(self);
        let granted = block_until(deadline, |waker| match wait.poll(waker) {
            Poll::Ready(granted) => Some(granted),
            Poll::Pending => None,
        });
        match granted {
            Some(granted) => granted.map_err(|AcquireError| TryAcquireError::Closed),
            None => wait.give_up().unwrap_or(Err(TryAcquireError::NoPermits)),
        }
    }

    /// Gives one permit to the longest waiter, or sets it free.
    pub(crate) fn release(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITING == 0 {
            match self.add_to(word) {
                Ok(()) => return,
                Err(seen) => word = seen,
            }
        }
        let woken = {
            let mut line = lock(&self.line);
            let mut word = self.word.load(Ordering::Relaxed);
            // A debt is paid first. And if the line emptied before we had the lock, the permit is
            // set free; nobody can set WAITING meanwhile.
            while count(word) < 0 || line.is_empty() {
                match self.add_to(word) {
                    Ok(()) => return,
                    Err(seen) => word = seen,
                }
            }
            let woken = line.notify_one(Signal::Proceed);
            self.after_departure(&line);
            woken
        };
        if let Some(waker) = woken {
            unwind::wake(waker);
        }
    }

    fn add_to(&self, word: usize) -> Result<(), usize> {
        assert!(
            count(word) < count(Self::MAX_PERMITS * PERMIT),
            "a semaphore holds at most MAX_PERMITS permits"
        );
        let more = word.wrapping_add(PERMIT);
        // ORDERING: Release hands our writes to `try_take`.
        self.word
            .compare_exchange_weak(word, more, Ordering::Release, Ordering::Relaxed)
            .map(drop)
    }

    /// Takes a permit whether one is free or not, closed or not; `true` if one was free.
    pub(crate) fn take_anyway(&self) -> bool {
        // ORDERING: as in `try_take`.
        count(self.word.fetch_sub(PERMIT, Ordering::Acquire)) > 0
    }

    /// Takes a permit if one is free, closed or not.
    pub(crate) fn take_free(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while count(word) > 0 {
            // ORDERING: as in `try_take`.
            match self.word.compare_exchange_weak(
                word,
                word - PERMIT,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(seen) => word = seen,
            }
        }
        false
    }

    /// Keeps invariant 1 after someone has left the line.
    fn after_departure(&self, line: &WaitList) {
        if line.is_empty() {
            self.word.fetch_and(!WAITING, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// One wait for one permit; dropped, it leaves the line and passes on what it was given.
struct Wait<'a> {
    semaphore: &'a Semaphore,
    ticket: Option<Ticket>,
}

impl<'a> Wait<'a> {
    fn new(semaphore: &'a Semaphore) -> Self {
        Self {
            semaphore,
            ticket: None,
        }
    }

    fn poll(&mut self, waker: &Waker) -> Poll<Result<(), AcquireError>> {
        if self.ticket.is_none() {
            if let Some(taken) = self.semaphore.take_or_refuse() {
                return Poll::Ready(taken);
            }
        }
        // Cloned before anything changes, and what is left over dropped when all is settled,
        // outside the lock: it is user code.
        let waker = waker.clone();
        let (answer, left_over) = match self.ticket.take() {
            Some(ticket) => self.look_in_line(ticket, waker),
            None => self.join_line(waker),
        };
        unwind::discard(left_over);
        answer
    }

    /// Takes a permit after all, or stands at the end of the line; gives back an unused waker.
    fn join_line(&mut self, waker: Waker) -> (Poll<Result<(), AcquireError>>, Option<Waker>) {
        let mut line = lock(&self.semaphore.line);
        let word = &self.semaphore.word;
        loop {
            if let Some(taken) = self.semaphore.take_or_refuse() {
                return (Poll::Ready(taken), Some(waker));
            }
            let seen = word.load(Ordering::Relaxed);
            // A permit or the end may have come since; then look again.
            let none_free = seen & CLOSED == 0 && count(seen) <= 0;
            if none_free
                && word
                    .compare_exchange(seen, seen | WAITING, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                self.ticket = Some(line.enqueue(waker));
                return (Poll::Pending, None);
            }
        }
    }

    /// Looks what has become of the ticket; gives back a waker that is not needed (any more).
    fn look_in_line(
        &mut self,
        ticket: Ticket,
        waker: Waker,
    ) -> (Poll<Result<(), AcquireError>>, Option<Waker>) {
        let mut line = lock(&self.semaphore.line);
        if line.signal(&ticket).is_none() {
            let other = line.set_waker(&ticket, waker);
            self.ticket = Some(ticket);
            return (Poll::Pending, Some(other));
        }
        let answer = match line.redeem(ticket) {
            Ok(Signal::Proceed) => Ok(()),
            Ok(Signal::Closed) => Err(AcquireError),
            Err(_) => unreachable!("the ticket was notified"),
        };
        (Poll::Ready(answer), Some(waker))
    }

    /// Leaves the line; `None` if nothing came in time.
    fn give_up(&mut self) -> Option<Result<(), TryAcquireError>> {
        let ticket = self.ticket.take()?;
        let redeemed = {
            let mut line = lock(&self.semaphore.line);
            let redeemed = line.redeem(ticket);
            self.semaphore.after_departure(&line);
            redeemed
        };
        match redeemed {
            Ok(Signal::Proceed) => Some(Ok(())),
            Ok(Signal::Closed) => Some(Err(TryAcquireError::Closed)),
            Err(waker) => {
                unwind::discard(waker);
                None
            }
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(Ok(())) = self.give_up() {
            self.semaphore.release();
        }
    }
}

/// Waits for a permit; made by [`Semaphore::acquire_async`].
///
/// Dropping it leaves the line, and passes a permit on that it was given meanwhile.
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a> {
    wait: Wait<'a>,
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<Permit<'a>, AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let semaphore = self.wait.semaphore;
        self.wait
            .poll(cx.waker())
            .map(|granted| granted.map(|()| Permit { semaphore }))
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("semaphore", self.wait.semaphore)
            .finish_non_exhaustive()
    }
}

/// A permit that borrows its semaphore. Dropping it releases the permit, while unwinding too.
#[must_use = "a permit is released when it is dropped"]
#[derive(Debug)]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.semaphore.release();
    }
}
