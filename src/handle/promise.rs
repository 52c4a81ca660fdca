//! Promises: handles to outcomes that come from elsewhere.
//!
//! A promise shares a cell with its handle, as a task does. Which of answer, cancel and drop comes
//! first is decided by one exchange of the cell's state word (`task/promise.rs`).
//! [`JoinHandle::map`] is a promise, too: the end of the task answers it, and the thread that takes
//! the outcome makes it.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::callback::{Call, attach, attach_to_end};
use super::cancel::CancelHandle;
use super::join::JoinHandle;
use crate::error::JoinError;
use crate::fork::Stamp;
use crate::name::Name;
use crate::pool::PoolLink;
use crate::primitive::{Mutex, lock};
use crate::sync::cancel::CancelToken;
use crate::task::Consent;
use crate::task::cell::{Outcome, RawTask};
use crate::task::promise::{Answer, Canceller, Mapped, Then, pair};
use crate::unwind;

/// Creates a promise, and the handle to the outcome that it promises.
///
/// Code that gets an answer from elsewhere, from another process, a device or a callback of some
/// library, keeps the promise and [completes](Promise::complete) it. The handle is a [`JoinHandle`]
/// like that of a task. It is like Java's `CompletableFuture`, and like the `Future` of Python that
/// is made by hand.
///
/// Callbacks of the handle are called on the thread that answers. With
/// [`promise_in`](crate::promise_in) a pool runs them.
///
/// Cycles of joins that lead through a promise are not found: nobody knows which thread will
/// answer.
///
/// # Examples
///
/// ```
/// let (promise, handle) = workmill::promise();
/// std::thread::spawn(move || promise.complete("an answer"));
/// assert_eq!(handle.join()?, "an answer");
/// # Ok::<(), workmill::JoinError>(())
/// ```
#[doc(alias("oneshot", "CompletableFuture"))]
pub fn promise<T: Send + 'static>() -> (Promise<T>, JoinHandle<T>) {
    promise_with(PoolLink::nowhere())
}

/// Creates a promise whose handle leads to a pool.
pub(crate) fn promise_with<T: Send + 'static>(link: PoolLink) -> (Promise<T>, JoinHandle<T>) {
    let (answer, handle) = pair(Cancels {
        token: CancelToken::new(),
        request: Mutex::new(None),
        made: Stamp::now(),
        value: PhantomData,
    });
    (Promise { answer, link }, JoinHandle::new(handle, link))
}

/// The promise of an outcome, for which somebody has a [`JoinHandle`]. Created by [`promise`] and
/// [`promise_in`](crate::promise_in).
///
/// # Cancelling
///
/// [`JoinHandle::cancel`] cancels the promise, and returns `true`, until it is answered or [set
/// running](Self::set_running). An answer that comes later is returned to the caller that gives it.
/// Work that goes on elsewhere may have to be asked whether it can be stopped:
/// [`on_cancel_request`](Self::on_cancel_request).
///
/// # Dropping
///
/// Dropping a promise without an answer resolves the handle to cancelled, with
/// [`CancelReason::Abandoned`](crate::CancelReason::Abandoned).
///
/// # Ordering
///
/// Everything before the answer happens before the outcome is returned.
///
/// # Examples
///
/// ```
/// use workmill::{CancelReason, promise};
///
/// let (promise, handle) = promise::<u32>();
/// drop(promise);
/// assert_eq!(handle.join().unwrap_err().cancel_reason(), Some(CancelReason::Abandoned));
/// ```
#[must_use = "dropping a promise resolves its handle to cancelled"]
pub struct Promise<T: Send + 'static> {
    answer: Answer<Cancels<T>, Outcome<T>>,
    link: PoolLink,
}

// A panic that is caught leaves nothing changed by half behind a promise: its state is changed by
// single exchanges, and the functions of the user's are never called while something is changed.
impl<T: Send> UnwindSafe for Promise<T> {}
impl<T: Send> RefUnwindSafe for Promise<T> {}

type Request = Arc<dyn Fn() -> bool + Send + Sync>;

/// The part of a promise that takes cancels.
struct Cancels<T> {
    token: CancelToken,
    request: Mutex<Option<Request>>,
    made: Stamp,
    value: PhantomData<fn() -> T>,
}

