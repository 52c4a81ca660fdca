//! Waiting until a pool is idle, and shutting it down.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::{PoolRef, ThreadPoolExecutor};
use crate::error::{StillRunning, WouldDeadlock};
use crate::pool::{Local, Pool, TaskGroup, holds_up};
use crate::wait::{Cause, Deadline, pending};
use crate::warning::StillWaiting;

/// How long a shutdown or a drop waits before the user is warned.
const WARN_AFTER: Duration = Duration::from_secs(5);

impl PoolRef {
    /// Blocks until the pool has nothing to do.
    ///
    /// Returns once there has been a moment at which every accepted task had ended. Each handle has
    /// resolved by then, except those of tasks that another thread is cancelling at that moment.
    /// Tasks that are submitted during the wait are waited for, too. The pool is not shut down. For
    /// a reference of a [`Group`](crate::Group), all this concerns the tasks of the group alone,
    /// and so it does in the other forms.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] at once when called by a task of this pool, which would wait for itself,
    /// and in a forked child process, where the pool has no threads.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.submit(|| 42);
    /// pool.wait_idle()?;
    /// assert!(handle.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "join")]
    #[doc(alias = "awaitQuiescence")]
    pub fn wait_idle(&self) -> Result<(), WouldDeadlock> {
        self.wait_idle_until(Deadline::NEVER).map(drop)
    }

