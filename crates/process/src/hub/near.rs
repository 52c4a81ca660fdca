//! A worker's side of what needs no message: the credit that it has for puts, the items that were
//! sent before they are asked for (`ahead.rs`), and the permits that it has released (`keys.rs`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::registry::There;
use super::wire::Verb;
use crate::buffers::Body;
use crate::sys::{Claims, Link};

/// What a worker has of its queues and semaphores, by the numbers of these.
#[derive(Default)]
pub(crate) struct Nears {
    queues: Known<Near>,
    keys: Known<NearKeys>,
}

type Known<T> = Mutex<HashMap<u64, Weak<T>>>;

impl Nears {
    /// Returns what the worker has of a queue; all handles of the queue share it.
    pub(super) fn queue(&self, there: There) -> Arc<Near> {
        known(&self.queues, there.number, Near::default)
    }

    /// Returns what the worker has of a semaphore; all handles of it share that.
    pub(super) fn keys(&self, there: There) -> Arc<NearKeys> {
        let new = || NearKeys {
            there,
            released: Mutex::default(),
        };
        known(&self.keys, there.number, new)
    }
}

fn known<T>(known: &Known<T>, number: u64, new: impl FnOnce() -> T) -> Arc<T> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(near) = known.get(&number).and_then(Weak::upgrade) {
        return near;
    }
    // Those of which there is no handle any more.
    known.retain(|_, near| near.strong_count() > 0);
    let near = Arc::new(new());
    known.insert(number, Arc::downgrade(&near));
    near
}

/// The most permits of one semaphore that a worker has released and keeps at hand.
const AT_HAND: usize = 8;

/// The permits of one semaphore that a worker has released without a message, and may take again
/// unless the parent has taken them back (`keys.rs`).
pub(crate) struct NearKeys {
    there: There,
    released: Mutex<Vec<Lent>>,
}

/// Permits that are lent, with their word.
#[derive(Clone, Copy)]
pub(super) struct Lent {
    pub(super) sequence: u64,
    /// The number of the request that was granted.
    pub(super) request: u64,
    pub(super) permits: usize,
}

impl NearKeys {
    fn released(&self) -> MutexGuard<'_, Vec<Lent>> {
        self.released.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes permits again that were released, if there are exactly that many.
    pub(super) fn acquire(&self, permits: usize) -> Option<Lent> {
        let link = self.there.link;
        let mut released = self.released();
        while let Some(at) = released.iter().position(|lent| lent.permits == permits) {
            let lent = released.swap_remove(at);
            if link.is_ours() && link.claims().acquire(lent.sequence) {
                return Some(lent);
            }
        }
        None
    }

    /// Releases permits. Returns `false` if that needs a message.
    pub(super) fn release(&self, lent: Lent) -> bool {
        let link = self.there.link;
        let mut released = self.released();
        let is_released =
            released.len() < AT_HAND && link.is_heard() && link.claims().release(lent.sequence);
        if is_released {
            released.push(lent);
        }
        is_released
    }
}

impl Drop for NearKeys {
    /// No handle is left, so nobody takes them again.
    fn drop(&mut self) {
        for lent in std::mem::take(&mut *self.released()) {
            self.there.give_back(Verb::Release, lent.request);
        }
    }
}

/// What a worker has of one queue.
#[derive(Default)]
pub(crate) struct Near(Mutex<State>);

#[derive(Default)]
struct State {
    /// The number of the words of credit and of telling.
    slot: Option<usize>,
    /// How often an item was put back by this process.
    put_back: u64,
    items: VecDeque<Sent>,
}

/// An item that was sent.
pub(super) struct Sent {
    pub(super) sequence: u64,
    body: Arc<Body>,
    from: usize,
    to: usize,
}

impl Sent {
    /// Makes it of an item that lies in the body of an answer.
    pub(super) fn new(sequence: u64, body: &Arc<Body>, item: &[u8]) -> Self {
        let from = item.as_ptr().addr() - body.as_ptr().addr();
        Self {
            sequence,
            body: Arc::clone(body),
            from,
            to: from + item.len(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.body[self.from..self.to]
    }
}

impl Near {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one of the credit. Returns `false` if none is left.
    pub(super) fn spend(&self, claims: &Claims) -> bool {
        let slot = self.state().slot;
        slot.is_some_and(|slot| claims.spend(slot))
    }

    /// Notes which words are those of the queue, as the answer to a put or a get says it.
    pub(super) fn note_slot(&self, number: u64) {
        if let Some(slot) = number.checked_sub(1) {
            self.state().slot = Some(slot as usize);
        }
    }

    /// Notes that an item is done which was sent ahead. Returns `false` if that needs a message.
    pub(super) fn done(&self, link: &Link, sequence: u64) -> bool {
        let slot = self.state().slot.filter(|_| link.is_heard_besides());
        slot.is_some_and(|slot| !link.claims().done(sequence, slot))
    }

    /// Takes the first item that was sent and not taken back.
    pub(super) fn take(&self, claims: &Claims, for_good: bool) -> Option<Sent> {
        let mut state = self.state();
        loop {
            let sent = state.items.pop_front()?;
            if claims.take(sent.sequence, for_good) {
                return Some(sent);
            }
        }
    }

    /// Returns what [`keep`](Self::keep) has to be told. To be called before items are asked for.
    pub(super) fn put_back(&self) -> u64 {
        self.state().put_back
    }

    /// Keeps items that were sent, except if one was put back since they were asked for: that comes
    /// first, so the next get asks the parent, which takes these back.
    pub(super) fn keep(&self, put_back: u64, items: impl Iterator<Item = Sent>) {
        let mut state = self.state();
        if state.put_back == put_back {
            state.items.extend(items);
        }
    }

    /// Forgets the items that were sent, since one is put back, which comes before them.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.put_back += 1;
        state.items.clear();
    }
}
