//! The handle to a task's outcome: join, timeouts, cancel, await.
//!
//! # How a thread may wait
//! A worker that joins a closure of its own pool that no thread has begun runs the closure inline.
//! This is the work that it waits for, so nothing unrelated is run while the task's locks are held.
//! Every other wait looks at the cell for a moment and then parks, and gives the slot to another
//! thread. A timed wait never runs a closure inline, because a closure that has begun cannot be
//! left when the time is over. A thread that runs no task, and so holds up no slot, looks for
//! longer for the answer of a promise before it parks (`spin.rs`). A join that lasts is listed, so
//! that a cycle of joins is found (`handle/cycle.rs`).

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::cycle;
use crate::error::{CancelReason, JoinError};
use crate::name::Name;
use crate::pool::{Local, PoolLink};
use crate::spin::{Spin, spin_patiently, spin_until};
use crate::task::cell::{self, HandleRef, Outcome, RawTask, TaskRef};
use crate::trampoline;
use crate::wait::{Blocking, Cause, Deadline, block_until, pending};

/// How long a joiner looks in any case before it parks. It gives the processor away at once,
/// because the thread that runs the task may want this one.
const GLANCE: Spin = Spin {
    pauses: 0,
    doublings: 0,
    yields: 2,
};

/// How long a joiner looks before it parks if it keeps no thread from a processor.
const LOOK: Spin = Spin {
    pauses: 8,
    doublings: 6,
    yields: 2,
};

/// Looks until the task is done, which returns `true`, or until it is time to park.
///
/// While the pool's workers need every processor, a joiner that goes on looking takes the processor
/// from a worker that could run the very task that the joiner waits for.
pub(crate) fn look_for_a_while(from: PoolLink, mut done: impl FnMut() -> bool) -> bool {
    spin_until(GLANCE, &mut done) || from.leaves_a_processor() && spin_until(LOOK, done)
}

/// Looks until the task is done, for a join without a time limit.
///
/// The answer of a promise comes from elsewhere, by way of several threads, so this thread is
/// patient, unless it runs a task: one that does keeps a slot from others meanwhile.
fn look_to_join(from: PoolLink, task: &RawTask) -> bool {
    let done = || task.is_done();
    match task.is_promise() && !Local::runs_tasks() {
        true => spin_until(GLANCE, done) || from.leaves_a_processor() && spin_patiently(LOOK, done),
        false => look_for_a_while(from, done),
    }
}

/// Waits for a task without a time limit. `wait` waits until a deadline, and returns `true` if the
/// task has ended. An error means that the task will never end, as far as this process is
/// concerned.
pub(super) fn wait_for_good(
    from: PoolLink,
    task: TaskRef,
    mut wait: impl FnMut(Deadline) -> bool,
) -> Result<(), CancelReason> {
    if from.is_forked() {
        return Err(CancelReason::Forked);
    }
    // One wait for the pool, though it has two parts. (The model has no clock.)
    let _blocking = Blocking::begin(Cause::Arrival);
    if from.is_forked() {
        // A call that was put off has forked.
        return Err(CancelReason::Forked);
    }
    if Local::runs_tasks() && !cfg!(workmill_loom) && wait(Deadline::after(cycle::SHORT)) {
        return Ok(());
    }
    let _listed = cycle::list(task).map_err(|cycle::Cycle| CancelReason::Deadlock)?;
    wait(Deadline::NEVER);
    Ok(())
}

/// Returns `true` if the task has ended. If not, the calls that this thread has put off are made
/// first, since one of them may end the task.
#[inline]
pub(super) fn look_again(task: &RawTask) -> bool {
    // In the model nothing is put off, and another look only adds schedules.
    task.is_done()
        || !cfg!(workmill_loom) && {
            trampoline::catch_up();
            task.is_done()
        }
}