    /// Blocks until the pool has nothing to do, but no longer than `timeout`.
    ///
    /// Returns `true` if there was a moment at which every accepted task had ended, and `false`
    /// when the time is over. [`Duration::ZERO`] checks once; [`Duration::MAX`] waits forever.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] at once when called by a task of this pool, which would wait for itself,
    /// and in a forked child process, where the pool has no threads.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// pool.execute(|| std::thread::sleep(Duration::from_millis(50)));
    /// assert!(!pool.wait_idle_timeout(Duration::ZERO)?);
    /// assert!(pool.wait_idle_timeout(Duration::MAX)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_idle_timeout(&self, timeout: Duration) -> Result<bool, WouldDeadlock> {
        self.wait_idle_until(Deadline::after(timeout))
    }

    /// Waits without blocking until the pool has nothing to do.
    ///
    /// The future resolves once there has been a moment at which every accepted task had ended,
    /// tasks included that are submitted during the wait.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] when polled by a task of this pool, which would wait for itself, and in a
    /// forked child process, where the pool has no threads.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait, and has no effect on the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::block_on;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.submit(|| 42);
    /// block_on(pool.wait_idle_async())?;
    /// assert!(handle.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn wait_idle_async(&self) -> Result<(), WouldDeadlock> {
        if let Some(group) = self.group() {
            return self.wait_for_group_async(group).await;
        }
        let mut joiner = self.pool.idle_joiner();
        poll_fn(|cx| {
            if self.pool.is_forked() {
                return Poll::Ready(Err(WouldDeadlock));
            }
            // In this order: inside a task the pool is never idle, but in a waker that the pool
            // calls it is.
            if joiner.poll(cx.waker()) {
                Poll::Ready(Ok(()))
            } else if self.pool.waits_for_this_thread() {
                Poll::Ready(Err(WouldDeadlock))
            } else {
                pending(Cause::Arrival)
            }
        })
        .await
    }

    /// Blocks until the pool has ended, and does not bring that about.
    ///
    /// The pool ends when an owner shuts it down or its last owner is dropped. This returns when
    /// every accepted task and every thread has ended, including the destructors of thread-locals.
    /// It is like `awaitTermination` in Java.
    ///
    /// # Blocking
    ///
    /// Blocks until every worker has ended: forever, while nobody shuts the pool down.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] at once if the end of the pool would wait for this thread: in a task of
    /// this pool, and wherever [`shutdown`](ThreadPoolExecutor::shutdown) does not wait. In a
    /// forked child process a pool of the parent [has ended](Self::is_terminated).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let reference = pool.handle();
    /// let watcher = thread::spawn(move || reference.wait_terminated());
    /// pool.execute(|| println!("the last sack"));
    /// drop(pool);
    /// watcher.join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_terminated(&self) -> Result<(), WouldDeadlock> {
        if self.wait_terminated_until(Deadline::NEVER)? && !self.must_not_wait() {
            self.pool.join_threads();
        }
        Ok(())
    }

    /// Blocks until the pool has ended, but no longer than `timeout`, and does not bring that
    /// about.
    ///
    /// Returns `true` if every accepted task has ended and every thread has left the pool, and
    /// `false` when the time is over. Threads may still be running the destructors of their
    /// thread-locals. [`Duration::ZERO`] checks once; [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until every thread has left the pool or the time is over.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] at once if the end of the pool would wait for this thread: in a task of
    /// this pool, and wherever [`shutdown`](ThreadPoolExecutor::shutdown) does not wait. In a
    /// forked child process a pool of the parent [has ended](Self::is_terminated).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// assert!(!pool.wait_terminated_timeout(Duration::from_millis(1))?);
    /// pool.shutdown();
    /// assert!(pool.wait_terminated_timeout(Duration::ZERO)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_terminated_timeout(&self, timeout: Duration) -> Result<bool, WouldDeadlock> {
        self.wait_terminated_until(Deadline::after(timeout))
    }

    /// Waits without blocking until the pool has ended, and does not bring that about.
    ///
    /// When the future resolves, every accepted task has ended and every thread has left the pool;
    /// threads may still be running the destructors of their thread-locals.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] if the end of the pool would wait for the thread that polls: in a task of
    /// this pool, and wherever [`shutdown`](ThreadPoolExecutor::shutdown) does not wait. In a
    /// forked child process a pool of the parent [has ended](Self::is_terminated).
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait, and has no effect on the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::block_on;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let ended = pool.handle();
    /// pool.shutdown_background();
    /// block_on(ended.wait_terminated_async())?;
    /// assert!(ended.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn wait_terminated_async(&self) -> Result<(), WouldDeadlock> {
        let mut watcher = self.pool.watch_threads();
        poll_fn(|cx| {
            // In this order: in a child process the watcher takes no lock.
            if self.is_terminated() || !self.must_not_wait() && watcher.poll(cx.waker()) {
                Poll::Ready(Ok(()))
            } else if self.must_not_wait() {
                Poll::Ready(Err(WouldDeadlock))
            } else {
                pending(Cause::Arrival)
            }
        })
        .await
    }

    fn wait_terminated_until(&self, deadline: Deadline) -> Result<bool, WouldDeadlock> {
        match (self.is_terminated(), self.must_not_wait()) {
            (true, _) => Ok(true),
            (false, true) => Err(WouldDeadlock),
            (false, false) => Ok(self.pool.wait_for_threads(deadline)),
        }
    }

    fn wait_idle_until(&self, deadline: Deadline) -> Result<bool, WouldDeadlock> {
        match self.group() {
            Some(group) if is_in_the_way_of(&self.pool, group) => Err(WouldDeadlock),
            Some(group) => {
                let look = || (group.unfinished() == 0).then_some(());
                Ok(group.idle.wait(Cause::Arrival, deadline, look).is_some())
            }
            None if self.must_not_wait() => Err(WouldDeadlock),
            None => Ok(self.pool.wait_idle(deadline)),
        }
    }

    async fn wait_for_group_async(&self, group: &TaskGroup) -> Result<(), WouldDeadlock> {
        let look = || match is_in_the_way_of(&self.pool, group) {
            true => Some(Err(WouldDeadlock)),
            false => (group.unfinished() == 0).then_some(Ok(())),
        };
        match look() {
            Some(decided) => decided,
            None => group.idle.wait_async(look).await,
        }
    }

    /// Returns the group of this view, if it has one.
    fn group(&self) -> Option<&Arc<TaskGroup>> {
        self.view.as_ref()?.group()
    }

    /// Returns `true` if the pool has been shut down, or the group of this reference.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// assert!(!pool.is_shutdown());
    /// pool.shutdown_now();
    /// assert!(pool.is_shutdown());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "isShutdown")]
    pub fn is_shutdown(&self) -> bool {
        let is_closed = self.pool.is_closed() || self.pool.is_forked();
        is_closed
            || self
                .group()
                .is_some_and(|group| group.path().any(TaskGroup::is_closed))
    }

    /// Returns `true` if the pool has ended: it was shut down, every task has ended, and every
    /// thread has left the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// assert!(!pool.is_terminated());
    /// pool.shutdown();
    /// assert!(pool.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "isTerminated")]
    pub fn is_terminated(&self) -> bool {
        self.pool.is_terminated() || self.pool.is_forked()
    }

    /// Closes the pool and waits until its threads have ended, unless this thread would wait for
    /// itself.
    pub(super) fn close_and_join(&self) {
        self.close();
        if self.must_not_wait() {
            return;
        }
        let (began, runs) = (Instant::now(), self.pool.runs_now());
        if !self.pool.wait_for_threads(Deadline::after(WARN_AFTER)) {
            let running = self.pool.still_running(&runs);
            let warning = StillWaiting::new(began.elapsed(), running);
            // A shutdown in the function that is told would wait, and tell, in turn.
            Local::in_the_way(self.pool.link, || self.pool.hooks.still_waiting(warning));
        }
        // The function may have forked.
        if !self.pool.is_forked() {
            self.pool.join_threads();
        }
    }

    fn close(&self) {
        if !self.pool.is_forked() {
            self.pool.close();
        }
    }

    /// Returns `true` if a wait for the pool would not end on this thread: the pool waits for this
    /// thread, or belongs to another process (perhaps since the drop of a capture has forked).
    fn must_not_wait(&self) -> bool {
        self.pool.is_forked() || self.pool.waits_for_this_thread()
    }
}

