//! Submitting closures.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use super::PoolRef;
use crate::admission::{self, Patience, Refusal, View};
use crate::error::{JoinError, TrySubmitError};
use crate::handle::JoinHandle;
use crate::name::Name;
use crate::pool::{ClosureToken, Extras, Make, MakeWith, Pool, PoolTask, Priority, runs_task_of};
use crate::scope::lend;
use crate::task::Token;
use crate::task::cell::TaskRef;
use crate::trampoline;
use crate::unwind;
use crate::wait::Deadline;

/// A submission that knows how to end a task which the pool refuses.
pub(super) trait Refuse: MakeWith {
    fn refuse(self, refusal: Refusal, pool: &PoolRef) -> Self::Handle;
}

/// A closure with a handle.
pub(super) struct WithHandle<F>(pub(super) F);

impl<F, T> Make for WithHandle<F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Handle = JoinHandle<T>;

    #[inline(always)]
    fn make<P: Token>(self, pool: &Pool, _: Option<usize>, token: P) -> (PoolTask, JoinHandle<T>) {
        let (task, handle) = PoolTask::with_handle(token, self.0);
        (task, JoinHandle::new(handle, pool.link))
    }
}

impl<F, T> MakeWith for WithHandle<F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn name(&self) -> &'static Name {
        const { &Name::of::<F>() }
    }

    fn make_with(
        self,
        pool: &Pool,
        _: Option<usize>,
        extras: Arc<Extras>,
    ) -> (PoolTask, TaskRef, JoinHandle<T>) {
        let (task, handle) = PoolTask::with_handle(ClosureToken::new(extras), self.0);
        let task_ref = handle.task_ref();
        (task, task_ref, JoinHandle::new(handle, pool.link))
    }
}

impl<F, T> Refuse for WithHandle<F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Drops the closure; the handle resolves when the closure is gone.
    fn refuse(self, refusal: Refusal, pool: &PoolRef) -> JoinHandle<T> {
        let (task, handle) = PoolTask::with_handle((), self.0);
        trampoline::call(move || {
            let _ = task.cancel(refusal.reason());
        });
        JoinHandle::new(handle, pool.pool.link)
    }
}

/// A closure that borrows from the submitter, which waits for it.
struct Lent<F>(F);

impl<F> Make for Lent<F>
where
    F: FnOnce() + Send + 'static,
{
    type Handle = JoinHandle<()>;

    fn make<P: Token>(
        self,
        pool: &Pool,
        slot: Option<usize>,
        token: P,
    ) -> (PoolTask, JoinHandle<()>) {
        WithHandle(self.0).make(pool, slot, token)
    }
}

impl<F> MakeWith for Lent<F>
where
    F: FnOnce() + Send + 'static,
{
    fn name(&self) -> &'static Name {
        const { &Name::of::<F>() }
    }

    fn make_with(
        self,
        pool: &Pool,
        slot: Option<usize>,
        extras: Arc<Extras>,
    ) -> (PoolTask, TaskRef, JoinHandle<()>) {
        WithHandle(self.0).make_with(pool, slot, extras)
    }
}

impl<F> Refuse for Lent<F>
where
    F: FnOnce() + Send + 'static,
{
    /// Drops the closure before the call returns, since it borrows.
    fn refuse(self, refusal: Refusal, pool: &PoolRef) -> JoinHandle<()> {
        unwind::discard(self.0);
        let name = const { &Name::of::<F>() };
        JoinHandle::refused(refusal.reason(), name, pool.pool.link)
    }
}

/// A closure without a handle.
struct Detached<F>(F);

impl<F> Make for Detached<F>
where
    F: FnOnce() + Send + 'static,
{
    type Handle = ();

    #[inline(always)]
    fn make<P: Token>(self, _: &Pool, _: Option<usize>, token: P) -> (PoolTask, ()) {
        (PoolTask::detached(token, self.0), ())
    }
}

impl<F> MakeWith for Detached<F>
where
    F: FnOnce() + Send + 'static,
{
    const HAS_NO_HANDLE: bool = true;

    fn name(&self) -> &'static Name {
        const { &Name::of::<F>() }
    }

    /// Makes a task with a handle, which is dropped at once.
    fn make_with(self, _: &Pool, _: Option<usize>, extras: Arc<Extras>) -> (PoolTask, TaskRef, ()) {
        let (task, handle) = PoolTask::with_handle(ClosureToken::new(extras), self.0);
        (task, handle.task_ref(), ())
    }
}

