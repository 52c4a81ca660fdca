//! The trait by which a pool knows the capacity of its queue: an observer that it tells of events.

use std::any::Any;
use std::sync::Arc;

/// Receives the events of a pool: a capacity, which may count the pool's free threads.
///
/// Permits and policies are decided above the pool (`admission/`), and the pool names neither.
pub(crate) trait PoolObserver: Send + Sync {
    /// A worker is about to wait inside its task, and runs nothing meanwhile.
    fn worker_blocks(&self);

    /// The worker goes on with its task.
    fn worker_resumes(&self);

    /// The pool is to run `now` tasks at a time, and ran `before` until now.
    fn resized(&self, before: usize, now: usize);

    /// Returns `true` if submitters wait for a free thread, and no task waits in the queue for
    /// them.
    fn submitters_wait(&self) -> bool;

    /// The pool takes no more tasks: submitters that wait for room are refused. Calls their wakers.
    fn closed(&self);

    /// Returns the observer itself, for the modules above that know its type.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}
