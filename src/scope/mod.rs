//! Work that borrows from a caller that waits for it.
//!
//! A [`Scope`] has [`tasks`], counted until their [`end`], for which its [`owner`] waits.
//! [`scoped_task`] makes a closure that borrows a task like any other, and [`handle`] is the handle
//! to it. [`mod@slice`] maps a slice by halves, into memory that is [`unfilled`] at first. [`lend`]
//! runs one closure that borrows, for a caller outside the pool.

mod end;
mod handle;
pub(crate) mod join;
pub(crate) mod lend;
#[cfg(all(test, workmill_loom))]
mod model;
mod owner;
mod owner_cell;
mod scoped_task;
pub(crate) mod slice;
mod tasks;
mod unfilled;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

pub use self::handle::ScopedJoinHandle;
use self::scoped_task::Counted;
use self::tasks::Tasks;
use crate::admission::{self, Capacity, Patience};
use crate::error::CancelReason;
use crate::handle::JoinHandle;
use crate::pool::{Level, Make, Pool, PoolTask};
use crate::task::Token;
use crate::task::cell::TaskRef;
use crate::trampoline;
use crate::unwind;

/// A scope, to which tasks can be submitted that borrow. Created by
/// [`PoolRef::scope`](crate::PoolRef::scope).
///
/// It is like [`std::thread::Scope`]. The lifetime `'scope` begins before the closure of the scope
/// is called, and ends when all its tasks have ended; what they borrow must live for at least as
/// long. `'env` is the lifetime of what lives outside the scope. Tasks can use the scope as well,
/// and submit to it.
///
/// # Examples
///
/// ```
/// use workmill::Scope;
///
/// /// Adds one to each number, with a task for every eight of them.
/// fn raise<'scope>(scope: &'scope Scope<'scope, '_>, numbers: &'scope mut [u32]) {
///     if numbers.len() > 8 {
///         let (left, right) = numbers.split_at_mut(numbers.len() / 2);
///         scope.execute(move || raise(scope, left));
///         raise(scope, right);
///     } else {
///         numbers.iter_mut().for_each(|number| *number += 1);
///     }
/// }
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let mut numbers = vec![41; 1000];
/// pool.scope(|scope| raise(scope, &mut numbers));
/// assert!(numbers.iter().all(|number| *number == 42));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "StructuredTaskScope")]
pub struct Scope<'scope, 'env: 'scope> {
    tasks: Tasks<'scope>,
    pool: &'scope Arc<Pool>,
    capacity: Option<&'scope Arc<Capacity>>,
    env: PhantomData<&'env mut &'env ()>,
}