impl<T: Send + 'static> Canceller for Cancels<T> {
    const NAME: &'static Name = &Name::of::<Promise<T>>();

    const IN_POOL: bool = true;

    fn task(&self) -> Option<&RawTask> {
        None
    }

    fn ask(&self) -> Consent {
        if !self.made.is_here() {
            // The promise is the parent's, and so are the locks.
            return Consent::Refused;
        }
        let request = lock(&self.request).clone();
        match request {
            None => Consent::IfQueued,
            Some(request) if request() => Consent::Granted,
            Some(_) => Consent::Refused,
        }
    }

    fn was_cancelled(&self) {
        self.token.cancel();
    }
}

impl<T: Send + 'static> Promise<T> {
    /// Resolves the handle to a value.
    ///
    /// The thread or task that waits for the handle is woken, and a callback of the handle is
    /// called, before this returns, unless a pool [runs it](crate::promise_in).
    ///
    /// # Errors
    ///
    /// The value, if the promise was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let (promise, handle) = workmill::promise();
    /// assert!(handle.cancel());
    /// assert_eq!(promise.complete(42), Err(42));
    /// ```
    #[doc(alias = "set_result")]
    pub fn complete(self, value: T) -> Result<(), T> {
        self.give(Ok(value))
            .map_err(|value| value.unwrap_or_else(|_| unreachable!("a value was given")))
    }

    /// Resolves the handle to an error.
    ///
    /// # Errors
    ///
    /// The error, if the promise was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{JoinError, Lost};
    ///
    /// let (promise, handle) = workmill::promise::<u32>();
    /// let lost = Lost::new("the machine mill-2", "does not answer");
    /// promise.fail(JoinError::lost(lost)).unwrap();
    /// assert!(handle.join().unwrap_err().is_lost());
    /// ```
    #[doc(alias("set_exception", "completeExceptionally"))]
    pub fn fail(self, error: JoinError) -> Result<(), JoinError> {
        self.give(Err(error))
            .map_err(|error| error.err().expect("an error was given"))
    }

    /// Resolves the handle. A panic that no handle will return goes to the pool's handler.
    fn give(self, outcome: Outcome<T>) -> Result<(), Outcome<T>> {
        let request = lock(&self.answer.canceller().request).take();
        unwind::discard(request);
        let unseen = self.answer.give(outcome)?;
        unseen
            .into_iter()
            .for_each(|payload| self.link.report(payload));
        Ok(())
    }

    /// Notes that the work has begun: [`JoinHandle::is_running`] returns `true` from now on, and
    /// the promise cannot be cancelled any more, except with the consent of a function that was
    /// given to [`on_cancel_request`](Self::on_cancel_request).
    ///
    /// Returns `false` if the promise was cancelled before: the work need not begin.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut promise, handle) = workmill::promise();
    /// assert!(promise.set_running());
    /// assert!(handle.is_running() && !handle.cancel());
    /// promise.complete(42).unwrap();
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), workmill::JoinError>(())
    /// ```
    #[must_use = "`false`: the promise was cancelled, and nobody waits for the work"]
    #[doc(alias = "set_running_or_notify_cancel")]
    pub fn set_running(&mut self) -> bool {
        self.answer.set_running()
    }

    /// Returns `true` if the promise was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let (promise, handle) = workmill::promise::<u32>();
    /// handle.cancel();
    /// assert!(promise.is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.answer.is_cancelled()
    }

    /// Returns a token that is cancelled when the promise is cancelled by its handle, to check, to
    /// wait for in all forms, or to pass on. To cancel the token does not cancel the promise.
    ///
    /// # Examples
    ///
    /// ```
    /// let (promise, handle) = workmill::promise::<u32>();
    /// let stop = promise.cancelled();
    /// handle.cancel();
    /// stop.wait();
    /// ```
    pub fn cancelled(&self) -> CancelToken {
        self.answer.canceller().token.child()
    }

    /// Calls `callback` when the promise is cancelled by its handle, on the thread that cancels it
    /// and before the handle resolves. If the promise was cancelled before, calls it at once.
    ///
    /// Any number of callbacks are called in the order in which they were registered. A panic in
    /// one is contained. A callback that owns the promise keeps it, so that the handle resolves
    /// only if it is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let (send, called) = std::sync::mpsc::channel();
    /// let (promise, handle) = workmill::promise::<u32>();
    /// promise.on_cancel(move || send.send("nobody waits any more").unwrap());
    /// handle.cancel();
    /// assert_eq!(called.recv()?, "nobody waits any more");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) {
        self.answer.canceller().token.on_cancel(callback).keep();
    }

    /// Calls `request` for each cancel from now on, which decides about it, also after
    /// [`set_running`]. It replaces one that was given before.
    ///
    /// Each [`JoinHandle::cancel`] calls `request`, on its own thread. If it returns `true`, the
    /// work will not go on: the handle resolves to cancelled, unless the promise was answered
    /// meanwhile, and `cancel` returns `true`. If it returns `false`, the work goes on for the
    /// time being, and `cancel` returns `false`. If the work is stopped later, [`fail`] with
    /// [`JoinError::cancelled`] says so. A panic in `request` counts as `false`.
    ///
    /// It is for work that goes on in another process or on another machine, where only that side
    /// knows whether it can still be stopped.
    ///
    /// [`set_running`]: Self::set_running
    /// [`fail`]: Self::fail
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{CancelReason, JoinError, promise};
    ///
    /// let (mut promise, handle) = promise::<u32>();
    /// let (ask, asked) = std::sync::mpsc::channel();
    /// promise.on_cancel_request(move || {
    ///     let _ = ask.send("please stop");
    ///     false // the other side decides
    /// });
    /// assert!(promise.set_running());
    /// assert!(!handle.cancel());
    /// assert_eq!(asked.recv()?, "please stop");
    /// promise.fail(JoinError::cancelled(CancelReason::Cancelled)).unwrap(); // it has stopped
    /// assert!(handle.join().unwrap_err().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_cancel_request(&self, request: impl Fn() -> bool + Send + Sync + 'static) {
        let before = lock(&self.answer.canceller().request).replace(Arc::new(request));
        unwind::discard(before);
    }
}

