//! The part of a capacity that the pool itself knows.

use std::any::Any;
use std::sync::Arc;

/// A bound on what may be submitted to a pool, as the pool sees it.
///
/// Permits and policies are decided above the pool (`admission/`). The pool only tells its bound
/// what happens to the threads that the bound may count.
pub(crate) trait QueueBound: Send + Sync {
    /// A worker is about to wait inside its task, and runs nothing meanwhile.
    fn worker_blocks(&self);

    /// The worker goes on with its task.
    fn worker_resumes(&self);

    /// The pool is to run `now` tasks at a time, and ran `before` until now.
    fn resized(&self, before: usize, now: usize);

    /// The pool takes no more tasks: submitters that wait for room are refused. Calls their wakers.
    fn closed(&self);

    /// The bound itself, for the rooms above that know its type.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}
