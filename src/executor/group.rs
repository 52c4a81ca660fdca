//! The owner of a group of tasks: its bound, and its end.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::PoolRef;
use super::ending::is_in_the_way_of;
use crate::admission::{Overflow, View};
use crate::metrics::GroupMetrics;
use crate::pool::TaskGroup;
use crate::wait::{Cause, Deadline};

/// A group of tasks of which only a certain number run at a time.
///
/// Created by [`PoolRef::limited`]. It dereferences to the [`PoolRef`] by which its tasks are
/// submitted, so that all methods of that type can be called on it. A clone is the same group.
/// Views of it submit to the group, too, and groups that are made from it are within it.
///
/// # The limit
///
/// A task of the group begins when it has a permit of the group, and of each group around it. Until
/// then it waits as data. A closure keeps its permits until it has returned, and a future from its
/// first poll to its end. Of a group of one task at a time each task happens before the next.
///
/// A task that [joins](crate::JoinHandle::join) or awaits a task of its group, or of a group
/// within, lends its permits to that, so that it begins: inline, if it is a closure that is joined.
/// The lender goes on when the other has ended. In any other wait, also in a timed join, a task
/// keeps its permits. So the tasks of a group may wait for each other as they may on as many
/// threads. A task that has no permit of the group, and joins a task that waits for one, waits as
/// well.
///
/// Groups in which tasks wait have their turns one after the other, if they are within the same
/// group; the tasks of one group begin in the order of their submission, if they have the same
/// [priority](PoolRef::priority). Between groups that are not within another, and tasks of the pool
/// that are in no group, the pool's queues decide, in which a group has no more tasks than may run.
///
/// # Bounds and the end
///
/// [`queue_capacity`](Self::queue_capacity) bounds the tasks that wait,
/// [`shutdown`](Self::shutdown) ends the group, and [`wait_idle`](PoolRef::wait_idle) waits until
/// the group has nothing to do. All concern the group alone, with the groups within. Tasks that
/// wait count in the pool's [`queue_capacity`](crate::Builder::queue_capacity), too, and the end of
/// the pool finishes or cancels them like all that the pool has accepted.
///
/// # Dropping
///
/// Dropping it, also the last clone, ends nothing: the accepted tasks run.
///
/// # Examples
///
/// Two subsystems share a pool of four threads, of which one may use two:
///
/// ```
/// use workmill::{Priority, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::new(4)?;
/// let thumbnails = pool.limited(2);
/// let answers = pool.priority(Priority::High);
/// let images: Vec<_> = (0..20).map(|n| thumbnails.submit(move || n)).collect();
/// assert_eq!(answers.submit(|| 42).join()?, 42);
/// thumbnails.shutdown(); // finishes the images; the pool goes on
/// assert!(images.iter().all(|image| image.is_finished()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[doc(alias = "TaskTracker")]
pub struct Group {
    pool: PoolRef,
    tasks: Option<usize>,
    overflow: Overflow,
}

impl Group {
    pub(super) fn new(pool: PoolRef) -> Self {
        Self {
            pool,
            tasks: None,
            overflow: Overflow::default(),
        }
    }

