//! The handle to a task's outcome: join, timeouts, cancel, await.
//!
//! # How a thread may wait
//! A thread of the pool that joins a closure of the same pool that nobody has begun runs it in
//! place: that is the work it waits for, so nothing unrelated is run while the task's locks are
//! held. Every other wait looks at the cell for a moment and then parks, with the thread's slot in
//! other hands. A timed wait never claims, because a closure once begun cannot be left when the time
//! is over. A join that lasts is listed, so that a ring of joins is found (`handle/cycle.rs`).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::cycle;
use crate::error::{CancelReason, JoinError};
use crate::pool::{Local, Pool, PoolLink};
use crate::task::cell::{self, Cancelled, HandleRef, Outcome, RawTask, TaskRef};
use crate::trampoline;
use crate::wait::{Blocking, Deadline, Spin, block_until, spin_until};

/// How long a joiner looks in any case before it parks.
const GLANCE: Spin = Spin {
    pauses: 40,
    doublings: 1,
    yields: 2,
};

/// How long a joiner looks before it parks when it keeps nobody from the processor.
const LOOK: Spin = Spin {
    pauses: 8,
    doublings: 6,
    yields: 2,
};

/// Looks whether a task is done, until it is or it is time to park.
///
/// While the threads of the pool want every processor there is, a joiner that looks on takes the
/// place of one that could run the very task it waits for.
pub(super) fn look_for_a_while(from: PoolLink, mut done: impl FnMut() -> bool) -> bool {
    spin_until(GLANCE, &mut done) || from.leaves_a_processor() && spin_until(LOOK, done)
}

/// Waits without a limit for a task, by a `wait` until a deadline that tells whether the task has
/// ended; an error says that it never will, as far as this process is concerned.
pub(super) fn wait_for_good(
    from: PoolLink,
    task: TaskRef,
    mut wait: impl FnMut(Deadline) -> bool,
) -> Result<(), CancelReason> {
    if from.is_forked() {
        return Err(CancelReason::Forked);
    }
    // One wait for the pool, though it has two parts. (The model knows no time.)
    let _blocking = Blocking::begin();
    if from.is_forked() {
        // What was put off has forked.
        return Err(CancelReason::Forked);
    }
    if Local::runs_tasks() && !cfg!(workmill_loom) && wait(Deadline::after(cycle::SHORT)) {
        return Ok(());
    }
    let _listed = cycle::list(task).map_err(|cycle::Cycle| CancelReason::Deadlock)?;
    wait(Deadline::NEVER);
    Ok(())
}

/// Returns `true` if the task has ended. If not, what this thread has put off is done first: it may be that.
#[inline]
pub(super) fn look_again(task: &RawTask) -> bool {
    // In the model nothing is put off, and another look adds nothing but schedules.
    task.is_done()
        || !cfg!(workmill_loom) && {
            trampoline::catch_up();
            task.is_done()
        }
}

/// [Waits](wait_for_good) for the task of a handle's end.
#[cold]
fn wait_for_end<T>(from: PoolLink, end: &mut HandleRef<T>) -> Result<(), CancelReason> {
    let task = end.task_ref();
    let wait = |deadline| block_until(deadline, |waker| end.poll(waker).then_some(())).is_some();
    wait_for_good(from, task, wait)
}

/// Cancels the task that `remote` leads to, unless it has begun; `true`: it never ran and never will.
///
/// What the task captured is dropped here, and others may wait for that: so if it was the pool's last
/// owner, its drop does not wait for them.
pub(super) fn cancel(remote: &RawTask, from: PoolLink) -> bool {
    let cancelled = cancel_for(CancelReason::Cancelled, remote, from);
    if cancelled == Cancelled::Now && from.tombstone_left() {
        Pool::sweep(from);
    }
    cancelled != Cancelled::Never
}

/// The same for any reason, and says what it found. The tombstone is somebody else's business.
pub(crate) fn cancel_for(reason: CancelReason, remote: &RawTask, from: PoolLink) -> Cancelled {
    match remote.doom(reason) {
        Ok(doomed) => {
            trampoline::call(move || Local::in_the_way(from, || doomed.end()));
            Cancelled::Now
        }
        Err(cancelled) => cancelled,
    }
}