impl<F> Refuse for Detached<F>
where
    F: FnOnce() + Send + 'static,
{
    fn refuse(self, refusal: Refusal, pool: &PoolRef) {
        match refusal {
            Refusal::Dropped => trampoline::call(move || drop(self.0)),
            Refusal::Full | Refusal::Shutdown | Refusal::Forked | Refusal::Cancelled => {
                pool.turn_away(boxed(self.0), refusal);
            }
        }
    }
}

impl PoolRef {
    /// Submits a closure and returns a handle to its result.
    ///
    /// [`execute`](Self::execute) submits a closure whose result is not wanted. Futures are
    /// [spawned](Self::spawn): a closure that calls an `async fn` returns its future, and nothing
    /// has polled that.
    ///
    /// # Blocking
    ///
    /// Blocks only if the pool has a [`queue_capacity`](crate::Builder::queue_capacity) and is
    /// full: the pool's policy may be to wait for room
    /// ([`Overflow::Block`](crate::Overflow::Block)) or to run the task on this thread
    /// ([`Overflow::CallerRuns`](crate::Overflow::CallerRuns)). Calls by tasks of this pool never
    /// wait for room; their tasks are accepted over capacity.
    ///
    /// # Errors
    ///
    /// The call itself never fails. If the pool is shut down or refuses the task, the handle
    /// resolves to cancelled with the [`CancelReason`](crate::CancelReason), and the closure is
    /// dropped here.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.submit(|| "flour".len());
    /// assert_eq!(handle.join()?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the result is lost: if it is not wanted, write `execute(move || { f(x); })`, \
                  whose closure returns `()`; `spawn` runs the future of an `async fn`"]
    #[doc(alias(
        "apply_async",
        "spawn_blocking",
        "supplyAsync",
        "run_in_executor",
        "to_thread"
    ))]
    pub fn submit<F, T>(&self, closure: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.place_or_refuse(WithHandle(closure))
    }

    /// Submits a closure if there is room for it now. Never waits.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the closure if there is no room, whatever the overflow policy is and
    /// for the pool's own tasks too, if the pool is shut down, or in a child process of the one
    /// that built the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.try_submit(|| 42)?;
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_submit<F, T>(&self, closure: F) -> Result<JoinHandle<T>, TrySubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.place(WithHandle(closure), Patience::Never)
            .map_err(|(refusal, WithHandle(closure))| refusal.with(closure))
    }

    /// Submits a closure, and blocks until there is room for it, but no longer than `timeout`,
    /// whatever the overflow policy is.
    ///
    /// [`Duration::ZERO`] submits if there is room now; [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until there is room or the time is over. Submitters are served in order of arrival.
    /// Calls by tasks of this pool never wait for room; their closures are accepted over capacity.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the closure when the time is over, if the pool is shut down, or is
    /// shut down during the wait, or in a child process of the one that built the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::Builder::new().threads(1).queue_capacity(1).build()?;
    /// for n in 0..100 {
    ///     if let Err(refused) = pool.submit_timeout(move || n, Duration::from_secs(10)) {
    ///         eprintln!("stuck: {refused}");
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_timeout<F, T>(
        &self,
        closure: F,
        timeout: Duration,
    ) -> Result<JoinHandle<T>, TrySubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.submit_until(closure, Deadline::after(timeout))
    }

    /// Submits a closure, and blocks until there is room for it, but no longer than until
    /// `deadline`.
    pub(crate) fn submit_until<F, T>(
        &self,
        closure: F,
        deadline: Deadline,
    ) -> Result<JoinHandle<T>, TrySubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.place(WithHandle(closure), Patience::Until(deadline))
            .map_err(|(refusal, WithHandle(closure))| refusal.with(closure))
    }

    /// Runs a closure in the pool, blocks until it has returned, and returns its result.
    ///
    /// The closure may borrow. A task of this pool that calls `install` calls the closure directly;
    /// for a reference of a [`Group`](crate::Group), a task of the group does.
    ///
    /// # Blocking
    ///
    /// Blocks until the closure has returned, or was cancelled and dropped.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the closure panicked, or was cancelled: because the pool refused it, was
    /// stopped by [`shutdown_now`](crate::ThreadPoolExecutor::shutdown_now), or dropped it in
    /// favour of a newer task.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let grains = vec![1, 2, 3];
    /// let sum: i32 = pool.install(|| grains.iter().sum())?;
    /// assert_eq!(sum, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "invoke")]
    pub fn install<F, R>(&self, closure: F) -> Result<R, JoinError>
    where
        F: FnOnce() -> R + Send,
        R: Send,
    {
        let name = const { &Name::of::<F>() };
        let mut closure = Some(closure);
        let call = || closure.take().expect("the closure is called once")();
        // A task that is not of the group needs a permit for it.
        let group = self.view.as_ref().and_then(|view| view.group());
        let may_call = group.is_none_or(|group| runs_task_of(group));
        if let Some(result) = may_call.then(|| self.pool.call_inside(call)).flatten() {
            return result.map_err(|payload| JoinError::of_panic(payload, name));
        }
        let closure = closure.expect("the closure was not called");
        lend::run_elsewhere(closure, |closure| self.place_or_refuse(Lent(closure)))
            .map_err(|error| error.named(name))
    }

    /// Submits a closure without a handle.
    ///
    /// The closure returns `()`. For a function that returns a value which is not wanted, write
    /// `execute(move || { f(x); })`. Small closures cost no allocation. A panic in the closure is
    /// reported by the panic hook, as for any thread, then goes to the
    /// [`panic_handler`](crate::Builder::panic_handler), and the worker goes on.
    ///
    /// # Blocking
    ///
    /// Blocks only if the pool has a [`queue_capacity`](crate::Builder::queue_capacity) and is
    /// full: the pool's policy may be to wait for room
    /// ([`Overflow::Block`](crate::Overflow::Block)) or to run the closure on this thread
    /// ([`Overflow::CallerRuns`](crate::Overflow::CallerRuns)). Calls by tasks of this pool never
    /// wait for room; their closures are accepted over capacity.
    ///
    /// # Errors
    ///
    /// The call itself never fails. A closure that is refused goes to
    /// [`on_rejected`](crate::Builder::on_rejected), or is dropped here.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let sacks = Arc::new(AtomicU32::new(0));
    /// for _ in 0..10 {
    ///     let sacks = Arc::clone(&sacks);
    ///     pool.execute(move || { sacks.fetch_add(1, Ordering::Relaxed); });
    /// }
    /// pool.shutdown();
    /// assert_eq!(sacks.load(Ordering::Relaxed), 10);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias("runAsync", "spawn_ok"))]
    pub fn execute<F>(&self, closure: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.place_or_refuse(Detached(closure));
    }

    /// Submits a closure without a handle if there is room for it now. Never waits.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the closure if there is no room, whatever the overflow policy is and
    /// for the pool's own tasks too, if the pool is shut down, or in a child process of the one
    /// that built the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(1).queue_capacity(10).build()?;
    /// if let Err(refused) = pool.try_execute(|| println!("in the pool")) {
    ///     let closure = refused.into_inner();
    ///     closure(); // here instead
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_execute<F>(&self, closure: F) -> Result<(), TrySubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        self.place(Detached(closure), Patience::Never)
            .map_err(|(refusal, Detached(closure))| refusal.with(closure))
    }

    #[inline(always)]
    pub(super) fn place<M: MakeWith>(
        &self,
        make: M,
        patience: Patience,
    ) -> Result<M::Handle, (Refusal, M)> {
        match &self.view {
            None => admission::place(&self.pool, None, make, patience),
            Some(view) => self.place_by(view, make, patience),
        }
    }

    #[inline]
    fn place_by<M: MakeWith>(
        &self,
        view: &View,
        make: M,
        patience: Patience,
    ) -> Result<M::Handle, (Refusal, M)> {
        match view.simple() {
            Some((Some(bound), Priority::Normal)) => {
                admission::place(&self.pool, Some(bound), make, patience)
            }
            Some((bound, class)) => {
                admission::place_class(&self.pool, bound, class, make, patience)
            }
            None => view.place(&self.pool, make, patience),
        }
    }

    #[inline(always)]
    pub(super) fn place_or_refuse<M: Refuse>(&self, make: M) -> M::Handle {
        match self.place(make, Patience::Policy) {
            Ok(handle) => handle,
            Err((refusal, make)) => {
                self.pool.incidents.rejected.add_one();
                make.refuse(refusal, self)
            }
        }
    }

    /// Hands a refused closure to the user's hook, or drops it.
    pub(super) fn turn_away(&self, closure: Box<dyn FnOnce() + Send>, refusal: Refusal) {
        let pool = self.pool.clone();
        trampoline::call(move || pool.hooks.rejected(closure, refusal.reason()));
    }
}

/// Boxes a closure, unless it is boxed already, so that a closure that is refused again and again
/// is not boxed again and again.
fn boxed<F: FnOnce() + Send + 'static>(closure: F) -> Box<dyn FnOnce() + Send> {
    let mut closure = Some(closure);
    let any: &mut dyn Any = &mut closure;
    let boxed = any.downcast_mut::<Option<Box<dyn FnOnce() + Send>>>();
    match boxed.and_then(Option::take) {
        Some(boxed) => boxed,
        None => Box::new(closure.expect("the closure was not taken")),
    }
}