/// Calls `body` with a scope of the pool, and waits until the scope's tasks have ended.
pub(crate) fn run<'env, F, R>(pool: &Arc<Pool>, capacity: Option<&Arc<Capacity>>, body: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    // A bound would have to be in the task.
    let level = match capacity {
        None => Level::enter(pool),
        Some(_) => None,
    };
    let scope = Scope {
        tasks: Tasks::new(pool.link, level),
        pool,
        capacity,
        env: PhantomData,
    };
    if pool.is_here() {
        scope.tasks.begin_list();
    }
    let result = owner::wait_after(&scope.tasks, || body(&scope));
    level.into_iter().for_each(Level::leave);
    let panic = scope.tasks.take_panic();
    match (result, panic) {
        (Ok(result), None) => result,
        (Ok(result), Some(panic)) => {
            unwind::discard(result);
            std::panic::resume_unwind(panic.into_inner())
        }
        (Err(payload), panic) => {
            panic.into_iter().for_each(|panic| pool.link.report(panic));
            std::panic::resume_unwind(payload.into_inner())
        }
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Submits a closure that may borrow, and returns a handle to its result.
    ///
    /// The scope waits for it, so the handle need not be joined. Dropping the handle detaches the
    /// task from the handle, not from the scope. [`execute`](Self::execute) submits a closure whose
    /// result is not wanted.
    ///
    /// # Blocking
    ///
    /// Blocks only where [`PoolRef::submit`](crate::PoolRef::submit) does: outside the pool, if the
    /// pool is full and its policy says so.
    ///
    /// # Errors
    ///
    /// The call itself never fails. If the pool is shut down or refuses the task, or if the scope
    /// [has failed](Self::cancel_on_panic), the handle resolves to cancelled, and the closure is
    /// dropped here.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let grains = ["wheat", "rye", "spelt"];
    /// let (first, others) = pool.scope(|scope| {
    ///     let first = scope.submit(|| grains[0].len());
    ///     let others = scope.submit(|| grains[1..].concat().len());
    ///     (first.join().unwrap(), others.join().unwrap())
    /// });
    /// assert_eq!((first, others), (5, 8));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "the result is lost: `execute` takes a closure whose result is not wanted"]
    pub fn submit<F, T>(&'scope self, closure: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let counted = Counted::new(&self.tasks);
        let handle = self.place(WithHandle(Submission { closure, counted }));
        ScopedJoinHandle::new(handle, &self.tasks)
    }

    /// Submits a closure that may borrow, without a handle.
    ///
    /// A panic in the closure is resumed at the end of the scope, if it is the first. The closure
    /// is dropped if the pool refuses it; [`submit`](Self::submit) tells of that.
    ///
    /// # Blocking
    ///
    /// Blocks only where [`PoolRef::execute`](crate::PoolRef::execute) does: outside the pool, if
    /// the pool is full and its policy says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let sacks = AtomicU32::new(0);
    /// pool.scope(|scope| {
    ///     for _ in 0..10 {
    ///         scope.execute(|| { sacks.fetch_add(1, Ordering::Relaxed); });
    ///     }
    /// });
    /// assert_eq!(sacks.into_inner(), 10);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn execute<F>(&'scope self, closure: F)
    where
        F: FnOnce() + Send + 'scope,
    {
        let is_free = || self.tasks.doomed().is_none();
        let level = self.tasks.level().filter(|level| level.is_here());
        let counted = Counted::new(&self.tasks);
        match level.filter(|_| is_free()) {
            Some(level) => {
                if level.place(|| scoped_task::make_stacked(counted, closure)) {
                    self.tasks.note_stacked();
                }
            }
            None => self.place(Alone(Submission { closure, counted })),
        }
    }

    /// Makes the first panic of a task cancel the other tasks of the scope, from now on.
    ///
    /// Tasks that have not begun when a task panics never will: their handles resolve to cancelled,
    /// with [`CancelReason::ScopeFailed`], when a thread comes to
    /// them. So do those of tasks that are submitted later. Tasks that run are not stopped; a long
    /// one can ask [`has_failed`](Self::has_failed). It does not matter whether the handle of the
    /// task that panicked is joined.
    ///
    /// A task whose result is an `Err` has not failed in this sense; it may panic to say so.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// pool.scope(|scope| {
    ///     scope.cancel_on_panic();
    ///     let first = scope.submit(|| panic!("out of flour"));
    ///     assert!(first.join().unwrap_err().is_panic());
    ///     let second = scope.submit(|| println!("never printed"));
    ///     assert!(second.join().unwrap_err().is_cancelled());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel_on_panic(&self) {
        self.tasks.cancel_on_panic();
    }

    /// Returns `true` if a task has panicked since [`cancel_on_panic`](Self::cancel_on_panic) was
    /// called, so that no other task of the scope begins any more.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// pool.scope(|scope| {
    ///     let burnt = scope.submit(|| panic!("the mill is on fire"));
    ///     # let burnt: workmill::ScopedJoinHandle<'_, ()> = burnt;
    ///     assert!(burnt.join().is_err());
    ///     println!("{}", if scope.has_failed() { "stop" } else { "go on" });
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn has_failed(&self) -> bool {
        self.tasks.doomed().is_some()
    }

    /// Returns the number of workers that run at a time.
    pub(crate) fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Submits a closure to the pool, and lists its task for the owner.
    #[inline(always)]
    fn place<M, H>(&'scope self, make: M) -> H
    where
        M: Make<Handle = (H, TaskRef)>,
    {
        if let Some(reason) = self.tasks.doomed() {
            return cancel(make, reason, self.pool);
        }
        match admission::place(self.pool, self.capacity, make, Patience::Policy) {
            Ok((handle, task)) => {
                self.tasks.list(task);
                handle
            }
            Err((refusal, make)) => {
                self.pool.incidents.rejected.add_one();
                cancel(make, refusal.reason(), self.pool)
            }
        }
    }
}

/// Drops a closure; its handle resolves when the closure is gone.
fn cancel<M, H>(make: M, reason: CancelReason, pool: &Pool) -> H
where
    M: Make<Handle = (H, TaskRef)>,
{
    let (task, (handle, _)) = make.make(pool, None, ());
    trampoline::call(move || {
        let _ = task.cancel(reason);
    });
    handle
}

/// A closure that becomes a task of a scope.
struct Submission<'scope, F> {
    // Dropped in this order, if it becomes none.
    closure: F,
    counted: Counted<'scope>,
}

/// It gets a handle.
struct WithHandle<'scope, F>(Submission<'scope, F>);

impl<'scope, F, T> Make for WithHandle<'scope, F>
where
    F: FnOnce() -> T + Send + 'scope,
    T: Send + 'scope,
{
    type Handle = (JoinHandle<T>, TaskRef);

    #[inline(always)]
    fn make<P: Token>(
        self,
        pool: &Pool,
        _: Option<usize>,
        token: P,
    ) -> (PoolTask, (JoinHandle<T>, TaskRef)) {
        let Submission { closure, counted } = self.0;
        let (task, handle, listed) = scoped_task::make(counted, token, closure);
        (task, (JoinHandle::new(handle, pool.link), listed))
    }
}

/// It gets none.
struct Alone<'scope, F>(Submission<'scope, F>);

impl<'scope, F> Make for Alone<'scope, F>
where
    F: FnOnce() + Send + 'scope,
{
    type Handle = ((), TaskRef);

    #[inline(always)]
    fn make<P: Token>(self, _: &Pool, _: Option<usize>, token: P) -> (PoolTask, ((), TaskRef)) {
        let Submission { closure, counted } = self.0;
        let (task, listed) = scoped_task::make_alone(counted, token, closure);
        (task, ((), listed))
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("has_failed", &self.has_failed())
            .finish_non_exhaustive()
    }
}
