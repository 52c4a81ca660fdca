//! When the tombstones in the queues of a pool are removed.
//!
//! A tombstone is what is left in a queue of a task that was cancelled, or run inline. A thread
//! that takes it finds nothing to run. If there are many they are removed, in one go; never by the
//! thread that cancels, except if the workers have no time for it, since that would change the
//! order in which a pool of one thread runs its tasks.

use super::here::{Local, Pool, PoolTask};
use crate::pool::link::{MANY_TOMBSTONES, PoolLink};

/// After this number of tasks that were run inline a thread considers sweeping its local queue.
const INLINE_RUNS: usize = 64;

impl Local {
    /// Removes the tombstones if they are many, and more than half of what lies in the injector.
    #[inline]
    pub(in crate::pool) fn sweep_if_wanted(&self) {
        if self.shared.link.tombstones() >= MANY_TOMBSTONES {
            self.outside(|| self.sweep());
        }
    }

    #[cold]
    fn sweep(&self) {
        let pool = &self.shared;
        if pool.link.tombstones() <= pool.queue.injected() / 2 {
            return;
        }
        let swept = self.held.with_queue(|own| {
            let own = own?;
            pool.link.swept();
            pool.queue.sweep(own, |task| task.meet_if_gone(self));
            Some(())
        });
        if swept.is_some() {
            // The tasks that were kept were in no queue for a moment.
            pool.task_pushed();
        }
    }

    /// Counts a task that was run inline; its tombstone lies in a queue, most likely in the local
    /// one.
    pub(super) fn count_inline_run(&self) {
        let runs = self.running.count_inline_run();
        if runs < INLINE_RUNS {
            return;
        }
        let swept = self.held.with_queue(|own| match own {
            // A sweep would cost more than it gives back.
            Some(own) if runs < own.len() / 4 * 3 => false,
            own => {
                if let Some(own) = own {
                    let is_gone = |task: &PoolTask| task.meet_if_gone(self);
                    self.shared.queue.sweep_local(own, is_gone);
                }
                true
            }
        });
        if swept {
            self.running.reset_inline_runs();
            // The tasks that were kept were in no queue for a moment.
            self.shared.task_pushed();
        }
    }
}

impl Pool {
    /// Removes the tombstones in the queues of a pool, if they are more than half of what lies in
    /// the injector: for a thread that has left many, while the workers have no time for it.
    pub(crate) fn sweep(link: PoolLink) {
        let Some(pool) = Self::of(link) else {
            return;
        };
        let tombstones = link.tombstones();
        if tombstones > pool.queue.injected() / 2 {
            link.swept();
            let (few, gone) = (tombstones / 2, |task: &PoolTask| pool.sweeps(task));
            pool.queue.sweep_any(few, gone, PoolTask::has_begun);
            // The tasks that were kept were in no queue for a moment, and a tombstone may have been
            // the last task.
            pool.task_pushed();
            pool.check_quiescence();
        }
    }
}
