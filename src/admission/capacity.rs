//! The limit on the tasks that wait, and the permit that each of these tasks holds.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::refusal::Refusal;
use crate::fork::{NotInherited, Stamp};
use crate::pool::{Local, Pool};
use crate::room::Of;
use crate::sync::permits::{MAX_PERMITS, Permits, Wait};
use crate::task::Token;

/// The limit on the tasks that wait, and the policy for a task that finds no room.
pub(crate) struct Capacity {
    pub(super) permits: Permits,
    pub(super) overflow: Overflow,
    /// Whether a permit stands for a free thread rather than for room in the queue. It is then kept
    /// until the closure has returned.
    is_hand_off: bool,
    /// The process in which the pool was built.
    process: Stamp,
}

impl Capacity {
    /// Creates a capacity with room for `capacity` tasks. With 0 there is room for as many tasks as
    /// threads are free, of the given number of `threads`.
    pub(crate) fn new(capacity: usize, overflow: Overflow, threads: usize) -> Arc<Self> {
        let is_hand_off = capacity == 0;
        let free = if is_hand_off { threads } else { capacity };
        Arc::new(Self {
            permits: Permits::new(free, MAX_PERMITS, None).as_limit_of(Of::Tasks),
            overflow,
            is_hand_off,
            process: Stamp::now(),
        })
    }

    /// Releases a permit, except in a forked child, since the threads that wait for it are in the
    /// parent.
    fn give_back(&self) {
        if self.process.is_here() {
            self.permits.give_back(1);
        }
    }

    /// Acquires a permit, and waits for it without blocking.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        pool: &Arc<Pool>,
    ) -> Result<CapacityPermit, Refusal> {
        let mut wait = NotInherited::new(Wait::new(&self.permits, 1));
        let granted = poll_fn(|cx| match pool.is_forked() {
            true => Poll::Ready(Err(Refusal::Forked)),
            false => {
                let answer = wait.poll_noted(cx.waker());
                if answer.is_pending() {
                    pool.submitter_waits();
                }
                answer.map_err(|_| Refusal::Shutdown)
            }
        });
        granted.await?;
        Ok(CapacityPermit(Arc::clone(self)))
    }
}

/// The events of which a pool tells its bound.
impl Capacity {
    pub(super) fn worker_blocks(&self) {
        if self.is_hand_off {
            self.give_back();
        }
    }

    pub(super) fn worker_resumes(&self) {
        if self.is_hand_off {
            self.permits.take_anyway();
        }
    }

    pub(super) fn resized(&self, before: usize, now: usize) {
        if self.is_hand_off {
            self.permits.give_back(now.saturating_sub(before));
            for _ in now..before {
                self.permits.take_anyway();
            }
        }
    }

    pub(super) fn submitters_wait(&self) -> bool {
        self.is_hand_off && self.permits.has_waiters()
    }
}

/// A permit: room in the queue, or the use of a free thread. Its drop releases it.
pub(crate) struct CapacityPermit(pub(super) Arc<Capacity>);

impl CapacityPermit {
    /// Takes a permit for a task that has come due, whether there is room or not. Returns `None` if
    /// the pool has no limit.
    pub(crate) fn anyway(pool: &Pool, capacity: Option<&Arc<Capacity>>) -> Option<Self> {
        Some(Self::over(pool, capacity?))
    }

    /// Takes a permit whether there is room or not.
    pub(super) fn over(pool: &Pool, capacity: &Arc<Capacity>) -> Self {
        if !capacity.permits.take_anyway() && !pool.is_stopping() {
            pool.incidents.over_capacity.add_one();
        }
        Self(Arc::clone(capacity))
    }

    /// Takes a permit if there is room: `Some(None)` if the pool has no limit, and `None` if there
    /// is no room.
    pub(crate) fn if_room(capacity: Option<&Arc<Capacity>>) -> Option<Option<Self>> {
        let Some(capacity) = capacity else {
            return Some(None);
        };
        let taken = capacity.permits.try_take(1).is_ok();
        taken.then(|| Some(Self(Arc::clone(capacity))))
    }
}

impl Token for CapacityPermit {
    type Kept = Option<Self>;
    type Extra = ();

    fn extra(&self) {}

    fn begin(self) -> Self::Kept {
        // A task that is run inline needs no free thread.
        let is_kept = self.0.is_hand_off && !Local::runs_inline();
        Some(self).filter(|_| is_kept)
    }
}

impl Drop for CapacityPermit {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

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
#[doc(alias = "RejectedExecutionHandler")]
pub enum Overflow {
    /// The submitter blocks until there is room. Submitters are served in order of arrival. A task
    /// of another pool [lends its slot](crate::guide::waiting#waits-for-room) meanwhile.
    #[default]
    Block,
    /// The task is refused: its handle resolves to cancelled, with
    /// [`CancelReason::Rejected`](crate::CancelReason::Rejected), and a closure without a handle
    /// goes to [`on_rejected`](crate::Builder::on_rejected).
    #[doc(alias = "AbortPolicy")]
    Reject,
    /// The submitter runs the task itself, before the call returns, and so slows down to the pace
    /// of the pool. Inside the task, [`current`](crate::current) returns the pool.
    #[doc(alias = "CallerRunsPolicy")]
    CallerRuns,
    /// The task that has waited longest is cancelled in favour of the new one, one for one, with
    /// [`CancelReason::Rejected`](crate::CancelReason::Rejected); only its handle reports this. The
    /// submitter drops it before the call returns. A task that waits in a [group](crate::Group) is
    /// cancelled if no other waits. If every waiting task is already being taken from the queue by
    /// a thread, or was submitted by a task of the pool, the new task is dropped instead.
    #[doc(alias = "DiscardOldestPolicy")]
    DropOldest,
    /// The new task is dropped, and its handle resolves to cancelled, with
    /// [`CancelReason::Rejected`](crate::CancelReason::Rejected). A closure without a handle does
    /// not go to [`on_rejected`](crate::Builder::on_rejected).
    #[doc(alias = "DiscardPolicy")]
    DropNewest,
}