/// Returns `true` if a wait for a group would not end on this thread: the thread runs a task of the
/// group, or drops what a task has captured, or the pool belongs to another process.
pub(super) fn is_in_the_way_of(pool: &Pool, group: &TaskGroup) -> bool {
    pool.is_forked() || holds_up(group) || pool.waits_for_drops_here()
}

impl ThreadPoolExecutor {
    /// Shuts the pool down: refuses new tasks, waits for the accepted tasks, then for the threads
    /// to end.
    ///
    /// Tasks that are still running may submit to their own pool; the wait includes these tasks,
    /// and pending futures too. Closures that were submitted for later and are not due are
    /// cancelled. A periodic series ends, after the run that is under way. Submitters that wait for
    /// room get a cancelled handle.
    ///
    /// `shutdown` may be called more than once, and from several threads: each call returns when
    /// the pool has ended.
    ///
    /// # Blocking
    ///
    /// Blocks until every accepted task and every thread has ended, including the destructors of
    /// thread-locals. After five seconds it warns once, with
    /// [`Warning::StillWaiting`](crate::Warning::StillWaiting), and goes on waiting. The call does
    /// not wait on a worker of this pool, in a task that its submitter runs, in the drop of a
    /// capture of a task that is being cancelled, or in hooks such as
    /// [`on_thread_start`](crate::Builder::on_thread_start) and
    /// [`thread_name`](crate::Builder::thread_name). The pool then ends by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.submit(|| 42);
    /// pool.shutdown();
    /// assert_eq!(handle.join()?, 42);
    /// assert!(pool.submit(|| 43).join().unwrap_err().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "close")]
    pub fn shutdown(&self) {
        self.close_and_join();
    }