/// [Waits](wait_for_good) for the task of a handle.
#[cold]
fn wait_for_task<T>(from: PoolLink, task: &mut HandleRef<T>) -> Result<(), CancelReason> {
    let awaited = task.task_ref();
    let wait = |deadline| {
        block_until(Cause::Arrival, deadline, |waker| {
            task.poll(waker).then_some(())
        })
        .is_some()
    };
    wait_for_good(from, awaited, wait)
}

/// Runs the task inline whose end resolves a mapped handle, or one with callbacks, if that is
/// possible, or lends it permits. Returns `true` if this thread has to
/// [regain](Local::regain_permits) them when the task has ended.
#[cold]
pub(super) fn prepare_to_join_behind(from: PoolLink, task: &RawTask) -> bool {
    task.task_behind()
        .is_some_and(|behind| prepare_to_join(from, &behind))
}

/// Does the same for the task itself.
pub(super) fn prepare_to_join(from: PoolLink, task: &RawTask) -> bool {
    let is_special = task.has_extra();
    match is_special {
        true => Local::prepare_to_join(from, task),
        false => Local::run_inline(from, task),
    }
    is_special
}

/// Joins a task of a view: it may wait for permits that this thread's task has, which have to be
/// back before that goes on.
#[cold]
fn join_special<T>(from: PoolLink, mut task: HandleRef<T>) -> Result<T, JoinError> {
    Local::prepare_to_join(from, &task);
    if !task.is_done() && !look_to_join(from, &task) {
        if let Err(reason) = wait_for_task(from, &mut task) {
            let error = JoinError::of_cancel(reason, task.name());
            drop(JoinHandle::new(task, from));
            return Err(error);
        }
    }
    Local::regain_permits();
    let outcome = task.try_take();
    outcome.unwrap_or_else(|_| unreachable!("the task has ended"))
}

/// A handle to a task, which waits for its result, and can cancel it before it begins.
///
/// Created by [`submit`](crate::PoolRef::submit) and the other ways to submit. It is like
/// [`std::thread::JoinHandle`]. Python calls it a `Future`, and it is a future here too: await it
/// under any runtime.
///
/// The outcome is returned once: `join` consumes the handle, and after
/// [`join_timeout`](Self::join_timeout), [`try_join`](Self::try_join) or awaiting has returned the
/// outcome, the handle is spent.
///
/// # Dropping
///
/// Dropping the handle detaches the task, which runs all the same. The result is dropped at the end
/// of the task or at the drop of the handle, on the thread of the later of the two. A panic in that
/// drop is contained. If the task panicked, the [`panic_handler`](crate::Builder::panic_handler) is
/// called there instead.
///
/// # Ordering
///
/// Everything that the task did, including the drop of its captures, happens before its outcome is
/// returned.
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
#[doc(alias("Future", "FutureTask", "CompletableFuture", "AsyncResult"))]
pub struct JoinHandle<T> {
    /// `None` once the outcome was returned.
    task: Option<HandleRef<T>>,
    from: PoolLink,
}