impl<T: Send> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// The part of a mapped handle, or of one with callbacks, that takes cancels: they go to the task.
struct CancelsTask<U> {
    task: CancelHandle,
    value: PhantomData<fn() -> U>,
}

impl<U> CancelsTask<U> {
    /// Returns the part for a promise that the end of a handle's task answers.
    fn of<T>(handle: &JoinHandle<T>) -> Self {
        let task = handle.unspent();
        // Always the task itself, so that a chain of such handles is no chain of references, which
        // would be cancelled and dropped on one stack.
        let task = task.task_behind().unwrap_or_else(|| task.task_ref());
        Self {
            task: CancelHandle::new(task, handle.link()),
            value: PhantomData,
        }
    }
}

impl<U: Send + 'static> Canceller for CancelsTask<U> {
    const NAME: &'static Name = &Name::of::<Promise<U>>();

    const IN_POOL: bool = false;

    fn task(&self) -> Option<&RawTask> {
        Some(self.task.task())
    }

    /// The end of the task resolves the handle, also if it is cancelled now.
    fn ask(&self) -> Consent {
        match self.task.cancel() {
            true => Consent::GrantedElsewhere,
            false => Consent::Refused,
        }
    }

    fn was_cancelled(&self) {}
}

impl<T> JoinHandle<T> {
    /// Returns a handle to the result of `f`, which is called with the task's result by the thread
    /// that takes it: the one that joins or awaits the new handle, or that calls its callback.
    ///
    /// So the thread that ends the task does not run `f`, and if the handle is dropped `f` is never
    /// called. Each way to take the outcome calls `f`, also `try_join` and `join_timeout`, and
    /// [`shared`](Self::shared), which takes it when the task ends. The new handle returns a panic
    /// in `f` like one of the task, cancels the task, and says whether the task is running. A cycle
    /// of joins that leads through it is not found. A map of a map of a map,
    /// and so on, is called on one stack: a few hundred are too many.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let text = pool.submit(|| String::from("42"));
    /// let number = text.map(|text| text.parse::<u32>().unwrap());
    /// assert_eq!(number.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "`f` is called when the result is taken: nothing happens before"]
    #[doc(alias = "thenApply")]
    pub fn map<U, F>(self, f: F) -> JoinHandle<U>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: FnOnce(T) -> U + Send + 'static,
    {
        let (link, canceller) = (self.link(), CancelsTask::of(&self));
        let (answer, handle) = pair::<CancelsTask<U>, Mapped<T, F>>(canceller);
        attach_to_end(self.into_task(), link, Call::AtOnce, move |end| {
            // Never refused: cancels go to the task.
            if let Ok(Some(payload)) = answer.give(Mapped::Ended(end, f)) {
                link.report(payload);
            }
        });
        JoinHandle::new(handle, link)
    }
}