    /// Shuts the pool down, and waits for the accepted tasks and the threads, but no longer than
    /// `timeout`.
    ///
    /// New tasks are refused. When the time is over, nothing is cancelled, and the pool goes on
    /// ending by itself. The caller may wait again, call [`shutdown_now`](Self::shutdown_now), or
    /// exit the process. [`Duration::ZERO`] checks once; [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until every accepted task has ended and every thread has left the pool, or the time
    /// is over. Threads may still be running the destructors of their thread-locals then;
    /// [`shutdown`](Self::shutdown) and the drop of the last owner wait for these, too. Called in a
    /// task of this pool, it closes the pool, does not wait, and returns [`StillRunning`].
    ///
    /// # Errors
    ///
    /// [`StillRunning`], which names the threads that were busy and the tasks that they ran.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// pool.execute(|| println!("quick"));
    /// if let Err(error) = pool.shutdown_timeout(Duration::from_secs(10)) {
    ///     eprintln!("{error}");
    ///     std::process::exit(1);
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "awaitTermination")]
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), StillRunning> {
        self.close();
        if self.pool.is_forked() {
            return Ok(());
        }
        let runs = self.pool.runs_now();
        let left = match self.must_not_wait() {
            true => self.is_terminated(),
            false => self.pool.wait_for_threads(Deadline::after(timeout)),
        };
        match left {
            true => Ok(()),
            false => Err(self.pool.still_running(&runs)),
        }
    }

    /// Shuts the pool down, and waits without blocking for the accepted tasks and the threads.
    ///
    /// The pool is closed when the future is polled first. When the future resolves, every accepted
    /// task has ended and every thread has left the pool; threads may still be running the
    /// destructors of their thread-locals. Polled in a task of this pool, it does not wait.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. The shutdown goes on if the future has been polled.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::block_on;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.submit(|| 42);
    /// block_on(pool.shutdown_async());
    /// assert!(handle.is_finished() && pool.is_terminated());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn shutdown_async(&self) {
        self.close();
        if self.pool.is_forked() {
            return;
        }
        let mut watcher = self.pool.watch_threads();
        poll_fn(
            |cx| match self.must_not_wait() || watcher.poll(cx.waker()) {
                true => Poll::Ready(()),
                false => pending(Cause::Arrival),
            },
        )
        .await;
    }

    /// Refuses new tasks, and leaves the accepted tasks to run to their end in the background.
    ///
    /// Does not wait. The drop of the last owner does not wait either, whatever
    /// [`on_drop`](crate::Builder::on_drop) says. If the process returns from `main` before the
    /// tasks have ended, they are lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (go, wait) = mpsc::channel();
    /// let handle = pool.submit(move || wait.recv().unwrap());
    /// pool.shutdown_background();
    /// drop(pool);
    /// go.send(42)?;
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_background(&self) {
        self.leave_in_background();
        self.close();
    }

    /// Refuses new tasks, cancels all tasks that have not begun, and returns the number of them.
    /// Does not wait.
    ///
    /// Their handles resolve to cancelled with
    /// [`CancelReason::Shutdown`](crate::CancelReason::Shutdown). The closures are dropped on this
    /// thread, except that a task which a worker is just taking from a queue is cancelled by that
    /// worker, and may be missing from the number. A task that a running task joins may still be
    /// run there. Running closures are not stopped: the token that they get from
    /// [`cancelled`](crate::cancelled()) is cancelled, and tasks that they submit from now on are
    /// refused. Futures that have not ended are cancelled and counted, whether they have begun or
    /// not; the pool's workers drop them. Only the first call cancels; later calls return 0.
    ///
    /// Call [`shutdown`](Self::shutdown) afterwards to wait for the running tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (started, begun) = mpsc::channel();
    /// let (go, wait) = mpsc::channel();
    /// pool.execute(move || { started.send(()).unwrap(); wait.recv().unwrap() });
    /// begun.recv()?;
    /// let behind = pool.submit(|| 42);
    /// assert_eq!(pool.shutdown_now(), 1);
    /// assert!(behind.join().unwrap_err().is_cancelled());
    /// go.send(())?;
    /// pool.shutdown();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("shutdownNow", "cancel_futures", "terminate"))]
    pub fn shutdown_now(&self) -> usize {
        match self.pool.is_forked() {
            true => 0,
            false => self.pool.stop(),
        }
    }
}
