//! Permits that go back and forth without messages, while nobody else wants one.
//!
//! A lock that one process takes and releases again and again, and that no other wants, would cost
//! a round trip each time. So permits that are granted to a worker are lent with a word of memory
//! that both share (`sys/claims.rs`). To release them the worker exchanges HELD for RELEASED, and
//! says nothing; to acquire as many again, it exchanges RELEASED for HELD. The parent does not
//! know, and need not, until somebody *wants* permits: another process, a thread here, or one that
//! asks how many are free.
//!
//! # Wanting
//!
//! One that wants permits and finds too few, or wants to know their number, is counted in
//! [`State::wanting`], under the lock, and then goes through all that are lent. Those that are
//! RELEASED become GONE, and are given back. Those that are HELD become WANTED: the worker's
//! exchange fails when it releases them, and it sends a message, which gives them back.
//! While anybody is counted, none are lent in this way: a worker that gets permits then has none of
//! these words, and sends a message.
//!
//! Why nobody waits in vain: permits that are not free are HELD without a word, HELD and WANTED, or
//! about to be given back by one that has found them RELEASED. All of these come back by a message,
//! the death of the process, or at once. Permits that were lent before are one of these since the
//! waiter went through them, and none are lent while it is counted.
//!
//! Why none is told that there is no permit while one is in somebody's hands who is giving it back:
//! it waits until it has been given back ([`State::moving`]), which takes no longer than that.
//!
//! Why the order of the hub holds: the next holder must see all that the last one has asked of the
//! hub before it released. A release by message is behind those requests in the socket. So a worker
//! releases by the word only if the parent has answered something that was sent after all that it
//! has told without an answer (`Link::is_heard`): then nothing of that is on its way.
//!
//! Why the turn of waiters is kept: a worker takes permits again without asking only while nobody
//! waits; the first that waits makes them WANTED or GONE.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use workmill::{OwnedPermit, Semaphore, TryAcquireError};

use super::words::Words;

/// The number of times that a thread looks whether others have put things where they belong. It is
/// more than that takes; a waker that calls the object while its own thread does just that must not
/// hang.
pub(super) const LOOKS: u32 = 10_000;

/// A semaphore of the parent.
pub(super) struct Keys {
    inner: Arc<Semaphore>,
    lent: Mutex<State>,
}

#[derive(Default)]
struct State {
    lent: Vec<Lent>,
    /// The number of those that want permits, or want to know how many are free.
    wanting: usize,
    /// The number of those that give permits back that were released.
    moving: usize,
}

/// Permits that a worker may release by a word.
struct Lent {
    words: Arc<Words>,
    sequence: u64,
    /// The number of the request that was granted.
    request: u64,
    permits: OwnedPermit,
}

/// One that wants permits, and has gone through those that are lent.
pub(super) struct Wanting<'a>(&'a Keys);

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        self.0.state().wanting -= 1;
    }
}

impl Keys {
    pub(super) fn new(semaphore: Arc<Semaphore>) -> Self {
        Self {
            inner: semaphore,
            lent: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the semaphore, for one that wants permits, or their number, or changes it.
    pub(super) fn wanted(&self) -> (Wanting<'_>, &Arc<Semaphore>) {
        let mut state = self.state();
        state.wanting += 1;
        let wanting = Wanting(self);
        let mut back = Vec::new();
        let mut at = 0;
        while let Some(lent) = state.lent.get(at) {
            match lent.words.claims().want(lent.sequence) {
                true => back.push(state.remove(at)),
                false => at += 1,
            }
        }
        state.moving += 1;
        drop(state);
        drop(back);
        self.state().moving -= 1;
        let mut looks = 0..LOOKS;
        while looks.next().is_some() && self.state().moving > 0 {
            thread::yield_now();
        }
        (wanting, &self.inner)
    }

    /// Acquires permits if they are free.
    pub(super) fn try_acquire(&self, permits: usize) -> Result<OwnedPermit, TryAcquireError> {
        match self.inner.try_acquire_many_owned(permits) {
            Err(TryAcquireError::NoPermits) => {
                let (_wanting, semaphore) = self.wanted();
                semaphore.try_acquire_many_owned(permits)
            }
            decided => decided,
        }
    }

    /// Lends permits to a worker. Returns the number of their word; or the permits, if the worker
    /// has to tell when it releases them.
    pub(super) fn lend(
        &self,
        words: &Arc<Words>,
        request: u64,
        permits: OwnedPermit,
    ) -> Result<u64, OwnedPermit> {
        let mut state = self.state();
        if state.wanting > 0 || self.inner.is_closed() || permits.permits() == 0 {
            return Err(permits);
        }
        let Some(sequence) = words.take() else {
            return Err(permits);
        };
        words.claims().lend(sequence);
        let words = Arc::clone(words);
        state.lent.push(Lent {
            words,
            sequence,
            request,
            permits,
        });
        Ok(sequence)
    }

    /// Takes out what was lent for a request.
    pub(super) fn take(&self, words: &Arc<Words>, request: u64) -> Option<OwnedPermit> {
        let mut state = self.state();
        let is_it = |lent: &Lent| lent.request == request && Arc::ptr_eq(&lent.words, words);
        let at = state.lent.iter().position(is_it)?;
        Some(state.remove(at))
    }

    /// Gives back all that was lent to a process which has died.
    pub(super) fn end(&self, words: &Arc<Words>) {
        let mut state = self.state();
        let (mut back, mut at) = (Vec::new(), 0);
        while let Some(lent) = state.lent.get(at) {
            match Arc::ptr_eq(&lent.words, words) {
                true => back.push(state.remove(at)),
                false => at += 1,
            }
        }
        drop(state);
        drop(back);
    }

    /// Closes the semaphore: what is lent is wanted, so that none is acquired any more.
    pub(super) fn close(&self) {
        self.inner.close();
        drop(self.wanted());
    }
}

impl State {
    /// Takes permits out, whose word can be used again.
    fn remove(&mut self, at: usize) -> OwnedPermit {
        let lent = self.lent.remove(at);
        lent.words.give(lent.sequence);
        lent.permits
    }
}
