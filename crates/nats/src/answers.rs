//! How outcomes get to those who wait, without user code on the thread of the connection.
//!
//! Whoever answers a promise may have to call what the user has given: a callback of a shared
//! handle, a drop of a result. So a thread of a pool answers, many at a time if they come fast.

use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use workmill::{PoolRef, Promise};

use crate::shared::Outcome;

pub(crate) struct Answers {
    queue: Mutex<Queue>,
    pool: PoolRef,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<(Promise<Outcome>, Outcome)>,
    /// A task of the pool will take all that wait.
    is_taken: bool,
}

impl Answers {
    pub(crate) fn new(pool: &PoolRef) -> Self {
        Self {
            queue: Mutex::default(),
            pool: pool.clone(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn give(self: &Arc<Self>, promise: Promise<Outcome>, outcome: Outcome) {
        let mut queue = self.queue();
        queue.waiting.push((promise, outcome));
        if !std::mem::replace(&mut queue.is_taken, true) {
            drop(queue);
            let answers = Arc::clone(self);
            self.pool.execute(move || answers.give_all());
        }
    }

    fn give_all(self: &Arc<Self>) {
        let all = {
            let mut queue = self.queue();
            // An answer may wait for a later one: that is given by another thread of the pool.
            queue.is_taken = false;
            std::mem::take(&mut queue.waiting)
        };
        for (promise, outcome) in all {
            // One that was cancelled needs none.
            let _ = promise.complete(outcome);
        }
    }
}
