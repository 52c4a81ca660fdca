//! The policies for a task that is submitted to a full queue.

/// The policy of a pool for a task that is submitted while as many tasks wait as
/// [`queue_capacity`](crate::Builder::queue_capacity) allows.
///
/// Tasks that a pool's own tasks submit are never refused by the policy: they are accepted over
/// capacity, because a task that waited for room could wait for itself. They count all the same, so
/// there is no room for others until as many tasks have begun. The `try_` and `_timeout` forms do
/// not apply the policy: their errors return the closure.
///
/// Java's `ThreadPoolExecutor` has these policies except the first, by the names of `AbortPolicy`,
/// `CallerRunsPolicy`, `DiscardOldestPolicy` and `DiscardPolicy`.
///
/// # Examples
///
/// ```
/// use workmill::{Builder, CancelReason, Overflow};
///
/// let builder = Builder::new().threads(1).queue_capacity(1);
/// let pool = builder.overflow(Overflow::Reject).build()?;
/// let handles: Vec<_> = (0..1000).map(|n| pool.submit(move || n)).collect();
/// for handle in handles {
///     if let Err(error) = handle.join() {
///         assert_eq!(error.cancel_reason(), Some(CancelReason::Rejected));
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The submitter blocks until there is room. Submitters are served in order of arrival.
    #[default]
    Block,
    /// The task is refused: its handle resolves to cancelled, with
    /// [`CancelReason::Rejected`](crate::CancelReason::Rejected), and a closure without a handle
    /// goes to [`on_rejected`](crate::Builder::on_rejected).
    Reject,
    /// The submitter runs the task itself, before the call returns, and so slows down to the pace
    /// of the pool. Inside the task, [`current`](crate::current) returns the pool.
    CallerRuns,
    /// The task that has waited longest is cancelled in favour of the new one, one for one, with
    /// [`CancelReason::Rejected`](crate::CancelReason::Rejected); only its handle reports this. The
    /// submitter drops it before the call returns. If every waiting task is already being taken
    /// from the queue by a thread, or was submitted by a task of the pool, the new task is dropped
    /// instead.
    DropOldest,
    /// The new task is dropped, and its handle resolves to cancelled, with
    /// [`CancelReason::Rejected`](crate::CancelReason::Rejected). A closure without a handle does
    /// not go to [`on_rejected`](crate::Builder::on_rejected).
    DropNewest,
}
