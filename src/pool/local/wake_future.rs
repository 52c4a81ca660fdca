//! Where a future goes when it is woken.
//!
//! To the local queue of the thread that wakes it, behind what is there, if that is a worker of the
//! pool; from elsewhere to the injector, like what is submitted there. So the future waits its turn
//! among the closures, and neither kind can keep the other from running.
//!
//! A future has a [`PoolLink`], as a handle has, and keeps no share of the pool. It is woken only
//! while it is unfinished, and a pool whose tasks are unfinished exists.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use super::here::{Local, Pool, PoolTask, with_innermost};
use crate::pool::link::PoolLink;
use crate::task::Token;
use crate::task::cell::HandleRef;
use crate::timer::alarm;

/// A pool that was reached by its link. If this is the last that keeps the pool, and is dropped on
/// the timer's thread, the pool is dropped on another.
pub(crate) struct Reached(Option<Arc<Pool>>);

impl Deref for Reached {
    type Target = Arc<Pool>;

    fn deref(&self) -> &Arc<Pool> {
        self.0.as_ref().expect("whole until it is dropped")
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        let Some(pool) = self.0.take().filter(|_| alarm::is_this_thread()) else {
            return;
        };
        if let Some(last) = Arc::into_inner(pool) {
            // Its hooks are the user's. If there is no other thread they are dropped here.
            drop(alarm::call_elsewhere(move || drop(last)));
        }
    }
}

impl Pool {
    /// Returns the pool that the link leads to, while it lives.
    pub(crate) fn of(link: PoolLink) -> Option<Reached> {
        let pool = link.pool()?.into_any().downcast().ok()?;
        Some(Reached(Some(pool)))
    }

    /// Makes a task of a future that this thread has accepted, and registers it. `slot` is the slot
    /// that this thread holds, if it does.
    #[inline]
    pub(crate) fn make_future<P, F>(
        &self,
        slot: Option<usize>,
        token: P,
        future: F,
    ) -> (PoolTask, HandleRef<F::Output>)
    where
        P: Token,
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let link = self.link;
        let schedule = move |task| push_woken(link, task);
        let register = |future| self.spawned.add(slot, future);
        PoolTask::future(token, future, schedule, register)
    }
}

fn push_woken(link: PoolLink, task: PoolTask) {
    if link.is_forked() {
        // Its pool has no threads here, and to drop it might wait for a lock of the parent's
        // forever.
        return std::mem::forget(task);
    }
    with_innermost(|local| match local {
        Some(local) if local.is_worker() && local.shared.link == link => local.push_begun(task),
        _ => push_elsewhere(link, local, task),
    });
}

/// Pushes a woken future from a thread that is not a worker of its pool innermost.
#[cold]
fn push_elsewhere(link: PoolLink, innermost: Option<&Local>, task: PoolTask) {
    match innermost {
        // Without the lock of the link.
        Some(local) if local.shared.link == link => local.shared.push_begun(task),
        _ => match Pool::of(link) {
            Some(pool) => pool.push_begun(task),
            None => unreachable!("a pool with unfinished tasks exists"),
        },
    }
}