/// Waits for a task, gives what it returned, and can cancel it before it begins.
///
/// Made by [`submit`](crate::PoolRef::submit) and its siblings. Like [`std::thread::JoinHandle`];
/// in Python it would be called a `Future`, and it is one here too: await it under any runtime.
///
/// The outcome is given once: `join` takes the handle, and after
/// [`join_timeout`](Self::join_timeout), [`try_join`](Self::try_join) or awaiting has given it, the
/// handle is spent.
///
/// # Dropping
///
/// Detaches: the task runs all the same. Its value is dropped where the later of the two happens,
/// the end of the task or the drop of the handle. A panic in that drop is contained. If the task
/// panicked, the [`panic_handler`](crate::Builder::panic_handler) is called there in its place.
///
/// # Ordering
///
/// What the task did, the drop of its captures included, happens before the outcome is given.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let six = pool.submit(|| 6);
/// let seven = pool.submit(|| 7);
/// assert_eq!(six.join()? * seven.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JoinHandle<T> {
    /// `None` once the outcome was given.
    end: Option<HandleRef<T>>,
    from: PoolLink,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(end: HandleRef<T>, from: PoolLink) -> Self {
        Self {
            end: Some(end),
            from,
        }
    }

    /// A handle that has resolved to cancelled.
    pub(crate) fn refused(reason: CancelReason, from: PoolLink) -> Self
    where
        T: Send + 'static,
    {
        Self::new(cell::refused(reason), from)
    }

    /// Waits until the task has ended and gives what it returned.
    ///
    /// # Blocking
    ///
    /// Until the task has ended. A task that joins a closure of its own pool which has not begun
    /// runs it in place, so joining inside tasks needs no free thread. While it waits for one that
    /// runs elsewhere it runs nothing else, and another thread has its place in the pool; see the
    /// [guide](crate::guide::waiting).
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled. With [`CancelReason::Deadlock`] if tasks
    /// join each other in a ring, or one joins itself: one of the joins gives up, though its task
    /// has not ended. With [`CancelReason::Forked`] in a child process of the one that submitted.
    ///
    /// # Panics
    ///
    /// If the outcome was given before.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let answer = pool.submit(|| {
    ///     let inner = workmill::current().unwrap().submit(|| 41);
    ///     inner.join().unwrap() + 1
    /// });
    /// assert_eq!(answer.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(self) -> Result<T, JoinError> {
        let from = self.from;
        // Not in the handle any more, so that its drop costs nothing.
        let mut end = self.into_end();
        Local::run_inline(from, &end);
        if !end.is_done() && !look_for_a_while(from, || end.is_done()) {
            if let Err(reason) = wait_for_end(from, &mut end) {
                drop(Self::new(end, from));
                return Err(JoinError::cancelled(reason));
            }
        }
        let outcome = end.try_take();
        outcome.unwrap_or_else(|_| unreachable!("the task has ended"))
    }

    /// Waits until the task has ended, whatever happens, for one from whom it borrows. `begin` lets it
    /// begin.
    pub(crate) fn join_anyway(mut self, begin: impl FnOnce()) -> Result<T, JoinError> {
        let listed = cycle::list_first(self.unspent().task_ref());
        begin();
        let from = self.from;
        let end = self.end();
        if !look_for_a_while(from, || end.is_done()) {
            block_until(Deadline::NEVER, |waker| end.poll(waker).then_some(()));
        }
        drop(listed);
        self.take().expect("the task has ended")
    }

    /// Waits until the task has ended, but no longer than `timeout`.
    ///
    /// `None` when the time is over: the task goes on and the handle stays good.
    /// [`Duration::ZERO`] looks once; [`Duration::MAX`] waits for ever.
    ///
    /// # Blocking
    ///
    /// Until the task has ended or the time is over. Never runs the task in place.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled. Without an end of the time, as with
    /// [`Duration::MAX`], also with [`CancelReason::Deadlock`], as for [`join`](Self::join); the handle
    /// stays good then, since its task has not ended.
    ///
    /// # Panics
    ///
    /// If the outcome was given before.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let mut slow = pool.submit(|| std::thread::sleep(Duration::from_millis(50)));
    /// assert!(slow.join_timeout(Duration::from_millis(1)).is_none());
    /// assert!(slow.join_timeout(Duration::MAX).is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join_timeout(&mut self, timeout: Duration) -> Option<Result<T, JoinError>> {
        let from = self.from;
        let end = self.end();
        if !end.is_done() {
            if from.is_forked() {
                return Some(Err(self.forked()));
            }
            let deadline = Deadline::after(timeout);
            if deadline.is_never() {
                // It may wait in a ring, like any join without a limit.
                if let Err(reason) = wait_for_end(from, end) {
                    end.stop_waiting();
                    return Some(Err(JoinError::cancelled(reason)));
                }
            } else if block_until(deadline, |waker| end.poll(waker).then_some(())).is_none() {
                end.stop_waiting();
                return None;
            }
        }
        self.take()
    }

    /// Gives what the task returned if it has ended; never waits.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled.
    ///
    /// # Panics
    ///
    /// If the outcome was given before.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let mut handle = pool.submit(|| 42);
    /// pool.wait_idle()?;
    /// assert_eq!(handle.try_join().unwrap()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_join(&mut self) -> Option<Result<T, JoinError>> {
        look_again(self.end());
        self.take()
    }

    /// Tells whether the task has ended, so that `join` would not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit(|| 42);
    /// pool.wait_idle()?;
    /// assert!(handle.is_finished() && !handle.is_running());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_finished(&self) -> bool {
        self.end.as_ref().is_none_or(|end| look_again(end))
    }

    /// Tells whether the task runs, a snapshot, may be stale.
    pub fn is_running(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.is_running())
    }

    /// Cancels the task unless it has begun.
    ///
    /// `true` means that the closure never ran and never will, and that the handle gives a
    /// [`JoinError`] with [`CancelReason::Cancelled`] (or the reason of whoever cancelled it
    /// before). `false` means that it has begun, or that the outcome was given before, and changes
    /// nothing. If it was this call that cancelled it, the closure and its captures have been
    /// dropped on this thread when it returns, with any panic in that contained, and whoever awaits
    /// the handle has been woken. (In a long chain, in which the drop of one task's captures cancels the
    /// next task and so on, this may be put off, as with [`on_done`](Self::on_done).)
    ///
    /// What is left of the task itself, up to a kilobyte, may lie in a queue until a thread meets it; but no
    /// more than about a thousand such tasks do, or as many as there are others.
    ///
    /// What was captured may own the pool. If it is the last owner, its drop shuts the pool down and does
    /// not wait, since this handle resolves only afterwards, and tasks may wait for that.
    ///
    /// A future can be cancelled until it has given its output. It is not polled again then, and a thread
    /// of the pool drops it; the handle resolves when that has been done.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::mpsc;
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (go, wait) = mpsc::channel();
    /// let busy = pool.submit(move || wait.recv().unwrap());
    /// let behind = pool.submit(|| unreachable!());
    /// assert!(behind.cancel());
    /// assert!(behind.join().unwrap_err().is_cancelled());
    /// go.send(())?;
    /// busy.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.end.as_ref().is_some_and(|end| cancel(end, self.from))
    }

    /// What the handle gives in a child process, where the task will not end; it is spent then.
    fn forked(&mut self) -> JoinError {
        self.end = None;
        JoinError::cancelled(CancelReason::Forked)
    }

    /// Takes the handle's end out; panics if the outcome was given before.
    pub(super) fn into_end(mut self) -> HandleRef<T> {
        self.end();
        self.end.take().expect("it was just seen there")
    }

    /// Where the task came from.
    pub(super) fn link(&self) -> PoolLink {
        self.from
    }

    /// The handle's end, which stays.
    pub(super) fn unspent(&self) -> &HandleRef<T> {
        self.end
            .as_ref()
            .expect("the outcome of this JoinHandle was given before")
    }

    fn end(&mut self) -> &mut HandleRef<T> {
        self.end
            .as_mut()
            .expect("the outcome of this JoinHandle was given before")
    }

    /// Gives the outcome if it is there; the handle is spent then.
    fn take(&mut self) -> Option<Outcome<T>> {
        match self.end.take()?.try_take() {
            Ok(outcome) => Some(outcome),
            Err(end) => {
                self.end = Some(end);
                None
            }
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(payload) = self.end.take().and_then(HandleRef::abandon) {
            self.from.report(payload);
        }
    }
}

impl<T> Unpin for JoinHandle<T> {}

/// Gives what the task returned. Dropping the handle instead detaches the task.
///
/// Polled again after it was ready, it panics.
impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let forked = self.from.is_forked();
        look_again(self.end());
        if self.end().poll(cx.waker()) {
            Poll::Ready(self.take().expect("the task has ended"))
        } else if forked {
            Poll::Ready(Err(self.forked()))
        } else {
            Poll::Pending
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}
