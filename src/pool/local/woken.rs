//! Where a future goes when it is woken.
//!
//! To the lane of the thread that wakes it, behind what is there, if that is a thread of the pool;
//! from elsewhere to the injector, like what is submitted there. So it waits its turn among the
//! closures, and neither can keep the other from running.
//!
//! A future knows the [`Origin`] of its pool, as a handle does, and keeps no share of the pool. It is
//! woken only while it is unfinished, and a pool whose tasks are unfinished is there.

use std::future::Future;
use std::sync::Arc;

use super::{Local, Pool, PoolTask};
use crate::pool::origin::Origin;
use crate::task::Token;
use crate::task::cell::HandleEnd;

impl Pool {
    /// The pool that this is the origin of, while it lives.
    pub(crate) fn of(origin: &Origin) -> Option<Arc<Self>> {
        origin.pool()?.into_any().downcast().ok()
    }

    /// Makes a task of a future that this thread has counted, and registers it.
    pub(crate) fn make_future<P, F>(&self, token: P, future: F) -> (PoolTask, HandleEnd<F::Output>)
    where
        P: Token,
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let (origin, slot) = (self.origin, Local::with(|local| local?.slot_index()));
        let schedule = move |task| push_woken(origin, task);
        PoolTask::future(token, future, schedule, |end| self.live.add(slot, end))
    }
}

fn push_woken(origin: &'static Origin, task: PoolTask) {
    if origin.is_forked() {
        // Its pool has no threads here, and to drop it might wait for a lock of the parent's for ever.
        return std::mem::forget(task);
    }
    if let Some(local) =
        Local::innermost().filter(|local| std::ptr::eq(local.shared.origin, origin))
    {
        return local.shared.push(task);
    }
    match Pool::of(origin) {
        Some(pool) => pool.push(task),
        None => unreachable!("a pool with unfinished tasks is there"),
    }
}
