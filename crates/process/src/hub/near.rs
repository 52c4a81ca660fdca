//! A worker's side of what goes ahead (`ahead.rs`): the credit that it has for puts, and the items
//! that were sent before they are asked for.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::buffers::Body;
use crate::sys::Claims;

/// What a worker has of its queues, by the numbers of these.
#[derive(Default)]
pub(crate) struct Nears(Mutex<HashMap<u64, Weak<Near>>>);

impl Nears {
    /// Returns what the worker has of a queue; all handles of the queue share it.
    pub(super) fn get(&self, queue: u64) -> Arc<Near> {
        let mut nears = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(near) = nears.get(&queue).and_then(Weak::upgrade) {
            return near;
        }
        // Those of queues of which there is no handle any more.
        nears.retain(|_, near| near.strong_count() > 0);
        let near = Arc::default();
        nears.insert(queue, Arc::downgrade(&near));
        near
    }
}

/// What a worker has of one queue.
#[derive(Default)]
pub(crate) struct Near(Mutex<State>);

#[derive(Default)]
struct State {
    /// The word in which there is credit.
    credit: Option<usize>,
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
        let credit = self.state().credit;
        credit.is_some_and(|slot| claims.spend(slot))
    }

    /// Notes where credit is, as the answer to a put says it.
    pub(super) fn note_credit(&self, number: u64) {
        if let Some(slot) = number.checked_sub(1) {
            self.state().credit = Some(slot as usize);
        }
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
