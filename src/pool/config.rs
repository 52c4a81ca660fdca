//! A pool as it is to be, as plain data.
//!
//! [`Builder`](crate::Builder) fills it, so that nothing down here needs to know the builder.

/// What happens to a task that is submitted while as many wait as
/// [`queue_capacity`](crate::Builder::queue_capacity) allows.
///
/// Tasks that a pool's own tasks submit are never turned away by it: they are admitted over
/// capacity, because a task that waited for room could wait for itself. Neither are the `try_`
/// forms concerned, which say [`Full`](crate::TrySubmitError::Full) whatever the policy.
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
    /// [`CancelReason::Rejected`](crate::CancelReason::Rejected).
    Reject,
}

/// What a pool is made from.
pub(crate) struct Config {
    pub(crate) queue_capacity: Option<usize>,
    pub(crate) overflow: Overflow,
    /// One for each thread.
    pub(crate) thread_names: Vec<String>,
    pub(crate) stack_size: Option<usize>,
}