    /// Limits the number of tasks that wait for a permit or a thread.
    ///
    /// A submitter that finds the group full does as [`overflow`](Self::overflow) says: it waits,
    /// by default. A task of the same pool that waits [lends its
    /// slot](crate::guide::waiting#waits-for-room). Tasks that tasks of the group, or of a group
    /// around it, submit are always accepted, and count. Without a limit any number may wait.
    ///
    /// It concerns the returned group and what is made from it: set it before the group is cloned.
    ///
    /// # Panics
    ///
    /// Panics if `tasks` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Overflow, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(1)?;
    /// let mail = pool.limited(1).queue_capacity(10).overflow(Overflow::Reject);
    /// let sent: Vec<_> = (0..1000).map(|n| mail.submit(move || n)).collect();
    /// let sent = sent.into_iter().filter_map(|it| it.join().ok()).count();
    /// println!("{sent} of 1000 were sent");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn queue_capacity(mut self, tasks: usize) -> Self {
        assert!(tasks > 0, "a group in which no task may wait");
        self.tasks = Some(tasks);
        self.bound()
    }

    /// Sets what happens to a task that is submitted while as many tasks wait as
    /// [`queue_capacity`](Self::queue_capacity) allows. By default the submitter waits.
    ///
    /// With [`Overflow::CallerRuns`] the submitter runs the task when that has a permit, and waits
    /// for it. With [`Overflow::DropOldest`] the task is cancelled that has waited longest for a
    /// permit, of those of the lowest priority.
    ///
    /// It concerns the returned group and what is made from it: set it before the group is cloned.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::Overflow;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let reports = pool.limited(1).queue_capacity(2).overflow(Overflow::Reject);
    /// assert_eq!(reports.submit(|| "a report").join()?, "a report");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self.bound()
    }

    fn bound(mut self) -> Self {
        if let Some(tasks) = self.tasks {
            let view = self.view().with_group_capacity(tasks, self.overflow);
            self.pool.view = Some(view);
        }
        self
    }

    /// Returns counts of the tasks of the group, those of the groups within included.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mail = pool.limited(1);
    /// mail.submit(|| "sent").join()?;
    /// mail.wait_idle()?;
    /// let metrics = mail.metrics();
    /// assert_eq!((metrics.accepted, metrics.finished), (1, 1));
    /// println!("{metrics}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metrics(&self) -> GroupMetrics {
        self.group().metrics()
    }

    /// Returns the number of tasks of the group that may run at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// assert_eq!(pool.limited(3).limit(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn limit(&self) -> usize {
        self.group().limit()
    }

    /// Shuts the group down: refuses new tasks, and waits for the accepted ones. The pool goes on.
    ///
    /// Tasks of the group that still run may submit to it; the wait includes these tasks, and the
    /// groups within. Submitters that wait for room get a cancelled handle. Closures that come due
    /// later are cancelled then. A series ends instead of its next run.
    ///
    /// # Blocking
    ///
    /// Blocks until every task of the group has ended. Does not wait in a task of the group, or in
    /// the drop of a capture of a task that is being cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let group = pool.limited(1);
    /// let handle = group.submit(|| 42);
    /// group.shutdown();
    /// assert_eq!(handle.join()?, 42);
    /// assert!(group.submit(|| 43).join().unwrap_err().is_cancelled());
    /// assert_eq!(pool.submit(|| 44).join()?, 44);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "close")]
    pub fn shutdown(&self) {
        self.shutdown_until(Deadline::NEVER);
    }

    /// Shuts the group down, and waits for its tasks, but no longer than `timeout`.
    ///
    /// Returns `true` if every task of the group has ended. Nothing is cancelled when the time is
    /// over. [`Duration::ZERO`] checks once; [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until every task of the group has ended or the time is over. In a task of the group,
    /// it closes the group, does not wait, and returns `false`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let group = pool.limited(1);
    /// group.execute(|| println!("quick"));
    /// assert!(group.shutdown_timeout(Duration::from_secs(10)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_timeout(&self, timeout: Duration) -> bool {
        self.shutdown_until(Deadline::after(timeout))
    }

    /// Shuts the group down, and waits for its tasks without blocking.
    ///
    /// The group is closed when the future is polled first. Polled in a task of the group, it does
    /// not wait.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. The shutdown goes on if the future has been polled.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let group = pool.limited(1);
    /// let handle = group.submit(|| 42);
    /// workmill::block_on(group.shutdown_async());
    /// assert!(handle.is_finished());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn shutdown_async(&self) {
        self.close();
        let group = self.group();
        let look = || (self.must_not_wait() || group.unfinished() == 0).then_some(());
        if look().is_none() {
            group.idle.wait_async(look).await;
        }
    }

    /// Refuses new tasks, cancels all tasks of the group that have not begun and all its futures,
    /// and returns the number of them. Does not wait.
    ///
    /// The handles resolve to cancelled with
    /// [`CancelReason::Shutdown`](crate::CancelReason::Shutdown). The closures are dropped on this
    /// thread, the futures by workers. Closures that run are not stopped.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let group = pool.limited(1);
    /// let handles: Vec<_> = (0..1000).map(|n| group.submit(move || n)).collect();
    /// let cancelled = group.shutdown_now();
    /// let errors = handles.into_iter().filter_map(|handle| handle.join().err());
    /// assert_eq!(errors.count(), cancelled);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_now(&self) -> usize {
        self.close();
        match self.pool.pool.is_forked() {
            true => 0,
            false => self.pool.pool.stop_group(self.group()),
        }
    }

    fn close(&self) {
        if !self.pool.pool.is_forked() {
            self.group().close();
            self.view().close_group_bound();
        }
    }

    fn shutdown_until(&self, deadline: Deadline) -> bool {
        self.close();
        let group = self.group();
        let look = || (group.unfinished() == 0).then_some(());
        let is_idle = match self.must_not_wait() {
            true => look(),
            false => group.idle.wait(Cause::Arrival, deadline, look),
        };
        is_idle.is_some()
    }

    fn must_not_wait(&self) -> bool {
        is_in_the_way_of(&self.pool.pool, self.group())
    }

    fn view(&self) -> &Arc<View> {
        let view = self.pool.view.as_ref();
        view.expect("a group has a view")
    }

    fn group(&self) -> &Arc<TaskGroup> {
        self.view().group().expect("the view of a group has one")
    }
}

impl Deref for Group {
    type Target = PoolRef;

    fn deref(&self) -> &PoolRef {
        &self.pool
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("limit", &self.limit())
            .field("is_shutdown", &self.is_shutdown())
            .finish_non_exhaustive()
    }
}