impl<T> JoinHandle<T> {
    /// Calls `callback` with a reference to the outcome, once, as soon as there is one, and returns
    /// a handle to the same outcome.
    ///
    /// So a handle can have any number of callbacks, also thousands, which are called in the order
    /// in which they were added, and a join still returns the outcome. The new handle resolves when
    /// the callback has returned. Where the callback is called, and what may come of it, is said at
    /// [`on_done`](Self::on_done). A panic in it goes to the
    /// [`panic_handler`](crate::Builder::panic_handler), and changes nothing in the outcome. The
    /// new handle cancels the task, and says whether the task is running. A cycle of joins that
    /// leads through it is not found.
    ///
    /// It is like Python's `add_done_callback` and Java's `whenComplete`.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let task = pool.submit(|| 42);
    /// let task = task.inspect(|outcome| println!("the answer is {outcome:?}"));
    /// let task = task.inspect(|outcome| assert!(outcome.is_ok()));
    /// assert_eq!(task.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("add_done_callback", "whenComplete"))]
    pub fn inspect<F>(self, callback: F) -> Self
    where
        T: Send + 'static,
        F: FnOnce(&Result<T, JoinError>) + Send + 'static,
    {
        let (link, call) = (self.link(), self.callback_call());
        let canceller = CancelsTask::of(&self);
        let (answer, handle) = pair::<CancelsTask<T>, Outcome<T>>(canceller);
        attach(self.into_task(), link, call, move |outcome| {
            let panic = unwind::catch(|| callback(&outcome)).err();
            // Never refused: cancels go to the task.
            let unseen = answer.give(outcome).ok().flatten();
            for payload in panic.into_iter().chain(unseen) {
                link.report(payload);
            }
        });
        Self::new(handle, link)
    }
}

impl<T> JoinHandle<Result<T, JoinError>> {
    /// Returns a handle to the outcome that `f` makes of the one that this task returned. `f` is
    /// called by the thread that takes it: the one that joins or awaits the new handle, or that
    /// calls its callback.
    ///
    /// It is for a task that gets its outcome from elsewhere, as a [`Result`] whose error is a
    /// [`JoinError`]. Both kinds of failure become one: `f` gets the error that the task returned,
    /// or the one that its pool made of a panic or a cancel. [`wait`](crate::wait()) and
    /// [`first_ok`](crate::first_ok) take each of them for a failure, and an error that `f` makes
    /// of a value for none, as they do not call `f`.
    ///
    /// In all other respects the new handle is like that of [`map`](Self::map).
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{JoinError, Lost, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(1)?;
    /// let lost = || Err::<u32, _>(JoinError::lost(Lost::new("mill 2", "does not answer")));
    /// let handle = pool.submit(lost).then(|outcome| {
    ///     outcome.map(f64::from).map_err(|error| error.with_task_name("grind"))
    /// });
    /// let error = handle.join().unwrap_err();
    /// assert_eq!(error.to_string(), "the task grind was lost: mill 2 does not answer");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "`f` is called when the outcome is taken: nothing happens before"]
    pub fn then<U, F>(self, f: F) -> JoinHandle<U>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: FnOnce(Result<T, JoinError>) -> Result<U, JoinError> + Send + 'static,
    {
        let (link, canceller) = (self.link(), CancelsTask::of(&self));
        let (answer, handle) = pair::<CancelsTask<U>, Then<T, F>>(canceller);
        attach_to_end(self.into_task(), link, Call::AtOnce, move |end| {
            let Ok(outcome) = end.try_take() else {
                unreachable!("only the end of the task wakes a waiter");
            };
            // Never refused: cancels go to the task.
            if let Ok(Some(payload)) =
                answer.give(Then::Ended(outcome.and_then(|outcome| outcome), f))
            {
                link.report(payload);
            }
        });
        JoinHandle::new(handle, link)
    }
}
