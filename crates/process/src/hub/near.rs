//! A worker's side of what needs no message: the credit that it has for puts, the items that were
//! sent before they are asked for (`ahead.rs`), and the permits that it has released (`keys.rs`).

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::wire::{Request, Verb};
use crate::buffers::Body;
use crate::sys::{Claims, Link};

/// What a worker has of objects, by the numbers of these.
#[derive(Default)]
pub(crate) struct Nears(Mutex<HashMap<u64, Weak<Near>>>);

impl Nears {
    /// Returns what the worker has of an object of which a handle has come; all handles of it share
    /// that.
    pub(super) fn get(link: &'static Link, number: u64) -> Arc<Near> {
        let Self(nears) = link.nears();
        let mut nears = nears.lock().unwrap_or_else(PoisonError::into_inner);
        let near = match nears.get(&number).and_then(Weak::upgrade) {
            Some(near) => near,
            None => {
                // Those of which there is no handle any more.
                nears.retain(|_, near| near.strong_count() > 0);
                let near = Arc::new(Near {
                    link,
                    number,
                    come: AtomicU64::new(0),
                    queue: Mutex::default(),
                    released: Mutex::default(),
                });
                nears.insert(number, Arc::downgrade(&near));
                near
            }
        };
        // ORDERING: Relaxed: the last drop is ordered by the count of the shares.
        near.come.fetch_add(1, Ordering::Relaxed);
        near
    }
}

/// The most permits of one semaphore that a worker has released and keeps at hand.
const AT_HAND: usize = 8;

/// What a worker has of one object. All handles have a share of it, and all leases.
pub(crate) struct Near {
    link: &'static Link,
    number: u64,
    /// How often a handle has come.
    come: AtomicU64,
    queue: Mutex<State>,
    /// The permits that it has released without a message, and may take again unless the parent has
    /// taken them back (`keys.rs`).
    released: Mutex<Vec<Lent>>,
}

#[derive(Default)]
struct State {
    /// The number of the words of credit and of telling.
    slot: Option<usize>,
    /// How often an item was put back by this process.
    put_back: u64,
    items: VecDeque<Sent>,
}

impl Drop for Near {
    /// Nothing is left that uses the object, and the parent takes back what was kept at hand.
    fn drop(&mut self) {
        if self.link.is_ours() {
            // ORDERING: Relaxed: as in `get`.
            let come = self.come.load(Ordering::Relaxed);
            let gone = Request::new(Verb::Gone, self.number, come, 0);
            self.link.tell(gone, &[]);
        }
    }
}

/// Permits that are lent, with their word.
#[derive(Clone, Copy)]
pub(super) struct Lent {
    pub(super) sequence: u64,
    /// The number of the request that was granted.
    pub(super) request: u64,
    pub(super) permits: usize,
}

impl Near {
    /// Returns the number of the object.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Debug for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Near({})", self.number)
    }
}

/// Of semaphores.
impl Near {
    fn released(&self) -> MutexGuard<'_, Vec<Lent>> {
        self.released.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes permits again that were released, if there are exactly that many.
    pub(super) fn acquire(&self, permits: usize) -> Option<Lent> {
        let mut released = self.released();
        while let Some(at) = released.iter().position(|lent| lent.permits == permits) {
            let lent = released.swap_remove(at);
            if self.link.is_ours() && self.link.claims().acquire(lent.sequence) {
                return Some(lent);
            }
        }
        None
    }

    /// Releases permits. Returns `false` if that needs a message.
    pub(super) fn release(&self, lent: Lent) -> bool {
        let mut released = self.released();
        let is_released = released.len() < AT_HAND
            && self.link.is_heard()
            && self.link.claims().release(lent.sequence);
        if is_released {
            released.push(lent);
        }
        is_released
    }
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

/// Of queues.
impl Near {
    fn state(&self) -> MutexGuard<'_, State> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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
