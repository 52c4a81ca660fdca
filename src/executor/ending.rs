//! How a pool is waited for, and how it ends.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use super::{PoolRef, ThreadPoolExecutor};
use crate::error::{StillRunning, WouldDeadlock};
use crate::wait::Deadline;

impl PoolRef {
    /// Waits until the pool has nothing to do.
    ///
    /// Returns when there was a moment at which every accepted task had ended: each handle has
    /// resolved by then, but for those that somebody is cancelling at that moment. Tasks that are
    /// submitted meanwhile are waited for, too. Not an end: the pool goes on.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] at once when called by a task of the same pool, which would wait for
    /// itself.
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
    pub fn wait_idle(&self) -> Result<(), WouldDeadlock> {
        self.wait_idle_until(Deadline::NEVER).map(drop)
    }

    /// Waits until the pool has nothing to do, but no longer than `timeout`.
    ///
    /// `true` if it was idle in time, see [`wait_idle`](Self::wait_idle); `false` when the time is
    /// over. [`Duration::ZERO`] looks once; [`Duration::MAX`] waits for ever.
    ///
    /// # Errors
    ///
    /// As [`wait_idle`](Self::wait_idle).
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

    /// Waits, without blocking, until the pool has nothing to do; see [`wait_idle`](Self::wait_idle).
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] when polled by a task of the same pool.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends nothing but the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures_lite::future::block_on;
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.submit(|| 42);
    /// block_on(pool.wait_idle_async())?;
    /// assert!(handle.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn wait_idle_async(&self) -> Result<(), WouldDeadlock> {
        let mut joiner = self.pool.idle_joiner();
        poll_fn(|cx| {
            if self.pool.is_forked() {
                return Poll::Ready(Err(WouldDeadlock));
            }
            // In this order: inside a task the pool is never idle, in a waker that it calls it is.
            if joiner.poll(cx.waker()) {
                Poll::Ready(Ok(()))
            } else if self.pool.waits_for_this_thread() {
                Poll::Ready(Err(WouldDeadlock))
            } else {
                Poll::Pending
            }
        })
        .await
    }

    fn wait_idle_until(&self, deadline: Deadline) -> Result<bool, WouldDeadlock> {
        match self.must_not_wait() {
            true => Err(WouldDeadlock),
            false => Ok(self.pool.wait_idle(deadline)),
        }
    }

    /// Returns `true` if the pool has been shut down.
    pub fn is_shutdown(&self) -> bool {
        self.pool.is_closed() || self.pool.is_forked()
    }

    /// Returns `true` if the pool has ended: it was shut down, every task has ended, and every thread has
    /// left it.
    pub fn is_terminated(&self) -> bool {
        self.pool.is_terminated() || self.pool.is_forked()
    }

    /// Closes the pool and waits until its threads have ended, unless this thread would wait for itself.
    pub(super) fn close_and_join(&self) {
        self.close();
        if !self.must_not_wait() {
            self.pool.join_threads();
        }
    }

    fn close(&self) {
        if !self.pool.is_forked() {
            self.pool.close();
        }
    }

    /// Returns `true` if a wait for the pool would not end here: the pool waits for this thread, or it
    /// belongs to another process (maybe since what was dropped has forked).
    fn must_not_wait(&self) -> bool {
        self.pool.is_forked() || self.pool.waits_for_this_thread()
    }
}

impl ThreadPoolExecutor {
    /// Refuses new tasks, waits for those that were accepted, then for the threads to end.
    ///
    /// Tasks that run meanwhile may still submit to their own pool: all of that is
    /// waited for, futures that are pending too. What was submitted for later and is not due is
    /// cancelled; a series ends, after the run that is under way. May be called more than once, and from
    /// several threads: all return when the pool has ended. Those who wait in `submit` for room get a
    /// cancelled handle.
    ///
    /// # Blocking
    ///
    /// Until every accepted task and every thread has ended, thread-locals included (but for these,
    /// if the last owner was dropped inside a task). Called on a thread of the pool itself, in a
    /// task that its submitter runs, or by the drop of a capture of a task that somebody cancels, it
    /// does not wait; the pool then ends by itself. Nor does it wait in
    /// [`on_thread_start`](crate::Builder::on_thread_start), [`thread_name`](crate::Builder::thread_name)
    /// and their like.
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
    pub fn shutdown(&self) {
        self.close_and_join();
    }

    /// Shuts down like [`shutdown`](Self::shutdown), but waits no longer than `timeout`.
    ///
    /// When the time is over the pool goes on ending by itself; nothing is cancelled. What has to end
    /// then is up to the caller: wait again, [`shutdown_now`](Self::shutdown_now), or leave the
    /// process. [`Duration::ZERO`] only looks; [`Duration::MAX`] waits for ever.
    ///
    /// # Blocking
    ///
    /// Until every accepted task has ended and every thread has left the pool, or the time is over.
    /// Threads may still be dropping their thread-locals then, which
    /// [`shutdown`](Self::shutdown) and the drop of the pool wait for. Called inside, it closes the
    /// pool and does not wait.
    ///
    /// # Errors
    ///
    /// [`StillRunning`], which names the threads that were busy and what they ran.
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
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), StillRunning> {
        self.close();
        let left = match self.must_not_wait() {
            true => self.is_terminated(),
            false => self.pool.wait_for_threads(Deadline::after(timeout)),
        };
        match left {
            true => Ok(()),
            false => Err(self.pool.still_running()),
        }
    }

    /// Shuts down like [`shutdown`](Self::shutdown), and waits without blocking.
    ///
    /// The pool is closed when the future is polled first; when it resolves, every accepted task has
    /// ended and every thread has left the pool. Threads may still be dropping their thread-locals
    /// then. Polled inside, it does not wait.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends nothing but the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures_lite::future::block_on;
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
                false => Poll::Pending,
            },
        )
        .await;
    }

    /// Refuses new tasks and lets what was accepted run to its end in the background.
    ///
    /// Does not wait, and the drop of the pool will not wait either, whatever
    /// [`on_drop`](crate::Builder::on_drop) says. A process that leaves `main` before the tasks have
    /// ended takes them with it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::mpsc;
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

    /// Refuses new tasks and cancels all that have not begun; says how many. Does not wait.
    ///
    /// Their handles resolve to cancelled with [`CancelReason::Shutdown`](crate::CancelReason::Shutdown). Tasks that run are not
    /// disturbed, but what they submit from now on is refused. A task that a thread is just taking
    /// from the queue is cancelled by that thread and may be missing from the number, and one that
    /// a running task joins may still be run there. The closures are dropped on this thread, or on
    /// that one. Futures that have not ended are cancelled too, and counted, whether they have begun or
    /// not; the pool's threads drop them. Only the first call cancels; later ones return 0.
    ///
    /// Call [`shutdown`](Self::shutdown) afterwards to wait for what runs.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::mpsc;
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
    pub fn shutdown_now(&self) -> usize {
        match self.pool.is_forked() {
            true => 0,
            false => self.pool.stop(),
        }
    }
}
