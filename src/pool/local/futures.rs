//! Where a future goes when it is woken.
//!
//! To the local queue of the thread that wakes it, behind what is there, if that is a thread of the pool;
//! from elsewhere to the injector, like what is submitted there. So it waits its turn among the
//! closures, and neither can keep the other from running.
//!
//! A future has a [`PoolLink`], as a handle has, and keeps no share of the pool. It is
//! woken only while it is unfinished, and a pool whose tasks are unfinished is there.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use super::{Local, Pool, PoolTask};
use crate::pool::link::PoolLink;
use crate::task::Token;
use crate::task::cell::HandleRef;
use crate::timer::alarm;

/// A pool that was reached by its link. Dropped on the timer's thread as the last that the pool has, it is
/// dropped elsewhere.
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
    /// The pool that this leads to, while it lives.
    pub(crate) fn of(link: PoolLink) -> Option<Reached> {
        let pool = link.pool()?.into_any().downcast().ok()?;
        Some(Reached(Some(pool)))
    }

    /// Makes a task of a future that this thread has counted, and registers it.
    pub(crate) fn make_future<P, F>(&self, token: P, future: F) -> (PoolTask, HandleRef<F::Output>)
    where
        P: Token,
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let (link, slot) = (self.link, Local::with(|local| local?.slot_index()));
        let schedule = move |task| push_woken(link, task);
        PoolTask::future(token, future, schedule, |end| self.spawned.add(slot, end))
    }
}

fn push_woken(link: PoolLink, task: PoolTask) {
    if link.is_forked() {
        // Its pool has no threads here, and to drop it might wait for a lock of the parent's for ever.
        return std::mem::forget(task);
    }
    if let Some(local) = Local::innermost().filter(|local| local.shared.link == link) {
        return local.shared.push(task);
    }
    match Pool::of(link) {
        Some(pool) => pool.push(task),
        None => unreachable!("a pool with unfinished tasks is there"),
    }
}
