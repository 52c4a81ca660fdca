//! What happens to a task that is submitted to a full queue.

/// What happens to a task that is submitted while as many wait as
/// [`queue_capacity`](crate::Builder::queue_capacity) allows.
///
/// Tasks that a pool's own tasks submit are never turned away by it: they are admitted over
/// capacity, because a task that waited for room could wait for itself. They count all the same, so
/// there is no room for others until as many have begun. The `try_` and `_timeout` forms are not
/// concerned; they give the closure back whatever the policy.
///
/// Java's `ThreadPoolExecutor` has the same policies but the first, by the names of
/// `AbortPolicy`, `CallerRunsPolicy`, `DiscardOldestPolicy` and `DiscardPolicy`.
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
    /// The submitter waits until there is room. Those who wait are served in order of arrival.
    #[default]
    Block,
    /// The task is turned away: its handle resolves to cancelled, with
    /// [`CancelReason::Rejected`](crate::CancelReason::Rejected), and a closure without a handle
    /// goes to [`on_rejected`](crate::Builder::on_rejected).
    Reject,
    /// The submitter runs the task itself, before the call returns: it is slowed down to the
    /// pace of the pool. Inside, [`current`](crate::current) is the pool, as for any of its tasks.
    CallerRuns,
    /// The task that has waited longest is cancelled in favour of the new one, one for one, with
    /// [`CancelReason::Rejected`](crate::CancelReason::Rejected); nobody is told but its handle. It is
    /// dropped by the submitter, before the call returns. When every waiting task is already in
    /// the hands of some thread, or was submitted by one, the new one is dropped.
    DropOldest,
    /// The new task is dropped: like `Reject`, but it does not go to
    /// [`on_rejected`](crate::Builder::on_rejected).
    DropNewest,
}
