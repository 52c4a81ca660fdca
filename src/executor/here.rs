//! Functions for code inside a task, which need no reference to its pool.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::PoolRef;
use crate::admission::View;
use crate::pool::Local;
use crate::sync::cancel::CancelToken;
use crate::unwind::OnDrop;
use crate::wait::{Blocking, Cause};

/// Returns the pool whose task calls this, or `None` outside of tasks.
///
/// A task can so submit to its own pool without having been given a reference. A task that is run
/// by its submitter, because the pool is full (see
/// [`Overflow::CallerRuns`](crate::Overflow::CallerRuns)), counts as a task of that pool.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// assert!(workmill::current().is_none());
/// let threads = pool.submit(|| workmill::current().unwrap().threads());
/// assert_eq!(threads.join()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Handle")]
pub fn current() -> Option<PoolRef> {
    Local::with(|local| {
        let pool = Arc::clone(&local?.shared);
        let view = View::of(&pool);
        Some(PoolRef { pool, view })
    })
}

/// Returns the index of the slot that this thread holds in its pool, or `None` if this thread is
/// not a worker of a pool or runs its task without a slot.
///
/// A slot is the right to run a task. The index is less than the largest value that
/// [`threads`](PoolRef::threads) has had. No two threads of a pool hold one slot at the same time.
/// A task that has waited may go on with another slot, or with none.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// assert_eq!(workmill::worker_index(), None);
/// assert_eq!(pool.submit(workmill::worker_index).join()?, Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("current_thread_index", "get_ident"))]
pub fn worker_index() -> Option<usize> {
    Local::with(|local| local?.slot_index())
}

/// Returns a token that tells the running task to end.
///
/// It is cancelled when the pool of the task is shut down by
/// [`shutdown_now`](crate::ThreadPoolExecutor::shutdown_now), or by the drop of its last owner with
/// [`DropBehavior::Cancel`](crate::DropBehavior::Cancel) or while the thread unwinds. A shutdown
/// that finishes the accepted tasks does not cancel it. A task may check the token, wait for it,
/// register callbacks, or pass it on, also to threads outside the pool, and keep it for as long as
/// it likes. A closure that runs for long should keep it instead of asking again.
///
/// A task that is run inline, or by its submitter, has the token of its own pool. A job has one of
/// its own, where it can be asked to end: see [`with_cancelled`]. A future can ask while it is
/// polled. Outside of tasks, and in a forked child process, the returned token is never
/// cancelled, so a library may ask without knowing its callers.
///
/// The thread that shuts the pool down calls the callbacks of the token, as
/// [`CancelToken::cancel`] describes. It does so before it cancels the tasks that have not begun,
/// and counts as a task of the pool meanwhile: a shutdown in a callback does not wait. The pool
/// keeps the token, so a callback that is [kept](crate::CancelCallback::keep) and owns the pool
/// keeps both.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let begun = std::sync::Arc::new(workmill::Event::new());
/// let begins = std::sync::Arc::clone(&begun);
/// let grinds = pool.submit(move || {
///     let stop = workmill::cancelled();
///     begins.set();
///     let mut sacks = 0_u64;
///     while !stop.is_cancelled() {
///         sacks += 1;
///     }
///     sacks
/// });
/// begun.wait();
/// pool.shutdown_now();
/// println!("{} sacks", grinds.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("interrupted", "isInterrupted"))]
pub fn cancelled() -> CancelToken {
    let given = GIVEN.try_with(|given| given.borrow().as_ref().and_then(Given::token));
    given.ok().flatten().unwrap_or_else(|| {
        let token = Local::with(|local| Some(local?.shared.token()));
        token.unwrap_or_default()
    })
}

/// A token that [`with_cancelled`] was given.
struct Given {
    token: CancelToken,
    place: Place,
}

/// The innermost pool's part of this thread, the number of tasks that it runs inline, and the cell
/// of the running task: another task that runs on top has others.
type Place = (Option<(usize, usize)>, usize);

fn place() -> Place {
    let address = |local: &Local| std::ptr::from_ref(local).addr();
    let part = Local::with(|local| local.map(|it| (address(it), it.inline_depth())));
    (part, Local::running_cell().addr())
}

impl Given {
    /// Returns the token, unless this thread runs another task meanwhile.
    fn token(&self) -> Option<CancelToken> {
        (place() == self.place).then(|| self.token.clone())
    }
}

std::thread_local! {
    static GIVEN: RefCell<Option<Given>> = const { RefCell::new(None) };
}

/// Calls `f`, in which [`cancelled`] returns `token`, on this thread.
///
/// It is for code that runs other people's functions and can ask them to end: an executor, or a
/// server of jobs. Give it a [child](CancelToken::child) of [`cancelled()`](cancelled) if the end
/// of the pool is to reach `f` as well. Calls may be nested; the innermost token counts. A task
/// that is run inline while `f` waits for it has the token of its own pool, as always. So have the
/// tasks that `f` submits.
///
/// # Examples
///
/// ```
/// use workmill::{CancelToken, cancelled, with_cancelled};
///
/// let stop = CancelToken::new();
/// let asked = with_cancelled(&stop, || {
///     stop.cancel();
///     cancelled().is_cancelled()
/// });
/// assert!(asked && !cancelled().is_cancelled());
/// ```
pub fn with_cancelled<R>(token: &CancelToken, f: impl FnOnce() -> R) -> R {
    let given = Given {
        token: token.clone(),
        place: place(),
    };
    let replace = |given| GIVEN.try_with(|it| it.replace(given)).ok().flatten();
    let outer = Cell::new(replace(Some(given)));
    let _end = OnDrop(|| drop(replace(outer.take())));
    f()
}

/// Calls `wait`, and gives this task's slot, its right to run, to another thread meanwhile.
///
/// Use it for waits inside tasks that this crate cannot see: on locks and channels of std, files,
/// sockets, processes, [`sleep`](std::thread::sleep). The waits of this crate give the slot away by
/// themselves. If there is work and no spare thread, another thread is started for the slot, as
/// long as fewer threads wait than [`max_spare_threads`](crate::Builder::max_spare_threads) allows.
/// Afterwards the task goes on at once, with a slot or without one; so for a moment more tasks may
/// run than the pool has slots.
///
/// Outside of pools, and within another wait, it only calls `wait`, so a library may use it without
/// knowing its callers. It costs some hundred nanoseconds, and is not worth it for waits that
/// seldom take longer.
///
/// It is like tokio's `block_in_place`, and `ForkJoinPool.managedBlock` in Java.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let (sender, receiver) = mpsc::channel();
/// let waits = pool.submit(move || workmill::blocking(|| receiver.recv()));
/// let sends = pool.submit(move || sender.send(42)); // has the only slot meanwhile
/// sends.join()??;
/// assert_eq!(waits.join()??, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("block_in_place", "ManagedBlocker"))]
pub fn blocking<R>(wait: impl FnOnce() -> R) -> R {
    let _blocking = Blocking::begin(Cause::Return);
    wait()
}