// A panic that is caught leaves nothing changed by half behind a handle. Of what the handle leads
// to, the crate changes the state by single exchanges, and catches every panic of user code before
// it goes on (`unwind.rs`); only the clone of a waker may panic through it, before anything has
// changed. The result is seen by nobody until it is returned, whole, so any `T` will do.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    pub(crate) fn new(task: HandleRef<T>, from: PoolLink) -> Self {
        Self {
            task: Some(task),
            from,
        }
    }

    /// Creates a handle that has resolved to cancelled. `name` is that of the task that was
    /// refused.
    pub(crate) fn refused(reason: CancelReason, name: &'static Name, from: PoolLink) -> Self
    where
        T: Send + 'static,
    {
        Self::new(cell::refused(reason, name), from)
    }

    /// Blocks until the task has ended, and returns its result.
    ///
    /// # Blocking
    ///
    /// Blocks until the task has ended. A task that joins a closure of its own pool which has not
    /// begun runs the closure inline, so joining inside tasks needs no free thread. In any other
    /// wait the task gives its slot to another thread, and its own thread runs nothing else; see
    /// the [guide](crate::guide::waiting).
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled. With [`CancelReason::Deadlock`] if
    /// tasks join each other in a cycle, or a task joins itself: one of the joins then gives up,
    /// though its task has not ended. With [`CancelReason::Forked`] in a child process of the one
    /// that submitted.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
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
    #[doc(alias("result", "get"))]
    #[doc(alias = "await_complete")]
    pub fn join(self) -> Result<T, JoinError> {
        let from = self.from;
        self.join_after(|task| Local::run_inline(from, &**task))
    }

    /// Joins the task, once `run_inline` has had the opportunity to run it.
    #[inline(always)]
    pub(crate) fn join_after(self, run_inline: impl FnOnce(&HandleRef<T>)) -> Result<T, JoinError> {
        let from = self.from;
        // Taken out of the handle, so that the handle's drop costs nothing.
        let mut task = self.into_task();
        if task.has_extra() {
            return join_special(from, task);
        }
        run_inline(&task);
        let mut is_special = false;
        if !task.is_done() && task.is_promise() {
            is_special = prepare_to_join_behind(from, &task);
        }
        if !task.is_done() && !look_to_join(from, &task) {
            if let Err(reason) = wait_for_task(from, &mut task) {
                let error = JoinError::of_cancel(reason, task.name());
                drop(Self::new(task, from));
                return Err(error);
            }
        }
        if is_special {
            Local::regain_permits();
        }
        let outcome = task.try_take();
        outcome.unwrap_or_else(|_| unreachable!("the task has ended"))
    }

    /// Waits until the task has ended, whatever happens, since it borrows from the caller. `begin`
    /// allows it to begin.
    pub(crate) fn join_anyway(mut self, begin: impl FnOnce()) -> Result<T, JoinError> {
        let listed = cycle::list_first(self.unspent().task_ref());
        begin();
        let from = self.from;
        let task = self.task();
        // It may wait for a permit that this thread's task has.
        let is_special = task.has_extra();
        if is_special {
            Local::prepare_to_join(from, task);
        }
        if !look_for_a_while(from, || task.is_done()) {
            block_until(Cause::Arrival, Deadline::NEVER, |waker| {
                task.poll(waker).then_some(())
            });
        }
        drop(listed);
        if is_special {
            Local::regain_permits();
        }
        self.take().expect("the task has ended")
    }

    /// Blocks until the task has ended, but no longer than `timeout`, and returns its result.
    ///
    /// Returns `None` when the time is over: the task goes on, and the handle can be used again.
    /// [`Duration::ZERO`] checks once; [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until the task has ended or the time is over. Never runs the task inline.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled. With [`CancelReason::Forked`] in a
    /// child process of the one that submitted. If the time has no end, as with [`Duration::MAX`],
    /// also with [`CancelReason::Deadlock`] if tasks join each other in a cycle; the handle can be
    /// used again then, since its task has not ended.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
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
        let task = self.task();
        if !task.is_done() {
            if from.is_forked() {
                return Some(Err(self.forked()));
            }
            let deadline = Deadline::after(timeout);
            if deadline.is_never() {
                // It may be part of a cycle, like any join without a time limit.
                if let Err(reason) = wait_for_task(from, task) {
                    task.stop_waiting();
                    return Some(Err(JoinError::of_cancel(reason, task.name())));
                }
            } else if block_until(Cause::Arrival, deadline, |waker| {
                task.poll(waker).then_some(())
            })
            .is_none()
            {
                task.stop_waiting();
                return None;
            }
        }
        self.take()
    }

    /// Returns the task's result if the task has ended. Never waits.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
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
        look_again(self.task());
        self.take()
    }

    /// Returns `true` if the task has ended, so that `join` would not wait.
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
    #[doc(alias("done"))]
    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_none_or(|task| look_again(task))
    }

    /// Returns `true` if the task is running; a snapshot, may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit(|| 42);
    /// pool.wait_idle()?;
    /// assert!(!handle.is_running() && handle.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_running(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.is_running())
    }

    /// Runs the task inline if that is possible, and waits until it has ended, like `join`. Returns
    /// at once if the handle is spent.
    pub(super) fn wait_inline(&mut self) -> Result<(), CancelReason> {
        let from = self.from;
        let Some(task) = &mut self.task else {
            return Ok(());
        };
        let is_special = prepare_to_join(from, task) || prepare_to_join_behind(from, task);
        if !task.is_done() && !look_for_a_while(from, || task.is_done()) {
            wait_for_task(from, task).inspect_err(|_| task.stop_waiting())?;
        }
        if is_special {
            Local::regain_permits();
        }
        Ok(())
    }

    /// Notes that the future which is polled on this thread waits for the task.
    pub(super) fn note_wanted(&self) {
        self.task.iter().for_each(|task| Local::note_wanted(task));
    }

    /// Returns `true` if the task has ended. If not, `waker` is called when it has.
    pub(super) fn poll_task(&mut self, waker: &Waker) -> bool {
        self.task.as_mut().is_none_or(|task| {
            look_again(task);
            task.poll(waker)
        })
    }

    /// Takes back the waker that [`poll_task`](Self::poll_task) left.
    pub(super) fn stop_waiting(&mut self) {
        self.task.iter_mut().for_each(HandleRef::stop_waiting);
    }

    /// Returns `true` if the outcome is there and is an error.
    pub(super) fn has_failed(&self) -> bool {
        self.task.as_ref().is_some_and(HandleRef::has_failed)
    }

    /// Returns the outcome, which stays with the handle, if it is there.
    pub(super) fn peek(&mut self) -> Option<&Outcome<T>> {
        self.task.as_mut()?.peek()
    }

    /// Spends the handle, and returns its error in a child process, where the task will not end.
    fn forked(&mut self) -> JoinError {
        let error = JoinError::of_cancel(CancelReason::Forked, self.unspent().name());
        self.task = None;
        error
    }

    /// Takes the reference out of the handle. Panics if the outcome was returned before.
    pub(crate) fn into_task(mut self) -> HandleRef<T> {
        self.task();
        self.task.take().expect("the handle was not spent")
    }

    /// The reference to the task, unless the outcome was returned.
    pub(crate) fn task_if_unspent(&self) -> Option<&HandleRef<T>> {
        self.task.as_ref()
    }

    /// Returns the link to the pool of the task.
    pub(crate) fn link(&self) -> PoolLink {
        self.from
    }

    /// Returns the handle's reference. Panics if the outcome was returned before.
    pub(super) fn unspent(&self) -> &HandleRef<T> {
        self.task
            .as_ref()
            .expect("the outcome of this JoinHandle was given before")
    }

    fn task(&mut self) -> &mut HandleRef<T> {
        self.task
            .as_mut()
            .expect("the outcome of this JoinHandle was given before")
    }

    /// Returns the outcome if there is one; the handle is spent then.
    fn take(&mut self) -> Option<Outcome<T>> {
        match self.task.take()?.try_take() {
            Ok(outcome) => Some(outcome),
            Err(task) => {
                self.task = Some(task);
                None
            }
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(payload) = self.task.take().and_then(HandleRef::abandon) {
            self.from.report(payload);
        }
    }
}

impl<T> Unpin for JoinHandle<T> {}

/// Resolves to the task's result. Dropping the handle instead detaches the task.
///
/// Polling it again after it was ready panics.
impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let forked = self.from.is_forked();
        look_again(self.task());
        if self.task().poll(cx.waker()) {
            Poll::Ready(self.take().expect("the task has ended"))
        } else if forked {
            Poll::Ready(Err(self.forked()))
        } else {
            Local::note_wanted(self.task());
            pending(Cause::Arrival)
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            // Without the calls that this thread has put off.
            .field(
                "finished",
                &self.task.as_ref().is_none_or(|task| task.is_done()),
            )
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}
